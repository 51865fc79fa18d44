//! Help in three levels: a question; the step of the note, and what to look at; the student's own run. And a solution,
//! for who has passed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use say::tell;
use screen::words::translated;

use super::attempts::Attempt;
use super::judge::NoVerdict;
use super::workbook::{self, Section};
use super::{Called, exit, no_verdict, out, rules};
use crate::asked;
use crate::view::paragraph;

/// Help with the first finding of the last attempt; each time more of it
#[derive(Args)]
pub struct Hint {
    /// 4.8
    section: String,
    /// 1: a question; 2: where to look; 3: your own run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3))]
    level: Option<u32>,
    /// The workbook's folder
    #[arg(long, value_name = "DIR")]
    workbook: Option<PathBuf>,
}

/// Print a solution of an exercise that has passed
#[derive(Args)]
pub struct Solution {
    /// 4.8
    section: String,
    /// The workbook's folder
    #[arg(long, value_name = "DIR")]
    workbook: Option<PathBuf>,
}

/// Gives the next hint.
pub fn hint(options: &Hint) -> ExitCode {
    asked::listen(&[]);
    ExitCode::from(hinted(options).unwrap_or_else(no_verdict))
}

fn hinted(options: &Hint) -> Result<u8, NoVerdict> {
    let root = workbook::root(options.workbook.as_deref()).map_err(NoVerdict::Usage)?;
    let section = Section::read(&root, &options.section).map_err(NoVerdict::Usage)?;
    let name = &section.name;
    let none = || NoVerdict::Usage(tell!("no attempt yet: make check-{name}"));
    let mut last = Attempt::last(&root, name).ok_or_else(none)?;
    let Some(first) = last.found.first().cloned() else {
        out(&(tell!("nothing was found in {}: no hint is needed", last.source) + "\n"))?;
        return Ok(exit::PASSED);
    };
    let level = options.level.unwrap_or((last.hints + 1).min(3));
    let rule = section.rules.rules.iter().find(|rule| rule.id == first.rule);
    let hint = section.rules.hint.get(&first.rule);
    let lab = Called::here(options.workbook.as_deref());
    let step = rule.map_or(String::new(), |rule| rule.step.clone());
    let note = &section.rules.note;
    let text = match (level, hint) {
        (1, Some(hint)) => hint.ask.clone(),
        (1, None) => {
            let why = first.why.as_deref().unwrap_or_default();
            tell!("{why} Which of your lines is about this?").trim().into()
        }
        (2, Some(hint)) => tell!("{} See {}.", hint.look, rules::where_in(&step, note)),
        (2, None) => tell!("See {}.", rules::where_in(&step, note)),
        _ => match &first.again {
            Some(_) => translated("Watch your own run:").into(),
            None => tell!("See {}, and watch your own run:", rules::where_in(&step, note)),
        },
    };
    // On a row of its own: it is not wrapped, and works as it stands.
    let command = match (level, &first.again) {
        (3, Some(_)) => format!("  {}\n", lab.replay(name, 1)),
        (3, None) => {
            format!("  {} trace -- {}\n", lab.lab, translated("YOUR-PROGRAM ARGUMENTS"))
        }
        _ => String::new(),
    };
    last.hints = level;
    last.keep(&root, name);
    out(&(paragraph(&tell!("{}: {text}", first.title), 2) + &command))?;
    Ok(exit::PASSED)
}

/// Prints a solution, if the exercise has passed.
pub fn solution(options: &Solution) -> ExitCode {
    asked::listen(&[]);
    ExitCode::from(solved(options).unwrap_or_else(no_verdict))
}

fn solved(options: &Solution) -> Result<u8, NoVerdict> {
    let root = workbook::root(options.workbook.as_deref()).map_err(NoVerdict::Usage)?;
    let section = Section::read(&root, &options.section).map_err(NoVerdict::Usage)?;
    let name = &section.name;
    if !Attempt::last(&root, name).is_some_and(|last| last.has_passed) {
        let why = tell!("the solution is shown when yours has passed: make check-{name}");
        return Err(NoVerdict::Usage(why));
    }
    let path = section.folder().join("exercise/solution/main.c");
    let text = std::fs::read_to_string(&path);
    out(&text.map_err(|error| NoVerdict::Usage(format!("{}: {error}", path.display())))?)?;
    Ok(exit::PASSED)
}
