//! The shortest ways through a tree.

use crate::tree::{Choice, Tree};

/// From each place, the fewest choices to an end at which something is wrong, and to any end.
pub struct Ways {
    pub fewest: Vec<Option<u32>>,
    any: Vec<Option<u32>>,
}

/// A choice that was tried.
fn tried(tree: &Tree, place: usize) -> impl Iterator<Item = (&Choice, usize)> {
    tree.places[place].choices.iter().filter_map(|choice| Some((choice, choice.to?)))
}

/// Where one choice alone was tried, a reader does not choose.
fn cost(tree: &Tree, place: usize) -> u32 {
    (tried(tree, place).count() > 1).into()
}

fn steps(tree: &Tree, choice: &Choice) -> usize {
    choice.turns.iter().map(|turn| tree.turns[*turn].moves.len()).sum()
}

impl Ways {
    pub fn of(tree: &Tree) -> Ways {
        let to = |wrong: bool| {
            let mut fewest: Vec<Option<u32>> = vec![None; tree.places.len()];
            // Every choice leads to a later place.
            for place in (0..tree.places.len()).rev() {
                let fits = |end: usize| !wrong || !tree.ends[end].findings.is_empty();
                let here = tree.places[place].end.filter(|end| fits(*end)).map(|_| 0);
                let behind = tried(tree, place).filter_map(|(_, to)| fewest[to]).min();
                fewest[place] = here.or(behind.map(|n| n + cost(tree, place)));
            }
            fewest
        };
        Ways { fewest: to(true), any: to(false) }
    }

    /// The moves of the shortest order that goes wrong, or of the shortest if none does; and its end.
    pub fn shortest(&self, tree: &Tree) -> (Vec<usize>, Option<usize>) {
        let fewest = if self.fewest[0].is_some() { &self.fewest } else { &self.any };
        let (mut place, mut moves) = (0, vec![]);
        while tree.places[place].end.is_none() {
            let left = |to: usize| fewest[to].unwrap_or(u32::MAX);
            let next =
                tried(tree, place).min_by_key(|(choice, to)| (left(*to), steps(tree, choice)));
            let Some((choice, to)) = next else { return (moves, None) };
            moves.extend(choice.turns.iter().flat_map(|turn| &tree.turns[*turn].moves));
            place = to;
        }
        (moves, Some(place))
    }
}
