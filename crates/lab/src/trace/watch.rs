//! The policy of `lab trace`: all processes run at the same time. Each stop is reported, and its
//! thread resumed.

use std::io::ErrorKind;
use std::time::Instant;

use libc::c_int;
use nix::errno::Errno;

use super::journal::TICK;
use super::memory::{Memory, Seen};
use super::roots::{End, Roots};
use super::teller::Teller;
use crate::asked;
use crate::event::What;
use crate::tracer::program::Program;
use crate::tracer::refused::Refused;
use crate::tracer::starter::{self, Starter};
use crate::tracer::{Death, Entry, How, Stop, Stopped, Tid, Told, Tracer, names};
use crate::view::{Out, View, complain};

/// The trace of some programs.
pub struct Watch {
    tracer: Tracer,
    /// Only the calls that are looked at stop.
    filtered: bool,
    roots: Roots,
    teller: Teller,
    /// Each access to shared memory is seen.
    memory: Option<Memory>,
}

impl Watch {
    /// A trace that is written to `out` as `view` has it. `cpu`: all run on that one.
    pub fn new(
        tracer: Tracer,
        filtered: bool,
        out: Out,
        view: Box<dyn View>,
        cpu: Option<usize>,
    ) -> Watch {
        let teller = Teller::new(out, view, cpu.is_some());
        Watch { tracer, filtered, roots: Roots::default(), teller, memory: None }
    }

    /// From now on each access to shared memory is seen. `all`: every load is told.
    pub fn watch_memory(&mut self, all: bool) {
        self.memory = Some(Memory::default());
        self.teller.accesses.look(all);
    }

    /// A program was started: it stands at the entry of its exec, which it now makes. It will stand
    /// at its first instruction.
    pub fn add(
        &mut self,
        program: &Program,
        started: (Stopped, Entry),
        starter: &mut Starter,
        cpu: Option<usize>,
    ) -> Result<(), Refused> {
        // Its exec is our call, not the program's: the event `start` says what it runs.
        let (thread, _) = started;
        let pid = thread.tid();
        let command =
            program.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        self.teller.add(pid, program.name(), What::Start { command, cpu });
        self.roots.add(pid);
        if self.memory.is_some() {
            thread.tells_its_end().map_err(Refused::Ptrace)?;
        }
        self.go_on(thread, How::Cont, 0);
        loop {
            match starter.next_of(pid) {
                Ok(told @ Told::Stopped(_, Stop::Exec(_))) => {
                    self.tracer.adopt(told);
                    return Ok(());
                }
                Ok(Told::Ended(_, Death::Exited(_))) => {
                    self.not_run(program, pid, &starter.refusal());
                    return Ok(());
                }
                Ok(Told::Ended(_, Death::Killed { signal, .. })) => {
                    return Err(Refused::Killed(signal));
                }
                Ok(told) => self.told(told),
                Err(refused) => {
                    starter::end(pid);
                    return Err(refused);
                }
            }
        }
    }

    /// It could not become the program: the exit code that a shell gives for that.
    fn not_run(&mut self, program: &Program, pid: Tid, why: &Refused) {
        complain(&format!("{}: {why}", program.words[0].to_string_lossy()));
        let missing = matches!(why, Refused::Call(_, Errno::ENOENT));
        self.roots.end(pid, End::NotRun(if missing { 127 } else { 126 }));
        self.teller.forget(pid);
    }

    /// Something that a reader has to know about the whole trace.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.teller.remark(text);
    }

    /// Follows the programs until all have ended. Answers how the first one did.
    pub fn run(&mut self) -> End {
        // The cost of the trace is shown before it begins.
        self.teller.journal.flush();
        let stopped = loop {
            let wait = self.tracer.wait();
            if let Some(signal) = self.asked_to_stop() {
                break Some(signal);
            }
            match wait {
                Ok(Some(told)) => self.told(told),
                Ok(None) => break None,
                Err(Errno::EINTR) => self.teller.tick(),
                Err(errno) => {
                    self.remark(format!("waitpid: {}", sysv::spell::errno(errno)));
                    break Some(libc::SIGTERM);
                }
            }
        };
        if let Some(signal) = stopped {
            // What we do stands before what it does to the programs.
            if signal != libc::SIGPIPE {
                let signal = names::signal(signal);
                self.remark(format!("stopped by {signal}: the traced programs are killed, too"));
            }
            self.kill_all();
        }
        self.teller.summary();
        self.teller.journal.flush();
        if let Some(error) =
            self.teller.journal.lost().filter(|e| e.kind() != ErrorKind::BrokenPipe)
        {
            complain(&format!("cannot write the trace: {error}; the traced programs are killed"));
            return End::Exited(1);
        }
        match (stopped, self.roots.first_end()) {
            (Some(signal), _) => End::Stopped(signal),
            (None, Some(end)) => end,
            (None, None) => End::NotRun(1),
        }
    }

    /// A signal that asks us to end, or a reader that has gone.
    fn asked_to_stop(&self) -> Option<c_int> {
        asked::to_stop().or_else(|| self.teller.journal.lost().map(|_| libc::SIGPIPE))
    }

    /// Ends all processes. They are our tracees and not reaped, so their pids are still theirs.
    pub fn kill_all(&mut self) {
        let until = Instant::now() + starter::DEATH;
        asked::tick_every(TICK);
        let all: Vec<Tid> = self.tracer.tracees().collect();
        for tid in all {
            // SAFETY: kill takes two numbers; for the pid see above.
            unsafe { libc::kill(tid, libc::SIGKILL) };
        }
        loop {
            match self.tracer.wait() {
                Ok(Some(Told::Stopped(thread, stop))) => {
                    if let Stop::Born(child) = stop {
                        // SAFETY: as above; this one was made meanwhile.
                        unsafe { libc::kill(child, libc::SIGKILL) };
                    }
                    self.go_on(thread, How::Cont, 0);
                }
                Ok(Some(told)) => self.told(told),
                Err(Errno::EINTR) if Instant::now() < until => {}
                Err(Errno::EINTR) => return self.left_to_the_kernel(),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Names a process that was killed and does not die.
    fn left_to_the_kernel(&mut self) {
        let all: Vec<Tid> = self.tracer.tracees().collect();
        for tid in all {
            let place = starter::whereabouts(tid);
            self.remark(format!("SIGKILL was sent and does not end it: {place}"));
        }
    }

    /// A report about one thread.
    fn told(&mut self, told: Told) {
        match told {
            Told::Stopped(thread, stop) => self.stop(thread, stop),
            Told::Ended(tid, Death::Exited(code)) => self.ended(tid, End::Exited(code), false),
            Told::Ended(tid, Death::Killed { signal, core }) => {
                self.ended(tid, End::Killed(signal), core);
            }
            Told::Orphan(child) => self.teller.born(child, child),
        }
    }

    /// One stop of one thread.
    fn stop(&mut self, thread: Stopped, stop: Stop) {
        let Some(memory) = &mut self.memory else { return self.its_stop(thread, stop, None) };
        let seen = memory.stop(thread, stop, &mut self.tracer);
        if std::mem::take(&mut memory.left_open) {
            self.teller.warn(
                "more than 4096 accesses without a call: up to the next one, memory is left open: \
                 loads are not seen, and stores into segments are compared",
            );
        }
        if std::mem::take(&mut memory.unmarked) {
            self.teller.warn(
                "the robust lock of a thread that has ended cannot be marked: its memory has no name, \
                 and only root may open it; who waits for the lock waits for ever",
            );
        }
        match seen {
            Seen::Its(thread, stop, how) => self.its_stop(thread, stop, how),
            Seen::Ours(thread, touches) => {
                touches.into_iter().for_each(|touch| self.teller.touched(&thread, touch));
                self.go_on(thread, How::Syscall, 0);
            }
            Seen::Other => {}
        }
    }

    /// A stop of the program's. `how` it goes on, if that is known already.
    fn its_stop(&mut self, thread: Stopped, stop: Stop, mut how: Option<How>) {
        let tid = thread.tid();
        let (mut signal, mut by_terminal) = (0, false);
        // A signal may interrupt a call again and again, faster than the bytes are compared.
        if !matches!(stop, Stop::Signal(_) | Stop::Exit(-516..=-512)) {
            self.teller.look(tid);
        }
        match stop {
            Stop::Entry(entry) => {
                self.teller.begins(tid, &entry);
                let told = self.teller.entry(&thread, entry);
                how = Some(if told || !self.filtered { How::Syscall } else { How::Cont });
            }
            Stop::Exit(result) => {
                if let Some(hints) = &mut self.teller.accesses.hints {
                    hints.ends(tid);
                }
                self.teller.exit(tid, result);
            }
            Stop::Signal(info) => {
                signal = info.si_signo;
                self.teller.signal(tid, &info);
            }
            Stop::Born(child) => self.teller.born(tid, child),
            Stop::Exec(former) => self.teller.exec(tid, former),
            Stop::Group(signal) => {
                self.teller.group_stop(tid, signal);
                how = Some(How::Listen);
                by_terminal = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal);
            }
            Stop::Started => self.teller.continued(tid),
            Stop::Ends => {}
        }
        let doing = self.teller.follows(tid);
        let usual = if doing || !self.filtered { How::Syscall } else { How::Cont };
        let how = how.unwrap_or(usual);
        self.teller.goes_on(tid, !doing && how != How::Listen);
        self.go_on(thread, how, signal);
        if by_terminal {
            self.stop_with_program();
        }
    }

    fn go_on(&mut self, thread: Stopped, how: How, signal: c_int) {
        if let Err(errno) = thread.resume(how, signal) {
            self.remark(format!("ptrace: {}", sysv::spell::errno(errno)));
        }
    }

    /// A thread has ended; with its last one, the process.
    fn ended(&mut self, tid: Tid, end: End, core: bool) {
        if let Some(memory) = &mut self.memory {
            memory.ended(tid);
        }
        if self.teller.knows(tid) {
            self.roots.end(tid, end);
            self.teller.ended(tid, end, core);
        }
    }

    /// The terminal has stopped what we started: then we stop, too, so that the shell sees its job
    /// stop, and go on with it.
    fn stop_with_program(&mut self) {
        let pids = self.roots.living();
        if !pids.iter().all(|pid| self.teller.is_stopped(*pid)) {
            return;
        }
        self.teller.journal.flush();
        // SAFETY: raise, signal, kill and getpgid take numbers; these processes are our tracees and
        // not reaped. In a group without a shell, where no process could continue us, the kernel
        // ignores SIGTSTP.
        unsafe {
            libc::signal(libc::SIGTSTP, libc::SIG_DFL);
            libc::raise(libc::SIGTSTP);
            libc::signal(libc::SIGTSTP, libc::SIG_IGN);
            // The shell lets our group go on; one that has left it is its own job alone.
            for pid in pids.into_iter().filter(|pid| libc::getpgid(*pid) != libc::getpgrp()) {
                libc::kill(pid, libc::SIGCONT);
            }
        }
    }
}
