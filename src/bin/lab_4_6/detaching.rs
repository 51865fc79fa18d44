//! What detaches, and what does not.

use std::time::Duration;

use lablib::child::child;
use lablib::print::{after, bulk, call_line, claim, note};
use lablib::shm::{Addr, NULL, page};
use lablib::{Experiment, Failure, Result, expect_errno, shm, signals};
use libc::{IPC_PRIVATE, PROT_READ, SIGSEGV};
use nix::errno::Errno;
use nix::sys::signal::{SigEvent, SigevNotify, Signal::SIGUSR1};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;
use touch::{Fate, SEGV_MAPERR, Touch, touch_in_child};

use crate::counting::in_a_thread;
use crate::mapping::{self, Advice};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "last-detach",
        rows: "D1 N7",
        question: "What does a detach change, and what becomes of a segment that nobody has?",
        run: last_detach,
    },
    Experiment {
        name: "wrong-address",
        rows: "D2",
        question: "Which addresses does shmdt refuse?",
        run: wrong_address,
    },
    Experiment {
        name: "dead-address",
        rows: "D3",
        question: "What is at the address afterwards?",
        run: dead_address,
    },
    Experiment {
        name: "fragments",
        rows: "D4",
        question: "What of an attachment that was cut into pieces?",
        run: fragments,
    },
    Experiment {
        name: "munmap",
        rows: "D5",
        question: "Can munmap stand in for shmdt?",
        run: munmap,
    },
    Experiment {
        name: "by-a-thread",
        rows: "D6",
        question: "Whose attachment is it, the thread's or the process's?",
        run: by_a_thread,
    },
    Experiment {
        name: "moved",
        rows: "D7",
        question: "What if the attachment has been moved?",
        run: moved,
    },
    Experiment {
        name: "signals",
        rows: "D8",
        question: "Can a signal make shmdt fail with EINTR?",
        run: signals_do_not_end_it,
    },
];

fn last_detach() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let attached = shm::ctl_stat(id)?;
    claim((attached.shm_nattch, attached.shm_dtime) == (1, 0), "attached once, never detached")?;
    shm::write(addr, b"x")?;
    shm::dt(addr)?;
    let alone = shm::ctl_stat(id)?;
    claim(alone.shm_nattch == 0 && alone.shm_dtime > 0, "nattch 0; shm_dtime has a time")?;
    let other = child("child", || {
        let addr = shm::at(id, NULL, 0)?;
        claim(shm::read(addr, 1)? == b"x", "another process, later: the byte is there")?;
        shm::dt(addr)
    })?;
    let pid = other.pid.as_raw();
    other.finish()?;
    let later = shm::ctl_stat(id)?;
    claim(later.shm_lpid == pid, "shm_lpid: the other process was the last")?;
    claim(later.shm_nattch == 0, "nattch 0, and it is still there")?;
    note("it stays for ever if nobody removes it");
    shm::ctl_rmid(id)
}

fn wrong_address() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 3 * page(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let ordinary = mapping::reserve(page())?;
    let wrong = [
        (NULL, "NULL, which shmat would have understood as 'anywhere'"),
        (addr.wrapping_byte_add(1), "one byte further: not even the start of a page"),
        (addr.wrapping_byte_add(page()), "its second page: inside of it, and not its start"),
        (ordinary.start(), "what mmap has mapped: no segment"),
    ];
    for (addr, what) in wrong {
        expect_errno(shm::dt(addr), Errno::EINVAL)?;
        note(what);
    }
    let start = ordinary.start();
    ordinary.unmap()?;
    expect_errno(shm::dt(start), Errno::EINVAL)?;
    note("where nothing is attached, nor anything else");
    shm::dt(addr)?;
    expect_errno(shm::dt(addr), Errno::EINVAL)?;
    note("a second time");
    shm::ctl_rmid(id)
}

fn dead_address() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    claim(touch_in_child(addr, Touch::Read)? == Fate::Lived(0), "attached: a load is answered")?;
    shm::dt(addr)?;
    for touch in [Touch::Read, Touch::Write] {
        let fate = touch_in_child(addr, touch)?;
        let killed = Fate::Killed(SIGSEGV, SEGV_MAPERR, addr as usize);
        claim(fate == killed, "detached: SEGV_MAPERR, nothing is mapped there")?;
    }
    note("or worse, something else is mapped there by then, and nothing kills");
    shm::ctl_rmid(id)
}

fn fragments() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 5 * page(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let page_of = |n: usize| addr.wrapping_byte_add(n * page());
    mapping::protect(page_of(1), page(), PROT_READ)?;
    mapping::unmap(page_of(3), page())?;
    let pieces = shm::ctl_stat(id)?.shm_nattch;
    claim(pieces == 4, "pages 0, 1, 2 and 4: four mappings, nattch 4")?;
    shm::dt(addr)?;
    claim(shm::ctl_stat(id)?.shm_nattch == 0, "after one shmdt: nattch 0")?;
    shm::ctl_rmid(id)
}

fn munmap() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 2 * page(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    mapping::unmap(addr, 2 * page())?;
    claim(shm::ctl_stat(id)?.shm_nattch == 0, "nattch 0: to the kernel it is a detach")?;
    expect_errno(shm::dt(addr), Errno::EINVAL)?;
    note("for munmap one must know how long it is; shmdt knows that itself");
    shm::ctl_rmid(id)
}

fn by_a_thread() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let start = addr as usize;
    in_a_thread(move || shm::dt(start as Addr))?;
    claim(
        shm::ctl_stat(id)?.shm_nattch == 0,
        "a thread detached what another had attached: nattch 0",
    )?;
    let killed = Fate::Killed(SIGSEGV, SEGV_MAPERR, start);
    claim(
        touch_in_child(addr, Touch::Read)? == killed,
        "and this thread finds nothing mapped there",
    )?;
    shm::ctl_rmid(id)
}

fn moved() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let old = shm::at(id, NULL, 0)?;
    shm::write(old, b"x")?;
    let place = mapping::reserve(page())?;
    let new = place.start();
    mapping::move_to(old, page(), place)?;
    claim(shm::ctl_stat(id)?.shm_nattch == 1, "moved, and nattch 1")?;
    let fate = touch_in_child(new, Touch::Read)?;
    claim(fate == Fate::Lived(b'x'), "its bytes are at the new address")?;
    expect_errno(shm::dt(old), Errno::EINVAL)?;
    shm::dt(new)?;
    claim(shm::ctl_stat(id)?.shm_nattch == 0, "shmdt of the new address: nattch 0")?;
    shm::ctl_rmid(id)
}

/// So large that the timer runs out while it is being detached.
const LARGE: usize = 32 << 20;
/// Often enough to meet a detach of some tenths of a millisecond more than once.
const ROUNDS: usize = 12;

fn signals_do_not_end_it() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, LARGE, 0o600)?;
    signals::sigaction(SIGUSR1)?;
    let every = SigEvent::new(SigevNotify::SigevSignal { signal: SIGUSR1, si_value: 0 });
    let timer = Timer::new(ClockId::CLOCK_MONOTONIC, every);
    let signal = "{sigev_signo=SIGUSR1, sigev_notify=SIGEV_SIGNAL}";
    let line = format!("timer_create(CLOCK_MONOTONIC, {signal}, &timer)");
    after(timer.as_ref().map(|_| 0).map_err(|errno| *errno), |_| line)?;
    let mut timer = timer.map_err(Failure::of("timer_create"))?;
    let millisecond = Expiration::Interval(Duration::from_millis(1).into());
    let set = timer.set(millisecond, TimerSetTimeFlags::empty());
    after(set.map(|()| 0), |_| "timer_settime(timer, 0, {every millisecond}, NULL)".into())?;
    note("a timer sends SIGUSR1, and a handler takes it, every millisecond");
    let mut met = 0;
    bulk(|| {
        (0..ROUNDS).try_for_each(|_| {
            let addr = shm::at(id, NULL, 0)?;
            mapping::advise(addr, LARGE, Advice::PopulateWrite)?;
            signals::heard(SIGUSR1);
            let done = shm::dt(addr);
            met += usize::from(signals::was_heard(SIGUSR1));
            done
        })
    })?;
    drop(timer);
    call_line("timer_delete(timer)", "0", true);
    shm::ctl_rmid(id)?;
    if met == 0 {
        let grant = "make LARGE in detaching.rs larger";
        return Err(Failure::Needs("a detach that takes longer than a timer".into(), grant));
    }
    claim(met > 0, "a signal came during some detaches, and every one succeeded: never EINTR")
}
