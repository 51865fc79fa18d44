//! A folder of this user's own: nobody else may write in it, and nobody can take its name away.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use libc::{O_DIRECTORY, O_NOFOLLOW};
use nix::unistd::{AccessFlags, access, geteuid};

/// Opens a folder, not a link to one. An error unless it is this user's, and nobody else may write in it.
pub fn open(dir: &Path) -> io::Result<File> {
    let folder = File::options().read(true).custom_flags(O_DIRECTORY | O_NOFOLLOW).open(dir)?;
    let found = folder.metadata()?;
    let ours = found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
    // In a user namespace all users without a number there look like one, which may be ours.
    if ours && access(dir, AccessFlags::W_OK).is_ok() {
        return Ok(folder);
    }
    Err(ErrorKind::PermissionDenied.into())
}

/// `$XDG_RUNTIME_DIR/NAME`, or else `/tmp/NAME-UID`, made with mode 0700. In /tmp another user may have made
/// that one; then `/tmp/NAME-UID.1`, and so on.
pub fn own(name: &str) -> Option<PathBuf> {
    let make = |dir: &PathBuf| {
        // It may exist already; whether it will do is looked at next.
        let _ = DirBuilder::new().mode(0o700).create(dir);
        open(dir).is_ok()
    };
    let given = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    let given = given.map(|dir| PathBuf::from(dir).join(name)).filter(make);
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let first = format!("/tmp/{name}-{}", outside(geteuid().as_raw(), &map));
    let next = (1..10).map(|n| PathBuf::from(format!("{first}.{n}")));
    let names: Vec<PathBuf> = [PathBuf::from(&first)].into_iter().chain(next).collect();
    // One that was made while the first name was taken stays the one.
    let there = || names.iter().find(|dir| open(dir).is_ok()).cloned();
    given.or_else(there).or_else(|| names.iter().find(|dir| make(dir)).cloned())
}

/// A user's number outside of this user namespace, by the namespace's map: inside, everybody may be 0.
fn outside(uid: u32, map: &str) -> u32 {
    let range = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let [first, outside, count] = numbers[..] else { return None };
        uid.checked_sub(first).filter(|n| *n < count).map(|n| outside + n)
    };
    map.lines().find_map(range).unwrap_or(uid)
}

#[cfg(test)]
mod tests {
    use super::outside;

    #[test]
    fn a_user_has_the_number_of_outside() {
        assert_eq!(outside(0, "         0       1000          1\n"), 1000);
        assert_eq!(outside(7, "0 1000 1\n1 100000 65536\n"), 100_006);
        assert_eq!(outside(1000, "0 0 4294967295\n"), 1000);
        assert_eq!(outside(65534, ""), 65534);
    }
}
