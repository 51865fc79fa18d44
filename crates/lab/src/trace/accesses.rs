//! What is made of accesses to shared memory: lines of the trace, and hints at its end.

use std::collections::BTreeSet;

use super::books::Books;
use super::hints::Hints;
use super::memory::Touch;
use super::process::Process;
use super::touches::Touches;
use crate::event::{HintSide, RaceHint, What};
use crate::memory::order::Race;
use crate::memory::place;
use crate::tracer::source::Sources;
use crate::tracer::{Stopped, Tid};

/// See the module.
#[derive(Default)]
pub struct Accesses {
    pub touches: Touches,
    /// None: accesses are not looked at.
    pub hints: Option<Hints>,
}

impl Accesses {
    /// From now on they are. `all`: every load is told.
    pub fn look(&mut self, all: bool) {
        self.hints = Some(Hints::default());
        self.touches.all = all;
    }

    /// One was made. What it answers is told now.
    pub fn touched(
        &mut self,
        thread: &Stopped,
        pid: i32,
        process: &mut Process,
        sources: &mut Sources,
        touch: Touch,
    ) -> Vec<(Tid, What)> {
        let code = sources.place(thread, &touch.registers, &mut process.layout);
        if let Some(hints) = &mut self.hints {
            hints.touched(thread.tid(), &touch, code);
        }
        if !self.touches.is_told(pid, &touch) {
            return vec![];
        }
        self.touches.add(thread.tid(), touch, sources.line(code))
    }

    /// What nothing orders, and what orders the rest; `None`: there is neither.
    pub fn hints(&self, books: &Books, sources: &mut Sources) -> Option<What> {
        let hints = self.hints.as_ref()?;
        let (races, ordering, complete) = hints.judged();
        let mut told: Vec<RaceHint> = vec![];
        let mut places = BTreeSet::new();
        for race in &races {
            let one = spelled(race, hints, books, sources);
            if places.insert((one.place.clone(), one.sides.clone())) {
                told.push(one);
            }
        }
        let ordering: Vec<String> = ordering.into_iter().map(place).collect();
        let some = !told.is_empty() || !ordering.is_empty();
        some.then_some(What::Hints { races: told, ordering, complete })
    }
}

fn spelled(race: &Race, hints: &Hints, books: &Books, sources: &mut Sources) -> RaceHint {
    let mut sides = race.sides;
    sides.sort_by_key(|side| side.who);
    let sides = sides.map(|side| HintSide {
        who: books.who(hints.tid(side.who)),
        writes: side.writes,
        source: sources.line(side.code),
    });
    RaceHint { place: place(race.bytes()), sides }
}
