//! Threads that come round in a circle: all is as it was when they came by the same access last. Nothing that
//! they do by themselves will end that, so they wait until what they have touched there changes.
//!
//! One that counts its rounds never comes back to the same state. After very many of them it is held all the same,
//! as if it waited; what it does after still more is not tried, and the answer says so.
//!
//! A circle in which nothing is written is a look, again and again. One that writes may be seen by others on its
//! way: where all wait, it goes round once more, and others may move in the middle of it.

use super::access::Access;
use crate::explore::footprint::Bytes;
use crate::explore::run::Result;
use crate::explore::run::looks::{Again, LOOKS, is_compared};
use crate::explore::run::model::{State, Task};
use crate::explore::run::moves::Moves;
use crate::tracer::memory::private_state;

/// So often in a run one that waits goes round once more.
const ROUNDS_MORE: u32 = 100;

/// What one finds that comes round.
pub struct Circle {
    /// The bytes that it touches, and what they hold where it waits.
    pub found: Vec<(Bytes, Vec<u8>)>,
    writes: bool,
    /// It counts: it may do something else in the end.
    pub counts: bool,
}

impl Moves<'_> {
    /// One that has looked at the same bytes before goes on, unless it comes round in a circle. `new`: is it a move
    /// if it has not?
    pub fn is_a_move(&mut self, i: usize, access: &Access, new: bool) -> Result<bool> {
        let hash = access.hash();
        let digest = access.next.registers.digest();
        if self.comes_back(i, hash, digest) {
            return Ok(true);
        }
        let counting = self.all.world.learned.is_counting(hash);
        let tid = self.all.model.tasks[i].tid;
        let waits = new && !counting && access.next.loops;
        let looks = &mut self.all.model.tasks[i].looks;
        let circles = match looks.at_access(hash, digest) {
            // To look for a circle so early costs something: only in what is likely to wait.
            Again::New if waits => {
                looks.state_at(hash, private_state(tid));
                return Ok(new);
            }
            Again::Second if waits && looks.state_at(hash, private_state(tid)) => true,
            Again::New | Again::Second => return Ok(new),
            Again::Other | Again::Much if counting => true,
            Again::Other => return Ok(false),
            Again::Much => return Ok(self.counts(hash)),
            Again::Same if counting => true,
            Again::Same if self.all.world.circles.contains(&(hash, digest)) => true,
            Again::Same => looks.state_at(hash, private_state(tid)),
        };
        if circles {
            if !counting {
                self.all.world.circles.insert((hash, digest));
            }
            let found = looks.found_since(hash);
            self.all.model.tasks[i].circle =
                Some(Circle { found, writes: false, counts: counting });
        }
        Ok(circles)
    }

    /// Has everything come back, also the memory that it shares, although it has written there?
    fn comes_back(&mut self, i: usize, access: u64, registers: u64) -> bool {
        let task = &mut self.all.model.tasks[i];
        let counts = self.all.world.learned.is_counting(access);
        // Of one that counts they are others each time.
        let registers = if counts { 0 } else { registers };
        let (times, visits) = task.looks.comes_round(access, registers);
        if visits > LOOKS && !counts {
            return self.counts(access);
        }
        if !is_compared(times) {
            return false;
        }
        // One that counts is taken to come back.
        let tid = task.tid;
        let state =
            if counts { Some((0, 0)) } else { private_state(tid).zip(self.all.state_seen(i)) };
        let looks = &mut self.all.model.tasks[i].looks;
        let Some(touched) = looks.comes_back(access, registers, state) else { return false };
        let touched = touched.to_vec();
        let mut found: Vec<(Bytes, Vec<u8>)> = vec![];
        for bytes in touched {
            if !found.iter().any(|one| one.0 == bytes) {
                found.push((bytes, self.all.seen(i, bytes).unwrap_or_default()));
            }
        }
        self.all.model.tasks[i].circle = Some(Circle { found, writes: true, counts });
        true
    }

    /// It counts its rounds there: the search starts again with that.
    fn counts(&mut self, access: u64) -> bool {
        self.all.world.learned.counts(access);
        self.all.world.starts_again = true;
        true
    }

    /// Does one wait for watched memory to change, and it has not?
    pub fn waits_for_memory(&self, i: usize) -> bool {
        let task = &self.all.model.tasks[i];
        let same = |(bytes, was): &(Bytes, Vec<u8>)| self.all.seen(i, *bytes).as_ref() == Some(was);
        let waits = |circle: &Circle| circle.found.iter().all(same);
        task.state == State::Touching && task.circle.as_ref().is_some_and(waits)
    }

    /// All wait. One goes round once more, if others could see that; false: each has done so, for nothing.
    pub fn goes_round_again(&mut self) -> bool {
        let tasks = &mut self.all.model.tasks;
        let waits = |task: &&Task| task.blocked && task.circle.is_some();
        let others = tasks.iter().filter(waits).count() > 1;
        let goes = |circle: &Circle| circle.writes;
        let next = tasks.iter_mut().find(|task| {
            task.blocked && !task.looks.goes_round && task.circle.as_ref().is_some_and(goes)
        });
        let Some(next) = next.filter(|_| others) else { return false };
        next.circle = None;
        next.looks.goes_round = true;
        self.all.rounds += 1;
        if self.all.rounds > ROUNDS_MORE {
            self.all.judge.not_judged("processes give way to each other again and again");
        }
        true
    }
}
