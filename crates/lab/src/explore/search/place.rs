//! What the search sees of a run: a place where one process must move, and what a choice there costs.

use crate::explore::footprint::Footprint;
use crate::explore::schedule::Who;

/// One that can move.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Mover {
    /// The same process or thread in every schedule.
    pub id: u32,
    pub who: Who,
}

impl Mover {
    /// The process or thread itself.
    pub fn itself(id: u32) -> Mover {
        Mover { id, who: Who::Itself }
    }
}

/// A place where one process must move.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The processes that can. None: the run ends here, where some are blocked.
    pub movers: Vec<Mover>,
    /// Their names in a schedule.
    pub letters: Vec<usize>,
    /// Which of them moved last and would go on: a store that waits in its buffer goes first.
    pub current: Option<usize>,
    /// Only time can move, and processes that only check again: then time passes for this one
    /// first.
    pub due: Option<usize>,
    /// Processes whose next call cannot be made yet, and what it would touch.
    pub blocked: Vec<(Mover, Footprint)>,
    /// Some could move that are not among the movers: they only check again.
    pub hidden: bool,
}

impl Place {
    /// Is it the place that it was in another run?
    pub fn is(&self, other: &Place) -> bool {
        let of = |place: &Place| (place.current, place.due);
        self.movers == other.movers && self.letters == other.letters && of(self) == of(other)
    }
}

/// Decides which process moves.
pub trait Guide {
    /// Which of them moves now; `None`: this run leads to nothing new, so end it.
    fn choose(&mut self, place: &Place) -> Option<usize>;
    /// What the chosen move has touched.
    fn moved(&mut self, footprint: Footprint);
}

/// What there may only be so many of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Bound {
    Preemptions(u32),
    Delays(u32),
    Unbounded,
}

impl Bound {
    /// No limit: `u32::MAX`.
    pub fn limit(self) -> u32 {
        match self {
            Bound::Preemptions(n) | Bound::Delays(n) => n,
            Bound::Unbounded => u32::MAX,
        }
    }

    /// What a choice costs.
    pub fn cost(self, place: &Place, chosen: usize) -> u32 {
        match self {
            Bound::Delays(_) if place.current.is_none() => u32::from(chosen != first(place)),
            _ => cost(place, chosen),
        }
    }
}

/// Is this choice a preemption? A process and its store buffer have one turn together: that a store waits costs
/// nothing.
pub fn cost(place: &Place, chosen: usize) -> u32 {
    let mover = place.movers[chosen];
    let taken = match place.current {
        Some(current) => mover.who.is_time() || mover.id != place.movers[current].id,
        None => mover.who.is_time() && place.due != Some(chosen),
    };
    u32::from(taken)
}

/// Which process moves by default.
pub fn first(place: &Place) -> usize {
    let idle = || (0..place.movers.len()).min_by_key(|&i| cost(place, i)).unwrap_or(0);
    place.current.unwrap_or_else(idle)
}

/// All of them: the first, then those that cost nothing, and time last.
pub fn in_order(place: &Place) -> Vec<usize> {
    let mut order: Vec<usize> = (0..place.movers.len()).collect();
    order.sort_by_key(|&i| (i != first(place), cost(place, i), place.movers[i].who.is_time()));
    order
}
