//! The cell: where what a student has written is compiled and run. Namespaces, files and a user of its own; a program
//! in it can reach nothing outside. It does one thing after the other, as it is asked, each in a process of its own,
//! and ends with us.

use std::fs;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{
    ForkResult, Gid, Pid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, fork, getegid, geteuid, pipe2,
    setgroups, setresgid, setresuid,
};

use say::tell;
use screen::words::translated;

use super::evidence::{Answer, Ask};
use super::tree::{self, Item};
use super::walls::{self, NOBODY};
use super::{compile, instruments};
use crate::asked;

/// A kernel that does not end what was killed is not waited for.
const DEATH: Duration = Duration::from_secs(10);
/// A machine that is busy needs a while to make one.
const READY: Duration = Duration::from_secs(120);
/// More than this is no answer.
const MOST: usize = 16 << 20;

/// See the module.
pub struct Cell {
    outer: Pid,
    asks: File,
    answers: File,
    /// Where the source and the program are, in it.
    pub work: PathBuf,
    folder: PathBuf,
}

/// What a cell is made of.
pub struct Content {
    pub items: Vec<Item>,
    /// Folders that a compiler needs, and their names in the cell.
    pub shown: Vec<(PathBuf, PathBuf)>,
    /// No walls, on the user's word.
    pub trust: bool,
}

/// Why there is no answer.
pub enum Silent {
    /// A signal asks us to stop.
    Asked(i32),
    /// It took longer than our patience.
    Late,
    /// It ended without one: one line.
    Ended(String),
}

impl Cell {
    /// Makes it. The error says which wall does not stand.
    pub fn new(content: &Content) -> Result<Cell, String> {
        let folder = std::env::temp_dir().join("lab-check-XXXXXX");
        let folder = nix::unistd::mkdtemp(&folder)
            .map_err(|errno| format!("{}: {errno}", folder.display()))?;
        let pipe = || pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| format!("pipe: {errno}"));
        let ((asked, asks), (answers, answer)) = (pipe()?, pipe()?);
        // SAFETY: numbers. Whoever loses its parent in what we start becomes our child.
        unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
        // SAFETY: we have one thread.
        let outer = match unsafe { fork() }.map_err(|errno| format!("fork: {errno}"))? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                drop((asks, answers));
                let ends = outer(&folder, content, asked, answer.into());
                leave(ends)
            }
        };
        let work = if content.trust { folder.join("work") } else { tree::WORK.into() };
        let (asks, answers) = (File::from(asks), File::from(answers));
        drop((asked, answer));
        let mut cell = Cell { outer, asks, answers, work, folder };
        match cell.hear(Instant::now() + READY) {
            Ok(ready) => ready.not_judged.map_or(Ok(cell), Err),
            Err(Silent::Ended(why)) => Err(why),
            Err(_) => Err(translated("the cell does not answer").into()),
        }
    }

    /// Has it do something, and waits for the answer.
    pub fn ask(&mut self, ask: &Ask, patience: Duration) -> Result<Answer, Silent> {
        let line = serde_json::to_string(ask).unwrap_or_default() + "\n";
        let asked = self.asks.write_all(line.as_bytes());
        asked.map_err(|error| Silent::Ended(tell!("the cell: {error}")))?;
        self.hear(Instant::now() + patience)
    }

    fn hear(&mut self, until: Instant) -> Result<Answer, Silent> {
        let mut line = vec![];
        let mut part = [0; 1 << 16];
        loop {
            if let Some(signal) = asked::to_stop() {
                return Err(Silent::Asked(signal));
            }
            let left = until.saturating_duration_since(Instant::now()).as_millis().min(1000);
            if left == 0 {
                return Err(Silent::Late);
            }
            let mut one =
                libc::pollfd { fd: self.answers.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one record, which outlives the call.
            match Errno::result(unsafe { libc::poll(&mut one, 1, left as i32) }) {
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(Silent::Ended(format!("poll: {errno}"))),
            }
            let got = self.answers.read(&mut part).unwrap_or(0);
            line.extend(&part[..got]);
            if got == 0 || line.len() > MOST {
                return Err(Silent::Ended(translated("the cell ended without an answer").into()));
            }
            if line.ends_with(b"\n") {
                return serde_json::from_slice(&line)
                    .map_err(|error| Silent::Ended(tell!("the cell's answer: {error}")));
            }
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        // Our child, and not reaped: the number is its own. All that is in the cell ends with it.
        let _ = kill(self.outer, Signal::SIGKILL);
        // Then the first process in the cell is our child, and its end is reported when all others in there have
        // ended.
        let until = Instant::now() + DEATH;
        while Instant::now() < until {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                // SAFETY: no record; it only waits a little.
                Ok(WaitStatus::StillAlive) => unsafe {
                    libc::poll(std::ptr::null_mut(), 0, 5);
                },
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        // What cannot be removed is in the folder for what may be lost.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn leave(ends: Result<(), String>) -> ! {
    // SAFETY: ends the process at once: what it has inherited is not its own to clean up.
    unsafe { libc::_exit(i32::from(ends.is_err())) }
}

/// We end when our parent does.
fn ends_with_parent() {
    // SAFETY: it takes numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

fn say(to: &mut File, answer: &Answer) -> Result<(), String> {
    let line = serde_json::to_string(answer).unwrap_or_default() + "\n";
    to.write_all(line.as_bytes()).map_err(|error| error.to_string())
}

/// The process that holds the cell. Its child is the first one in it.
fn outer(folder: &Path, content: &Content, asked: OwnedFd, answer: File) -> Result<(), String> {
    ends_with_parent();
    // SAFETY: numbers. The terminal's signals are for the process that started us.
    unsafe { libc::setpgid(0, 0) };
    let mut answer = answer;
    let namespaces = if content.trust { Ok(()) } else { namespaces() };
    if let Err(why) = namespaces {
        return say(&mut answer, &Answer { not_judged: Some(why), ..Answer::default() });
    }
    // SAFETY: we have one thread.
    match unsafe { fork() }.map_err(|errno| errno.to_string())? {
        ForkResult::Child => {
            let entered = inner(folder, content);
            let not_judged = entered.as_ref().err().cloned();
            let said = say(&mut answer, &Answer { not_judged, ..Answer::default() });
            leave(entered.and(said).and_then(|()| serve(asked.into(), answer)))
        }
        ForkResult::Parent { child } => {
            drop((asked, answer));
            while waitpid(child, None) == Err(Errno::EINTR) {}
            Ok(())
        }
    }
}

fn namespaces() -> Result<(), String> {
    let (uid, gid) = (geteuid(), getegid());
    if !uid.is_root() {
        let refused = |errno| tell!("a user namespace is refused: {errno}");
        unshare(CloneFlags::CLONE_NEWUSER).map_err(refused)?;
        for (file, text) in [
            ("setgroups", "deny".to_string()),
            ("uid_map", format!("{uid} {uid} 1")),
            ("gid_map", format!("{gid} {gid} 1")),
        ] {
            let path = format!("/proc/self/{file}");
            fs::write(&path, text).map_err(|error| format!("{path}: {error}"))?;
        }
    }
    let all = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS;
    unshare(all).map_err(|errno| tell!("namespaces are refused: {errno}"))
}

/// The first process in the cell: its files, its user.
fn inner(folder: &Path, content: &Content) -> Result<(), String> {
    ends_with_parent();
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| format!("/dev/null: {error}"))?;
    let done = dup2_stdin(&null).and(dup2_stdout(&null)).and(dup2_stderr(&null));
    done.map_err(|errno| format!("dup2: {errno}"))?;
    if content.trust {
        let work = folder.join("work");
        fs::create_dir(&work).map_err(|error| error.to_string())?;
        content.items.iter().try_for_each(|item| tree::place(&work, item))?;
        return std::env::set_current_dir(work).map_err(|error| error.to_string());
    }
    tree::enter(folder, &content.items, &content.shown)?;
    if Uid::effective().is_root() {
        let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        setgroups(&[]).map_err(|errno| format!("setgroups: {errno}"))?;
        setresgid(gid, gid, gid).map_err(|errno| format!("setresgid: {errno}"))?;
        setresuid(uid, uid, uid).map_err(|errno| format!("setresuid: {errno}"))?;
        ends_with_parent();
        // Else its own files in /proc would be root's, and a user namespace needs them.
        // SAFETY: it takes numbers.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
    }
    // SAFETY: we have one thread. Nothing of the user's is known in here.
    unsafe {
        for (name, _) in std::env::vars_os() {
            std::env::remove_var(name);
        }
        for (name, value) in
            [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("HOME", "/tmp")]
        {
            std::env::set_var(name, value);
        }
    }
    walls::no_new_privileges()
}

/// Does what it is asked, one after the other, until nobody asks any more.
fn serve(mut asked: File, mut answers: File) -> Result<(), String> {
    loop {
        let mut line = vec![];
        let mut byte = [0];
        while byte != *b"\n" {
            match asked.read(&mut byte) {
                Ok(1) => line.push(byte[0]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return Ok(()),
            }
        }
        let ask: Ask = serde_json::from_slice(&line).map_err(|error| error.to_string())?;
        // SAFETY: we have one thread.
        match unsafe { fork() }.map_err(|errno| errno.to_string())? {
            ForkResult::Child => {
                ends_with_parent();
                asked::listen(&[]);
                let answer = match &ask {
                    Ask::Compile(how) => compile::inside(how),
                    Ask::Try(how) => instruments::inside(how),
                    Ask::Again(how) => instruments::again(how),
                };
                leave(say(&mut answers, &answer))
            }
            ForkResult::Parent { child } => {
                // As the first process of its namespace it is the parent of all that have lost theirs.
                loop {
                    match waitpid(None::<Pid>, None) {
                        Ok(status) if status.pid() == Some(child) => {
                            if !matches!(status, WaitStatus::Exited(_, 0)) {
                                let why = tell!("an instrument ended otherwise: {status:?}");
                                say(
                                    &mut answers,
                                    &Answer { not_judged: Some(why), ..Answer::default() },
                                )?;
                            }
                            break;
                        }
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(errno) => return Err(errno.to_string()),
                    }
                }
            }
        }
    }
}
