//! The policy of `lab trace`: what a stop means, which events are made of it, and how the tracee goes on.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Instant;

use lablib::cleanup::Kind;
use libc::{c_int, siginfo_t};
use nix::errno::Errno;

use super::books::{Books, Process};
use super::doing::Doing;
use super::ends::{End, Root};
use super::journal::Journal;
use super::notes;
use super::objects::{self, Left, Objects, Seen};
use crate::asked;
use crate::event::{Action, Birth, Call, Note, What};
use crate::syscalls::cells::{Changes, Object, Shown};
use crate::syscalls::notes::{Facts, waits};
use crate::syscalls::{self, decode};
use crate::tracer::spawn::Program;
use crate::tracer::starter::{self, Refused, Starter};
use crate::tracer::{Entry, How, Stop, Tid, Tracer, names, sender};
use crate::view::{Out, View, complain};

/// A line is written, and a sleeper told of, at most so much later. Microseconds.
const TICK: i64 = 20_000;

/// The trace of some programs.
pub struct Watch {
    tracer: Tracer,
    /// Only the calls that are looked at stop.
    filtered: bool,
    roots: Vec<Root>,
    books: Books,
    objects: Objects,
    namespace: Option<PathBuf>,
    journal: Journal,
    ticking: bool,
}

impl Watch {
    /// A trace that is written to `out` as `view` has it.
    pub fn new(tracer: Tracer, filtered: bool, out: Out, view: Box<dyn View>) -> Watch {
        Watch {
            tracer,
            filtered,
            roots: vec![],
            books: Books::default(),
            objects: Objects::new(),
            namespace: objects::namespace("self"),
            journal: Journal::new(out, view),
            ticking: false,
        }
    }

    /// A program was started: it stands at the entry of its exec, which it now makes. It will stand
    /// at its first instruction.
    pub fn add(
        &mut self,
        program: &Program,
        pid: Tid,
        exec: Entry,
        starter: &mut Starter,
        cpu: Option<usize>,
    ) -> Result<(), Refused> {
        self.books.add(pid, program.name());
        let command =
            program.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        self.emit(pid, What::Start { command, cpu }, None);
        self.roots.push(Root { pid, end: None });
        self.stop(pid, Stop::Entry(exec));
        loop {
            match starter.next_of(pid) {
                Ok(stop @ Stop::Exec(_)) => {
                    self.tracer.adopt(pid, stop);
                    return Ok(());
                }
                Ok(Stop::Exited(_)) => {
                    self.not_run(program, pid, &starter.refusal());
                    return Ok(());
                }
                Ok(Stop::Killed(signal, _)) => return Err(Refused::Killed(signal)),
                Ok(stop) => self.stop(pid, stop),
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
        if let Some(root) = self.roots.iter_mut().find(|root| root.pid == pid) {
            root.end = Some(End::NotRun(if missing { 127 } else { 126 }));
        }
        self.books.remove(pid);
    }

    /// Something that a reader has to know about the whole trace.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.emit(0, What::Remark { text: text.into() }, None);
    }

    /// Follows the programs until all have ended. Answers how the first one did.
    pub fn run(&mut self) -> End {
        // What it costs to be traced is said before it is paid.
        self.journal.out.flush();
        let stopped = loop {
            let wait = self.tracer.wait(true);
            if let Some(signal) = self.asked_to_stop() {
                break Some(signal);
            }
            match wait {
                Ok(Some((tid, stop))) => self.stop(tid, stop),
                Ok(None) => break None,
                Err(Errno::EINTR) => self.tick(),
                Err(errno) => {
                    self.remark(format!("waitpid: {}", lablib::flags::errno(errno)));
                    break Some(libc::SIGTERM);
                }
            }
        };
        if let Some(signal) = stopped {
            self.kill_all();
            if signal != libc::SIGPIPE {
                let signal = names::signal(signal);
                self.remark(format!(
                    "stopped by {signal}: what was traced is killed with the trace"
                ));
            }
        }
        self.summary();
        self.journal.out.flush();
        if let Some(error) = self.journal.out.lost().filter(|e| e.kind() != ErrorKind::BrokenPipe) {
            complain(&format!("cannot write the trace: {error}; what was traced is killed"));
            return End::Exited(1);
        }
        match (stopped, self.roots.first().and_then(|root| root.end)) {
            (Some(signal), _) => End::Stopped(signal),
            (None, Some(end)) => end,
            (None, None) => End::NotRun(1),
        }
    }

    /// Does what is due from time to time: writes lines, and tells who sleeps.
    fn tick(&mut self) {
        let before = self.journal.now().saturating_sub(TICK as u64);
        for tid in self.books.asleep_since(before) {
            self.tell_enter(tid);
        }
        let waiting = self.books.anybody_asleep();
        if !self.journal.out.flush() && !waiting {
            self.ticking = false;
            asked::tick_every(0);
        }
    }

    fn want_tick(&mut self) {
        if !self.ticking {
            self.ticking = true;
            asked::tick_every(TICK);
        }
    }

    /// A signal that asks us to end, or a reader that has gone.
    fn asked_to_stop(&self) -> Option<c_int> {
        asked::to_stop().or_else(|| self.journal.out.lost().map(|_| libc::SIGPIPE))
    }

    /// Ends everybody. They are our tracees and not reaped, so the numbers are their own.
    pub fn kill_all(&mut self) {
        let until = Instant::now() + starter::DEATH;
        asked::tick_every(TICK);
        let all: Vec<Tid> = self.tracer.tracees().collect();
        for tid in all {
            // SAFETY: kill takes two numbers; see above for whose this one is.
            unsafe { libc::kill(tid, libc::SIGKILL) };
        }
        loop {
            match self.tracer.wait(true) {
                Ok(Some((tid, stop @ (Stop::Exited(_) | Stop::Killed(..))))) => {
                    self.stop(tid, stop)
                }
                Ok(Some((tid, Stop::Born(child)))) => {
                    // SAFETY: as above; this one was made meanwhile.
                    unsafe { libc::kill(child, libc::SIGKILL) };
                    let _ = self.tracer.resume(tid, How::Cont, 0);
                }
                Ok(Some((tid, _))) => _ = self.tracer.resume(tid, How::Cont, 0),
                Err(Errno::EINTR) if Instant::now() < until => {}
                Err(Errno::EINTR) => return self.left_to_the_kernel(),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Says who was killed and does not die.
    fn left_to_the_kernel(&mut self) {
        let all: Vec<Tid> = self.tracer.tracees().collect();
        for tid in all {
            let place = starter::whereabouts(tid);
            self.remark(format!("SIGKILL was sent and does not end it: {place}"));
        }
    }

    /// One stop of one thread.
    fn stop(&mut self, tid: Tid, stop: Stop) {
        let mut signal = 0;
        let (mut how, mut by_terminal) = (None, false);
        match stop {
            Stop::Entry(entry) => how = Some(self.entry(tid, entry)),
            Stop::Exit(result) => self.exit(tid, result),
            Stop::Signal(info) => {
                signal = info.si_signo;
                self.signal(tid, &info);
            }
            Stop::Born(child) => self.born(tid, child),
            Stop::Exec(former) => self.exec(tid, former),
            Stop::Group(signal) => {
                self.group_stop(tid, signal);
                how = Some(How::Listen);
                by_terminal = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal);
            }
            Stop::Started => self.continued(tid),
            Stop::Exiting(_) => {}
            Stop::Exited(code) => return self.ended(tid, End::Exited(code), false),
            Stop::Killed(signal, core) => return self.ended(tid, End::Killed(signal), core),
        }
        let doing = self.books.doing(tid).is_some();
        let usual = if doing || !self.filtered { How::Syscall } else { How::Cont };
        match self.tracer.resume(tid, how.unwrap_or(usual), signal) {
            // Killed meanwhile: its end will be told.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => self.remark(format!("ptrace: {}", lablib::flags::errno(errno))),
        }
        if by_terminal {
            self.stop_with_program();
        }
    }

    /// A call is about to be made.
    fn entry(&mut self, tid: Tid, entry: Entry) -> How {
        let pass = if self.filtered { How::Cont } else { How::Syscall };
        let Some(pid) = self.books.thread(tid).map(|thread| thread.pid) else { return pass };
        if entry.foreign {
            self.warn("it makes calls of another architecture (32 bits): these are not shown");
            return pass;
        }
        let Some(row) = syscalls::looked_at(&entry) else { return pass };
        let mut doing = Doing::new(entry, row, self.journal.now());
        match row.shown {
            Shown::File | Shown::FileAt => {}
            Shown::Output => {
                doing.here = self.journal.out.is_shared_with(pid, entry.args[0] as i32);
                if doing.here {
                    // What happened before stands above what is written now.
                    self.journal.out.flush();
                }
            }
            _ => {
                doing.call = Some(decode::enter(tid, &entry));
                self.before(tid, &mut doing);
                if doing.waits() {
                    self.want_tick();
                }
            }
        }
        if let Some(thread) = self.books.thread_mut(tid) {
            thread.doing = Some(doing);
        }
        How::Syscall
    }

    /// What has to be known before a call changes it.
    fn before(&mut self, tid: Tid, doing: &mut Doing) {
        if self.books.process_of(tid).is_none_or(|process| process.elsewhere) {
            return;
        }
        doing.segment = self.books.segment_of(tid, doing);
        if let Some(shmid) = doing.segment {
            self.objects.look(shmid);
        }
        let Object::Get { kind: kind @ (Kind::Msg | Kind::Sem), flags } = doing.row.object else {
            return;
        };
        let (key, flags) = (doing.entry.args[0] as c_int, doing.entry.args[flags] as c_int);
        doing.existed = key != libc::IPC_PRIVATE
            && (flags & libc::IPC_CREAT == 0
                || flags & libc::IPC_EXCL == 0 && Objects::exists(kind, key));
    }

    /// A call has ended.
    fn exit(&mut self, tid: Tid, result: i64) {
        let doing = self.books.thread_mut(tid).and_then(|thread| thread.doing.take());
        let Some(mut doing) = doing else { return };
        match doing.row.shown {
            Shown::File | Shown::FileAt if result == 0 => self.looked_up(tid, &doing.entry),
            Shown::File | Shown::FileAt => {}
            Shown::Output if result > 0 => {
                let (fd, text) = (doing.entry.args[0] as i32, doing.written(tid, result));
                self.emit(tid, What::Write { fd, text, bytes: result, here: doing.here }, None);
            }
            _ => {
                let call = doing.call.take();
                let mut call = call.unwrap_or_else(|| decode::enter(tid, &doing.entry));
                decode::leave(tid, &doing.entry, &mut call, result);
                self.made_call(tid, &doing, call);
            }
        }
    }

    fn looked_up(&mut self, tid: Tid, entry: &Entry) {
        if let Some(file) = decode::file_looked_up(tid, entry)
            && let Some(process) = self.books.process_of_mut(tid)
        {
            process.looked_up(file);
        }
    }

    /// A call that is shown has ended: it, what it changed, and what that means.
    fn made_call(&mut self, tid: Tid, doing: &Doing, call: Call) {
        if self.books.is_internal(tid, doing, &call, self.journal.now()) {
            return;
        }
        if matches!(doing.row.object, Object::Get { .. }) {
            self.recognise_ftok(tid, doing.entry.args[0] as c_int);
        }
        let mut facts = Facts { target: self.books.target(tid, doing), ..Facts::default() };
        let seen = self.account(tid, doing, &call, &mut facts);
        if let Some(seen) = &seen {
            (facts.before, facts.after) = (seen.before.clone(), seen.after.clone());
        }
        let note = (doing.row.explain)(&call, &facts);
        self.emit(tid, What::Call { entered: doing.began, call }, note);
        if let Some(change) = seen.and_then(Seen::change) {
            self.emit(tid, change, None);
        }
    }

    /// A key that was made of a file which was looked at shortly before.
    fn recognise_ftok(&mut self, tid: Tid, key: c_int) {
        let process = self.books.process_of_mut(tid);
        let Some(file) = process.and_then(|process| process.file_of(key)) else { return };
        let proj_id = key >> 24 & 0xff;
        self.emit(tid, What::Ftok { path: file.path, proj_id, key }, Some(notes::ftok()));
    }

    /// Keeps the books about a call, and answers the segment that it changed.
    fn account(&mut self, tid: Tid, doing: &Doing, call: &Call, facts: &mut Facts) -> Option<Seen> {
        let result = call.result.filter(|_| call.succeeded())?;
        self.books.account(tid, doing, call, result);
        let lane = self.books.lane(tid);
        if doing.row.changes == Changes::Namespace {
            self.look_at_namespace(lane.pid);
        }
        let made = self.made(tid, doing, result as c_int);
        facts.made = made.is_some();
        let segment = if made == Some(Kind::Shm) { Some(result as c_int) } else { doing.segment };
        segment.map(|shmid| self.objects.look(shmid))
    }

    /// The kind of the object that a call has made; `None`: it has only found one.
    fn made(&mut self, tid: Tid, doing: &Doing, id: c_int) -> Option<Kind> {
        let Object::Get { kind, flags } = doing.row.object else { return None };
        self.books.process_of(tid).filter(|process| !process.elsewhere)?;
        let (key, flags) = (doing.entry.args[0] as c_int, doing.entry.args[flags] as c_int);
        if kind == Kind::Shm {
            let makes = key == libc::IPC_PRIVATE || flags & libc::IPC_CREAT != 0;
            let pid = self.books.thread(tid)?.pid;
            return (makes && self.objects.got_segment(id, key, pid)).then_some(kind);
        }
        if doing.existed {
            return None;
        }
        self.objects.made(kind, id, key);
        Some(kind)
    }

    fn look_at_namespace(&mut self, pid: i32) {
        let elsewhere = objects::namespace(&pid.to_string()) != self.namespace;
        if let Some(process) = self.books.process_of_mut(pid) {
            process.elsewhere = elsewhere;
        }
    }

    /// A signal is delivered.
    fn signal(&mut self, tid: Tid, info: &siginfo_t) {
        let Some(process) = self.books.process_of(tid) else { return };
        let (code, from, _) = sender(info);
        let signo = info.si_signo;
        let sent = code <= 0 || signo == libc::SIGCHLD;
        let action = process.action(signo);
        let what = What::Signal {
            signal: names::signal(signo),
            code: names::code(signo, code),
            from: sent.then_some(from).filter(|from| *from > 0),
            action,
        };
        self.emit(tid, what, notes::signal(signo, action));
    }

    /// A thread has made a child.
    fn born(&mut self, tid: Tid, child: Tid) {
        let Some(newborn) = self.books.born(tid, child) else { return };
        if newborn.moves {
            self.look_at_namespace(child);
        }
        let note = notes::born(newborn.how, newborn.inherits);
        self.emit(child, What::Born { parent: tid, how: newborn.how }, note);
        if newborn.how != Birth::Thread {
            self.tables(child);
        }
    }

    /// Tells how the segments that a process has attached have changed.
    fn tables(&mut self, pid: Tid) {
        let segments = self.books.process_of(pid).map(Process::segments).unwrap_or_default();
        for id in segments {
            if let Some(change) = self.objects.look(id).change() {
                self.emit(pid, change, None);
            }
        }
    }

    /// A process runs another program now.
    fn exec(&mut self, pid: Tid, former: Tid) {
        self.books.alone(pid, former);
        self.books.renamed(pid);
        self.tables(pid);
        self.books.forgets(pid);
        let file = fs::read_link(format!("/proc/{pid}/exe"));
        if file.is_ok_and(|file| loses_rights(&file)) {
            self.warn(
                "it is a setuid or setgid program: traced, it runs without its owner's rights; \
                 root may trace it with them",
            );
        }
    }

    fn group_stop(&mut self, tid: Tid, signal: c_int) {
        let Some(thread) = self.books.thread_mut(tid) else { return };
        let first = !std::mem::replace(&mut thread.stopped, true);
        if first && thread.pid == tid {
            self.emit(tid, What::Stopped { signal: names::signal(signal) }, None);
        }
    }

    fn continued(&mut self, tid: Tid) {
        let Some(thread) = self.books.thread_mut(tid) else { return };
        if std::mem::take(&mut thread.stopped) && thread.pid == tid {
            self.emit(tid, What::Continued, None);
        }
    }

    /// The terminal has stopped what we started: then we stop, too, so that the shell sees its job
    /// stop, and go on with it.
    fn stop_with_program(&mut self) {
        let living = self.roots.iter().filter(|root| root.end.is_none());
        let pids: Vec<Tid> = living.map(|root| root.pid).collect();
        if !pids.iter().all(|pid| self.books.thread(*pid).is_some_and(|thread| thread.stopped)) {
            return;
        }
        self.journal.out.flush();
        // SAFETY: raise, signal, kill and getpgid take numbers; these processes are our tracees and
        // not reaped. In a group without a shell, where nobody could let us go on, the kernel
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

    /// A thread has ended; with its last one, the process.
    fn ended(&mut self, tid: Tid, end: End, core: bool) {
        let Some(pid) = self.books.thread(tid).map(|thread| thread.pid) else { return };
        if self.books.doing(tid).is_some_and(Doing::may_be_asleep) {
            self.tell_enter(tid);
        }
        if let Some(root) = self.roots.iter_mut().find(|root| root.pid == tid) {
            root.end = Some(end);
        }
        self.tell_end(tid, end, core);
        if tid == pid {
            self.tables(pid);
        }
        self.books.remove(tid);
    }

    fn tell_end(&mut self, tid: Tid, end: End, core: bool) {
        let process = self.books.process_of(tid);
        let is_main = self.books.thread(tid).is_some_and(|thread| thread.pid == tid);
        let (what, note) = match end {
            End::Killed(signal) => {
                let action = process.map_or(Action::Unknown, |process| process.action(signal));
                let note = notes::killed(signal, action);
                (What::Killed { signal: names::signal(signal), core }, note)
            }
            End::Exited(code) | End::NotRun(code) | End::Stopped(code) => {
                let detaches = is_main && process.is_some_and(Process::detaches);
                (What::Exit { code }, notes::exited(detaches))
            }
        };
        self.emit(tid, what, note);
    }

    /// What is left, and how much there was.
    fn summary(&mut self) {
        let left = self.objects.left();
        let count = left.len();
        for Left { kind, id, row } in left {
            self.emit(0, What::Left { kind, id, row }, Some(notes::left(kind)));
        }
        self.emit(0, self.journal.summary(count), None);
    }

    /// Says something once.
    fn warn(&mut self, text: &'static str) {
        if self.journal.is_news(text) {
            self.remark(text);
        }
    }

    /// Tells the beginning of a call that has not ended yet.
    fn tell_enter(&mut self, tid: Tid) {
        let Some(call) = self.books.tell(tid) else { return };
        let note = waits(&call);
        self.emit(tid, What::Enter { call }, note);
    }

    /// An event. Whoever is in a call that may wait, or wake somebody, is told of first: a cause
    /// stands before its effect.
    fn emit(&mut self, tid: Tid, what: What, note: Option<Note>) {
        if !matches!(what, What::Enter { .. }) {
            self.books.before(tid).into_iter().for_each(|other| self.tell_enter(other));
        }
        self.journal.write(self.books.lane(tid), what, note);
        self.want_tick();
    }
}

/// Would this file give rights that a traced program does not get?
fn loses_rights(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file).map_or(0, |found| found.permissions().mode());
    mode & 0o6000 != 0 && !nix::unistd::geteuid().is_root()
}
