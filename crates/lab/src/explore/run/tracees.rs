//! The threads of a run, as the tracer has them: each stands still until it is let go on, and is then
//! waited for until it stands still again, sleeps, or has ended.

use std::fs::File;
use std::os::unix::fs::FileExt;

use libc::c_int;
use nix::errno::Errno;

use crate::asked;
use crate::explore::{Result, Trouble};
use crate::tracer::starter::{self, whereabouts};
use crate::tracer::{Death, How, Running, Stop, Stopped, Tid, Told, Tracer, registers};

/// Processor time after which a program that makes no visible call is taken to be spinning: it is
/// interrupted, and others may move. In nanoseconds.
const SPIN: i64 = 3_000_000;

/// See the module. A thread is meant by its place, which is the same as its task's.
#[derive(Default)]
pub struct Tracees {
    tracer: Tracer,
    threads: Vec<Tracee>,
}

struct Tracee {
    tid: Tid,
    tgid: Tid,
    hold: Hold,
    /// Its files in /proc, once they have been opened.
    stat: Option<File>,
    syscall: Option<File>,
}

enum Hold {
    Standing(Stopped),
    Going(Option<Running>),
    /// It stood still, and the next wait will report that again.
    PutBack,
}

/// A report about a thread.
#[derive(Debug)]
pub enum Heard {
    /// It stands still, and why.
    Stop(Stop),
    /// It has ended.
    End(Death),
}

/// How one that moves is waited for.
#[derive(Clone, Copy)]
pub struct Moving {
    /// It may sleep in a call.
    pub may_sleep: bool,
    /// In the call of a vfork, where the kernel counts its sleep otherwise.
    pub vfork: bool,
    /// Its processor time at the start, in nanoseconds.
    pub since: i64,
}

impl Tracees {
    /// One that stands still.
    pub fn add(&mut self, thread: Stopped, tgid: Tid) {
        self.push(thread.tid(), tgid, Hold::Standing(thread));
    }

    /// One that stands still is not ours any more.
    pub fn take(&mut self, i: usize) -> Option<Stopped> {
        match std::mem::replace(&mut self.threads[i].hold, Hold::Going(None)) {
            Hold::Standing(thread) => Some(thread),
            _ => None,
        }
    }

    /// One whose first stop was not reported yet.
    pub fn expect(&mut self, tid: Tid, tgid: Tid) {
        self.push(tid, tgid, Hold::Going(None));
    }

    fn push(&mut self, tid: Tid, tgid: Tid, hold: Hold) {
        self.threads.push(Tracee { tid, tgid, hold, stat: None, syscall: None });
    }

    /// One that stands still, to be looked into and changed.
    pub fn standing(&self, i: usize) -> Result<&Stopped> {
        self.if_standing(i).ok_or_else(|| self.not_still(i))
    }

    /// The same of one that may also go on, or sleep.
    pub fn if_standing(&self, i: usize) -> Option<&Stopped> {
        match &self.threads[i].hold {
            Hold::Standing(thread) => Some(thread),
            _ => None,
        }
    }

    /// A number that is the same when its registers are; `None` for one that sleeps, in a call that it has
    /// begun: they do not change.
    pub fn registers(&self, i: usize) -> Option<u64> {
        match &self.threads[i].hold {
            Hold::Standing(thread) => registers::digest(thread).ok(),
            _ => None,
        }
    }

    fn not_still(&self, i: usize) -> Trouble {
        Trouble::because(format!("thread {} does not stand still: {}", self.threads[i].tid, {
            whereabouts(self.threads[i].tid)
        }))
    }

    /// Lets one go on that stands still. One whose report was put back has done so already.
    pub fn go_on(&mut self, i: usize, how: How, signal: c_int) -> Result<()> {
        match std::mem::replace(&mut self.threads[i].hold, Hold::Going(None)) {
            Hold::Standing(thread) => {
                let going = thread.resume(how, signal).map_err(Trouble::of("ptrace"))?;
                self.threads[i].hold = Hold::Going(Some(going));
                Ok(())
            }
            Hold::PutBack => {
                self.threads[i].hold = Hold::PutBack;
                Ok(())
            }
            other => {
                self.threads[i].hold = other;
                Err(self.not_still(i))
            }
        }
    }

    /// Asks one that goes on, or sleeps, to stand still.
    pub fn interrupt(&mut self, i: usize) -> Result<()> {
        match &self.threads[i].hold {
            Hold::Going(Some(thread)) => thread.interrupt().map_err(Trouble::of("ptrace")),
            _ => Ok(()),
        }
    }

    /// The next wait returns this report again.
    pub fn put_back(&mut self, i: usize, heard: Heard) {
        let tid = self.threads[i].tid;
        match (heard, std::mem::replace(&mut self.threads[i].hold, Hold::PutBack)) {
            (Heard::Stop(stop), Hold::Standing(thread)) => {
                self.tracer.put_back(Told::Stopped(thread, stop));
            }
            (Heard::Stop(_), hold) => self.threads[i].hold = hold,
            (Heard::End(death), _) => self.tracer.put_back(Told::Ended(tid, death)),
        }
    }

    /// Waits for the next report about one.
    pub fn wait(&mut self, i: usize) -> Result<Heard> {
        loop {
            if let Some(heard) = self.wait_once(i, true)? {
                return Ok(heard);
            }
        }
    }

    /// The next report about one, if there is one already.
    pub fn look(&mut self, i: usize) -> Result<Option<Heard>> {
        self.wait_once(i, false)
    }

    /// Waits for one that moves: until there is a report about it; `None`: it sleeps. `siblings`
    /// are the other threads of its process: one that ends the process takes the others along, and
    /// the main thread's end is only reported after theirs. `leaves`: it is the main thread, and
    /// ends without them.
    pub fn next(
        &mut self,
        i: usize,
        moving: Moving,
        siblings: &[usize],
        leaves: bool,
    ) -> Result<Option<Heard>> {
        if !moving.may_sleep && siblings.is_empty() {
            loop {
                if let Some(heard) = self.wait_once(i, true)? {
                    return Ok(Some(heard));
                }
                self.interrupt_if_it_spins(i, moving.since)?;
            }
        }
        loop {
            // SAFETY: it takes nothing.
            unsafe { libc::sched_yield() };
            if let Some(heard) = self.look(i)? {
                return Ok(Some(heard));
            }
            for &sibling in siblings {
                self.hear_sibling(sibling)?;
            }
            // A main thread that has ended before the others. (The next check reports any other
            // that has ended, and it must: the main thread's end is only reported after theirs.)
            if leaves && self.state(i) == b'Z' {
                return Ok(Some(Heard::End(Death::Exited(0))));
            }
            if moving.may_sleep && self.sleeps(i, moving.vfork, false) {
                return self.look(i);
            }
            if !moving.may_sleep {
                self.interrupt_if_it_spins(i, moving.since)?;
            }
        }
    }

    fn hear_sibling(&mut self, sibling: usize) -> Result<()> {
        if !self.tracer.has_put_back(self.threads[sibling].tid)
            && let Some(heard) = self.look(sibling)?
        {
            self.put_back(sibling, heard);
        }
        Ok(())
    }

    /// `None`: nothing yet; with `block`, some time has passed.
    fn wait_once(&mut self, i: usize, block: bool) -> Result<Option<Heard>> {
        let told = match self.tracer.wait_for(self.threads[i].tid, block) {
            Err(Errno::EINTR) => None,
            told => told.map_err(Trouble::of("waitpid"))?,
        };
        match (told, asked::to_stop()) {
            (None, Some(signal)) => Err(Trouble::Signal(signal)),
            (told, _) => Ok(told.map(|told| self.hear(i, told))),
        }
    }

    /// Takes a report about one.
    pub fn hear(&mut self, i: usize, told: Told) -> Heard {
        match told {
            Told::Stopped(thread, stop) => {
                self.threads[i].hold = Hold::Standing(thread);
                Heard::Stop(stop)
            }
            Told::Ended(_, death) => Heard::End(death),
            Told::Orphan(_) => Heard::Stop(Stop::Started),
        }
    }

    fn interrupt_if_it_spins(&mut self, i: usize, since: i64) -> Result<()> {
        if self.processor_time(i) - since > SPIN { self.interrupt(i) } else { Ok(()) }
    }

    /// Processor time that its process has used, in nanoseconds.
    pub fn processor_time(&self, i: usize) -> i64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: writes one timespec. The number of a process's clock: clock_getcpuclockid(3).
        unsafe { libc::clock_gettime((!self.threads[i].tgid) << 3 | 2, &mut time) };
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    }

    /// Does it sleep until another process wakes it? The state alone does not show it: a thread
    /// that is about to sleep, and may still return, is `S` already. To say in which call it is,
    /// the kernel waits until it has left the run queue: then it is asleep, until a wake-up makes
    /// it `R`.
    pub fn sleeps(&mut self, i: usize, vfork: bool, stopped: bool) -> bool {
        let looks = match self.state(i) {
            b'S' => true,
            b'D' => vfork,
            b'T' | b't' => return stopped,
            _ => false,
        };
        looks && {
            let thread = &mut self.threads[i];
            let mut text = [0; 8];
            let got = read(&mut thread.syscall, thread.tid, "syscall", &mut text);
            got > 0 && text[0].is_ascii_digit()
        }
    }

    /// The letter that /proc has for its state. One that a call of ours has just woken is `R` from
    /// that moment on, whether it has run since or not.
    fn state(&mut self, i: usize) -> u8 {
        let thread = &mut self.threads[i];
        let mut text = [0; 64];
        let got = read(&mut thread.stat, thread.tid, "stat", &mut text);
        let end = text[..got].iter().rposition(|&byte| byte == b')');
        end.and_then(|end| text.get(end + 2)).copied().unwrap_or(b'X')
    }

    /// Follows one that is dying to its end.
    pub fn await_end(&mut self, i: usize) -> Result<Death> {
        loop {
            match self.wait(i)? {
                Heard::End(death) => return Ok(death),
                Heard::Stop(_) => self.go_on(i, How::Cont, 0)?,
            }
        }
    }

    /// Waits until one that was sent SIGKILL has ended, even if a signal asks us to stop meanwhile.
    pub fn clear(&mut self, i: usize) -> Result<()> {
        let tid = self.threads[i].tid;
        self.tracer.drop_put_back(tid);
        if starter::reap(tid) {
            return Ok(());
        }
        Err(Trouble::because(format!("SIGKILL was sent and does not end it: {}", whereabouts(tid))))
    }
}

/// Reads the beginning of a file of a thread in /proc, which stays open.
fn read(file: &mut Option<File>, tid: Tid, name: &str, text: &mut [u8]) -> usize {
    if file.is_none() {
        *file = File::open(format!("/proc/{tid}/{name}")).ok();
    }
    // One that is gone is empty.
    file.as_ref().map_or(0, |file| file.read_at(text, 0).unwrap_or(0))
}
