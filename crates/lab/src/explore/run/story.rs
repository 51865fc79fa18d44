//! The story of a run, if it is wanted.

use super::model::Model;
use crate::event::Call;
use crate::explore::verdict::{Line, Moment, Story};
use crate::syscalls::{self, cells::Changes, decode};
use crate::tracer::{Entry, Tid};

/// Records what happens, or nothing.
pub struct Narrator {
    pub wanted: bool,
    pub story: Story,
}

impl Narrator {
    /// One that records if that is wanted.
    pub fn new(wanted: bool) -> Narrator {
        Narrator { wanted, story: vec![] }
    }

    /// Something happens to a thread.
    pub fn tell(&mut self, model: &Model, i: usize, moment: Moment) {
        if self.wanted {
            let (letter, pid) = (i, model.pid(i));
            self.story.push(Line { letter, pid, moment });
        }
    }

    /// A call that is about to be made, spelled.
    pub fn spell(&self, tid: Tid, entry: &Entry) -> Option<Call> {
        self.wanted.then(|| decode::enter(tid, entry))
    }

    /// A call before which the run ends.
    pub fn not_made(&mut self, model: &Model, i: usize) {
        if let Some(call) = model.tasks[i].call.clone() {
            self.tell(model, i, Moment::Call { call, asleep: false });
        }
    }

    /// The moment of a call that has begun or ended. Without a `result` it sleeps, or will not
    /// return.
    pub fn call(&mut self, model: &mut Model, i: usize, result: Option<i64>) {
        let task = &mut model.tasks[i];
        let (Some(entry), Some(call)) = (task.entry, task.call.as_mut()) else { return };
        if let Some(result) = result {
            decode::leave(task.tid, &entry, call, result);
            decode::spell_output(task.tid, &entry, call, result);
        }
        let call = call.clone();
        let ends = syscalls::row(entry.number)
            .is_some_and(|row| matches!(row.changes, Changes::Thread | Changes::Process));
        let asleep = result.is_none() && !ends;
        self.tell(model, i, Moment::Call { call, asleep });
    }
}
