//! The file in which the workbook keeps what it has made: a [`Line`] for each object.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Read, Write};
use std::path::Path;

use crate::folder::{self, Failed};
use crate::line::Line;

/// Changes the ledger in this user's folder of this name while nobody else does. A failure: of which call, and
/// why. A ledger that cannot be read, or not be understood, is no empty one, and stays as it is.
pub fn edit<T>(name: &str, change: impl FnOnce(&mut Vec<Line>) -> T) -> Result<T, Failed> {
    let (dir, lock) = folder::own(name)?;
    let (file, new) = (dir.join("ledger"), dir.join("ledger.new"));
    let call = |name: &str, path: &Path| {
        let call = format!("{name}({path:?})");
        move |error| (call, error)
    };
    let mut locked = lock.lock();
    while locked.as_ref().is_err_and(|error| error.kind() == ErrorKind::Interrupted) {
        locked = lock.lock();
    }
    // Until it is closed.
    locked.map_err(call("flock", &dir))?;
    let mut before = String::with_capacity(4096);
    match File::open(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        opened => {
            // `take`: it is read, without a look at how long it is and where it stands.
            let mut opened = opened.map_err(call("open", &file))?.take(u64::MAX);
            opened.read_to_string(&mut before).map_err(call("read", &file))?;
        }
    }
    let damaged = |text| {
        Error::other(format!("{text:?} is no line of a ledger; see make ipcs, and remove it"))
    };
    let parse = |text| Line::parse(text).ok_or_else(|| damaged(text));
    let lines: Result<Vec<Line>, Error> = before.lines().map(parse).collect();
    let mut lines = lines.map_err(call("read", &file))?;
    let result = change(&mut lines);
    let after: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if after.is_empty() && !before.is_empty() {
        fs::remove_file(&file).map_err(call("unlink", &file))?;
    } else if after != before {
        let mut made = File::create(&new).map_err(call("open", &new))?;
        made.write_all(after.as_bytes()).map_err(call("write", &new))?;
        fs::rename(&new, &file).map_err(call("rename", &new))?;
    }
    Ok(result)
}
