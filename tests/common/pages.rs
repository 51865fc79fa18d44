//! What a page says is run: its console blocks, in a copy of what a student has.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use regex::Regex;

use super::{bin, per_process, repo, run, scratch, scrub};

/// The fenced blocks of one language.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(name)) => open = Some((name == language, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take().filter(|one| one.0).map(|one| one.1)),
            (Some((_, block)), None) => *block += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    blocks
}

/// Undoes what depends on the width of the page and on the length of numbers.
pub fn normal(text: &str) -> Vec<String> {
    let more = Regex::new(r"^([\w ]+ \d+ │)?      +(\S.*)$").expect("continuation");
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match (more.captures(line), lines.last_mut()) {
            (Some(found), Some(last)) if !last.trim().is_empty() => {
                *last += &format!(" {}", &found[2])
            }
            _ => lines.push(line.trim_end().to_string()),
        }
    }
    let spaces = Regex::new(" +").expect("spaces");
    let scrubbed = scrub(&lines.join("\n"));
    scrubbed.lines().map(|line| spaces.replace_all(line, " ").trim().to_string()).collect()
}

/// Does `got` have these lines in this order? A line of three dots stands for any number.
fn like(expected: &[String], got: &[String]) -> bool {
    match expected.split_first() {
        None => got.is_empty(),
        Some((dots, rest)) if dots == "..." => (0..=got.len()).any(|skip| like(rest, &got[skip..])),
        Some((line, rest)) => got.first() == Some(line) && like(rest, &got[1..]),
    }
}

/// A copy of what the commands of the pages need, where a student may read it.
pub fn checkout() -> tempfile::TempDir {
    let dir = scratch();
    let copy = ["cp", "-r", "Cargo.toml", "Makefile", "src", "labs", "notes", "tests"];
    let done = std::process::Command::new(copy[0])
        .args(&copy[1..])
        .arg(dir.path())
        .current_dir(repo())
        .status();
    assert!(done.expect("cp").success());
    // Where cargo puts programs, for the commands that name one.
    fs::create_dir(dir.path().join("target")).expect("target");
    symlink(bin(""), dir.path().join("target/debug")).expect("target/debug");
    dir
}

/// Runs the commands of a block: what each printed, and whether anything is left.
pub fn outputs(block: &str, checkout: &Path, programs: &Path) -> Result<Vec<String>, String> {
    let commands = block.lines().filter_map(|line| line.strip_prefix("$ "));
    let programs = programs.display().to_string();
    let mark = "\u{1e}";
    let mut script = format!("cd {}; PATH=$PATH:{programs}\n", checkout.display());
    for command in commands {
        script += &format!("echo '{mark}'\n{{ {command}\n}} 2>&1\n");
    }
    let ran = run(Path::new("sh"))
        .args(&["-c", &script])
        .env("COLUMNS", "80")
        .env("CARGO", "true")
        .env("BIN", programs.trim_end_matches('/'))
        .go();
    if !ran.left.is_empty() {
        return Err(format!("the block leaves {:?}\n{block}", ran.left));
    }
    Ok(ran.stdout.split(&format!("{mark}\n")).skip(1).map(String::from).collect())
}

/// Does a block of this page print what stands there?
pub fn check(page: &Path, block: &str, checkout: &Path, programs: &Path) -> Result<(), String> {
    let commands = block.lines().filter_map(|line| line.strip_prefix("$ "));
    let outputs = outputs(block, checkout, programs);
    let outputs = outputs.map_err(|why| format!("{}: {why}", page.display()))?;
    let expected = format!("\n{block}");
    let expected: Vec<&str> = expected.split("\n$ ").skip(1).collect();
    for ((command, expected), output) in commands.zip(expected).zip(&outputs) {
        let expected = expected.split_once('\n').map_or("", |(_, rest)| rest);
        let (want, got) = (normal(expected), normal(output));
        let apart = |text: &str| normal(&per_process(text));
        if !like(&want, &got) && (expected.contains("\n...") || apart(expected) != apart(output)) {
            let (want, got) = (want.join("\n"), got.join("\n"));
            let diff = similar::TextDiff::from_lines(&want, &got).unified_diff().to_string();
            return Err(format!("{}: $ {command}\n{diff}", page.display()));
        }
    }
    Ok(())
}

/// A question of a worksheet, or the answer to it.
pub struct Item {
    pub number: usize,
    pub text: String,
}

/// What is numbered under a heading of a page: `1. …`, or `**1.** …`.
pub fn items(page: &str, heading: &str) -> Vec<Item> {
    let start = Regex::new(r"^(?:\*\*)?(\d+)\.(?:\*\*)? ").expect("a number");
    let mut items: Vec<Item> = Vec::new();
    let (mut inside, mut fenced) = (false, false);
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if let Some(title) = line.strip_prefix("## ").filter(|_| !fenced) {
            inside = title == heading;
            continue;
        }
        let number = start.captures(line).filter(|_| !fenced);
        match number.and_then(|found| found[1].parse().ok()) {
            Some(number) if inside => items.push(Item { number, text: format!("{line}\n") }),
            _ if inside && !items.is_empty() => {
                items.last_mut().expect("one").text += &format!("{line}\n")
            }
            _ => {}
        }
    }
    items
}

/// Writes what the commands of a block print now into the page; GOLDEN=write.
pub fn renewed(page: &Path, block: &str, checkout: &Path, programs: &Path) {
    let text = fs::read_to_string(page).expect("a page");
    let outputs = outputs(block, checkout, programs).unwrap_or_else(|why| panic!("{why}"));
    let commands = block.lines().filter(|line| line.starts_with("$ "));
    let both = commands.zip(outputs).map(|(command, output)| format!("{command}\n{output}"));
    let fence = |block: &str| format!("```console\n{block}```\n");
    let new = text.replacen(&fence(block), &fence(&both.collect::<String>()), 1);
    assert!(new != text, "{}: {block}", page.display());
    fs::write(page, new).expect("a page");
}
