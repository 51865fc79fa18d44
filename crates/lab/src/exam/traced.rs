//! Why did a call fail? `lab trace` runs an experiment and says so; what it says is the answer.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};

use fastrand::Rng;
use serde_json::Value;

use super::ask::{Question, block, shortened, without_times};
use super::runs::lab;
use super::usage;
use crate::explore::Trouble;
use crate::explore::staged::letter;
use crate::syscalls::{in_c, spoken};

/// One about a call that has failed in this experiment; none if there is none that was not asked about before.
pub fn question(
    section: &str,
    name: &str,
    rng: &mut Rng,
    before: &[Question],
) -> Result<Option<Question>, Trouble> {
    let events = trace(section, name)?;
    let story = Story::of(&events);
    let failed = (0..story.calls.len()).filter(|at| story.calls[*at].why.is_some());
    let made = failed.map(|at| story.asks(at));
    let fresh = made.filter(|(text, _)| before.iter().all(|one| one.text != *text));
    let Some((text, answer)) = rng.choice(fresh.collect::<Vec<_>>()) else { return Ok(None) };
    let again = format!("`target/debug/lab trace -- {} --experiment {name}`", of_make(section));
    Ok(Some(Question { section: section.into(), text, answer, again, source: None }))
}

/// Where make puts the lab.
fn of_make(section: &str) -> String {
    format!("target/debug/lab_{}", section.replace('.', "_"))
}

/// The events of the experiment, as `lab trace --json` has them.
fn trace(section: &str, name: &str) -> Result<Vec<Value>, Trouble> {
    let here = std::env::current_exe().map_err(|error| usage(format!("this program: {error}")))?;
    let folder = tempfile::Builder::new().prefix("lab-exam-").tempdir();
    let folder = folder.map_err(|error| usage(format!("a folder for a trace: {error}")))?;
    let file = folder.path().join("trace.json");
    let mut lab_trace = Command::new(here);
    lab_trace.args(["trace", "--json", "-o"]).arg(&file).arg("--").arg(lab(section)?);
    lab_trace.args(["--experiment", name]).stdin(Stdio::null()).stdout(Stdio::null());
    let done = lab_trace.output().map_err(|error| usage(format!("lab trace: {error}")))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let first = said.lines().next().unwrap_or("it has failed").to_string();
        return Err(usage(format!("lab trace, {section}, {name}: {first}")));
    }
    let text = fs::read_to_string(&file).map_err(|error| usage(format!("a trace: {error}")))?;
    let event =
        |line: &str| serde_json::from_str(line).map_err(|error| usage(format!("a trace: {error}")));
    text.lines().map(event).collect()
}

/// Below this lies no mapping that the kernel has placed.
const FIRST: i64 = 1 << 32;
/// An address so far from another one is told by it.
const NEAR: i64 = 1 << 16;

/// What such a call is about.
fn kind_of(call: &str) -> &'static str {
    match call.get(..3) {
        Some("msg") => "QUEUE",
        Some("sem") => "SET",
        _ => "SEGMENT",
    }
}

/// A call of System V IPC.
struct Call {
    line: String,
    answer: String,
    /// Why it has failed.
    why: Option<String>,
}

/// What was called, in names that are the same in each run.
#[derive(Default)]
struct Story {
    calls: Vec<Call>,
    /// `lab_4_4 4711`: `a`
    who: BTreeMap<String, String>,
    /// Keys, addresses and ids, in the order in which they came: `KEY 0x42002010`: `KEY1`
    names: BTreeMap<String, String>,
}

impl Story {
    fn of(events: &[Value]) -> Story {
        let mut story = Story::default();
        events.iter().for_each(|event| story.takes(event));
        story
    }

    fn takes(&mut self, event: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
        let (lane, pid) = (text(&event["lane"]), event["pid"].as_i64().unwrap_or(0));
        if pid == 0 {
            // The run as a whole.
            return;
        }
        let known = self.who.len();
        let who = self.who.entry(format!("{lane} {pid}")).or_insert_with(|| letter(known)).clone();
        let call = &event["call"];
        let name = text(&call["name"]);
        let ours = ["shm", "msg", "sem"].iter().any(|family| name.starts_with(family));
        if event["event"] != "call" || !ours {
            return;
        }
        let args: Vec<String> = call["args"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|arg| self.named(arg["name"].as_str().unwrap_or_default(), &text(&arg["text"])))
            .collect();
        let answer = text(&call["answer"]);
        let failed = call["errno"].is_string();
        let answer = match (failed, name.ends_with("get"), answer.starts_with("0x")) {
            (false, true, _) => self.name(kind_of(&name), &answer),
            (false, _, true) => self.address(&answer),
            _ => answer,
        };
        let line = format!("{}({})", spoken(&name, false), args.join(", "));
        let line = without_times(&in_c(&line));
        let why = event["note"]["text"].as_str().filter(|_| failed);
        let why = why.map(|why| self.steady(kind_of(&name), why));
        self.calls.push(Call { line: format!("{who} │ {line}"), answer, why });
    }

    /// What stands for a value that is another one in each run.
    fn name(&mut self, kind: &str, value: &str) -> String {
        let like = self.names.values().filter(|one| one.starts_with(kind)).count();
        let new = || format!("{kind}{}", like + 1);
        self.names.entry(format!("{kind} {value}")).or_insert_with(new).clone()
    }

    /// An argument.
    fn named(&mut self, name: &str, text: &str) -> String {
        match name {
            "key" if text.starts_with("0x") => self.name("KEY", text),
            "shmid" => self.known("SEGMENT", text),
            "msqid" => self.known("QUEUE", text),
            "semid" => self.known("SET", text),
            _ => self.address(text),
        }
    }

    /// An address, by its distance from one that is known. Other words stay.
    fn address(&mut self, text: &str) -> String {
        let number = |text: &str| i64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        let Some(at) = number(text).filter(|at| *at > FIRST) else { return text.into() };
        let near = |(value, name): (&String, &String)| {
            let apart = at - number(value.strip_prefix("ADDRESS ")?)?;
            (apart.abs() < NEAR).then(|| (apart, name.clone()))
        };
        match self.names.iter().filter_map(near).min_by_key(|one| one.0.abs()) {
            Some((0, name)) => name,
            Some((apart, name)) if apart > 0 => format!("{name} + {apart}"),
            Some((apart, name)) => format!("{name} - {}", -apart),
            None => self.name("ADDRESS", text),
        }
    }

    /// An id that a call has returned; another number stands for itself.
    fn known(&self, kind: &str, text: &str) -> String {
        self.names.get(&format!("{kind} {text}")).cloned().unwrap_or_else(|| text.into())
    }

    /// A sentence about an object of this kind, in the same names.
    fn steady(&mut self, kind: &str, text: &str) -> String {
        let mut text = text.to_string();
        for (who, letter) in &self.who {
            text = text.replace(who.as_str(), letter);
        }
        let mut words: Vec<String> = vec![];
        for word in text.split(' ') {
            let bare = word.trim_end_matches([',', ';', ':', '.']);
            let rest = &word[bare.len()..];
            let known = self.known(kind, bare);
            let of_it = |before: &String| ["segment", "shmid", "queue", "set"].contains(&&**before);
            if known != bare && words.last().is_some_and(of_it) {
                words.pop();
                words.push(known + rest);
            } else {
                words.push(self.address(bare) + rest);
            }
        }
        words.join(" ")
    }

    /// The question about this call, and its answer.
    fn asks(&self, at: usize) -> (String, String) {
        let line = |call: &Call| format!("{} = {}", call.line, call.answer);
        let lines: Vec<String> = self.calls[..=at].iter().map(line).collect();
        let text = format!(
            "{}\nWhy has the last call failed? Name the cause here, not all that its error can mean.\n",
            block(&shortened(lines))
        );
        let why = self.calls[at].why.clone().unwrap_or_default();
        (text, format!("As `lab trace` says: {why}."))
    }
}
