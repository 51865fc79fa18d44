//! One that makes no call for a while: does it wait for memory to change, or does it compute? A clock only
//! says when to look.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Result;
use super::model::{Model, State};
use super::moves::Moves;
use super::tracees::{Heard, Tracees};
use crate::explore::Trouble;
use crate::explore::verdict::Moment;
use crate::tracer::memory::private_state;
use crate::tracer::{How, registers};

/// So often one that nobody else can change is found computing: we do not wait longer.
const SPINS: u32 = 4000;
/// So often one that others may wait for.
const SPINS_BESIDE: u32 = 20;
/// So far it is followed, to see whether it comes back to the same state; and farther at the 16th look, the
/// 32nd, the 64th and so on, for that takes longer than what it computes between two looks.
const STEPS: u32 = 200;
const MANY_STEPS: u32 = 20_000;
const FAR: u32 = 16;

impl Moves<'_> {
    /// It used its time without a visible call: it spins, or computes. One that spins comes into the very
    /// state in which it was: nothing that it does by itself will end that, and its move is over. When it
    /// is looked at does not matter. One that computes goes on; beside others that can move, for a while:
    /// it may count its turns. True: its move is over.
    pub fn spun(&mut self, i: usize) -> Result<bool> {
        let others = || (0..self.all.model.tasks.len()).filter(|j| *j != i);
        let alone = others().all(|j| {
            !self.all.model.can_move(j)
                && self.all.model.due(j).is_none()
                && self.all.model.tasks[j].buffer.is_empty()
        });
        let times = self.all.model.tasks[i].looks.at_memory();
        let far = alone && times >= FAR && times.is_power_of_two();
        let steps = if far { MANY_STEPS } else { STEPS };
        let Some(circles) = self.circles(i, steps)? else { return Ok(false) };
        if !circles && times < (if alone { SPINS } else { SPINS_BESIDE }) {
            self.all.tracees.go_on(i, How::Cont, 0)?;
            return Ok(false);
        }
        // It may wait for a page to change that it has opened, and that is not looked at closely.
        if self.all.looks_closer(i) {
            self.all.world.starts_again = true;
        }
        let task = &mut self.all.model.tasks[i];
        task.state = State::Start;
        if task.looks.spins() {
            self.all.narrator.tell(&self.all.model, i, Moment::Spins);
        }
        if circles && alone {
            self.all.judge.endless(&self.all.model, i);
        } else if alone {
            self.all.judge.not_judged("it computes for too long without a call");
        }
        Ok(true)
    }

    /// Does it come back to where it is, with all of its registers and all of its memory as they were,
    /// within so many steps? `None`: something else has come, which is put back.
    fn circles(&mut self, i: usize, steps: u32) -> Result<Option<bool>> {
        let Some(()) = self.step(i)? else { return Ok(None) };
        let start = self.digest(i)?;
        for turn in 1..steps {
            let Some(()) = self.step(i)? else { return Ok(None) };
            if self.digest(i)? != start {
                continue;
            }
            let before = self.whole_state(i)?;
            for _ in 0..turn {
                let Some(()) = self.step(i)? else { return Ok(None) };
            }
            return Ok(Some(before.is_some() && self.whole_state(i)? == before));
        }
        Ok(Some(false))
    }

    /// One instruction. `None`: something else has come, which is put back.
    pub fn step(&mut self, i: usize) -> Result<Option<()>> {
        self.all.tracees.go_on(i, How::Step, 0)?;
        match self.all.tracees.wait(i)? {
            Heard::Stop(stop) if stop.is_step() => Ok(Some(())),
            other => {
                self.all.tracees.put_back(i, other);
                Ok(None)
            }
        }
    }

    fn digest(&mut self, i: usize) -> Result<u64> {
        registers::digest(self.all.tracees.standing(i)?).map_err(Trouble::of("ptrace"))
    }

    fn whole_state(&mut self, i: usize) -> Result<Option<(u64, Vec<u8>, u64)>> {
        let digest = self.digest(i)?;
        let thread = self.all.tracees.standing(i)?;
        Ok(private_state(thread.tid()).map(|memory| (digest, registers::wide(thread), memory)))
    }
}

/// A number that is the same when everybody who lives has the same registers and memory.
pub fn state(model: &Model, tracees: &Tracees) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for (i, task) in model.tasks.iter().enumerate().filter(|(_, task)| task.state != State::Gone) {
        let entry = task.entry.map(|entry| (entry.number, entry.args, entry.place));
        (task.state as u32, entry, tracees.registers(i)).hash(&mut hasher);
        task.buffer.hash(&mut hasher);
        private_state(task.tid)?.hash(&mut hasher);
    }
    Some(hasher.finish())
}
