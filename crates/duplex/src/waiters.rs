//! Every way to wake the other side: the ladder of 4.10, from a signal to a wait that knows where the other runs.
//!
//! All ways share one protocol. The waiter checks the ring, sets `asleep`, checks the ring
//! **again**, and sleeps. The ringer writes the ring first, then checks `asleep`, and makes a call
//! only if it is set. The four steps are sequentially consistent,
//!
//! ```text
//!   waiter   asleep = 1;   look at the ring        ringer   write the ring;   look at asleep
//! ```
//!
//! so at least one of the two sees what the other has stored, and no wake-up is lost. A wait also ends without a
//! wake-up: every [`LOOK`] it checks for a signal that stops the lab, for the death of the peer and for the end of
//! the patience. A hostile or half-dead peer can make a wait late, never endless.

use std::cell::Cell;
use std::hint::spin_loop;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicPtr, Ordering::SeqCst};
use std::time::{Duration, Instant};
use std::{mem, ptr, thread};

use lablib::{Failure, Patience, Result, exit, say, signals};
use libc::{c_int, sem_t, timespec};
use nix::errno::Errno;
use nix::poll::ppoll;
use nix::sched::sched_getcpu;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::time::TimeSpec;

use crate::bell::{Bell, LOOK, deadline, futex_wait, futex_wake};
use crate::peers::Peer;

/// For how long an adaptive way stays awake: about what falling asleep and being woken costs.
pub const AWAKE: Duration = Duration::from_micros(20);
/// Looks in a row before an adaptive way asks for the time or yields: about 2 us.
const SPINS: u32 = 100;

/// How one side waits and the other wakes it. Both sides of a bell must use the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// A signal ends `ppoll`, which lets it in only while it sleeps: `pause` without its gap.
    Suspend,
    /// A signal's handler posts a semaphore of this process; the waiter is in `sem_wait`.
    HandlerPost,
    /// The waiter takes the signal itself, by `sigtimedwait`; there is no handler.
    SigWait,
    /// A `sem_t` in the segment.
    Semaphore,
    /// A System V semaphore: the set, and its first number of four. Without SEM_UNDO, which would
    /// take the post back when the poster exits, and with it the wake-up.
    SemOp(c_int, u16),
    /// A mutex in the segment, taken for each look, again and again: it excludes and does not signal.
    Mutex,
    /// A condition variable in the segment, with its mutex. The only way that trusts the peer: a
    /// robust mutex is part of a list, and the pointers of this list are in the segment.
    Condition,
    /// futex(2): sleep unless a word has changed.
    Futex,
    /// Look again and again. Never sleeps.
    Spin,
    /// Look, and let others run between two looks. Never sleeps.
    Yield,
    /// Look for [`AWAKE`], then sleep on a futex.
    Adaptive,
    /// Like `Adaptive`, but a peer that waits for this very CPU is let run at once. The default.
    CpuAware,
}

impl Way {
    /// Can a waiter sleep, so that a wake-up is needed?
    pub fn sleeps(self) -> bool {
        !matches!(self, Way::Mutex | Way::Spin | Way::Yield)
    }

    /// Call it before any thread is made and before the peer knows our pid. It installs handlers and blocks the
    /// signals in every later thread. `HandlerPost` needs them unblocked: one thread must take them.
    pub fn prepare(self) -> Result<()> {
        let signals: SigSet = SIGNALS.into_iter().collect();
        let handler = match self {
            Way::Suspend => SigHandler::Handler(wake_only),
            Way::HandlerPost => SigHandler::Handler(post),
            Way::SigWait => SigHandler::SigDfl,
            _ => return Ok(()),
        };
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        for signal in SIGNALS {
            // SAFETY: one handler does nothing, the other posts a semaphore: both are async-signal-safe.
            unsafe { sigaction(signal, &action) }.map_err(Failure::of("sigaction"))?;
        }
        let set =
            if self == Way::HandlerPost { SigSet::thread_unblock } else { SigSet::thread_block };
        set(&signals).map_err(Failure::of("pthread_sigmask"))
    }
}

/// The signal for each of the two bells of a segment.
const SIGNALS: [Signal; 2] = [Signal::SIGUSR1, Signal::SIGUSR2];

extern "C" fn wake_only(_signal: c_int) {}

/// What the handler posts, one for each signal. Made before its handler is ever needed: by `Line::new`.
static POSTED: [AtomicPtr<sem_t>; 2] = [const { AtomicPtr::new(ptr::null_mut()) }; 2];

extern "C" fn post(signal: c_int) {
    let semaphore = POSTED[usize::from(signal == Signal::SIGUSR2 as c_int)].load(SeqCst);
    if !semaphore.is_null() {
        // SAFETY: it was initialised before it was stored, and is never freed. sem_post is
        // async-signal-safe, but may change errno, which the interrupted code may be about to read.
        unsafe {
            let errno = *libc::__errno_location();
            libc::sem_post(semaphore);
            *libc::__errno_location() = errno;
        }
    }
}

/// The CPU on which this thread runs; it may have left it when this returns.
pub fn cpu() -> u16 {
    sched_getcpu().unwrap_or(0) as u16
}

/// What one process knows of a bell: how to wait at it, or how to ring it.
pub struct Line<'a> {
    pub(crate) bell: &'a Bell,
    way: Way,
    /// Which of the segment's two bells.
    number: u16,
    peer: Option<&'a Peer>,
    patience: Patience,
    late: Cell<u64>,
}

impl<'a> Line<'a> {
    /// Bell `number` (0 or 1) of a segment. The ways that signal need a peer; without one its death
    /// goes unnoticed. `patience`: how long a wait may be.
    pub fn new(
        bell: &'a Bell,
        number: u16,
        way: Way,
        peer: Option<&'a Peer>,
        patience: Patience,
    ) -> Line<'a> {
        let posted = &POSTED[usize::from(number)];
        if way == Way::HandlerPost && posted.load(SeqCst).is_null() {
            // SAFETY: plain numbers, initialised before a handler can find them; leaked, as it may run at any time.
            unsafe {
                let semaphore = Box::leak(Box::new(mem::zeroed()));
                libc::sem_init(semaphore, 0, 0);
                posted.store(semaphore, SeqCst);
            }
        }
        Line { bell, way, number, peer, patience, late: Cell::new(0) }
    }

    /// How often a wait ended because it looked up by itself, and not because it was rung for: a
    /// wake-up that was lost, or a peer that was stopped just before it rang.
    pub fn late(&self) -> u64 {
        self.late.get()
    }

    /// Waits until `ready` says so. `cpu` is where the peer was last. Fails when a signal asks the lab to stop, when
    /// the peer has died (PEER_DIED) and when it has been silent for longer than the patience (PEER_SILENT).
    #[inline]
    pub fn wait(&self, cpu: u16, ready: impl Fn() -> bool) -> Result<()> {
        let spins = match self.way {
            Way::Spin | Way::Adaptive => true,
            Way::CpuAware => cpu != self::cpu(),
            _ => false,
        };
        for _ in 0..if spins { SPINS } else { 1 } {
            if ready() {
                return Ok(());
            }
            spin_loop();
        }
        self.wait_long(&ready)
    }

    #[cold]
    fn wait_long(&self, ready: &dyn Fn() -> bool) -> Result<()> {
        let adaptive = matches!(self.way, Way::Adaptive | Way::CpuAware);
        // Once before the clock is read: mostly, that is enough.
        if self.way == Way::CpuAware {
            thread::yield_now();
            if ready() {
                return Ok(());
            }
        }
        let began = Instant::now();
        let mut looked = began;
        loop {
            while adaptive && began.elapsed() < AWAKE {
                if self.way == Way::CpuAware {
                    thread::yield_now()
                } else {
                    spin_loop()
                }
                if ready() {
                    return Ok(());
                }
            }
            // Set before the last look: see the top of this file.
            self.bell.asleep.store(1, SeqCst);
            if ready() {
                self.bell.asleep.store(0, SeqCst);
                return Ok(());
            }
            let slept = Instant::now();
            self.sleep(ready);
            // The ringer clears the word. If it is still set, no side has rung.
            let unrung = self.bell.asleep.swap(0, SeqCst) == 1;
            if ready() {
                let late = unrung && self.way.sleeps() && slept.elapsed() >= LOOK;
                self.late.set(self.late.get() + u64::from(late));
                return Ok(());
            }
            signals::check()?;
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if self.peer.is_some_and(Peer::has_ended) && !ready() {
                    let pid = self.peer.map_or(0, |peer| peer.pid.as_raw());
                    return Err(Failure::Because(exit::PEER_DIED, say!("{pid} has died")));
                }
                if self.patience.is_some_and(|limit| began.elapsed() >= limit) {
                    let stopped = self.peer.is_some_and(Peer::is_stopped);
                    let why = if stopped { "it is stopped (state T)" } else { "nothing came" };
                    let why = say!("the other side is silent: {why}");
                    return Err(Failure::Because(exit::PEER_SILENT, why));
                }
            }
        }
    }

    /// Sleeps once, at most for [`LOOK`], or less: the caller checks again afterwards.
    fn sleep(&self, ready: &dyn Fn() -> bool) {
        let signal = SIGNALS[usize::from(self.number & 1)];
        match self.way {
            Way::Spin => (0..SPINS).take_while(|_| !ready()).for_each(|_| spin_loop()),
            Way::Yield => thread::yield_now(),
            Way::Mutex => {
                if self.bell.lock() {
                    self.bell.unlock();
                }
            }
            Way::Futex | Way::Adaptive | Way::CpuAware => {
                // Whatever ended it: look again.
                let _ = futex_wait(&self.bell.asleep, 1, LOOK);
            }
            Way::Suspend => {
                let mut open = SigSet::thread_get_mask().unwrap_or(SigSet::empty());
                open.remove(signal);
                // Whatever ended it: look again.
                let _ = ppoll(&mut [], Some(TimeSpec::from_duration(LOOK)), Some(open));
            }
            Way::SigWait => {
                let only: SigSet = [signal].into_iter().collect();
                let limit = timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
                // SAFETY: the kernel reads a mask and a timespec.
                unsafe { libc::sigtimedwait(only.as_ref(), ptr::null_mut(), &limit) };
            }
            Way::HandlerPost => {
                let semaphore = POSTED[usize::from(self.number & 1)].load(SeqCst);
                // SAFETY: `new` has made it.
                unsafe { libc::sem_timedwait(semaphore, &deadline(LOOK)) };
            }
            Way::Semaphore => {
                // SAFETY: initialised by `init`: a counter and a futex. Whatever a peer writes, the wait ends.
                unsafe { libc::sem_timedwait(self.bell.semaphore.get(), &deadline(LOOK)) };
            }
            Way::SemOp(..) => drop(self.semop(-1)),
            Way::Condition => {
                if !self.bell.lock() {
                    return;
                }
                let limit = deadline(LOOK);
                let mut answer = 0;
                while self.bell.asleep.load(SeqCst) == 1 && answer == 0 {
                    let (condition, mutex) = (self.bell.condition.get(), self.bell.mutex.get());
                    // SAFETY: both were initialised by `init`, and this thread has the mutex.
                    answer = unsafe { libc::pthread_cond_timedwait(condition, mutex, &limit) };
                }
                self.bell.unlock();
            }
        }
    }

    fn semop(&self, sem_op: i16) -> nix::Result<c_int> {
        let Way::SemOp(semid, first) = self.way else { return Err(Errno::EINVAL) };
        let mut operation = libc::sembuf { sem_num: first + self.number, sem_op, sem_flg: 0 };
        let limit = timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
        // SAFETY: the kernel reads one sembuf and one timespec.
        let answer =
            unsafe { libc::syscall(libc::SYS_semtimedop, semid, &mut operation, 1, &limit) };
        Errno::result(answer as c_int)
    }

    /// Wakes the waiter if it sleeps. The caller has stored, sequentially consistent, what it is to see.
    #[inline]
    pub fn ring(&self) {
        if self.bell.asleep.load(SeqCst) != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.way == Way::Condition {
            if self.bell.lock() {
                self.bell.asleep.store(0, SeqCst);
                // SAFETY: initialised by `init`.
                unsafe { libc::pthread_cond_signal(self.bell.condition.get()) };
                self.bell.unlock();
            }
        } else if self.bell.asleep.swap(0, SeqCst) != 0 {
            match self.way {
                Way::Suspend | Way::SigWait | Way::HandlerPost => self.signal(),
                Way::Semaphore => {
                    // SAFETY: initialised by `init`.
                    unsafe { libc::sem_post(self.bell.semaphore.get()) };
                }
                Way::SemOp(..) => drop(self.semop(1)),
                _ => drop(futex_wake(&self.bell.asleep)),
            }
        }
    }

    /// A signal to the peer, untraced: this is what the experiment measures.
    fn signal(&self) {
        let Some(peer) = self.peer else { return };
        let signal = SIGNALS[usize::from(self.number & 1)] as c_int;
        let fd = peer.fd().as_raw_fd();
        // SAFETY: the call takes a descriptor, two numbers and no record.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, 0_usize, 0) };
    }
}
