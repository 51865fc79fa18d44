//! Every place of the program, for `--tree`.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::events;
use super::outcomes::name;
use super::run::{Outcome, World};
use super::schedule::{Who, letter};
use super::search::graph::{Followed, Graph, Spot, To};
use super::search::{Bound, Guide, Search};
use super::verdict::Could;
use super::{Options, Result, Trouble, cause};
use crate::asked;
use crate::event::{Event, What};
use crate::tree::{Choice, End, FORMAT, Lane, Move, Place, Tree, Turn, VERSION, Why};

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
    /// What happens before the first move.
    start: Vec<Value>,
    /// Of some order nobody can say whether something is wrong.
    not_judged: bool,
    /// Who could move at each place, and the call that each was about to make.
    could: HashMap<usize, Vec<Could>>,
}

/// Runs the program once more for each order that the search tries; with `--all`, until every choice at every
/// place was tried. `--max` times at most, or until a signal comes: then the tree is what is known.
pub fn tree(options: &Options, world: &mut World) -> Result<(Tree, Option<i32>)> {
    let mut map = Map::new(options);
    let (mut runs, mut goes_on, mut stopped) = (0, true, None);
    while goes_on && runs < options.max {
        runs += 1;
        goes_on = match map.goes_on(world) {
            Err(Trouble::Signal(signal)) => {
                asked::heard();
                stopped = Some(signal);
                break;
            }
            goes_on => goes_on?,
        };
        // All that was tried so far was of less than there is.
        if std::mem::take(&mut world.starts_again) {
            (map, goes_on) = (Map::new(options), true);
        }
    }
    Ok((map.tree(options, goes_on), stopped))
}

/// The tree as it grows.
struct Map<'a> {
    options: &'a Options,
    graph: Graph,
    search: Search,
    seen: Seen,
}

impl<'a> Map<'a> {
    fn new(options: &'a Options) -> Map<'a> {
        let graph = Graph::new(options.bound(), !options.all);
        let search = Search::new(options.bound(), true);
        Map { options, graph, search, seen: Seen::default() }
    }

    /// One run more. False: there is no other to be made.
    fn goes_on(&mut self, world: &mut World) -> Result<bool> {
        let Map { options, graph, search, seen } = self;
        let mut followed = Followed { search, graph };
        let guide: &mut dyn Guide = if options.all { followed.graph } else { &mut followed };
        let outcome = world.run_by(guide, true, true)?;
        seen.run(&outcome);
        for (at, step) in graph.visited().iter().zip(&outcome.steps) {
            seen.could.entry(*at).or_insert_with(|| step.could.clone());
        }
        let count = if outcome.dropped && !options.all { 0 } else { outcome.steps.len() };
        let labels: Vec<usize> = (0..count).map(|n| seen.label(&outcome, n)).collect();
        let end = (!outcome.dropped).then(|| seen.end(&outcome, options.interleaving));
        let mut followed = Followed { search, graph };
        Ok(match options.all {
            true => followed.graph.ran(end, |n| labels[n]),
            false => followed.ran(end, !outcome.over, |n| labels[n]),
        })
    }

    fn tree(self, options: &Options, goes_on: bool) -> Tree {
        let Map { graph, seen, .. } = self;
        let complete = !goes_on && graph.unstable == 0 && !seen.not_judged;
        let mut lists = Lists::new(!goes_on && !options.all);
        let places = seen.places(&graph, &mut lists);
        let words = |words: &[std::ffi::OsString]| {
            words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let others = options.others.iter().map(|other| words(&other.0));
        Tree {
            format: FORMAT.into(),
            version: VERSION,
            programs: std::iter::once(words(&options.program)).chain(others).collect(),
            preemptions: match options.bound() {
                Bound::Preemptions(n) | Bound::Delays(n) => n.to_string(),
                Bound::Unbounded => "unbounded".into(),
            },
            all: options.all,
            complete,
            start: seen.start,
            places,
            calls: lists.calls.all,
            left_out: lists.left_out.all,
            turns: lists.turns.all,
            lanes: seen.lanes,
            moves: seen.moves.all,
            ends: seen.ends.all,
        }
    }
}

/// What places and ways name, each once.
struct Lists {
    calls: Known<String>,
    left_out: Known<Vec<Choice>>,
    turns: Known<Turn>,
    /// What was not tried comes to what was.
    equal: bool,
}

impl Lists {
    fn new(equal: bool) -> Lists {
        let (calls, turns) = (Known::default(), Known::default());
        let mut lists = Lists { calls, left_out: Known::default(), turns, equal };
        lists.left_out.number("[]".into(), Vec::new);
        lists
    }

    /// A choice, and why it was not tried; where it leads is not said yet.
    fn choice(&mut self, could: &Could, to: To) -> Choice {
        let call = could.call.as_ref();
        let call = call.map(|call| self.calls.number(call.clone(), || call.clone()));
        let why = match to {
            To::Place { .. } => None,
            To::Beyond => Some(Why::Bound),
            To::Untried if self.equal => Some(Why::Equal),
            To::Untried | To::GivenUp => Some(Why::Unfinished),
        };
        Choice {
            who: could.letter,
            time: could.who.is_time(),
            store: could.who == Who::Buffer,
            call,
            why,
            turns: vec![],
            to: None,
        }
    }

    /// What could have been chosen, too, at a place with only one choice that was tried.
    fn left_out(&mut self, spot: &Spot, could: &[Could]) -> usize {
        let others = spot.to.iter().zip(could).filter(|(to, _)| !matches!(to, To::Place { .. }));
        let others: Vec<Choice> = others.map(|(to, could)| self.choice(could, *to)).collect();
        self.left_out.number(json!(others).to_string(), || others)
    }

    /// Moves of one lane, each with what was left out before it.
    fn turn(&mut self, way: &[(usize, usize)]) -> usize {
        let moves: Vec<usize> = way.iter().map(|(one, _)| *one).collect();
        let before = std::iter::once(0).chain(way.iter().map(|(_, list)| *list));
        let each = way.iter().map(|(_, list)| *list).zip(before).enumerate();
        let changes = each.filter(|(_, (list, before))| list != before);
        let left_out: Vec<_> = changes.map(|(at, (list, _))| (at, list)).collect();
        self.turns.number(format!("{moves:?} {left_out:?}"), || Turn { moves, left_out })
    }
}

impl Seen {
    fn run(&mut self, outcome: &Outcome) {
        if self.lanes.is_empty() {
            let start = events::of_move(outcome, None);
            self.start = start.iter().map(|(_, event)| plain(event)).collect();
        }
        self.not_judged |= outcome.not_judged.is_some();
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
        let Could { letter: who, who: by, .. } = step.could[step.chosen];
        let (time, store) = (by.is_time(), by == Who::Buffer);
        let key = json!([who, time, store, events]).to_string();
        self.moves.number(key, || Move { who, time, store, events })
    }

    /// The places at which more than one choice was tried, the start, and the ends. What lies between is part
    /// of the way from one to the next. Places from which the same can happen are one.
    fn places(&self, graph: &Graph, lists: &mut Lists) -> Vec<Place> {
        let orders = graph.orders(self.ends.all.len());
        let (mut places, mut numbers) = (Known::default(), HashMap::new());
        for at in graph.forks() {
            let spot = &graph.spots[at];
            let choices = spot.to.iter().zip(self.could(at));
            let choices = choices.map(|(to, one)| self.choice(graph, lists, &numbers, *to, one));
            let pairs = orders[at].iter().copied().enumerate().filter(|(_, orders)| *orders > 0.0);
            let place =
                Place { choices: choices.collect(), orders: pairs.collect(), end: spot.end };
            numbers.insert(at, places.number(json!(place).to_string(), || place));
        }
        // The start was the last. A signal may have come before it.
        let mut places: Vec<Place> = places.all;
        places.reverse();
        if places.is_empty() {
            places.push(Place { choices: vec![], orders: vec![], end: None });
        }
        let last = places.len() - 1;
        for choice in places.iter_mut().flat_map(|place| &mut place.choices) {
            choice.to = choice.to.map(|to| last - to);
        }
        places
    }

    fn could(&self, at: usize) -> &[Could] {
        self.could.get(&at).map_or(&[], |could| could)
    }

    /// A choice, and the way to the next place, which has a number already.
    fn choice(
        &self,
        graph: &Graph,
        lists: &mut Lists,
        numbers: &HashMap<usize, usize>,
        to: To,
        one: &Could,
    ) -> Choice {
        let mut choice = lists.choice(one, to);
        let (mut way, mut left_out, mut next) = (vec![], 0, Some(to));
        while let Some(To::Place { to, label }) = next {
            // A move of which nothing is told may say who was chosen, or who could have been.
            let told = !self.moves.all[label].events.is_empty();
            if told || way.last().is_none_or(|(_, before)| *before != left_out) {
                way.push((label, left_out));
            }
            choice.to = numbers.get(&to).copied();
            if choice.to.is_some() {
                break;
            }
            let spot = &graph.spots[to];
            left_out = lists.left_out(spot, self.could(to));
            next = spot.only();
        }
        let who = |(one, _): &(usize, usize)| self.moves.all[*one].who;
        let of_one = way.chunk_by(|one, next| who(one) == who(next));
        choice.turns = of_one.map(|moves| lists.turn(moves)).collect();
        choice
    }

    fn end(&mut self, outcome: &Outcome, interleaving: bool) -> usize {
        let printed = outcome.printed.apart(interleaving);
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
