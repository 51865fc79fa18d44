//! A state that came before.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::model::{Model, State};
use super::tracees::Tracees;
use crate::tracer::memory::private_state;

/// A number that is the same when everybody who lives has the same registers and memory.
pub fn state(model: &Model, tracees: &Tracees) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for (i, task) in model.tasks.iter().enumerate().filter(|(_, task)| task.state != State::Gone) {
        let entry = task.entry.map(|entry| (entry.number, entry.args, entry.place));
        (task.state as u32, entry, tracees.registers(i)).hash(&mut hasher);
        private_state(task.tid)?.hash(&mut hasher);
    }
    Some(hasher.finish())
}
