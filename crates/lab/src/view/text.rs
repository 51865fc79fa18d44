//! Events for people: one line each, in lanes with a name and a colour. The text is complete
//! without colour.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;

use colored::{Color, Colorize};
use say::tell;
use screen::words::{chinese, translated};
use sysv::spell;

use crate::event::{Action, Birth, Call, ChangedPart, Event, HintSide, RaceHint, Row, What};
use crate::view::{NOTHING_ORDERS, View, bytes, orders_others};

/// Where `= result` starts, after the lane, if there is room.
const RESULT_COLUMN: usize = 42;
/// The shortest room for a result: `= -1 EWOULDBLOCK` fits.
const RESULT: usize = 18;
/// A name has at most so many letters in a lane.
const NAME: usize = 12;
/// So many changes of a segment's bytes are shown at once.
const CHANGES: usize = 3;
/// A colour a process, in the order in which they come.
const COLORS: [Color; 6] =
    [Color::Blue, Color::Magenta, Color::Yellow, Color::Cyan, Color::BrightGreen, Color::BrightRed];

/// The lines, and what has been said already.
pub struct Text {
    columns: usize,
    notes: bool,
    /// With the lines of the source from which calls were made.
    lines: bool,
    colored: bool,
    colors: BTreeMap<i32, Color>,
    /// How each thread's lines begin, as long as its name stays, and `width`.
    lanes: BTreeMap<i32, (Rc<str>, String)>,
    /// The letters of the longest name that is known from the start.
    name: usize,
    /// The width of all lanes; 0: there was none yet.
    width: usize,
    said: HashSet<String>,
}

impl Text {
    /// `columns`: a line is broken there; without `notes` calls and signals alone; with `lines`
    /// those of the source, too; `names`: the programs'.
    pub fn new(columns: Option<usize>, notes: bool, lines: bool, names: &[String]) -> Text {
        let names = names.iter().map(|name| name.chars().count());
        Text {
            columns: columns.unwrap_or(usize::MAX),
            notes,
            lines,
            colored: colored::control::SHOULD_COLORIZE.should_colorize(),
            colors: BTreeMap::new(),
            lanes: BTreeMap::new(),
            name: names.max().unwrap_or(0).clamp("child".len(), NAME),
            width: 0,
            said: HashSet::new(),
        }
    }

    /// `child 4243 │ `, or `child.4250 │ ` for another thread than the first. All lanes have one width:
    /// what stands behind them, stands in one column.
    fn lane(&mut self, event: &Event) -> String {
        if event.pid == 0 {
            return String::new();
        }
        if let Some((name, lane)) = self.lanes.get(&event.tid)
            && *name == event.lane
        {
            return lane.clone();
        }
        if self.width == 0 {
            // A run may go over the next power of ten.
            self.width = self.name + 1 + (event.pid + 1000).to_string().len();
        }
        let next = COLORS[self.colors.len() % COLORS.len()];
        let color = *self.colors.entry(event.pid).or_insert(next);
        let number = event.tid.to_string();
        let name: String = event.lane.chars().take(self.width - 1 - number.len()).collect();
        let between = if event.tid == event.pid { ' ' } else { '.' };
        let label = format!("{:<1$} │ ", format!("{name}{between}{number}"), self.width);
        let lane = label.color(color).to_string();
        self.lanes.insert(event.tid, (event.lane.clone(), lane.clone()));
        lane
    }

    fn room(&self, lane: &str) -> usize {
        self.columns.saturating_sub(if lane.is_empty() { 0 } else { self.width + 3 })
    }

    fn plain(&self, lane: &str, text: &str, out: &mut Vec<u8>) {
        for row in wrap(text, self.room(lane), 4) {
            line(out, &[lane, &row]);
        }
    }

    fn dim(&self, lane: &str, text: &str, out: &mut Vec<u8>) {
        for row in wrap(text, self.room(lane), 4) {
            line(out, &[lane, &row.dimmed().to_string()]);
        }
    }

    /// A call, and its answer in a column of its own; behind a call that goes over that column, where
    /// it fits.
    fn answered(&self, lane: &str, call: &str, answer: &str, good: bool, out: &mut Vec<u8>) {
        let room = self.room(lane);
        let column = RESULT_COLUMN.min(room.saturating_sub(RESULT));
        let width = call.chars().count();
        let paint = |answer: &str| if good { answer.green() } else { answer.red() }.to_string();
        if width.max(column) + 3 + answer.chars().count() <= room {
            let padding = &BLANKS[..column.saturating_sub(width)];
            if !self.colored {
                return line(out, &[lane, call, padding, " = ", answer]);
            }
            return line(out, &[lane, call, padding, &paint(&format!(" = {answer}"))]);
        }
        let mut rows = wrap(call, room, 4);
        if rows.last().is_some_and(|last| last.chars().count() > column) {
            rows.push(String::new());
        }
        let last = rows.pop().unwrap_or_default();
        rows.iter().for_each(|row| line(out, &[lane, row]));
        for (i, row) in wrap(answer, room.saturating_sub(column + 3), 0).iter().enumerate() {
            let before =
                if i == 0 { format!("{last:<column$} = ") } else { " ".repeat(column + 3) };
            line(out, &[lane, &before, &paint(row)]);
        }
    }

    /// ` (main.c:41)`, if lines are wanted.
    fn made_at(&self, call: &Call) -> String {
        let at = call.at.as_ref().filter(|_| self.lines);
        at.map_or(String::new(), |at| format!(" ({at})"))
    }

    /// What has changed of a segment's bytes: a few lines, under that of the call. `more`: so many changes
    /// are not in `parts`.
    fn changed(
        &self,
        lane: &str,
        memory: &str,
        (parts, more): (&[ChangedPart], u64),
        (by, others): (&[i32], bool),
        out: &mut Vec<u8>,
    ) {
        let alone = by.len() == 1 && !others;
        let by = if alone { String::new() } else { format!(", by {}", self.any_of(by, others)) };
        let memory = memory.replace("shm ", "shmid ");
        for part in parts.iter().take(CHANGES) {
            let ChangedPart { at, len, before, after } = part;
            let what = bytes::changed(before, after);
            self.dim(lane, &format!("    {memory}: +{at}..+{} {what}{by}", at + len), out);
        }
        let more = more + parts.len().saturating_sub(CHANGES) as u64;
        if more > 0 {
            self.dim(lane, &format!("    {}", tell!("… and {more} more")), out);
        }
    }

    /// `child 4243 or another process`
    fn any_of(&self, pids: &[i32], others: bool) -> String {
        let name = |pid: &i32| match self.lanes.get(pid) {
            Some((name, _)) => format!("{name} {pid}"),
            None => pid.to_string(),
        };
        let mut all: Vec<String> = pids.iter().map(name).collect();
        if others {
            all.push(translated("a process that is not traced").into());
        }
        all.join(if chinese() { " 或 " } else { " or " })
    }

    /// Has this not been said yet? What only explains is not said again with other numbers.
    fn is_news(&mut self, text: &str, exactly: bool) -> bool {
        if exactly {
            return self.said.insert(text.into());
        }
        let shape = text.split(|c: char| c.is_ascii_digit());
        if text.bytes().any(|byte| byte.is_ascii_digit()) {
            return self.said.insert(shape.collect());
        }
        !self.said.contains(text) && self.said.insert(text.into())
    }
}

/// Enough for any padding.
const BLANKS: &str = "                                                ";

fn line(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
    out.push(b'\n');
}

impl View for Text {
    fn show(&mut self, event: &Event, out: &mut Vec<u8>) {
        let lane = self.lane(event);
        let mut plain = |text: &str| self.plain(&lane, text, out);
        match &event.what {
            What::Start { command, .. } => plain(&format!("-- {}", command.join(" "))),
            What::Remark { text } => plain(&format!("-- {text}")),
            What::Born { parent, how } => plain(&match how {
                Birth::Thread => tell!("-- a thread of {parent}"),
                Birth::Fork => tell!("-- made by {parent}: fork"),
                Birth::Vfork => tell!("-- made by {parent}: vfork"),
            }),
            What::Enter { call } => plain(&format!("{} ...{}", call.line(), self.made_at(call))),
            What::Call { call, .. } => {
                let good = call.errno.is_none();
                let answer = format!("{}{}", call.answer, self.made_at(call));
                self.answered(&lane, &call.line(), &answer, good, out);
            }
            What::Ftok { path, proj_id, key } => {
                let letter = u8::try_from(*proj_id).ok().filter(u8::is_ascii_graphic);
                let id = letter.map_or(format!("{proj_id:#x}"), |c| format!("'{}'", c as char));
                let call = format!("ftok({path:?}, {id})");
                self.answered(&lane, &call, &spell::key(*key), true, out);
            }
            What::Access { memory, at, len, writes, locked, source, holds, buffer: _ } => {
                let arrow = if *writes { "<-" } else { "->" };
                let is = bytes::content(holds);
                let locked = if *locked { " (locked)" } else { "" };
                let source = source.as_ref().map_or(String::new(), |source| format!(" ({source})"));
                plain(&format!("{memory} +{at}..+{} {arrow} {is}{locked}{source}", at + len));
            }
            // What the program writes to our terminal stands there already.
            What::Write { here: true, .. } => return,
            What::Write { fd, text, .. } => {
                let mark = if *fd == 2 { "2>" } else { ">" };
                for line in text.split_inclusive('\n') {
                    plain(&format!("{mark} {}", safe(line)));
                }
            }
            What::Signal { signal, code, from, action, address } => {
                let from = from.map_or(String::new(), |pid| tell!(" from {pid}"));
                let action = match action {
                    Action::Unknown => "",
                    Action::Handler => translated(": its handler runs"),
                    Action::Ignore => translated(": ignored"),
                    Action::Default => translated(": no handler"),
                };
                let at = address.map_or(String::new(), |at| format!(" at {at:#x}"));
                plain(&format!("--- {signal} ({code}){at}{from}{action} ---"));
            }
            What::Stopped { signal } => plain(&format!("--- stopped by {signal} ---")),
            What::Continued => plain("--- continued ---"),
            What::Table { kind, id, before, after } => {
                let name = kind.id_name();
                let text = format!("    {name} {id}: {}", change(before.as_ref(), after.as_ref()));
                self.dim(&lane, &text, out);
            }
            What::Changed { memory, parts, more, by, others } => {
                self.changed(&lane, memory, (parts, *more), (by, *others), out);
            }
            What::Hints { races, ordering, complete } => {
                hints(races, ordering, *complete)
                    .iter()
                    .for_each(|row| plain(&format!("-- {row}")));
            }
            What::Move { could, .. } => {
                let could: Vec<&str> = could.iter().map(|one| &*one.who).collect();
                plain(&format!("-- moves, of {}", could.join(", ")));
            }
            What::Time { .. } => plain(translated("--- time passes ---")),
            What::Spins => {
                plain(translated("--- makes no call, and waits for memory to change ---"))
            }
            What::Exit { code } => plain(&format!("+++ exited with {code} +++")),
            What::Killed { signal, core } => {
                let core = if *core { ", core dumped" } else { "" };
                plain(&format!("+++ killed by {signal}{core} +++"));
            }
            What::Left { kind, id, row } => {
                plain(&tell!("-- left: {} {id}, {}", kind.id_name(), left(row)));
            }
            What::Summary { processes, threads, calls, signals, left } => {
                if *left == 0 {
                    plain(translated("-- left: none"));
                }
                let threads =
                    if threads > processes { tell!(" ({threads} threads)") } else { String::new() };
                let processes = match processes {
                    1 => tell!("{processes} process"),
                    _ => tell!("{processes} processes"),
                };
                let calls = match calls {
                    1 => tell!("{calls} call"),
                    _ => tell!("{calls} calls"),
                };
                let signals = match signals {
                    1 => tell!("{signals} signal"),
                    _ => tell!("{signals} signals"),
                };
                plain(&tell!("-- {processes}{threads}, {calls} and {signals} shown"));
            }
        }
        if let Some(note) = event.note.as_ref().filter(|_| self.notes)
            && self.is_news(&note.text, is_particular(&event.what))
        {
            self.dim(
                &lane,
                &format!("  · {}", tell!("{}: section {}", note.text, note.section)),
                out,
            );
        }
    }
}

/// Is the sentence about this event, and none like it: a cause?
fn is_particular(what: &What) -> bool {
    match what {
        What::Call { call, .. } => !call.succeeded(),
        What::Enter { call } => call.futex().is_some(),
        What::Signal { address, .. } => address.is_some(),
        _ => false,
    }
}

/// So many races are shown.
const RACES: usize = 8;

/// What nothing orders, and what orders the rest.
fn hints(races: &[RaceHint], ordering: &[String], complete: bool) -> Vec<String> {
    let mut rows = vec![];
    if !races.is_empty() {
        rows.push(translated(NOTHING_ORDERS).to_string());
    }
    let side = |side: &HintSide| {
        let source = side.source.as_ref().map_or(String::new(), |source| format!(" ({source})"));
        let who = &side.who;
        let does = if side.writes { tell!("{who} stores") } else { tell!("{who} loads") };
        does + &source
    };
    for RaceHint { place, sides: [first, second] } in races.iter().take(RACES) {
        rows.push(format!("  {}", tell!("{place}: {}, {}", side(first), side(second))));
    }
    if races.len() > RACES {
        rows.push(format!("  {}", tell!("… {} more; --json prints all", races.len() - RACES)));
    }
    if !ordering.is_empty() {
        rows.push(orders_others(ordering));
    }
    if !complete {
        rows.push(
            translated(
                "These are hints about the first million accesses; the others were not kept",
            )
            .into(),
        );
    }
    rows
}

/// What is left of an object, in a few words.
fn left(row: &Row) -> String {
    match (row.size, row.nattch, row.qnum, row.nsems) {
        (Some(size), Some(nattch), ..) => tell!("{size} bytes, nattch {nattch}"),
        (_, _, Some(qnum), _) => tell!("{qnum} messages, {} bytes", row.cbytes.unwrap_or(0)),
        (.., Some(nsems)) => format!("{nsems} semaphores"),
        _ => "a row".into(),
    }
}

/// `nattch 1 -> 2, lpid 4242 -> 4243`
fn change(before: Option<&Row>, after: Option<&Row>) -> String {
    let (before, after) = match (before, after) {
        (_, None) => return "gone".into(),
        (None, Some(row)) => {
            let mode = row.perms & 0o777;
            let key = spell::key(row.key);
            return format!("new: {}, mode 0{mode:03o}, key {key}", left(row));
        }
        (Some(before), Some(after)) => (before, after),
    };
    let mut text = String::new();
    let mut field = |name: &str, before: String, after: String| {
        if before != after {
            let between = if text.is_empty() { "" } else { ", " };
            let _ = write!(text, "{between}{name} {before} -> {after}");
        }
    };
    let number = |n: Option<u64>| n.map_or(String::new(), |n| n.to_string());
    let pid = |n: Option<i32>| n.map_or(String::new(), |n| n.to_string());
    let mode = |row: &Row| format!("0{:03o}", row.perms & 0o777);
    field("nattch", number(before.nattch), number(after.nattch));
    field("lpid", pid(before.lpid), pid(after.lpid));
    field("mode", mode(before), mode(after));
    field("key", spell::key(before.key), spell::key(after.key));
    field("uid", before.uid.to_string(), after.uid.to_string());
    if !before.goes_with_last_detach() && after.goes_with_last_detach() {
        let between = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{between}status dest");
    }
    if before.perms & spell::SHM_LOCKED != after.perms & spell::SHM_LOCKED {
        let locked = after.perms & spell::SHM_LOCKED != 0;
        let between = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{between}{}", if locked { "locked" } else { "unlocked" });
    }
    if text.is_empty() { "as before".into() } else { text }
}

/// A line of a program's output, without what would move a terminal's cursor.
fn safe(line: &str) -> String {
    let line = line.trim_end_matches('\n');
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Breaks `text` at spaces so that no row is wider than `width`; later rows are indented. A word that
/// is too long is broken behind a mark, or anywhere.
pub fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    if width == usize::MAX || text.len() <= width {
        return vec![text.into()];
    }
    if chinese() && screen::width(text) > text.chars().count() {
        return screen::wrap(text, width, indent);
    }
    let mut rows = vec![];
    let mut row = String::new();
    let mut used = 0;
    let mut next = |row: &mut String| {
        rows.push(std::mem::take(row));
        *row = " ".repeat(indent);
    };
    for (i, word) in text.split(' ').enumerate() {
        let mut rest = word;
        let len = rest.chars().count();
        if used > indent && used + 1 + len > width {
            next(&mut row);
            used = indent;
        } else if i > 0 {
            row.push(' ');
            used += 1;
        }
        while used + rest.chars().count() > width && used < width {
            let (part, others) = cut(rest, width - used);
            row += part;
            rest = others;
            if !rest.is_empty() {
                next(&mut row);
                used = indent;
            }
        }
        row += rest;
        used += rest.chars().count();
    }
    rows.push(row);
    rows
}

/// The beginning of a word that has room, and the rest of it.
fn cut(word: &str, room: usize) -> (&str, &str) {
    let end = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
    let mark = word[..end].rfind(['|', '/', ',', '=']).map(|at| at + 1);
    // A row that is nearly empty is worse than a cut in the middle of a name.
    word.split_at(mark.filter(|at| *at > room / 2).unwrap_or(end))
}
