//! What one machine instruction does with memory, before it does it; and the plain ones done in its place.
//!
//! A plain load or store (mov, movzx, movsx), and the string moves and fills (movs, stos, also repeated) are
//! done by the tracer: registers and program counter are changed as the processor would have. All others are
//! left to the processor, one step at a time.
//!
//! What an instruction is does not change from one time to the next, so it is decoded once. Where it stands is read
//! each time all the same: a program may change its code.
//!
//! Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.

use std::collections::HashMap;

use iced_x86::{
    Code, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory,
    InstructionInfoOptions, MemorySize, Mnemonic, OpAccess, OpKind, Register, UsedMemory,
};
use libc::user_regs_struct;

use super::memory::{bytes, word};
use super::registers::{self, Registers};
use super::{Entry, Stopped, Tid};

/// No instruction is longer.
const LONGEST: usize = 15;
/// No other instruction touches more at once.
const WIDEST: u64 = 64;
/// So often an instruction of a string may be repeated.
const LONG: u64 = 64;
/// The direction flag: string moves go down.
const DOWN: u64 = 1 << 10;
/// A loop of so many bytes is short.
const LOOP: u64 = 48;

/// A part of memory that an instruction touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    pub at: u64,
    pub len: u64,
    pub reads: bool,
    pub writes: bool,
}

/// An instruction that a thread stands before.
#[derive(Clone, Debug)]
pub struct Next {
    /// Where it stands.
    pub at: u64,
    pub parts: Vec<Part>,
    /// It reads and writes in one, and orders all that its thread does with memory.
    pub locked: bool,
    /// It stands in a loop of a few instructions that write nothing: a wait, or a short search.
    pub loops: bool,
    /// Those of the thread, before it.
    pub registers: Registers,
    instruction: Instruction,
}

/// How a plain instruction is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plain {
    /// Reads so many bytes into a register.
    Load(usize),
    /// Writes these bytes.
    Store { value: u64, len: usize },
    /// Copies from the first part to the second.
    Copy,
    /// Fills the only part with a value of so many bytes.
    Fill { value: u64, len: usize },
}

/// Instructions that were met before, by where they stand.
#[derive(Default)]
pub struct Instructions(HashMap<u64, Decoded>);

/// One of them.
struct Decoded {
    /// Its bytes.
    code: Vec<u8>,
    instruction: Instruction,
    memory: Vec<UsedMemory>,
    loops: bool,
}

impl Instructions {
    /// The one that a thread stands before; `None`: it cannot be read, or is none.
    pub fn next(&mut self, thread: &Stopped) -> Option<Next> {
        let registers = registers::all(thread).ok()?;
        let at = registers.program_counter();
        let known = self.0.get(&at).filter(|known| known.stands_there(thread, at));
        if let Some(known) = known {
            return known.next(registers);
        }
        let mut new = Decoded::from(&bytes(thread.tid(), at, LONGEST), at)?;
        new.loops = loops(thread.tid(), at);
        let next = new.next(registers);
        self.0.insert(at, new);
        next
    }
}

impl Decoded {
    fn from(code: &[u8], at: u64) -> Option<Decoded> {
        let mut decoder = Decoder::with_ip(64, code, at, DecoderOptions::NONE);
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return None;
        }
        let mut factory = InstructionInfoFactory::new();
        let info = factory.info_options(&instruction, InstructionInfoOptions::NO_REGISTER_USAGE);
        let memory = info.used_memory().to_vec();
        let code = code[..instruction.len()].into();
        Some(Decoded { code, instruction, memory, loops: false })
    }

    /// Are its bytes still there? Most instructions fit a word, which is read faster than more.
    fn stands_there(&self, thread: &Stopped, at: u64) -> bool {
        match word(thread, at).map(u64::to_le_bytes) {
            Some(word) if self.code.len() <= word.len() => word.starts_with(&self.code),
            _ => bytes(thread.tid(), at, self.code.len()) == self.code,
        }
    }

    fn next(&self, registers: Registers) -> Option<Next> {
        let (r, instruction) = (registers.raw(), self.instruction);
        let mut parts = vec![];
        for used in &self.memory {
            let at = used.virtual_address(0, |register, _, _| value(r, register))?;
            // Of one that is repeated it is not known how often.
            let size = match (used.memory_size(), instruction.memory_size()) {
                (MemorySize::Unknown, MemorySize::Unknown) => WIDEST,
                (MemorySize::Unknown, size) | (size, _) => size.size() as u64,
            };
            let (reads, writes) = match used.access() {
                OpAccess::Read | OpAccess::CondRead => (true, false),
                OpAccess::Write | OpAccess::CondWrite => (false, true),
                OpAccess::ReadWrite | OpAccess::ReadCondWrite => (true, true),
                _ => continue,
            };
            parts.push(repeated(&instruction, r, Part { at, len: size, reads, writes })?);
        }
        // xchg with memory locks by itself.
        let exchanges = instruction.mnemonic() == Mnemonic::Xchg && !parts.is_empty();
        let locked = instruction.has_lock_prefix() || exchanges;
        Some(Next { at: r.rip, parts, locked, loops: self.loops, registers, instruction })
    }
}

/// Does a short jump back lead over this instruction, in a loop without calls that writes nothing?
fn loops(tid: Tid, at: u64) -> bool {
    let follow = |from: u64| {
        let code = bytes(tid, from, 2 * LOOP as usize);
        let mut decoder = Decoder::with_ip(64, &code, from, DecoderOptions::NONE);
        let mut factory = InstructionInfoFactory::new();
        let mut found = vec![];
        while decoder.can_decode() {
            let one = decoder.decode();
            let info = factory.info_options(&one, InstructionInfoOptions::NO_REGISTER_USAGE);
            let reads = |used: &UsedMemory| {
                matches!(used.access(), OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess)
            };
            let flow = one.flow_control();
            let jumps =
                matches!(flow, FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch);
            if !(jumps || flow == FlowControl::Next) || !info.used_memory().iter().all(reads) {
                break;
            }
            found.push(one);
        }
        found
    };
    let back = |one: &Instruction| {
        let (to, end) = (one.near_branch_target(), one.next_ip());
        (to != 0 && to <= at && at < end && end - to <= LOOP).then_some((to, end))
    };
    let Some((from, end)) = follow(at).iter().find_map(back) else { return false };
    follow(from).iter().any(|one| one.next_ip() == end)
}

impl Next {
    /// What one step of it touches: one that is repeated is done once.
    pub fn one_step(&self) -> Vec<Part> {
        let r = self.registers.raw();
        let times = if repeats_at_once(&self.instruction, r) { r.rcx.max(1) } else { 1 };
        self.parts.iter().map(|part| Part { len: part.len / times, ..*part }).collect()
    }

    /// How the tracer can do it; `None`: the processor has to.
    pub fn plain(&self) -> Option<Plain> {
        let r = *self.registers.raw();
        let one = &self.instruction;
        // Another segment's base has been added to the address already.
        match one.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd => {}
            Mnemonic::Movsb | Mnemonic::Movsw | Mnemonic::Movsd | Mnemonic::Movsq
                if self.is_string() =>
            {
                return (r.eflags & DOWN == 0).then_some(Plain::Copy);
            }
            Mnemonic::Stosb | Mnemonic::Stosw | Mnemonic::Stosd | Mnemonic::Stosq => {
                let len = one.memory_size().size();
                return (r.eflags & DOWN == 0).then_some(Plain::Fill { value: r.rax, len });
            }
            _ => return None,
        }
        let size = one.memory_size().size();
        match (one.op0_kind(), one.op1_kind()) {
            (OpKind::Register, OpKind::Memory) => {
                let to = one.op0_register();
                (to.is_gpr()).then_some(Plain::Load(size))
            }
            (OpKind::Memory, OpKind::Register) => {
                let value =
                    value(&r, one.op1_register()).filter(|_| one.op1_register().is_gpr())?;
                Some(Plain::Store { value, len: size })
            }
            (
                OpKind::Memory,
                OpKind::Immediate8
                | OpKind::Immediate16
                | OpKind::Immediate32
                | OpKind::Immediate8to32
                | OpKind::Immediate8to64
                | OpKind::Immediate32to64,
            ) => Some(Plain::Store { value: one.immediate(1), len: size }),
            _ => None,
        }
    }

    /// The call that it makes, if it makes one of 64 bits.
    pub fn call(&self) -> Option<Entry> {
        let r = self.registers.raw();
        let args = [r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9];
        let foreign = r.rax & registers::FOREIGN != 0;
        let entry = Entry { number: r.rax as i64, args, foreign, place: r.rip };
        (self.instruction.mnemonic() == Mnemonic::Syscall).then_some(entry)
    }

    /// Does it wait until the stores before it have reached the memory? Those that lock, too. Volume 3, 10.2 and 10.3
    /// of the manual: store buffer, serialising instructions. The kernel is entered and left by others of them.
    pub fn is_fence(&self) -> bool {
        let fence = matches!(
            self.instruction.mnemonic(),
            Mnemonic::Mfence
                | Mnemonic::Cpuid
                | Mnemonic::Serialize
                | Mnemonic::Iret
                | Mnemonic::Iretd
                | Mnemonic::Iretq
                | Mnemonic::Int
                | Mnemonic::Int1
                | Mnemonic::Int3
                | Mnemonic::Syscall
                | Mnemonic::Sysenter
        );
        fence || self.locked
    }

    /// Is it one of a string that is repeated?
    pub fn is_repeated(&self) -> bool {
        let repeats = self.instruction.has_rep_prefix() || self.instruction.has_repne_prefix();
        repeats && self.instruction.is_string_instruction()
    }

    /// Is it repeated more often than anybody would step through?
    pub fn is_long(&self) -> bool {
        self.is_repeated() && self.registers.raw().rcx > LONG
    }

    fn is_string(&self) -> bool {
        matches!(
            self.instruction.code(),
            Code::Movsb_m8_m8 | Code::Movsw_m16_m16 | Code::Movsd_m32_m32 | Code::Movsq_m64_m64
        )
    }

    /// The registers after it, if it has been done. `loaded`: what it has read, of a [`Plain::Load`].
    pub fn done(&self, thread: &Stopped, loaded: u64) -> nix::Result<()> {
        let mut registers = self.registers.clone();
        let one = &self.instruction;
        let r = registers.raw_mut();
        match one.mnemonic() {
            Mnemonic::Mov | Mnemonic::Movzx | Mnemonic::Movsx | Mnemonic::Movsxd => {
                if one.op0_kind() == OpKind::Register {
                    let bits = 64 - 8 * one.memory_size().size() as u32;
                    let signed = matches!(one.mnemonic(), Mnemonic::Movsx | Mnemonic::Movsxd);
                    let value = match signed {
                        true => ((loaded << bits) as i64 >> bits) as u64,
                        false => loaded,
                    };
                    set(r, one.op0_register(), value);
                }
            }
            // String moves and fills.
            _ => {
                let len = self.parts.iter().map(|part| part.len).max().unwrap_or(0);
                r.rdi += len;
                if self.parts.len() == 2 {
                    r.rsi += len;
                }
                if one.has_rep_prefix() || one.has_repne_prefix() {
                    r.rcx = 0;
                }
            }
        }
        r.rip = one.next_ip();
        // Not in a call: nothing is to be made again.
        r.orig_rax = u64::MAX;
        registers::set_changed(thread, &self.registers, &registers)
    }
}

/// All that a string move touches that is repeated; `None`: it goes down, or does nothing.
fn repeated(one: &Instruction, r: &user_regs_struct, part: Part) -> Option<Part> {
    if !repeats_at_once(one, r) {
        return Some(part);
    }
    (r.rcx > 0).then(|| Part { len: part.len.saturating_mul(r.rcx), ..part })
}

/// Is it a string move or fill that is repeated, upwards? A comparison may end at any place: it is made one by
/// one.
fn repeats_at_once(one: &Instruction, r: &user_regs_struct) -> bool {
    let repeats = one.has_rep_prefix() || one.has_repne_prefix();
    let moves = matches!(
        one.mnemonic(),
        Mnemonic::Movsb
            | Mnemonic::Movsw
            | Mnemonic::Movsd
            | Mnemonic::Movsq
            | Mnemonic::Stosb
            | Mnemonic::Stosw
            | Mnemonic::Stosd
            | Mnemonic::Stosq
    );
    repeats && one.is_string_instruction() && moves && r.eflags & DOWN == 0
}

/// What a register holds, or one of its parts.
fn value(r: &user_regs_struct, register: Register) -> Option<u64> {
    let whole = match register.full_register() {
        Register::RAX => r.rax,
        Register::RBX => r.rbx,
        Register::RCX => r.rcx,
        Register::RDX => r.rdx,
        Register::RSI => r.rsi,
        Register::RDI => r.rdi,
        Register::RBP => r.rbp,
        Register::RSP => r.rsp,
        Register::R8 => r.r8,
        Register::R9 => r.r9,
        Register::R10 => r.r10,
        Register::R11 => r.r11,
        Register::R12 => r.r12,
        Register::R13 => r.r13,
        Register::R14 => r.r14,
        Register::R15 => r.r15,
        Register::RIP | Register::EIP => r.rip,
        Register::FS => return Some(r.fs_base),
        Register::GS => return Some(r.gs_base),
        Register::CS | Register::DS | Register::ES | Register::SS => return Some(0),
        _ => return None,
    };
    Some(match register {
        Register::AH | Register::BH | Register::CH | Register::DH => whole >> 8 & 0xff,
        _ if register.size() < 8 => whole & ((1 << (8 * register.size())) - 1),
        _ => whole,
    })
}

/// Writes a register, or one of its parts. 32 bits clear the upper half.
fn set(r: &mut user_regs_struct, register: Register, value: u64) {
    let whole = match register.full_register() {
        Register::RAX => &mut r.rax,
        Register::RBX => &mut r.rbx,
        Register::RCX => &mut r.rcx,
        Register::RDX => &mut r.rdx,
        Register::RSI => &mut r.rsi,
        Register::RDI => &mut r.rdi,
        Register::RBP => &mut r.rbp,
        Register::RSP => &mut r.rsp,
        Register::R8 => &mut r.r8,
        Register::R9 => &mut r.r9,
        Register::R10 => &mut r.r10,
        Register::R11 => &mut r.r11,
        Register::R12 => &mut r.r12,
        Register::R13 => &mut r.r13,
        Register::R14 => &mut r.r14,
        Register::R15 => &mut r.r15,
        _ => return,
    };
    *whole = match register {
        Register::AH | Register::BH | Register::CH | Register::DH => {
            *whole & !0xff00 | (value & 0xff) << 8
        }
        _ => match register.size() {
            8 => value,
            4 => value & 0xffff_ffff,
            size => {
                let mask = (1 << (8 * size)) - 1;
                *whole & !mask | value & mask
            }
        },
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers() -> Registers {
        // SAFETY: numbers alone.
        let mut r: user_regs_struct = unsafe { std::mem::zeroed() };
        (r.rax, r.rdx, r.rdi, r.rsi, r.rcx, r.rip) = (0x1122, 0x5000, 0x7000, 0x6000, 3, 0x1000);
        Registers::from(r)
    }

    fn parts(code: &[u8]) -> Next {
        let decoded = Decoded::from(code, registers().program_counter()).expect("an instruction");
        decoded.next(registers()).expect("its addresses")
    }

    #[test]
    fn what_is_read_and_written() {
        let one = |at, len, reads, writes| Part { at, len, reads, writes };
        // mov eax, [rdx+8]
        assert_eq!(parts(&[0x8b, 0x42, 0x08]).parts, [one(0x5008, 4, true, false)]);
        // mov byte [rdi], 7
        assert_eq!(parts(&[0xc6, 0x07, 0x07]).parts, [one(0x7000, 1, false, true)]);
        // add qword [rdx], 1
        assert_eq!(parts(&[0x48, 0x83, 0x02, 0x01]).parts, [one(0x5000, 8, true, true)]);
        // lock cmpxchg [rdx], ecx
        let exchange = parts(&[0xf0, 0x0f, 0xb1, 0x0a]);
        assert!(exchange.locked && exchange.parts == [one(0x5000, 4, true, true)]);
        // xchg [rdx], eax
        assert!(parts(&[0x87, 0x02]).locked);
        // rep movsq
        let copy = parts(&[0xf3, 0x48, 0xa5]).parts;
        assert!(copy.contains(&one(0x6000, 24, true, false)), "{copy:?}");
        assert!(copy.contains(&one(0x7000, 24, false, true)), "{copy:?}");
        // movdqu xmm0, [rsi]
        assert_eq!(parts(&[0xf3, 0x0f, 0x6f, 0x06]).parts, [one(0x6000, 16, true, false)]);
        // lea rax, [rdx]: none
        assert!(parts(&[0x48, 0x8d, 0x02]).parts.is_empty());
    }

    #[test]
    fn a_part_of_a_register_leaves_the_rest() {
        let mut r = *registers().raw();
        r.rax = 0x1111_2222_3333_4444;
        set(&mut r, Register::AL, 0xff);
        assert_eq!(r.rax, 0x1111_2222_3333_44ff);
        set(&mut r, Register::AH, 0x0);
        assert_eq!(r.rax, 0x1111_2222_3333_00ff);
        set(&mut r, Register::EAX, 5);
        assert_eq!(r.rax, 5);
        assert_eq!(value(&r, Register::AX), Some(5));
    }
}
