//! What each move has done: its calls, the rows and the bytes that it has changed, what it has printed.

use say::tell;

use std::collections::BTreeMap;

use super::book::Setting;
use super::words::in_c;
use crate::explore::staged::{Kind, Line, Moment, Scene, Stands, Who, letter, spelled};
use crate::memory::name;
use crate::view::bytes::changed;
use crate::view::rows::changes;

/// What happened in one move; the first of all is what happened before any.
#[derive(Default)]
pub struct Act {
    /// `a`, `time for b`; empty for the first.
    pub mover: Option<(usize, Who)>,
    /// It took the turn from one that could have gone on.
    pub taken: bool,
    pub lines: Vec<Told>,
    /// `shm 0: nattch 1 -> 2`
    pub rows: Vec<(Kind, i32, String)>,
    /// `shm 0 +0..+5: "" -> "hello"`
    pub bytes: Vec<String>,
    /// What was printed, and by whom.
    pub printed: Vec<(usize, String)>,
    /// What the memories held afterwards.
    after: BTreeMap<u64, Held>,
}

/// Something that happened to one of them.
pub struct Told {
    pub lane: usize,
    pub pid: i32,
    pub text: String,
    /// What the note says of it.
    pub says: Option<String>,
}

/// What a memory holds, and who has changed each byte last.
#[derive(Clone, Default, PartialEq)]
pub struct Held {
    pub bytes: Vec<u8>,
    pub by: Vec<Option<usize>>,
    /// It was changed by the last move.
    pub fresh: Vec<bool>,
}

/// All moves so far.
#[derive(Default)]
pub struct Acts {
    pub all: Vec<Act>,
    pub memory: BTreeMap<u64, Held>,
}

impl Acts {
    /// How many moves there were.
    pub fn moves(&self) -> usize {
        self.all.len().saturating_sub(1)
    }

    /// The run stands there now.
    pub fn see(&mut self, scene: &Scene, setting: &Setting) {
        // A run that ends shows its last move once more, whole; one that is replayed is known up to here.
        self.all.truncate(scene.steps.len());
        let n = self.all.len();
        self.memory = self.all.last().map_or_else(BTreeMap::new, |act| act.after.clone());
        let step = n.checked_sub(1).map(|n| &scene.steps[n]);
        let begin = step.map_or(0, |step| step.at);
        let mover = step.map(|step| &step.could[step.chosen]);
        let told = |line: &Line| {
            let shown = !line.looks && !matches!(line.moment, Moment::Turn { .. });
            let says = setting.says(line);
            let (lane, pid, text) = (line.letter, line.pid, in_c(&spelled(line)));
            shown.then_some(Told { lane, pid, text, says })
        };
        let rows = step.map_or(&[][..], |step| &step.rows);
        let printed = step.map_or(&[][..], |step| &step.printed);
        let printed = printed
            .iter()
            .map(|piece| (piece.letter, String::from_utf8_lossy(&piece.bytes).into_owned()));
        let mut lines: Vec<Told> = scene.story.iter().skip(begin).filter_map(told).collect();
        if let (true, Some(mover)) = (lines.is_empty(), mover)
            && let Some(call) = next_call(scene, mover.letter)
        {
            let text = tell!("… comes to {}", in_c(&call));
            let pid = scene.lanes[mover.letter].pid;
            lines.push(Told { lane: mover.letter, pid, text, says: None });
        }
        let bytes = self.look(scene, mover.map(|mover| mover.letter), setting);
        let act = Act {
            mover: mover.map(|mover| (mover.letter, mover.who)),
            taken: step.is_some_and(|step| step.taken),
            lines,
            rows: rows.iter().map(|(kind, id, both)| (*kind, *id, changes(both))).collect(),
            bytes,
            printed: printed.collect(),
            after: self.memory.clone(),
        };
        self.all.push(act);
    }

    /// Which bytes are not what they were?
    fn look(&mut self, scene: &Scene, by: Option<usize>, setting: &Setting) -> Vec<String> {
        let mut told = vec![];
        self.memory.retain(|memory, _| scene.memory.iter().any(|(other, _)| other == memory));
        for (memory, now) in &scene.memory {
            let held = self.memory.entry(*memory).or_default();
            held.bytes.resize(now.len(), 0);
            held.by.resize(now.len(), None);
            held.fresh = held.bytes.iter().zip(now).map(|(before, now)| before != now).collect();
            for (from, to) in setting.parts(&held.fresh) {
                let (before, after) = (&held.bytes[from..to], &now[from..to]);
                let place = setting.place(from, to);
                told.push(format!("{} {place}: {}", name(*memory), changed(before, after)));
            }
            for (at, fresh) in held.fresh.iter().enumerate() {
                if *fresh {
                    held.by[at] = by;
                }
            }
            held.bytes.clone_from(now);
        }
        told
    }
}

/// The call that one is about to make, or in which it would sleep.
fn next_call(scene: &Scene, lane: usize) -> Option<String> {
    let could = scene.could.iter().find(|one| one.letter == lane && one.who == Who::Itself);
    let waits = match &scene.lanes[lane].stands {
        Stands::Waits(call) => Some(call.clone()),
        _ => None,
    };
    could.and_then(|one| one.call.clone()).or(waits)
}

/// `a`, `time for b`
pub fn moved(act: &Act) -> String {
    let Some((lane, who)) = act.mover else { return String::new() };
    let name = letter(lane);
    match who {
        Who::Itself if act.taken => tell!("{name} takes the turn"),
        Who::Itself => tell!("{name} moves"),
        Who::Time => tell!("time passes for {name}"),
        Who::Buffer => tell!("a store of {name} reaches the memory"),
    }
}
