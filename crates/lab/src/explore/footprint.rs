//! What a move touches. Two moves whose footprints do not conflict may change places without a
//! visible difference, so only one of the two orders is tried.
//!
//! A footprint must never be too small, or an order is missed; if it is too large, one is tried twice.

/// A thing in the kernel or in memory that more than one process or thread can touch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Thing {
    /// A process as one that signals reach.
    Process(u32),
    /// The children of a process, as its waits see them.
    Children(u32),
    /// The order in which pids are given.
    Pids,
    /// A System V object; -1: the table of its kind.
    Shm(i32),
    Msg(i32),
    Sem(i32),
    /// A pipe; every move that may meet any pipe, socket or other descriptor is `Descriptors`.
    Pipe(u64),
    Descriptors,
    Files,
    Futexes,
    Time,
    /// Memory that is shared: a segment by its id, a mapping by its birth, a process with threads.
    Memory(u64),
}

/// What one move touched.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Footprint {
    /// It may have touched anything.
    everything: bool,
    /// What it touched, and whether it changed it.
    touched: Vec<(Thing, bool)>,
}

impl Footprint {
    /// Of a move of which nothing is known.
    pub fn everything() -> Footprint {
        Footprint { everything: true, touched: vec![] }
    }

    /// It may have touched anything.
    pub fn add_everything(&mut self) {
        self.everything = true;
    }

    /// It looked at a thing.
    pub fn reads(&mut self, thing: Thing) {
        self.add(thing, false);
    }

    /// It changed a thing.
    pub fn writes(&mut self, thing: Thing) {
        self.add(thing, true);
    }

    /// Has it changed anything?
    pub fn changes(&self) -> bool {
        self.everything || self.touched.iter().any(|(_, write)| *write)
    }

    fn add(&mut self, thing: Thing, write: bool) {
        match self.touched.iter_mut().find(|(known, _)| *known == thing) {
            Some((_, known)) => *known |= write,
            None => self.touched.push((thing, write)),
        }
    }

    /// Could the order of the two matter?
    pub fn conflicts(&self, other: &Footprint) -> bool {
        let meet = |one: &Thing, two: &Thing| {
            one == two
                || matches!(
                    (one, two),
                    (Thing::Pipe(_), Thing::Descriptors) | (Thing::Descriptors, Thing::Pipe(_))
                )
        };
        let clash = |(one, write): &(Thing, bool)| {
            other.touched.iter().any(|(two, also)| (*write || *also) && meet(one, two))
        };
        self.everything || other.everything || self.touched.iter().any(clash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[(Thing, bool)]) -> Footprint {
        let mut footprint = Footprint::default();
        list.iter().for_each(|&(thing, write)| footprint.add(thing, write));
        footprint
    }

    #[test]
    fn two_looks_may_change_places_and_a_change_may_not() {
        let look = of(&[(Thing::Shm(1), false)]);
        let change = of(&[(Thing::Shm(1), true)]);
        assert!(!look.conflicts(&look));
        assert!(look.conflicts(&change) && change.conflicts(&look) && change.conflicts(&change));
        assert!(!change.conflicts(&of(&[(Thing::Shm(2), true), (Thing::Sem(1), true)])));
        assert!(Footprint::everything().conflicts(&Footprint::default()));
        let pipe = of(&[(Thing::Pipe(3), true)]);
        assert!(pipe.conflicts(&of(&[(Thing::Descriptors, false)])));
        assert!(!pipe.conflicts(&of(&[(Thing::Pipe(4), true)])));
    }
}
