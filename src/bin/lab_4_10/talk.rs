//! A conversation: a writer thread, a reader thread, and the main thread that feeds the one.
//!
//! The signals that ask us to stop are the main thread's: the others block them, so that they end
//! its wait and no other. All of them look at the flag that the handler sets.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver as Lines};
use std::thread::{self, Builder, ScopedJoinHandle};
use std::time::{Duration, Instant};

use duplex::layout::Segment;
use duplex::peers::Peer;
use duplex::receiver::Receiver;
use duplex::sender::Sender;
use duplex::speech::{pieces, printable};
use duplex::takeover::is_removed;
use duplex::waiters::Way;
use lablib::print::{self, note, step, text, traced, translated};
use lablib::{Failure, Patience, Result, exit, say, signals};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{gettid, pipe};
use sysv::process;

use crate::futex;
use crate::input::{Input, Reach};
use crate::options::{Options, Thread};

/// How a reader waits, and a writer for room: the winner of `make wakeups`.
const WAY: Way = Way::CpuAware;
/// Time between two looks at what no event tells: is the other side stopped, is a segment removed?
const LOOK: Duration = Duration::from_millis(250);
/// How long it may take a thread to fall asleep.
const SOON: Duration = Duration::from_secs(5);

/// Who talks to whom.
pub struct Talk<'a> {
    who: &'static str,
    other: &'static str,
    peer: &'a Peer,
    patience: Patience,
    panic: Option<Thread>,
}

impl<'a> Talk<'a> {
    /// `who` talks to `other`, the process `peer`.
    pub fn of(
        who: &'static str,
        other: &'static str,
        peer: &'a Peer,
        options: &Options,
    ) -> Talk<'a> {
        Talk { who, other, peer, patience: options.patience, panic: options.panic }
    }
}

/// Says what `input` has, prints what comes, until both sides have said goodbye.
pub fn talk(talk: &Talk, out: &mut Segment, back: &mut Segment, input: &Input) -> Result<()> {
    input.before_threads()?;
    let ids = [out.shmid, back.shmid];
    let sender = Sender::new(out, WAY, Some(talk.peer), talk.patience)?;
    let receiver = Receiver::new(back, WAY, Some(talk.peer), Some(LOOK))?;
    let (script, word) = (input.is_script(), receiver.word().as_ptr() as usize);
    let typing = input.editor();
    let reach = typing.as_ref().map(|typing| typing.reach.clone());
    let of_writer = reach.clone();
    let pair = || pipe().map_err(Failure::of("pipe"));
    let ((reads, reader_end), (writes, writer_end)) = (pair()?, pair()?);
    let (to_writer, lines) = mpsc::channel();
    let (said_goodbye, other_left) = (AtomicBool::new(false), AtomicBool::new(false));
    let reader_tid = AtomicI32::new(0);
    let (said_goodbye, other_left, tid) = (&said_goodbye, &other_left, &reader_tid);
    thread::scope(|scope| {
        let reading = move || {
            let end = End(reader_end, reach);
            tid.store(gettid().as_raw(), SeqCst);
            aloud(script, || read_all(talk, ids, receiver, &end.1, [said_goodbye, other_left]))
        };
        let (up, writer_is_up) = mpsc::channel::<()>();
        let writing = move || {
            let _end = End(writer_end, of_writer);
            aloud(script, || write_all(talk, sender, lines, up, script))
        };
        let reader = undisturbed_by_signals(|| {
            pthread_create("reader", || Builder::new().spawn_scoped(scope, reading))
        })?;
        let asleep = if script { until_asleep(tid, word) } else { Ok(()) };
        let writer = asleep.and_then(|()| {
            undisturbed_by_signals(|| {
                pthread_create("writer", || Builder::new().spawn_scoped(scope, writing))
            })
        });
        let writer = match writer {
            Ok(writer) => writer,
            Err(failure) => {
                // With the sender that it would have had goes our goodbye; the reader waits for the other's.
                said_goodbye.store(true, SeqCst);
                let _ = join(reader);
                return Err(failure);
            }
        };
        // It has said so, or ended.
        let _ = writer_is_up.recv();
        let fed = input.feed(&to_writer, typing, [reads.as_fd(), writes.as_fd()], other_left);
        // The writer ends when nobody can give it lines any more; it says goodbye then.
        drop(to_writer);
        let wrote = join(writer);
        said_goodbye.store(true, SeqCst);
        let read = join(reader);
        fed.and(panicked_first(read, wrote))
    })
}

/// Of two failures one is told: a panic, or else the reader's, who sees more.
fn panicked_first(read: Result<()>, wrote: Result<()>) -> Result<()> {
    if matches!(wrote, Err(Failure::Told(_))) { wrote } else { read.and(wrote) }
}

/// Dropped when its thread ends, also by a panic: closes a pipe, and ends the editing.
struct End(#[expect(dead_code, reason = "closed when it is dropped")] OwnedFd, Option<Reach>);

impl Drop for End {
    fn drop(&mut self) {
        if let Some(reach) = &self.1 {
            reach.end();
        }
    }
}

/// Starts threads that leave the signals that stop us to this one.
fn undisturbed_by_signals<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    let stopping: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
    let mask = Failure::of("pthread_sigmask");
    let before =
        stopping.thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK).map_err(mask)?;
    let started = start();
    before.thread_set_mask().map_err(Failure::of("pthread_sigmask"))?;
    started
}

fn join(thread: ScopedJoinHandle<Result<()>>) -> Result<()> {
    // A panic was told, in one line, when it happened.
    thread.join().unwrap_or(Err(Failure::Told(101)))
}

/// Makes a thread, and prints the call: to the kernel, one more task of this process. pthread_create(3)
fn pthread_create<T>(name: &str, spawn: impl FnOnce() -> io::Result<T>) -> Result<T> {
    let (mut made, line) = (None, format!("pthread_create(&{name}, NULL, {name}_thread, NULL)"));
    traced(line, || match spawn() {
        Ok(thread) => {
            made = Some(thread);
            0
        }
        Err(error) => {
            Errno::from_raw(error.raw_os_error().unwrap_or(0)).set();
            -1
        }
    })?;
    made.ok_or_else(|| Failure::because(say!("no {name} thread")))
}

/// Runs a thread, with its futex calls printed if they are a part of the demonstration.
fn aloud(script: bool, run: impl FnOnce() -> Result<()>) -> Result<()> {
    if script {
        futex::aloud();
    }
    let ended = run();
    futex::count();
    ended
}

/// Waits until the reader thread sleeps in futex(2), on the word in the segment; as the kernel says.
fn until_asleep(tid: &AtomicI32, word: usize) -> Result<()> {
    let until = Instant::now() + SOON;
    while Instant::now() < until {
        match tid.load(SeqCst) {
            0 => {}
            tid if process::asleep_at(tid) == Some((libc::SYS_futex, word)) => {
                note(say!("✓ the reader thread is asleep, in futex(2), on the word at {word:#x}"));
                return Ok(());
            }
            tid if process::status(tid).is_none() => break,
            _ => {}
        }
        signals::check()?;
        thread::yield_now();
    }
    note("this machine does not tell where a thread sleeps");
    Ok(())
}

/// The reader thread: blocks until there is something to read, again and again.
fn read_all(
    talk: &Talk,
    ids: [i32; 2],
    mut receiver: Receiver,
    typing: &Option<Reach>,
    [said_goodbye, other_left]: [&AtomicBool; 2],
) -> Result<()> {
    let [who, other] = [talk.who, talk.other].map(translated);
    print::name(&say!("{who} reader"));
    step(7, "A reader thread: it sleeps until data is there")?;
    let (mut message, mut looks) = (vec![], Looks::default());
    let print = |line: String| match typing {
        Some(reach) => reach.print(line),
        None => text(&line),
    };
    loop {
        match receiver.recv(&mut message) {
            Ok(true) => {
                assert!(talk.panic != Some(Thread::Reader), "a reader that was told to panic");
                looks.goodbye = None;
                print(format!("{other}: {}", printable(&message)));
            }
            Ok(false) => {
                print(say!("{other} has said goodbye"));
                other_left.store(true, SeqCst);
                return Ok(());
            }
            // Nothing came, which is no fault while nothing is owed.
            Err(Failure::Because(exit::PEER_SILENT, why)) => {
                typing.iter().for_each(Reach::leave_a_terminal_that_is_gone);
                looks.look(talk, ids, said_goodbye.load(SeqCst), why, print)?;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// What was seen at the last look.
#[derive(Default)]
struct Looks {
    stopped: bool,
    removed: bool,
    goodbye: Option<Instant>,
}

impl Looks {
    /// Says what has become of the other side and the segments, once. `Err` when the other side owes
    /// us a goodbye for too long.
    fn look(
        &mut self,
        talk: &Talk,
        ids: [i32; 2],
        said_goodbye: bool,
        why: String,
        print: impl Fn(String),
    ) -> Result<()> {
        if said_goodbye {
            let since = self.goodbye.get_or_insert_with(Instant::now);
            if talk.patience.is_some_and(|limit| since.elapsed() >= limit) {
                return Err(Failure::Because(exit::PEER_SILENT, why));
            }
        }
        let stopped = talk.peer.is_stopped();
        if stopped != self.stopped {
            let pid = talk.peer.pid;
            print(match stopped {
                true => say!("{pid} is stopped (state T); waiting"),
                false => say!("{pid} goes on"),
            });
        }
        self.stopped = stopped;
        if !self.removed && ids.into_iter().any(is_removed) {
            self.removed = true;
            print(say!("a segment was removed: we go on, but nobody else will find it"));
        }
        Ok(())
    }
}

/// The writer thread: sends what there is, and never waits for an answer.
fn write_all(
    talk: &Talk,
    mut sender: Sender,
    lines: Lines<Vec<u8>>,
    up: mpsc::Sender<()>,
    aloud: bool,
) -> Result<()> {
    print::name(&say!("{} writer", translated(talk.who)));
    step(8, "A writer thread: it never waits for an answer")?;
    drop(up);
    let mut sent = 0;
    for line in lines {
        assert!(talk.panic != Some(Thread::Writer), "a writer that was told to panic");
        for piece in pieces(&line, sender.most()) {
            if aloud {
                text(say!("says: {}", printable(piece)));
            }
            sender.send(piece)?;
            sent += 1;
        }
        signals::check()?;
    }
    text(say!("messages sent: {sent}, and not one answer waited for"));
    Ok(())
}
