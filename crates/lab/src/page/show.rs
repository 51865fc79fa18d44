//! What the page shows: a run, or a tree. `page.js` reads it as JSON; the names are short, for there are many.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::shortest::Ways;
use super::steps::{Lane, Maker, Step};
use super::{map, words};
use crate::stage::book::Setting;
use crate::syscalls::in_c;
use crate::tree::{self, Tree, Why};

/// One of the things that a reader can look at: the program, the cure, one of two runs.
#[derive(Serialize, Default)]
pub struct Show {
    /// On its button.
    pub name: String,
    /// The command, or the file.
    pub title: String,
    pub lanes: Vec<Lane>,
    pub steps: Vec<Step>,
    /// What an order does that goes wrong: `hang`, `go wrong`.
    pub word: &'static str,
    /// How it ended: of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<Choices>,
    /// The shortest order that goes wrong, or a run: step by step, for who has no JavaScript, and for paper.
    pub shortest: Vec<usize>,
    #[serde(skip)]
    pub shortest_end: Option<End>,
}

/// How an order ends.
#[derive(Serialize, Clone, Default)]
pub struct End {
    /// Nothing is wrong.
    pub good: bool,
    pub outcome: String,
    /// What is wrong.
    pub findings: Vec<String>,
    pub cures: Vec<String>,
}

/// A tree in which a reader chooses.
#[derive(Serialize)]
pub struct Choices {
    /// Steps before the first choice.
    pub start: Vec<usize>,
    pub turns: Vec<Vec<usize>>,
    pub calls: Vec<String>,
    pub ends: Vec<End>,
    pub places: Vec<Place>,
    /// From each place: the fewest choices to an order that goes wrong.
    pub fewest: Vec<Option<u32>>,
    /// Where each place is drawn: column and row.
    pub map: Vec<(usize, usize)>,
    /// What was tried.
    pub tried: String,
}

#[derive(Serialize)]
pub struct Place {
    #[serde(rename = "c", skip_serializing_if = "Vec::is_empty")]
    choices: Vec<Choice>,
    /// How many orders lead to which end.
    #[serde(rename = "o")]
    orders: Vec<(usize, f64)>,
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    end: Option<usize>,
}

#[derive(Serialize)]
struct Choice {
    #[serde(rename = "w")]
    who: usize,
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    how: Option<&'static str>,
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    call: Option<usize>,
    #[serde(rename = "t", skip_serializing_if = "Vec::is_empty")]
    turns: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<usize>,
    /// Why it was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Why>,
}

fn how(time: bool, store: bool) -> Option<&'static str> {
    match (time, store) {
        (true, _) => Some("time"),
        (_, true) => Some("store"),
        _ => None,
    }
}

/// `deadlock`: an order that hangs.
fn word<'a>(mut wrong: impl Iterator<Item = &'a End>) -> &'static str {
    let hangs =
        |end: &End| end.outcome.starts_with("deadlock") || end.outcome.contains("waits for ever");
    if wrong.all(hangs) { "hang" } else { "go wrong" }
}

impl Show {
    /// Of a tree.
    pub fn of_tree(tree: &Tree, book: &Setting, name: &str) -> Show {
        let events = || tree.start.iter().chain(tree.moves.iter().flat_map(|one| &one.events));
        let threads = threads(events());
        let lane = |lane: &tree::Lane| {
            Lane::new(lane.who.clone(), lane.pid, threads.contains(&i64::from(lane.pid)))
        };
        let lanes: Vec<Lane> = tree.lanes.iter().map(lane).collect();
        let known = lanes.iter().enumerate().map(|(at, lane)| (lane.name.clone(), at)).collect();
        let sleepers = sleepers(events());
        let maker = Maker { lanes: &lanes, known: &known, book, sleepers };
        let mut steps: Vec<Step> = vec![];
        for one in &tree.moves {
            let step = maker.step(one.who, &one.events);
            steps.push(Step { how: how(one.time, one.store), ..step });
        }
        let mut start = vec![];
        for event in &tree.start {
            start.push(steps.len());
            steps.push(maker.step(0, std::slice::from_ref(event)));
        }
        let end = |end: &tree::End| End {
            good: end.findings.is_empty(),
            outcome: end.outcome.clone(),
            findings: end.findings.iter().map(|one| words::sentence(one)).collect(),
            cures: end.cures.iter().map(|one| words::sentence(one)).collect(),
        };
        let ends: Vec<End> = tree.ends.iter().map(end).collect();
        let choice = |one: &tree::Choice| Choice {
            who: one.who,
            how: how(one.time, one.store),
            call: one.call,
            turns: one.turns.clone(),
            to: one.to,
            why: one.why,
        };
        let place = |one: &tree::Place| Place {
            choices: one.choices.iter().map(choice).collect(),
            orders: one.orders.clone(),
            end: one.end,
        };
        let ways = Ways::of(tree);
        let (way, last) = ways.shortest(tree);
        let shortest_end =
            last.and_then(|place| tree.places[place].end).map(|end| ends[end].clone());
        let programs: Vec<String> = tree.programs.iter().map(|one| command(one)).collect();
        Show {
            name: name.into(),
            title: programs.join("   and   "),
            shortest: start.iter().copied().chain(way).collect(),
            shortest_end,
            word: word(ends.iter().filter(|end| !end.good)),
            end: None,
            tree: Some(Choices {
                start,
                turns: tree.turns.iter().map(|turn| turn.moves.clone()).collect(),
                calls: tree.calls.iter().map(|call| in_c(call)).collect(),
                places: tree.places.iter().map(place).collect(),
                fewest: ways.fewest,
                map: map::layout(tree),
                tried: tried(tree),
                ends,
            }),
            lanes,
            steps,
        }
    }

    /// Of runs, as `lab explore --json` and `lab trace --json` write them.
    pub fn of_runs(events: &[Value], book: &Setting, file: &str) -> Vec<Show> {
        let mut runs: Vec<Vec<Value>> = vec![vec![]];
        for event in events {
            let kind = event["event"].as_str().unwrap_or_default();
            let ended = runs.last().is_some_and(|run| run.last().is_some_and(is_end));
            if matches!(kind, "explored" | "tree") {
                continue;
            }
            if ended && !is_end(event) {
                runs.push(vec![]);
            }
            runs.last_mut().expect("a run").push(event.clone());
        }
        runs.retain(|run| !run.is_empty());
        let one = |run: &Vec<Value>| Show::of_run(run, book, file);
        let mut shows: Vec<Show> = runs.iter().map(one).collect();
        if shows.len() > 1 {
            for show in &mut shows {
                let good = show.end.as_ref().is_none_or(|end| end.good);
                show.name = if good { "It ends well" } else { "It goes wrong" }.into();
            }
        }
        shows
    }

    /// Of a run, how it ends.
    pub fn ends_with(&mut self, end: End) {
        self.word = word(std::iter::once(&end).filter(|end| !end.good));
        (self.shortest_end, self.end) = (Some(end.clone()), Some(end));
    }

    fn of_run(events: &[Value], book: &Setting, file: &str) -> Show {
        let threads = threads(events.iter());
        let traced = events.iter().any(|event| {
            event["tid"].as_i64().is_some_and(|tid| tid > 0) && event["event"] == "start"
        });
        let mut lanes: Vec<Lane> = vec![];
        let mut known = BTreeMap::new();
        for event in events {
            let (Some(name), Some(tid)) = (event["lane"].as_str(), event["tid"].as_i64()) else {
                continue;
            };
            if name.is_empty() || tid == 0 {
                continue;
            }
            let key = if traced { tid.to_string() } else { name.to_string() };
            let shown = if traced { format!("{name} {tid}") } else { name.to_string() };
            let is_thread = threads.contains(&tid) || event["pid"] != event["tid"];
            let at = *known.entry(key).or_insert(lanes.len());
            let lane = Lane::new(shown, tid as i32, is_thread);
            match lanes.get_mut(at) {
                Some(old) => *old = lane,
                None => lanes.push(lane),
            }
        }
        if !traced {
            // Of one that has done nothing yet, the numbers come later.
            lanes.iter_mut().filter(|lane| lane.pid == 0).for_each(|lane| lane.pid = -1);
        }
        let maker = Maker { lanes: &lanes, known: &known, book, sleepers: sleepers(events.iter()) };
        let mut steps: Vec<Step> = vec![];
        let mut end = End::default();
        let mut from = 0;
        while from < events.len() && !lanes.is_empty() {
            let to = from
                + 1
                + events[from + 1..]
                    .iter()
                    .take_while(|next| goes_with(&events[from], next))
                    .count();
            let group = &events[from..to];
            match group[0]["event"].as_str().unwrap_or_default() {
                "finding" => {
                    let text = |field: &str| group[0][field].as_str().map(words::sentence);
                    end.outcome = group[0]["finding"].as_str().unwrap_or_default().into();
                    end.findings.extend(text("text"));
                    end.cures.extend(text("cure"));
                }
                "ended" => {
                    let ends = group[0]["ends"].as_array().map_or(&[][..], Vec::as_slice);
                    let ends = ends
                        .iter()
                        .enumerate()
                        .filter_map(|(at, end)| Some((lanes.get(at)?, end.as_str()?)));
                    let ends: Vec<String> =
                        ends.map(|(lane, end)| format!("{} {end}", lane.name)).collect();
                    end = End {
                        good: true,
                        outcome: format!("ended: {}", ends.join(", ")),
                        ..End::default()
                    };
                }
                _ => {
                    let who = group.iter().find_map(|event| maker.lane_of(event)).unwrap_or(0);
                    let step = maker.step(who, group);
                    let moves = group[0]["event"] == "move";
                    if moves || !step.lines.is_empty() || !step.rows.is_empty() {
                        let taken = (group[0]["taken"] == true).then_some("taken");
                        let how =
                            how(group[0]["time"] == true, group[0]["store"] == true).or(taken);
                        steps.push(Step { how, ..step });
                    }
                }
            }
            from = to;
        }
        let end = (!end.outcome.is_empty()).then_some(end);
        let starts = events.iter().filter(|event| event["event"] == "start");
        let commands: Vec<String> = starts
            .filter_map(|event| {
                let words: Vec<String> = serde_json::from_value(event["command"].clone()).ok()?;
                Some(command(&words))
            })
            .collect();
        Show {
            name: "The run".into(),
            title: if commands.is_empty() { file.into() } else { commands.join("   and   ") },
            shortest: (0..steps.len()).collect(),
            shortest_end: end.clone(),
            word: word(end.iter().filter(|end| !end.good)),
            end,
            tree: None,
            lanes,
            steps,
        }
    }
}

fn is_end(event: &Value) -> bool {
    event["event"] == "finding" || event["event"] == "ended"
}

/// A move is one step with all that it does; of a trace, an event with the rows that it changes.
fn goes_with(first: &Value, next: &Value) -> bool {
    let next = next["event"].as_str().unwrap_or_default();
    if matches!(next, "move" | "finding" | "ended") {
        return false;
    }
    let first = first["event"].as_str().unwrap_or_default();
    first == "move" || next == "table" && !matches!(first, "finding" | "ended")
}

/// The pids of threads: clone says that it makes one.
fn threads<'a>(events: impl Iterator<Item = &'a Value>) -> Vec<i64> {
    let thread = |event: &Value| {
        let call = &event["call"];
        let makes = call["name"].as_str().is_some_and(|name| name.starts_with("clone"));
        let text = call["args"].to_string();
        (makes && text.contains("CLONE_THREAD")).then(|| call["result"].as_i64()).flatten()
    };
    events.filter_map(thread).collect()
}

/// The calls in which one has slept.
fn sleepers<'a>(events: impl Iterator<Item = &'a Value>) -> std::collections::BTreeSet<String> {
    let asleep = events.filter(|event| event["event"] == "enter");
    asleep.filter_map(|event| event["call"]["name"].as_str().map(String::from)).collect()
}

/// Without the folder of the program.
fn command(words: &[String]) -> String {
    let mut words = words.to_vec();
    if let Some(first) = words.first_mut() {
        *first = first.rsplit('/').next().unwrap_or_default().to_string();
    }
    shell_words::join(words)
}

/// What a reader has to know of the tree.
fn tried(tree: &Tree) -> String {
    let all: f64 = tree.places[0].orders.iter().map(|(_, orders)| orders).sum();
    let bound = match &*tree.preemptions {
        "unbounded" => String::new(),
        "1" => " that take the turn from a process at most once".into(),
        n => format!(" that take the turn from a process at most {n} times"),
    };
    let same = if tree.all { "" } else { " Of orders that come to the same, it has one." };
    let whole =
        if tree.complete { "" } else { " The search ended before it had tried all of them." };
    let orders = if all == 1.0 { "order" } else { "orders" };
    format!("This page has {all} {orders}: those{bound}.{same}{whole}")
        .replace(": those.", ": all that there are.")
}
