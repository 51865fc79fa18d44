//! Nothing stays behind: what the workbook made and did not remove is found by the ledger, and removed.

use std::sync::atomic::Ordering::Relaxed;
use std::{fs::File, os::fd::AsRawFd, process};

use libc::{c_int, key_t};
use sysv::process::runs;
use sysv::tables::{Kind, Row};

use crate::backstage::failure::{Failure, Result};
pub use crate::backstage::ledger::{Line, edit, lines, runtime_dir, start};
use crate::backstage::terminal::complain;
use crate::backstage::turn::out;
use crate::backstage::{ledger, stop};
use crate::{msg, print, sem, shm};

/// Removes the object of `row`, which [`Line::row`] has just answered. Prints the call.
pub fn remove(line: &Line, row: &Row) -> Result<()> {
    match line.kind {
        Kind::Shm => shm::ctl_rmid(row.id() as c_int),
        Kind::Msg => msg::ctl_rmid(row.id() as c_int),
        Kind::Sem => sem::ctl_rmid(row.id() as c_int),
    }
}

/// Removes what this run made and did not remove (a child: what it made itself). True if
/// something is left all the same. The last word of a run names it, or says that there is none.
pub(crate) fn net(last_word: bool) -> bool {
    let (me, run) = (process::id() as i32, ledger::RUN.load(Relaxed));
    if run <= 0 {
        return false;
    }
    let mine = |line: &Line| line.run == run && (run == me || line.cpid == me);
    stop::undisturbed(|| {
        let lines = lines().unwrap_or_default();
        for line in lines.iter().filter(|line| mine(line)) {
            let Some(row) = line.row() else { continue };
            print::note("safety net: this was made here and not removed");
            // A second time if need be; what stays all the same is told below.
            let _ = print::dim(|| remove(line, &row).or_else(|_| remove(line, &row)));
        }
        let left = |line: &&Line| mine(line) && line.row().is_some();
        let lines: Vec<&Line> = lines.iter().filter(left).collect();
        for Line { kind, id, .. } in lines.iter().filter(|_| last_word) {
            complain(&format!("left behind: {} {id}; try make sweep", kind.id_name()));
        }
        let _ = edit(|all| all.retain(|line| !mine(line) || lines.contains(&line)));
        if last_word && lines.is_empty() {
            out("\nleft behind: none\n");
        }
        !lines.is_empty()
    })
}

/// Removes what a run that was killed left under `key`, and nobody uses: only what is provably
/// ours, as everywhere here. IPC_PRIVATE: every segment without a key, of any section.
pub fn inherit(key: key_t) -> Result<()> {
    let gone = |line: &&Line| !runs(line.cpid) && !runs(line.run);
    for line in lines()?.iter().filter(|line| line.key == key).filter(gone) {
        if let Some(row) = line.row().filter(|row| row.get("nattch") == 0) {
            let what = format!("{} {}", line.kind.id_name(), row.id());
            print::note(&format!("{what} was left by {}, which is gone", line.cpid));
            print::dim(|| remove(line, &row))?;
        }
    }
    Ok(())
}

/// An empty file of this user, for `ftok`, which needs one that exists.
pub fn key_file(name: &str) -> Result<String> {
    let path = runtime_dir()?.join(name);
    let file = File::options().append(true).create(true).open(&path).map_err(|error| {
        Failure::because(format!("cannot make the key file {}: {error}", path.display()))
    })?;
    let line = format!("open({path:?}, O_WRONLY|O_CREAT|O_APPEND|O_CLOEXEC, 0666)");
    print::dim(|| print::after(Ok(file.as_raw_fd()), |_| line))?;
    Ok(path.display().to_string())
}
