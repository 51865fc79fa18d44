//! Several submissions at a time, each in a process of its own, which ends with us.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::class::Submission;
use crate::asked;
use crate::check::apart::Judged;

/// So often we look for signals, for what is late, and at the clock, in milliseconds.
const LOOK: i32 = 200;
/// One that is asked to end clears its cell away.
const CLEARS: Duration = Duration::from_secs(5);
/// More than this is no verdict.
const MOST: usize = 64 << 20;

/// How a submission is judged: what each process is told, and how long it may take.
pub struct How {
    /// The words of `lab check`, up to the section.
    pub words: Vec<OsString>,
    pub section: String,
    /// Where it may make folders.
    pub room: std::path::PathBuf,
    pub jobs: usize,
    pub limit: Duration,
}

/// Why it ended early.
pub enum Stop {
    /// A signal asks us to.
    Signal(i32),
    /// One line.
    Failed(String),
}

/// How far it is.
#[derive(Default, Clone, PartialEq, Debug)]
pub struct Far {
    pub done: usize,
    pub waiting: usize,
    /// How long those took that are done, together; and those that are not, so far.
    pub took: Duration,
    pub running: Vec<Duration>,
    pub jobs: usize,
}

impl Far {
    /// About how long the rest takes; none: nothing is known yet.
    pub fn left(&self) -> Option<Duration> {
        // One that runs longer than the others says that they all may.
        let so_far: Duration = self.running.iter().sum();
        if self.done == 0 {
            return None;
        }
        let usual = self.took / self.done as u32;
        let longer = self.running.iter().filter(|one| **one > usual).count();
        let late: Duration = self.running.iter().filter(|one| **one > usual).sum();
        let usual = (self.took + late) / (self.done + longer) as u32;
        let whole = usual * (self.waiting + self.running.len()) as u32;
        let rest =
            whole.saturating_sub(so_far).max(if whole.is_zero() { whole } else { usual / 4 });
        Some(rest / self.jobs.clamp(1, (self.waiting + self.running.len()).max(1)) as u32)
    }
}

/// One that is being judged.
struct Running<'a> {
    one: &'a Submission,
    child: Child,
    said: Vec<u8>,
    since: Instant,
}

/// Judges them all. `done` is called with each verdict, `tick` several times a second.
pub fn all(
    mut waiting: Vec<&Submission>,
    how: &How,
    done: &mut dyn FnMut(&Submission, Judged) -> Result<(), String>,
    tick: &mut dyn FnMut(&Far),
) -> Result<(), Stop> {
    waiting.reverse();
    let mut running: Vec<Running> = vec![];
    let mut far = Far { jobs: how.jobs, ..Far::default() };
    let ends = loop {
        if let Some(signal) = asked::to_stop() {
            break Err(Stop::Signal(signal));
        }
        while running.len() < how.jobs
            && let Some(one) = waiting.pop()
        {
            match start(one, how) {
                Ok(child) => {
                    running.push(Running { one, child, said: vec![], since: Instant::now() });
                }
                Err(error) => {
                    waiting.push(one);
                    // With fewer at a time it may go on.
                    if running.is_empty() {
                        end(running);
                        return Err(Stop::Failed(format!("a process for {}: {error}", one.id)));
                    }
                    break;
                }
            }
        }
        if running.is_empty() {
            break Ok(());
        }
        hear(&mut running);
        let mut n = 0;
        let mut failed = None;
        while n < running.len() {
            let Some(judged) = running[n].ended(how.limit) else {
                n += 1;
                continue;
            };
            let ended = running.swap_remove(n);
            far.done += 1;
            far.took += ended.since.elapsed();
            if let Err(why) = done(ended.one, judged) {
                failed = Some(Stop::Failed(why));
                break;
            }
        }
        if let Some(failed) = failed {
            break Err(failed);
        }
        far.waiting = waiting.len();
        far.running = running.iter().map(|one| one.since.elapsed()).collect();
        tick(&far);
    };
    end(running);
    ends
}

fn start(one: &Submission, how: &How) -> io::Result<Child> {
    let source = one.source.as_deref().unwrap_or(&one.path);
    let mut command = Command::new("/proc/self/exe");
    command.arg0("lab").args(&how.words);
    command.arg("--apart").arg(std::process::id().to_string());
    command.arg("--").arg(&how.section).arg(source);
    command.env("TMPDIR", &how.room).env_remove("RUST_BACKTRACE");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // The terminal's signals are for us.
    command.process_group(0).spawn()
}

/// Waits until one of them says something, or for a while; and reads it.
fn hear(running: &mut [Running]) {
    let fd = |one: &Running| one.child.stdout.as_ref().map_or(-1, |out| out.as_raw_fd());
    let record = |one: &Running| libc::pollfd { fd: fd(one), events: libc::POLLIN, revents: 0 };
    let mut all: Vec<libc::pollfd> = running.iter().map(record).collect();
    // SAFETY: so many records, which outlive the call.
    let got = Errno::result(unsafe { libc::poll(all.as_mut_ptr(), all.len() as _, LOOK) });
    if got.is_err() {
        return;
    }
    let mut part = vec![0; 1 << 16];
    for (one, record) in running.iter_mut().zip(all) {
        let Some(out) = one.child.stdout.as_mut().filter(|_| record.revents != 0) else { continue };
        match out.read(&mut part) {
            Ok(got) if got > 0 && one.said.len() <= MOST => one.said.extend(&part[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => one.child.stdout = None,
        }
    }
}

impl Running<'_> {
    /// Its verdict, if it has ended, or has to.
    fn ended(&mut self, limit: Duration) -> Option<Judged> {
        if self.since.elapsed() >= limit {
            self.kill();
            return Some(Judged::without(format!("it took longer than {} s", limit.as_secs())));
        }
        if self.child.stdout.is_some() {
            return None;
        }
        // It has said all, and ends.
        let status = self.child.wait();
        let judged = serde_json::from_slice(&self.said);
        Some(judged.unwrap_or_else(|_| Judged::without(without_a_word(status))))
    }

    fn kill(&mut self) {
        // Our child, and not reaped. All that is in its cell ends with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn without_a_word(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => format!("the judge was ended by signal {signal}"),
            (_, code) => {
                format!("the judge ended without a verdict (exit code {})", code.unwrap_or(0))
            }
        },
        Err(error) => format!("the judge: {error}"),
    }
}

/// Ends those that are left.
fn end(mut running: Vec<Running>) {
    for one in &running {
        // Our children, and not reaped.
        let _ = kill(Pid::from_raw(one.child.id() as i32), Signal::SIGTERM);
    }
    let until = Instant::now() + CLEARS;
    while !running.is_empty() && Instant::now() < until {
        running.retain_mut(|one| matches!(one.child.try_wait(), Ok(None)));
        hear(&mut running);
        // SAFETY: no record; it only waits a little.
        unsafe { libc::poll(std::ptr::null_mut(), 0, 10) };
    }
    running.iter_mut().for_each(Running::kill);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far(done: usize, took: u64, waiting: usize, running: &[u64]) -> Far {
        let seconds = Duration::from_secs;
        let running = running.iter().map(|one| seconds(*one)).collect();
        Far { done, waiting, took: seconds(took), running, jobs: 2 }
    }

    #[test]
    fn the_time_left_goes_on_between_two_verdicts() {
        assert_eq!(far(0, 0, 9, &[1]).left(), None);
        let first = far(10, 20, 20, &[0, 0]).left();
        assert_eq!(first, Some(Duration::from_secs(22)));
        assert!(far(10, 20, 20, &[1, 1]).left() < first);
        // Two that hang say that it takes longer than was thought.
        assert!(far(10, 20, 20, &[60, 60]).left() > first);
        assert_eq!(far(10, 20, 0, &[]).left(), Some(Duration::ZERO));
    }
}
