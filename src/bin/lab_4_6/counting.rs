//! What the kernel counts in nattch.

use std::process::{Command, Stdio};
use std::thread;

use lablib::child::{child, pipe};
use lablib::print::{self, bulk, claim, note, traced};
use lablib::shm::{NULL, page};
use lablib::{Experiment, Failure, Result, shm};
use libc::{IPC_PRIVATE, PROT_READ, PROT_WRITE, SIGSEGV, c_int};
use nix::errno::Errno;
use nix::unistd::{read, write};
use touch::{Fate, SEGV_MAPERR, Touch, touch_in_child};

use crate::mapping::{self, Advice};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "threads-and-spawn",
        rows: "N3",
        question: "Do threads count, and programs that are started by posix_spawn?",
        run: threads_and_spawn,
    },
    Experiment {
        name: "dontfork",
        rows: "N4",
        question: "Can a child be kept from what its parent has attached?",
        run: dontfork,
    },
    Experiment {
        name: "counts-mappings",
        rows: "N5",
        question: "Does nattch count processes?",
        run: counts_mappings,
    },
    Experiment {
        name: "two-loops",
        rows: "N6",
        question: "Does the count hold when two processes attach and detach at once?",
        run: two_loops,
    },
];

/// Runs `body` in a second thread, and waits for it: pthread_create(3), pthread_join(3).
pub fn in_a_thread(body: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    let mut thread = None;
    let in_its_lane = || {
        print::name("thread");
        body()
    };
    traced("pthread_create(&thread, NULL, body, NULL)".into(), || {
        let made = thread::Builder::new().spawn(in_its_lane);
        let failed = made.as_ref().err().and_then(|error| error.raw_os_error());
        failed.inspect(|errno| Errno::from_raw(*errno).set());
        thread = made.ok();
        if thread.is_some() { 0 } else { -1 }
    })?;
    let ended = thread.and_then(|thread| thread.join().ok());
    ended.ok_or_else(|| Failure::because("the thread panicked"))?
}

fn threads_and_spawn() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let count = move |n| shm::ctl_stat(id).map(|ds| ds.shm_nattch == n);
    in_a_thread(move || claim(count(1)?, "a second thread, and nattch 1"))?;
    let cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let mut cat = cat.map_err(Failure::of("posix_spawn(\"cat\")"))?;
    let ds = shm::ctl_stat(id)?;
    let same = ds.shm_nattch == 1 && ds.shm_lpid == std::process::id() as i32;
    claim(same, "a program started by posix_spawn: nattch and shm_lpid are as they were")?;
    // Its standard input is closed by this, and it ends.
    cat.wait().map_err(Failure::of("waitpid(cat)"))?;
    note("that is why this workbook starts ipcs in this way");
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn dontfork() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    mapping::advise(addr, page(), Advice::DontFork)?;
    let (from, to) = pipe()?;
    let waiting = child("child", || read(&from, &mut [0]).map(drop).map_err(Failure::of("read")))?;
    claim(shm::ctl_stat(id)?.shm_nattch == 1, "two processes after the fork, and nattch 1")?;
    write(&to, b"!").map_err(Failure::of("write"))?;
    waiting.finish()?;
    let killed = Fate::Killed(SIGSEGV, SEGV_MAPERR, addr as usize);
    claim(
        touch_in_child(addr, Touch::Read)? == killed,
        "a load in a child: nothing is mapped there",
    )?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn counts_mappings() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 3 * page(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let count = |n| shm::ctl_stat(id).map(|ds| ds.shm_nattch == n);
    claim(count(1)?, "three pages, attached once: one mapping")?;
    let middle = addr.wrapping_byte_add(page());
    mapping::protect(middle, page(), PROT_READ)?;
    claim(count(3)?, "the middle one is read-only: nattch 3, in one process")?;
    mapping::protect(middle, page(), PROT_READ | PROT_WRITE)?;
    claim(count(3)?, "alike again, and nattch 3 all the same")?;
    note("nattch 0 means nobody; any other number is not a number of processes");
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// How often each of the two attaches.
const ROUNDS: usize = 100;

fn two_loops() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    shm::write(addr, b"x")?;
    // If both fail for the same reason, only we print it.
    let quietly = |failure: Failure| Failure::Told(failure.code());
    let other = child("B", || attach_and_detach(id).map_err(quietly))?;
    attach_and_detach(id)?;
    other.finish().map_err(|failure| match failure {
        Failure::Told(_) => Failure::because("the other process could not attach and detach"),
        other => other,
    })?;
    claim(shm::ctl_stat(id)?.shm_nattch == 1, "200 more and 200 less: 1")?;
    claim(shm::read(addr, 1)? == b"x", "and the byte is there")?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn attach_and_detach(id: c_int) -> Result<()> {
    bulk(|| (0..ROUNDS).try_for_each(|_| shm::dt(shm::at(id, NULL, 0)?)))
}
