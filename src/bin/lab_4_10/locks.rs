//! Locks in a segment, and what becomes of each when the process that has it is killed.

use std::cell::UnsafeCell;
use std::mem;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;

use lablib::child::{Child, child, pipe};
use lablib::print::{before, begin, call_line, claim, note, text, traced};
use lablib::shm::{NULL, Shared, View};
use lablib::{Experiment, Result, expect_errno, leftovers, say, sem, shm};
use libc::{IPC_PRIVATE, SEM_UNDO, c_int, c_long, pthread_cond_t, pthread_mutex_t, sem_t};
use nix::errno::Errno;
use sysv::process::asleep_at;
use sysv::spell;

use crate::turns::{finish, tell, told};

/// All of them.
pub const ALL: &[Experiment] = &[
    Experiment {
        name: "dead-holder",
        rows: "U4 U5",
        question: "A process is killed while it has locks: which of them are given back?",
        run: dead_holder,
    },
    Experiment {
        name: "robust",
        rows: "U6 U7",
        question: "What does a robust mutex say, and what must be done before it is unlocked?",
        run: robust,
    },
    Experiment {
        name: "condition",
        rows: "U8",
        question: "Who signals a condition dies with the mutex: what does the waiter hear?",
        run: condition,
    },
];

/// An object of the C library in a segment. Only calls that are made for sharing it touch it.
#[repr(transparent)]
struct Object<T>(UnsafeCell<T>);

impl<T> Object<T> {
    fn at(&self) -> *mut T {
        self.0.get()
    }
}

/// What lies in the segment.
#[repr(C)]
struct Locks {
    normal: Object<pthread_mutex_t>,
    robust: Object<pthread_mutex_t>,
    news: Object<pthread_cond_t>,
    semaphore: Object<sem_t>,
    /// A lock of our own: 0 is free, 1 is taken.
    word: AtomicU32,
    /// What the locks guard: two numbers whose sum is always [`SUM`].
    here: AtomicU32,
    there: AtomicU32,
}

// SAFETY: atomics, and objects that only the calls made for sharing them touch.
unsafe impl Shared for Locks {}

const SUM: u32 = 100;

/// Makes a segment with the locks, runs `body`, and removes the segment.
fn with_locks(body: impl FnOnce(&View<Locks>) -> Result<()>) -> Result<()> {
    let id = shm::get(IPC_PRIVATE, size_of::<Locks>(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let locks = shm::view::<Locks>(addr)?;
    init(&locks)?;
    body(&locks)?;
    drop(locks);
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// Once, in place, before any other process has the segment.
fn init(locks: &Locks) -> Result<()> {
    // SAFETY: the memory is new, and no other process has it; each object is initialised once, in place,
    // for sharing between processes, and never moved.
    unsafe {
        let mut how: libc::pthread_mutexattr_t = mem::zeroed();
        libc::pthread_mutexattr_init(&mut how);
        libc::pthread_mutexattr_setpshared(&mut how, libc::PTHREAD_PROCESS_SHARED);
        answered("pthread_mutex_init(&normal, PTHREAD_PROCESS_SHARED)", false, || {
            libc::pthread_mutex_init(locks.normal.at(), &how)
        })?;
        libc::pthread_mutexattr_setrobust(&mut how, libc::PTHREAD_MUTEX_ROBUST);
        let line = "pthread_mutex_init(&robust, PTHREAD_PROCESS_SHARED|ROBUST)";
        answered(line, false, || libc::pthread_mutex_init(locks.robust.at(), &how))?;
        let mut how: libc::pthread_condattr_t = mem::zeroed();
        libc::pthread_condattr_init(&mut how);
        libc::pthread_condattr_setpshared(&mut how, libc::PTHREAD_PROCESS_SHARED);
        answered("pthread_cond_init(&news, PTHREAD_PROCESS_SHARED)", false, || {
            libc::pthread_cond_init(locks.news.at(), &how)
        })?;
        traced("sem_init(&semaphore, 1, 1)".into(), || libc::sem_init(locks.semaphore.at(), 1, 1))?;
    }
    locks.here.store(SUM, SeqCst);
    locks.there.store(0, SeqCst);
    Ok(())
}

/// Makes a call of pthreads and prints it. Its answer is the error, and 0 without one.
fn answered(line: &str, sleeps: bool, call: impl FnOnce() -> c_int) -> Result<c_int> {
    let _turn = if sleeps { begin(line).map(|()| None)? } else { Some(before(line)?) };
    let answer = call();
    let text = if answer == 0 { "0".into() } else { spell::errno(Errno::from_raw(answer)) };
    call_line(line, &text, answer == 0);
    Ok(answer)
}

type Mutex = Object<pthread_mutex_t>;

fn lock(name: &str, mutex: &Mutex) -> Result<c_int> {
    // SAFETY: `init` has made the mutex, in a segment that is attached.
    let call = || unsafe { libc::pthread_mutex_lock(mutex.at()) };
    answered(&format!("pthread_mutex_lock(&{name})"), true, call)
}

fn try_lock(name: &str, mutex: &Mutex) -> Result<c_int> {
    // SAFETY: see `lock`.
    let call = || unsafe { libc::pthread_mutex_trylock(mutex.at()) };
    answered(&format!("pthread_mutex_trylock(&{name})"), false, call)
}

fn unlock(name: &str, mutex: &Mutex) -> Result<c_int> {
    // SAFETY: see `lock`; this thread has it.
    let call = || unsafe { libc::pthread_mutex_unlock(mutex.at()) };
    answered(&format!("pthread_mutex_unlock(&{name})"), false, call)
}

fn consistent(name: &str, mutex: &Mutex) -> Result<c_int> {
    // SAFETY: see `unlock`.
    let call = || unsafe { libc::pthread_mutex_consistent(mutex.at()) };
    answered(&format!("pthread_mutex_consistent(&{name})"), false, call)
}

fn sem_trywait(semaphore: &Object<sem_t>) -> Result<c_int> {
    // SAFETY: `init` has made it, in a segment that is attached.
    traced("sem_trywait(&semaphore)".into(), || unsafe { libc::sem_trywait(semaphore.at()) })
}

/// Runs `body` in a child and kills it when it has done that. Until then it has what it took.
fn killed_after(name: &'static str, body: impl FnOnce() -> Result<()>) -> Result<()> {
    let ((from_child, to_us), (from_us, _to_child)) = (pipe()?, pipe()?);
    let other = child(name, move || {
        body()?;
        tell(&to_us)?;
        told(&from_us)
    })?;
    match told(&from_child) {
        Ok(()) => kill_and_wait(other),
        ended => finish(other, ended),
    }
}

fn kill_and_wait(child: Child) -> Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

fn dead_holder() -> Result<()> {
    let file = leftovers::key_file("lab-4.10-locks.key")?;
    let set = sem::get(IPC_PRIVATE, 2, 0o600)?;
    for semaphore in [0, 1] {
        sem::ctl_setval(set, semaphore, 1)?;
    }
    with_locks(|locks| {
        killed_after("holder", || {
            lock("normal", &locks.normal)?;
            lock("robust", &locks.robust)?;
            sem_trywait(&locks.semaphore)?;
            locks.word.store(1, SeqCst);
            text("memory: word <- 1");
            sem::op(set, 0, -1, 0)?;
            sem::op(set, 1, -1, SEM_UNDO)?;
            // Open until this process ends, and the lock with it.
            mem::forget(duplex::takeover::lock(&file)?);
            Ok(())
        })?;
        text("The holder is dead. Which of its locks can be taken?");
        let normal = try_lock("normal", &locks.normal)?;
        claim(normal == libc::EBUSY, "a mutex: EBUSY, its holder has it for ever")?;
        expect_errno(sem_trywait(&locks.semaphore), Errno::EAGAIN)?;
        note("a semaphore has no holder, so nobody knows that it should be posted");
        let word = locks.word.load(SeqCst);
        claim(word == 1, "a word of our own: 1, as the dead process left it")?;
        let left = sem::ctl_getval(set, 0)?;
        claim(left == 0, "a System V semaphore: 0, nobody has added what was taken")?;
        let undone = sem::ctl_getval(set, 1)?;
        claim(undone == 1, "with SEM_UNDO: 1, the kernel has given it back")?;
        let robust = try_lock("robust", &locks.robust)?;
        claim(robust == libc::EOWNERDEAD, "a robust mutex: locked by us now, and EOWNERDEAD")?;
        note("locked, it is in a list of this process: unlocked before the segment is detached");
        consistent("robust", &locks.robust)?;
        unlock("robust", &locks.robust)?;
        duplex::takeover::lock(&file)?;
        note("a lock on a file: the kernel has released it with the dead process's descriptor");
        asleep_for_ever(&locks.normal)
    })?;
    sem::ctl_rmid(set)
}

/// Does a process that sleeps in this call, with this first argument, sleep on a word of the object?
fn is_in<T>(object: &Object<T>, (call, word): (c_long, usize)) -> bool {
    let start = object.at().addr();
    call == libc::SYS_futex && (start..start + size_of::<T>()).contains(&word)
}

/// A second process wants the mutex whose holder is dead.
fn asleep_for_ever(mutex: &Mutex) -> Result<()> {
    let waiter = child("waiter", || lock("normal", mutex).map(drop))?;
    waiter.until_asleep_at(|at| is_in(mutex, at))?;
    match asleep_at(waiter.pid.as_raw()) {
        None => note("this machine does not tell where a process sleeps"),
        Some(at) => claim(is_in(mutex, at), "who waits for that mutex sleeps in the kernel")?,
    }
    note("nobody is left who could unlock it: it would sleep for ever");
    kill_and_wait(waiter)
}

fn robust() -> Result<()> {
    with_locks(|locks| {
        let name = "robust";
        let ((from_child, to_us), (from_us, _to_child)) = (pipe()?, pipe()?);
        let holder = child("holder", move || {
            lock(name, &locks.robust)?;
            locks.here.fetch_sub(30, SeqCst);
            text("memory: 30 taken from the first number, not yet in the second");
            tell(&to_us)?;
            told(&from_us)
        })?;
        if let Err(ended) = told(&from_child) {
            return finish(holder, Err(ended));
        }
        let waiter = child("waiter", || mend(name, locks))?;
        waiter.until_asleep_at(|at| is_in(&locks.robust, at))?;
        kill_and_wait(holder)?;
        waiter.finish()?;
        let next = try_lock(name, &locks.robust)?;
        claim(next == 0, "0: who locks it next learns nothing of it")?;
        unlock(name, &locks.robust)?;
        killed_after("second", || lock(name, &locks.robust).map(drop))?;
        let died = try_lock(name, &locks.robust)?;
        claim(died == libc::EOWNERDEAD, "another holder has died")?;
        unlock(name, &locks.robust)?;
        note("unlocked without pthread_mutex_consistent: to say that the data is lost");
        let lost = try_lock(name, &locks.robust)?;
        claim(lost == libc::ENOTRECOVERABLE, "and so nobody can lock it any more")
    })
}

/// Waits for the mutex, and puts right what a dead holder has left half done.
fn mend(name: &str, locks: &Locks) -> Result<()> {
    let answer = lock(name, &locks.robust)?;
    claim(answer == libc::EOWNERDEAD, "asleep when the holder died: woken, EOWNERDEAD")?;
    let (here, there) = (locks.here.load(SeqCst), locks.there.load(SeqCst));
    let half = say!("{here} and {there} are not {SUM}: the work is half done");
    claim(here + there != SUM, &half)?;
    locks.there.store(SUM - here, SeqCst);
    text(say!("memory: the second number <- {}", SUM - here));
    let mended = consistent(name, &locks.robust)?;
    claim(mended == 0, "we say that the data is right again")?;
    unlock(name, &locks.robust).map(drop)
}

fn condition() -> Result<()> {
    with_locks(|locks| {
        let waiter = child("waiter", || {
            lock("robust", &locks.robust)?;
            let mut answer = 0;
            while locks.word.load(SeqCst) == 0 && answer == 0 {
                let line = "pthread_cond_wait(&news, &robust)";
                // SAFETY: `init` has made both, in a segment that is attached; this thread has the mutex.
                let wait =
                    || unsafe { libc::pthread_cond_wait(locks.news.at(), locks.robust.at()) };
                answer = answered(line, true, wait)?;
            }
            let died = answer == libc::EOWNERDEAD;
            claim(died, "woken, and EOWNERDEAD: who signalled has died with the mutex")?;
            claim(locks.word.load(SeqCst) == 1, "and the news is there")?;
            consistent("robust", &locks.robust)?;
            unlock("robust", &locks.robust).map(drop)
        })?;
        waiter.until_asleep_at(|at| is_in(&locks.news, at))?;
        killed_after("teller", || {
            lock("robust", &locks.robust)?;
            locks.word.store(1, SeqCst);
            text("memory: word <- 1");
            // SAFETY: `init` has made it, in a segment that is attached.
            let signal = || unsafe { libc::pthread_cond_signal(locks.news.at()) };
            answered("pthread_cond_signal(&news)", false, signal).map(drop)
        })?;
        waiter.finish()
    })
}
