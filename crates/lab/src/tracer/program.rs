//! A program that is to be run, and the signals with which it starts.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::c_int;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{AccessFlags, access};

/// A program and its arguments, found in PATH.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file that is run.
    pub path: PathBuf,
    /// Its arguments, its own name first.
    pub words: Vec<OsString>,
}

impl Program {
    /// Looks a program up as a shell does. ENOENT, EACCES.
    pub fn find(words: &[OsString]) -> nix::Result<Program> {
        let name = words.first().filter(|name| !name.is_empty()).ok_or(Errno::ENOENT)?;
        let dirs: Vec<PathBuf> = if name.as_bytes().contains(&b'/') {
            vec![PathBuf::new()]
        } else {
            env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect()
        };
        let mut worst = Errno::ENOENT;
        for path in dirs.iter().map(|dir| dir.join(name)) {
            match access(&path, AccessFlags::X_OK) {
                Ok(()) if path.is_dir() => worst = Errno::EACCES,
                Ok(()) => return Ok(Program { path, words: words.to_vec() }),
                // A folder that we may not look into is no reason, a file that is there is.
                Err(Errno::EACCES) if path.exists() => worst = Errno::EACCES,
                Err(_) => {}
            }
        }
        Err(worst)
    }

    /// Its file's name, for people.
    pub fn name(&self) -> String {
        file_name(&self.path)
    }
}

/// The last part of a path, for people.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The signals that we change for ourselves.
const OURS: [c_int; 8] = [
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGHUP,
    libc::SIGTERM,
    libc::SIGALRM,
    libc::SIGTSTP,
    libc::SIGTTIN,
    libc::SIGTTOU,
];

/// Signals as our own start found them, for what we start.
pub struct Signals {
    /// Those of [`OURS`] that were ignored.
    ignored: Vec<c_int>,
    mask: SigSet,
}

impl Signals {
    /// Look before one of them is changed.
    pub fn found() -> Signals {
        let ignored = |signal: &c_int| {
            let mut found: libc::sigaction = super::zeroed();
            // SAFETY: the kernel writes one sigaction.
            unsafe { libc::sigaction(*signal, std::ptr::null(), &mut found) };
            found.sa_sigaction == libc::SIG_IGN
        };
        Signals {
            ignored: OURS.into_iter().filter(ignored).collect(),
            mask: SigSet::thread_get_mask().unwrap_or(SigSet::empty()),
        }
    }

    /// Makes them so again, in the starter. Rust has us ignore SIGPIPE, and did not look before.
    pub fn restore(&self) {
        for signal in OURS.into_iter().chain([libc::SIGPIPE]) {
            let action = if self.ignored.contains(&signal) { libc::SIG_IGN } else { libc::SIG_DFL };
            // SAFETY: signals that exist, and no handler.
            unsafe { libc::signal(signal, action) };
        }
        // Fails only for a `how` that does not exist.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None);
    }
}
