//! Whose memory a segment is, in the kernel's accounts, and where else its bytes can go.

use std::fs;

use lablib::child::{self, child};
use lablib::print::{claim, note, traced};
use lablib::shm::{Addr, NULL, page};
use lablib::signals::pause;
use lablib::{Experiment, Failure, Result, say, shm};
use libc::{IPC_PRIVATE, MADV_DODUMP, MADV_DONTDUMP, c_int};
use sysv::look::needed;
use sysv::process::SYS_PAUSE;

use crate::tables::shm_info;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "who-pays",
        rows: "C23 C24",
        question: "In whose account are the pages of a segment, and until when?",
        run: who_pays,
    },
    Experiment {
        name: "core-dump",
        rows: "C25",
        question: "Is a segment part of a core dump, and can it be kept out?",
        run: core_dump,
    },
];

/// In pages.
const SIZE: usize = 16;

/// What /proc/self/smaps says in `field` of the one segment that is attached.
fn smaps(field: &str) -> Result<String> {
    let all = needed("/proc/self/smaps");
    let mut ours = all.lines().skip_while(|line| !line.contains("/SYSV"));
    let value = ours.find_map(|line| line.strip_prefix(field)).map(|text| text.trim().to_string());
    let grant = "use a kernel with CONFIG_PROC_PAGE_MONITOR";
    value.ok_or_else(|| Failure::Needs(format!("{field} in /proc/self/smaps"), grant))
}

/// Pages of it that count for this process.
fn pages(field: &str) -> Result<usize> {
    let text = smaps(field)?;
    let kilobytes: Option<usize> = text.split(' ').next().and_then(|number| number.parse().ok());
    kilobytes.map(|n| n * 1024 / page()).ok_or_else(|| Failure::because(format!("{field} {text}")))
}

/// Pages of all segments here, in memory or in swap.
fn held() -> Result<u64> {
    let (_, info) = shm_info()?;
    Ok(info.shm_rss + info.shm_swp)
}

fn who_pays() -> Result<()> {
    child("alone", || {
        child::enter_own_ipc()?;
        let id = shm::get(IPC_PRIVATE, SIZE * page(), 0o600)?;
        let bytes = vec![b'x'; SIZE * page()];
        let addr = shm::at(id, NULL, 0)?;
        shm::write(addr, &bytes)?;
        child("second", || {
            shm::write(addr, &bytes)?;
            claim(pages("Rss:")? == SIZE, "Rss: all 16 pages, in each process that uses them")?;
            claim(pages("Pss:")? == SIZE / 2, "Pss: 8, for two processes share the 16")
        })?
        .finish()?;
        claim(held()? == SIZE as u64, "and in the kernel's own account they are 16")?;
        shm::dt(addr)?;
        let user = child("third", || {
            shm::write(shm::at(id, NULL, 0)?, &bytes)?;
            pause()
        })?;
        user.until_asleep_in(SYS_PAUSE)?;
        user.kill()?;
        user.wait()?;
        let nobody = shm::ctl_stat(id)?.shm_nattch == 0;
        claim(nobody && held()? == SIZE as u64, "the last user was killed, and 16 pages are held")?;
        note("so killing does not free them, whoever kills: the OOM killer, too");
        shm::ctl_rmid(id)?;
        claim(held()? == 0, "removed: 0")
    })?
    .finish()
}

fn core_dump() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, page(), 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let left_out = || Ok(smaps("VmFlags:")?.split(' ').any(|flag| flag == "dd"));
    claim(!left_out()?, "no dd (do not dump) among its VmFlags in /proc/self/smaps")?;
    note("so a core dump has all its bytes, what other processes wrote included");
    advise(addr, "MADV_DONTDUMP", MADV_DONTDUMP)?;
    claim(left_out()?, "dd: a core dump of this process leaves it out")?;
    advise(addr, "MADV_DODUMP", MADV_DODUMP)?;
    claim(!left_out()?, "MADV_DODUMP: no dd any more")?;
    shm::dt(addr)?;
    shm::ctl_rmid(id)?;
    child("filter", || {
        let (file, anonymous) = ("/proc/self/coredump_filter", 0b10);
        let filter = || u32::from_str_radix(needed(file).trim(), 16).unwrap_or(0);
        let grant = "use a kernel with CONFIG_ELF_CORE";
        let set = |bits: u32| {
            let written = fs::write(file, format!("{bits:#x}"));
            written.map_err(|_| Failure::Needs(say!("to write {file}"), grant))
        };
        set(0x33)?;
        claim(
            filter() & anonymous != 0,
            "bit 1 of coredump_filter is set: shared memory without a file",
        )?;
        set(0x31)?;
        claim(filter() & anonymous == 0, "and cleared: no segment of this process is dumped")
    })?
    .finish()
}

fn advise(addr: Addr, name: &str, advice: c_int) -> Result<()> {
    let line = format!("madvise({addr:p}, {}, {name})", page());
    // SAFETY: `pages` has seen that it is attached; this advice changes nothing but core dumps.
    let call = || unsafe { libc::madvise(addr, page(), advice) };
    shm::pages(addr, page(), true, || traced(line, call).map(drop))
}
