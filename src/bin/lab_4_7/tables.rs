//! The limits, the totals and the walk through the kernel's table, which `ipcs` can use.

use std::{fs, mem};

use lablib::print::{after, before, claim, note, text};
use lablib::shm::{NULL, page};
use lablib::{Experiment, Failure, Result, child, compare, expect_errno, say, shm};
use libc::{IPC_INFO, IPC_PRIVATE, SHM_LOCK, SHM_UNLOCK, c_int};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
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
        name: "shmseg",
        rows: "C14",
        question: "How many segments may one process attach?",
        run: shmseg,
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
pub fn shm_info() -> Result<(c_int, ShmTotals)> {
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
        claim(tables::limit(name) == value, say!("/proc/sys/kernel/{name} says the same"))?;
    }
    claim(info.shmmin == 1, "the smallest segment has 1 byte")
}

fn shmseg() -> Result<()> {
    child::child("alone", || {
        child::enter_own_ipc()?;
        let file = "/proc/sys/kernel/shmmni";
        let grant = "use Linux 5.19 or later, or root";
        fs::write(file, "1").map_err(|_| Failure::Needs(say!("to write {file}"), grant))?;
        let (_, info) = ipc_info()?;
        claim(info.shmseg == 1, "shmmni is 1, and so shmseg: segments for one process")?;
        let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
        let (one, two) = (shm::at(id, NULL, 0)?, shm::at(id, NULL, 0)?);
        claim(shm::ctl_stat(id)?.shm_nattch == 2, "attached twice: shmseg is not enforced")?;
        shm::dt(two)?;
        shm::dt(one)?;
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn totals() -> Result<()> {
    child::child("alone", || {
        child::enter_own_ipc()?;
        let one = shm::get(IPC_PRIVATE, 1, 0o600)?;
        let two = shm::get(IPC_PRIVATE, 3 * page(), 0o600)?;
        let addr = shm::at(two, NULL, 0)?;
        shm::write(addr, b"x")?;
        let (highest, all) = shm_info()?;
        claim(all.used_ids == 2 && highest == 1, "two segments, and 1 is the highest slot in use")?;
        claim(all.shm_tot == 4, "4 pages: 1 byte is a page, too")?;
        claim(all.shm_rss == 1, "and one of them is in memory, because it was written to")?;
        let rows = tables::table(Kind::Shm);
        let pages = |column| {
            let of = |row: &tables::Row| (row.get(column) as usize).div_ceil(page());
            rows.iter().map(of).sum::<usize>() as u64
        };
        let sums = (rows.len() as i32, pages("size"), pages("rss"), pages("swap"));
        let told = (all.used_ids, all.shm_tot, all.shm_rss, all.shm_swp);
        claim(sums == told, "/proc/sysvipc/shm adds up to the same, row by row")?;
        shm::dt(addr)?;
        shm::ctl_rmid(two)?;
        shm::ctl_rmid(one)
    })?
    .finish()
}

fn walk() -> Result<()> {
    child::child("alone", || {
        child::enter_own_ipc()?;
        let ids = [shm::get(IPC_PRIVATE, 1, 0o600)?, shm::get(IPC_PRIVATE, 2, 0)?];
        shm::ctl_rmid(shm::get(IPC_PRIVATE, 3, 0o600)?)?;
        ids.iter().try_for_each(|&id| {
            let (found, _) = shm::stat(id, SHM_STAT_ANY)?;
            claim(found == id, "SHM_STAT_ANY takes a slot and answers the id in it")
        })?;
        let (found, ds) = shm::stat(0, SHM_STAT)?;
        let same = found == ids[0] && ds.shm_segsz == 1;
        claim(same, "so does SHM_STAT, where the mode allows it, and fills the record")?;
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
        let slot = id & ((1 << tables::slot_bits()) - 1);
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
        let show = |option: &str, line: &str, what: &'static str| {
            let missing = || Failure::Needs("ipcs".into(), "install util-linux");
            let screen = compare::ipcs(&["-m", option])?.ok_or_else(missing)?;
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            text(format!("$ ipcs -m {option}"));
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
        if getrlimit(Resource::RLIMIT_MEMLOCK).is_ok_and(|(now, _)| now < page() as u64) {
            let grant = "raise RLIMIT_MEMLOCK (ulimit -l)";
            return Err(Failure::Needs("to lock a page in memory".into(), grant));
        }
        let locked = |id| Ok(u32::from(shm::ctl_stat(id)?.shm_perm.mode) & SHM_LOCKED != 0);
        shm::ctl(id, SHM_LOCK)?;
        claim(locked(id)?, "mode has a bit for it, 02000")?;
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
    note(say!("setrlimit: RLIMIT_MEMLOCK is now {bytes}"));
    Ok(())
}
