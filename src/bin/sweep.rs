//! make sweep: shows what the workbook left in the kernel, asks, and removes exactly that.
//!
//! The ledger lists what it may remove; every lab keeps it (src/lablib/leftovers.rs). An object is
//! removed only if the kernel's row equals the one in the ledger, field by field, if its maker is
//! gone, and if no process is attached. Anything else belongs to another program, or is still in
//! use.

use std::io::{BufRead, stdin};
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command};
use lablib::leftovers::Line;
use lablib::print::translated;
use lablib::{Result, leftovers, looked, print, say};
use sysv::process;
use sysv::tables::Row;

fn main() -> ExitCode {
    let about =
        "Shows what the workbook's programs left in the kernel, asks, and removes exactly that";
    let yes = Arg::new("yes").long("yes").action(ArgAction::SetTrue).help("Do not ask");
    match lablib::arguments(Command::new("sweep").about(about).arg(yes)) {
        Ok(words) => lablib::run(|| sweep(words.get_flag("yes"))),
        Err(code) => code,
    }
}

fn sweep(yes: bool) -> Result<()> {
    // Lines of this namespace whose object another program has removed, for example ipcrm.
    let gone = |line: &Line| line.row().is_none() && line.here() && !process::runs(line.cpid);
    let gone: Vec<Line> = leftovers::lines()?.into_iter().filter(gone).collect();
    looked()?;
    leftovers::edit(|lines| lines.retain(|line| !gone.contains(line)))?;
    let mut left = Vec::new();
    for line in leftovers::lines()? {
        let Some(row) = line.row() else { continue };
        let reason = in_use(&line, &row);
        let (what, id, key) = (line.kind.id_name(), row.id(), line.key);
        let stays = reason.as_deref().unwrap_or(translated("left behind"));
        print::text(say!("{what} {id:<10} key {key:#010x}  made by {:<8} {stays}", line.cpid));
        if reason.is_none() {
            left.push(line);
        }
    }
    looked()?;
    if left.is_empty() {
        print::text("nothing of the workbook's is left behind");
        return Ok(());
    }
    if !yes && !agreed(left.len())? {
        print::text("nothing was removed; answer y, or use make sweep ARGS=--yes");
        return Ok(());
    }
    // Checked again directly before: the id may belong to another object by now.
    let still = |line: &Line| line.row().filter(|row| in_use(line, row).is_none());
    left.iter()
        .filter_map(|line| Some((line, still(line)?)))
        .try_for_each(|(line, row)| leftovers::remove(line, &row))?;
    looked()
}

/// Why an object must stay, if it must.
fn in_use(line: &Line, row: &Row) -> Option<String> {
    match row.get("nattch") {
        0 if process::runs(line.cpid) => Some(say!("stays: {} is still running", line.cpid)),
        0 => None,
        n => Some(say!("stays: attached {n} times")),
    }
}

fn agreed(how_many: usize) -> Result<bool> {
    print::out(&format!("  {} ", say!("Remove {how_many}? [y/N]")));
    let mut answer = String::new();
    // No answer is no.
    let _ = stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
