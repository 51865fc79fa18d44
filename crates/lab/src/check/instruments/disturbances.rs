//! What is done to the program: a call fails, a signal comes, a handler is followed. Each in the order in which nobody
//! is interrupted, so that the answer is the same each time.

use std::rc::Rc;

use nix::errno::Errno;
use say::tell;
use screen::words::translated;

use super::super::evidence::{Answer, Fact, Strike, Trying};
use super::super::rules;
use super::super::safe::{self, Safe};
use super::{Result, seen, trial};
use crate::explore::Trouble;
use crate::explore::judged::{
    Disturbance, Line, Moment, Outcome, Schedule, Struck, events, letter, story,
};
use crate::tracer::names;

/// Threads and processes that are disturbed, and calls of each.
const LETTERS: usize = 8;
const CALLS: usize = 400;
/// Events of a longer run, in bytes, are not told.
const EVENTS: usize = 1 << 20;

/// Each of the calls fails once, in each process.
pub fn failures(how: &Trying) -> Result<Answer> {
    let strike = |letter, nth| Strike { letter, nth, signal: None, to_all: false };
    each(how, strike, |outcome, struck| {
        let mut facts = seen::facts(how, outcome);
        // A segment whose removal has failed is left, whatever one does.
        let removal = struck.call.contains("IPC_RMID");
        facts.retain(|fact| match fact.first("found") {
            Some("left") => !removal,
            // That it does not print what it would have printed is no wonder.
            Some("prints") => false,
            _ => true,
        });
        let end = outcome.ends.get(struck.process).map_or("", |end| end.as_str());
        let says = outcome.printed.complains(struck.main);
        let found = match (facts.is_empty() && outcome.not_judged.is_none(), says) {
            (true, false) => Some("silent"),
            (true, true) if end == "0" => Some("succeeds"),
            _ => None,
        };
        if let Some(found) = found {
            let mut fact = seen::fact_of(how, outcome, found);
            let who = letter(struck.main);
            fact.happened = vec![match says {
                true => tell!("{who} ends with {end}, and a message"),
                false => tell!("{who} ends with {end}, and no message"),
            }];
            facts.push(fact);
        }
        let errno = struck.errno.map_or(String::new(), |errno| format!("{errno:?}"));
        for fact in &mut facts {
            fact.add("call", &struck.name);
            fact.add("errno", &errno);
            fact.source = struck.source.as_deref().map(seen::in_work).or(fact.source.take());
            let line = format!("{} │ {} = -1 {errno}", letter(struck.letter), struck.call);
            fact.happened.insert(0, line);
        }
        facts
    })
}

/// Before each call of each process: SIGINT to all, as from a terminal, and SIGTERM to the first process.
pub fn signals(how: &Trying) -> Result<Answer> {
    let mut all = Answer::default();
    for (signal, to_all) in [(libc::SIGINT, true), (libc::SIGTERM, false)] {
        let strike = |letter, nth| Strike { letter, nth, signal: Some(signal), to_all };
        let name = names::signal(signal).to_string();
        let answer = each(how, strike, |outcome, struck| {
            let mut facts = seen::facts(how, outcome);
            facts.retain(|fact| {
                ["left", "deadlock", "endless", "crash"]
                    .contains(&fact.first("found").unwrap_or(""))
            });
            for fact in &mut facts {
                fact.add("signal", &name);
                fact.add("call", &struck.name);
                fact.source = struck.source.as_deref().map(seen::in_work).or(fact.source.take());
                let line = tell!("{name} comes before {} │ {}", letter(struck.letter), struck.call);
                fact.happened.insert(0, line);
                let ended = seen::ended_in(outcome, signal);
                fact.add("inside", ended.as_ref().map_or("no", |(call, _)| call));
                if let Some((call, source)) = ended.filter(|_| fact.first("found") == Some("left"))
                {
                    fact.happened[1] = tell!("then {call} lets it in, and it ends the process");
                    fact.source = source;
                }
                let sleeps = fact.first("found") != Some("left");
                let late = outcome.disturbed.late.first().filter(|_| sleeps);
                fact.add("late", if late.is_some() { "prctl" } else { "no" });
                if let Some((_, Some(source))) = late {
                    fact.source = Some(seen::in_work(source));
                }
            }
            facts
        })?;
        all.runs += answer.runs;
        all.facts.extend(answer.facts);
        all.not_judged = all.not_judged.or(answer.not_judged);
    }
    Ok(all)
}

/// Run after run, until no call is left to be struck.
fn each(
    how: &Trying,
    strike: impl Fn(usize, usize) -> Strike,
    mut wrong: impl FnMut(&Outcome, &Struck) -> Vec<Fact>,
) -> Result<Answer> {
    let mut trial = trial(how, false)?;
    let mut answer = Answer::default();
    let fails = fails(how);
    for letter in 0..LETTERS {
        for nth in 0..CALLS {
            let strike = strike(letter, nth);
            let outcome = trial.once(Some(disturbance(&strike, &fails)))?;
            let Some(struck) = outcome.disturbed.at.clone() else { break };
            answer.runs += 1;
            let mut facts = wrong(&outcome, &struck);
            for again in facts.iter_mut().filter_map(|fact| fact.again.as_mut()) {
                again.strike = Some(strike);
            }
            answer.facts.extend(facts);
            if answer.not_judged.is_none() {
                answer.not_judged = outcome.not_judged.map(|why| translated(why).to_string());
            }
        }
    }
    Ok(answer)
}

/// The calls that fail, and how.
fn fails(how: &Trying) -> Rc<Vec<(String, Errno)>> {
    let with = how.fails.iter();
    let with = with.filter_map(|(call, name)| Some((call.clone(), rules::errno(name)?)));
    Rc::new(with.collect())
}

fn disturbance(strike: &Strike, fails: &Rc<Vec<(String, Errno)>>) -> Disturbance {
    let Strike { letter, nth, signal, to_all } = *strike;
    match signal {
        Some(signal) => Disturbance::Signal { letter, nth, signal, to_all },
        None => Disturbance::Fails { letter, nth, with: Rc::clone(fails) },
    }
}

/// A run that was seen: in its order, or with what was done in it.
pub fn again(how: &Trying) -> Result<Answer> {
    let accesses = ["run", "orders", "inputs"].contains(&how.instrument.as_str());
    let mut trial = trial(how, accesses)?;
    let outcome = match &how.schedule {
        Some(text) => {
            let wrong = |why| Trouble::Because(0, tell!("the schedule {text}: {why}"));
            let schedule: Schedule = text.parse().map_err(wrong)?;
            trial.again(&schedule)?
        }
        None => {
            let fails = fails(how);
            trial.once(how.strike.as_ref().map(|strike| disturbance(strike, &fails)))?
        }
    };
    let done = outcome.disturbed.at.as_ref().map(|struck| {
        let (who, call) = (letter(struck.letter), &struck.call);
        match (how.strike.and_then(|strike| strike.signal), struck.errno) {
            (Some(signal), _) => tell!("{} comes before {who} │ {call}", names::signal(signal)),
            (None, errno) => {
                let errno = errno.map_or(String::new(), |errno| format!("{errno:?}"));
                tell!("{who} │ {call} is not made, and answers -1 {errno}")
            }
        }
    });
    let input = Some(how.input.clone()).filter(|input| !input.is_empty());
    let with: Vec<String> = input.into_iter().chain(done).collect();
    let lines = story(&outcome);
    let story = with.iter().cloned().chain(lines.lines().map(String::from)).collect();
    let mut events = events(&outcome);
    if events.len() > EVENTS {
        events.clear();
    }
    Ok(Answer { story, with, events, runs: 1, ..Answer::default() })
}

/// Which functions are called inside of handlers? Those that may not be, and those that may, though a handler that
/// sets a flag needs none.
pub fn handlers(how: &Trying) -> Result<Answer> {
    let mut trial = trial(how, false)?;
    let first = trial.once(Some(Disturbance::Audit { signal: None }))?;
    let mut answer = Answer::default();
    inside(how, &first, None, &mut answer);
    // In that run no signal comes from outside.
    for signal in [libc::SIGINT, libc::SIGTERM].into_iter().filter(|one| is_handled(&first, *one)) {
        for nth in 0..CALLS {
            let outcome = trial.once(Some(Disturbance::Audit { signal: Some((nth, signal)) }))?;
            let hears = |line: &Line| matches!(&line.moment, Moment::Signal { signal: one, handler: true, .. } if *one == signal);
            if outcome.story.iter().any(hears) {
                let strike = Strike { letter: 0, nth, signal: Some(signal), to_all: false };
                inside(how, &outcome, Some(strike), &mut answer);
                break;
            }
            if outcome.disturbed.at.is_none() {
                break;
            }
        }
    }
    Ok(answer)
}

/// Does a handler of the program wait for this signal?
fn is_handled(outcome: &Outcome, signal: i32) -> bool {
    let name = names::signal(signal).to_string();
    outcome.story.iter().any(|line| {
        matches!(&line.moment, Moment::Call { call, .. }
            if call.name == "rt_sigaction"
                && call.args.first().is_some_and(|arg| arg.text == name)
                && call.args.get(1).is_some_and(|arg| arg.text.contains("sa_handler=0x")))
    })
}

/// What was called inside of the handlers of a run.
fn inside(how: &Trying, outcome: &Outcome, strike: Option<Strike>, answer: &mut Answer) {
    let facts = &mut answer.facts;
    for inside in &outcome.disturbed.inside {
        let (found, name) = match safe::of(&inside.name, inside.own) {
            Safe::No(name) => ("unsafe", name),
            Safe::Yes(name) => ("calls", name),
            Safe::Own => continue,
        };
        let mut fact = seen::fact_of(&Trying { strike, ..how.clone() }, outcome, found);
        let (who, signal) = (letter(inside.letter), names::signal(inside.signal));
        fact.add("function", &name);
        fact.add("signal", &signal);
        fact.add("who", &who);
        fact.source = inside.source.as_deref().map(seen::in_work);
        fact.happened = vec![tell!("{who} │ the handler of {signal} calls {name}")];
        let same = |one: &Fact| (one.first("function"), &one.source) == (Some(&name), &fact.source);
        if !facts.iter().any(same) {
            facts.push(fact);
        }
    }
    answer.runs += outcome.disturbed.handlers;
}
