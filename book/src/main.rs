//! `make book`: the notes, worksheets, answers and exercises as two books, one in English, one in Chinese, which a
//! browser opens from disk. mdBook turns each page into HTML; this program says which pages there are.

mod links;
mod pages;
mod search;
mod serve;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use pages::{Language, Pages};
use regex::Regex;

const USAGE: &str =
    "usage: book [-o FOLDER] [--lab PROGRAM] [--serve PORT], in the workbook's folder";

/// What mdBook writes for its own theme, and ours has no use for.
const UNUSED: [&str; 12] = [
    "css",
    "fonts",
    ".nojekyll",
    "ayu-highlight.css",
    "book.js",
    "clipboard.min.js",
    "highlight.css",
    "highlight.js",
    "tomorrow-night.css",
    "toc.html",
    "toc.js",
    "favicon.png",
];

fn main() {
    let mut out = PathBuf::from("target/book");
    let mut lab = PathBuf::from("target/debug/lab");
    let mut port = None;
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("-o", Some(folder)) => out = folder.into(),
            ("--lab", Some(program)) => lab = program.into(),
            ("--serve", Some(number)) if number.parse::<u16>().is_ok() => {
                port = number.parse().ok()
            }
            _ => fail(USAGE, 2),
        }
    }
    let done = match port {
        None => build(Path::new("."), &out, &lab),
        Some(port) => serve::serve(&out, &lab, port),
    };
    match done {
        Ok(()) => println!("{}", out.join("index.html").display()),
        Err(why) => fail(&format!("{why:#}"), 1),
    }
}

fn fail(why: &str, code: i32) -> ! {
    eprintln!("book: {why}");
    std::process::exit(code)
}

/// Makes both books. What was in the folder before is replaced.
pub fn build(workbook: &Path, out: &Path, lab: &Path) -> Result<()> {
    let pages = Pages::of(workbook)?;
    let mut files = BTreeSet::new();
    fs::create_dir_all(out)?;
    let out = out.canonicalize()?;
    for language in Language::BOTH {
        let mut config = Config::from_disk(workbook.join("book/book.toml"))?;
        config.book.language = Some(language.code().to_string());
        config.book.title = Some(language.title().to_string());
        config.build.build_dir = out.join(language.folder());
        let mut book = MDBook::load_with_config_and_summary(
            workbook.join("book"),
            config,
            Default::default(),
        )?;
        book.book = pages.book(language, &mut files)?;
        book.build()?;
        tidy(&out.join(language.folder()))?;
        search::write(workbook, &pages, language, &out.join(language.folder()))?;
        for unused in UNUSED {
            let unused = out.join(language.folder()).join(unused);
            let _ =
                if unused.is_dir() { fs::remove_dir_all(unused) } else { fs::remove_file(unused) };
        }
    }
    for section in pages.runs() {
        run(workbook, section, lab, &out.join("runs"))?;
    }
    copy(workbook, &files, &out.join("files"))?;
    fs::copy(workbook.join("book/theme/choice.html"), out.join("index.html"))?;
    Ok(())
}

/// The page of a recorded run, which the tool makes; it is the same in every language.
fn run(workbook: &Path, section: &str, lab: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out)?;
    let runs = workbook.join("book/runs");
    let mut page = Command::new(lab);
    page.arg("page").arg(runs.join(format!("{section}.json")));
    page.arg("-o").arg(out.join(format!("{section}.html")));
    page.args(["--title", &format!("Lab {section}")]);
    let cure = runs.join(format!("{section}-cure.json"));
    if cure.is_file() {
        page.arg("--cure").arg(cure);
    }
    let done = page.output();
    let done = done.with_context(|| format!("{}, which cargo build makes", lab.display()))?;
    if !done.status.success() {
        bail!("the run of {section}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

/// mdBook wraps a picture in a box to tick, which only its own theme understands: here it is a link to itself.
/// A corner of a table that heads nothing is no heading. On paper nobody steps through a run.
fn tidy(folder: &Path) -> Result<()> {
    let picture = Regex::new(
        "(?s)<label class=\"checkbox-label\"><input[^>]*>(<img src=\"([^\"]*)\"[^>]*>)<span.*?</span></label>",
    )?;
    let corner = Regex::new("<th([^>]*)></th>")?;
    let frame = Regex::new("<iframe.*?</iframe>")?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            tidy(&path)?;
        } else if path.extension().is_some_and(|end| end == "html") {
            let html = fs::read_to_string(&path)?;
            let html = picture.replace_all(&html, "<a href=\"$2\">$1</a>");
            let html = corner.replace_all(&html, "<td$1></td>");
            let print = path.ends_with("print.html");
            fs::write(&path, if print { frame.replace_all(&html, "") } else { html }.as_bytes())?;
        }
    }
    Ok(())
}

/// The pictures and sources to which pages lead. A source becomes text, which every browser shows; a folder, the list
/// of its files.
fn copy(workbook: &Path, files: &BTreeSet<String>, out: &Path) -> Result<()> {
    for file in files {
        let (from, to) = (workbook.join(file), out.join(links::copied(file)));
        fs::create_dir_all(to.parent().expect("a folder"))?;
        if from.is_dir() {
            let names = fs::read_dir(&from)?.map(|one| Ok(one?.file_name().display().to_string()));
            let mut names = names.collect::<Result<Vec<_>>>()?;
            names.sort();
            fs::write(to, names.join("\n") + "\n")?;
        } else {
            fs::copy(&from, to).with_context(|| format!("{file}, to which a page leads"))?;
        }
    }
    Ok(())
}
