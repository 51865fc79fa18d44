//! Each finding has its run to go through: a page of its own, in which what a student wrote is text.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::browser::Browser;
use crate::common::{can_explore, have, repo, scratch};
use crate::{files, formats, grade, hands_in, kept, mutant, of, report};

/// What stands in the data of a page of a run.
fn data(page: &str) -> Value {
    let begin = r#"<script type="application/json" id="data">"#;
    let (_, rest) = page.split_once(begin).expect("the data");
    serde_json::from_str(rest.split_once("</script>").expect("an end").0).expect("JSON")
}

/// The pages of runs to which the page of a submission links.
fn links(out: &Path, id: &str) -> Vec<String> {
    let page = fs::read_to_string(out.join(format!("submissions/{id}.html"))).expect("a page");
    let parts = page.split("href=\"../runs/").skip(1);
    parts.map(|part| part.split('"').next().unwrap_or_default().to_string()).collect()
}

/// It prints all that students may write, and has a segment that it leaves behind.
fn prints_everything() -> String {
    let letters = |text: &str| text.bytes().map(|byte| format!("\\{byte:03o}")).collect::<String>();
    let lines = formats::TRIES.iter().map(|text| format!("    puts(\"{}\");\n", letters(text)));
    format!(
        "#include <stdio.h>\n#include <sys/shm.h>\nint main(void)\n{{\n    \
         if (shmget(IPC_PRIVATE, 64, 0600) == -1)\n        return 1;\n{}    return 0;\n}}\n",
        lines.collect::<String>()
    )
}

#[test]
fn each_finding_has_its_run() {
    if !can_explore("that each finding of lab grade has its run") {
        return;
    }
    let folder = scratch();
    let class = folder.path().join("class");
    hands_in(&class, "anna", &mutant("lost-wake-up"));
    hands_in(&class, "ben", &mutant("no-child"));
    let out = folder.path().join("report");
    let run = grade(&class, &out, &[]);
    assert_eq!(run.code, 0, "{run:#?}");
    let json = report(&out);
    for id in ["anna", "ben"] {
        let links = links(&out, id);
        let found = of(&json, id)["findings"].as_array().expect("findings").len();
        assert!(!links.is_empty() && links.len() <= found, "{id}: {links:?}");
        for link in links {
            let page = fs::read_to_string(out.join("runs").join(&link)).expect(&link);
            let size = page.len();
            assert!((40_000..200_000).contains(&size), "{link}: {size} bytes");
            assert!(page.contains(&format!("href=\"../submissions/{id}.html\"")), "{link}");
            let show = &data(&page)[0];
            // Whatever the explorer says of it, something is wrong in it.
            assert_eq!(show["end"]["good"], false, "{link}");
            assert!(show["steps"].as_array().is_some_and(|steps| steps.len() > 3), "{link}");
        }
    }
    let page = fs::read_to_string(out.join("runs/anna-1.html")).expect("a page");
    let first = of(&json, "anna")["findings"][0]["why"].as_str().expect("a reason");
    assert!(page.contains(first), "{first}");
    // Another submission under the same name: the runs of the old one are gone.
    hands_in(&class, "anna", crate::REFUSED);
    grade(&class, &out, &[]);
    assert!(links(&out, "anna").is_empty() && !out.join("runs/anna-1.html").exists());
    assert!(out.join("runs/ben-1.html").exists());
}

#[test]
fn what_a_program_prints_is_text_in_its_run() {
    if !can_explore("that lab grade escapes what a program prints") {
        return;
    }
    let folder = scratch();
    let class = folder.path().join("class");
    // The name of a file is a text in the page, too.
    let name = "<img src=x onerror=alert(1)>\u{202e}.c";
    fs::create_dir_all(class.join("evil")).expect("a folder");
    fs::write(class.join("evil").join(name), prints_everything()).expect("a source");
    let out = folder.path().join("report");
    let run = grade(&class, &out, &[]);
    assert_eq!(run.code, 0, "{run:#?}");
    assert!(out.join("runs/evil-1.html").exists(), "{:?}", files(&out).keys());
    let through = formats::through(&out, &run);
    assert!(through.is_empty(), "{} got through: {through:#?}", through.len());
    formats::hold(&out, 1);
    // What it has printed is there, though.
    let text = data(&files(&out)[Path::new("runs/evil-1.html")]).to_string();
    assert!(text.contains("<script>alert(1)</script>") && text.contains("\\\\u{202e}"), "{text}");
}

#[test]
fn a_browser_goes_through_a_run() {
    if !have("chromium", "the pages of runs of lab grade")
        || !can_explore("the pages of runs of lab grade")
    {
        return;
    }
    let folder = scratch();
    let class = folder.path().join("class");
    hands_in(&class, "anna", &mutant("lost-wake-up"));
    hands_in(&class, "evil", &prints_everything());
    let out = folder.path().join("report");
    grade(&class, &out, &[]);
    assert_eq!(kept(&out), 2);
    let mut browser = Browser::start();
    browser.open(&out.join("submissions/anna.html"));
    let link = browser.eval("document.querySelector('section.finding a').href");
    let page = out.join("runs/anna-1.html");
    assert_eq!(link, format!("file://{}", page.display()));
    browser.open(&page);
    let back = browser.eval("document.querySelector('.back a').href");
    assert_eq!(back, format!("file://{}", out.join("submissions/anna.html").display()));
    browser.key("End");
    assert!(browser.text("verdict").contains("It hangs."), "{}", browser.text("verdict"));
    assert!(browser.text("verdict").contains("sleeps in pause"), "{}", browser.text("verdict"));
    browser.size(360, 640);
    assert_eq!(browser.eval("document.documentElement.scrollWidth"), 360);
    let before = browser.requests.len();
    browser.open(&out.join("runs/evil-1.html"));
    for _ in 0..browser.eval("way.steps.length").as_u64().expect("a number") {
        browser.key("ArrowRight");
    }
    assert!(browser.text("output").contains("<script>alert(1)</script>"));
    assert_eq!(browser.eval("document.querySelectorAll('img, #output svg, h1').length"), 1);
    assert_eq!(browser.requests.len(), before + 1, "{:#?}", browser.requests);
    assert!(browser.errors.is_empty(), "{:#?}", browser.errors);
    let style = fs::read_to_string(repo().join("crates/lab/src/page/page.css")).expect("a style");
    assert!(fs::read_to_string(page).expect("a page").contains(&style));
}
