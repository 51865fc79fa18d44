//! `lab page`: a run or a tree as one HTML file that needs nothing else. See notes/page.md.
//!
//! | module | what it holds |
//! |---|---|
//! | [`input`] | where the runs and the trees come from: files, programs, sections |
//! | [`show`] | what the page shows |
//! | [`steps`] | the steps of a run |
//! | [`words`] | what happened, in words |
//! | [`shortest`] | the shortest ways through a tree |
//! | [`map`] | where its places are drawn |
//! | [`html`] | the file |
//!
//! `script/` and `page.css` are in it as they stand here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::explore::{Words, words as command_words};
use crate::tree::Target;
use crate::view::complain_as;

mod html;
mod input;
mod map;
mod shortest;
mod show;
mod steps;
mod words;

/// Write a run, or every order of a program, as a page for a browser: one file
#[derive(Args)]
pub struct Options {
    /// What lab explore --tree, lab explore --json or lab trace --json has written; or a section of the
    /// workbook: 4.8, 4.9
    #[arg(value_name = "RUN.json|TREE.json|SECTION", conflicts_with_all = ["others", "program"], required_unless_present = "program")]
    what: Option<PathBuf>,
    /// The page
    #[arg(short, long, value_name = "PAGE.html")]
    output: PathBuf,
    /// The tree of a program in which nothing goes wrong: the reader can try the same with it
    #[arg(long, value_name = "TREE.json")]
    cure: Option<PathBuf>,
    /// What stands at the top
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The workbook's folder; without it, the first one above that has labs/
    #[arg(long, value_name = "FOLDER")]
    workbook: Option<PathBuf>,
    /// Another program that runs at the same time; may be given again
    #[arg(long = "and", value_name = "OTHER COMMAND", value_parser = command_words)]
    others: Vec<Words>,
    /// The program, and behind it its own arguments
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// Why there is no page: an exit code, and one line where nobody has said it yet.
pub struct Trouble(u8, Option<String>);

fn usage(why: String) -> Trouble {
    Trouble(2, Some(why))
}

/// Writes it. Exits with 0, and with 2 for what cannot be shown.
pub fn run(options: &Options) -> ExitCode {
    match write(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble(code, why)) => {
            why.iter().for_each(|why| complain_as("lab page", why));
            ExitCode::from(code)
        }
    }
}

/// Of a run that was judged, for the report of a class.
pub struct Judged<'a> {
    pub title: String,
    /// What the run was tried with, and what was done in it.
    pub with: &'a [String],
    /// What is wrong in it, in a few words, and in sentences.
    pub titles: Vec<String>,
    pub findings: Vec<String>,
    /// The page that links to it.
    pub back: String,
}

/// The page of a run that was judged; none, if nothing happens in it.
pub fn of_judged(events: &[Value], about: Judged) -> Option<String> {
    input::of_judged(events, about).map(|page| html::whole(&page))
}

fn write(options: &Options) -> Result<(), Trouble> {
    // Before a search that may take long.
    let target = Target::new(&options.output).map_err(usage)?;
    let page = input::page(options)?;
    target.write_text(html::whole(&page).as_bytes()).map_err(usage)
}
