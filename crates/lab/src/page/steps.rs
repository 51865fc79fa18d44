//! Steps: what the page shows one after the other. A step is a move, or an event of a trace, with all that
//! it has done. The input is the JSON of the page on events, from a file or from a program that
//! runs now.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::words::{self, Spelled};
use crate::event::Row;
use crate::stage::book::Setting;
use crate::view::rows::Cell;
use crate::view::rows::cells;

/// One step. The names are short, for there are many.
#[derive(Serialize, Default, Clone, Debug)]
pub struct Step {
    /// The lane that moves.
    #[serde(rename = "w")]
    pub who: usize,
    /// Not it moves: `time` passes for it, or a `store` of it reaches the memory; or it has `taken` the turn.
    #[serde(rename = "m", skip_serializing_if = "Option::is_none")]
    pub how: Option<&'static str>,
    #[serde(rename = "x")]
    pub lines: Vec<Line>,
    /// Rows of the kernel's tables as they are now: none for one that is gone.
    #[serde(rename = "r", skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<(String, i32, Option<Vec<Cell>>)>,
    /// Why this is the moment that decides.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub decides: Option<String>,
}

/// What happened to one lane.
#[derive(Serialize, Default, Clone, Debug)]
pub struct Line {
    #[serde(rename = "l")]
    pub lane: usize,
    /// `call`, `sleep`, `read`, `write`, `signal`, `print`, `end`, `time`, `goes`.
    #[serde(rename = "k")]
    pub kind: &'static str,
    /// As the diagram has it.
    #[serde(rename = "t")]
    pub text: String,
    /// In words.
    #[serde(rename = "s")]
    pub says: String,
    /// The same, if it has slept in this call until now.
    #[serde(rename = "v", skip_serializing_if = "Option::is_none")]
    pub woken: Option<String>,
    /// What it means.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The line of the program.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What memory holds now: its name, the first byte, and the bytes in hexadecimal.
    #[serde(rename = "b", skip_serializing_if = "Vec::is_empty")]
    pub bytes: Vec<(String, u64, String)>,
    /// It has sent this signal.
    #[serde(rename = "o", skip_serializing_if = "Option::is_none")]
    pub sends: Option<String>,
    /// This signal has come, from that lane.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    pub gets: Option<(String, Option<usize>)>,
    /// It has made this lane.
    #[serde(rename = "c", skip_serializing_if = "Option::is_none")]
    pub makes: Option<usize>,
    /// That lane has made it.
    #[serde(rename = "y", skip_serializing_if = "Option::is_none")]
    pub made_by: Option<usize>,
    /// It has failed.
    #[serde(rename = "e", skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// A process or a thread.
#[derive(Serialize, Clone, Debug)]
pub struct Lane {
    /// `a`, `server 4242`
    #[serde(rename = "n")]
    pub name: String,
    #[serde(rename = "p")]
    pub pid: i32,
    #[serde(rename = "th", skip_serializing_if = "std::ops::Not::not")]
    pub is_thread: bool,
    /// In a sentence: `Process a`, `Thread c`.
    #[serde(rename = "full")]
    pub full: String,
}

impl Lane {
    pub fn new(name: String, pid: i32, is_thread: bool) -> Lane {
        let full = format!("{} {name}", if is_thread { "Thread" } else { "Process" });
        Lane { name, pid, is_thread, full }
    }
}

/// Makes steps of events.
pub struct Maker<'a> {
    pub lanes: &'a [Lane],
    /// By the name that events have for it.
    pub known: &'a BTreeMap<String, usize>,
    pub book: &'a Setting,
    /// Calls in which one has slept: of these two things may be said.
    pub sleepers: BTreeSet<String>,
}

impl Maker<'_> {
    /// The step of one move; `who` makes it.
    pub fn step(&self, who: usize, events: &[Value]) -> Step {
        let mut step = Step { who, ..Step::default() };
        let mut touched: Option<Touch> = None;
        for event in events {
            let lane = self.lane_of(event).unwrap_or(who);
            if let Some(decides) = event["decides"].as_str() {
                step.decides = Some(decides.into());
            }
            if event["event"] == "access" {
                let new = Touch::of(lane, event);
                let both = touched.as_ref().and_then(|old| old.with(&new));
                if both.is_none() {
                    step.lines.extend(touched.take().map(|old| self.touch(&old)));
                }
                touched = Some(both.unwrap_or(new));
                continue;
            }
            step.lines.extend(touched.take().map(|touch| self.touch(&touch)));
            self.event(lane, event, &mut step);
        }
        step.lines.extend(touched.map(|touch| self.touch(&touch)));
        step
    }

    /// The lane of an event.
    pub fn lane_of(&self, event: &Value) -> Option<usize> {
        let tid = event["tid"].as_i64().filter(|tid| *tid > 0).map(|tid| tid.to_string());
        let by_tid = tid.and_then(|tid| self.known.get(&tid));
        let by_name = || event["lane"].as_str().and_then(|lane| self.known.get(lane));
        by_tid.or_else(by_name).copied()
    }

    fn by_pid(&self, pid: &Value) -> Option<usize> {
        let pid = pid.as_i64()?;
        self.lanes.iter().position(|lane| i64::from(lane.pid) == pid)
    }

    fn event(&self, lane: usize, event: &Value, step: &mut Step) {
        let name = &self.lanes[lane].full;
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_string();
        let line = match event["event"].as_str().unwrap_or_default() {
            kind @ ("call" | "enter") => {
                let spelled = Spelled::of(&event["call"]);
                if spelled.never_returns() {
                    return;
                }
                self.call(lane, kind == "enter", &spelled)
            }
            "signal" => {
                let from = self.by_pid(&event["from"]);
                let (signal, action) = (text("signal"), text("action"));
                let sender = from.map(|from| &*self.lanes[from].full);
                Line {
                    kind: "signal",
                    text: words::signal(&signal, &action),
                    says: words::signal_says(name, &signal, &action, sender),
                    note: self.says("handler", "").filter(|_| action == "handler"),
                    gets: Some((signal, from)),
                    ..Line::default()
                }
            }
            "write" => {
                let printed = text("text");
                Line {
                    kind: "print",
                    text: format!("prints {}", words::quoted(printed.trim_end_matches('\n'))),
                    says: format!("{name} prints {}.", words::quoted(&printed)),
                    bytes: vec![(text("fd"), 0, printed)],
                    ..Line::default()
                }
            }
            "table" => {
                let row: Option<Row> = serde_json::from_value(event["after"].clone()).ok();
                let id = event["id"].as_i64().unwrap_or_default() as i32;
                step.rows.push((text("kind"), id, row.as_ref().map(cells)));
                return;
            }
            "changed" => {
                let memory = text("memory");
                let parts = event["parts"].as_array().map_or(&[][..], Vec::as_slice);
                let bytes = parts.iter().map(|part| {
                    let after = part["after"].as_str().unwrap_or_default().to_string();
                    (memory.clone(), part["at"].as_u64().unwrap_or_default(), after)
                });
                let bytes: Vec<_> = bytes.collect();
                let by = event["by"].as_array().map_or(0, Vec::len);
                let sure = by == 1 && event["others"] == false;
                words::changed(sure.then_some(&**name), self.book, bytes)
            }
            "born" => {
                let parent = self.by_pid(&event["parent"]);
                let by = parent.map_or(String::new(), |at| {
                    format!(": {} has made it", words::lower(&self.lanes[at].full))
                });
                Line {
                    kind: "goes",
                    text: "begins".into(),
                    says: format!("{name} begins{by}."),
                    made_by: parent,
                    ..Line::default()
                }
            }
            "exit" => {
                let code = event["code"].as_i64().unwrap_or_default();
                Line {
                    kind: "end",
                    text: format!("ends: exit code {code}"),
                    says: format!("{name} ends with exit code {code}."),
                    ..Line::default()
                }
            }
            "killed" => Line {
                kind: "end",
                text: format!("killed by {}", text("signal")),
                says: format!("{} kills {}.", text("signal"), words::lower(name)),
                failed: true,
                ..Line::default()
            },
            "time" => Line {
                kind: "time",
                text: words::passed(&text("passed")).into(),
                says: format!(
                    "Time passes for {}: {}.",
                    words::lower(name),
                    words::passed(&text("passed"))
                ),
                ..Line::default()
            },
            "spins" => Line {
                kind: "goes",
                text: "waits for memory to change".into(),
                says: format!("{name} makes no call: it waits for memory to change."),
                ..Line::default()
            },
            "stopped" => Line {
                kind: "signal",
                text: format!("stopped by {}", text("signal")),
                says: format!("{} stops {}.", text("signal"), words::lower(name)),
                ..Line::default()
            },
            "continued" => Line {
                kind: "signal",
                text: "goes on".into(),
                says: format!("{name} goes on."),
                ..Line::default()
            },
            "ftok" => {
                let (path, id) = (words::quoted(&text("path")), &event["proj_id"]);
                let says = format!(
                    "{name} has made this key with ftok, from the file {path} and the number {id}."
                );
                Line { kind: "goes", text: format!("ftok({path}, {id})"), says, ..Line::default() }
            }
            "left" => Line {
                kind: "goes",
                text: format!("left behind: {} {}", text("kind"), event["id"]),
                says: format!(
                    "All programs have ended, and {} {} still exists.",
                    text("kind"),
                    event["id"]
                ),
                failed: true,
                ..Line::default()
            },
            _ => return,
        };
        let note = event["note"]["text"].as_str().map(words::sentence);
        step.lines.push(Line { lane, note: note.or(line.note.clone()), ..line });
    }

    fn says(&self, name: &str, spelled: &str) -> Option<String> {
        self.book.says_of(name, spelled).map(|one| words::sentence(&one))
    }

    fn call(&self, lane: usize, asleep: bool, call: &Spelled) -> Line {
        let name = &self.lanes[lane].full;
        let makes = self.by_pid(&call.made);
        Line {
            kind: if asleep { "sleep" } else { "call" },
            text: if asleep { format!("{} …", call.text) } else { call.with_answer() },
            says: call.says(name, asleep),
            woken: (!asleep && self.sleepers.contains(&call.name)).then(|| call.woken(name)),
            note: self.says(&call.spoken, &call.raw).filter(|_| !call.failed),
            source: call.at.clone(),
            sends: call.sends().filter(|_| !call.failed),
            makes,
            failed: call.failed,
            ..Line::default()
        }
    }

    fn touch(&self, touch: &Touch) -> Line {
        let name = &self.lanes[touch.lane].full;
        let place = self.place(&touch.memory, touch.at, touch.at + touch.len);
        let (text, says) = words::touch(name, touch, &place);
        // What waits in a store buffer, nobody else sees.
        let stored = touch.writes && touch.buffer.as_deref() != Some("enters");
        let bytes = (touch.memory.clone(), touch.at, words::hex(&touch.holds));
        Line {
            lane: touch.lane,
            kind: if touch.writes { "write" } else { "read" },
            text,
            says,
            source: touch.source.clone(),
            bytes: if stored { vec![bytes] } else { vec![] },
            ..Line::default()
        }
    }

    fn place(&self, memory: &str, from: u64, to: u64) -> String {
        words::place(self.book, memory, from, to)
    }
}

/// Bytes that one lane touches in a row.
#[derive(Clone, Debug)]
pub struct Touch {
    pub lane: usize,
    pub memory: String,
    pub at: u64,
    pub len: u64,
    pub writes: bool,
    pub locked: bool,
    pub buffer: Option<String>,
    pub source: Option<String>,
    pub holds: Vec<u8>,
}

impl Touch {
    fn of(lane: usize, event: &Value) -> Touch {
        let text = |field: &str| event[field].as_str().map(String::from);
        Touch {
            lane,
            memory: text("memory").unwrap_or_default(),
            at: event["at"].as_u64().unwrap_or_default(),
            len: event["len"].as_u64().unwrap_or_default(),
            writes: event["writes"] == true,
            locked: event["locked"] == true,
            buffer: text("buffer"),
            source: text("source"),
            holds: words::unhex(&text("holds").unwrap_or_default()),
        }
    }

    /// Both, if the compiler has made several of what one line of the program does with bytes in a row.
    fn with(&self, other: &Touch) -> Option<Touch> {
        let same = (self.lane, &self.memory, self.writes, &self.source, &self.buffer)
            == (other.lane, &other.memory, other.writes, &other.source, &other.buffer);
        let whole = |one: &Touch| one.holds.len() as u64 == one.len;
        let apart = other.at > self.at + self.len || self.at > other.at + other.len;
        if !same || self.locked || other.locked || apart || !whole(self) || !whole(other) {
            return None;
        }
        let at = self.at.min(other.at);
        let end = (self.at + self.len).max(other.at + other.len);
        let mut holds = vec![0; (end - at) as usize];
        for one in [self, other] {
            let from = (one.at - at) as usize;
            holds[from..from + one.holds.len()].copy_from_slice(&one.holds);
        }
        Some(Touch { at, len: end - at, holds, ..self.clone() })
    }
}
