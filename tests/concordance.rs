//! notes/source.md says where each item of the source notes is in the workbook. Each step, link and
//! experiment that it names exists; each step of the two protocols has a row. And the source notes
//! have one name everywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

fn repo() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The page, with the lines of a paragraph joined.
fn page() -> String {
    let text = read(&repo().join("notes/source.md"));
    Regex::new(r"\n {2,}").expect("continuation").replace_all(&text, " ").into_owned()
}

/// All of a section's lab: `src/bin/lab_4_8.rs`, or what is below `src/bin/lab_4_8`.
fn sources_of(section: &str) -> String {
    fn below(path: &Path, text: &mut String) {
        for entry in fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
            below(&entry.path(), text);
        }
        if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            *text += &read(path);
        }
    }
    let lab = repo().join(format!("src/bin/lab_{}", section.replace('.', "_")));
    let mut text = String::new();
    below(&lab, &mut text);
    below(&lab.with_extension("rs"), &mut text);
    assert!(!text.is_empty(), "section {section} has no lab");
    text
}

/// "3", "1, 2 and 5", "4 to 7".
fn numbers(text: &str) -> Vec<u32> {
    let number = |text: &str| text.trim().parse().unwrap_or_else(|_| panic!("no number: {text}"));
    match text.split_once(" to ") {
        Some((first, last)) => (number(first)..=number(last)).collect(),
        None => text.split([',', 'd']).map(|one| number(one.trim_end_matches("an"))).collect(),
    }
}

#[test]
fn each_step_that_the_page_names_is_a_heading_of_that_note() {
    let named = Regex::new(
        r"\[(4\.\d+)\]\((4\.\d+)(-[^)]+\.md)\)(?:, steps? (\d+(?:(?:, | and | to )\d+)*))?",
    );
    let (named, page) = (named.expect("a step"), page());
    let mut seen = 0;
    for found in named.captures_iter(&page) {
        assert_eq!(found[1], found[2], "{}: the link leads to another note", &found[0]);
        let note = read(&repo().join("notes").join(format!("{}{}", &found[2], &found[3])));
        for step in found.get(4).map_or(vec![], |steps| numbers(steps.as_str())) {
            let heading = Regex::new(&format!(r"(?m)^##+ {step}  \S")).expect("heading");
            assert!(heading.is_match(&note), "{}: there is no step {step}", &found[0]);
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen}");
    let loose = Regex::new(r"\S+ [Ss]tep \d").expect("step");
    let linked = |text: &str| text.starts_with('|') || text.contains(".md),");
    let loose: Vec<&str> = loose.find_iter(&page).map(|found| found.as_str()).collect();
    let loose: Vec<&&str> = loose.iter().filter(|text| !linked(text)).collect();
    assert!(loose.is_empty(), "a step without the link to its note: {loose:?}");
}

#[test]
fn each_link_of_the_page_exists() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("link");
    for found in link.captures_iter(&page()) {
        assert!(repo().join("notes").join(&found[1]).exists(), "{} does not exist", &found[1]);
    }
}

#[test]
fn each_experiment_that_the_page_names_is_in_its_lab() {
    let page = page();
    let mut named: BTreeSet<(String, String)> = BTreeSet::new();
    // 4.4 `flags`, `sizes`, and: 4.4 story, `flags`.
    let cell = Regex::new(r"(4\.\d+) (?:story, )?(`[a-z-]+`(?:, `[a-z-]+`)*)").expect("names");
    let name = Regex::new(r"`([a-z-]+)`").expect("name");
    for found in cell.captures_iter(&page) {
        let names = name.captures_iter(&found[2]).map(|name| name[1].to_string());
        named.extend(names.map(|name| (found[1].to_string(), name)));
    }
    let command = Regex::new(r"`make lab-(4\.\d+) ARGS='--experiment ([^']*)'`").expect("command");
    named.extend(command.captures_iter(&page).map(|one| (one[1].into(), one[2].into())));
    assert!(named.len() > 40, "{named:?}");
    for (section, name) in named {
        let here = sources_of(&section).contains(&format!("name: \"{name}\""));
        assert!(here, "{section} has no experiment {name}");
    }

    let way = Regex::new(r"`make wakeups ARGS='--way ([^']*)'`").expect("way");
    let ways = sources_of("4.10");
    for found in way.captures_iter(&page) {
        assert!(ways.contains(&format!("(\"{}\", Test::", &found[1])), "no way {}", &found[1]);
    }

    let known = [command, way].map(|known| known.find_iter(&page).count()).iter().sum::<usize>();
    let others = [
        r"`make lab-4\.\d+`",
        r"`make lab-4\.[89] ARGS='--part [abc]'`",
        r"`make lab-4\.3 ARGS=--measure`",
        r"`make lab-4\.10-server`",
    ];
    let others = Regex::new(&others.join("|")).expect("other commands");
    let all = page.matches("`make ").count();
    assert_eq!(known + others.find_iter(&page).count(), all, "a command that nobody checks");
}

#[test]
fn each_step_of_the_two_protocols_has_a_row() {
    let page = page();
    let section = |heading: &str| {
        let text = page.split(&format!("\n## {heading}  ")).nth(1).expect("a section");
        text.split("\n## ").next().expect("its text").to_string()
    };
    let has = |heading: &str, who: &str, last: u32| {
        let text = section(heading);
        for step in 1..=last {
            let row = format!("| {who} {step} |");
            let rows: Vec<&str> = text.lines().filter(|line| line.starts_with(&row)).collect();
            assert_eq!(rows.len(), 1, "{heading}: {row}");
            let place =
                Regex::new(&format!(r"\]\({heading}-[^)]+\), step {step} \|")).expect("place");
            assert!(place.is_match(rows[0]), "{heading}: the numbers differ: {}", rows[0]);
        }
    };
    has("4.1", "step", 4);
    has("4.3", "step", 4);
    has("4.8", "step", 6);
    has("4.9", "server", 9);
    has("4.9", "client", 9);
}

/// The Rust files below a folder; this one, which has to write the name down, is not among them.
fn programs_below(folder: &Path) -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            programs.extend(programs_below(&path));
        } else if path.extension().is_some_and(|e| e == "rs") && !path.ends_with(file!()) {
            programs.push(path);
        }
    }
    programs
}

/// "The notes" could be the source notes or ours.
#[test]
fn the_source_notes_have_one_name() {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile"].map(|p| repo().join(p)).into();
    let folder =
        |path: &str| fs::read_dir(repo().join(path)).expect("a folder").map(Result::unwrap);
    pages.extend(folder("notes").map(|entry| entry.path()));
    for section in folder("labs").map(|entry| entry.path()).filter(|path| path.is_dir()) {
        let inside = fs::read_dir(section).expect("a folder").map(|entry| entry.unwrap().path());
        pages.extend(inside.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    for folder in ["crates", "src/lablib", "tests"] {
        pages.extend(programs_below(&repo().join(folder)));
    }
    let unclear =
        Regex::new(r#"(?i)\b(the|of|these|those|their|that|our) notes\b|notes that this"#);
    let unclear = unclear.expect("a name");
    for page in pages.iter().filter(|page| page.is_file()) {
        let text = read(page).replace("\"The notes\" could be", "");
        for (number, line) in text.lines().enumerate() {
            let found = unclear.find(line).is_some_and(|found| !found.as_str().contains("source"));
            assert!(!found, "{}:{}: whose notes? {line}", page.display(), number + 1);
        }
    }
}

/// They are described once, on the page about them; a page that names them links there first.
#[test]
fn the_source_notes_are_described_once_and_linked() {
    let fence = Regex::new(r"(?ms)^```.*?^```$").expect("a fence");
    let described = Regex::new(r"(?i)in Chinese|not published|lecture notes").expect("words");
    let heading = Regex::new(r"(?m)^#.*$").expect("a heading");
    let mut pages = vec![repo().join("README.md")];
    let notes = fs::read_dir(repo().join("notes")).expect("notes").filter_map(Result::ok);
    pages.extend(notes.map(|entry| entry.path()).filter(|path| path.is_file()));
    let mut linked = 0;
    for path in pages.iter().filter(|path| !path.ends_with("source.md")) {
        let text = read(path);
        let text = heading.replace_all(&fence.replace_all(&text, ""), "").replace('\n', " ");
        if let Some(at) = text.find("source notes") {
            let here = format!("{}: {}", path.display(), &text[at..(at + 60).min(text.len())]);
            assert!(text[at..].starts_with("source notes]("), "not linked: {here}");
            assert!(text[at..].contains("source.md)"), "{here}");
            linked += 1;
        }
        let again = described.find(&text).filter(|_| !path.ends_with("README.md"));
        assert!(again.is_none(), "{}: described again", path.display());
    }
    assert!(linked > 7, "only {linked} pages");
    assert!(described.is_match(&page()), "notes/source.md describes them");
}
