//! A program from its first line to its last: arguments, the story or experiments, the clean-up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use screen::out::complain;
use screen::pages::Pages;
use screen::words::{self, translated};

use crate::backstage::failure::{ASKED, Failure, Result, exit};
use crate::backstage::turn::{lost_output, out, pages, share_turn};
use crate::backstage::{ledger, stop};
use crate::{leftovers, print};

/// One question put to the kernel: some calls and an assertion.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// What `--experiment` takes.
    pub name: &'static str,
    /// The rows of `notes/behaviours.md` that it shows.
    pub rows: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// Asks it. `Err` when the kernel's answer is not the one that the section's note teaches.
    pub run: fn() -> Result<()>,
}

/// A lab without arguments of its own: its story as its note tells it, or experiments.
pub fn lab(title: &'static str, story: fn() -> Result<()>, experiments: &[Experiment]) -> ExitCode {
    match arguments(command("What every section's lab can be asked for")) {
        Ok(words) => section(&words, title, story, experiments),
        Err(code) => code,
    }
}

/// The command line of a lab, to which it may add arguments of its own.
pub fn command(about: &'static str) -> Command {
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let list = flag("list", "List the experiments of this section");
    let one = Arg::new("experiment").long("experiment").value_name("NAME");
    let one = one.help("Run one experiment, by its name").conflicts_with("experiments");
    let all = flag("experiments", "Run every experiment of this section, instead of its story");
    let list = list.conflicts_with_all(["experiment", "experiments"]);
    let number = |name, help| {
        let steps = value_parser!(u32).range(1..);
        Arg::new(name).long(name).value_name("N").value_parser(steps).global(true).help(help)
    };
    let from =
        number("from", "Show the story from step N on; what comes before is made all the same");
    let only = number("only", "Show step N of the story alone").conflicts_with("from");
    Command::new("lab").about(about).after_help(screen::STEP).args([list, one, all, from, only])
}

/// Reads a program's arguments. `Err`: help was asked for, or one is wrong, and one line says so;
/// what to exit with.
pub fn arguments(command: Command) -> std::result::Result<ArgMatches, ExitCode> {
    words::of_command(command).term_width(0).try_get_matches().map_err(|error| {
        let text = error.render().to_string();
        if !error.use_stderr() {
            out(&screen::help(&text));
            return ExitCode::SUCCESS;
        }
        complain(&screen::usage(&text));
        ExitCode::from(exit::USAGE)
    })
}

/// The value of an argument that has a default.
pub fn value<T: Clone + Send + Sync + 'static>(words: &ArgMatches, name: &str) -> T {
    words.get_one(name).cloned().expect("a default")
}

/// Runs a section's lab as its arguments say.
pub fn section(
    words: &ArgMatches,
    title: &'static str,
    story: impl FnOnce() -> Result<()>,
    experiments: &[Experiment],
) -> ExitCode {
    run(|| {
        if words.get_flag("list") {
            let row = |one: &Experiment| [one.name, one.question, one.rows];
            out(&screen::list(experiments.iter().map(row)));
            return Ok(());
        }
        let chosen = words.get_one::<String>("experiment").map(|name| {
            let known = experiments.iter().find(|one| one.name == name);
            let why = || say!("no experiment '{name}' here; --list shows all names");
            known.ok_or_else(|| Failure::Because(exit::USAGE, why()))
        });
        ledger::start()?;
        match chosen.transpose()? {
            Some(experiment) => ask(experiment),
            None if words.get_flag("experiments") => experiments.iter().try_for_each(ask),
            None => {
                print::title(title);
                let [from, only] = ["from", "only"].map(|name| words.get_one(name).copied());
                let pages = pages().inspect(|pages| pages.choose(from, only));
                if from.or(only).is_some() {
                    let others = "(the other steps are made, too, and not shown)";
                    out(&format!("  {}\n", translated(others)));
                }
                story()?;
                let missed = pages.and_then(Pages::missed);
                let why = |number| say!("this story has no step {number}");
                missed.map_or(Ok(()), |number| Err(Failure::Because(exit::USAGE, why(number))))
            }
        }
    })
}

fn ask(experiment: &Experiment) -> Result<()> {
    ASKED.store(true, Relaxed);
    print::experiment(experiment.name, experiment.question, experiment.rows)?;
    let outcome = (experiment.run)().map_err(Failure::or_needs);
    let Err(needs @ Failure::Needs(..)) = outcome else { return outcome };
    print::note(say!("not shown here: {needs}"));
    leftovers::net(false);
    Ok(())
}

/// Runs a program's body: signals end it cleanly, a panic is one line, what it left in the kernel
/// is removed, and the exit code says how it went.
pub fn run(body: impl FnOnce() -> Result<()>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        complain(&say!("a defect: {}", panic.to_string().replace('\n', " ")));
    }));
    share_turn();
    ExitCode::from(conclude(|| stop::watch().and_then(|()| body()), true))
}

/// Runs the body of a process, tells its failure, cleans up, and answers the exit code. A panic,
/// which was told when it began, ends here: a child must not unwind into its parent's guards.
pub(crate) fn conclude(body: impl FnOnce() -> Result<()>, last_word: bool) -> u8 {
    // What a parent has lost before the fork is the parent's.
    let lost = lost_output();
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Failure::Told(101)));
    let outcome =
        outcome.and_then(|()| stop::check()).map_err(|failure| failure.cause().or_needs());
    let code = outcome.err().map_or(0, |failure| print::tell(&failure));
    let left = leftovers::net(last_word);
    if code == 0 && ((left && last_word) || (lost_output() && !lost)) { 1 } else { code }
}
