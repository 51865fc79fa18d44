//! The pages in Chinese: each block says, by a hash, which English block it translates. A block that is missing,
//! or whose English has changed since, is named; code, numbers, tables, links and images are those of the English.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use common::repo;
use regex::Regex;
use sha2::{Digest, Sha256};

/// A page in Chinese, and the English one; both below the repository.
struct Pair {
    chinese: PathBuf,
    english: PathBuf,
}

fn pairs() -> Vec<Pair> {
    let list = |folder: &str| -> Vec<PathBuf> {
        let entries = fs::read_dir(repo().join(folder)).into_iter().flatten().flatten();
        let names = entries.map(|entry| Path::new(folder).join(entry.file_name()));
        names.filter(|path| path.extension().is_some_and(|end| end == "md")).collect()
    };
    let notes = list("notes/zh").into_iter().map(|chinese| {
        let english = Path::new("notes").join(chinese.file_name().expect("a name"));
        Pair { chinese, english }
    });
    // The terms have no English page: they are what the others are measured by.
    let notes = notes.filter(|pair| !pair.chinese.ends_with("terms.md"));
    let folders = common::sections()
        .into_iter()
        .flat_map(|section| [format!("labs/{section}"), format!("labs/{section}/exercise")]);
    let beside = std::iter::once(String::from(".")).chain(folders).flat_map(|folder| {
        let chinese =
            list(&folder).into_iter().filter(|path| path.to_string_lossy().ends_with(".zh.md"));
        chinese.collect::<Vec<_>>()
    });
    let beside = beside.map(|chinese| {
        let english = chinese.to_string_lossy().replace(".zh.md", ".md").into();
        Pair { chinese, english }
    });
    let mut pairs: Vec<Pair> = notes.chain(beside).collect();
    pairs.sort_by(|one, other| one.chinese.cmp(&other.chinese));
    pairs
}

/// What blank lines divide; a fence, with the blank lines in it, is one block.
fn blocks(page: &str) -> Vec<String> {
    let (mut blocks, mut block, mut fenced) = (vec![], vec![], false);
    for line in page.lines().chain([""]) {
        fenced ^= line.trim_start().starts_with("```");
        if line.trim().is_empty() && !fenced {
            if !block.is_empty() {
                blocks.push(std::mem::take(&mut block).join("\n"));
            }
        } else {
            block.push(line);
        }
    }
    blocks
}

fn hash(block: &str) -> String {
    Sha256::digest(block)[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A block in Chinese, and the hash that stands above it.
fn stamped(block: &str) -> (&str, &str) {
    let stamp = block.strip_prefix("<!-- en: ").and_then(|rest| rest.split_once(" -->\n"));
    stamp.map_or(("", block), |(stamp, text)| (stamp, text))
}

fn read(path: &Path) -> String {
    fs::read_to_string(repo().join(path)).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"`[^`]*`").expect("code"));
static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9][0-9,.:]*[0-9]|[0-9]").expect("a number"));
static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").expect("a link"));

/// What a translation must not change, in words.
fn kept(block: &str, page: &Path) -> Vec<String> {
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list.join(" ")
    };
    if block.trim_start().starts_with("```") {
        return vec![block.to_string()];
    }
    let all = |of: &Regex, text: &str| {
        sorted(of.find_iter(text).map(|one| one.as_str().into()).collect())
    };
    // Ten thousands are a word in Chinese, and millions are none.
    let millions = Regex::new(r"([0-9]+)\s+million").expect("millions");
    let text = millions.replace_all(block, |found: &regex::Captures| format!("{}00", &found[1]));
    let prose = LINK.replace_all(&CODE.replace_all(&text, "`"), "]").into_owned();
    // Where a link leads, whatever language it leads to.
    let target = |link: &str| {
        if link.starts_with("http") || link.starts_with('#') {
            return link.to_string();
        }
        let path = repo()
            .join(page)
            .parent()
            .expect("a folder")
            .join(link.split('#').next().unwrap_or(link));
        let path =
            path.canonicalize().unwrap_or_else(|why| panic!("{}: {link}: {why}", page.display()));
        path.to_string_lossy().replace("/notes/zh/", "/notes/").replace(".zh.md", ".md")
    };
    let links = sorted(LINK.captures_iter(block).map(|found| target(&found[1])).collect());
    let rows = block.lines().filter(|line| line.starts_with('|'));
    let shape =
        rows.map(|row| row.replace("\\|", "").matches('|').count().to_string()).collect::<Vec<_>>();
    let heading = block.chars().take_while(|c| *c == '#').collect::<String>();
    let items = block.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("- ")
            || line.starts_with("* ")
            || line.split_once(". ").is_some_and(|(n, _)| n.parse::<u32>().is_ok())
    });
    vec![
        format!("code: {}", all(&CODE, &text)),
        format!("numbers: {}", all(&NUMBER, &prose)),
        format!("links: {links}"),
        format!("images: {}", block.matches("![").count()),
        format!("table: {}", shape.join(" ")),
        format!("heading: {heading}"),
        format!("items: {}", items.count()),
    ]
}

#[test]
fn every_block_translates_the_english_of_today() {
    let stamp = std::env::var_os("STAMP").is_some();
    let (mut wrong, mut count) = (vec![], 0);
    for Pair { chinese, english } in pairs() {
        let (theirs, ours) = (blocks(&read(&english)), blocks(&read(&chinese)));
        if stamp {
            assert_eq!(
                ours.len(),
                theirs.len(),
                "{} has other blocks than the English",
                chinese.display()
            );
            let pair = |(ours, theirs): (&String, &String)| {
                format!("<!-- en: {} -->\n{}", hash(theirs), stamped(ours).1)
            };
            let page: Vec<String> = ours.iter().zip(&theirs).map(pair).collect();
            fs::write(repo().join(&chinese), page.join("\n\n") + "\n").expect("a page");
            continue;
        }
        let of: Vec<String> = ours.iter().map(|block| stamped(block).0.to_string()).collect();
        let known: BTreeSet<&String> = of.iter().collect();
        let hashes: Vec<String> = theirs.iter().map(|block| hash(block)).collect();
        for (block, hash) in theirs.iter().zip(&hashes).filter(|(_, hash)| !known.contains(hash)) {
            let line = block.lines().next().unwrap_or_default();
            wrong.push(format!(
                "{}: no translation of today's block {hash}: {line}",
                chinese.display()
            ));
        }
        for (block, hash) in ours.iter().zip(&of).filter(|(_, hash)| !hashes.contains(hash)) {
            let line = stamped(block).1.lines().next().unwrap_or_default();
            wrong
                .push(format!("{}: stale, or without a stamp ({hash}): {line}", chinese.display()));
        }
        if of != hashes {
            wrong.push(format!("{}: other blocks, or in another order", chinese.display()));
            continue;
        }
        for (theirs, ours) in theirs.iter().zip(&ours) {
            count += 1;
            let ours = stamped(ours).1;
            for (theirs, ours) in kept(theirs, &english).iter().zip(kept(ours, &chinese)) {
                if *theirs != ours {
                    wrong.push(format!("{}:\n  {theirs}\n  {ours}", chinese.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} blocks");
}

#[test]
fn the_terms_are_those_of_the_table() {
    let table = read(Path::new("notes/zh/terms.md"));
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let terms: Vec<(Regex, Vec<&str>, Vec<&str>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let word = Regex::new(&format!(r"(?i)\b{}(s|es|ed|ing|ment|ments)?\b", cells[0]));
            let never = cells[2].split(" 或 ").filter(|word| !word.is_empty()).collect();
            (word.expect("a word"), cells[1].split(" 或 ").collect(), never)
        })
        .collect();
    let (mut wrong, mut count) = (vec![], 0);
    for Pair { chinese, english } in pairs() {
        for (theirs, ours) in blocks(&read(&english)).iter().zip(blocks(&read(&chinese))) {
            if theirs.trim_start().starts_with("```") {
                continue;
            }
            let prose = LINK.replace_all(&CODE.replace_all(theirs, ""), "]").into_owned();
            for (word, said, never) in &terms {
                let there = word.is_match(&prose);
                count += usize::from(there);
                if there && !said.iter().any(|term| ours.contains(term)) {
                    wrong.push(format!("{}: {word} is {said:?}: {ours}", chinese.display()));
                }
                for term in never.iter().filter(|term| ours.contains(**term)) {
                    wrong.push(format!("{}: not {term}: {ours}", chinese.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} terms");
}
