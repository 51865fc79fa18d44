//! The policy of `lab trace`: everybody moves at once, and everything that is shown becomes an event.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::time::Instant;
use std::{fs, ptr};

use libc::{c_int, siginfo_t};
use nix::errno::Errno;
use sysv::tables::Kind;

use crate::event::{Call, Event, Note, What};
use crate::explain::{self, Facts, Target};
use crate::objects::{self, Objects};
use crate::tracer::decode::{self, Look};
use crate::tracer::spawn::{Program, Spawned, file_name};
use crate::tracer::{Entry, How, Stop, Tid, Tracer, memory, names, sender};
use crate::view::{Out, View, complain};

/// How a program ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With this exit code.
    Exited(c_int),
    /// By this signal.
    Killed(c_int),
    /// It could not be run: the exit code that a shell gives for that.
    NotRun(c_int),
    /// A signal to us, or our reader gone, ended the trace, and what it traced with it.
    Stopped(c_int),
}

/// A program that we started.
struct Root {
    spawned: Spawned,
    program: Program,
    runs: bool,
    end: Option<End>,
}

/// A thread, and the call that it is in.
struct Thread {
    pid: i32,
    doing: Option<Doing>,
    stopped: bool,
    /// The signals that it blocks, as far as that was seen.
    blocked: u64,
    /// The C library has blocked all signals for a moment.
    masked: bool,
}

/// A call that has begun.
struct Doing {
    entry: Entry,
    look: Look,
    /// `None` for one that is only looked at, and for a write until it fails.
    call: Option<Call>,
    began: u64,
    /// Its beginning was told already.
    told: bool,
    /// The segment that it changes.
    segment: Option<c_int>,
    /// There was an object of its key before.
    existed: bool,
    /// It writes to where we write.
    here: bool,
}

/// What a process has, as far as it matters here.
#[derive(Clone)]
struct Process {
    name: Rc<str>,
    parent: i32,
    handlers: BTreeMap<c_int, &'static str>,
    /// Segments by the addresses where they are attached.
    attached: BTreeMap<u64, c_int>,
    /// Files that it looked up last: path, device, inode.
    files: Vec<(String, u64, u64)>,
    /// It runs in its parent's memory, until it calls exec: vfork.
    borrowed: bool,
    /// It is in another IPC namespace, whose tables we do not see.
    elsewhere: bool,
}

/// The trace of some programs.
pub struct Watch {
    tracer: Tracer,
    /// Only the calls that are looked at stop.
    filtered: bool,
    out: Out,
    view: Box<dyn View>,
    roots: Vec<Root>,
    threads: BTreeMap<Tid, Thread>,
    processes: BTreeMap<i32, Process>,
    objects: Objects,
    namespace: Option<PathBuf>,
    began: Instant,
    n: u64,
    ticking: bool,
    warned: BTreeSet<&'static str>,
    counts: [u64; 4],
}

const PROCESSES: usize = 0;
const THREADS: usize = 1;
const CALLS: usize = 2;
const SIGNALS: usize = 3;

/// A file that ftok looks at was looked at shortly before.
const FILES: usize = 8;
/// A line is written, and a sleeper told of, at most so much later. Microseconds.
const TICK: i64 = 20_000;
/// A poll is shown if it has taken so long. Microseconds.
const BLOCKED: u64 = 1000;

impl Watch {
    /// A trace that is written to `out` as `view` has it.
    pub fn new(tracer: Tracer, filtered: bool, out: Out, view: Box<dyn View>) -> Watch {
        listen_to_signals();
        Watch {
            tracer,
            filtered,
            out,
            view,
            roots: vec![],
            threads: BTreeMap::new(),
            processes: BTreeMap::new(),
            objects: Objects::new(),
            namespace: objects::namespace("self"),
            began: Instant::now(),
            n: 0,
            ticking: false,
            warned: BTreeSet::new(),
            counts: [0; 4],
        }
    }

    /// The tracer, to start programs with.
    pub fn tracer(&mut self) -> &mut Tracer {
        &mut self.tracer
    }

    /// A program was started: it stands at its first stop.
    pub fn add(&mut self, program: &Program, spawned: Spawned, cpu: Option<usize>) {
        let pid = spawned.pid;
        let process = Process {
            name: program.name().into(),
            parent: 0,
            handlers: ignored(pid),
            attached: BTreeMap::new(),
            files: vec![],
            borrowed: false,
            elsewhere: false,
        };
        self.processes.insert(pid, process);
        self.threads.insert(pid, Thread::new(pid));
        (self.counts[PROCESSES], self.counts[THREADS]) =
            (self.counts[PROCESSES] + 1, self.counts[THREADS] + 1);
        let command =
            program.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        self.emit(pid, What::Start { command, cpu }, None);
        self.roots.push(Root { spawned, program: program.clone(), runs: false, end: None });
    }

    /// Something that a reader has to know about the whole trace.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.emit(0, What::Remark { text: text.into() }, None);
    }

    /// Follows the programs until all have ended. Answers how the first one did.
    pub fn run(&mut self) -> End {
        // What it costs to be traced is said before it is paid.
        self.out.flush();
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
                    self.remark(format!("waitpid: {}", sysv::spell::errno(errno)));
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
        self.out.flush();
        if let Some(error) = self.out.lost().filter(|e| e.kind() != ErrorKind::BrokenPipe) {
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
        let now = self.now();
        let asleep = |thread: &Thread| {
            thread.doing.as_ref().is_some_and(|doing| {
                !doing.told && doing.may_wait() && doing.began + TICK as u64 <= now
            })
        };
        let sleepers: Vec<Tid> =
            self.threads.iter().filter(|(_, thread)| asleep(thread)).map(|(tid, _)| *tid).collect();
        for tid in &sleepers {
            self.tell_enter(*tid);
        }
        let waiting = self.threads.values().any(|thread| {
            thread.doing.as_ref().is_some_and(|doing| !doing.told && doing.may_wait())
        });
        if !self.out.flush() && !waiting {
            self.ticking = false;
            set_timer(0);
            // The handler's own timer is the same one, and may just have been taken back.
            if STOP.load(SeqCst) != 0 {
                self.want_tick();
            }
        }
    }

    fn want_tick(&mut self) {
        if !self.ticking {
            self.ticking = true;
            set_timer(TICK);
        }
    }

    /// A signal that asks us to end, or a reader that has gone.
    fn asked_to_stop(&self) -> Option<c_int> {
        match STOP.load(SeqCst) {
            0 => self.out.lost().map(|_| libc::SIGPIPE),
            signal => Some(signal),
        }
    }

    /// Ends everybody. They are our tracees and not reaped, so the numbers are their own.
    fn kill_all(&mut self) {
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
                Err(Errno::EINTR) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
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
        let doing = self.threads.get(&tid).is_some_and(|thread| thread.doing.is_some());
        let usual = if doing || !self.filtered { How::Syscall } else { How::Cont };
        match self.tracer.resume(tid, how.unwrap_or(usual), signal) {
            // Killed meanwhile: its end will be told.
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => self.remark(format!("ptrace: {}", sysv::spell::errno(errno))),
        }
        if by_terminal {
            self.stop_with_program();
        }
    }

    /// A call is about to be made.
    fn entry(&mut self, tid: Tid, entry: Entry) -> How {
        let pass = if self.filtered { How::Cont } else { How::Syscall };
        let Some(pid) = self.threads.get(&tid).map(|thread| thread.pid) else { return pass };
        if entry.foreign {
            self.warn("it makes calls of another architecture (32 bits): these are not shown");
            return pass;
        }
        let look = decode::look(&entry);
        if look == Look::Nothing {
            return pass;
        }
        let mut doing = Doing {
            entry,
            look,
            call: None,
            began: self.now(),
            told: false,
            segment: None,
            existed: false,
            here: false,
        };
        match look {
            Look::Show => {
                doing.call = Some(decode::enter(tid, &entry));
                self.before(pid, &mut doing);
                if doing.may_wait() {
                    self.want_tick();
                }
            }
            Look::Write => {
                doing.here = self.out.is_shared_with(pid, entry.args[0] as i32);
                if doing.here {
                    // What happened before stands above what is written now.
                    self.out.flush();
                }
            }
            Look::File | Look::Nothing => {}
        }
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.doing = Some(doing);
        }
        How::Syscall
    }

    /// What has to be known before a call changes it.
    fn before(&mut self, pid: i32, doing: &mut Doing) {
        let Some(process) = self.processes.get(&pid).filter(|process| !process.elsewhere) else {
            return;
        };
        let args = &doing.entry.args;
        doing.segment = match doing.entry.number {
            libc::SYS_shmat => Some(args[0] as c_int),
            libc::SYS_shmdt => process.attached.get(&args[0]).copied(),
            libc::SYS_shmctl if changes(args[1] as c_int) => Some(args[0] as c_int),
            _ => None,
        };
        if let Some(shmid) = doing.segment {
            self.objects.look(shmid);
        }
        let kind = match doing.entry.number {
            libc::SYS_msgget => Kind::Msg,
            libc::SYS_semget => Kind::Sem,
            _ => return,
        };
        let flags = args[if kind == Kind::Msg { 1 } else { 2 }] as c_int;
        let key = args[0] as c_int;
        doing.existed = key != libc::IPC_PRIVATE
            && (flags & libc::IPC_CREAT == 0
                || flags & libc::IPC_EXCL == 0 && Objects::exists(kind, key));
    }

    /// A call has ended.
    fn exit(&mut self, tid: Tid, result: i64) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let (pid, Some(mut doing)) = (thread.pid, thread.doing.take()) else { return };
        match doing.look {
            Look::File if result == 0 => self.looked_up(tid, pid, &doing.entry),
            Look::Write if result > 0 => self.written(tid, &doing, result),
            Look::Write | Look::Show => {
                let call = doing.call.take();
                let mut call = call.unwrap_or_else(|| decode::enter(tid, &doing.entry));
                decode::leave(tid, &doing.entry, &mut call, result);
                self.made_call(tid, pid, &doing, call);
            }
            Look::File | Look::Nothing => {}
        }
    }

    fn looked_up(&mut self, tid: Tid, pid: i32, entry: &Entry) {
        if let Some(found) = decode::file_looked_up(tid, entry)
            && let Some(process) = self.processes.get_mut(&pid)
        {
            process.files.retain(|known| known.0 != found.0);
            process.files.push(found);
            if process.files.len() > FILES {
                process.files.remove(0);
            }
        }
    }

    fn written(&mut self, tid: Tid, doing: &Doing, bytes: i64) {
        const MOST: usize = 4096;
        let args = &doing.entry.args;
        let len = (bytes as usize).min(MOST);
        let text = if doing.entry.number == libc::SYS_write {
            memory::bytes(tid, args[1], len)
        } else {
            let parts = memory::records::<libc::iovec>(tid, args[1], args[2].min(64) as usize);
            let part = |part: &libc::iovec| {
                memory::bytes(tid, part.iov_base as u64, part.iov_len.min(MOST))
            };
            let mut text: Vec<u8> = parts.iter().flat_map(part).collect();
            text.truncate(len);
            text
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        self.emit(tid, What::Write { fd: args[0] as i32, text, bytes, here: doing.here }, None);
    }

    /// A call that is shown has ended: it, what it changed, and what that means.
    fn made_call(&mut self, tid: Tid, pid: i32, doing: &Doing, call: Call) {
        if self.is_internal(tid, doing, &call) {
            return;
        }
        if call.name.ends_with("get") {
            self.recognise_ftok(tid, pid, doing);
        }
        let mut facts = Facts { target: self.target(tid, &call), ..Facts::default() };
        let rows = self.account(pid, doing, &call, &mut facts);
        if let Some((_, (before, after))) = &rows {
            (facts.before, facts.after) = (before.clone(), after.clone());
        }
        let note = explain::call(&call, &facts);
        self.counts[CALLS] += 1;
        self.emit(tid, What::Call { entered: doing.began, call }, note);
        if let Some((id, (before, after))) = rows.filter(|(_, (before, after))| before != after) {
            self.emit(tid, What::Table { kind: "shm".into(), id, before, after }, None);
        }
    }

    /// What the C library does for itself, around fork and in a vfork child, and a poll that did not
    /// wait: not shown.
    fn is_internal(&mut self, tid: Tid, doing: &Doing, call: &Call) -> bool {
        let Some(thread) = self.threads.get_mut(&tid) else { return false };
        let borrowed = self.processes.get(&thread.pid).is_some_and(|process| process.borrowed);
        match &*call.name {
            "rt_sigaction" => borrowed || call.value("act") == Some(0),
            "rt_sigprocmask" if call.value("set") == Some(0) => true,
            "rt_sigprocmask" => {
                let set: u64 = memory::record(tid, doing.entry.args[1]).unwrap_or(0);
                match doing.entry.args[0] as c_int {
                    libc::SIG_BLOCK => thread.blocked |= set,
                    libc::SIG_UNBLOCK => thread.blocked &= !set,
                    _ => thread.blocked = set,
                }
                let text = call.args.get(1).map_or("", |arg| &arg.text);
                let all = text.starts_with('~');
                let restores = std::mem::replace(&mut thread.masked, all);
                borrowed || all || restores || matches!(text, "[RTMIN RT_1]" | "[RT_1]")
            }
            // The loader wakes whoever waits for a library: nobody does.
            "futex" => call.result == Some(0) && call.value("val") == Some(i32::MAX.into()),
            "poll" | "ppoll" => !doing.told && self.now() - doing.began < BLOCKED,
            _ => false,
        }
    }

    /// A key that was made of a file which was looked at shortly before.
    fn recognise_ftok(&mut self, tid: Tid, pid: i32, doing: &Doing) {
        let key = doing.entry.args[0] as i32;
        let made_of = |(_, device, inode): &&(String, u64, u64)| {
            key as u32 & 0xff_ffff == ((device & 0xff) << 16 | inode & 0xffff) as u32
        };
        let Some(process) = self.processes.get_mut(&pid) else { return };
        let Some(at) = process.files.iter().rposition(|file| made_of(&file)) else { return };
        if key == libc::IPC_PRIVATE {
            return;
        }
        let (path, ..) = process.files.remove(at);
        let proj_id = key >> 24 & 0xff;
        let note = explain::ftok();
        self.emit(tid, What::Ftok { path, proj_id, key }, Some(note));
    }

    /// For a signal that was sent: what its target is doing.
    fn target(&self, tid: Tid, call: &Call) -> Target {
        let (to, signal) = match &*call.name {
            "kill" | "rt_sigqueueinfo" | "tkill" => (call.args[0].value, call.args[1].value),
            "tgkill" => (call.args[1].value, call.args[2].value),
            _ => return Target::Unknown,
        };
        let (to, signal) = (to as Tid, signal as c_int);
        let Some(thread) =
            self.threads.get(&to).filter(|_| to != tid && (1..=64).contains(&signal))
        else {
            return Target::Unknown;
        };
        let process = self.processes.get(&thread.pid);
        let handled = process.is_some_and(|process| process.action(signal) == "handler");
        let blocked = thread.blocked >> (signal - 1) & 1 == 1;
        let waits = thread.doing.as_ref().and_then(|doing| doing.call.as_ref());
        let waits = waits.map(|call| &call.name).filter(|name| may_wait(name));
        match waits {
            // These two have a say of their own in what is blocked.
            Some(name) if &**name == "rt_sigsuspend" && handled => Target::Waits(name.clone()),
            Some(name) if &**name == "rt_sigtimedwait" => Target::Waits(name.clone()),
            _ if blocked => Target::Blocks,
            Some(name) if handled => Target::Waits(name.clone()),
            None if handled => Target::Runs,
            _ => Target::Unknown,
        }
    }

    /// Keeps the books about a call, and answers the segment that it changed, before and after.
    #[expect(clippy::type_complexity, reason = "an id, and two rows")]
    fn account(
        &mut self,
        pid: i32,
        doing: &Doing,
        call: &Call,
        facts: &mut Facts,
    ) -> Option<(c_int, (Option<crate::event::Row>, Option<crate::event::Row>))> {
        let args = &doing.entry.args;
        let result = call.result.filter(|_| call.succeeded())?;
        let process = self.processes.get_mut(&pid)?;
        let mut segment = doing.segment;
        match &*call.name {
            "shmget" if !process.elsewhere => {
                let (id, flags) = (result as c_int, args[2] as c_int);
                let makes = args[0] as c_int == libc::IPC_PRIVATE || flags & libc::IPC_CREAT != 0;
                if makes && self.objects.got_segment(id, args[0] as c_int, pid) {
                    facts.made = true;
                    segment = Some(id);
                }
            }
            "msgget" | "semget" if !process.elsewhere && !doing.existed => {
                let kind = if call.name == "msgget" { Kind::Msg } else { Kind::Sem };
                facts.made = true;
                self.objects.made(kind, result as c_int, args[0] as c_int);
            }
            "shmat" => _ = process.attached.insert(result as u64, args[0] as c_int),
            "shmdt" => _ = process.attached.remove(&args[0]),
            "rt_sigaction" => {
                let action = match &call.args[1].text {
                    text if text.starts_with("{sa_handler=SIG_DFL") => "default",
                    text if text.starts_with("{sa_handler=SIG_IGN") => "ignore",
                    _ => "handler",
                };
                process.handlers.insert(args[0] as c_int, action);
            }
            "unshare" | "setns" => self.look_at_namespace(pid),
            _ => {}
        }
        segment.map(|shmid| (shmid, self.objects.look(shmid)))
    }

    fn look_at_namespace(&mut self, pid: i32) {
        let elsewhere = objects::namespace(&pid.to_string()) != self.namespace;
        if let Some(process) = self.processes.get_mut(&pid) {
            process.elsewhere = elsewhere;
        }
    }

    /// A signal is delivered.
    fn signal(&mut self, tid: Tid, info: &siginfo_t) {
        let Some(thread) = self.threads.get(&tid) else { return };
        let Some(process) = self.processes.get(&thread.pid) else { return };
        let (code, from, _) = sender(info);
        let signo = info.si_signo;
        let sent = code <= 0 || signo == libc::SIGCHLD;
        let action = process.action(signo);
        let what = What::Signal {
            signal: names::signal(signo),
            code: names::code(signo, code),
            from: sent.then_some(from).filter(|from| *from > 0),
            action: action.into(),
        };
        self.counts[SIGNALS] += 1;
        self.emit(tid, what, explain::signal(signo, action));
    }

    /// A thread has made a child.
    fn born(&mut self, tid: Tid, child: Tid) {
        let Some(thread) = self.threads.get(&tid) else {
            // Its maker has ended before it could tell of it.
            self.threads.insert(child, Thread::new(child));
            return;
        };
        let (pid, blocked, masked) = (thread.pid, thread.blocked, thread.masked);
        let flags = thread.doing.as_ref().map_or(0, |doing| match doing.entry.number {
            libc::SYS_clone => doing.entry.args[0],
            libc::SYS_clone3 => memory::record(tid, doing.entry.args[0]).unwrap_or(0),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_vfork => (libc::CLONE_VM | libc::CLONE_VFORK) as u64,
            _ => 0,
        });
        let has = |flag: c_int| flags & flag as u64 != 0;
        let is_thread = fs::exists(format!("/proc/{pid}/task/{child}")).unwrap_or(false);
        let Some(mut process) = self.processes.get(&pid).cloned() else { return };
        let of = if is_thread { pid } else { child };
        self.threads.insert(child, Thread { blocked, masked, ..Thread::new(of) });
        self.counts[THREADS] += 1;
        let inherits = !process.attached.is_empty() && !has(libc::CLONE_VM);
        if !is_thread {
            self.counts[PROCESSES] += 1;
            (process.name, process.parent) = ("child".into(), pid);
            process.borrowed = has(libc::CLONE_VM);
            self.processes.insert(child, process);
            if has(libc::CLONE_NEWIPC) {
                self.look_at_namespace(child);
            }
        }
        let how = match (is_thread, has(libc::CLONE_VFORK)) {
            (true, _) => "thread",
            (_, true) => "vfork",
            _ => "fork",
        };
        let note = explain::born(how, inherits);
        self.emit(child, What::Born { parent: tid, how: how.into() }, note);
        if !is_thread {
            self.tables(child, child);
        }
    }

    /// Tells how the segments that a process has attached have changed.
    fn tables(&mut self, tid: Tid, pid: i32) {
        let Some(process) = self.processes.get(&pid) else { return };
        if process.borrowed || process.elsewhere {
            return;
        }
        let ids: BTreeSet<c_int> = process.attached.values().copied().collect();
        for id in ids {
            let (before, after) = self.objects.look(id);
            if before != after {
                self.emit(tid, What::Table { kind: "shm".into(), id, before, after }, None);
            }
        }
    }

    /// A process runs another program now.
    fn exec(&mut self, pid: Tid, former: Tid) {
        if let Some(thread) = self.threads.remove(&former) {
            self.threads.retain(|_, other| other.pid != pid);
            self.threads.insert(pid, Thread { pid, ..thread });
        }
        if let Some(root) = self.roots.iter_mut().find(|root| root.spawned.pid == pid) {
            root.runs = true;
        }
        let thread = self.threads.get(&pid);
        let path = thread.and_then(|thread| thread.doing.as_ref()).and_then(|doing| {
            let path = doing.call.as_ref()?.args.iter().find(|arg| arg.name == "pathname")?;
            Some(PathBuf::from(path.text.trim_matches('"')))
        });
        let file = fs::read_link(format!("/proc/{pid}/exe"));
        if let Some(process) = self.processes.get_mut(&pid) {
            if let Some(path) = path {
                process.name = file_name(&path).into();
            }
            process.handlers.retain(|_, action| *action == "ignore");
        }
        self.tables(pid, pid);
        if let Some(process) = self.processes.get_mut(&pid) {
            process.borrowed = false;
            process.attached.clear();
            process.files.clear();
        }
        if file.is_ok_and(|file| loses_rights(&file)) {
            self.warn(
                "it is a setuid or setgid program: traced, it runs without its owner's rights; \
                 root may trace it with them",
            );
        }
    }

    fn group_stop(&mut self, tid: Tid, signal: c_int) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let first = !std::mem::replace(&mut thread.stopped, true);
        if first && thread.pid == tid {
            self.emit(tid, What::Stopped { signal: names::signal(signal) }, None);
        }
    }

    fn continued(&mut self, tid: Tid) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        if std::mem::take(&mut thread.stopped) && thread.pid == tid {
            self.emit(tid, What::Continued, None);
        }
    }

    /// The terminal has stopped what we started: then we stop, too, so that the shell sees its job
    /// stop, and go on with it.
    fn stop_with_program(&mut self) {
        let living = self.roots.iter().filter(|root| root.end.is_none());
        let pids: Vec<Tid> = living.map(|root| root.spawned.pid).collect();
        if !pids.iter().all(|pid| self.threads.get(pid).is_some_and(|thread| thread.stopped)) {
            return;
        }
        self.out.flush();
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
        let Some(thread) = self.threads.get(&tid) else { return };
        let pid = thread.pid;
        if thread.doing.as_ref().is_some_and(|doing| !doing.told && doing.may_wait()) {
            self.tell_enter(tid);
        }
        let root = self.roots.iter_mut().find(|root| root.spawned.pid == tid);
        let not_run = root.as_ref().filter(|root| !root.runs).map(|root| {
            let name = root.program.words[0].to_string_lossy().into_owned();
            (name, root.spawned.failure())
        });
        if let Some((name, failure)) = not_run {
            let (step, errno) = failure.unwrap_or(("start", Errno::UnknownErrno));
            let code = if errno == Errno::ENOENT { 127 } else { 126 };
            complain(&format!("{name}: {step}: {}", sysv::spell::errno(errno)));
            if let Some(root) = root {
                root.end = Some(End::NotRun(code));
            }
        } else {
            if let Some(root) = root {
                root.end = Some(end);
            }
            let (what, note) = match end {
                End::Killed(signal) => {
                    let action = self.processes.get(&pid).map(|process| process.action(signal));
                    let note = explain::killed(signal, action.unwrap_or("unknown"));
                    (What::Killed { signal: names::signal(signal), core }, note)
                }
                End::Exited(code) | End::NotRun(code) | End::Stopped(code) => {
                    let attached = self
                        .processes
                        .get(&pid)
                        .is_some_and(|process| !process.attached.is_empty() && !process.borrowed);
                    (What::Exit { code }, explain::exited(attached && tid == pid))
                }
            };
            self.emit(tid, what, note);
        }
        if tid == pid {
            self.tables(tid, pid);
            self.processes.remove(&pid);
        }
        self.threads.remove(&tid);
    }

    /// What is left, and how much there was.
    fn summary(&mut self) {
        let left = self.objects.left();
        for (kind, id, row) in &left {
            let note = explain::left(*kind);
            let kind = kind.name().into();
            self.emit(0, What::Left { kind, id: *id, row: row.clone() }, Some(note));
        }
        let [processes, threads, calls, signals] = self.counts;
        let left = left.len() as u64;
        self.emit(0, What::Summary { processes, threads, calls, signals, left }, None);
    }

    /// Says something once.
    fn warn(&mut self, text: &'static str) {
        if self.warned.insert(text) {
            self.remark(text);
        }
    }

    /// Tells the beginning of a call that has not ended yet.
    fn tell_enter(&mut self, tid: Tid) {
        let Some(doing) = self.threads.get_mut(&tid).and_then(|thread| thread.doing.as_mut())
        else {
            return;
        };
        doing.told = true;
        let Some(call) = doing.call.clone() else { return };
        let note = explain::waits(&call);
        self.emit(tid, What::Enter { call }, note);
    }

    /// An event. Whoever is in a call that may wait, or wake somebody, is told of first: a cause
    /// stands before its effect.
    fn emit(&mut self, tid: Tid, what: What, note: Option<Note>) {
        if !matches!(what, What::Enter { .. }) && self.threads.len() > 1 {
            let others = self.threads.iter().filter(|(other, thread)| {
                **other != tid
                    && thread
                        .doing
                        .as_ref()
                        .is_some_and(|doing| !doing.told && (doing.may_wait() || doing.may_wake()))
            });
            let mut others: Vec<(u64, Tid)> = others
                .map(|(other, thread)| {
                    (thread.doing.as_ref().map_or(0, |doing| doing.began), *other)
                })
                .collect();
            others.sort_unstable();
            others.into_iter().for_each(|(_, other)| self.tell_enter(other));
        }
        self.n += 1;
        let pid = self.threads.get(&tid).map_or(tid, |thread| thread.pid);
        let lane =
            self.processes.get(&pid).map_or_else(|| "".into(), |process| process.name.clone());
        let event = Event { n: self.n, us: self.now(), pid, tid, lane, what, note };
        self.view.show(&event, self.out.lines());
        self.want_tick();
    }
}

impl Thread {
    fn new(pid: i32) -> Thread {
        Thread { pid, doing: None, stopped: false, blocked: 0, masked: false }
    }
}

impl Process {
    /// What it does with a signal, as far as that was seen: calls that set it for the signals by
    /// which programs wake each other are, others are not.
    fn action(&self, signal: c_int) -> &'static str {
        let unseen = if decode::handler_is_seen(signal) { "default" } else { "unknown" };
        self.handlers.get(&signal).copied().unwrap_or(unseen)
    }
}

impl Doing {
    fn may_wait(&self) -> bool {
        self.call.as_ref().is_some_and(|call| may_wait(&call.name))
    }

    fn may_wake(&self) -> bool {
        let wakes = |name: &str| {
            matches!(name, "kill" | "tkill" | "tgkill" | "pidfd_send_signal" | "rt_sigqueueinfo")
        };
        self.call.as_ref().is_some_and(|call| wakes(&call.name))
    }
}

/// Can the call sleep until somebody else does something, or some time has passed?
fn may_wait(name: &str) -> bool {
    matches!(
        name,
        "pause"
            | "rt_sigsuspend"
            | "rt_sigtimedwait"
            | "futex"
            | "semop"
            | "semtimedop"
            | "msgsnd"
            | "msgrcv"
            | "wait4"
            | "waitid"
            | "poll"
            | "ppoll"
            | "nanosleep"
            | "clock_nanosleep"
            | "restart_syscall"
    )
}

/// Does this command of shmctl change a segment?
fn changes(command: c_int) -> bool {
    let command = command & !0x100;
    [libc::IPC_RMID, libc::IPC_SET, libc::SHM_LOCK, libc::SHM_UNLOCK].contains(&command)
}

/// The signals that a program ignores from its start, because we were started so.
fn ignored(pid: i32) -> BTreeMap<c_int, &'static str> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mask = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // Those of the terminal are ours to ignore, and given back before exec.
    (1..=64)
        .filter(|n| mask >> (n - 1) & 1 == 1 && crate::tracer::spawn::ignored_at_start(*n))
        .map(|n| (n, "ignore"))
        .collect()
}

/// Would this file give rights that a traced program does not get?
fn loses_rights(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file).map_or(0, |found| found.permissions().mode());
    mode & 0o6000 != 0 && !nix::unistd::geteuid().is_root()
}

/// The signal that asks us to end.
static STOP: AtomicI32 = AtomicI32::new(0);

extern "C" fn remember(signal: c_int) {
    STOP.store(signal, SeqCst);
    // SAFETY: alarm is async-signal-safe. It ends a wait that began after we looked last.
    unsafe { libc::alarm(1) };
}

extern "C" fn nothing(_: c_int) {}

/// SIGTERM ends the trace; SIGALRM only ends a wait, so that lines get written.
fn listen_to_signals() {
    for (signal, handler) in
        [(libc::SIGTERM, remember as extern "C" fn(c_int)), (libc::SIGALRM, nothing)]
    {
        let mut action: libc::sigaction = crate::tracer::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        // SAFETY: the handlers store to an atomic and call alarm; both are async-signal-safe.
        unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    }
}

/// SIGALRM every so many microseconds; 0: no more. One that comes just before a wait ends nothing,
/// but the next does.
fn set_timer(micros: i64) {
    let every = libc::timeval { tv_sec: 0, tv_usec: micros };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the kernel reads one itimerval.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, ptr::null_mut()) };
}
