//! A folder of this user's own: nobody else may write in it, and nobody can take its name away.

use std::fs::{DirBuilder, File};
use std::io::{Error, ErrorKind::AlreadyExists};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use libc::{EACCES, ELOOP, ENOENT, ENOTDIR, EPERM, EROFS, O_DIRECTORY, O_NOFOLLOW};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access, geteuid};

use crate::look::text;

/// A call, and why it failed.
pub type Failed = (String, Error);

/// Opens a folder, not a link to one. EPERM unless it is this user's, and nobody else may write in it.
fn open(dir: &Path) -> Result<File, Failed> {
    let call = |error| (format!("open({dir:?}, O_RDONLY|O_NOFOLLOW|O_CLOEXEC|O_DIRECTORY)"), error);
    let opened = File::options().read(true).custom_flags(O_DIRECTORY | O_NOFOLLOW).open(dir);
    let folder = opened.map_err(call)?;
    let found = folder.metadata().map_err(|error| (format!("stat({dir:?})"), error))?;
    let ours = found.uid() == geteuid().as_raw() && found.mode() & 0o022 == 0;
    // In a user namespace all users without a number there look like one, which may be ours.
    let may = if ours { access(dir, AccessFlags::W_OK) } else { Err(Errno::EPERM) };
    match may {
        Ok(()) => Ok(folder),
        Err(Errno::EPERM | Errno::EACCES) => Err(call(Error::from_raw_os_error(EPERM))),
        Err(errno) => Err((format!("access({dir:?}, W_OK)"), errno.into())),
    }
}

/// `$XDG_RUNTIME_DIR/NAME`, or else `/tmp/NAME-UID`, made with mode 0700. In /tmp another user may have made
/// that one; then `/tmp/NAME-UID.1`, and so on. Answers its name, and the folder, open.
pub fn own(name: &str) -> Result<(PathBuf, File), Failed> {
    let given = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    if let Some(dir) = given.map(|dir| PathBuf::from(dir).join(name))
        && let Some(folder) = will_do(&dir, true)?
    {
        return Ok((dir, folder));
    }
    let map = text("/proc/self/uid_map").unwrap_or_default();
    let first = format!("/tmp/{name}-{}", outside(geteuid().as_raw(), &map));
    let names = (0..10).map(|n| if n == 0 { first.clone() } else { format!("{first}.{n}") });
    let names: Vec<PathBuf> = names.map(PathBuf::from).collect();
    // One that was made while the first name was taken stays the one.
    let there = names.iter().map(|dir| (dir, false));
    for (dir, make) in there.chain(names.iter().map(|dir| (dir, true))) {
        if let Some(folder) = will_do(dir, make)? {
            return Ok((dir.clone(), folder));
        }
    }
    let why = "there is no folder in /tmp that only we may write in, and none can be made; \
               set XDG_RUNTIME_DIR to a folder of yours";
    Err((format!("mkdir({first:?}, 0700)"), Error::other(why)))
}

/// This folder, which is made if asked, if it is one of ours. Any other failure than these is no reason to
/// take another one.
fn will_do(dir: &Path, make: bool) -> Result<Option<File>, Failed> {
    let other = [EACCES, ELOOP, ENOENT, ENOTDIR, EPERM, EROFS];
    let made = if make { DirBuilder::new().mode(0o700).create(dir) } else { Ok(()) };
    let made =
        made.or_else(|error| if error.kind() == AlreadyExists { Ok(()) } else { Err(error) });
    let made = made.map_err(|error| (format!("mkdir({dir:?}, 0700)"), error));
    match made.and_then(|()| open(dir)) {
        Ok(folder) => Ok(Some(folder)),
        // What could be opened is not somebody else's because it could not be looked at.
        Err((call, error))
            if !call.starts_with("stat")
                && error.raw_os_error().is_some_and(|n| other.contains(&n)) =>
        {
            Ok(None)
        }
        Err(failed) => Err(failed),
    }
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
