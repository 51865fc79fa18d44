//! `make book`: every page is in both books, every link leads somewhere, the search finds what is asked for in
//! either language, and everybody can read the pages, in a window, on a phone and on paper.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use common::{not_tested, repo, scratch};
use regex::Regex;

/// The book, made once for all of these tests, where `make book` has built its program.
fn book(what: &str) -> Option<&'static Path> {
    static MADE: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| {
        let program = repo().join("target/mdbook/debug/book");
        let folder = program.is_file().then(scratch)?;
        let mut make = Command::new(program);
        let made =
            make.arg("-o").arg(folder.path()).current_dir(repo()).output().expect("the book");
        assert!(made.status.success() && made.stderr.is_empty(), "{made:#?}");
        Some(folder)
    });
    if MADE.is_none() {
        not_tested("mdBook (make book)", what);
    }
    MADE.as_ref().map(tempfile::TempDir::path)
}

/// Files below a folder, by their path in it.
fn below(folder: &Path, end: &str) -> BTreeSet<String> {
    let (mut found, mut folders) = (BTreeSet::new(), vec![folder.to_path_buf()]);
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(here).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.display().to_string().ends_with(end) {
                found.insert(path.strip_prefix(folder).expect("below").display().to_string());
            }
        }
    }
    found
}

/// The English pages that a reader is meant to read, as addresses, each with its Chinese file.
fn wanted() -> BTreeMap<String, PathBuf> {
    let notes = below(&repo().join("notes"), ".md").into_iter().map(|name| format!("notes/{name}"));
    let labs = below(&repo().join("labs"), ".md").into_iter().map(|name| format!("labs/{name}"));
    let english = notes
        .chain(labs)
        .filter(|name| !name.starts_with("notes/zh/") && !name.ends_with(".zh.md"));
    let pair = |name: &str| match name.strip_prefix("notes/") {
        Some(note) => repo().join("notes/zh").join(note),
        None => repo().join(name.replace(".md", ".zh.md")),
    };
    let mut wanted: BTreeMap<String, PathBuf> =
        english.map(|name| (name.replace(".md", ".html"), pair(&name))).collect();
    wanted.insert("index.html".into(), repo().join("README.zh.md"));
    wanted
}

#[test]
fn every_page_is_in_both_books_and_in_its_language() {
    let Some(book) = book("that every page is in the book") else { return };
    let wanted = wanted();
    assert!(wanted.len() > 50, "{wanted:#?}");
    for (folder, code) in [("en", "en"), ("zh", "zh-CN")] {
        let index =
            fs::read_to_string(book.join(folder).join("index.html")).expect("the first page");
        for (page, chinese) in &wanted {
            let html = fs::read_to_string(book.join(folder).join(page));
            let html = html.unwrap_or_else(|why| panic!("{folder}/{page}: {why}"));
            assert!(html.contains(&format!("<html lang=\"{code}\">")), "{folder}/{page}");
            let other = if folder == "en" { "zh" } else { "en" };
            let switch =
                format!("href=\"{}../{other}/{page}\"", "../".repeat(page.matches('/').count()));
            assert!(html.contains(&switch), "{folder}/{page} has no {switch}");
            assert!(
                index.contains(&format!("href=\"{page}\"")),
                "the contents of {folder} lack {page}"
            );
            // English in the Chinese book is named, and marked as English.
            let borrowed = folder == "zh" && !chinese.is_file();
            assert_eq!(html.contains("class=\"notice\""), borrowed, "{folder}/{page}");
            assert_eq!(html.contains("<div lang=\"en\">"), borrowed, "{folder}/{page}");
            assert!(!html.contains("<!-- en: "), "{folder}/{page} has a stamp");
        }
    }
}

/// What a page leads to or shows, and the places in it that can be led to.
fn links(html: &str) -> (Vec<String>, BTreeSet<String>) {
    static LINK: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"<[^>]* (?:href|src)="([^"]*)""#).expect("a link"));
    static ID: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"<[^>]* id="([^"]*)""#).expect("an id"));
    let all = |what: &Regex| {
        what.captures_iter(html).map(|found| found[1].to_string()).collect::<Vec<_>>()
    };
    (all(&LINK), all(&ID).into_iter().collect())
}

#[test]
fn every_link_leads_somewhere() {
    let Some(book) = book("that the book's links lead somewhere") else { return };
    let pages = below(book, ".html");
    let read = |page: &String| {
        (page.clone(), links(&fs::read_to_string(book.join(page)).expect("a page")))
    };
    let pages: BTreeMap<_, _> = pages.iter().map(read).collect();
    let (mut inside, mut wrong) = (0, Vec::new());
    for (page, (links, _)) in &pages {
        for link in links.iter().filter(|link| !link.starts_with("https://")) {
            inside += 1;
            let (path, at) = link.split_once('#').unwrap_or((link, ""));
            let from = Path::new(page).parent().expect("a folder");
            let to = if path.is_empty() { book.join(page) } else { book.join(from).join(path) };
            let found = to.canonicalize().ok().filter(|to| to.is_file());
            let name = found.and_then(|to| {
                Some(to.strip_prefix(book.canonicalize().ok()?).ok()?.display().to_string())
            });
            let there = name.is_some_and(|name| {
                at.is_empty() || pages.get(&name).is_some_and(|to| to.1.contains(at))
            });
            if !there {
                wrong.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(inside > 1000, "{inside}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
