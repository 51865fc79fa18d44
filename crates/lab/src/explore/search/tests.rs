//! What the search promises is held against a small machine in memory: no end that some order has is missed by
//! leaving orders out.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::graph::{Followed, Graph};
use super::records::{Noted, Played, Records};
use super::*;

mod machine;
use machine::{End, Op, run};

/// Every end, how many runs it took, and how many of these counted.
fn ends(programs: &[Vec<Op>], bound: Bound, reduce: bool) -> Ends {
    ends_within(programs, bound, reduce, usize::MAX).expect("an end of them")
}

type Ends = (BTreeSet<End>, usize, usize);

/// `None`: it would take more runs.
fn ends_within(programs: &[Vec<Op>], bound: Bound, reduce: bool, most: usize) -> Option<Ends> {
    let mut search = Search::new(bound, reduce);
    let (mut ends, mut runs, mut counted) = (BTreeSet::new(), 0, 0);
    loop {
        runs += 1;
        if let Some(end) = run(programs, &mut search) {
            match search.counts(true) {
                Counts::New(price, way) => {
                    assert!(price <= bound.limit());
                    counted += 1;
                    let again = run(programs, &mut Way::new(&way));
                    assert_eq!(again.as_ref(), Some(&end), "{programs:?} {way:?}");
                    ends.insert(end);
                }
                Counts::Before => assert!(ends.contains(&end)),
            }
        }
        if !search.next() {
            assert!(!search.diverged);
            return Some((ends, runs, counted));
        }
        if runs == most {
            return None;
        }
    }
}

/// Every end of the graph, and how many orders it has.
fn ends_of_graph(programs: &[Vec<Op>], bound: Bound) -> (BTreeSet<End>, f64) {
    let mut graph = Graph::new(bound, false);
    let mut ends: Vec<End> = vec![];
    loop {
        let end = run(programs, &mut graph).map(|end| {
            ends.iter().position(|known| *known == end).unwrap_or_else(|| {
                ends.push(end);
                ends.len() - 1
            })
        });
        if !graph.ran(end, |_| 0) {
            assert_eq!(graph.unstable, 0);
            let orders = graph.orders(ends.len());
            return (ends.into_iter().collect(), orders[0].iter().sum());
        }
    }
}

/// What comes of each run, in their order, whether it counts, and how many of them were made.
fn all_runs(programs: &[Vec<Op>], bound: Bound, keep: bool) -> (Vec<Option<(End, Counts)>>, usize) {
    let mut search = Search::new(bound, true);
    let mut records: Records<Option<End>> = Records::default();
    let (mut all, mut made) = (vec![], 0);
    loop {
        let known = records.play(&mut search).map(|played| match played {
            Played::End(end) => end.clone(),
            Played::LetGo(_) => None,
        });
        let end = known.unwrap_or_else(|| {
            search.again();
            made += 1;
            let mut noted = Noted::new(&mut search);
            let end = run(programs, &mut noted);
            let steps = noted.steps;
            if keep {
                records.keep(steps, end.clone(), 0);
            }
            end
        });
        all.push(end.map(|end| (end, search.counts(true))));
        assert!(!search.diverged);
        if !search.next() {
            return (all, made);
        }
    }
}

#[test]
fn a_run_is_made_once() {
    let programs = [vec![Op::Load(0), Op::Store(0)], vec![Op::Load(0), Op::Store(0)]];
    let (all, made) = all_runs(&programs, Bound::Preemptions(2), true);
    let new = all.iter().flatten().filter(|(_, counts)| *counts != Counts::Before).count();
    let (again, each) = all_runs(&programs, Bound::Preemptions(2), false);
    assert!(all == again && each == all.len() && made < each && made >= new, "{made} of {each}");
}

#[test]
fn a_run_in_which_a_program_changes_its_mind_is_not_kept() {
    let mut search = Search::new(Bound::Preemptions(2), true);
    let mut records = Records::default();
    let (loads, sleeps) = (vec![Op::Load(0); 2], vec![Op::Sleep(1)]);
    for programs in [[loads.clone(), loads.clone()], [sleeps, loads.clone()]] {
        let mut noted = Noted::new(&mut search);
        let end = run(&programs, &mut noted);
        records.keep(noted.steps, end, 0);
        search.again();
    }
    let played = records.play(&mut search);
    assert!(matches!(played, Some(Played::End(Some(end))) if end.0 == [[0, 0], [0, 0]]));
}

#[test]
fn all_orders_of_two_by_two() {
    let two = vec![Op::Store(0), Op::Store(0)];
    assert_eq!(ends(&[two.clone(), two], Bound::Unbounded, false).1, 6);
}

#[test]
fn orders_that_cannot_differ_are_tried_once() {
    let programs = [vec![Op::Store(0); 3], vec![Op::Store(1); 3]];
    let (all, runs, _) = ends(&programs, Bound::Unbounded, false);
    assert_eq!((all.len(), runs), (1, 20));
    for bound in [Bound::Preemptions(2), Bound::Unbounded] {
        let (one, runs, counted) = ends(&programs, bound, true);
        assert_eq!((one, runs, counted), (all.clone(), 1, 1));
    }
}

#[test]
fn many_that_only_do_things_of_their_own_cost_nothing() {
    let child = |own| vec![Op::Store(own); 2];
    let parent = (1..5).map(Op::Join).collect();
    let programs = [parent, child(2), child(3), child(4), child(5)];
    let programs = programs.map(|ops: Vec<Op>| ops);
    assert_eq!(ends(&programs, Bound::Preemptions(2), true).1, 1);
}

#[test]
fn a_preemption_too_few_is_reported() {
    let programs = [vec![Op::Store(0), Op::Load(0)], vec![Op::Store(0)]];
    for (bound, reduce) in [(0, false), (2, false), (0, true), (2, true)] {
        let mut search = Search::new(Bound::Preemptions(bound), reduce);
        loop {
            if run(&programs, &mut search).is_some() {
                search.counts(true);
            }
            if !search.next() {
                break;
            }
        }
        assert_eq!(search.cut, bound == 0);
    }
}

#[test]
fn what_needs_the_fewest_preemptions_comes_first() {
    let programs = [vec![Op::Load(0), Op::Load(0)], vec![Op::Store(0), Op::Store(0)]];
    let mut search = Search::new(Bound::Preemptions(2), true);
    let mut prices = vec![];
    loop {
        if run(&programs, &mut search).is_some()
            && let Counts::New(price, _) = search.counts(true)
        {
            prices.push(price);
        }
        if !search.next() {
            break;
        }
    }
    assert!(prices.is_sorted() && prices.contains(&0) && prices.contains(&2), "{prices:?}");
}

/// In each, one end needs a preemption that another order has, too, but later or after a place where that order was
/// let go of.
#[test]
fn a_preemption_that_is_paid_for_also_comes_earlier() {
    use Op::*;
    for programs in [
        [
            vec![Sleep(1), Load(0), Put(1)],
            vec![Put(1), Put(1), Load(0)],
            vec![Put(0), Sleep(1), Join(2)],
        ],
        [
            vec![Store(0), Put(0), Put(1)],
            vec![Put(1), TimedWait(1), Load(1)],
            vec![Load(0), Load(1)],
        ],
        [vec![Store(1), Put(0)], vec![TimedWait(0), Join(2)], vec![Put(1), Store(0), Post(0)]],
    ] {
        let [reduced, all] =
            [true, false].map(|reduce| ends(&programs, Bound::Preemptions(1), reduce).0);
        assert_eq!(reduced, all, "{programs:?}");
    }
}

#[test]
fn a_lost_post_is_found_at_zero_preemptions() {
    // Two waits for one post.
    let programs = [vec![Op::Wait(0), Op::Post(1)], vec![Op::Wait(0)], vec![Op::Post(0)]];
    let (all, ..) = ends(&programs, Bound::Preemptions(0), true);
    assert!(all.iter().any(|end| end.2[0]) && all.iter().any(|end| end.2[1]));
}

#[test]
fn a_program_that_changes_its_mind_is_noticed() {
    let mut search = Search::new(Bound::Unbounded, true);
    let stores = vec![Op::Store(0); 2];
    let programs = [stores.clone(), stores];
    // The first with another choice than the first one at some place.
    while search.stack.iter().all(|node| node.tried.is_empty()) {
        run(&programs, &mut search);
        assert!(search.next());
    }
    run(&[vec![Op::Sleep(1)]], &mut search);
    assert!(search.diverged);
}

#[test]
fn an_order_that_is_given_up_makes_a_tree_incomplete() {
    let mut search = Search::new(Bound::Unbounded, true);
    let mut graph = Graph::new(Bound::Unbounded, true);
    let mut followed = Followed { search: &mut search, graph: &mut graph };
    let stores = vec![Op::Store(0); 2];
    let mut programs = vec![stores.clone(), stores];
    let mut runs = 0;
    loop {
        runs += 1;
        let end = run(&programs, &mut followed).map(|_| 0);
        if !followed.ran(end, true, |_| 0) {
            break;
        }
        programs = vec![vec![Op::Sleep(1)]];
    }
    assert!(graph.unstable > 0 && runs > 5, "{} after {runs}", graph.unstable);
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0..2_usize).prop_map(Op::Load),
        (0..2_usize).prop_map(Op::Store),
        (0..2_usize).prop_map(Op::Put),
        (0..2_usize).prop_map(Op::Put),
        (0..2_usize).prop_map(Op::Post),
        (0..2_usize).prop_map(Op::Wait),
        (1..3_u64).prop_map(Op::Sleep),
        (0..2_usize).prop_map(Op::TimedWait),
        (0..2_usize).prop_map(Op::Take),
        Just(Op::TakeBoth),
        (0..3_usize).prop_map(Op::Join),
    ]
}

fn bound() -> impl Strategy<Value = Bound> {
    prop_oneof![
        (0..4_u32).prop_map(Bound::Preemptions),
        (0..4_u32).prop_map(Bound::Delays),
        Just(Bound::Unbounded),
    ]
}

/// Also in a debug build a few seconds; with SOAK, more.
fn config() -> ProptestConfig {
    let (cases, rng_seed) = match std::env::var_os("SOAK") {
        Some(_) => (50_000, RngSeed::Random),
        None => (400, RngSeed::Fixed(12)),
    };
    let max_global_rejects = cases;
    let failure_persistence = None;
    let default = ProptestConfig::default();
    ProptestConfig { cases, rng_seed, max_global_rejects, failure_persistence, ..default }
}

proptest! {
    #![proptest_config(config())]
    /// With a bound or without: leaving orders out leaves no end out.
    #[test]
    fn no_end_is_missed(
        programs in prop::collection::vec(prop::collection::vec(op(), 1..4), 2..4),
        bound in bound(),
    ) {
        // A few of the programs have millions of orders.
        let every = ends_within(&programs, bound, false, 50_000);
        prop_assume!(every.is_some());
        let (all, runs, _) = every.unwrap_or_default();
        let (found, _, counted) = ends(&programs, bound, true);
        prop_assert_eq!(&found, &all);
        prop_assert!(counted <= runs);
        // Runs that are known tell the search the same as when they are made again.
        let [kept, made] = [true, false].map(|keep| all_runs(&programs, bound, keep));
        prop_assert_eq!(kept.0, made.0);
        prop_assert!(kept.1 <= made.1);
        if bound == Bound::Unbounded {
            let (ends, orders) = ends_of_graph(&programs, bound);
            prop_assert_eq!(&ends, &all);
            // Each order is one path through the graph.
            prop_assert_eq!(orders, runs as f64);
        }
    }
}
