//! What is done to the program: a call fails, a signal comes, a handler is followed. Each in the order in which nobody
//! is interrupted, so that the answer is the same each time.

use std::rc::Rc;

use super::super::evidence::{Answer, Fact, Trying};
use super::super::rules;
use super::super::safe::{self, Safe};
use super::{Result, seen, trial};
use crate::explore::judged::{Disturbance, Outcome, Struck, letter};
use crate::tracer::names;

/// Threads and processes that are disturbed, and calls of each.
const LETTERS: usize = 8;
const CALLS: usize = 400;

/// Each of the calls fails once, in each process.
pub fn failures(how: &Trying) -> Result<Answer> {
    let with = how.fails.iter();
    let with = with.filter_map(|(call, name)| Some((call.clone(), rules::errno(name)?)));
    let with = Rc::new(with.collect::<Vec<_>>());
    let disturb = |letter, nth| Disturbance::Fails { letter, nth, with: Rc::clone(&with) };
    each(how, disturb, |outcome, struck| {
        let mut facts = seen::facts(how, outcome);
        // A segment whose removal has failed is left, whatever one does.
        let removal = struck.call.contains("IPC_RMID");
        facts.retain(|fact| match fact.first("found") {
            Some("left") => !removal,
            // That it does not print what it would have printed is no wonder.
            Some("prints") => false,
            _ => true,
        });
        let end = outcome.ends.get(struck.letter).map_or("", |end| end.as_str());
        let says = outcome.printed.complains(struck.letter);
        let found = match (facts.is_empty() && outcome.not_judged.is_none(), says) {
            (true, false) => Some("silent"),
            (true, true) if end == "0" => Some("succeeds"),
            _ => None,
        };
        if let Some(found) = found {
            let mut fact = seen::fact_of(how, outcome, found);
            let says = if says { "a message" } else { "no message" };
            fact.happened = vec![format!("{} ends with {end}, and {says}", letter(struck.letter))];
            facts.push(fact);
        }
        let errno = struck.errno.map_or(String::new(), |errno| format!("{errno:?}"));
        for fact in &mut facts {
            fact.add("call", &struck.name);
            fact.add("errno", &errno);
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
        let disturb = |letter, nth| Disturbance::Signal { letter, nth, signal, to_all };
        let name = names::signal(signal).to_string();
        let answer = each(how, disturb, |outcome, struck| {
            let mut facts = seen::facts(how, outcome);
            facts.retain(|fact| {
                ["left", "deadlock", "endless", "crash"]
                    .contains(&fact.first("found").unwrap_or(""))
            });
            for fact in &mut facts {
                fact.add("signal", &name);
                fact.add("call", &struck.name);
                let line =
                    format!("{name} comes before {} │ {}", letter(struck.letter), struck.call);
                fact.happened.insert(0, line);
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
    disturb: impl Fn(usize, usize) -> Disturbance,
    mut wrong: impl FnMut(&Outcome, &Struck) -> Vec<Fact>,
) -> Result<Answer> {
    let mut trial = trial(how, false)?;
    let mut answer = Answer::default();
    for letter in 0..LETTERS {
        for nth in 0..CALLS {
            let outcome = trial.once(Some(disturb(letter, nth)))?;
            let Some(struck) = outcome.disturbed.at.clone() else { break };
            answer.runs += 1;
            let mut facts = wrong(&outcome, &struck);
            for fact in &mut facts {
                fact.source = struck.source.as_deref().map(seen::in_work).or(fact.source.take());
                fact.schedule = None;
            }
            answer.facts.extend(facts);
            if answer.not_judged.is_none() {
                answer.not_judged = outcome.not_judged.map(String::from);
            }
        }
    }
    Ok(answer)
}

/// Which functions are called inside of handlers? Those that may not be, and those that may, though a handler that
/// sets a flag needs none.
pub fn handlers(how: &Trying) -> Result<Answer> {
    let outcome = trial(how, false)?.once(Some(Disturbance::Audit))?;
    let mut facts: Vec<Fact> = vec![];
    for inside in &outcome.disturbed.inside {
        let (found, name) = match safe::of(&inside.name, inside.own) {
            Safe::No(name) => ("unsafe", name),
            Safe::Yes(name) => ("calls", name),
            Safe::Own => continue,
        };
        let mut fact = seen::fact_of(how, &outcome, found);
        let (who, signal) = (letter(inside.letter), names::signal(inside.signal));
        fact.add("function", &name);
        fact.add("signal", &signal);
        fact.add("who", &who);
        fact.source = inside.source.as_deref().map(seen::in_work);
        fact.happened = vec![format!("{who} │ the handler of {signal} calls {name}")];
        if !facts.iter().any(|one| one.is.get("function") == fact.is.get("function")) {
            facts.push(fact);
        }
    }
    Ok(Answer { facts, runs: outcome.disturbed.handlers, ..Answer::default() })
}
