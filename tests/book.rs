//! `make book`: every page is in both books, every link leads somewhere, the search finds what is asked for in
//! either language, and everybody can read the pages, in a window, on a phone and on paper.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use common::browser::Browser;
use common::{bin, can_explore, have, not_tested, repo, run, scratch};
use regex::Regex;
use serde_json::{Value, json};

/// The book, made once for all of these tests, where `make book` has built its program.
fn book(what: &str) -> Option<&'static Path> {
    static MADE: LazyLock<Option<tempfile::TempDir>> = LazyLock::new(|| {
        let program = repo().join("target/mdbook/debug/book");
        let folder = program.is_file().then(scratch)?;
        let mut make = Command::new(program);
        let made = make
            .arg("-o")
            .arg(folder.path())
            .arg("--lab")
            .arg(bin("lab"))
            .current_dir(repo())
            .output()
            .expect("the book");
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
    // What the book makes of a run has no file, and is in both languages.
    for section in common::sections() {
        wanted.insert(format!("labs/{section}/lab.html"), repo().join("book/runs"));
    }
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
            let borrowed = folder == "zh" && !chinese.exists();
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
    // The pages of the runs are the tool's, and lead nowhere.
    let pages: Vec<_> = pages.iter().filter(|page| !page.starts_with("runs/")).collect();
    let read = |page: &&String| {
        (page.to_string(), links(&fs::read_to_string(book.join(page)).expect("a page")))
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

/// A browser that shows a page of the book.
fn opened(book: &Path, page: &str) -> Browser {
    let mut browser = Browser::start();
    browser.open(&book.join(page));
    browser
}

#[test]
fn the_search_finds_what_is_asked_for() {
    if !have("chromium", "the search of the book") {
        return;
    }
    let Some(book) = book("the search of the book") else { return };
    let text = fs::read_to_string(repo().join("tests/book/queries.txt")).expect("queries");
    let queries = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let queries: Vec<Vec<&str>> =
        queries.map(|line| line.split('|').map(str::trim).collect()).collect();
    let mut browsers = BTreeMap::new();
    let mut lost = Vec::new();
    for query in &queries {
        let [language, words, pages] = query[..] else { panic!("{query:?}") };
        let browser = browsers
            .entry(language)
            .or_insert_with(|| opened(book, &format!("{language}/notes/4.4-shmget-ftok.html")));
        let found = browser.eval(&format!("bookSearch({})", json!(words)));
        let found: Vec<&str> =
            found.as_array().expect("pages").iter().take(5).filter_map(Value::as_str).collect();
        let wanted = |page: &str| pages.split(", ").any(|one| page == format!("{one}.html"));
        if !found.iter().any(|page| wanted(page)) {
            lost.push(format!("{words}: {found:?}, not {pages}"));
        }
    }
    for (language, browser) in &browsers {
        assert!(browser.errors.is_empty(), "{language}: {:#?}", browser.errors);
        let outside = browser.requests.iter().find(|one| !one.starts_with("\"file:///"));
        assert_eq!(outside, None, "a request");
    }
    let chinese = queries.iter().filter(|query| query[0] == "zh").count();
    assert!(queries.len() >= 100 && chinese >= 50, "{} queries, {chinese}", queries.len());
    assert!(lost.len() * 100 <= queries.len(), "of {} queries: {lost:#?}", queries.len());
}

#[test]
fn the_search_is_used_from_the_keyboard() {
    if !have("chromium", "the search of the book from the keyboard") {
        return;
    }
    let Some(book) = book("the search of the book from the keyboard") else { return };
    for (page, words, found) in [
        ("en/labs/4.8/worksheet.html", "xyzzy", "Nothing found"),
        ("zh/labs/4.8/worksheet.html", "xyzzy", "没有找到"),
    ] {
        let mut browser = opened(book, page);
        let active = "document.activeElement.id";
        browser.key("/");
        assert_eq!(browser.eval(active), "ask");
        let ask = |words: &str| {
            let typed = "ask.value = WORDS; ask.dispatchEvent(new Event('input'))";
            // What is shown is there when a search of the same words has been answered.
            format!(
                "{}; bookSearch(ask.value).then(() => 0)",
                typed.replace("WORDS", &json!(words).to_string())
            )
        };
        browser.eval(&ask(words));
        assert_eq!(browser.text("found"), found);
        browser.eval(&ask("nattch"));
        assert_ne!(browser.text("found"), found);
        assert!(browser.text("results").contains("nattch"), "{}", browser.text("results"));
        assert_eq!(browser.eval("document.querySelector('#found').getAttribute('role')"), "status");
        browser.key("ArrowDown");
        browser.key("ArrowDown");
        let second = "document.activeElement === document.querySelectorAll('#results a')[1]";
        assert_eq!(browser.eval(second), true);
        browser.key("Escape");
        assert_eq!(browser.eval(active), "ask");
        assert_eq!(browser.text("found"), "");
        assert!(browser.errors.is_empty(), "{:#?}", browser.errors);
    }
}

/// The pages that are looked at: with SOAK all of them, else one of each kind.
fn looked_at(book: &Path) -> Vec<String> {
    if std::env::var_os("SOAK").is_some() {
        return below(book, ".html")
            .into_iter()
            .filter(|page| !page.starts_with("runs/"))
            .collect();
    }
    let pages = ["index.html", "en/notes/4.4-shmget-ftok.html", "zh/labs/4.8/worksheet.html"];
    pages.map(String::from).to_vec()
}

#[test]
fn axe_finds_nothing_in_the_book() {
    if !have("chromium", "the book with axe-core") {
        return;
    }
    let Some(book) = book("the book with axe-core") else { return };
    let Ok(axe) = fs::read_to_string(repo().join("target/axe/package/axe.min.js")) else {
        not_tested("axe-core", "whether the book can be used by everybody");
        return;
    };
    let mut wrong = Vec::new();
    // A browser ends after a while, so that none hangs: each page has one of its own.
    for page in looked_at(book) {
        let mut browser = opened(book, &page);
        browser.eval(&axe);
        for (width, scheme) in [(1280, "light"), (360, "dark")] {
            browser.size(width, 800);
            browser.scheme(scheme);
            let found = browser.eval(
                "axe.run().then((all) => all.violations.map((one) => \
                 [one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 200))]))",
            );
            if found != json!([]) {
                wrong.push(format!("{page}, {width}, {scheme}: {found}"));
            }
        }
        assert!(browser.errors.is_empty(), "{page}: {:#?}", browser.errors);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_book_fits_a_phone_and_paper_and_asks_for_nothing() {
    if !have("chromium", "the book on a phone and on paper") {
        return;
    }
    let Some(book) = book("the book on a phone and on paper") else { return };
    let mut browser = Browser::start();
    browser.size(360, 640);
    for page in looked_at(book) {
        let mut browser = opened(book, &page);
        browser.size(360, 640);
        assert_eq!(browser.eval("document.documentElement.scrollWidth"), 360, "{page}");
    }
    browser.open(&book.join("zh/notes/4.4-shmget-ftok.html"));
    let fonts = browser.eval("getComputedStyle(document.querySelector('main p')).fontFamily");
    assert!(fonts.as_str().is_some_and(|fonts| fonts.contains("Noto Sans CJK SC")), "{fonts}");
    // On paper there is the text alone: about as many sheets as it has screens of 1100 rows of pixels.
    let sheets = browser.printed();
    assert!((3..=16).contains(&sheets), "{sheets}");
    browser.ask("Emulation.setEmulatedMedia", json!({"media": "print"}));
    for gone in ["header", "nav", "#answers"] {
        let shown = format!("getComputedStyle(document.querySelector('{gone}')).display");
        assert_eq!(browser.eval(&shown), "none", "{gone}");
    }
    let outside = browser.requests.iter().find(|one| !one.starts_with("\"file:///"));
    assert_eq!(outside, None, "a request");
}

/// What is the same whenever a program is run: not addresses, times, names of folders, lines of the libraries, nor
/// what memory holds where a process stores its number.
fn lasting(tree: &str) -> String {
    let mut tree: Value = serde_json::from_str(tree).expect("a tree");
    tree["programs"].take();
    let chance = r#"0x[0-9a-f]{6,}|\b\d{9,}\b|[\w/.-]*lab-explore-\w+|"(at|holds)": "[^"]*""#;
    let chance = Regex::new(chance).expect("what differs");
    let tree = serde_json::to_string_pretty(&tree).expect("JSON");
    chance.replace_all(&tree, "_").into_owned()
}

/// The calls that a section is about, of each process, as a trace has recorded them.
fn calls(trace: &str) -> String {
    const ABOUT: [&str; 4] = ["shm", "msg", "sem", "kill"];
    let events: Vec<Value> =
        trace.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
    let pids: BTreeSet<String> = events.iter().map(|event| event["pid"].to_string()).collect();
    // Records have times in them, and the numbers of users.
    let record = Regex::new(r"\{.*\}|0x[0-9a-f]+").expect("a record");
    let number = Regex::new(r"\d{2,}").expect("a number");
    let mut calls: BTreeMap<String, String> = BTreeMap::new();
    for event in events.iter().filter(|event| event["event"] == "call") {
        let call = &event["call"];
        let name = call["name"].as_str().expect("a name");
        if !ABOUT.iter().any(|about| name.starts_with(about)) {
            continue;
        }
        let args: Vec<&str> = call["args"]
            .as_array()
            .expect("arguments")
            .iter()
            .filter_map(|arg| arg["text"].as_str())
            .collect();
        let answer = call["answer"].as_str().unwrap_or("nothing");
        let line = format!("{name}({}) = {answer}", args.join(", "));
        let line = record.replace_all(&line, "_");
        let line = number.replace_all(&line, |found: &regex::Captures| {
            if pids.contains(&found[0]) { "PID".to_string() } else { found[0].to_string() }
        });
        let lane = event["lane"].as_str().expect("a lane").to_string();
        calls.entry(lane.clone()).or_default().push_str(&format!("{lane} {line}\n"));
    }
    calls.into_values().collect()
}

/// With SOAK all; without, a trace and a tree.
#[test]
fn the_runs_are_those_of_the_labs() {
    if !can_explore("that the book's runs are those of the labs") {
        return;
    }
    let all = std::env::var_os("SOAK").is_some();
    let sections = if all { common::sections() } else { vec!["4.4".into(), "4.8".into()] };
    if all {
        let ring = ["build", "--quiet", "--example", "ring_of_4_10"];
        assert!(Command::new(env!("CARGO")).args(ring).status().expect("cargo").success());
    }
    let folder = scratch();
    let out = folder.path().display().to_string();
    let mut make = run(&repo().join("book/runs/make")).env("LD_LIBRARY_PATH", "");
    make = make.env("LAB", &bin("lab").display().to_string()).args(&[&out]);
    let words: Vec<&str> = sections.iter().map(String::as_str).collect();
    let made = make.args(&words).go();
    assert_eq!(made.code, 0, "{made:#?}");
    let files = below(folder.path(), ".json");
    assert!(files.len() >= sections.len(), "{files:?}");
    for file in files {
        let new = fs::read_to_string(folder.path().join(&file)).expect("a run");
        let old = fs::read_to_string(repo().join("book/runs").join(&file));
        let old = old.unwrap_or_else(|why| panic!("book/runs/{file}: {why}; make runs writes it"));
        let tree = new.contains("\"lab-tree\"");
        let [new, old] = [new, old].map(|run| if tree { lasting(&run) } else { calls(&run) });
        assert!(!new.is_empty(), "{file} has no calls");
        let diff = similar::TextDiff::from_lines(&old, &new).unified_diff().to_string();
        let diff: String = diff.chars().take(3000).collect();
        assert!(
            diff.is_empty(),
            "not a run of its lab any more: book/runs/{file}; make runs\n{diff}"
        );
    }
}
