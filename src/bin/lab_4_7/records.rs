//! IPC_STAT and IPC_SET, beyond the story.

use std::ptr;
use std::time::Duration;

use lablib::print::{claim, note, traced};
use lablib::shm::NULL;
use lablib::{Experiment, Result, child, expect_errno, shm, signals};
use libc::{IPC_PRIVATE, IPC_SET, IPC_STAT};
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "stat-needs-read",
        rows: "C1",
        question: "Who may look at the record?",
        run: stat_needs_read,
    },
    Experiment {
        name: "set-three-fields",
        rows: "C2",
        question: "What of a record does IPC_SET take?",
        run: set_three_fields,
    },
    Experiment {
        name: "set-nobody",
        rows: "C6",
        question: "May a segment belong to uid -1?",
        run: set_nobody,
    },
    Experiment {
        name: "bad-buffer",
        rows: "C7",
        question: "What if buf points nowhere?",
        run: bad_buffer,
    },
    Experiment {
        name: "bad-command",
        rows: "C8",
        question: "What does shmctl say of commands and ids that do not exist?",
        run: bad_command,
    },
    Experiment {
        name: "times",
        rows: "C21",
        question: "How exact are the times, and what moves them?",
        run: times,
    },
];

fn stat_needs_read() -> Result<()> {
    child::child("owner", || {
        child::become_ordinary()?;
        let id = shm::get(IPC_PRIVATE, 1, 0o200)?;
        expect_errno(shm::ctl_stat(id), Errno::EACCES)?;
        note("write permission alone shows nothing, not even to the owner");
        shm::ctl_rmid(id)?;
        let id = shm::get(IPC_PRIVATE, 1, 0o400)?;
        shm::ctl_stat(id)?;
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn set_three_fields() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 5000, 0o600)?;
    let before = shm::ctl_stat(id)?;
    let mut wish = before;
    // So that ctime can be seen to change: it has whole seconds.
    while clock_gettime(ClockId::CLOCK_REALTIME_COARSE)
        .is_ok_and(|now| now.tv_sec() <= before.shm_ctime)
    {
        signals::wait(&[], Some(Duration::from_millis(10)), || false)?;
    }
    wish.shm_perm.mode = 0o7777;
    wish.shm_perm.__key = 0x4712;
    wish.shm_perm.cuid = 1;
    wish.shm_segsz = 1;
    wish.shm_cpid = 1;
    shm::ctl_set(id, &wish)?;
    let after = shm::ctl_stat(id)?;
    claim(after.shm_perm.mode == 0o777, "of mode 07777 the low 9 bits: 0777")?;
    let kept =
        |ds: &libc::shmid_ds| (ds.shm_perm.__key, ds.shm_perm.cuid, ds.shm_segsz, ds.shm_cpid);
    claim(kept(&after) == kept(&before), "key, creator, size and cpid are as they were")?;
    claim(after.shm_ctime > before.shm_ctime, "and shm_ctime is a later second")?;
    shm::ctl_rmid(id)
}

fn set_nobody() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let mut wish = shm::ctl_stat(id)?;
    wish.shm_perm.uid = u32::MAX;
    expect_errno(shm::ctl_set(id, &wish), Errno::EINVAL)?;
    note("-1 is no user: for chown(2) it means 'leave it', here it is refused");
    shm::ctl_rmid(id)
}

fn bad_buffer() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    for (name, command) in [("IPC_STAT", IPC_STAT), ("IPC_SET", IPC_SET)] {
        // SAFETY: the kernel checks the address itself, and returns EFAULT for this one.
        let call = || unsafe {
            libc::shmctl(
                id,              // of ours
                command,         // one that needs a buffer
                ptr::null_mut(), // and gets none
            )
        };
        expect_errno(traced(format!("shmctl({id}, {name}, NULL)"), call), Errno::EFAULT)?;
    }
    note("the kernel does not crash of a bad pointer, and neither do we");
    shm::ctl_rmid(id)
}

fn bad_command() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    expect_errno(shm::ctl(id, 99), Errno::EINVAL)?;
    expect_errno(shm::ctl(id, -1), Errno::EINVAL)?;
    expect_errno(shm::ctl_rmid(-1), Errno::EINVAL)?;
    expect_errno(shm::ctl_stat(i32::MAX), Errno::EINVAL)?;
    shm::ctl_rmid(id)
}

fn times() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let made = shm::ctl_stat(id)?;
    claim((made.shm_atime, made.shm_dtime) == (0, 0), "0 means: it has not happened yet")?;
    let addr = shm::at(id, NULL, 0)?;
    let attached = shm::ctl_stat(id)?;
    claim(attached.shm_atime >= made.shm_ctime, "attaching sets atime: not before ctime")?;
    claim(attached.shm_dtime == 0, "and leaves dtime alone")?;
    shm::dt(addr)?;
    claim(
        shm::ctl_stat(id)?.shm_dtime >= attached.shm_atime,
        "detaching sets dtime: not before atime",
    )?;
    note("two things in one second have one time: order cannot be told by it");
    shm::ctl_rmid(id)
}
