//! The limits, the totals and the walk through the kernel's table, which `ipcs` can use.

use std::mem;

use lablib::print::{after, before, claim, note, text};
use lablib::shm::{NULL, page};
use lablib::{Experiment, Failure, Result, child, compare, expect_errno, shm};
use libc::{IPC_INFO, IPC_PRIVATE, SHM_LOCK, SHM_UNLOCK, c_int};
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use sysv::records::{ShmInfo, ShmTotals};
use sysv::spell::{SHM_INFO, SHM_LOCKED, SHM_STAT, SHM_STAT_ANY};
use sysv::tables;
use sysv::tables::Kind;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "limits",
        rows: "C14",
        question: "What are the limits, and where do they come from?",
        run: limits,
    },
    Experiment {
        name: "totals",
        rows: "C15",
        question: "What do all segments hold together?",
        run: totals,
    },
    Experiment {
        name: "walk",
        rows: "C16",
        question: "How does ipcs list segments that it may not read?",
        run: walk,
    },
    Experiment {
        name: "ipcs-screens",
        rows: "C22",
        question: "What do the other screens of ipcs show?",
        run: screens,
    },
    Experiment {
        name: "lock",
        rows: "C17 C18",
        question: "Can a segment be kept out of swap, and by whom?",
        run: lock,
    },
];

/// IPC_INFO: the highest used slot, and the limits.
fn ipc_info() -> Result<(c_int, ShmInfo)> {
    let _turn = before("shmctl(0, IPC_INFO, &info)")?;
    // SAFETY: both structs are plain numbers, as the kernel lays them out for these commands.
    let (answer, info) = unsafe {
        let mut info: ShmInfo = mem::zeroed();
        (libc::shmctl(0, IPC_INFO, (&raw mut info).cast()), info)
    };
    let answer =
        after(Errno::result(answer), |_| format!("shmctl(0, IPC_INFO, {})", info.spell()))?;
    Ok((answer, info))
}

/// SHM_INFO: the highest used slot, and what is in use.
fn shm_info() -> Result<(c_int, ShmTotals)> {
    let _turn = before("shmctl(0, SHM_INFO, &info)")?;
    // SAFETY: see ipc_info.
    let (answer, info) = unsafe {
        let mut info: ShmTotals = mem::zeroed();
        (libc::shmctl(0, SHM_INFO, (&raw mut info).cast()), info)
    };
    let answer =
        after(Errno::result(answer), |_| format!("shmctl(0, SHM_INFO, {})", info.spell()))?;
    Ok((answer, info))
}

fn limits() -> Result<()> {
    let (_, info) = ipc_info()?;
    let limits = [("shmmax", info.shmmax), ("shmmni", info.shmmni), ("shmall", info.shmall)];
    for (name, value) in limits {
        claim(tables::limit(name) == value, &format!("/proc/sys/kernel/{name} says the same"))?;
    }
    claim(info.shmmin == 1, "the smallest segment has 1 byte; shmseg is not enforced")
}

fn totals() -> Result<()> {
    child::child("alone", || {
        child::enter_own_ipc()?;
        let one = shm::get(IPC_PRIVATE, 1, 0o600)?;
        let two = shm::get(IPC_PRIVATE, 3 * page(), 0o600)?;
        let addr = shm::at(two, NULL, 0)?;
        shm::write(addr, b"x")?;
        let (highest, all) = shm_info()?;
        claim(all.used_ids == 2 && highest == 1, "two segments, in slots 0 and 1")?;
        claim(all.shm_tot == 4, "4 pages: 1 byte is a page, too")?;
        claim(all.shm_rss == 1, "and one of them is in memory, because it was written to")?;
        let sum = |column| tables::table(Kind::Shm).iter().map(|row| row.get(column)).sum::<i64>();
        let page = page() as i64;
        claim(sum("rss") == page && sum("swap") == 0, "/proc/sysvipc/shm adds up to the same")?;
        shm::dt(addr)?;
        shm::ctl_rmid(two)?;
        shm::ctl_rmid(one)
    })?
    .finish()
}

fn walk() -> Result<()> {
    child::child("alone", || {
        child::become_ordinary()?;
        child::enter_own_ipc()?;
        let ids = [shm::get(IPC_PRIVATE, 1, 0o600)?, shm::get(IPC_PRIVATE, 2, 0)?];
        shm::ctl_rmid(shm::get(IPC_PRIVATE, 3, 0o600)?)?;
        ids.iter().try_for_each(|&id| {
            let (found, _) = shm::stat(id, SHM_STAT_ANY)?;
            claim(found == id, "SHM_STAT_ANY takes a slot and answers the id in it")
        })?;
        expect_errno(shm::stat(2, SHM_STAT), Errno::EINVAL)?;
        note("an empty slot");
        let (highest, _) = ipc_info()?;
        claim(highest == 1, "IPC_INFO answers where the walk may end")?;
        let rows: Vec<i64> = tables::table(Kind::Shm).iter().map(|row| row.id()).collect();
        claim(rows == ids.map(i64::from), "/proc/sysvipc/shm, which ipcs reads, has the same ids")?;
        note("and it has every row, whatever the mode: so does ipcs");
        ids.iter().try_for_each(|&id| shm::ctl_rmid(id))
    })?
    .finish()?;
    child::child("owner", || {
        child::become_ordinary()?;
        let id = shm::get(IPC_PRIVATE, 1, 0)?;
        let slot = id & 0x7fff;
        expect_errno(shm::stat(slot, SHM_STAT), Errno::EACCES)?;
        claim(
            shm::stat(slot, SHM_STAT_ANY)?.0 == id,
            "SHM_STAT asks the mode, SHM_STAT_ANY does not",
        )?;
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn screens() -> Result<()> {
    child::child("alone", || {
        child::enter_own_ipc()?;
        let id = shm::get(IPC_PRIVATE, 5000, 0o600)?;
        let ds = shm::ctl_stat(id)?;
        let (_, info) = ipc_info()?;
        let show = |option: &str, line: &str, what: &str| {
            let missing = || Failure::Needs("ipcs".into(), "install util-linux");
            let screen = compare::ipcs(&["-m", option]).ok_or_else(missing)?;
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            text(&format!("$ ipcs -m {option}"));
            claim(screen.lines().map(words).any(|row| row == line), what)
        };
        let pids = format!("{id} root {} {}", ds.shm_cpid, ds.shm_lpid);
        show("-p", &pids, "who made it, and who attached or detached last")?;
        show("-u", "segments allocated 1", "one segment in use")?;
        show("-u", "pages allocated 2", "5000 bytes are two pages")?;
        show(
            "-l",
            &format!("max number of segments = {}", info.shmmni),
            "shmmni, as IPC_INFO says",
        )?;
        show("-l", "min seg size (bytes) = 1", "and the smallest segment")?;
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn lock() -> Result<()> {
    child::child("user", || {
        child::become_ordinary()?;
        let id = shm::get(IPC_PRIVATE, page(), 0o600)?;
        let locked = |id| Ok(u32::from(shm::ctl_stat(id)?.shm_perm.mode) & SHM_LOCKED != 0);
        shm::ctl(id, SHM_LOCK)?;
        claim(locked(id)?, "mode has a bit for it, 02000: ipcs says 'locked'")?;
        compare::segment(id)?;
        shm::ctl(id, SHM_UNLOCK)?;
        claim(!locked(id)?, "and it can be taken back")?;
        limit_locked_memory(1)?;
        expect_errno(shm::ctl(id, SHM_LOCK), Errno::ENOMEM)?;
        note("more than RLIMIT_MEMLOCK allows");
        limit_locked_memory(0)?;
        expect_errno(shm::ctl(id, SHM_LOCK), Errno::EPERM)?;
        note("with a limit of 0 it is not the amount that is refused, but the user");
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn limit_locked_memory(bytes: u64) -> Result<()> {
    setrlimit(Resource::RLIMIT_MEMLOCK, bytes, bytes).map_err(Failure::of("setrlimit"))?;
    note(&format!("setrlimit: RLIMIT_MEMLOCK is now {bytes}"));
    Ok(())
}
