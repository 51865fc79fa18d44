//! Every place of the program, for `--tree`.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::events;
use super::outcomes::name;
use super::run::{Outcome, World};
use super::schedule::letter;
use super::search::graph::{Followed, Graph, To};
use super::search::{Bound, Guide, Search, Way};
use super::verdict::Could;
use super::{Options, Result, cause};
use crate::event::{Event, What};
use crate::tree::{Choice, End, FORMAT, Lane, Move, Place, Tree, VERSION};

/// Things that are told apart, and their numbers.
struct Known<T> {
    all: Vec<T>,
    at: HashMap<String, usize>,
}

impl<T> Default for Known<T> {
    fn default() -> Known<T> {
        Known { all: vec![], at: HashMap::new() }
    }
}

impl<T> Known<T> {
    fn number(&mut self, key: String, thing: impl FnOnce() -> T) -> usize {
        *self.at.entry(key).or_insert_with(|| {
            self.all.push(thing());
            self.all.len() - 1
        })
    }
}

/// What was seen so far.
#[derive(Default)]
struct Seen {
    moves: Known<Move>,
    ends: Known<End>,
    lanes: Vec<Lane>,
    /// Who could move at each place, and the call that each was about to make.
    could: HashMap<usize, Vec<Could>>,
}

/// Runs the program once more for each order that the search tries; with `--all`, until every choice at every
/// place was tried. `--max` times at most.
pub fn tree(options: &Options, world: &mut World) -> Result<Tree> {
    let first = world.run(&mut Way::new(&[]), true)?;
    let mut graph = Graph::new(options.bound(), !options.all);
    let mut search = Search::new(options.bound(), true);
    let mut seen = Seen::default();
    let (mut runs, mut goes_on) = (0, true);
    while goes_on && runs < options.max {
        runs += 1;
        let mut followed = Followed { search: &mut search, graph: &mut graph };
        let guide: &mut dyn Guide = if options.all { followed.graph } else { &mut followed };
        let outcome = world.run_by(guide, true, true)?;
        seen.lanes(&outcome);
        for (at, step) in graph.visited().iter().zip(&outcome.steps) {
            seen.could.entry(*at).or_insert_with(|| step.could.clone());
        }
        let count = if outcome.dropped && !options.all { 0 } else { outcome.steps.len() };
        let labels: Vec<usize> = (0..count).map(|n| seen.label(&outcome, n)).collect();
        let end = (!outcome.dropped).then(|| seen.end(&outcome));
        let mut followed = Followed { search: &mut search, graph: &mut graph };
        goes_on = match options.all {
            true => followed.graph.ran(end, |n| labels[n]),
            false => followed.ran(end, !outcome.over, |n| labels[n]),
        };
    }
    let mut turns = Known::default();
    let places = seen.places(&graph, &mut turns);
    let words = |words: &[std::ffi::OsString]| {
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    };
    let others = options.others.iter().map(|other| words(&other.0));
    Ok(Tree {
        format: FORMAT.into(),
        version: VERSION,
        programs: std::iter::once(words(&options.program)).chain(others).collect(),
        preemptions: match options.bound() {
            Bound::Preemptions(n) | Bound::Delays(n) => n.to_string(),
            Bound::Unbounded => "unbounded".into(),
        },
        all: options.all,
        complete: !goes_on && graph.unstable == 0,
        start: events::of_move(&first, None).iter().map(|(_, event)| plain(event)).collect(),
        places,
        turns: turns.all,
        lanes: seen.lanes,
        moves: seen.moves.all,
        ends: seen.ends.all,
    })
}

impl Seen {
    fn lanes(&mut self, outcome: &Outcome) {
        for told in &outcome.story {
            while self.lanes.len() <= told.letter {
                self.lanes.push(Lane { who: letter(self.lanes.len()), pid: 0 });
            }
            self.lanes[told.letter].pid = told.pid;
        }
    }

    fn label(&mut self, outcome: &Outcome, n: usize) -> usize {
        // Who moves, of whom, is said by the place; what a program prints, by an event of its own.
        let told = |at: &Option<usize>| at.is_none_or(|at| !outcome.story[at].looks);
        let prints = |event: &Event| {
            let What::Call { call, .. } = &event.what else { return false };
            call.name.starts_with("write")
                && matches!(call.value("fd"), Some(1 | 2))
                && call.succeeded()
        };
        let of_move = events::of_move(outcome, Some(n)).into_iter().skip(1);
        let of_move = of_move.filter(|(at, event)| told(at) && !prints(event));
        let events: Vec<Value> = of_move.map(|(_, event)| plain(&event)).collect();
        let step = &outcome.steps[n];
        let Could { letter: who, time, .. } = step.could[step.chosen];
        let key = json!([who, time, events]).to_string();
        self.moves.number(key, || Move { who, time, events })
    }

    /// The places at which more than one choice was tried, the start, and the ends. What lies between is part
    /// of the way from one to the next.
    fn places(&self, graph: &Graph, turns: &mut Known<Vec<usize>>) -> Vec<Place> {
        let tried = |at: usize| {
            graph.spots[at].to.iter().filter(|to| matches!(to, To::Place { .. })).count()
        };
        let stays: Vec<usize> =
            (0..graph.spots.len()).filter(|at| *at == 0 || tried(*at) != 1).collect();
        let orders = graph.orders(self.ends.all.len());
        let mut place = |&at: &usize| {
            let could = self.could.get(&at).map_or(&[][..], |could| could);
            let mut choice = |(to, could): (&To, &Could)| {
                let (mut moves, mut at) = (vec![], None);
                let mut next = *to;
                while let To::Place { to, label } = next {
                    moves.push(label);
                    at = Some(to);
                    let onward =
                        graph.spots[to].to.iter().find(|to| matches!(to, To::Place { .. }));
                    match onward {
                        Some(onward) if tried(to) == 1 => next = *onward,
                        _ => break,
                    }
                }
                let to = at.and_then(|at| stays.binary_search(&at).ok());
                let call = could.call.clone().filter(|_| to.is_none());
                let mut at = 0..;
                moves.retain(|one| at.next() == Some(0) || !self.moves.all[*one].events.is_empty());
                let who = |one: &usize| self.moves.all[*one].who;
                let of_one = moves.chunk_by(|one, next| who(one) == who(next));
                let turn = |moves: &[usize]| turns.number(format!("{moves:?}"), || moves.to_vec());
                let turns = of_one.map(turn).collect();
                Choice { who: could.letter, time: could.time, call, turns, to }
            };
            let pairs = orders[at].iter().copied().enumerate().filter(|(_, orders)| *orders > 0.0);
            let spot = &graph.spots[at];
            Place {
                choices: spot.to.iter().zip(could).map(&mut choice).collect(),
                orders: pairs.collect(),
                end: spot.end,
            }
        };
        stays.iter().map(&mut place).collect()
    }

    fn end(&mut self, outcome: &Outcome) -> usize {
        let printed = outcome.printed.by_process();
        let key = format!("{} {printed:?}", name(outcome));
        self.ends.number(key, || {
            let mut cures: Vec<String> = vec![];
            for finding in &outcome.findings {
                let cure = cause::of(&outcome.story, finding).cure.to_string();
                if !cures.contains(&cure) {
                    cures.push(cure);
                }
            }
            End {
                outcome: name(outcome),
                findings: outcome.findings.iter().map(ToString::to_string).collect(),
                cures,
                printed: printed.iter().map(super::report::json_piece).collect(),
            }
        })
    }
}

/// An event without what is the same in all of them, or differs from run to run. Of the arguments of a call
/// only what they say.
fn plain(event: &Event) -> Value {
    let mut value = json!(event);
    if let Some(fields) = value.as_object_mut() {
        for field in ["n", "us", "pid", "tid", "entered", "here", "bytes", "before"] {
            fields.remove(field);
        }
    }
    if let Some(call) = value.get_mut("call").and_then(Value::as_object_mut) {
        let arg = |arg: &Value| arg["text"].clone();
        let mut args: Vec<Value> = call["args"].as_array().into_iter().flatten().map(arg).collect();
        let prints = call["name"] == "write" && (args[0] == "1" || args[0] == "2");
        if prints {
            args[1] = "…".into();
        }
        call.insert("args".into(), args.into());
        call.remove("number");
    }
    value
}
