//! Runs that were made. A run is a function of the choices that were made in it: where the search chooses what
//! was chosen before, it need not be made again. With the bound 1, the search asks again for all runs that it
//! asked for with the bound 0, and with 2 for all of both.
//!
//! They are a tree: at each place, the choices that were tried there, and where each leads.

use super::{Guide, Place, Search};
use crate::explore::footprint::Footprint;

/// So many bytes are kept, about.
const MOST: usize = 128 << 20;

/// A place of a run, what was chosen there, and what that touched.
pub struct Step {
    place: Place,
    /// `None`: it went on without a choice, or ended.
    choice: Option<usize>,
    footprint: Footprint,
}

impl Step {
    fn weight(&self) -> usize {
        let blocked: usize = self.place.blocked.iter().map(|one| one.1.weight()).sum();
        size_of::<Known<()>>() + 32 * self.place.movers.len() + blocked + self.footprint.weight()
    }
}

/// A guide, and what it does is noted.
pub struct Noted<'a> {
    guide: &'a mut dyn Guide,
    pub steps: Vec<Step>,
}

impl<'a> Noted<'a> {
    /// Nothing has happened yet.
    pub fn new(guide: &'a mut dyn Guide) -> Noted<'a> {
        Noted { guide, steps: vec![] }
    }
}

impl Guide for Noted<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        let choice = self.guide.choose(place);
        let footprint = Footprint::default();
        self.steps.push(Step { place: place.clone(), choice, footprint });
        choice
    }

    fn moved(&mut self, footprint: Footprint) {
        if let Some(last) = self.steps.last_mut() {
            last.footprint = footprint.clone();
        }
        self.guide.moved(footprint);
    }
}

/// A place of the tree.
struct Known<T> {
    place: Place,
    next: Vec<Edge>,
    /// What came of a run that was let go of there.
    let_go: Option<T>,
}

struct Edge {
    choice: Option<usize>,
    footprint: Footprint,
    /// `None`: that is not known yet.
    to: Option<To>,
}

#[derive(Clone, Copy)]
enum To {
    Place(usize),
    End(usize),
}

/// See the module. `T`: what comes of a run.
pub struct Records<T> {
    start: Option<To>,
    places: Vec<Known<T>>,
    ends: Vec<T>,
    weight: usize,
}

/// A run that need not be made.
pub enum Played<'a, T> {
    /// What came of it.
    End(&'a T),
    /// The search lets go of it. With what came of one that went the same way so far, and perhaps farther.
    LetGo(&'a T),
}

impl<T> Default for Records<T> {
    fn default() -> Records<T> {
        Records { start: None, places: vec![], ends: vec![], weight: 0 }
    }
}

impl<T> Records<T> {
    /// Keeps a run, and what came of it; `weight`: so many bytes. When there are too many, all are forgotten.
    pub fn keep(&mut self, steps: Vec<Step>, end: T, weight: usize) {
        self.weight += weight + size_of::<T>();
        if self.weight > MOST {
            *self = Records::default();
        }
        // The edge that leads to the next one: from which place, and which of its edges.
        let mut from: Option<(usize, usize)> = None;
        for step in steps {
            let at = match self.behind(from) {
                Some(To::Place(at)) if self.places[at].place.is(&step.place) => at,
                // It did something else than before: nothing can be said of it.
                Some(_) => return,
                None => {
                    self.weight += step.weight();
                    let known = Known { place: step.place, next: vec![], let_go: None };
                    self.places.push(known);
                    let at = self.places.len() - 1;
                    self.lead(from, To::Place(at));
                    at
                }
            };
            let known = &mut self.places[at];
            if step.choice.is_none() && !known.place.movers.is_empty() {
                known.let_go.get_or_insert(end);
                return;
            }
            let edge = known.next.iter().position(|edge| edge.choice == step.choice);
            let edge = edge.unwrap_or_else(|| {
                let (choice, footprint) = (step.choice, step.footprint);
                known.next.push(Edge { choice, footprint, to: None });
                known.next.len() - 1
            });
            from = Some((at, edge));
        }
        if self.behind(from).is_none() {
            self.ends.push(end);
            self.lead(from, To::End(self.ends.len() - 1));
        }
    }

    fn behind(&self, from: Option<(usize, usize)>) -> Option<To> {
        from.map_or(self.start, |(at, edge)| self.places[at].next[edge].to)
    }

    fn lead(&mut self, from: Option<(usize, usize)>, to: To) {
        match from {
            Some((at, edge)) => self.places[at].next[edge].to = Some(to),
            None => self.start = Some(to),
        }
    }

    /// Lets the search go its way through them. `None`: it goes where no run has gone, and the run has to be made,
    /// after [`Search::again`].
    pub fn play(&self, search: &mut Search) -> Option<Played<'_, T>> {
        let mut to = self.start?;
        loop {
            let at = match to {
                To::Place(at) => at,
                To::End(end) => return Some(Played::End(&self.ends[end])),
            };
            let known = &self.places[at];
            let choice = search.choose(&known.place);
            if search.diverged {
                return None;
            }
            if choice.is_none() && !known.place.movers.is_empty() {
                return self.one_from(at).map(Played::LetGo);
            }
            let edge = known.next.iter().find(|edge| edge.choice == choice)?;
            if choice.is_some() {
                search.moved(edge.footprint.clone());
            }
            to = edge.to?;
        }
    }

    /// What came of one of the runs that came here.
    fn one_from(&self, mut at: usize) -> Option<&T> {
        loop {
            let known = &self.places[at];
            if known.let_go.is_some() {
                return known.let_go.as_ref();
            }
            match known.next.first()?.to? {
                To::Place(next) => at = next,
                To::End(end) => return self.ends.get(end),
            }
        }
    }
}
