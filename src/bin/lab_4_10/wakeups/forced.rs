//! The ways that fail, each in the order of events in which it does. The lab is the side that
//! speaks; the other is a process with a main thread and a reader thread. Where chance would decide,
//! the reader holds still at the critical place until the signal has come: an order that is possible
//! at any time, and here comes every time.

use std::cell::UnsafeCell;
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use lablib::shm::{NULL, Shared};
use lablib::{Failure, Result, say, shm, signals};
use libc::{IPC_PRIVATE, c_int, c_long, pthread_cond_t, pthread_mutex_t};
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::unistd::{gettid, pause};
use sysv::process;

use super::apart::Apart;
use super::no_thread;
use super::outcome::{FAILS, Outcome, SITUATIONS, UNDECIDED};

/// An order of events in which a way fails.
#[derive(Clone, Copy, PartialEq)]
pub enum Scene {
    /// The reader thread is in pause; the signal is for the process, and its main thread takes it.
    MainTakesIt,
    /// The main thread blocks the signal, so the reader takes it: after its look, before pause.
    BeforePause,
    /// A handler notifies the condition: after the reader's look, before it waits.
    BeforeWait,
    /// So the handler takes the mutex first; but the reader, which it interrupts, has it.
    LockedHandler,
    /// A mutex for a signal: the reader has locked it, and the other side would unlock it.
    MutexAsSignal,
}

/// What both sides see, in a segment.
#[repr(C)]
struct Stage {
    /// The number of the last message.
    message: AtomicU32,
    /// The last one that the reader has seen.
    seen: AtomicU32,
    /// The message for which the reader holds still: it has looked, and does not sleep yet.
    held: AtomicU32,
    /// How often a handler was entered, and how often it was left again.
    entered: AtomicU32,
    left: AtomicU32,
    /// The thread in which a handler ran last.
    taker: AtomicI32,
    /// The reader thread.
    reader: AtomicI32,
    bell: Bell,
}

// SAFETY: atomics, and a bell, whose objects only the calls made for them touch.
unsafe impl Shared for Stage {}

/// For handlers, which are given nothing: the stage of the scene that is being played.
static STAGE: AtomicPtr<Stage> = AtomicPtr::new(ptr::null_mut());

/// How often a scene is played that kills its process each time.
const DEADLY: u32 = 20;
/// No step of a scene takes so long, on any machine.
const LONG: Duration = Duration::from_secs(20);

/// Plays a scene many times.
pub fn run(name: &'static str, scene: Scene, rounds: u32) -> Result<Outcome> {
    let id = shm::get(IPC_PRIVATE, size_of::<Stage>(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let stage = shm::view::<Stage>(addr)?;
    STAGE.store(addr.cast(), SeqCst);
    let rounds = if scene == Scene::LockedHandler { rounds.min(DEADLY) } else { rounds };
    let played = play(&stage, scene, rounds);
    drop(stage);
    shm::dt(addr)?;
    shm::ctl_rmid(id)?;
    let lost = played?;
    let (verdict, reason) = match lost == rounds {
        true => (FAILS, why(scene).into()),
        false => (UNDECIDED, say!("{lost} of {rounds} rounds failed; all of them must")),
    };
    let figures = vec![None; SITUATIONS.len()];
    Ok(Outcome { way: name, rounds: rounds.into(), lost: lost.into(), figures, verdict, reason })
}

fn why(scene: Scene) -> &'static str {
    match scene {
        Scene::MainTakesIt => "a signal is for the process: Linux gives it to the main thread",
        Scene::BeforePause => {
            "it came after the look and before pause: gone, and the reader sleeps"
        }
        Scene::BeforeWait => {
            "the handler notified nobody: the reader had looked, and not yet waited"
        }
        Scene::LockedHandler => "the handler waits for a mutex that its own thread has: for ever",
        Scene::MutexAsSignal => {
            "the mutex is ERRORCHECK: who has not locked it may not unlock it, EPERM"
        }
    }
}

/// How many rounds failed.
fn play(stage: &Stage, scene: Scene, rounds: u32) -> Result<u32> {
    match scene {
        Scene::MainTakesIt => {
            let other = start(stage, || main_waits(stage, take, false, in_pause))?;
            (1..=rounds).map(|round| main_takes_it(stage, &other, round)).sum()
        }
        Scene::BeforePause => {
            let other = start(stage, || main_waits(stage, take, true, held_before_pause))?;
            (1..=rounds).map(|round| before_pause(stage, &other, round)).sum()
        }
        Scene::BeforeWait => {
            let other = start(stage, || main_waits(stage, notify, true, held_before_wait))?;
            (1..=rounds).map(|round| before_wait(stage, &other, round)).sum()
        }
        Scene::LockedHandler => (1..=rounds)
            .map(|_| {
                let other =
                    start(stage, || main_waits(stage, lock_and_notify, true, held_before_wait))?;
                locked_handler(stage, &other)
            })
            .sum(),
        Scene::MutexAsSignal => {
            let other = start(stage, || holds_a_mutex(stage))?;
            (1..=rounds).map(|round| mutex_as_signal(stage, &other, round)).sum()
        }
    }
}

/// Starts the other side, on a stage that is as new.
fn start(stage: &Stage, body: impl FnOnce() -> Result<Vec<u64>>) -> Result<Apart> {
    let Stage { message, seen, held, entered, left, taker, reader, .. } = stage;
    [message, seen, held, entered, left].iter().for_each(|number| number.store(0, SeqCst));
    [taker, reader].iter().for_each(|thread| thread.store(0, SeqCst));
    // SAFETY: nobody else uses the stage now, and the mutex is made before the process that shares it.
    unsafe {
        let mut attributes: libc::pthread_mutexattr_t = mem::zeroed();
        libc::pthread_mutexattr_init(&mut attributes);
        libc::pthread_mutexattr_setpshared(&mut attributes, libc::PTHREAD_PROCESS_SHARED);
        libc::pthread_mutexattr_settype(&mut attributes, libc::PTHREAD_MUTEX_ERRORCHECK);
        libc::pthread_mutex_init(stage.bell.mutex.get(), &attributes);
    }
    Apart::start(body)
}

// The side that speaks.

/// Waits until it is so. It always comes to that, and soon; only a defect keeps it from coming.
fn until(what: &str, other: &Apart, so: impl Fn() -> bool) -> Result<()> {
    let limit = Instant::now() + LONG;
    while !so() {
        let ended = other.has_ended()?;
        // One that exits with another code than 0 has said why.
        if ended && process::ended_with(other.pid.as_raw()).is_some_and(|status| status > 0xff) {
            return Err(Failure::Told(1));
        }
        if Instant::now() > limit || ended {
            return Err(Failure::because(say!("it never came to this: {what}")));
        }
        signals::check()?;
        thread::yield_now();
    }
    Ok(())
}

fn reader_sleeps_in(stage: &Stage, call: c_long) -> bool {
    process::asleep_in(stage.reader.load(SeqCst)) == Some(call)
}

fn send(other: &Apart, signal: Signal) -> Result<()> {
    kill(other.pid, signal).map_err(Failure::of(format!("kill({}, {signal})", other.pid)))
}

/// A message, and the signal that is to wake its reader.
fn say(stage: &Stage, other: &Apart, round: u32) -> Result<()> {
    stage.message.store(round, SeqCst);
    send(other, Signal::SIGUSR1)
}

/// 1 if the reader sleeps although its message is there: the wake-up is lost.
fn is_lost(stage: &Stage, round: u32, call: c_long) -> u32 {
    u32::from(stage.seen.load(SeqCst) < round && reader_sleeps_in(stage, call))
}

fn main_takes_it(stage: &Stage, other: &Apart, round: u32) -> Result<u32> {
    let Stage { left, taker, reader, seen, .. } = stage;
    until("the reader sleeps in pause", other, || reader_sleeps_in(stage, libc::SYS_pause))?;
    // While a handler runs, its thread blocks the signal, and the kernel chooses another thread.
    until("the main thread is back from its handler", other, || {
        process::asleep_in(other.pid.as_raw()) == Some(libc::SYS_rt_sigtimedwait)
    })?;
    let before = left.load(SeqCst);
    say(stage, other, round)?;
    until("the handler has run", other, || left.load(SeqCst) > before)?;
    let by_main = taker.load(SeqCst) == other.pid.as_raw();
    let lost = is_lost(stage, round, libc::SYS_pause) * u32::from(by_main);
    // The rescue, so that the next round can be played: a signal for this thread alone.
    let reader = reader.load(SeqCst);
    // SAFETY: tgkill takes three numbers; the process is our child, and not reaped.
    let sent = Errno::result(unsafe {
        libc::syscall(libc::SYS_tgkill, other.pid.as_raw(), reader, libc::SIGUSR1)
    });
    sent.map_err(Failure::of(format!("tgkill({}, {reader}, SIGUSR1)", other.pid)))?;
    until("the reader was rescued", other, || seen.load(SeqCst) == round)?;
    Ok(lost)
}

fn before_pause(stage: &Stage, other: &Apart, round: u32) -> Result<u32> {
    let Stage { held, left, seen, .. } = stage;
    until("the reader has looked", other, || held.load(SeqCst) == round)?;
    let before = left.load(SeqCst);
    say(stage, other, round)?;
    until("the handler has run", other, || left.load(SeqCst) > before)?;
    until("the reader sleeps in pause", other, || reader_sleeps_in(stage, libc::SYS_pause))?;
    let lost = is_lost(stage, round, libc::SYS_pause);
    send(other, Signal::SIGUSR1)?;
    until("the reader was rescued", other, || seen.load(SeqCst) == round)?;
    Ok(lost)
}

fn before_wait(stage: &Stage, other: &Apart, round: u32) -> Result<u32> {
    let Stage { held, left, seen, .. } = stage;
    until("the reader has looked", other, || held.load(SeqCst) == round)?;
    let before = left.load(SeqCst);
    say(stage, other, round)?;
    until("the handler has run", other, || left.load(SeqCst) > before)?;
    until("the reader waits at the condition", other, || reader_sleeps_in(stage, libc::SYS_futex))?;
    let lost = is_lost(stage, round, libc::SYS_futex);
    // The rescue: the main thread takes this one by sigwait, and notifies as one should.
    send(other, Signal::SIGUSR2)?;
    until("the reader was rescued", other, || seen.load(SeqCst) == round)?;
    Ok(lost)
}

/// After this nobody can rescue the reader: its process is killed when `other` is dropped.
fn locked_handler(stage: &Stage, other: &Apart) -> Result<u32> {
    let Stage { held, entered, left, .. } = stage;
    until("the reader has looked", other, || held.load(SeqCst) == 1)?;
    say(stage, other, 1)?;
    until("the handler was entered", other, || entered.load(SeqCst) == 1)?;
    until("its thread sleeps", other, || reader_sleeps_in(stage, libc::SYS_futex))?;
    Ok(is_lost(stage, 1, libc::SYS_futex) * u32::from(left.load(SeqCst) == 0))
}

fn mutex_as_signal(stage: &Stage, other: &Apart, round: u32) -> Result<u32> {
    let Stage { held, message, bell, .. } = stage;
    until("the reader has locked it", other, || held.load(SeqCst) == round)?;
    // SAFETY: `start` has made the mutex; of a kind that refuses instead of breaking.
    let answer = unsafe { libc::pthread_mutex_unlock(bell.mutex.get()) };
    // The reader has looked in vain, and takes the mutex again: nothing keeps it from that.
    message.store(round, SeqCst);
    Ok(u32::from(answer == libc::EPERM))
}

// The side that reads.

/// A main thread that waits for its reader thread, and, if it blocks the signal, rescues it when it
/// is asked to.
fn main_waits(
    stage: &Stage,
    handler: extern "C" fn(c_int),
    main_blocks: bool,
    read: fn(&Stage) -> Result<()>,
) -> Result<Vec<u64>> {
    let (usr1, usr2) = (SigSet::from(Signal::SIGUSR1), SigSet::from(Signal::SIGUSR2));
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::empty(), SigSet::empty());
    // SAFETY: two of the handlers do what no handler may: that is what these scenes are about, in a
    // process that shares no Rust object and is killed afterwards.
    unsafe { sigaction(Signal::SIGUSR1, &action) }.map_err(Failure::of("sigaction(SIGUSR1)"))?;
    usr2.thread_block().map_err(Failure::of("pthread_sigmask"))?;
    if main_blocks {
        usr1.thread_block().map_err(Failure::of("pthread_sigmask"))?;
    }
    thread::scope(|scope| {
        let reading = || {
            // Before the reader is known, and so before any signal is sent.
            usr1.thread_unblock().map_err(Failure::of("pthread_sigmask"))?;
            stage.reader.store(gettid().as_raw(), SeqCst);
            read(stage)
        };
        thread::Builder::new().spawn_scoped(scope, reading).map_err(no_thread)?;
        loop {
            usr2.wait().map_err(Failure::of("sigwait"))?;
            BELL.locked(|| BELL.notify());
        }
    })
}

/// Reads each message, and sleeps in pause while there is none.
fn in_pause(stage: &Stage) -> Result<()> {
    let Stage { message, seen, .. } = stage;
    loop {
        match message.load(SeqCst) {
            new if new != seen.load(SeqCst) => seen.store(new, SeqCst),
            _ => pause(),
        }
    }
}

/// The same, but holds still between the look and pause until the signal has come.
fn held_before_pause(stage: &Stage) -> Result<()> {
    let Stage { message, seen, .. } = stage;
    loop {
        match message.load(SeqCst) {
            new if new != seen.load(SeqCst) => seen.store(new, SeqCst),
            _ => {
                hold_still(stage);
                pause();
            }
        }
    }
}

/// The same with a condition variable, whose mutex it has from the look to the wait, as one should.
fn held_before_wait(stage: &Stage) -> Result<()> {
    let Stage { message, seen, .. } = stage;
    BELL.locked(|| {
        loop {
            while message.load(SeqCst) == seen.load(SeqCst) {
                hold_still(stage);
                BELL.wait();
            }
            seen.store(message.load(SeqCst), SeqCst);
        }
    })
}

/// Says that it has looked, and waits until a handler has been here. If the handler does not come
/// back, neither does this.
fn hold_still(stage: &Stage) {
    let Stage { seen, held, entered, .. } = stage;
    let before = entered.load(SeqCst);
    held.store(seen.load(SeqCst) + 1, SeqCst);
    while entered.load(SeqCst) == before {
        thread::yield_now();
    }
}

/// Takes the mutex to wait for a message; finds none; gives it back; again.
fn holds_a_mutex(stage: &Stage) -> Result<Vec<u64>> {
    let Stage { message, held, bell, .. } = stage;
    for round in 1.. {
        // SAFETY: `start` has made the mutex.
        unsafe { libc::pthread_mutex_lock(bell.mutex.get()) };
        held.store(round, SeqCst);
        while message.load(SeqCst) < round {
            thread::yield_now();
        }
        // SAFETY: this thread has it.
        unsafe { libc::pthread_mutex_unlock(bell.mutex.get()) };
    }
    Ok(vec![0])
}

/// In a handler: says in the stage that it was entered, does `body`, and says that it is left.
fn handle(body: fn()) {
    // SAFETY: `run` has stored the address of a stage, of which it has a view until the process that
    // installs the handlers has ended.
    let stage = unsafe { &*STAGE.load(SeqCst) };
    // gettid is async-signal-safe.
    stage.taker.store(gettid().as_raw(), SeqCst);
    stage.entered.fetch_add(1, SeqCst);
    body();
    stage.left.fetch_add(1, SeqCst);
}

/// A handler as it should be: it stores, and nothing else.
extern "C" fn take(_: c_int) {
    handle(|| {});
}

/// WRONG, on purpose: pthread_cond_signal is not async-signal-safe, and without the mutex it may
/// come when nobody waits yet.
extern "C" fn notify(_: c_int) {
    handle(|| BELL.notify());
}

/// WRONG, on purpose: the thread that is interrupted may have the mutex.
extern "C" fn lock_and_notify(_: c_int) {
    handle(|| BELL.locked(|| BELL.notify()));
}

/// A mutex and a condition variable.
struct Bell {
    mutex: UnsafeCell<pthread_mutex_t>,
    condition: UnsafeCell<pthread_cond_t>,
}

// SAFETY: both are made for use by several threads, and only touched by their own calls.
unsafe impl Sync for Bell {}

/// The reading process's.
static BELL: Bell = Bell {
    mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
    condition: UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER),
};

impl Bell {
    fn locked<T>(&self, body: impl FnOnce() -> T) -> T {
        // SAFETY: the mutex is a static, and initialised.
        unsafe { libc::pthread_mutex_lock(self.mutex.get()) };
        let result = body();
        // SAFETY: this thread has just locked it.
        unsafe { libc::pthread_mutex_unlock(self.mutex.get()) };
        result
    }

    /// Only for who has the mutex.
    fn wait(&self) {
        // SAFETY: both are statics, and initialised; the caller has the mutex.
        unsafe { libc::pthread_cond_wait(self.condition.get(), self.mutex.get()) };
    }

    fn notify(&self) {
        // SAFETY: it is a static, and initialised.
        unsafe { libc::pthread_cond_broadcast(self.condition.get()) };
    }
}
