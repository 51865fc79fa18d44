//! Where the places of a tree are drawn: a column for each number of choices, the ends in the last one.

use crate::tree::Tree;

/// Column and row of each place.
pub fn layout(tree: &Tree) -> Vec<(usize, usize)> {
    let n = tree.places.len();
    let mut column = vec![0; n];
    for place in 0..n {
        for to in tree.places[place].choices.iter().filter_map(|choice| choice.to) {
            column[to] = column[to].max(column[place] + 1);
        }
    }
    let last = column.iter().copied().max().unwrap_or(0);
    (0..n).filter(|at| tree.places[*at].end.is_some()).for_each(|at| column[at] = last);
    // Near to where one comes from: fewer lines cross.
    let mut from: Vec<Vec<usize>> = vec![vec![]; n];
    for place in 0..n {
        tree.places[place]
            .choices
            .iter()
            .filter_map(|one| one.to)
            .for_each(|to| from[to].push(place));
    }
    let mut row = vec![0; n];
    for at in 0..=last {
        let mut here: Vec<usize> = (0..n).filter(|place| column[*place] == at).collect();
        let middle = |place: &usize| {
            let above: usize = from[*place].iter().map(|from| row[*from]).sum();
            1000 * above / from[*place].len().max(1)
        };
        here.sort_by_cached_key(middle);
        here.iter().enumerate().for_each(|(nth, place)| row[*place] = nth);
    }
    column.into_iter().zip(row).collect()
}
