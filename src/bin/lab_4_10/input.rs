//! Where the lines come from that a side says: a script, a pipe, or somebody who types.

use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::Sender;

use lablib::trace::note;
use lablib::{Failure, Result, signals};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, read};
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Config, Editor, ExternalPrinter};

use crate::turns::{tell, told};

/// What a side says.
pub enum Input {
    /// Standard input, line by line.
    User,
    /// A part in the demonstration.
    Script(Script),
}

/// A part in the demonstration: the lines, and the turns with the other side.
pub struct Script {
    pub lines: &'static [&'static str],
    /// Who begins is shown first.
    pub first: bool,
    pub to_other: OwnedFd,
    pub from_other: OwnedFd,
}

/// A line that ends the conversation, typed or at the end of a script.
const QUIT: &str = "/quit";
const HELP: &str = "/quit ends; everything else is sent";

/// Prints a line while somebody may be typing another.
pub type Print = Box<dyn FnMut(String) + Send>;

/// An editor for a terminal, with a history.
pub type Editing = Editor<(), MemHistory>;

impl Input {
    /// Is this a part in the demonstration?
    pub fn is_script(&self) -> bool {
        matches!(self, Input::Script(_))
    }

    /// An editor, if somebody types, and how to print beside it.
    pub fn editor(&self) -> Result<Option<(Editing, Print)>> {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if !matches!(self, Input::User) || !terminal {
            return Ok(None);
        }
        let trouble = |error: ReadlineError| Failure::because(format!("the terminal: {error}"));
        let config = Config::builder().auto_add_history(true).build();
        let mut editor = Editing::with_history(config, MemHistory::new()).map_err(trouble)?;
        let mut printer = editor.create_external_printer().map_err(trouble)?;
        // When the terminal is gone, so is who would read it; the signal of that ends us.
        Ok(Some((editor, Box::new(move |line| drop(printer.print(line))))))
    }

    /// Before the threads start: the server's turn comes first.
    pub fn before_threads(&self) -> Result<()> {
        match self {
            Input::Script(script) if !script.first => told(&script.from_other),
            _ => Ok(()),
        }
    }

    /// Passes lines on until there are no more, one of the `threads` has ended, or a signal comes.
    pub fn feed(
        &self,
        to: &Sender<Vec<u8>>,
        editor: Option<Editing>,
        threads: [BorrowedFd; 2],
    ) -> Result<()> {
        match (self, editor) {
            (Input::Script(script), _) => {
                tell(&script.to_other)?;
                if script.first {
                    told(&script.from_other)?;
                    tell(&script.to_other)?;
                } else {
                    told(&script.from_other)?;
                }
                // Who has ended takes no more.
                let _ = script.lines.iter().try_for_each(|line| to.send((*line).into()));
                Ok(())
            }
            (Input::User, Some(editor)) => typed(editor, to, threads),
            (Input::User, None) => piped(to, threads),
        }
    }
}

/// Lines that somebody types. A thread that ends sends SIGINT, which ends the editing.
fn typed(mut editor: Editing, to: &Sender<Vec<u8>>, threads: [BorrowedFd; 2]) -> Result<()> {
    note(HELP);
    loop {
        let line = editor.readline("> ");
        signals::check()?;
        if one_has_ended(threads)? {
            return Ok(());
        }
        match line {
            Ok(line) if line.trim() == QUIT => return Ok(()),
            Ok(line) if line.starts_with('/') => note(HELP),
            Ok(line) if line.is_empty() => {}
            Ok(line) => {
                // Who has ended takes no more.
                if to.send(line.into_bytes()).is_err() {
                    return Ok(());
                }
            }
            Err(ReadlineError::Eof) => return Ok(()),
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {
                return Err(Failure::Signal(Signal::SIGINT as i32));
            }
            Err(error) => return Err(Failure::because(format!("the terminal: {error}"))),
        }
    }
}

/// Ends the editing, from a thread that has ended.
pub fn end_editing() {
    // The editor's own handler, which writes to a pipe, takes it. Fails only for another process.
    let _ = nix::sys::signal::kill(Pid::this(), Signal::SIGINT);
}

fn one_has_ended(threads: [BorrowedFd; 2]) -> Result<bool> {
    Ok(!signals::wait(&threads, Some(std::time::Duration::ZERO), || false)?.is_empty())
}

/// Lines of a pipe or a file.
fn piped(to: &Sender<Vec<u8>>, threads: [BorrowedFd; 2]) -> Result<()> {
    let stdin = std::io::stdin();
    let mut rest: Vec<u8> = vec![];
    loop {
        let ready = signals::wait(&[threads[0], threads[1], stdin.as_fd()], None, || false)?;
        if ready.iter().any(|&i| i < 2) {
            return Ok(());
        }
        let mut more = [0; 4096];
        let n = read(&stdin, &mut more).map_err(Failure::of("read"))?;
        rest.extend_from_slice(&more[..n]);
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).take(end).collect();
            if line == QUIT.as_bytes() || to.send(line).is_err() {
                return Ok(());
            }
        }
        if n == 0 {
            if !rest.is_empty() {
                // Who has ended takes no more.
                let _ = to.send(rest);
            }
            return Ok(());
        }
    }
}
