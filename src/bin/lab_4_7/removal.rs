//! IPC_RMID, beyond the story.

use std::fs;

use lablib::print::{claim, note, text};
use lablib::shm::NULL;
use lablib::{
    Experiment, Failure, Result, child, compare, expect_errno, leftovers, say, shm, signals,
};
use libc::IPC_PRIVATE;
use nix::errno::Errno;
use sysv::process::SYS_PAUSE;
use sysv::spell::SHM_DEST;
use sysv::tables;
use sysv::tables::Kind;

use crate::NEW;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "remove-twice",
        rows: "C9 C11",
        question: "May a segment be removed twice?",
        run: remove_twice,
    },
    Experiment {
        name: "split-brain",
        rows: "C10 C12 A15",
        question: "What do two programs see that share a key across a removal?",
        run: split_brain,
    },
    Experiment {
        name: "set-after-removal",
        rows: "C13",
        question: "Can a removed segment still be changed?",
        run: set_after_removal,
    },
    Experiment {
        name: "ipcrm",
        rows: "C22",
        question: "Does ipcrm do more than IPC_RMID?",
        run: ipcrm,
    },
    Experiment {
        name: "rmid-forced",
        rows: "L4 L5",
        question: "Can the kernel be asked to leave nothing behind?",
        run: rmid_forced,
    },
    Experiment {
        name: "namespace-ends",
        rows: "L1 L3",
        question: "What becomes of segments when their namespace ends?",
        run: namespace_ends,
    },
];

fn remove_twice() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    shm::ctl_rmid(id)?;
    expect_errno(shm::ctl_stat(id), Errno::EINVAL)?;
    note("attached nowhere: gone at once");
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    shm::write(addr, b"x")?;
    for _ in 0..3 {
        shm::ctl_rmid(id)?;
    }
    claim(shm::read(addr, 1)? == b"x", "removed three times, and its byte is there")?;
    note("as long as it is attached, removing again changes nothing and succeeds");
    shm::dt(addr)?;
    expect_errno(shm::ctl_rmid(id), Errno::EINVAL)?;
    note("after the last detach it is gone: EINVAL, which a clean-up takes for 'done already'");
    Ok(())
}

fn split_brain() -> Result<()> {
    let key = shm::ftok(&leftovers::key_file("lab-4.7.key")?, 'B' as i32)?;
    leftovers::inherit(key)?;
    let old = shm::get(key, 16, NEW)?;
    let first = shm::at(old, NULL, 0)?;
    shm::ctl_rmid(old)?;
    let p = shm::ctl_stat(old)?.shm_perm;
    let dest = u32::from(p.mode) & SHM_DEST != 0;
    claim(p.__key == 0 && dest, "attached, it lives on: its key is 0, and it is dest")?;
    expect_errno(shm::get(key, 16, 0), Errno::ENOENT)?;
    let new = shm::get(key, 16, NEW)?;
    let second = shm::at(new, NULL, 0)?;
    shm::write(first, b"to the old one")?;
    claim(shm::read(second, 3)? == [0; 3], "who came later reads zeros: another memory")?;
    let third = shm::at(old, NULL, 0)?;
    claim(
        shm::ctl_stat(old)?.shm_nattch == 2,
        "by its id the old one is attached once more: nattch 2",
    )?;
    claim(shm::read(third, 14)? == b"to the old one", "and has the old bytes")?;
    shm::dt(third)?;
    shm::dt(second)?;
    shm::dt(first)?;
    expect_errno(shm::ctl_stat(old), Errno::EINVAL)?;
    note("the last detach has destroyed the old one");
    shm::ctl_rmid(new)
}

fn set_after_removal() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    shm::ctl_rmid(id)?;
    let mut wish = shm::ctl_stat(id)?;
    wish.shm_perm.mode = 0o666;
    shm::ctl_set(id, &wish)?;
    claim(shm::ctl_stat(id)?.shm_perm.mode == 0o1666, "the mode is new, and it is still dest")?;
    shm::dt(addr)
}

fn ipcrm() -> Result<()> {
    let key = shm::ftok(&leftovers::key_file("lab-4.7.key")?, 'C' as i32)?;
    leftovers::inherit(key)?;
    let (one, two) = (shm::get(IPC_PRIVATE, 1, 0o600)?, shm::get(key, 1, NEW)?);
    for (option, what) in [("-m", one.to_string()), ("-M", format!("{key:#x}"))] {
        text(format!("$ ipcrm {option} {}", if option == "-m" { "ID" } else { "KEY" }));
        let ran = compare::program("ipcrm", &[option, &what])?;
        let ran = ran.ok_or_else(|| Failure::Needs("ipcrm".into(), "install util-linux"))?;
        claim(ran.well, "it ended with 0")?;
    }
    expect_errno(shm::ctl_stat(one), Errno::EINVAL)?;
    expect_errno(shm::ctl_stat(two), Errno::EINVAL)?;
    note("-m takes an id, -M a key; both end in the same IPC_RMID");
    Ok(())
}

fn rmid_forced() -> Result<()> {
    child::child("root", || {
        child::enter_own_ipc()?;
        let switch = "/proc/sys/kernel/shm_rmid_forced";
        let orphan =
            || child::child("maker", || shm::get(IPC_PRIVATE, 1, 0o600).map(drop))?.finish();
        let left = || tables::table(Kind::Shm).len();
        orphan()?;
        claim(left() == 1, "its maker is dead, nobody is attached: it stays")?;
        fs::write(switch, "1").map_err(|_| {
            Failure::Needs(say!("to write {switch}"), "use Linux 5.19 or later, or root")
        })?;
        claim(left() == 0, "shm_rmid_forced = 1: the orphan is destroyed at once")?;
        orphan()?;
        claim(left() == 0, "and the next one with its maker")?;
        let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        claim(
            shm::ctl_stat(id)?.shm_perm.mode == 0o600,
            "attached, it lives, and its mode is 0600: not dest",
        )?;
        shm::dt(addr)?;
        expect_errno(shm::ctl_stat(id), Errno::EINVAL)?;
        note("the last detach destroys it, though nobody has removed it");
        let (from, to) = child::pipe()?;
        let maker = child::child("maker", || {
            let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
            shm::at(id, NULL, 0)?;
            nix::unistd::write(&to, &id.to_ne_bytes()).map_err(Failure::of("write"))?;
            loop {
                signals::pause()?;
            }
        })?;
        let mut told = [0; 4];
        nix::unistd::read(&from, &mut told).map_err(Failure::of("read"))?;
        let id = i32::from_ne_bytes(told);
        let addr = shm::at(id, NULL, 0)?;
        maker.until_asleep_in(SYS_PAUSE)?;
        maker.kill()?;
        maker.wait()?;
        claim(shm::ctl_stat(id)?.shm_nattch == 1, "its maker was killed, we hold it: it lives")?;
        shm::dt(addr)?;
        expect_errno(shm::ctl_stat(id), Errno::EINVAL)
    })?
    .finish()
}

fn namespace_ends() -> Result<()> {
    let guest = child::child("guest", || {
        child::enter_own_ipc()?;
        let rows = tables::table(Kind::Shm).len();
        claim(rows == 0, "a new namespace has no segment, whatever there is outside")?;
        let id = shm::get(IPC_PRIVATE, 1 << 20, 0o600)?;
        claim(id == 0, "and its ids begin with 0")?;
        let addr = shm::at(id, NULL, 0)?;
        shm::write(addr, b"nobody removes this")
    })?;
    let pid = i64::from(guest.pid.as_raw());
    guest.finish()?;
    let left = tables::table(Kind::Shm).iter().any(|row| row.get("cpid") == pid);
    claim(!left, "out here nothing of it is listed")?;
    note("its last process has ended; the kernel has destroyed the namespace and what was in it");
    Ok(())
}
