//! `lab exam`: an exam, and its answer sheet, made from real runs. `labs/4.x/exam.toml` says which programs are run
//! for a section; a seed chooses the runs, the orders and the questions. notes/teaching.md
//!
//! | module | what it holds |
//! |---|---|
//! | [`ask`] | questions about a run, and what the run answers |
//! | [`runs`] | what is run, and how |

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use fastrand::Rng;
use serde::Deserialize;

use crate::explore::{Trouble, exit};
use crate::stage::book;
use crate::view::complain_as;

mod ask;
mod runs;

use ask::Question;
use runs::Plan;

/// Make an exam and its answer sheet from real runs: the same seed, the same exam
#[derive(Args)]
pub struct Options {
    /// Sections of the workbook; without one, all that have questions
    sections: Vec<String>,
    /// Chooses the runs, the orders and the questions
    #[arg(long, value_name = "N")]
    seed: u64,
    /// So many questions for each section
    #[arg(long, value_name = "N", default_value_t = 2)]
    questions: usize,
    /// The folder for exam.md and answers.md; without it, exam-N
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// The workbook's folder; without it, the first one above that has labs/
    #[arg(long, value_name = "FOLDER")]
    workbook: Option<PathBuf>,
}

/// `labs/4.x/exam.toml`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    run: Vec<Plan>,
}

/// Makes both. Exits with 0, with 2 for what there is not, with 1 if a run fails.
pub fn run(options: &Options) -> ExitCode {
    ExitCode::from(match make(options) {
        Ok(()) => exit::NONE,
        Err(Trouble::Signal(signal)) => 128 + signal as u8,
        Err(Trouble::Taken) => {
            complain_as("lab exam", "a program could not be started: no number is free");
            exit::INCOMPLETE
        }
        Err(Trouble::Because(code, why)) => {
            complain_as("lab exam", &why);
            code
        }
    })
}

fn usage(why: String) -> Trouble {
    Trouble::Because(exit::USAGE, why)
}

fn make(options: &Options) -> Result<(), Trouble> {
    let root = book::root(options.workbook.as_deref(), "exam.toml").map_err(usage)?;
    let all = book::sections(&root, "exam.toml");
    if let Some(unknown) = options.sections.iter().find(|one| !all.contains(one)) {
        let there = all.join(", ");
        return Err(usage(format!("no questions for section {unknown}; there are: {there}")));
    }
    let wanted =
        |section: &&String| options.sections.is_empty() || options.sections.contains(section);
    let mut made = vec![];
    for section in all.iter().filter(wanted) {
        made.extend(of_section(&root, section, options)?);
    }
    let folder = options.output.clone();
    let folder = folder.unwrap_or_else(|| format!("exam-{}", options.seed).into());
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| usage(format!("{}: {error}", path.display())))
    };
    fs::create_dir_all(&folder).map_err(|error| usage(format!("{}: {error}", folder.display())))?;
    write("exam.md", exam(options.seed, &root, &made)?)?;
    write("answers.md", answers(options.seed, &made))?;
    println!("{} questions: {}/exam.md, answers.md", made.len(), folder.display());
    Ok(())
}

/// A section's questions: of other runs each, while there are any.
fn of_section(root: &Path, section: &str, options: &Options) -> Result<Vec<Question>, Trouble> {
    let path = root.join("labs").join(section).join("exam.toml");
    let said = |why: String| usage(format!("{}: {why}", path.display()));
    let text = fs::read_to_string(&path).map_err(|error| said(error.to_string()))?;
    let file: File = toml::from_str(&text)
        .map_err(|error| said(error.message().lines().next().unwrap_or_default().to_string()))?;
    // A section's questions are the same, whichever others are asked for.
    let number = section.split('.').next_back().and_then(|n| n.parse().ok()).unwrap_or(0u64);
    let mut rng = Rng::with_seed(options.seed.wrapping_mul(1000).wrapping_add(number));
    let mut order: Vec<&Plan> = file.run.iter().collect();
    rng.shuffle(&mut order);
    let mut made: Vec<Question> = vec![];
    for plan in order.iter().cycle().take(options.questions) {
        let recorded = plan.record(root, section, rng.u64(..))?;
        made.extend(ask::question(&recorded, section, &mut rng, &made));
    }
    Ok(made)
}

fn exam(seed: u64, root: &Path, made: &[Question]) -> Result<String, Trouble> {
    let mut text = format!("# Exam {seed}\n\nName:\n\n");
    text += "Each question shows what a program did, up to a moment. `a`, `b` … are processes and threads, in the\n\
             order in which they began; the number behind is the pid.\n";
    for (n, one) in made.iter().enumerate() {
        text += &format!("\n## Question {} (section {})\n\n{}\n", n + 1, one.section, one.text);
    }
    let mut sources: Vec<&PathBuf> = made.iter().filter_map(|one| one.source.as_ref()).collect();
    sources.sort();
    sources.dedup();
    for path in sources {
        let code = fs::read_to_string(path)
            .map_err(|error| usage(format!("{}: {error}", path.display())))?;
        let name = path.strip_prefix(root).unwrap_or(path).display();
        text += &format!("\n## {name}\n\n```c\n{code}```\n");
    }
    Ok(text)
}

fn answers(seed: u64, made: &[Question]) -> String {
    let mut text = format!("# Answers to exam {seed}\n\nEach answer is what the run did.\n");
    for (n, one) in made.iter().enumerate() {
        let Question { section, answer, again, .. } = one;
        text += &format!("\n**{}.** (section {section}) {answer}\n\nTo show it: {again}\n", n + 1);
    }
    text
}
