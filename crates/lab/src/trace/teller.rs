//! What a stop means: the events that are made of it.

use std::fs;

use libc::{c_int, siginfo_t};
use nix::errno::Errno;
use sysv::tables::Kind;

use super::accesses::Accesses;
use super::books::Books;
use super::contents::{self, Contents};
use super::doing::Doing;
use super::journal::{Journal, TICK};
use super::notes;
use super::objects::{Left, Objects, Seen};
use super::process::Process;
use super::roots::End;
use super::signals;
use super::world::{Here, mutex_owner};
use crate::event::{Birth, Call, Command, Futex, Note, What};
use crate::syscalls::cells::{Changes, Object, Shown};
use crate::syscalls::notes::{Facts, asleep_on_futex};
use crate::syscalls::{self, causes, decode};
use crate::tracer::source::Sources;
use crate::tracer::{Entry, Stopped, Tid, names, sender};
use crate::view::{Out, View};

mod stores;

/// `si_code` of a fault for which the kernel has no address.
const SI_KERNEL: c_int = 0x80;

/// Makes events of what happens.
pub struct Teller {
    pub journal: Journal,
    books: Books,
    objects: Objects,
    contents: Contents,
    sources: Sources,
    pub accesses: Accesses,
}

impl Teller {
    /// To be written to `out` as `view` has it. `one_cpu`: tracer and programs share one.
    pub fn new(out: Out, view: Box<dyn View>, one_cpu: bool) -> Teller {
        let (books, objects) = (Books::default(), Objects::new());
        let contents = Contents::new(one_cpu);
        let (journal, sources) = (Journal::new(out, view), Sources::default());
        let accesses = Accesses::default();
        Teller { journal, books, objects, contents, sources, accesses }
    }

    /// A program was started in a process of its own.
    pub fn add(&mut self, pid: Tid, name: String, start: What) {
        self.books.add(pid, name);
        self.emit(pid, start, None);
    }

    /// It has not become the program.
    pub fn forget(&mut self, pid: Tid) {
        self.books.remove(pid);
    }

    /// Was this thread reported, and does it live?
    pub fn knows(&self, tid: Tid) -> bool {
        self.books.thread(tid).is_some()
    }

    /// Must the exit of the call that it is in be shown?
    pub fn follows(&self, tid: Tid) -> bool {
        self.books.doing(tid).is_some()
    }

    /// Has a signal stopped it?
    pub fn is_stopped(&self, tid: Tid) -> bool {
        self.books.thread(tid).is_some_and(|thread| thread.stopped)
    }

    /// Something that a reader has to know about the whole trace.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.emit(0, What::Remark { text: text.into() }, None);
    }

    /// Does what is due from time to time: writes lines, and shows which threads sleep.
    pub fn tick(&mut self) {
        let before = self.journal.now().saturating_sub(TICK as u64);
        for tid in self.books.asleep_since(before) {
            self.tell_enter(tid);
        }
        let waiting = self.books.anybody_asleep();
        if !self.journal.flush() && !waiting {
            self.journal.rest();
        }
    }

    /// A call is about to be made. True: its exit must be shown, too.
    pub fn entry(&mut self, thread: &Stopped, entry: Entry) -> bool {
        let tid = thread.tid();
        let Some(pid) = self.books.thread(tid).map(|thread| thread.pid) else { return false };
        if entry.foreign {
            self.warn("it makes calls of another architecture (32 bits): these are not shown");
            return false;
        }
        let Some(row) = syscalls::looked_at(&entry) else { return false };
        let mut doing = Doing::new(entry, row, self.journal.now());
        match row.shown {
            Shown::File | Shown::FileAt => {}
            Shown::Output => {
                doing.here = self.journal.is_shared_with(pid, entry.args[0] as i32);
                if doing.here {
                    // What happened before stands above what is written now.
                    self.journal.flush();
                }
            }
            _ => {
                let mut call = decode::enter(tid, &entry);
                call.at = self.line_of_call(thread);
                doing.call = Some(call);
                self.before(tid, &mut doing);
                doing.target = signals::target(&self.books, tid, &doing);
                if doing.waits() {
                    self.journal.want_tick();
                }
            }
        }
        if let Some(thread) = self.books.thread_mut(tid) {
            thread.doing = Some(doing);
        }
        true
    }

    /// From which line of its program does a thread make its call?
    fn line_of_call(&mut self, thread: &Stopped) -> Option<String> {
        let process = self.books.process_of_mut(thread.tid())?;
        self.sources.line_of_call(thread, &mut process.layout)
    }

    /// What has to be known before a call changes it.
    fn before(&mut self, tid: Tid, doing: &mut Doing) {
        if self.books.process_of(tid).is_none_or(|process| process.elsewhere) {
            return;
        }
        doing.segment = self.books.segment_of(tid, doing);
        if let Some(shmid) = doing.segment {
            let seen = self.objects.look(shmid);
            doing.size = seen.after.and_then(|row| row.size).unwrap_or(0);
        }
        doing.existed = Objects::has(doing);
    }

    /// A call has ended.
    pub fn exit(&mut self, tid: Tid, result: i64) {
        let doing = self.books.thread_mut(tid).and_then(|thread| thread.doing.take());
        let Some(mut doing) = doing else { return };
        match doing.row.shown {
            Shown::File | Shown::FileAt if result == 0 => self.looked_up(tid, &doing.entry),
            Shown::File | Shown::FileAt => self.looked_in_vain(tid, &doing.entry, result),
            Shown::Output if result > 0 => {
                let (fd, text) =
                    (doing.entry.args[0] as i32, decode::written(tid, &doing.entry, result));
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

    fn looked_in_vain(&mut self, tid: Tid, entry: &Entry, result: i64) {
        if let Some(path) = decode::path_looked_up(tid, entry)
            && let Some(process) = self.books.process_of_mut(tid)
        {
            process.looked_in_vain(path, Errno::from_raw(-result as c_int));
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
        let (made, seen) = self.account(tid, doing, &call);
        let by = if call.interrupted { signals::interruption(&self.books, tid) } else { None };
        let rows = seen.as_ref().map(|seen| (seen.before.clone(), seen.after.clone()));
        let (before, after) = rows.unwrap_or_default();
        let world = self.world(tid);
        let target = doing.target.clone();
        let facts = Facts { made, before, after, target, by, world: &world };
        let note = (doing.row.explain)(&call, &facts);
        let attached = doing.row.object == Object::Attach && call.succeeded();
        self.emit(tid, What::Call { entered: doing.began, call }, note);
        if let Some(change) = seen.and_then(Seen::change) {
            self.emit(tid, change, None);
        }
        if attached {
            let id = doing.entry.args[0] as c_int;
            let ours = self.objects.maker(Kind::Shm, id).is_some();
            self.contents.attached(id, ours, &self.books);
            if doing.size > contents::LIMIT as u64 {
                self.warn(
                    "a segment is larger than 1 MiB: of its bytes only the first MiB is compared",
                );
            }
        }
    }

    /// A key that was made of a file which was looked at shortly before.
    fn recognise_ftok(&mut self, tid: Tid, key: c_int) {
        let process = self.books.process_of_mut(tid);
        let Some(file) = process.and_then(|process| process.file_of(key)) else { return };
        let proj_id = key >> 24 & 0xff;
        self.emit(tid, What::Ftok { path: file.path, proj_id, key }, Some(notes::ftok()));
    }

    /// Whom a sentence about a thread's call is asked from.
    fn world(&self, tid: Tid) -> Here<'_> {
        Here { books: &self.books, objects: &self.objects, tid }
    }

    /// Keeps the books about a call, and answers whether it made an object, and the segment that it
    /// changed.
    fn account(&mut self, tid: Tid, doing: &Doing, call: &Call) -> (bool, Option<Seen>) {
        if let Some(errno) = call.errno {
            self.books.failed(tid, doing, call, errno);
        }
        let Some(result) = call.result.filter(|_| call.succeeded()) else { return (false, None) };
        self.books.account(tid, doing, call, result);
        let Some(pid) = self.books.thread(tid).map(|thread| thread.pid) else {
            return (false, None);
        };
        if doing.row.changes == Changes::Namespace {
            self.look_at_namespace(pid);
        }
        let here = self.books.process_of(tid).is_some_and(|process| !process.elsewhere);
        if !here {
            return (false, None);
        }
        let made = self.objects.made_by(doing, result as c_int, pid);
        let segment = if made == Some(Kind::Shm) { Some(result as c_int) } else { doing.segment };
        let seen = segment.map(|shmid| self.objects.look(shmid));
        let first = doing.entry.args[0] as c_int;
        match doing.row.object {
            Object::Get { kind, .. } => {
                let who = self.books.who(pid);
                self.objects.opened(kind, result as c_int, first, made.is_some(), &who);
            }
            Object::Control { kind, .. } if call.command() == Some(Command::Remove) => {
                self.objects.removed(kind, first, self.books.who(pid));
            }
            _ => {}
        }
        (made.is_some(), seen)
    }

    fn look_at_namespace(&mut self, pid: i32) {
        let elsewhere = self.objects.elsewhere(pid);
        if let Some(process) = self.books.process_of_mut(pid) {
            process.elsewhere = elsewhere;
        }
    }

    /// A signal is delivered.
    pub fn signal(&mut self, tid: Tid, info: &siginfo_t) {
        let pid = self.books.pid_of(tid).unwrap_or(0);
        if let Some(hints) = &mut self.accesses.hints {
            hints.signal(tid, pid);
        }
        let Some(process) = self.books.process_of(tid) else { return };
        let (code, from, _) = sender(info);
        let signo = info.si_signo;
        let sent = code <= 0 || signo == libc::SIGCHLD;
        let action = process.action(signo);
        let faulted = matches!(signo, libc::SIGSEGV | libc::SIGBUS) && code > 0;
        // The kernel has no address for one that cannot exist.
        // SAFETY: the code says which of the union's members the kernel filled.
        let address = (faulted && code != SI_KERNEL).then(|| unsafe { info.si_addr() } as u64);
        let fault = faulted.then(|| causes::fault(address, &self.world(tid)));
        let note = notes::signal(signo, action, process.disposition(signo), fault);
        let what = What::Signal {
            signal: names::signal(signo),
            code: names::code(signo, code),
            from: sent.then_some(from).filter(|from| *from > 0),
            action,
            address,
        };
        if let Some(process) = self.books.process_of_mut(tid) {
            process.handles(signo);
        }
        self.emit(tid, what, note);
    }

    /// A thread has made a child.
    pub fn born(&mut self, tid: Tid, child: Tid) {
        if let (Some(hints), Some(pid)) = (&mut self.accesses.hints, self.books.pid_of(tid)) {
            hints.born(tid, pid, child);
        }
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

    /// Shows how the segments that a process has attached have changed.
    fn tables(&mut self, pid: Tid) {
        let segments = self.books.process_of(pid).map(Process::segments).unwrap_or_default();
        for id in segments {
            if let Some(change) = self.objects.look(id).change() {
                self.emit(pid, change, None);
            }
        }
    }

    /// A process runs another program now.
    pub fn exec(&mut self, pid: Tid, former: Tid) {
        self.books.alone(pid, former);
        self.contents.exec(pid);
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

    pub fn group_stop(&mut self, tid: Tid, signal: c_int) {
        let Some(thread) = self.books.thread_mut(tid) else { return };
        let first = !std::mem::replace(&mut thread.stopped, true);
        if first && thread.pid == tid {
            self.emit(tid, What::Stopped { signal: names::signal(signal) }, None);
        }
    }

    pub fn continued(&mut self, tid: Tid) {
        let Some(thread) = self.books.thread_mut(tid) else { return };
        if std::mem::take(&mut thread.stopped) && thread.pid == tid {
            self.emit(tid, What::Continued, None);
        }
    }

    /// A thread has ended; with its last one, the process.
    pub fn ended(&mut self, tid: Tid, end: End, core: bool) {
        let Some(pid) = self.books.thread(tid).map(|thread| thread.pid) else { return };
        self.look(tid);
        self.contents.ended(tid);
        if let Some(hints) = &mut self.accesses.hints {
            hints.ended(tid);
        }
        if self.books.doing(tid).is_some_and(Doing::may_be_asleep) {
            self.tell_enter(tid);
        }
        // A table says whether its end has detached something; of one that is not ours the books do.
        let process = self.books.process_of(tid).filter(|_| tid == pid);
        let (ids, elsewhere) =
            process.map(|one| (one.segments(), one.elsewhere)).unwrap_or_default();
        let by_books = process.is_some_and(Process::detaches) && elsewhere;
        let looks = ids.into_iter().map(|id| self.objects.look(id).change());
        let changes: Vec<What> = looks.flatten().collect();
        self.tell_end(tid, end, core, by_books || !changes.is_empty());
        changes.into_iter().for_each(|change| self.emit(pid, change, None));
        self.books.remove(tid);
    }

    fn tell_end(&mut self, tid: Tid, end: End, core: bool, detaches: bool) {
        let (what, note) = match end {
            End::Killed(signal) => (
                What::Killed { signal: names::signal(signal), core },
                notes::killed(signal, detaches),
            ),
            End::Exited(code) | End::NotRun(code) | End::Stopped(code) => {
                (What::Exit { code }, notes::exited(detaches))
            }
        };
        let note = self.sleeps_for(tid).map(|name| notes::has_mutex(&name)).or(note);
        self.emit(tid, what, note);
    }

    /// Who sleeps for a mutex that this thread has locked, and will never unlock?
    fn sleeps_for(&self, tid: Tid) -> Option<String> {
        let sleepers = self.books.for_mutexes().into_iter();
        let mut for_its = sleepers.filter(|(other, at)| mutex_owner(*other, *at) == Some(tid));
        for_its.next().map(|(other, _)| self.books.who(other))
    }

    /// What is left, and how much there was.
    pub fn summary(&mut self) {
        if let Some(hints) = self.accesses.hints(&self.books, &mut self.sources) {
            self.emit(0, hints, None);
        }
        let left = self.objects.left();
        let count = left.len();
        for Left { kind, id, row } in left {
            self.emit(0, What::Left { kind, id, row }, Some(notes::left(kind)));
        }
        self.emit(0, self.journal.summary(count), None);
    }

    /// Says something once.
    pub fn warn(&mut self, text: &'static str) {
        if self.journal.is_news(text) {
            self.remark(text);
        }
    }

    /// Shows the beginning of a call that has not ended yet.
    fn tell_enter(&mut self, tid: Tid) {
        self.tell_accesses();
        self.tell_enter_now(tid);
    }

    fn tell_enter_now(&mut self, tid: Tid) {
        let Some(enter) = self.books.enter(tid) else { return };
        let What::Enter { call } = &enter else { return };
        let asleep = || self.books.doing(tid).and_then(Doing::note);
        let note = match call.futex() {
            Some(Futex::Wait | Futex::Lock) => {
                asleep_on_futex(call, &self.world(tid)).or_else(asleep)
            }
            _ => asleep(),
        };
        self.emit_now(tid, enter, note);
    }

    /// An event. Calls that have begun, and that may wait or wake another process, are shown first:
    /// a cause stands before its effect.
    fn emit(&mut self, tid: Tid, what: What, note: Option<Note>) {
        self.tell_accesses();
        self.emit_now(tid, what, note);
    }

    /// Accesses that others could have followed.
    fn tell_accesses(&mut self) {
        for (tid, access) in self.accesses.touches.take_all() {
            self.emit_now(tid, access, None);
        }
    }

    fn emit_now(&mut self, tid: Tid, what: What, note: Option<Note>) {
        if !matches!(what, What::Enter { .. }) {
            self.books.before(tid).into_iter().for_each(|other| self.tell_enter_now(other));
        }
        self.journal.write(self.books.lane(tid), what, note);
    }
}

/// Would this file give rights that a traced program does not get?
fn loses_rights(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file).map_or(0, |found| found.permissions().mode());
    mode & 0o6000 != 0 && !nix::unistd::geteuid().is_root()
}
