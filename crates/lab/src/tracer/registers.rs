//! The few registers that tracing and exploring touch, for each architecture. x86-64 is what is
//! tested; aarch64's stand beside it.
//!
//! The rewind: at the entry of a call [`skip`] makes it do nothing; at its exit [`rewind`] puts the
//! thread back onto the instruction. It then stands just before the call, in user mode, where a
//! pending signal is delivered first.

use nix::sys::ptrace;
use nix::unistd::Pid;

use super::Stopped;
use super::thread::unless_killed;

/// This architecture in `ptrace_syscall_info.arch`: AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64.
#[cfg(target_arch = "x86_64")]
pub const ARCH: u32 = 0xc000_003e;
/// See above.
#[cfg(target_arch = "aarch64")]
pub const ARCH: u32 = 0xc000_00b7;
/// Neither: calls are shown by their numbers alone, and the rewind is refused.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub const ARCH: u32 = 0;

/// A bit in a call's number that says that it is of another ABI: x32's.
pub const FOREIGN: u64 = if cfg!(target_arch = "x86_64") { 0x4000_0000 } else { 0 };

/// All registers that [`digest`] leaves out, those of floating point and of vectors.
pub fn wide(thread: &Stopped) -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    const SET: usize = 0x202; // NT_X86_XSTATE
    #[cfg(not(target_arch = "x86_64"))]
    const SET: usize = 2; // NT_PRFPREG
    let mut bytes = vec![0_u8; 16 << 10];
    let mut place = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: the kernel writes as many bytes as the vector says, and then into the vector how many.
    let done = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, thread.tid(), SET, &raw mut place) };
    bytes.truncate(if done == -1 { 0 } else { place.iov_len });
    bytes
}

/// A call's number that is no call: the kernel does nothing and answers ENOSYS.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const NO_CALL: u64 = u64::MAX;

#[cfg(target_arch = "x86_64")]
mod this {
    use super::*;
    use std::ptr;

    /// So many words are all registers.
    const WORDS: usize = size_of::<libc::user_regs_struct>() / size_of::<u64>();
    /// Up to so many are written one by one.
    const FEW: usize = 2;

    /// `syscall` is two bytes.
    const INSTRUCTION: u64 = 2;

    fn change(
        thread: &Stopped,
        change: impl FnOnce(&mut libc::user_regs_struct),
    ) -> nix::Result<()> {
        let pid = Pid::from_raw(thread.tid());
        unless_killed(ptrace::getregs(pid).and_then(|mut registers| {
            change(&mut registers);
            ptrace::setregs(pid, registers)
        }))
    }

    /// At a call's entry: the call will not be made.
    pub fn skip(thread: &Stopped) -> nix::Result<()> {
        change(thread, |registers| registers.orig_rax = NO_CALL)
    }

    /// At the exit of a call that was skipped: the thread stands before it again. `number` and
    /// `first` are the call's number and first argument.
    pub fn rewind(thread: &Stopped, number: i64, _first: u64) -> nix::Result<()> {
        change(thread, |registers| {
            registers.rip -= INSTRUCTION;
            registers.rax = number as u64;
            // Not at a call's exit any more, or a signal could make the kernel restart "the call".
            registers.orig_rax = NO_CALL;
        })
    }

    /// At a call's exit: the program will see this result instead.
    pub fn set_result(thread: &Stopped, result: i64) -> nix::Result<()> {
        change(thread, |registers| registers.rax = result as u64)
    }

    /// At a call's entry, or at its exit, where the program expects to find it again: an argument,
    /// from 0.
    pub fn set_argument(thread: &Stopped, index: usize, value: u64) -> nix::Result<()> {
        change(thread, |r| {
            let all = [&mut r.rdi, &mut r.rsi, &mut r.rdx, &mut r.r10, &mut r.r8, &mut r.r9];
            all.into_iter().skip(index).take(1).for_each(|register| *register = value);
        })
    }

    /// All registers of a thread, to be given to it again, or to another one.
    #[derive(Clone, Debug)]
    pub struct Registers(libc::user_regs_struct);

    impl From<libc::user_regs_struct> for Registers {
        fn from(registers: libc::user_regs_struct) -> Registers {
            Registers(registers)
        }
    }

    /// As they are now.
    pub fn all(thread: &Stopped) -> nix::Result<Registers> {
        ptrace::getregs(Pid::from_raw(thread.tid())).map(Registers)
    }

    /// As they were then.
    pub fn set_all(thread: &Stopped, registers: &Registers) -> nix::Result<()> {
        unless_killed(ptrace::setregs(Pid::from_raw(thread.tid()), registers.0))
    }

    /// The thread has the one, and gets the other. To write one register is faster than to write all.
    pub fn set_changed(thread: &Stopped, has: &Registers, gets: &Registers) -> nix::Result<()> {
        let (old, new) = (has.words(), gets.words());
        let changed = || (0..WORDS).filter(|at| old[*at] != new[*at]);
        if changed().count() > FEW {
            return set_all(thread, gets);
        }
        for at in changed() {
            // The registers are the first that a thread's record has. <sys/user.h>
            let offset = ptr::without_provenance_mut(at * size_of::<u64>());
            let pid = Pid::from_raw(thread.tid());
            unless_killed(ptrace::write_user(pid, offset, new[at] as i64))?;
        }
        Ok(())
    }

    impl Registers {
        fn words(&self) -> [u64; WORDS] {
            // SAFETY: a record of so many words, and nothing else.
            unsafe { std::mem::transmute(self.0) }
        }

        /// The same where a thread stands before a call (see [`rewind`]), for another call with these
        /// arguments.
        pub fn for_call(&self, number: i64, args: [u64; 5]) -> Registers {
            let mut r = self.0;
            r.rax = number as u64;
            [r.rdi, r.rsi, r.rdx, r.r10, r.r8] = args;
            Registers(r)
        }

        /// The same, for a call by the instruction at this place.
        pub fn for_call_at(&self, at: u64, number: i64, args: [u64; 5]) -> Registers {
            let mut registers = self.for_call(number, args);
            (registers.0.rip, registers.0.orig_rax) = (at, NO_CALL);
            registers
        }

        /// The instruction that comes next.
        pub fn program_counter(&self) -> u64 {
            self.0.rip
        }

        /// The end of the stack that is in use.
        pub fn stack_pointer(&self) -> u64 {
            self.0.rsp
        }

        /// Where the instruction stands that has made the call at whose end the thread stands.
        pub fn call_instruction(&self) -> u64 {
            self.0.rip - INSTRUCTION
        }

        /// What a call has answered.
        pub fn result(&self) -> i64 {
            self.0.rax as i64
        }

        /// A number that is the same when every one is.
        pub fn digest(&self) -> u64 {
            use std::hash::{DefaultHasher, Hash, Hasher};
            let (mut hasher, r) = (DefaultHasher::new(), &self.0);
            let low = [r.rip, r.rsp, r.rbp, r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.eflags];
            let high = [r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15];
            (low, high).hash(&mut hasher);
            hasher.finish()
        }

        /// Each by its name.
        pub fn raw(&self) -> &libc::user_regs_struct {
            &self.0
        }

        /// To be changed.
        pub fn raw_mut(&mut self) -> &mut libc::user_regs_struct {
            &mut self.0
        }
    }

    /// A number that is the same when every register is.
    pub fn digest(thread: &Stopped) -> nix::Result<u64> {
        all(thread).map(|registers| registers.digest())
    }

    /// Memory that the program does not use: below its stack, and what may be in use below that.
    pub fn scratch(thread: &Stopped) -> nix::Result<u64> {
        Ok((ptrace::getregs(Pid::from_raw(thread.tid()))?.rsp - 1024) & !15)
    }
}

#[cfg(target_arch = "aarch64")]
mod this {
    use super::*;
    use nix::errno::Errno;
    use nix::sys::ptrace::regset::NT_PRSTATUS;

    /// `svc #0` is four bytes.
    const INSTRUCTION: u64 = 4;
    /// The register set that holds a call's number while it is being made. <linux/elf.h>
    const NT_ARM_SYSTEM_CALL: usize = 0x404;

    fn change(
        thread: &Stopped,
        change: impl FnOnce(&mut libc::user_regs_struct),
    ) -> nix::Result<()> {
        let pid = Pid::from_raw(thread.tid());
        unless_killed(ptrace::getregset::<NT_PRSTATUS>(pid).and_then(|mut registers| {
            change(&mut registers);
            ptrace::setregset::<NT_PRSTATUS>(pid, registers)
        }))
    }

    /// At a call's entry: the call will not be made.
    pub fn skip(thread: &Stopped) -> nix::Result<()> {
        let mut number = NO_CALL as u32;
        let mut part = libc::iovec { iov_base: (&raw mut number).cast(), iov_len: 4 };
        // SAFETY: the kernel reads the four bytes that the iovec names.
        let done = unsafe {
            libc::ptrace(libc::PTRACE_SETREGSET, thread.tid(), NT_ARM_SYSTEM_CALL, &raw mut part)
        };
        unless_killed(Errno::result(done).map(drop))
    }

    /// At the exit of a call that was skipped: the thread stands before it again. x8 still holds
    /// the number; the result has overwritten the first argument.
    pub fn rewind(thread: &Stopped, _number: i64, first: u64) -> nix::Result<()> {
        change(thread, |registers| {
            registers.pc -= INSTRUCTION;
            registers.regs[0] = first;
        })
    }

    /// At a call's exit: the program will see this result instead.
    pub fn set_result(thread: &Stopped, result: i64) -> nix::Result<()> {
        change(thread, |registers| registers.regs[0] = result as u64)
    }

    /// At a call's entry: an argument, from 0. At its exit the first has become the result.
    pub fn set_argument(thread: &Stopped, index: usize, value: u64) -> nix::Result<()> {
        change(thread, |registers| registers.regs[index] = value)
    }

    /// A number that is the same when every register is.
    pub fn digest(thread: &Stopped) -> nix::Result<u64> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        let r = ptrace::getregset::<NT_PRSTATUS>(Pid::from_raw(thread.tid()))?;
        (r.regs, r.sp, r.pc, r.pstate).hash(&mut hasher);
        Ok(hasher.finish())
    }

    /// Memory that the program does not use: below its stack.
    pub fn scratch(thread: &Stopped) -> nix::Result<u64> {
        Ok((ptrace::getregset::<NT_PRSTATUS>(Pid::from_raw(thread.tid()))?.sp - 1024) & !15)
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[allow(unused_imports, reason = "the explorer's")]
pub use this::*;
