//! Orders: one, which shows what the program does at all; every one; one that is known.

use say::tell;
use screen::words::translated;

use super::super::evidence::{Answer, Fact, Trying};
use super::{Result, seen, trial};
use crate::explore::judged::Outcome;

/// One order: nobody is interrupted. What the program does, and what is wrong already.
pub fn once(how: &Trying) -> Result<Answer> {
    let outcome = trial(how, true)?.once(None)?;
    let mut facts = seen::facts(how, &outcome);
    facts.extend(ends_badly(how, &outcome));
    let not_judged = outcome.not_judged.map(|why| translated(why).to_string());
    let again = seen::fact_of(how, &outcome, "").again;
    let did = seen::did(&outcome);
    Ok(Answer { did, facts, runs: 1, not_judged, again, ..Answer::default() })
}

/// All has gone well but for the exit code.
fn ends_badly(how: &Trying, outcome: &Outcome) -> Option<Fact> {
    let (n, end) = outcome.ends.iter().enumerate().find(|(_, end)| *end != "0")?;
    let well = outcome.findings.is_empty() && outcome.not_judged.is_none();
    well.then(|| {
        let mut fact = seen::fact_of(how, outcome, "exit");
        fact.add("who", crate::explore::judged::letter(n));
        fact.add("exit", end);
        let who = crate::explore::judged::letter(n);
        let says = outcome.printed.complaint(n).map(|line| tell!("{who} says: {line}"));
        fact.happened = says.into_iter().chain([tell!("{who} ends with {end}")]).collect();
        fact
    })
}

/// Every order.
pub fn every(how: &Trying) -> Result<Answer> {
    let answer = trial(how, true)?.every_order()?;
    let mut facts = answer.worst.as_ref().map_or(vec![], |worst| seen::facts(how, worst));
    // Where it may give up, what comes out depends on who is first.
    facts.retain(|fact| !how.gives_up || fact.first("found") != Some("race"));
    let not_judged = match (&answer.worst, answer.complete) {
        (Some(_), _) | (None, true) => None,
        (None, false) if answer.not_judged > 0 => {
            Some(tell!("{} orders could not be judged", answer.not_judged))
        }
        (None, false) if answer.unstable > 0 => {
            Some(translated("the program does something else in the same order").into())
        }
        (None, false) => Some(tell!("more than {} orders", answer.runs)),
    };
    Ok(Answer { facts, runs: answer.schedules, not_judged, ..Answer::default() })
}

/// Other arguments. Refused: with a message, and an exit code that is not 0.
pub fn input(how: &Trying) -> Result<Answer> {
    let outcome = trial(how, true)?.once(None)?;
    let code = outcome.ends.first().map_or("", |end| end.as_str());
    let (refused, complains) = (code != "0", outcome.printed.complains(0));
    let mut facts = seen::facts(how, &outcome);
    if refused || how.refuses == "must" {
        // What it prints does not matter then.
        facts.retain(|fact| fact.first("found") != Some("prints"));
    }
    let found = match (refused, how.refuses.as_str()) {
        _ if !facts.is_empty() || outcome.not_judged.is_some() => None,
        (true, "never") => Some("refused"),
        (false, "must") => Some("accepted"),
        (true, _) if !complains => Some("silent"),
        _ => None,
    };
    if let Some(found) = found {
        let mut fact = seen::fact_of(how, &outcome, found);
        let says = outcome.printed.complaint(0).map(|line| tell!("a says: {line}"));
        let end = match complains {
            true => tell!("a ends with {code}"),
            false => tell!("a ends with {code}, and says nothing on standard error"),
        };
        fact.happened = says.into_iter().chain([end]).collect();
        facts.push(fact);
    }
    let not_judged = outcome.not_judged.map(|why| translated(why).to_string());
    Ok(Answer { facts, runs: 1, not_judged, well: !refused, ..Answer::default() })
}

/// An output that cannot be written: the program may end as it likes, but it must end, all of it, and leave nothing.
pub fn closed(how: &Trying) -> Result<Answer> {
    let outcome = trial(how, false)?.once(None)?;
    let mut facts = seen::facts(how, &outcome);
    facts.retain(|fact| {
        ["left", "deadlock", "endless", "crash", "outsider"]
            .contains(&fact.first("found").unwrap_or(""))
    });
    let not_judged = outcome.not_judged.map(|why| translated(why).to_string());
    Ok(Answer { facts, runs: 1, not_judged, ..Answer::default() })
}
