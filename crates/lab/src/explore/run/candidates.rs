//! Who can move now: processes and threads, time for them, and the stores that wait in their buffers.

use super::Run;
use crate::explore::schedule::Who;
use crate::explore::search::{Mover, Place};

/// One that can move: for the search, and among the tasks.
#[derive(Clone, Copy)]
pub struct Candidate {
    pub mover: Mover,
    pub task: usize,
}

impl Run<'_> {
    /// Can only time move, and processes that only check again?
    pub fn is_idle(&self) -> bool {
        let model = &self.moves.all.model;
        let moves = |i: usize| {
            let task = &model.tasks[i];
            model.can_move(i) && !task.looks.yields || !task.buffer.is_empty()
        };
        !(0..model.tasks.len()).any(moves)
    }

    /// The processes that can move.
    pub fn candidates(&self) -> Vec<Candidate> {
        let model = &self.moves.all.model;
        let ready = |calm: bool| {
            let one = move |task: usize| {
                let mover = Mover::itself(model.tasks[task].id);
                let moves = model.can_move(task) && (calm || !model.tasks[task].looks.yields);
                moves.then_some(Candidate { mover, task })
            };
            (0..model.tasks.len()).filter_map(one).collect::<Vec<_>>()
        };
        let stored = |task: usize| {
            let mover = Mover { id: model.tasks[task].id, who: Who::Buffer };
            (!model.tasks[task].buffer.is_empty()).then_some(Candidate { mover, task })
        };
        let mut all = ready(false);
        all.extend((0..model.tasks.len()).filter_map(stored));
        // Of each, the store first.
        all.sort_by_key(|one| (one.task, one.mover.who == Who::Itself));
        let calm = all.is_empty();
        if calm {
            all = ready(true);
        }
        // A process that sleeps, checks and sleeps again may do so when the others have moved.
        // Where nobody else can move, the first one always may.
        let first = (0..model.tasks.len())
            .filter_map(|task| Some((model.due(task)?, model.tasks[task].id, task)))
            .min()
            .filter(|_| calm);
        let due = |task: usize| {
            let is_first = first.is_some_and(|(.., first)| first == task);
            let patient = is_first || model.tasks[task].looks.is_patient();
            let mover = Mover { id: model.tasks[task].id, who: Who::Time };
            model.due(task).filter(|_| patient).map(|_| Candidate { mover, task })
        };
        all.extend((0..model.tasks.len()).filter_map(due));
        all
    }

    /// The same, as the search sees it.
    pub fn place(&mut self, candidates: &[Candidate]) -> Place {
        let mut blocked = vec![];
        for task in 0..self.moves.all.model.tasks.len() {
            let one = &self.moves.all.model.tasks[task];
            if one.blocked {
                let mover = Mover::itself(one.id);
                let mut footprint = self.moves.all.certain(task, false);
                footprint.waits_for_stores = self.moves.all.waits_for_its_stores(task);
                blocked.push((mover, footprint));
            }
        }
        let model = &self.moves.all.model;
        // One that only checks again makes room for any other.
        let last = self.last.filter(|last| !last.who.is_time());
        let goes_on = |who: Who| {
            candidates.iter().position(|one| {
                let yields = who == Who::Itself && model.tasks[one.task].looks.yields;
                Some(one.mover.id) == last.map(|last| last.id) && one.mover.who == who && !yields
            })
        };
        // A store that waits goes first: as if there were no buffer.
        let current = goes_on(Who::Buffer).or(goes_on(Who::Itself));
        let due = |at: &usize| {
            let one = candidates[*at];
            model.due(one.task).filter(|_| one.mover.who.is_time())
        };
        let time = |at: &usize| due(at).map(|due| (due, candidates[*at].mover.id));
        let first = (0..candidates.len()).filter(|at| due(at).is_some()).min_by_key(time);
        Place {
            movers: candidates.iter().map(|one| one.mover).collect(),
            letters: candidates.iter().map(|one| one.task).collect(),
            current,
            due: first.filter(|_| self.is_idle()),
            blocked,
            hidden: (0..model.tasks.len()).any(|task| {
                let is =
                    |who| candidates.iter().any(|one| one.task == task && one.mover.who == who);
                model.can_move(task) && !is(Who::Itself)
                    || model.due(task).is_some() && !is(Who::Time)
            }),
        }
    }
}
