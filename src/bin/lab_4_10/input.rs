//! Where the lines come from that a side says: a script, a pipe, or somebody who types.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::mem::forget;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::{Sender, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use lablib::print::{self, note, text};
use lablib::{Failure, Result, say, signals};
use libc::O_NONBLOCK;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{dup2_stdin, pipe2, read};
use reedline::{
    EditCommand, EditMode, Emacs, ExternalPrinter, KeyCode, KeyModifiers, PromptEditMode,
    PromptHistorySearch, Reedline, ReedlineEvent, ReedlineRawEvent, Signal,
    default_emacs_keybindings,
};

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

/// The lines of a file instead of standard input, whose place it takes.
pub fn read_from(path: &Path) -> Result<()> {
    let trouble = |error: io::Error| Failure::because(format!("{}: {error}", path.display()));
    // A pipe that nobody writes to yet would keep open() waiting, deaf to signals.
    let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path).map_err(trouble)?;
    dup2_stdin(file).map_err(Failure::of("dup2"))
}

/// Somebody types: the editor, and how other threads reach it.
pub struct Typing {
    editor: Reedline,
    pub reach: Reach,
    /// There are line ends in what is being typed: somebody has pasted lines.
    pasted: Arc<AtomicBool>,
}

/// What another thread can do to the editor: print above the line that is being typed, and end it.
#[derive(Clone)]
pub struct Reach {
    lines: SyncSender<String>,
    end: Arc<AtomicBool>,
}

/// Lines that wait to be printed, and how often the editor looks for them.
const WAITING: usize = 32;
const LOOK: Duration = Duration::from_millis(20);

/// How long after the end of a terminal its SIGHUP is waited for, which comes a moment later or is ignored.
const HANGUP: Duration = Duration::from_secs(1);

impl Reach {
    /// Prints a line: above the one that is being typed, or, when nobody types any more, as any.
    pub fn print(&self, mut line: String) {
        loop {
            line = match self.lines.try_send(line) {
                Ok(()) => return,
                Err(TrySendError::Disconnected(line)) if line.is_empty() => return,
                Err(TrySendError::Disconnected(line)) => return text(&line),
                // The editor is slow, or hangs: then a signal is why, and nobody reads this.
                Err(TrySendError::Full(_)) if signals::check().is_err() => return,
                Err(TrySendError::Full(line)) => line,
            };
            self.leave_a_terminal_that_is_gone();
            thread::sleep(LOOK);
        }
    }

    /// Ends the editing at a terminal that was closed, where SIGHUP does not (nohup): the editor would read
    /// its end for ever. It gets an empty pipe instead.
    pub fn leave_a_terminal_that_is_gone(&self) {
        if terminal_is_gone() {
            let _ = pipe2(OFlag::O_NONBLOCK).and_then(|(empty, to)| {
                forget(to);
                dup2_stdin(empty)
            });
            self.end.store(true, SeqCst);
        }
    }

    /// Ends the editing when everything that was printed so far has been shown: as many empty lines,
    /// which print nothing, as there is room for push the others out. Returns when it has ended.
    pub fn end(&self) {
        let mut pushed = 0;
        loop {
            self.leave_a_terminal_that_is_gone();
            match self.lines.try_send(String::new()) {
                Err(TrySendError::Disconnected(_)) => return,
                Ok(()) if pushed < WAITING => pushed += 1,
                _ => {
                    self.end.store(pushed == WAITING || signals::check().is_err(), SeqCst);
                    thread::sleep(LOOK);
                }
            }
        }
    }
}

fn terminal_is_gone() -> bool {
    let stdin = std::io::stdin();
    let mut one = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    let polled = poll(&mut one, PollTimeout::ZERO).is_ok();
    polled && one[0].revents().is_some_and(|found| found.contains(PollFlags::POLLHUP))
}

/// The keys of the editor. A line end that is no Enter key is one of lines that were pasted. The editor would
/// take it for Enter, and lose what follows; here it ends the editing as soon as all of them are there.
struct Keys {
    emacs: Emacs,
    pasted: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
}

impl EditMode for Keys {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        match self.emacs.parse_event(event) {
            ReedlineEvent::ExecuteHostCommand(_) => {
                self.pasted.store(true, SeqCst);
                self.end.store(true, SeqCst);
                ReedlineEvent::Edit(vec![EditCommand::InsertNewline])
            }
            other => other,
        }
    }

    fn edit_mode(&self) -> PromptEditMode {
        self.emacs.edit_mode()
    }
}

struct Prompt;

impl reedline::Prompt for Prompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "> ".into()
    }
    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }
    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "".into()
    }
    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "  ".into()
    }
    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        say!("(said before: {}) ", search.term).into()
    }
}

impl Input {
    /// Is this a part in the demonstration?
    pub fn is_script(&self) -> bool {
        matches!(self, Input::Script(_))
    }

    /// An editor, with a history, if somebody types at a terminal.
    pub fn editor(&self) -> Option<Typing> {
        let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        if self.is_script() || !terminal || !lablib::print::has_room() {
            return None;
        }
        let (printer, end) = (ExternalPrinter::new(WAITING), Arc::new(AtomicBool::new(false)));
        let reach = Reach { lines: printer.sender(), end: end.clone() };
        let mut keys = default_emacs_keybindings();
        let line_end = ReedlineEvent::ExecuteHostCommand("line end".into());
        keys.add_binding(KeyModifiers::CONTROL, KeyCode::Char('j'), line_end);
        let pasted = Arc::new(AtomicBool::new(false));
        let (emacs, of_keys) = (Emacs::new(keys), pasted.clone());
        let editor = Reedline::create()
            .with_edit_mode(Box::new(Keys { emacs, pasted: of_keys, end: end.clone() }))
            .use_bracketed_paste(true)
            .with_external_printer(printer)
            .with_break_signal(end)
            .with_poll_interval(LOOK)
            .with_ansi_colors(colored::control::SHOULD_COLORIZE.should_colorize());
        Some(Typing { editor, reach, pasted })
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
        typing: Option<Typing>,
        threads: [BorrowedFd; 2],
        other_left: &AtomicBool,
    ) -> Result<()> {
        match (self, typing) {
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
            (Input::User, Some(typing)) => typed(typing, to),
            (Input::User, None) => piped(to, threads, other_left),
        }
    }
}

/// The editor panics in a terminal that loses its rows: that is told as what it is, in one line.
fn silence_the_editor() {
    let others = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("/reedline-")) {
            others(panic);
        }
    }));
}

/// Lines that somebody types or pastes, until a thread that has ended ends the editing.
fn typed(typing: Typing, to: &Sender<Vec<u8>>) -> Result<()> {
    let Typing { mut editor, reach, pasted } = typing;
    silence_the_editor();
    note(HELP);
    loop {
        let read = panic::catch_unwind(AssertUnwindSafe(|| editor.read_line(&Prompt)))
            .unwrap_or_else(|_| Err(io::Error::other("it has no room for a line")));
        if terminal_is_gone() {
            signals::wait(&[], Some(HANGUP), || false)?;
        }
        signals::check()?;
        let lines = match read {
            Ok(Signal::Success(lines)) if lines.is_empty() => "\n".into(),
            Ok(Signal::Success(lines)) => lines,
            Ok(Signal::ExternalBreak(text)) if pasted.swap(false, SeqCst) => {
                // Behind the last line end stands a line that is not complete: it stays in the editor.
                let (lines, rest) = text.rsplit_once('\n').unwrap_or(("", &text));
                let rest = EditCommand::InsertString(rest.into());
                editor.run_edit_commands(&[EditCommand::Clear, rest]);
                // Of CR and LF the first was Enter, and has ended a line already.
                let lines = lines.strip_prefix('\n').unwrap_or(lines);
                // Where there is no room they are sent, and not shown again.
                lines.lines().for_each(|line| drop(reach.lines.try_send(format!("> {line}"))));
                lines.into()
            }
            Ok(Signal::CtrlC) => return Err(Failure::Signal(libc::SIGINT)),
            Ok(_) => {
                // The prompt stands there still.
                print::out("\n");
                return Ok(());
            }
            Err(error) => return Err(Failure::because(say!("the terminal: {error}"))),
        };
        for line in lines.lines() {
            if line.trim() == QUIT {
                return Ok(());
            } else if line.starts_with('/') {
                note(HELP);
            } else if to.send(line.into()).is_err() {
                // Who has ended takes no more.
                return Ok(());
            }
        }
    }
}

/// Lines of a pipe or a file, until a thread has ended. When that is because the other side has said
/// goodbye, it still reads: then what is there already is said, and nothing more waited for.
fn piped(to: &Sender<Vec<u8>>, threads: [BorrowedFd; 2], other_left: &AtomicBool) -> Result<()> {
    let stdin = std::io::stdin();
    let mut rest: Vec<u8> = vec![];
    loop {
        let there = signals::wait(&[stdin.as_fd()], Some(Duration::ZERO), || false)?;
        if there.is_empty() {
            if other_left.load(SeqCst) {
                return Ok(());
            }
            let ready = signals::wait(&[threads[0], threads[1], stdin.as_fd()], None, || false)?;
            let ended = ready.iter().any(|&i| i < 2);
            if ended && !other_left.load(SeqCst) {
                return Ok(());
            }
            continue;
        }
        let mut more = [0; 4096];
        // So ends, too, a terminal that was closed.
        let got = read(&stdin, &mut more);
        let n = if got == Err(Errno::EIO) { 0 } else { got.map_err(Failure::of("read"))? };
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
