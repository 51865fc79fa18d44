//! What `ftok` does with a path and a number.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use lablib::print::{claim, note};
use lablib::{Experiment, Failure, Result, child, compare, expect_errno, leftovers, say, shm};
use libc::{IPC_CREAT, IPC_EXCL};
use nix::errno::Errno;
use sysv::tables;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "ftok-same-file",
        rows: "F2",
        question: "Is the key the path's or the file's?",
        run: same_file,
    },
    Experiment {
        name: "ftok-low-bits",
        rows: "F3 F4",
        question: "How much of proj_id counts, and is 0 allowed?",
        run: low_bits,
    },
    Experiment {
        name: "ftok-negative",
        rows: "F5",
        question: "Can a good key be negative?",
        run: negative,
    },
    Experiment {
        name: "ftok-errors",
        rows: "F6",
        question: "What does ftok say of a path that it cannot look at?",
        run: errors,
    },
    Experiment {
        name: "ftok-unchecked",
        rows: "F7",
        question: "What if nobody looks whether ftok failed?",
        run: unchecked,
    },
    Experiment {
        name: "ftok-replaced",
        rows: "F8 F9",
        question: "Does the key survive a file that is made again, or saved by an editor?",
        run: replaced,
    },
    Experiment {
        name: "ftok-collision",
        rows: "F10",
        question: "Can two files of one file system have the same key?",
        run: collision,
    },
];

/// A folder that goes with everything in it when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(place: &Path) -> Result<Folder> {
        let path = place.join(format!("lab-4.4-{}", std::process::id()));
        fs::create_dir(&path).map_err(trouble(&path))?;
        Ok(Folder(path))
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn file(&self, name: &str) -> Result<String> {
        let path = self.path(name);
        File::create(&path).map_err(trouble(Path::new(&path)))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Only a folder that another program has removed cannot be removed.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn trouble(path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    Failure::of(say!("a file of the lab's, {},", path.display()))
}

fn same_file() -> Result<()> {
    let folder = Folder::new(&leftovers::runtime_dir()?)?;
    let (file, hard, soft) = (folder.file("file")?, folder.path("hard"), folder.path("soft"));
    let linked = fs::hard_link(&file, &hard).and_then(|()| symlink(&file, &soft));
    linked.map_err(trouble(&folder.0))?;
    let key = shm::ftok(&file, 'A' as i32)?;
    for path in [hard, soft, folder.path("./file")] {
        claim(shm::ftok(&path, 'A' as i32)? == key, "another name of the file: the same key")?;
    }
    shm::ftok(&folder.path("."), 'A' as i32)?;
    note("a folder is a file, too");
    Ok(())
}

fn low_bits() -> Result<()> {
    let file = leftovers::key_file("lab-4.4.key")?;
    let a = shm::ftok(&file, 'A' as i32)?;
    claim(shm::ftok(&file, 0x100 | 'A' as i32)? == a, "only the low 8 bits of proj_id count")?;
    let zero = shm::ftok(&file, 0)?;
    claim(zero as u32 >> 24 == 0, "proj_id 0 is taken: 8 bits of 0")?;
    claim(shm::ftok(&file, 256)? == zero, "256 gives the same key as 0")
}

fn negative() -> Result<()> {
    let key = shm::ftok(&leftovers::key_file("lab-4.4.key")?, 0xff)?;
    leftovers::inherit(key)?;
    claim(key < -1, "a negative number, and not -1")?;
    let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL | 0o600)?;
    compare::segment(id)?;
    note("a good key: only -1 is an error");
    let row = tables::segment(id).map_or(0, |row| row.get("key"));
    claim(row == key.into(), "/proc/sysvipc/shm prints it as a signed number")?;
    shm::ctl_rmid(id)
}

fn errors() -> Result<()> {
    child::child("user", || {
        child::become_ordinary()?;
        let folder = Folder::new(Path::new("/tmp"))?;
        let (file, locked, ring) =
            (folder.file("file")?, folder.path("locked"), folder.path("ring"));
        let forbid = |mode| fs::set_permissions(&locked, PermissionsExt::from_mode(mode));
        symlink(&ring, &ring).and_then(|()| fs::create_dir(&locked)).map_err(trouble(&folder.0))?;
        forbid(0).map_err(trouble(&folder.0))?;
        expect_errno(shm::ftok(&folder.path("nothing"), 1), Errno::ENOENT)?;
        expect_errno(shm::ftok(&(file + "/below"), 1), Errno::ENOTDIR)?;
        expect_errno(shm::ftok(&ring, 1), Errno::ELOOP)?;
        expect_errno(shm::ftok(&format!("/tmp/{}", "x".repeat(300)), 1), Errno::ENAMETOOLONG)?;
        let refused = expect_errno(shm::ftok(&folder.path("locked/file"), 1), Errno::EACCES);
        forbid(0o700).map_err(trouble(&folder.0))?;
        refused?;
        note("ftok is a stat(2), and its errors are stat's");
        Ok(())
    })?
    .finish()
}

fn unchecked() -> Result<()> {
    let missing = leftovers::runtime_dir()?.join("no-such-file").display().to_string();
    expect_errno(shm::ftok(&missing, 'A' as i32), Errno::ENOENT)?;
    let id = shm::get(-1, 1, IPC_CREAT | IPC_EXCL | 0o600)?;
    let key = tables::segment(id).map(|row| row.key());
    claim(key == Some(-1), "-1 is a key like any other to shmget")?;
    note("two programs with wrong paths meet here");
    shm::ctl_rmid(id)
}

fn replaced() -> Result<()> {
    let folder = Folder::new(&leftovers::runtime_dir()?)?;
    let file = folder.file("file")?;
    shm::ftok(&file, 'A' as i32)?;
    fs::remove_file(&file).map_err(trouble(&folder.0))?;
    let again = shm::ftok(&folder.file("file")?, 'A' as i32)?;
    note("deleted and made again: the same inode number or another, and so the key");
    fs::rename(folder.file("new")?, &file).map_err(trouble(&folder.0))?;
    let renamed = shm::ftok(&file, 'A' as i32)?;
    claim(renamed != again, "a new file renamed over it, as editors save: another key")
}

fn collision() -> Result<()> {
    let place = Path::new("/dev/shm");
    let grant = "mount a tmpfs at /dev/shm, where inode numbers are given out in order";
    let missing = || Failure::Needs("a file system with an inode number to predict".into(), grant);
    let absent = [Errno::ENOENT, Errno::EACCES, Errno::EROFS];
    let folder = Folder::new(place).map_err(|failure| match failure {
        Failure::Call(_, errno) if absent.contains(&errno) => missing(),
        other => other,
    })?;
    let inode = |path: &str| fs::metadata(path).map(|seen| seen.ino()).map_err(trouble(&folder.0));
    // A file that stays keeps its number taken; the others are given the numbers that follow.
    let first = folder.file("first")?;
    let taken = inode(&first)?;
    for _ in 0..200_000 {
        let second = folder.file("second")?;
        let given = inode(&second)?;
        if given != taken && given.abs_diff(taken) % 65536 == 0 {
            let (one, two) = (shm::ftok(&first, 'A' as i32)?, shm::ftok(&second, 'A' as i32)?);
            return claim(one == two, "two files whose inode numbers differ by 65536 have one key");
        }
        fs::remove_file(second).map_err(trouble(&folder.0))?;
    }
    Err(missing())
}
