//! A run as events, the same as those of `lab trace`: for `--json`, and for trees.

use std::rc::Rc;

use super::printed::{Piece, Stream};
use super::run::Outcome;
use super::schedule::{Who, letter};
use super::verdict::{Buffered, Line, Moment, Step};
use crate::event::{Action, Could, Event, What};
use crate::memory::name;
use crate::tracer::names;

/// So many bytes of an access are told.
const HELD: usize = 64;

/// What a move consists of: that it is made, what happens in it, which rows it changes, what it prints.
/// Events count from 1 in each run. `of`: the n-th move; `None`: what comes before the first.
pub fn of_move(outcome: &Outcome, of: Option<usize>) -> Vec<(Option<usize>, Event)> {
    let begin = of.map_or(0, |n| outcome.steps[n].at);
    let next = outcome.steps.get(of.map_or(0, |n| n + 1));
    let end = next.map_or(outcome.story.len(), |step| step.at);
    let step = of.map(|n| &outcome.steps[n]);
    let mut events: Vec<(Option<usize>, Event)> = vec![];
    let pid = |letter: usize| {
        let told = outcome.story.iter().find(|told| told.letter == letter);
        told.map_or(0, |told| told.pid)
    };
    let who = step.map(|step| step.could[step.chosen].letter);
    if let (Some(step), Some(who)) = (step, who) {
        let turn = outcome.story.get(begin).map(|told| &told.moment);
        let at = matches!(turn, Some(Moment::Turn { .. })).then_some(begin);
        events.push((at, event(who, pid(who), moves(step))));
    }
    for (at, told) in outcome.story[begin..end].iter().enumerate() {
        if let Some(what) = happened(told, pid) {
            events.push((Some(begin + at), event(told.letter, told.pid, what)));
        }
    }
    let rows = step.map_or(&[][..], |step| &step.rows);
    for (kind, id, [before, after]) in rows {
        let (before, after) = (before.clone(), after.clone());
        let what = What::Table { kind: *kind, id: *id, before, after };
        let who = who.unwrap_or(0);
        events.push((None, event(who, pid(who), what)));
    }
    for piece in step.map_or(&[][..], |step| &step.printed) {
        events.push((None, event(piece.letter, pid(piece.letter), wrote(piece))));
    }
    events
}

/// All of a run, with the place in its story of those that have one.
pub fn of_run(outcome: &Outcome) -> Vec<(Option<usize>, Event)> {
    let moves = (0..outcome.steps.len()).map(Some);
    let mut all: Vec<_> =
        std::iter::once(None).chain(moves).flat_map(|of| of_move(outcome, of)).collect();
    for (n, (_, event)) in all.iter_mut().enumerate() {
        event.n = n as u64 + 1;
    }
    all
}

fn event(of: usize, pid: i32, what: What) -> Event {
    Event { n: 0, us: 0, pid, tid: pid, lane: letter(of).into(), what, note: None }
}

fn moves(step: &Step) -> What {
    let lane = |of: usize| -> Rc<str> { letter(of).into() };
    let could = step.could.iter();
    let could = could.map(|one| Could {
        who: lane(one.letter),
        time: one.who.is_time(),
        store: one.who == Who::Buffer,
        call: one.call.clone(),
    });
    let who = step.could[step.chosen].who;
    let (time, store) = (who.is_time(), who == Who::Buffer);
    What::Move { taken: step.taken, time, store, could: could.collect() }
}

fn wrote(piece: &Piece) -> What {
    let fd = match piece.stream {
        Stream::Out => libc::STDOUT_FILENO,
        Stream::Err => libc::STDERR_FILENO,
    };
    let text = String::from_utf8_lossy(&piece.bytes).into_owned();
    What::Write { fd, text, bytes: piece.bytes.len() as i64, here: false }
}

/// `None`: it is said by the move.
fn happened(told: &Line, pid: impl Fn(usize) -> i32) -> Option<What> {
    Some(match &told.moment {
        Moment::Turn { .. } => return None,
        Moment::Call { call, asleep: true } => What::Enter { call: call.clone() },
        Moment::Call { call, .. } => What::Call { entered: 0, call: call.clone() },
        Moment::Touched(touched) => What::Access {
            memory: name(touched.bytes.memory),
            at: touched.bytes.from,
            len: touched.bytes.to - touched.bytes.from,
            writes: touched.writes,
            locked: touched.locked,
            buffer: match touched.buffered {
                Buffered::No => None,
                Buffered::Enters => Some("enters"),
                Buffered::Leaves => Some("leaves"),
                Buffered::Seen => Some("seen"),
            },
            source: touched.source.clone(),
            holds: touched.is.iter().copied().take(HELD).collect(),
        },
        Moment::Signal { signal, code, from, handler, ignored, fault } => What::Signal {
            signal: names::signal(*signal).to_string(),
            code: names::code(*signal, *code),
            from: from.map(pid),
            action: match (handler, ignored) {
                (true, _) => Action::Handler,
                (_, true) => Action::Ignore,
                _ => Action::Default,
            },
            address: *fault,
        },
        Moment::Time(passed) => What::Time { passed: *passed },
        Moment::Spins => What::Spins,
        Moment::Exit { code } => What::Exit { code: *code },
        Moment::Killed { signal } => {
            What::Killed { signal: names::signal(*signal).to_string(), core: false }
        }
    })
}
