//! A run as it stands, for somebody who looks on.

use std::collections::BTreeMap;

use super::Run;
use super::candidates::Candidate;
use super::model::State;
use crate::explore::footprint::Bytes;
use crate::explore::scene::{Lane, Scene, Stands};
use crate::explore::search::{Place, cost, first};
use crate::syscalls::decode;

/// So many bytes of a memory are shown.
const SHOWN: usize = 4096;

impl Run<'_> {
    /// If somebody looks on: what there is to see. `candidates`: those who can move.
    pub fn show(&self, place: &Place, candidates: &[Candidate]) {
        let all = &self.moves.all;
        let Some(scene) = &all.world.scene else { return };
        let from = scene.borrow().from;
        if !candidates.is_empty() && all.narrator.steps.len() < from {
            return;
        }
        let could = candidates.iter().map(|one| (one.task, one.mover.who));
        let model = &all.model;
        let lane = |i: usize| {
            let main = model.process(i).main;
            let thread_of = (main != i).then_some(main);
            Lane { pid: model.pid(i), thread_of, stands: self.stands(i) }
        };
        *scene.borrow_mut() = Scene {
            lanes: (0..model.tasks.len()).map(lane).collect(),
            could: all.narrator.could(model, could),
            first: if candidates.is_empty() { 0 } else { first(place) },
            takes: (0..candidates.len()).map(|i| cost(place, i) > 0).collect(),
            story: all.narrator.story.clone(),
            steps: all.narrator.steps.clone(),
            rows: all.narrator.rows(),
            memory: self.memory(),
            from,
        };
    }

    fn stands(&self, i: usize) -> Stands {
        let task = &self.moves.all.model.tasks[i];
        let call = || {
            let spelled = task.entry.map(|entry| decode::enter(task.tid, &entry).line());
            spelled.unwrap_or_default()
        };
        match task.state {
            State::Gone => Stands::Gone,
            State::Stopped => Stands::Stopped,
            State::Asleep => Stands::Asleep(call()),
            State::Touching if task.blocked => Stands::Waits("its memory changes".into()),
            _ if task.blocked => Stands::Waits(call()),
            _ => Stands::Ready,
        }
    }

    fn memory(&self) -> Vec<(u64, Vec<u8>)> {
        let all = &self.moves.all;
        let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
        for map in all.model.processes.iter().flat_map(|process| &process.maps) {
            let end = map.from + map.len as u64;
            let size = sizes.entry(map.memory).or_default();
            *size = end.max(*size);
        }
        let read = |(memory, size): (u64, u64)| {
            let bytes = Bytes { memory, from: 0, to: size.min(SHOWN as u64) };
            Some((memory, all.objects.read(bytes)?))
        };
        sizes.into_iter().filter_map(read).collect()
    }
}
