//! A verdict of before, once more: from the seed and the versions that were recorded; and whether they are others now.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::class::{self, Submission};
use super::journal::{Record, Settings};
use super::{End, Options, clean, cleaned, exit, how, workers};
use crate::check::apart::Judged;
use crate::check::workbook::{self, Section};

/// Judges it again, and says what is another than it was.
pub fn again(options: &Options, id: &str) -> Result<u8, End> {
    let id = &clean::plain(id);
    let record = recorded(options, id)?;
    let root = workbook::root(options.workbook.as_deref()).map_err(End::Usage)?;
    let before = &record.settings;
    let section = Section::read(&root, &before.section).map_err(End::Usage)?;
    let now = Settings::now(&section, before.seed, before.patience, before.limit, before.trust);
    let now = now.map_err(End::Failed)?;
    let submission = found(options, id, &record)?;
    let changed = changes(before, &now, submission.hash != record.submission);
    let room = tempfile::tempdir().map_err(|error| End::Failed(format!("a folder: {error}")))?;
    let how = how(options, &section, &now, room.path());
    let mut judged = Judged::default();
    match &submission.source {
        Err(why) => judged = Judged::without(why.clone()),
        Ok(_) => {
            let mut done = |one: &Submission, said: Judged| {
                judged = cleaned(said, one);
                Ok(())
            };
            workers::all(vec![&submission], &how, &mut done, &mut |_| {})?;
        }
    }
    let (was, is) = (told(&record.judged), told(&judged));
    let mut text = match was == is {
        true => format!("{id}: the same verdict: {is}\n"),
        false => format!("{id}: another verdict: {is}\n  before: {was}\n"),
    };
    text += &match changed.is_empty() {
        true => format!(
            "  with the same submission, rules, program, compilers and seed ({})\n",
            now.seed
        ),
        false => changed.iter().map(|what| format!("  changed since: {what}\n")).collect(),
    };
    super::say(&text)?;
    Ok(if was == is { exit::DONE } else { exit::FAILED })
}

/// What the report knows of it.
fn recorded(options: &Options, id: &str) -> Result<Record, End> {
    let path = options.output.join("grade.json");
    let name = path.display();
    let text = fs::read_to_string(&path);
    let text = text.map_err(|error| End::Usage(format!("{name}: {error}")))?;
    let report: Value =
        serde_json::from_str(&text).map_err(|error| End::Usage(format!("{name}: {error}")))?;
    let all = report["submissions"].as_array().into_iter().flatten();
    let one = all.into_iter().find(|one| one["id"] == id);
    let one = one.ok_or_else(|| End::Usage(format!("{name}: no submission {id}")))?;
    let key = one["key"].as_str().filter(|key| key.chars().all(|one| one.is_ascii_hexdigit()));
    let record = options.output.join(format!(".journal/{}.json", key.unwrap_or("none")));
    let record = fs::read_to_string(record).ok().and_then(|text| serde_json::from_str(&text).ok());
    record.ok_or_else(|| End::Usage(format!("{id}: it was not judged")))
}

/// The submission, where it is now.
fn found(options: &Options, id: &str, record: &Record) -> Result<Submission, End> {
    let all = match (&options.folder, &options.roster) {
        (Some(folder), _) => class::of_folder(folder, &options.output),
        (None, Some(roster)) => class::of_roster(roster),
        (None, None) => Ok(vec![Submission::again(id, PathBuf::from(&record.path))]),
    };
    let one = all.map_err(End::Usage)?.into_iter().find(|one| one.id == id);
    one.ok_or_else(|| End::Usage(format!("no submission {id}")))
}

fn changes(before: &Settings, now: &Settings, submission: bool) -> Vec<String> {
    let mut all = vec![];
    let mut changed = |is: bool, what: String| {
        if is {
            all.push(what);
        }
    };
    changed(submission, "the submission".into());
    changed(before.rules != now.rules, format!("the rules of {}", before.section));
    let version = format!("lab, from version {} to {}", before.version, now.version);
    changed(before.version != now.version, version);
    let same = before.version == now.version && before.program != now.program;
    changed(same, format!("lab: another program of the same version, {}", now.version));
    for (name, was) in &before.compilers {
        let is = now.compilers.get(name).map_or("not here", String::as_str);
        changed(was != is, format!("{name}, from {was} to {is}"));
    }
    all
}

/// A verdict in a line.
fn told(judged: &Judged) -> String {
    if let (false, Some(why)) = (judged.is_wrong(), &judged.not_judged) {
        return format!("could not judge: {why}");
    }
    let place = |line: Option<usize>| line.map_or(String::new(), |line| format!(" (line {line})"));
    let found = judged.findings.iter().map(|one| format!("{}{}", one.rule, place(one.line)));
    let found: Vec<String> = found.collect();
    let found = if found.is_empty() { "passed".into() } else { found.join(", ") };
    format!("{found}; {} of {} points", judged.points, judged.of)
}
