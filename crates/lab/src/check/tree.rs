//! The files that a cell has: the machine's programs and libraries, read-only; a /tmp and a /work of its own; and
//! nothing else: no home, no workbook, no other submission.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::pivot_root;

/// What is shown of the machine, where it is there.
const SHOWN: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
];
/// The devices without which few programs work.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// So much may be written, in /work and in /tmp each.
const ROOM: &str = "size=256m,nr_inodes=20000,mode=1777";

/// Where the source is, and the program.
pub const WORK: &str = "/work";

/// A file for /work.
pub struct Item {
    /// Below /work.
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub runs: bool,
}

const NONE: Option<&str> = None;

fn said<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

/// Makes the tree in a folder, and makes it the root: nothing else is there any more. `shown`: folders that are
/// shown, too, for a compiler, and under which name.
pub fn enter(folder: &Path, items: &[Item], shown: &[(PathBuf, PathBuf)]) -> Result<(), String> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(said("mount /"))?;
    let nothing = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let small = Some("size=1m,mode=755");
    mount(Some("tmpfs"), folder, Some("tmpfs"), nothing, small).map_err(said("tmpfs"))?;
    let usual = SHOWN.iter().map(PathBuf::from).map(|path| (path.clone(), path));
    for (path, name) in usual.chain(shown.iter().cloned()) {
        if path.symlink_metadata().is_ok() {
            show(folder, &path, &name)?;
        }
    }
    for name in ["tmp", "work", "dev", "proc", "old"] {
        fs::create_dir_all(folder.join(name)).map_err(said(name))?;
    }
    for name in DEVICES {
        let (from, to) = (Path::new("/dev").join(name), folder.join("dev").join(name));
        File::create(&to).map_err(said(name))?;
        mount(Some(&from), &to, NONE, MsFlags::MS_BIND, NONE).map_err(said(name))?;
    }
    fs::create_dir(folder.join("dev/shm")).map_err(said("dev/shm"))?;
    for name in ["tmp", "work"] {
        let at = folder.join(name);
        mount(Some("tmpfs"), &at, Some("tmpfs"), nothing, Some(ROOM)).map_err(said(name))?;
    }
    for item in items {
        place(&folder.join("work"), item)?;
    }
    let flags = nothing | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &folder.join("proc"), Some("proc"), flags, NONE).map_err(said("proc"))?;
    pivot_root(folder, &folder.join("old")).map_err(said("pivot_root"))?;
    std::env::set_current_dir("/").map_err(said("/"))?;
    umount2("/old", MntFlags::MNT_DETACH).map_err(said("umount"))?;
    fs::remove_dir("/old").map_err(said("/old"))?;
    let closed = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | nothing;
    mount(NONE, "/", NONE, closed, NONE).map_err(said("read-only"))?;
    std::env::set_current_dir(WORK).map_err(said(WORK))
}

/// One file or folder of the machine, read-only, under a name.
fn show(folder: &Path, path: &Path, name: &Path) -> Result<(), String> {
    let at = folder.join(name.strip_prefix("/").unwrap_or(name));
    if let Some(above) = at.parent() {
        fs::create_dir_all(above).map_err(said(path.display()))?;
    }
    if path.is_symlink() {
        let target = fs::read_link(path).map_err(said(path.display()))?;
        return symlink(target, &at).map_err(said(path.display()));
    }
    if at.exists() {
        // It lies in a folder that is shown already.
        return Ok(());
    }
    let made = if path.is_dir() { fs::create_dir(&at) } else { File::create(&at).map(drop) };
    made.map_err(said(path.display()))?;
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(path), &at, NONE, bind, NONE).map_err(said(path.display()))?;
    // What is set already may not be taken away in a user namespace.
    let has = statvfs(&at).map_or(FsFlags::empty(), |found| found.flags());
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY;
    flags |= MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    for (is, flag) in [
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ] {
        if has.contains(is) {
            flags |= flag;
        }
    }
    mount(NONE, &at, NONE, flags, NONE).map_err(said(path.display()))
}

/// Writes a file into a folder.
pub fn place(folder: &Path, item: &Item) -> Result<(), String> {
    let at = folder.join(&item.path);
    let name = item.path.display().to_string();
    if let Some(above) = at.parent() {
        fs::create_dir_all(above).map_err(said(&name))?;
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(above, open).map_err(said(&name))?;
    }
    fs::write(&at, &item.bytes).map_err(said(&name))?;
    let mode = if item.runs { 0o755 } else { 0o644 };
    fs::set_permissions(&at, fs::Permissions::from_mode(mode)).map_err(said(&name))
}
