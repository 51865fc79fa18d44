//! The story of a run, if it is wanted.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use sysv::tables::{self, Kind};

use super::model::{Model, State};
use super::shared::access::Access;
use super::shared::attached;
use crate::event::{Call, Row};
use crate::explore::calls;
use crate::explore::footprint::Bytes;
use crate::explore::printed::{Piece, at_one_time};
use crate::explore::schedule::Who;
use crate::explore::verdict::{Could, Line, Moment, Step, Story, Touched, place};
use crate::syscalls::{self, cells::Changes, decode};
use crate::tracer::{Entry, Tid};

/// Records what happens, or nothing.
pub struct Narrator {
    pub wanted: bool,
    /// How many accesses were told.
    pub touches: usize,
    pub story: Story,
    pub steps: Vec<Step>,
    /// The kernel's tables after the last move.
    rows: BTreeMap<(Kind, i32), Row>,
    /// The same, as the kernel spells them.
    texts: [String; 3],
}

impl Narrator {
    /// One that records if that is wanted.
    pub fn new(wanted: bool) -> Narrator {
        Narrator {
            wanted,
            touches: 0,
            story: vec![],
            steps: vec![],
            rows: BTreeMap::new(),
            texts: Default::default(),
        }
    }

    /// Something happens to a thread.
    pub fn tell(&mut self, model: &Model, i: usize, moment: Moment) {
        if self.wanted {
            let (letter, pid) = (i, model.pid(i));
            let task = &model.tasks[i];
            let call = matches!(moment, Moment::Call { .. });
            let looks = call && task.entry.is_some_and(|entry| calls::is_aside(task.tid, &entry));
            let fault = matches!(moment, Moment::Signal { fault: Some(_), .. });
            let source = task.source.clone().filter(|_| call || fault);
            self.story.push(Line { letter, pid, moment, looks, source });
        }
    }

    /// A thread touches memory that is watched. Touches of one kind that follow each other are one.
    pub fn touches(&mut self, model: &Model, i: usize, new: Touched) {
        if !self.wanted {
            return;
        }
        self.touches += 1;
        let begins = self.steps.last().map_or(0, |step| step.at);
        let last = if self.story.len() > begins { self.story.last_mut() } else { None };
        if let Some(Line { letter, moment: Moment::Touched(last), .. }) = last
            && *letter == i
            && (last.writes, last.locked, last.buffered) == (new.writes, false, new.buffered)
            && last.bytes.memory == new.bytes.memory
            && last.bytes.to == new.bytes.from
            && last.source == new.source
            && last.is.is_empty() == new.is.is_empty()
        {
            last.bytes.to = new.bytes.to;
            last.is.extend(new.is);
            return;
        }
        self.tell(model, i, Moment::Touched(new));
    }

    /// One of these moves now.
    pub fn moves(
        &mut self,
        model: &Model,
        could: impl Iterator<Item = (usize, Who)>,
        chosen: usize,
        taken: bool,
    ) {
        if !self.wanted {
            return;
        }
        let (at, could) = (self.story.len(), self.could(model, could));
        self.steps.push(Step { at, chosen, could, taken, rows: vec![], printed: vec![] });
    }

    /// What each of these is about to do.
    pub fn could(&self, model: &Model, all: impl Iterator<Item = (usize, Who)>) -> Vec<Could> {
        let one = |(letter, who): (usize, Who)| {
            let task = &model.tasks[letter];
            let itself = who == Who::Itself;
            let entry = task.entry.filter(|_| itself && task.state == State::Before);
            let call = entry.map(|entry| decode::enter(task.tid, &entry).line());
            let access = task.access.as_ref().filter(|_| itself);
            let call = call.or_else(|| access.map(spelled));
            Could { letter, who, call }
        };
        all.map(one).collect()
    }

    /// The kernel's tables after the last move.
    pub fn rows(&self) -> Vec<(Kind, i32, Row)> {
        self.rows.iter().map(|((kind, id), row)| (*kind, *id, row.clone())).collect()
    }

    /// This was printed in the move.
    pub fn prints(&mut self, new: Vec<Piece>) {
        if let Some(step) = self.steps.last_mut() {
            step.printed.extend(new);
        }
    }

    /// The move is over: which rows have changed? Processes have the numbers that they have in the room.
    pub fn has_moved(&mut self, model: &Model) {
        let Some(step) = self.steps.last_mut() else { return };
        let texts = [Kind::Shm, Kind::Msg, Kind::Sem].map(|kind| (kind, tables::text(kind)));
        if texts.iter().map(|(_, text)| text).eq(&self.texts) {
            return;
        }
        let number = |pid: &mut Option<i32>| {
            let known = pid.and_then(|tgid| model.with_tgid(tgid));
            *pid = known.map(|process| model.processes[process].pid).or(*pid);
        };
        let mut now = BTreeMap::new();
        for (kind, text) in &texts {
            for row in tables::rows(text) {
                let mut known = Row::of(*kind, &row);
                number(&mut known.cpid);
                number(&mut known.lpid);
                if *kind == Kind::Shm {
                    attached::in_row(model, row.id() as i32, &mut known);
                }
                now.insert((*kind, row.id() as i32), known);
            }
        }
        self.texts = texts.map(|(_, text)| text);
        let all: BTreeSet<_> = self.rows.keys().chain(now.keys()).copied().collect();
        for key in all {
            let both = [self.rows.get(&key).cloned(), now.get(&key).cloned()];
            if both[0] != both[1] {
                step.rows.push((key.0, key.1, both));
            }
        }
        self.rows = now;
    }

    /// As what was printed: the same in every run, also in records that a call has filled.
    pub fn at_one_time(&mut self, exploration: &RangeInclusive<u64>) {
        for piece in self.steps.iter_mut().flat_map(|step| &mut step.printed) {
            piece.bytes = at_one_time(&piece.bytes, exploration);
        }
        for told in &mut self.story {
            let Moment::Call { call, .. } = &mut told.moment else { continue };
            for arg in &mut call.args {
                let text = at_one_time(arg.text.as_bytes(), exploration);
                if text != arg.text.as_bytes() {
                    arg.text = String::from_utf8_lossy(&text).into_owned().into();
                }
            }
        }
    }

    /// A call that is about to be made, spelled.
    pub fn spell(&self, tid: Tid, entry: &Entry) -> Option<Call> {
        self.wanted.then(|| decode::enter(tid, entry))
    }

    /// A call before which the run ends.
    pub fn not_made(&mut self, model: &Model, i: usize) {
        if let Some(call) = model.tasks[i].call.clone() {
            self.tell(model, i, Moment::Call { call, asleep: false });
        }
    }

    /// The moment of a call that has begun or ended. Without a `result` it sleeps, or will not
    /// return.
    pub fn call(&mut self, model: &mut Model, i: usize, result: Option<i64>) {
        let task = &mut model.tasks[i];
        let (Some(entry), Some(call)) = (task.entry, task.call.as_mut()) else { return };
        if let Some(result) = result {
            decode::leave(task.tid, &entry, call, result);
            decode::spell_output(task.tid, &entry, call, result);
        }
        let call = call.clone();
        let ends = syscalls::row(entry.number)
            .is_some_and(|row| matches!(row.changes, Changes::Thread | Changes::Process));
        let asleep = result.is_none() && !ends;
        self.tell(model, i, Moment::Call { call, asleep });
    }
}

/// An access that is about to be made.
fn spelled(access: &Access) -> String {
    let one = |(bytes, writes): (Bytes, bool)| {
        format!("{} {}", if writes { "stores to" } else { "loads" }, place(bytes))
    };
    access.spelled().map(one).collect::<Vec<_>>().join(", ")
}
