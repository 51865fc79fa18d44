//! What a run says, as facts that rules can ask for.

use say::tell;
use screen::{start, width};

use super::super::evidence::{Did, Fact, Trying};
use super::super::tree::WORK;
use crate::event::Call;
use crate::explore::judged::{
    Asleep, Bytes, Finding, Line, Moment, Outcome, all_of, decides, letter, name, place, spelled,
    word,
};
use crate::syscalls;
use crate::syscalls::cells::Changes;
use crate::tracer::names;

/// So long a line of a trace is shown.
const LINE: usize = 62;

/// A line of a source in the folder of the cell, without that folder: `main.c:41`.
pub fn in_work(source: &str) -> String {
    // With --trust, the sources are elsewhere; the judge of a cell stands where they are.
    let here = std::env::current_dir().unwrap_or_default().display().to_string();
    let rest = source.strip_prefix(WORK).or(source.strip_prefix(&here));
    rest.map_or(source, |rest| rest.trim_start_matches('/')).into()
}

/// A fact about this run.
pub fn fact_of(how: &Trying, outcome: &Outcome, found: &str) -> Fact {
    let mut fact = Fact::new(&how.instrument, found);
    if !how.input.is_empty() {
        fact.add("input", &how.input);
    }
    let mut again = how.clone();
    if ["run", "orders"].contains(&how.instrument.as_str()) {
        again.schedule = Some(outcome.schedule.to_string());
    }
    fact.again = Some(Box::new(again));
    fact
}

/// What was found in a run.
pub fn facts(how: &Trying, outcome: &Outcome) -> Vec<Fact> {
    let mut all = vec![];
    for finding in &outcome.findings {
        if may_wait(how, finding) {
            continue;
        }
        let mut fact = fact_of(how, outcome, finding.word());
        let decided = decides(outcome);
        let at = decided.as_ref().map(|(at, _)| *at);
        let mut to_blame = None;
        match finding {
            Finding::Deadlock { sleepers } => {
                for one in sleepers {
                    let name = asleep(one.asleep);
                    fact.add("asleep", &name);
                    fact.add("asleep", format!("{}:{name}", letter(one.letter)));
                    for signal in pending(outcome, one.pid, one.letter) {
                        fact.add("pending", signal);
                    }
                    if was_told(outcome, one.letter) {
                        fact.add("told", letter(one.letter));
                    }
                }
                for (n, end) in outcome.ends.iter().enumerate().filter(|(_, end)| *end != "lives") {
                    fact.add("ended", letter(n));
                    fact.add("exit", end);
                }
                let decided = at.map(|at| outcome.story[at].letter);
                let blamed = sleepers.iter().find(|one| Some(one.letter) == decided);
                to_blame = blamed.or(sleepers.first()).map(|one| one.letter);
            }
            Finding::NoHandler { letter: one, signal, had, .. } => {
                fact.add("signal", names::signal(*signal));
                fact.add("had", if *had { "yes" } else { "no" });
                to_blame = Some(*one);
            }
            Finding::Crash { letter: one, signal, .. } => {
                fact.add("signal", names::signal(*signal));
                to_blame = Some(*one);
            }
            Finding::Left { kind, id } => {
                fact.add("kind", kind.name());
                fact.source =
                    made(outcome, *id).and_then(|line| line.source.as_deref()).map(in_work);
            }
            Finding::RemovedTwice { letter: one, kind, .. }
            | Finding::DeadId { letter: one, kind, .. } => {
                fact.add("kind", kind.name());
                to_blame = Some(*one);
            }
            Finding::Outsider { letter: one, target, signal, .. } => {
                fact.add("target", target.to_string());
                fact.add("signal", names::signal(*signal));
                to_blame = Some(*one);
            }
            Finding::Endless { letter: one, .. } => to_blame = Some(*one),
            Finding::Race(raced) => {
                to_blame = Some(raced.sides[0].letter);
                fact.source = raced.sides.iter().find_map(|side| side.source.clone());
            }
            Finding::Prints { difference } => {
                to_blame = difference.letter;
                let writes = |line: &&Line| {
                    Some(line.letter) == difference.letter
                        && matches!(&line.moment, Moment::Call { call, .. } if call.name.starts_with("write"))
                };
                let write = outcome.story.iter().rev().find(writes);
                fact.source = write.and_then(|line| line.source.as_deref()).map(in_work);
                fact.add("line", if difference.got.is_some() { "other" } else { "missing" });
            }
        }
        if let Some(who) = to_blame {
            fact.add("who", letter(who));
            let last =
                outcome.story.iter().rev().find(|line| line.letter == who && line.source.is_some());
            // One that has made no call yet: the call that made it.
            let last = last.or_else(|| born(outcome, who));
            fact.source = fact.source.or(last.and_then(|line| line.source.as_deref()).map(in_work));
        }
        fact.happened = happened(outcome, finding, at);
        all.push(fact);
    }
    all.extend(beyond(how, outcome));
    all
}

/// The first store behind the end of a segment. It succeeds as far as the last page goes.
fn beyond(how: &Trying, outcome: &Outcome) -> Option<Fact> {
    let is_beyond = |line: &&Line| match &line.moment {
        // Of a page that was opened it is not known which bytes were written.
        Moment::Touched(touched) if touched.writes && !touched.is.is_empty() => {
            let size = asked_for(outcome, touched.bytes.memory as i64);
            size.is_some_and(|size| touched.bytes.to > size as u64)
        }
        _ => false,
    };
    let line = outcome.story.iter().find(is_beyond)?;
    let Moment::Touched(touched) = &line.moment else { return None };
    let mut fact = fact_of(how, outcome, "overflow");
    let size = asked_for(outcome, touched.bytes.memory as i64).unwrap_or(0);
    fact.add("who", letter(line.letter));
    fact.add("size", size.to_string());
    fact.source = touched.source.as_deref().map(in_work);
    let Bytes { from, to, .. } = touched.bytes;
    let who = letter(line.letter);
    fact.happened = vec![
        tell!("{who} │ writes bytes {from} to {} of the segment", to - 1),
        tell!("shmget has made it with {size} bytes: 0 to {}", size - 1),
    ];
    Some(fact)
}

/// In which call a process slept that this signal has ended, and by which line of the program.
pub fn ended_in(outcome: &Outcome, signal: i32) -> Option<(String, Option<String>)> {
    let story = &outcome.story;
    let ended =
        |line: &Line| matches!(line.moment, Moment::Killed { signal: one } if one == signal);
    let at = story.iter().position(ended)?;
    let before = story[..at].iter().rev().filter(|line| line.letter == story[at].letter);
    let call = before.clone().find(|line| matches!(line.moment, Moment::Call { .. }))?;
    match &call.moment {
        // It may never have slept, for the signal was there already.
        Moment::Call { call: made, asleep }
            if (*asleep || made.result.is_none()) && has_a_mask(&name_of(made.number)) =>
        {
            Some((name_of(made.number), call.source.as_deref().map(in_work)))
        }
        _ => None,
    }
}

/// Does a call wait with a mask of its own?
fn has_a_mask(call: &str) -> bool {
    ["sigsuspend", "ppoll", "pselect6", "epoll_pwait"].contains(&call)
}

/// Do only those sleep who may, because another one has failed?
fn may_wait(how: &Trying, finding: &Finding) -> bool {
    let Finding::Deadlock { sleepers } = finding else { return false };
    let disturbed = ["failures", "signals"].contains(&how.instrument.as_str());
    disturbed && sleepers.iter().all(|one| how.waits.contains(&letter(one.letter)))
}

/// Two lines: what decided, and what came of it.
fn happened(outcome: &Outcome, finding: &Finding, at: Option<usize>) -> Vec<String> {
    let line = |at: usize| {
        let line = &outcome.story[at];
        short(&format!("{} │ {}", letter(line.letter), bare(line)))
    };
    // That one has ended, or that a segment was made once, is no news.
    let says = |at: &usize| {
        let ends = matches!(&outcome.story[*at].moment, Moment::Exit { .. });
        let last = matches!(finding, Finding::Left { .. } | Finding::Prints { .. });
        // A crash is more than the call before it, but for one that has attached the memory otherwise.
        let before = matches!(finding, Finding::Crash { .. })
            && !spelled(&outcome.story[*at]).contains("SHM_RDONLY");
        !ends && !last && !before
    };
    let mut lines: Vec<String> = at.filter(says).map(line).into_iter().collect();
    let who = |one: &usize, pid: &i32| format!("{} ({pid})", letter(*one));
    lines.push(match finding {
        Finding::Deadlock { sleepers } => all_of(sleepers),
        Finding::Left { kind, id } => {
            tell!("{} {id} is still there when all have ended", word(*kind))
        }
        Finding::NoHandler { letter, pid, signal, had: false } => {
            let (who, signal) = (who(letter, pid), names::signal(*signal));
            tell!("{who} is killed by {signal}: it has no handler yet")
        }
        Finding::Outsider { letter, pid, target: target @ 1.., signal, .. } => {
            let (who, signal) = (who(letter, pid), names::signal(*signal));
            tell!("{who} sends {signal} to pid {target}: it is none of the program's")
        }
        _ => finding.to_string(),
    });
    lines
}

/// A moment in one line, without its place in the source: a finding shows that.
fn bare(line: &Line) -> String {
    let text = spelled(line);
    let place = text.rsplit_once(" (").filter(|_| line.source.is_some());
    place.filter(|(_, place)| place.contains(':')).map_or(text.clone(), |(text, _)| text.into())
}

/// A line that is not too long. What a call has answered is not cut, but its arguments.
pub fn short(text: &str) -> String {
    if width(text) <= LINE {
        return text.into();
    }
    if let Some((call, answer)) = text.rsplit_once(") = ") {
        let room = LINE.saturating_sub("…) = ".chars().count() + width(answer));
        if room >= 20 {
            return format!("{}…) = {answer}", start(call, room));
        }
    }
    format!("{}…", start(text, LINE))
}

fn asleep(how: Asleep) -> String {
    match how {
        Asleep::Stopped => "stopped".into(),
        Asleep::Elsewhere => "elsewhere".into(),
        Asleep::Call(number) => name_of(number),
    }
}

/// A call's name, as rules have it.
fn name_of(number: i64) -> String {
    match syscalls::row(number) {
        Some(row) if row.makes_child() => "fork".into(),
        Some(row) if matches!(row.changes, Changes::Process | Changes::Thread) => "exit".into(),
        _ => match &*syscalls::name(number) {
            "wait4" | "waitid" => "wait".into(),
            name => syscalls::spoken(name, false).to_string(),
        },
    }
}

/// The call by which a process was made.
fn born(outcome: &Outcome, who: usize) -> Option<&Line> {
    let pid = outcome.story.iter().find(|line| line.letter == who)?.pid;
    outcome.story.iter().find(|line| {
        matches!(&line.moment, Moment::Call { call, .. }
            if name_of(call.number) == "fork" && call.result == Some(pid.into()))
    })
}

fn made(outcome: &Outcome, id: i32) -> Option<&Line> {
    outcome.story.iter().find(|line| {
        matches!(&line.moment, Moment::Call { call, asleep: false }
            if call.name.ends_with("get") && call.result == Some(id.into()))
    })
}

/// Signals that were sent to a process and have not come: it blocks them.
fn pending(outcome: &Outcome, pid: i32, who: usize) -> Vec<String> {
    let mut waiting: Vec<i64> = vec![];
    for line in &outcome.story {
        match &line.moment {
            Moment::Call { call, asleep: false }
                if call.name == "kill"
                    && call.succeeded()
                    && call.value("pid") == Some(pid.into()) =>
            {
                waiting.extend(call.value("sig"));
            }
            Moment::Signal { signal, .. } if line.letter == who => {
                waiting.retain(|one| *one != i64::from(*signal));
            }
            _ => {}
        }
    }
    waiting.into_iter().map(|signal| names::signal(signal as i32).to_string()).collect()
}

/// Has a handler run in it before it fell asleep for good, which it did not use?
fn was_told(outcome: &Outcome, who: usize) -> bool {
    let mut told = false;
    for line in outcome.story.iter().filter(|line| line.letter == who) {
        match &line.moment {
            Moment::Signal { handler: true, .. } => told = true,
            // A wait that has ended has used it.
            Moment::Call { call, asleep: false }
                if call.errno == Some(nix::errno::Errno::EINTR) =>
            {
                told = false
            }
            _ => {}
        }
    }
    told
}

/// The calls and accesses of a run, in their order.
pub fn did(outcome: &Outcome) -> Vec<Did> {
    let mut all = vec![];
    let mut places: Vec<(i64, i64)> = vec![];
    for line in &outcome.story {
        let who = letter(line.letter);
        match &line.moment {
            Moment::Call { call, asleep } => {
                if call.name == "shmat" && call.succeeded() {
                    places.extend(call.result.map(|at| (at, at + size(outcome, call))));
                }
                let reads = ["write", "pwrite64", "sendto"].contains(&&*call.name);
                let writes = ["read", "pread64", "recvfrom"].contains(&&*call.name);
                let into = call.args.get(1).map_or(0, |arg| arg.value);
                let shared = places.iter().any(|(from, to)| (*from..*to).contains(&into));
                if shared && (reads || writes) {
                    all.push(access(&who, writes, "by the kernel".into(), line.source.as_deref()));
                }
                all.push(of_call(&who, call, *asleep, line));
            }
            Moment::Touched(touched) if name(touched.bytes.memory).starts_with("shm") => {
                let source = touched.source.as_deref();
                all.push(access(&who, touched.writes, place(touched.bytes), source));
            }
            _ => {}
        }
    }
    all
}

fn access(who: &str, writes: bool, args: String, source: Option<&str>) -> Did {
    let name = if writes { "store" } else { "load" };
    let line = format!("{who} │ {name} {args}");
    Did { who: who.into(), name: name.into(), args, errno: None, line, source: source.map(in_work) }
}

fn of_call(who: &str, call: &Call, asleep: bool, line: &Line) -> Did {
    let args: Vec<&str> = call.args.iter().map(|arg| &*arg.text).collect();
    // A wait that a handler has ended has done what it is for.
    let errno = call.errno.filter(|errno| *errno != nix::errno::Errno::EINTR && !asleep);
    let thread = args.iter().any(|arg| arg.contains("CLONE_THREAD"));
    Did {
        who: who.into(),
        name: if thread { "thread".into() } else { name_of(call.number) },
        args: args.join(", "),
        errno: errno.map(|errno| format!("{errno:?}")),
        line: short(&format!("{who} │ {}", bare(line))),
        source: line.source.as_deref().map(in_work),
    }
}

/// How large the segment is that a call attaches.
fn size(outcome: &Outcome, attach: &Call) -> i64 {
    attach.args.first().and_then(|arg| asked_for(outcome, arg.value)).unwrap_or(0)
}

/// With which size a segment was made.
fn asked_for(outcome: &Outcome, id: i64) -> Option<i64> {
    let sizes = outcome.story.iter().filter_map(|line| match &line.moment {
        Moment::Call { call, .. } if call.name == "shmget" && call.result == Some(id) => {
            call.value("size")
        }
        _ => None,
    });
    sizes.max()
}
