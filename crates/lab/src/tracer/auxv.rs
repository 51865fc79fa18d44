//! What the kernel puts on the stack of a new program, and how one part of it is removed.
//! getauxval(3), vdso(7)

use nix::sys::ptrace;
use nix::unistd::Pid;

use super::Stopped;
use super::memory::{fill, record, write};

/// AT_SYSINFO_EHDR: where the vDSO is. <linux/auxvec.h>
const SYSINFO: u64 = 33;
/// AT_IGNORE: an entry that means nothing.
const IGNORE: u64 = 1;
/// AT_NULL: the last entry.
const END: u64 = 0;

/// Hides the vDSO from a program that stands at its first instruction: it asks the kernel what time it
/// is, so that we can answer.
pub fn hide_vdso(thread: &Stopped) -> nix::Result<()> {
    let Ok(registers) = ptrace::getregs(Pid::from_raw(thread.tid())) else { return Ok(()) };
    let mut stack = Stack { thread, from: registers.rsp, page: vec![] };
    // The number of arguments, the arguments, NULL, the environment, NULL; then pairs.
    let Some(arguments) = stack.get(0) else { return Ok(()) };
    let mut at = arguments + 2;
    while stack.get(at).is_some_and(|word| word != 0) {
        at += 1;
    }
    at += 1;
    while let Some(kind) = stack.get(at).filter(|kind| *kind != END) {
        if kind == SYSINFO {
            write(stack.thread, stack.from + 8 * at, &[IGNORE])?;
        }
        at += 2;
    }
    Ok(())
}

/// A stack, whose words are read as they are needed.
struct Stack<'a> {
    thread: &'a Stopped,
    from: u64,
    page: Vec<u8>,
}

impl Stack<'_> {
    fn get(&mut self, n: u64) -> Option<u64> {
        let at = 8 * n as usize;
        if self.page.len() < at + 8 {
            let mut page = vec![0; at + 8192];
            let got = fill(self.thread.tid(), self.from, &mut page);
            page.truncate(got);
            self.page = page;
        }
        match self.page.get(at..at + 8) {
            Some(word) => Some(u64::from_ne_bytes(word.try_into().ok()?)),
            // The read stopped at a page that is not there, or short of this word.
            None => record(self.thread.tid(), self.from + at as u64),
        }
    }
}
