//! Places that other processes see, too, and that a run must find as the run before did: /tmp, /dev/shm
//! and the ports of the network. The room has its own.
//!
//! /dev/shm is empty at each start. In /tmp the programs see what was there (one of them may be the
//! program itself), and what they write goes elsewhere: overlayfs. There is no network but `lo`.

use std::env;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use libc::{c_int, c_ulong, c_void};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{AccessFlags, access};

use super::complain;
use super::tables::empty;
use crate::tracer::Tid;

/// One that the room may have to share with the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    Tmp = 1,
    Shm = 2,
    Ports = 4,
}

// ---- in the starter

/// Makes them, in namespaces of our own. `scratch`: where programs will certainly write. Answers which could not be made, a bit each, and a descriptor
/// of what is written in /tmp.
pub fn make(scratch: &Path) -> [c_int; 2] {
    let here = env::current_dir().ok();
    let no_ports = if network().is_err() { Place::Ports as c_int } else { 0 };
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    let no_shm = match mount("tmpfs", "/dev/shm", flags, "mode=1777") {
        Ok(()) => 0,
        Err(_) => Place::Shm as c_int,
    };
    let written = overlay([here.as_deref().unwrap_or(scratch), scratch]).ok();
    let no_tmp = if written.is_none() { Place::Tmp as c_int } else { 0 };
    let written = written.map_or(-1, IntoRawFd::into_raw_fd);
    // We stood in what lies below now.
    let _ = here.map(env::set_current_dir);
    [no_ports | no_shm | no_tmp, written]
}

/// A network of our own, where this machine can be reached as `localhost`.
fn network() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    // SAFETY: a record of numbers, for which zeros are a value; two requests that read and fill it.
    let up = unsafe {
        let mut lo: libc::ifreq = std::mem::zeroed();
        lo.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        let found = libc::ioctl(socket, libc::SIOCGIFFLAGS, &raw mut lo);
        lo.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        let up = Errno::result(found | libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const lo));
        libc::close(socket);
        up
    };
    // A port is free again as soon as nobody has it: the next run must not find it in TIME_WAIT.
    let _ = fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0");
    up.map(drop)
}

/// /tmp over /tmp. Answers the folder that has what is written there. What could be written before must be
/// writable: in a user namespace, folders of users whom it does not have cannot be copied.
fn overlay(folders: [&Path; 2]) -> std::io::Result<File> {
    let lower = File::open("/tmp")?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let at = |line: &str| line.split(' ').nth(4).is_some_and(|at| at.starts_with("/tmp/"));
    // What is mounted in there would not be seen any more.
    if mounts.lines().any(at) {
        return Err(Errno::EBUSY.into());
    }
    let inside = folders.iter().filter(|folder| folder.starts_with("/tmp"));
    let writable: Vec<_> =
        inside.filter(|folder| access(**folder, AccessFlags::W_OK).is_ok()).collect();
    mount("tmpfs", "/tmp", libc::MS_NOSUID | libc::MS_NODEV, "mode=1777")?;
    let mut mounted = 1;
    let mut done = || {
        for folder in ["/tmp/upper", "/tmp/work"] {
            fs::create_dir(folder)?;
        }
        fs::set_permissions("/tmp/upper", fs::Permissions::from_mode(0o1777))?;
        let written = File::open("/tmp/upper")?;
        let lower = lower.as_raw_fd();
        let options =
            format!("lowerdir=/proc/self/fd/{lower},upperdir=/tmp/upper,workdir=/tmp/work");
        // Without privilege only these attributes may be set.
        mount("overlay", "/tmp", 0, &format!("{options},userxattr"))
            .or_else(|_| mount("overlay", "/tmp", 0, &options))?;
        mounted = 2;
        for folder in &writable {
            let trial = folder.join(".lab-explore-trial");
            File::create_new(&trial)?;
            fs::remove_file(&trial)?;
        }
        Ok(written)
    };
    let done: std::io::Result<File> = done();
    for _ in 0..if done.is_err() { mounted } else { 0 } {
        // SAFETY: a literal; what we have mounted there goes.
        unsafe { libc::umount2(c"/tmp".as_ptr(), libc::MNT_DETACH) };
    }
    done
}

fn mount(kind: &str, at: &str, flags: c_ulong, options: &str) -> nix::Result<()> {
    let [kind, at, options] =
        [kind, at, options].map(|text| CString::new(text).unwrap_or_default());
    // SAFETY: strings that outlive the call.
    Errno::result(unsafe {
        let options = options.as_ptr().cast::<c_void>();
        libc::mount(kind.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, options)
    })
    .map(drop)
}

/// One folder is found where another was. mount(2), MS_BIND
pub fn bind(folder: &Path, at: &Path) -> nix::Result<()> {
    mount(&folder.to_string_lossy(), &at.to_string_lossy(), libc::MS_BIND, "")
}

/// A folder, by a path that means the same when something is mounted over it.
pub fn whatever_lies_over(folder: &Path) -> PathBuf {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return folder.into();
    };
    // Open as long as we live.
    let fd = File::open(parent).map(IntoRawFd::into_raw_fd);
    fd.map_or(folder.into(), |fd| Path::new(&format!("/proc/self/fd/{fd}")).join(name))
}

// ---- in the tracer

/// The room's, as we see them from outside.
#[derive(Default)]
pub struct Places {
    shared: c_int,
    shm: Option<File>,
    tmp: Option<File>,
    /// What was written in /tmp.
    written: Option<File>,
    /// One that the machine has, too, was used.
    used: bool,
    /// It has been said that something there stays changed.
    said: bool,
}

impl Places {
    /// Those of the starter. `made`: what [`make`] has answered.
    pub fn found(starter: Tid, [shared, written]: [c_int; 2]) -> Places {
        let open = |place: Place, path: String| {
            (shared & place as c_int == 0)
                .then(|| File::open(format!("/proc/{starter}/{path}")).ok())?
        };
        Places {
            shared,
            shm: open(Place::Shm, "root/dev/shm".into()),
            tmp: open(Place::Tmp, "root/tmp".into()),
            written: open(Place::Tmp, format!("fd/{written}")),
            used: false,
            said: false,
        }
    }

    /// As no run had been before.
    pub fn empty(&mut self) {
        let path = |file: &File| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if let Some(shm) = &self.shm {
            empty(&path(shm));
        }
        let (Some(tmp), Some(written)) = (&self.tmp, &self.written) else { return };
        let changed = clear(&path(written), &path(tmp), Path::new("/tmp"));
        if changed && !std::mem::replace(&mut self.said, true) {
            complain(
                "a file of /tmp that was there before is changed or removed: later runs find it so; \
                 the file itself stays as it was",
            );
        }
    }

    /// Does a path lead into one that is the room's own?
    pub fn is_own(&self, path: &Path) -> bool {
        let own = |place: Place| self.shared & place as c_int == 0;
        path.starts_with("/tmp") && own(Place::Tmp)
            || path.starts_with("/dev/shm") && own(Place::Shm)
    }

    /// Were only those used that are the room's own, and are they as the first run has found them?
    pub fn are_its_own(&self) -> bool {
        !self.used && !self.said
    }

    /// A run is about to use one. If it is not the room's own, that is said once.
    pub fn is_used(&mut self, place: Place) {
        if self.shared & place as c_int != 0 {
            self.used = true;
            self.shared &= !(place as c_int);
            let what = match place {
                Place::Tmp => "/tmp",
                Place::Shm => "/dev/shm",
                Place::Ports => "network",
            };
            complain(&format!(
                "the programs cannot have their own {what}: what one run leaves there, the next one \
                 finds"
            ));
        }
    }
}

/// Removes what was not there before. True: something that was there has changed.
fn clear(written: &Path, seen: &Path, before: &Path) -> bool {
    let mut changed = false;
    for entry in fs::read_dir(written).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let [written, seen, before] = [written, seen, before].map(|folder| folder.join(&name));
        let Ok(found) = fs::symlink_metadata(&written) else { continue };
        match fs::symlink_metadata(&before) {
            Err(_) if found.is_dir() => drop(fs::remove_dir_all(&seen)),
            Err(_) => drop(fs::remove_file(&seen)),
            Ok(was) if found.is_dir() && was.is_dir() => changed |= clear(&written, &seen, &before),
            // One that was removed is a device without a number.
            Ok(_) => {
                let removed = found.file_type().is_char_device() && found.rdev() == 0;
                changed |= removed || !is_as_before(&written, &before);
            }
        }
    }
    changed
}

/// Opened to be written, and perhaps not written.
fn is_as_before(written: &Path, before: &Path) -> bool {
    matches!((fs::read(written), fs::read(before)), (Ok(one), Ok(other)) if one == other)
}
