//! What the labs stand on: the calls of System V IPC, and one printed line for each.
//!
//! | module | what it holds |
//! |---|---|
//! | [`shm`] | `ftok`, `shmget`, `shmat`, `shmdt`, `shmctl` |
//! | [`msg`], [`sem`] | the message queue and semaphore calls |
//! | [`flags`] | numbers to the spelling that `strace` uses |
//! | [`trace`] | title, step, note, and [`trace::traced`], which prints a call |
//! | [`peer`] | is this pid our peer? whose leftover is this? |
//! | [`process`] | children: made, waited for, crashed on purpose |
//! | [`signals`] | handlers that only set a flag, and the waits that signals can end |
//! | [`channel`], [`segment`] | the duplex channel of 4.10: a ring of messages in each of two segments |
//! | [`wakeup`] | every way to wake the other side |
//! | [`system`] | the kernel's own tables, and the real `ipcs` beside ours |
//! | [`cleanup`] | the ledger of what we made, so that nothing stays behind |
//!
//! A lab calls, the call prints its line, `?` ends the lab when something fails that should not,
//! and [`expect_errno`] asserts a failure that should.

#[cfg(not(target_os = "linux"))]
compile_error!("the workbook needs Linux: its labs look through /proc, pidfds and namespaces");

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nix::errno::Errno;

pub mod channel;
pub mod cleanup;
pub mod flags;
pub mod msg;
pub mod peer;
pub mod process;
pub mod segment;
pub mod sem;
pub mod shm;
pub mod signals;
pub mod system;
pub mod trace;
pub mod wakeup;

/// What the exit codes mean, in every lab. 128 + n: stopped by signal n.
#[allow(missing_docs)]
pub mod exit {
    pub const CALL_FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NO_PEER: u8 = 3;
    pub const BUSY: u8 = 4;
    pub const REFUSED: u8 = 5;
    pub const NOT_A_PEER: u8 = 6;
    pub const PEER_DIED: u8 = 7;
    pub const PEER_SILENT: u8 = 8;
    pub const HOSTILE: u8 = 9;
}

/// What a lab's calls answer.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a lab, or a part of it, ended early: one line, never a panic's text.
#[derive(Debug)]
pub enum Failure {
    /// A call, as its line spells it, failed that should not have.
    Call(String, Errno),
    /// Something else that one line says, and the exit code for it.
    Because(u8, String),
    /// This machine does not grant what is needed: what, and what would grant it.
    Needs(String, &'static str),
    /// SIGINT, SIGTERM or SIGHUP arrived, or SIGPIPE would have.
    Signal(i32),
    /// A child process has already said why; this is its exit code.
    Told(u8),
}

impl Failure {
    /// A failure with exit code 1 that says `why`.
    pub fn because(why: impl Into<String>) -> Failure {
        Failure::Because(exit::CALL_FAILED, why.into())
    }

    /// For `map_err`: `call` is what failed.
    pub fn of(call: impl Into<String>) -> impl FnOnce(Errno) -> Failure {
        |errno| Failure::Call(call.into(), errno)
    }

    /// The exit code this failure ends a process with.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Call(..) => exit::CALL_FAILED,
            Failure::Because(code, _) | Failure::Told(code) => *code,
            Failure::Needs(..) => 0,
            Failure::Signal(signal) => 128 + *signal as u8,
        }
    }

    /// Says it, in one line on standard error, unless that was done or nobody listens.
    pub fn tell(&self) {
        if !matches!(self, Failure::Told(_) | Failure::Signal(libc::SIGPIPE)) {
            trace::complain(&self.to_string());
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Failure::Call(call, errno) => {
                write!(f, "{call} failed: {}{}", flags::errno(*errno), system::hint(call, *errno))
            }
            Failure::Because(_, why) => f.write_str(why),
            Failure::Needs(what, grant) => write!(f, "needs {what}; {grant}"),
            Failure::Signal(signal) => write!(f, "stopped by {}", flags::signal(*signal)),
            Failure::Told(code) => write!(f, "a child ended with exit code {code}"),
        }
    }
}

/// Asserts that a call failed with `errno`: the error that is being taught.
pub fn expect_errno<T>(result: Result<T>, errno: Errno) -> Result<()> {
    match result {
        Err(Failure::Call(_, got)) if got == errno => Ok(()),
        Err(Failure::Call(call, got)) => {
            Err(Failure::because(format!("{call} must fail with {errno:?}, but did with {got:?}")))
        }
        Err(other) => Err(other),
        Ok(_) => Err(Failure::because(format!("a call that must fail with {errno:?} succeeded"))),
    }
}

/// One question put to the kernel: some calls and an assertion.
#[derive(Clone, Copy)]
pub struct Experiment {
    /// What `--experiment` takes.
    pub name: &'static str,
    /// The rows of `notes/behaviours.md` that it shows.
    pub rows: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// Asks it. `Err` when the kernel's answer is not the one that the notes teach.
    pub run: fn() -> Result<()>,
}

/// What every section's lab can be asked for.
#[derive(Parser)]
pub struct Choice {
    /// List the experiments of this section
    #[arg(long, conflicts_with_all = ["experiment", "experiments"])]
    list: bool,
    /// Run one experiment, by its name
    #[arg(long, value_name = "NAME", conflicts_with = "experiments")]
    experiment: Option<String>,
    /// Run every experiment of this section, instead of its story
    #[arg(long)]
    experiments: bool,
}

/// Runs a section's lab as its arguments say: the story as its note tells it, or experiments.
pub fn lab(title: &str, story: fn() -> Result<()>, experiments: &[Experiment]) -> ExitCode {
    match arguments::<Choice>() {
        Ok(choice) => choice.run(title, story, experiments),
        Err(code) => code,
    }
}

/// Reads a program's arguments. `Err`: help was asked for, or one is wrong, which is told in one
/// line; what to exit with.
pub fn arguments<A: Parser>() -> std::result::Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        let text = error.render().to_string();
        if !error.use_stderr() {
            trace::out(&text);
            return ExitCode::SUCCESS;
        }
        let lines = text.trim_start_matches("error: ").lines().map(str::trim);
        let why: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        trace::complain(&format!("{}; see --help", why.join(" ")));
        ExitCode::from(exit::USAGE)
    })
}

impl Choice {
    /// Like [`lab`], for one that has arguments of its own besides.
    pub fn run(
        self,
        title: &str,
        story: impl FnOnce() -> Result<()>,
        experiments: &[Experiment],
    ) -> ExitCode {
        run(|| {
            if self.list {
                for Experiment { name, rows, question, .. } in experiments {
                    trace::text(&format!("{name:<22} {question} ({rows})"));
                }
                return Ok(());
            }
            let chosen = self.experiment.map(|name| {
                let known = experiments.iter().find(|one| one.name == name);
                let why = || format!("no experiment '{name}' here; --list names those there are");
                known.ok_or_else(|| Failure::Because(exit::USAGE, why()))
            });
            let chosen = chosen.transpose()?;
            cleanup::start();
            match chosen {
                Some(experiment) => ask(experiment),
                None if self.experiments => experiments.iter().try_for_each(ask),
                None => {
                    trace::title(title);
                    story()
                }
            }
        })
    }
}

fn ask(experiment: &Experiment) -> Result<()> {
    trace::experiment(experiment.name, experiment.question, experiment.rows)?;
    match (experiment.run)() {
        Err(needs @ Failure::Needs(..)) => trace::note(&format!("not shown here: {needs}")),
        outcome => outcome?,
    }
    Ok(())
}

/// A limit on waiting for somebody who owes an answer; `None`: no limit.
pub type Patience = Option<Duration>;

/// Reads a [`Patience`] from the command line: seconds, with a fraction; 0 is none. With STEP
/// nobody is hurried.
pub fn patience(text: &str) -> std::result::Result<Patience, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.0..1e6).contains(seconds));
    let seconds = seconds.ok_or("not a number of seconds, such as 2 or 0.5")?;
    Ok((seconds > 0.0 && !trace::is_stepping()).then(|| Duration::from_secs_f64(seconds)))
}

/// Runs a program's body: signals end it cleanly, a panic is one line, what it left in the kernel
/// is removed, and the exit code says how it went.
pub fn run(body: impl FnOnce() -> Result<()>) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        trace::complain(&format!("a defect: {}", panic.to_string().replace('\n', " ")));
    }));
    trace::share_turn();
    signals::watch();
    ExitCode::from(conclude(body, true))
}

/// Runs the body of a process, tells its failure, cleans up, and answers the exit code. A panic,
/// which was told when it began, ends here: a child must not unwind into its parent's guards.
pub(crate) fn conclude(body: impl FnOnce() -> Result<()>, last_word: bool) -> u8 {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or(Err(Failure::Told(101)));
    let code = outcome.and_then(|()| signals::check()).err().map_or(0, |failure| {
        match failure {
            Failure::Needs(..) => trace::note(&format!("not shown here: {failure}")),
            _ => failure.tell(),
        }
        failure.code()
    });
    let left = cleanup::net(last_word);
    if code == 0 && (left || trace::lost_output()) { 1 } else { code }
}
