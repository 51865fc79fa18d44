//! Questions about a run. What was so in the run is the answer.

use std::path::PathBuf;

use fastrand::Rng;

use super::runs::Recorded;
use crate::event::Call;
use crate::explore::staged::{Kind, Line, Moment, Scene, Stands, ends, letter, spelled};
use crate::stage::words::{in_c, lane, stands};
use crate::syscalls::spoken;
use crate::view::rows::cells;

/// So many lines stand before what is asked.
const BEFORE: usize = 24;

/// See the module.
pub struct Question {
    pub section: String,
    pub text: String,
    pub answer: String,
    /// A command that shows it.
    pub again: String,
    /// What is printed at the end of the exam.
    pub source: Option<PathBuf>,
}

/// One kind of question: its text, and the answer.
type Asked = fn(&Recorded, &mut Rng) -> Option<(String, String)>;

/// One about this run; none if there is nothing to ask that was not asked before.
pub fn question(
    run: &Recorded,
    section: &str,
    rng: &mut Rng,
    before: &[Question],
) -> Option<Question> {
    let mut kinds: Vec<Asked> =
        if run.source.is_some() { vec![sleepers, row, end] } else { vec![result] };
    rng.shuffle(&mut kinds);
    let made = kinds.into_iter().find_map(|kind| {
        kind(run, rng).filter(|(text, _)| before.iter().all(|one| one.text != *text))
    });
    let (text, answer) = made?;
    let (section, again, source) = (section.into(), run.again.clone(), run.source.clone());
    Some(Question { section, text, answer, again, source })
}

/// A call of System V IPC, of signals, of processes; an access to a segment.
fn is_shown(line: &Line) -> bool {
    let call = |call: &Call| {
        let name = spoken(&call.name, false);
        let whole = call.line();
        // What the C library does for its threads.
        let own = ["RT", "~[", "SIG_SETMASK"].iter().any(|word| whole.contains(word));
        let begins = |families: &[&str]| families.iter().any(|one| name.starts_with(one));
        let lives = ["clone", "fork", "vfork", "kill", "pause", "wait4", "exit_group"];
        begins(&["shm", "msg", "sem", "sig"]) && !own || begins(&lives)
    };
    match &line.moment {
        Moment::Turn { .. } | Moment::Spins => false,
        Moment::Call { call: one, .. } => call(one),
        Moment::Touched(touched) => touched.line().starts_with("shm "),
        _ => !line.looks,
    }
}

/// The same in each run: a key that ftok has made of a file, and where in a lab a call stands, is not.
fn steady(text: &str) -> String {
    let mut text = text.to_string();
    for (before, after) in [("get(0x", ','), ("key=0x", ',')] {
        if let Some(from) = text.find(before).map(|at| at + before.len() - 2)
            && let Some(to) = text[from..].find(after)
        {
            text.replace_range(from..from + to, "KEY");
        }
    }
    match text.rfind(" (") {
        Some(at) if text[at..].contains(".rs:") => text[..at].into(),
        _ => text,
    }
}

/// Lines as the exam shows them: the last ones.
fn shown<'a>(story: impl Iterator<Item = &'a Line>) -> Vec<String> {
    let line = |line: &Line| {
        let text = steady(&in_c(&spelled(line)));
        format!("{} {} │ {text}", letter(line.letter), line.pid)
    };
    let all: Vec<String> = story.filter(|line| is_shown(line)).map(line).collect();
    let skip = all.len().saturating_sub(BEFORE);
    let mut lines = vec!["...".to_string(); usize::from(skip > 0)];
    lines.extend(all.into_iter().skip(skip));
    lines
}

fn block(lines: &[String]) -> String {
    format!("```\n{}\n```\n", lines.join("\n"))
}

/// What does a call answer?
fn result(run: &Recorded, rng: &mut Rng) -> Option<(String, String)> {
    let story = &run.scenes.last()?.story;
    let asked = |line: &Line| match &line.moment {
        Moment::Call { call, asleep: false } => {
            let wanted = run.ask.iter().any(|one| one == spoken(&call.name, false));
            let known =
                call.errno.is_some() || call.result.is_some_and(|n| (0..1 << 20).contains(&n));
            (wanted && known && !call.interrupted).then_some(call.errno.is_some())
        }
        _ => None,
    };
    let all: Vec<(usize, bool)> =
        story.iter().enumerate().filter_map(|(at, line)| Some((at, asked(line)?))).collect();
    // Errors are rarer than answers, and teach more.
    let failed: Vec<(usize, bool)> = all.iter().copied().filter(|one| one.1).collect();
    let from = if !failed.is_empty() && rng.usize(..3) > 0 { failed } else { all };
    let (at, _) = rng.choice(from)?;
    let Moment::Call { call, .. } = &story[at].moment else { return None };
    let mut lines = shown(story[..at].iter());
    let who = format!("{} {}", letter(story[at].letter), story[at].pid);
    let asked = steady(&in_c(&call.line()));
    lines.push(format!("{who} │ {asked} = ?"));
    let text = format!(
        "{}\nWhat does the last call return: a value, or which error? Why?\n",
        block(&lines)
    );
    Some((text, format!("`{asked} = {}`", call.answer)))
}

/// A moment between the first fork and the end; where one sleeps, if that is wanted and there is any.
fn moment<'a>(run: &'a Recorded, rng: &mut Rng, sleeps: bool) -> Option<(usize, &'a Scene)> {
    let before_the_end = &run.scenes[..run.scenes.len() - 1];
    let lives = |at: &usize| {
        let lanes = before_the_end[*at].lanes.iter();
        lanes.filter(|one| one.stands != Stands::Gone).count() > 1
    };
    let asleep = |at: &usize| {
        before_the_end[*at].lanes.iter().any(|one| matches!(one.stands, Stands::Asleep(_)))
    };
    let mut all: Vec<usize> = (1..before_the_end.len()).filter(lives).collect();
    if sleeps && all.iter().any(asleep) {
        all.retain(asleep);
    }
    let at = rng.choice(all)?;
    Some((at, &run.scenes[at]))
}

/// Who sleeps?
fn sleepers(run: &Recorded, rng: &mut Rng) -> Option<(String, String)> {
    let (_, scene) = moment(run, rng, true)?;
    let text = format!(
        "{}\nHow does each process and thread stand now: can it move, or does it sleep, and in which call?\n",
        block(&shown(scene.story.iter()))
    );
    let all = scene.lanes.iter().enumerate();
    let all: Vec<String> =
        all.map(|(at, one)| format!("`{}: {}`", lane(scene, at), stands(one))).collect();
    Some((text, all.join(", ")))
}

/// What stands in the kernel's table?
fn row(run: &Recorded, rng: &mut Rng) -> Option<(String, String)> {
    let (_, scene) = moment(run, rng, false)?;
    let segments = scene.rows.iter().filter(|(kind, ..)| *kind == Kind::Shm);
    let (_, id, row) = rng.choice(segments.collect::<Vec<_>>())?;
    let text = format!(
        "{}\nWhat are nattch, status, cpid and lpid of segment {id} now?\n",
        block(&shown(scene.story.iter()))
    );
    let wanted = cells(row)
        .into_iter()
        .filter(|(name, _)| ["nattch", "status", "cpid", "lpid"].contains(name));
    let all: Vec<String> = wanted.map(|(name, value)| format!("{name} {value}")).collect();
    Some((text, format!("{}.", all.join(", "))))
}

/// How does it end?
fn end(run: &Recorded, rng: &mut Rng) -> Option<(String, String)> {
    let (at, scene) = moment(run, rng, false)?;
    let last = run.scenes.last()?;
    let movers = last.steps[at..].iter().map(|step| step.could[step.chosen].letter);
    let mut turns: Vec<(usize, usize)> = vec![];
    for lane in movers {
        match turns.last_mut() {
            Some((same, count)) if *same == lane => *count += 1,
            _ => turns.push((lane, 1)),
        }
    }
    let turns: Vec<String> = turns.iter().map(|(lane, _)| letter(*lane)).collect();
    let text = format!(
        "{}\nThen they move in this order, each as far as it can or until the next takes its turn: {}. How does it\n\
         end: which processes have ended, which sleep, and what was printed?\n",
        block(&shown(scene.story.iter())),
        turns.join(", ")
    );
    let printed = run.outcome.steps.iter().flat_map(|step| &step.printed);
    let printed: String =
        printed.map(|piece| String::from_utf8_lossy(&piece.bytes).into_owned()).collect();
    let how = match run.outcome.findings.is_empty() {
        true => format!("All have ended: {}", ends(&run.outcome.ends)),
        false => {
            run.outcome.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
    };
    let printed = if printed.is_empty() { "nothing".into() } else { format!("{printed:?}") };
    Some((text, format!("{how}. Printed: {printed}.")))
}
