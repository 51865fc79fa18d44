//! Events for people: a line each, in lanes that name and colour tell apart. Whole without colour.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use colored::{Color, Colorize};
use lablib::flags;

use crate::event::{Call, Event, Row, What};
use crate::objects::goes_with_last_detach;
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
    colors: HashMap<i32, Color>,
    /// The widest lane so far.
    width: usize,
    /// The lane of the line before.
    last: (i32, String),
    said: HashSet<String>,
}

impl Text {
    /// `columns`: a line is broken there; without `notes` calls and signals alone.
    pub fn new(columns: Option<usize>, notes: bool) -> Text {
        Text {
            columns: columns.unwrap_or(usize::MAX),
            notes,
            colors: HashMap::new(),
            width: 0,
            last: (0, String::new()),
            said: HashSet::new(),
        }
    }

    /// `child 4243 │`, or `main 4242.4250 │` for another thread than the first.
    fn lane(&mut self, event: &Event) -> String {
        if event.pid == 0 {
            return String::new();
        }
        let next = COLORS[self.colors.len() % COLORS.len()];
        let color = *self.colors.entry(event.pid).or_insert(next);
        let name: String = event.lane.chars().take(12).collect();
        let label = if event.tid == event.pid {
            format!("{name} {}", event.pid)
        } else {
            format!("{name} {}.{}", event.pid, event.tid)
        };
        self.width = self.width.max(label.chars().count());
        let label = format!("{label:<0$} │ ", self.width);
        label.color(color).to_string()
    }

    fn line(&self, lane: &str, text: &str, tail: Option<(&str, bool)>, out: &mut Vec<u8>) {
        let lane_width = if lane.is_empty() { 0 } else { self.width + 3 };
        let room = self.columns.saturating_sub(lane_width);
        let mut rows =
            if self.columns == usize::MAX { vec![text.into()] } else { wrap(text, room, 4) };
        if let Some((tail, _)) = tail {
            let last = rows.pop().unwrap_or_default();
            let padded = format!("{last:<RESULT_COLUMN$}");
            let fits = |head: &str| head.chars().count() + tail.chars().count() <= room;
            match [padded, last.clone()].into_iter().find(|head| fits(head)) {
                Some(head) => rows.push(head),
                None => {
                    rows.push(last);
                    rows.extend(wrap(&format!("    {}", tail.trim_start()), room, 4));
                    return self.rows(lane, &rows, None, out);
                }
            }
        }
        self.rows(lane, &rows, tail, out)
    }

    fn rows(&self, lane: &str, rows: &[String], tail: Option<(&str, bool)>, out: &mut Vec<u8>) {
        for (i, row) in rows.iter().enumerate() {
            out.extend_from_slice(lane.as_bytes());
            out.extend_from_slice(row.as_bytes());
            if let Some((tail, good)) = tail.filter(|_| i + 1 == rows.len()) {
                let tail = if good { tail.green() } else { tail.red() };
                out.extend_from_slice(tail.to_string().as_bytes());
            }
            out.push(b'\n');
        }
    }

    fn dim(&self, lane: &str, text: &str, out: &mut Vec<u8>) {
        let room = self.columns.saturating_sub(self.width + 3);
        for row in wrap(text, room, 4) {
            let _ = std::io::Write::write_fmt(out, format_args!("{lane}{}\n", row.dimmed()));
        }
    }

    fn call(&self, lane: &str, call: &Call, out: &mut Vec<u8>) {
        let good = call.errno.is_none();
        self.line(lane, &call.line(), Some((&format!(" = {}", call.answer), good)), out);
    }

    /// Has this not been said yet, but for its numbers?
    fn is_news(&mut self, text: &str) -> bool {
        let shape: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
        self.said.insert(shape)
    }
}

impl View for Text {
    fn show(&mut self, event: &Event, out: &mut Vec<u8>) {
        let lane = self.lane(event);
        let mut plain = |text: &str| self.line(&lane, text, None, out);
        match &event.what {
            What::Start { command, .. } => plain(&format!("-- {}", command.join(" "))),
            What::Remark { text } => plain(&format!("-- {text}")),
            What::Born { parent, how } => plain(&match &**how {
                "thread" => format!("-- a thread of {parent}"),
                how => format!("-- made by {parent}: {how}"),
            }),
            What::Enter { call } => plain(&format!("{} ...", call.line())),
            What::Call { call, .. } => self.call(&lane, call, out),
            What::Ftok { path, proj_id, key } => {
                let letter = u8::try_from(*proj_id).ok().filter(u8::is_ascii_graphic);
                let id = letter.map_or(format!("{proj_id:#x}"), |c| format!("'{}'", c as char));
                let call = format!("ftok({path:?}, {id})");
                self.line(&lane, &call, Some((&format!(" = {}", flags::key(*key)), true)), out);
            }
            // What the program writes to our terminal stands there already.
            What::Write { here: true, .. } => return,
            What::Write { fd, text, .. } => {
                let mark = if *fd == 2 { "2>" } else { ">" };
                for line in text.split_inclusive('\n') {
                    plain(&format!("{mark} {}", safe(line)));
                }
            }
            What::Signal { signal, code, from, action } => {
                let from = from.map_or(String::new(), |pid| format!(" from {pid}"));
                let action = match &**action {
                    "unknown" => "",
                    "handler" => ": its handler runs",
                    "ignore" => ": ignored",
                    _ => ": no handler",
                };
                plain(&format!("--- {signal} ({code}){from}{action} ---"));
            }
            What::Stopped { signal } => plain(&format!("--- stopped by {signal} ---")),
            What::Continued => plain("--- continued ---"),
            What::Table { kind, id, before, after } => {
                let name = if kind == "shm" { "shmid" } else { "id" };
                let text = format!("    {name} {id}: {}", change(before.as_ref(), after.as_ref()));
                self.dim(&lane, &text, out);
            }
            What::Exit { code } => plain(&format!("+++ exited with {code} +++")),
            What::Killed { signal, core } => {
                let core = if *core { ", core dumped" } else { "" };
                plain(&format!("+++ killed by {signal}{core} +++"));
            }
            What::Left { kind, id, row } => {
                plain(&format!("-- left: {}id {id}, {}", short(kind), left(row)));
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
        self.last = (event.tid, lane);
    }
}

fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn short(kind: &str) -> &str {
    if kind == "msg" { "msq" } else { kind }
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
            let key = flags::key(row.key);
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
    field("key", flags::key(before.key), flags::key(after.key));
    field("uid", before.uid.to_string(), after.uid.to_string());
    if !goes_with_last_detach(before) && goes_with_last_detach(after) {
        let between = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{between}status dest");
    }
    if before.perms & flags::SHM_LOCKED != after.perms & flags::SHM_LOCKED {
        let locked = after.perms & flags::SHM_LOCKED != 0;
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
fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
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
