//! What `shmget` gives, and what it refuses.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use lablib::child::{self, child, pipe};
use lablib::print::{claim, note};
use lablib::shm::{Addr, NULL, page};
use lablib::{Experiment, Failure, Result, compare, expect_errno, leftovers, say, shm};
use libc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE, SHM_HUGETLB, SHM_NORESERVE, SHM_R, SHM_W};
use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Uid, geteuid, read, write};
use sysv::{apart, tables};
use touch::{Fate, SEGV_MAPERR, Touch, touch_in_child};

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "private-stranger",
        rows: "G1",
        question: "Is IPC_PRIVATE for relatives only?",
        run: private_stranger,
    },
    Experiment {
        name: "flags",
        rows: "G2 G3 G5",
        question: "What do IPC_CREAT and IPC_EXCL do alone?",
        run: flags,
    },
    Experiment {
        name: "excl-first",
        rows: "G4",
        question: "Which is looked at first: that it exists, or that the size does not fit?",
        run: excl_first,
    },
    Experiment {
        name: "sizes",
        rows: "G6 G7 G8",
        question: "Which sizes are refused, for a new segment and for an old one?",
        run: sizes,
    },
    Experiment {
        name: "size-limit",
        rows: "G9 G10",
        question: "How large may a segment be?",
        run: size_limit,
    },
    Experiment {
        name: "shmmni",
        rows: "G11 L1 L2",
        question: "What is ENOSPC about, and in whose tables?",
        run: shmmni,
    },
    Experiment {
        name: "shmall",
        rows: "G12",
        question: "Is there a limit on all segments together?",
        run: shmall,
    },
    Experiment {
        name: "no-memory",
        rows: "G13",
        question: "What does a segment cost before it is used, and who refuses it?",
        run: no_memory,
    },
    Experiment {
        name: "whole-pages",
        rows: "G14",
        question: "A segment of 100 bytes: which bytes can be written?",
        run: whole_pages,
    },
    Experiment {
        name: "umask",
        rows: "G15",
        question: "Does the umask take bits from a segment's mode, as from a file's?",
        run: umask_is_ignored,
    },
    Experiment {
        name: "no-mode",
        rows: "G16",
        question: "What if the mode is left out?",
        run: no_mode,
    },
    Experiment {
        name: "other-user",
        rows: "G4 G17 G18",
        question: "What may another user open, and which refusal comes first?",
        run: other_user,
    },
    Experiment {
        name: "unknown-flags",
        rows: "G19",
        question: "Are unknown flags refused?",
        run: unknown_flags,
    },
    Experiment {
        name: "fresh",
        rows: "G20 G21",
        question: "What is in a new segment, and what does the kernel say of it?",
        run: fresh,
    },
    Experiment {
        name: "huge-pages",
        rows: "G22",
        question: "May anybody have huge pages?",
        run: huge_pages,
    },
    Experiment {
        name: "lazy",
        rows: "G25",
        question: "When is the memory of a segment really taken?",
        run: lazy,
    },
];

fn private_stranger() -> Result<()> {
    let (from, to) = pipe()?;
    let stranger = child("stranger", || {
        let mut told = [0; 4];
        read(&from, &mut told).map_err(Failure::of("read"))?;
        let addr = shm::at(i32::from_ne_bytes(told), NULL, 0)?;
        claim(shm::read(addr, 2)? == b"hi", "made after the fork, and attached all the same")?;
        shm::dt(addr)
    })?;
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    shm::write(addr, b"hi")?;
    write(&to, &id.to_ne_bytes()).map_err(Failure::of("write"))?;
    stranger.finish()?;
    note("IPC_PRIVATE hides the segment from keys; to who has the number it is open");
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn flags() -> Result<()> {
    let key = free_key()?;
    expect_errno(shm::get(key, 1, 0o600), Errno::ENOENT)?;
    expect_errno(shm::get(key, 1, IPC_EXCL | 0o600), Errno::ENOENT)?;
    note("IPC_EXCL without IPC_CREAT is ignored");
    let id = shm::get(key, 1, IPC_CREAT | 0o600)?;
    let again = shm::get(key, 1, IPC_CREAT | 0o600)?;
    let excl = shm::get(key, 1, IPC_EXCL | 0o600)?;
    claim(id == again && id == excl, "the same segment, three times")?;
    shm::ctl_rmid(id)
}

fn excl_first() -> Result<()> {
    let key = free_key()?;
    let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL | 0o600)?;
    let larger = shm::get(key, 10 * page(), IPC_CREAT | IPC_EXCL | 0o600);
    expect_errno(larger, Errno::EEXIST)?;
    note("EEXIST, though the size does not fit either: existence is looked at first");
    shm::ctl_rmid(id)
}

fn sizes() -> Result<()> {
    let key = free_key()?;
    expect_errno(shm::get(key, 0, IPC_CREAT | 0o600), Errno::EINVAL)?;
    note("a new segment has at least SHMMIN = 1 byte");
    let id = shm::get(key, 5000, IPC_CREAT | IPC_EXCL | 0o600)?;
    let opened = (shm::get(key, 0, 0)?, shm::get(key, 4000, 0)?);
    claim(opened == (id, id), "size 0, and a smaller one: both open it")?;
    let size = tables::segment(id).map_or(0, |row| row.get("size"));
    claim(size == 5000, "and it has 5000 bytes as before")?;
    note("who opens it asks for at least so much, and 0 asks for nothing");
    expect_errno(shm::get(key, 5001, 0), Errno::EINVAL)?;
    expect_errno(shm::get(key, 5001, IPC_CREAT | 0o600), Errno::EINVAL)?;
    note("one byte more is refused, though the second page has room for it");
    shm::ctl_rmid(id)
}

fn size_limit() -> Result<()> {
    let most = tables::limit("shmmax") as usize;
    note(say!("shmmax is {most} bytes here"));
    expect_errno(shm::get(IPC_PRIVATE, usize::MAX, 0o600), Errno::EINVAL)?;
    child("limits", || {
        child::enter_own_ipc()?;
        let most = tables::limit("shmmax") as usize;
        claim(most > usize::MAX / 2, "in a new namespace: more than half of all addresses")?;
        expect_errno(shm::get(IPC_PRIVATE, most, 0o600), Errno::EINVAL)?;
        note("as much as the default limit allows, no file of memory can be");
        set("shmmax", "8192")?;
        expect_errno(shm::get(IPC_PRIVATE, 8193, 0o600), Errno::EINVAL)?;
        let id = shm::get(IPC_PRIVATE, 8192, 0o600)?;
        note("with shmmax at 8192, 8192 bytes are allowed and 8193 are not");
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn shmmni() -> Result<()> {
    let key = free_key()?;
    let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL | 0o600)?;
    let before = tables::limit("shmmni");
    child("limits", || {
        child::enter_own_ipc()?;
        expect_errno(shm::get(key, 1, 0), Errno::ENOENT)?;
        note("a namespace of its own: empty, and the key means nothing here");
        set("shmmni", "2")?;
        let one = shm::get(key, 1, IPC_CREAT | 0o600)?;
        let two = shm::get(IPC_PRIVATE, 1, 0o600)?;
        expect_errno(shm::get(IPC_PRIVATE, 1, 0o600), Errno::ENOSPC)?;
        note("ENOSPC is about the number of segments, not about a disk");
        shm::ctl_rmid(two)?;
        shm::ctl_rmid(one)
    })?
    .finish()?;
    let same = tables::segment(id).is_some_and(|row| row.key() == key);
    claim(
        same && tables::limit("shmmni") == before,
        "outside, the limit and the segment are as they were",
    )?;
    shm::ctl_rmid(id)
}

fn shmall() -> Result<()> {
    child("limits", || {
        child::enter_own_ipc()?;
        set("shmall", "4")?;
        let three = shm::get(IPC_PRIVATE, 2 * page() + 1, 0o600)?;
        expect_errno(shm::get(IPC_PRIVATE, 2 * page(), 0o600), Errno::ENOSPC)?;
        let one = shm::get(IPC_PRIVATE, page(), 0o600)?;
        note("shmall counts pages of all segments: 3 and 1 fit into 4, 3 and 2 do not");
        shm::ctl_rmid(one)?;
        shm::ctl_rmid(three)
    })?
    .finish()
}

fn no_memory() -> Result<()> {
    let overcommit = fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    if overcommit.trim() != "0" {
        let grant = "set sysctl vm.overcommit_memory=0";
        return Err(Failure::Needs("the kernel's usual overcommit".into(), grant));
    }
    child("limits", || {
        child::enter_own_ipc()?;
        let huge = 1 << 45;
        expect_errno(shm::get(IPC_PRIVATE, huge, 0o600), Errno::ENOMEM)?;
        note("more than this machine could ever back: refused before a byte of it is used");
        let id = shm::get(IPC_PRIVATE, huge, SHM_NORESERVE | 0o600)?;
        let addr = shm::at(id, NULL, 0)?;
        shm::write((addr as usize + huge - 1) as Addr, b"x")?;
        note("SHM_NORESERVE asks for no promise; the last byte of 32 TiB can be written");
        shm::dt(addr)?;
        shm::ctl_rmid(id)
    })?
    .finish()
}

fn whole_pages() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 100, 0o600)?;
    let guard = shm::get(IPC_PRIVATE, 2 * page(), 0o600)?;
    let room = shm::at(guard, NULL, 0)?;
    shm::dt(room)?;
    let addr = shm::at(id, room, 0)?;
    note("attached where two pages were free, so that nothing follows its page");
    claim(shm::ctl_stat(id)?.shm_segsz == 100, "the kernel keeps the size that was asked for")?;
    let last = addr as usize + page() - 1;
    claim(
        touch_in_child(last as Addr, Touch::Write)? == Fate::Lived(1),
        "and the last byte of the page can be written",
    )?;
    let beyond = touch_in_child((last + 1) as Addr, Touch::Write)?;
    let fate = Fate::Killed(libc::SIGSEGV, SEGV_MAPERR, last + 1);
    claim(beyond == fate, "one byte further: SIGSEGV, nothing is mapped")?;
    shm::dt(addr)?;
    shm::ctl_rmid(guard)?;
    shm::ctl_rmid(id)
}

fn umask_is_ignored() -> Result<()> {
    let before = umask(Mode::from_bits_truncate(0o077));
    let id = shm::get(IPC_PRIVATE, 1, 0o666);
    umask(before);
    let id = id?;
    let mode = shm::ctl_stat(id)?.shm_perm.mode;
    claim(mode == 0o666, "umask 077, mode 0666: the segment has 0666")?;
    shm::ctl_rmid(id)
}

fn no_mode() -> Result<()> {
    child("owner", || {
        child::become_ordinary()?;
        let key = free_key()?;
        let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL)?;
        expect_errno(shm::at(id, NULL, 0), Errno::EACCES)?;
        for wish in [SHM_R, SHM_W, SHM_R | SHM_W] {
            expect_errno(shm::get(key, 1, wish), Errno::EACCES)?;
        }
        expect_errno(shm::ctl_stat(id), Errno::EACCES)?;
        note("mode 0000 locks out its own creator; only root would not notice");
        compare::segment(id)?;
        shm::ctl_rmid(id)?;
        note("and still the owner may remove it: that does not ask the mode");
        Ok(())
    })?
    .finish()
}

fn other_user() -> Result<()> {
    if !apart::has_other_users() {
        let grant = "run it as root, with sudo";
        return Err(Failure::Needs("a second user".into(), grant));
    }
    let key = free_key()?;
    let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL | 0o600)?;
    child("other", || {
        child::become_user(Uid::from_raw(65534).as_raw())?;
        shm::get(key, 1, 0)?;
        note("asking for no permission, anybody learns the id of a key");
        expect_errno(shm::get(key, 1, 0o400), Errno::EACCES)?;
        expect_errno(shm::get(key, 1, 0o600), Errno::EACCES)?;
        note("the mode that an opener gives is what it wants to be allowed");
        expect_errno(shm::get(key, 10 * page(), 0o600), Errno::EINVAL)?;
        expect_errno(shm::get(key, 1, IPC_CREAT | IPC_EXCL | 0o600), Errno::EEXIST)?;
        note("size before permission, and existence before both");
        expect_errno(shm::at(id, NULL, 0), Errno::EACCES)
    })?
    .finish()?;
    shm::ctl_rmid(id)
}

fn unknown_flags() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0x1f_0000 | 0o600)?;
    claim(shm::ctl_stat(id)?.shm_perm.mode == 0o600, "no error, and no trace in the mode")?;
    note("ignored: a program cannot find out in this way what a kernel knows");
    shm::ctl_rmid(id)
}

fn fresh() -> Result<()> {
    let began = SystemTime::now();
    let id = shm::get(IPC_PRIVATE, 2 * page(), 0o640)?;
    let (ds, p) = shm::ctl_stat(id).map(|ds| (ds, ds.shm_perm))?;
    let me = (geteuid().as_raw(), std::process::id() as i32);
    claim((p.uid, ds.shm_cpid) == me && p.cuid == p.uid, "its owner and its creator are us")?;
    let soon = began.elapsed().map_or(0, |passed| passed.as_secs() as i64 + 1);
    let began = began.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    // The kernel's clock for it may be a tick behind.
    let now = (began - 1..=began + soon).contains(&ds.shm_ctime);
    claim(now && p.mode == 0o640, "it has the time of its making, and its mode")?;
    let none = (ds.shm_atime, ds.shm_dtime, ds.shm_lpid, ds.shm_nattch);
    claim(none == (0, 0, 0, 0), "nobody has attached or detached yet")?;
    let addr = shm::at(id, NULL, 0)?;
    claim(shm::read(addr, 2 * page())?.iter().all(|&byte| byte == 0), "it is full of zeros")?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

fn huge_pages() -> Result<()> {
    child("user", || {
        child::become_ordinary()?;
        expect_errno(shm::get(IPC_PRIVATE, 1, SHM_HUGETLB | 0o600), Errno::EPERM)?;
        note("not for ordinary users, unless their group is in vm.hugetlb_shm_group");
        let unknown = SHM_HUGETLB | 13 << libc::MAP_HUGE_SHIFT | 0o600;
        expect_errno(shm::get(IPC_PRIVATE, 1, unknown), Errno::EINVAL)?;
        note("and of 8 KiB there are no huge pages at all");
        Ok(())
    })?
    .finish()?;
    if geteuid().is_root() {
        return no_pool();
    }
    Err(Failure::Needs("the privilege for huge pages".into(), "run it as root, with sudo"))
}

/// Root may have huge pages; there are none, unless a pool was reserved for them.
fn no_pool() -> Result<()> {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let more = fs::read_to_string("/proc/sys/vm/nr_overcommit_hugepages").unwrap_or_default();
    let of_pool = |line: &&str| line.starts_with("HugePages_Total:");
    let pool = meminfo.lines().find(of_pool).and_then(|line| line.split_whitespace().nth(1));
    if pool != Some("0") || more.trim() != "0" {
        let grant = "set sysctl vm.nr_hugepages=0 and vm.nr_overcommit_hugepages=0";
        return Err(Failure::Needs("a kernel with huge pages, and no pool of them".into(), grant));
    }
    let refused = shm::get(IPC_PRIVATE, 1, SHM_HUGETLB | 0o600);
    if matches!(refused, Err(Failure::Call(_, Errno::EPERM))) {
        let grant = "run it as root of the machine, not of a user namespace";
        return Err(Failure::Needs("CAP_IPC_LOCK".into(), grant));
    }
    expect_errno(refused, Errno::ENOMEM)?;
    note("root may; but no page is reserved for it");
    Ok(())
}

fn lazy() -> Result<()> {
    const PAGES: usize = 64;
    let id = shm::get(IPC_PRIVATE, PAGES * page(), 0o600)?;
    let resident = || tables::segment(id).map_or(-1, |row| row.get("rss")) as usize / page();
    claim(resident() == 0, "made: no page of it is in memory")?;
    let addr = shm::at(id, NULL, 0)?;
    claim(resident() == 0, "attached: still none")?;
    shm::write((addr as usize + 8 * page()) as Addr, b"x")?;
    claim(resident() == 1, "one byte written: one page")?;
    shm::dt(addr)?;
    claim(resident() == 1, "detached: it stays, for the segment lives")?;
    shm::ctl_rmid(id)
}

/// A key that no segment has; otherwise we would disturb another program.
fn free_key() -> Result<libc::key_t> {
    let file = leftovers::key_file("lab-4.4.key")?;
    let key = shm::ftok(&file, 'B' as i32)?;
    leftovers::inherit(key)?;
    Ok(key)
}

/// Sets a limit of the IPC namespace that this process is root of.
fn set(name: &str, value: &str) -> Result<()> {
    let file = format!("/proc/sys/kernel/{name}");
    fs::write(&file, value)
        .map_err(|_| Failure::Needs(say!("to write {file}"), "use Linux 5.19 or later, or root"))?;
    note(say!("{file} is now {value}"));
    Ok(())
}
