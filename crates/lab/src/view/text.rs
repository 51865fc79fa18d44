//! Events for people: one line each, in lanes with a name and a colour. The text is complete
//! without colour.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::rc::Rc;

use colored::{Color, Colorize};
use sysv::spell;

use crate::event::{Action, Birth, Event, Row, What};
use crate::view::View;

/// Where `= result` starts, after the lane.
const RESULT_COLUMN: usize = 42;
/// A colour a process, in the order in which they come.
const COLORS: [Color; 6] =
    [Color::Blue, Color::Magenta, Color::Yellow, Color::Cyan, Color::BrightGreen, Color::BrightRed];

/// The lines, and what has been said already.
pub struct Text {
    columns: usize,
    notes: bool,
    colored: bool,
    colors: BTreeMap<i32, Color>,
    /// How each thread's lines begin, as long as its name stays, and `width`.
    lanes: BTreeMap<i32, (Rc<str>, String)>,
    /// The widest lane so far.
    width: usize,
    said: HashSet<String>,
}

impl Text {
    /// `columns`: a line is broken there; without `notes` calls and signals alone.
    pub fn new(columns: Option<usize>, notes: bool) -> Text {
        Text {
            columns: columns.unwrap_or(usize::MAX),
            notes,
            colored: colored::control::SHOULD_COLORIZE.should_colorize(),
            colors: BTreeMap::new(),
            lanes: BTreeMap::new(),
            width: 0,
            said: HashSet::new(),
        }
    }

    /// `child 4243 │ `, or `main 4242.4250 │ ` for another thread than the first.
    fn lane(&mut self, event: &Event) -> String {
        if event.pid == 0 {
            return String::new();
        }
        if let Some((name, lane)) = self.lanes.get(&event.tid)
            && *name == event.lane
        {
            return lane.clone();
        }
        let next = COLORS[self.colors.len() % COLORS.len()];
        let color = *self.colors.entry(event.pid).or_insert(next);
        let name: String = event.lane.chars().take(12).collect();
        let label = if event.tid == event.pid {
            format!("{name} {}", event.pid)
        } else {
            format!("{name} {}.{}", event.pid, event.tid)
        };
        let width = label.chars().count();
        if width > self.width {
            (self.width, self.lanes) = (width, BTreeMap::new());
        }
        let label = format!("{label:<0$} │ ", self.width);
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

    /// A call, and its answer in a column of its own where that fits.
    fn answered(&self, lane: &str, call: &str, answer: &str, good: bool, out: &mut Vec<u8>) {
        let room = self.room(lane);
        let (width, tail) = (call.chars().count(), answer.chars().count() + 3);
        let paint = |answer: &str| {
            let answer = format!(" = {answer}");
            if good { answer.green() } else { answer.red() }.to_string()
        };
        if width.max(RESULT_COLUMN) + tail <= room {
            let padding = &BLANKS[..RESULT_COLUMN.saturating_sub(width)];
            if !self.colored {
                return line(out, &[lane, call, padding, " = ", answer]);
            }
            return line(out, &[lane, call, padding, &paint(answer)]);
        }
        let mut rows = wrap(call, room, 4);
        let last = rows.pop().unwrap_or_default();
        rows.iter().for_each(|row| line(out, &[lane, row]));
        if last.chars().count() + tail <= room {
            return line(out, &[lane, &last, &paint(answer)]);
        }
        line(out, &[lane, &last]);
        for (i, row) in wrap(answer, room - 6, 2).iter().enumerate() {
            let row = if i == 0 { paint(row) } else { row.clone() };
            line(out, &[lane, "   ", &row]);
        }
    }

    /// Has this not been said yet, but for its numbers?
    fn is_news(&mut self, text: &str) -> bool {
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
                Birth::Thread => format!("-- a thread of {parent}"),
                Birth::Fork => format!("-- made by {parent}: fork"),
                Birth::Vfork => format!("-- made by {parent}: vfork"),
            }),
            What::Enter { call } => plain(&format!("{} ...", call.line())),
            What::Call { call, .. } => {
                let good = call.errno.is_none();
                self.answered(&lane, &call.line(), &call.answer, good, out);
            }
            What::Ftok { path, proj_id, key } => {
                let letter = u8::try_from(*proj_id).ok().filter(u8::is_ascii_graphic);
                let id = letter.map_or(format!("{proj_id:#x}"), |c| format!("'{}'", c as char));
                let call = format!("ftok({path:?}, {id})");
                self.answered(&lane, &call, &spell::key(*key), true, out);
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
                let from = from.map_or(String::new(), |pid| format!(" from {pid}"));
                let action = match action {
                    Action::Unknown => "",
                    Action::Handler => ": its handler runs",
                    Action::Ignore => ": ignored",
                    Action::Default => ": no handler",
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
            What::Exit { code } => plain(&format!("+++ exited with {code} +++")),
            What::Killed { signal, core } => {
                let core = if *core { ", core dumped" } else { "" };
                plain(&format!("+++ killed by {signal}{core} +++"));
            }
            What::Left { kind, id, row } => {
                plain(&format!("-- left: {} {id}, {}", kind.id_name(), left(row)));
            }
            What::Summary { processes, threads, calls, signals, left } => {
                if *left == 0 {
                    plain("-- left: none");
                }
                let threads = if threads > processes {
                    format!(" ({threads} threads)")
                } else {
                    String::new()
                };
                let processes = counted(*processes, "process", "processes");
                let (calls, signals) =
                    (counted(*calls, "call", "calls"), counted(*signals, "signal", "signals"));
                plain(&format!("-- {processes}{threads}, {calls} and {signals} shown"));
            }
        }
        if let Some(note) = event.note.as_ref().filter(|_| self.notes)
            && self.is_news(&note.text)
        {
            self.dim(&lane, &format!("  · {}: section {}", note.text, note.section), out);
        }
    }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// What is left of an object, in a few words.
fn left(row: &Row) -> String {
    match (row.size, row.nattch, row.qnum, row.nsems) {
        (Some(size), Some(nattch), ..) => format!("{size} bytes, nattch {nattch}"),
        (_, _, Some(qnum), _) => format!("{qnum} messages, {} bytes", row.cbytes.unwrap_or(0)),
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

/// Breaks `text` at spaces so that no row is wider than `width`; later rows are indented.
pub fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    if width == usize::MAX || text.len() <= width {
        return vec![text.into()];
    }
    let mut rows = vec![];
    let mut row = String::new();
    let mut used = 0;
    for (i, word) in text.split(' ').enumerate() {
        let len = word.chars().count();
        if used > indent && used + 1 + len > width {
            rows.push(std::mem::take(&mut row));
            row = " ".repeat(indent);
            row += word;
            used = indent + len;
        } else {
            if i > 0 {
                row.push(' ');
                used += 1;
            }
            row += word;
            used += len;
        }
    }
    rows.push(row);
    rows
}
