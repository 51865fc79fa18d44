//! From a frame of the stack to that of its caller, by the tables that compilers write for exceptions
//! (.eh_frame). They are in the program's memory, also without debug information.
//!
//! Source: DWARF 5, 6.4; System V ABI, AMD64 supplement, 3.6.2.

use std::collections::HashMap;

use addr2line::gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, LittleEndian, RegisterRule, UnwindContext,
    UnwindSection,
};

use super::Tid;
use super::memory::record;
use super::registers::Registers;

/// The numbers of the stack pointer and of the return address.
const STACK: usize = 7;
const RETURN: usize = 16;
/// The others by their numbers: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15; and the return address.
const COUNT: usize = 17;

/// The registers of a frame, as far as they are known; of the last one, the program counter.
#[derive(Clone, Copy, Debug)]
pub struct Frame([Option<u64>; COUNT]);

impl Frame {
    /// The one in which a thread is.
    pub fn of(registers: &Registers) -> Frame {
        let r = registers.raw();
        let low = [r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp];
        let high = [r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip];
        let mut all = [None; COUNT];
        all.iter_mut().zip(low.into_iter().chain(high)).for_each(|(one, is)| *one = Some(is));
        Frame(all)
    }

    /// The instruction that comes next in it.
    pub fn program_counter(&self) -> u64 {
        self.0[RETURN].unwrap_or(0)
    }
}

/// How a caller's registers are found: the end of its part of the stack, by a register and an offset, and
/// what was stored below that.
#[derive(Clone, Debug)]
struct Rule {
    end: (usize, i64),
    stored: Vec<(usize, i64)>,
}

/// The tables of one file.
pub struct Tables {
    frames: Vec<u8>,
    index: Vec<u8>,
    bases: BaseAddresses,
    rules: HashMap<u64, Option<Rule>>,
}

impl Tables {
    /// Those that stand at these places: each by its address in the file, and its bytes.
    pub fn new(frames: (u64, Vec<u8>), index: (u64, Vec<u8>)) -> Tables {
        let bases = BaseAddresses::default().set_eh_frame(frames.0).set_eh_frame_hdr(index.0);
        Tables { frames: frames.1, index: index.1, bases, rules: HashMap::new() }
    }

    /// The caller's frame. `at`: the place in the file at which a frame stands. `None`: the tables do not say.
    pub fn caller(&mut self, tid: Tid, frame: &Frame, at: u64) -> Option<Frame> {
        if !self.rules.contains_key(&at) {
            let rule = self.find(at);
            self.rules.insert(at, rule);
        }
        let rule = self.rules.get(&at)?.as_ref()?;
        let end = frame.0[rule.end.0]?.wrapping_add_signed(rule.end.1);
        // The stack grows down.
        if end <= frame.0[STACK]? {
            return None;
        }
        let mut caller = *frame;
        // What a function may change is not known in its caller.
        for lost in [0, 1, 2, 4, 5, 8, 9, 10, 11, RETURN] {
            caller.0[lost] = None;
        }
        for (register, offset) in &rule.stored {
            caller.0[*register] = record(tid, end.wrapping_add_signed(*offset));
        }
        caller.0[STACK] = Some(end);
        caller.0[RETURN].filter(|at| *at != 0)?;
        Some(caller)
    }

    fn find(&self, at: u64) -> Option<Rule> {
        let frames = EhFrame::new(&self.frames, LittleEndian);
        let mut context = UnwindContext::new();
        let of = EhFrame::cie_from_offset;
        let index = EhFrameHdr::new(&self.index, LittleEndian).parse(&self.bases, 8).ok();
        let table = index.as_ref().and_then(|index| index.table());
        let row = match table {
            Some(table) => {
                table.unwind_info_for_address(&frames, &self.bases, &mut context, at, of)
            }
            None => frames.unwind_info_for_address(&self.bases, &mut context, at, of),
        };
        let row = row.ok()?;
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
        let mut stored = vec![];
        for (register, rule) in row.registers() {
            let number = usize::from(register.0);
            match rule {
                RegisterRule::Offset(offset) if number < COUNT => stored.push((number, *offset)),
                RegisterRule::SameValue => {}
                // The outermost frame; or a rule that is not needed here.
                _ if number == RETURN => return None,
                _ => {}
            }
        }
        Some(Rule { end: (usize::from(register.0), *offset), stored })
            .filter(|rule| rule.end.0 < COUNT)
    }
}
