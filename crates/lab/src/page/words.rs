//! What happened, as the diagram spells it and in sentences.

use serde_json::Value;

use super::steps::{Line, Touch};
use crate::stage::book::Setting;
use crate::syscalls::{in_c, spoken};
use crate::view::bytes;

/// So much of a text is quoted.
const WIDE: usize = 60;

/// A call, spelled.
pub struct Spelled {
    /// The kernel's name.
    pub name: String,
    /// C's.
    pub spoken: String,
    /// As the kernel has it: `clone(child_stack=NULL, …)`
    pub raw: String,
    /// As C has it: `fork()`
    pub text: String,
    pub answer: String,
    pub failed: bool,
    interrupted: bool,
    /// The pid of what it has made, if it makes any.
    pub made: Value,
    pub at: Option<String>,
    args: Vec<String>,
}

impl Spelled {
    /// Of the field `call` of an event, in a run or in a tree.
    pub fn of(call: &Value) -> Spelled {
        let text = |field: &str| call[field].as_str().unwrap_or_default().to_string();
        let name = text("name");
        let args = call["args"].as_array().map_or(&[][..], Vec::as_slice);
        let arg =
            |arg: &Value| arg.as_str().or(arg["text"].as_str()).unwrap_or_default().to_string();
        let args: Vec<String> = args.iter().map(arg).collect();
        let raw = format!("{name}({})", args.join(", "));
        let makes = ["clone", "clone3", "fork", "vfork"].contains(&&*name);
        let limited = raw.contains("tv_sec");
        Spelled {
            spoken: spoken(&name, limited).into(),
            text: in_c(&raw),
            raw,
            answer: text("answer"),
            failed: call["result"] == -1,
            interrupted: call["interrupted"] == true,
            made: if makes { call["result"].clone() } else { Value::Null },
            at: call["at"].as_str().map(String::from),
            args,
            name,
        }
    }

    /// What follows says it: the end of the process.
    pub fn never_returns(&self) -> bool {
        self.name.starts_with("exit")
    }

    pub fn with_answer(&self) -> String {
        match (self.interrupted, &*self.answer) {
            (true, _) => format!("{}: interrupted", self.text),
            (_, "?" | "") => self.text.clone(),
            (_, answer) => format!("{} = {answer}", self.text),
        }
    }

    fn returns(&self) -> String {
        match (self.interrupted, &*self.answer) {
            (true, _) => "A signal interrupts the call.".into(),
            (_, "?" | "") => String::new(),
            (_, answer) if self.failed => {
                format!("It fails: {}.", answer.trim_start_matches("-1 "))
            }
            (_, answer) => format!("It returns {answer}."),
        }
    }

    /// `Process a calls kill(101, SIGUSR1). It returns 0.`
    pub fn says(&self, who: &str, asleep: bool) -> String {
        match asleep {
            true => format!("{who} calls {}, and sleeps there.", self.text),
            false => format!("{who} calls {}. {}", self.text, self.returns()).trim_end().into(),
        }
    }

    /// The same at the end of a sleep.
    pub fn woken(&self, who: &str) -> String {
        match self.interrupted {
            true => format!(
                "A signal for {} interrupts its {}: it sleeps no longer.",
                lower(who),
                self.text
            ),
            false => format!("{who} sleeps no longer in {}. {}", self.text, self.returns()),
        }
    }

    /// The signal that it sends.
    pub fn sends(&self) -> Option<String> {
        let sends = matches!(
            &*self.name,
            "kill" | "tkill" | "tgkill" | "rt_sigqueueinfo" | "pidfd_send_signal"
        );
        sends.then(|| self.args.iter().find(|arg| arg.starts_with("SIG")).cloned()).flatten()
    }
}

/// Within a sentence: `process a`
pub fn lower(who: &str) -> String {
    let mut letters = who.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}

/// A remark as a sentence of its own.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let whole: String = first.chain(letters).collect();
    if whole.ends_with(['.', '?', '!']) { whole } else { whole + "." }
}

/// As C would write it; cut where it is long.
pub fn quoted(text: &str) -> String {
    bytes::quoted(text.as_bytes(), WIDE)
}

pub fn signal(signal: &str, action: &str) -> String {
    let does = match action {
        "handler" => "its handler runs",
        "ignore" => "ignored",
        "default" => "default action",
        _ => "delivered",
    };
    format!("{signal}: {does}")
}

pub fn signal_says(who: &str, signal: &str, action: &str, from: Option<&str>) -> String {
    let from = from.map_or(String::new(), |from| format!(" from {}", lower(from)));
    let does = match action {
        "handler" => " Its handler runs.",
        "ignore" => " The process ignores it.",
        "default" => " It has no handler: the kernel does what is the default for this signal.",
        _ => "",
    };
    format!("{who} gets {signal}{from}.{does}")
}

pub fn passed(what: &str) -> &'static str {
    match what {
        "wait" => "its sleep or its wait has reached its limit",
        "alarm" => "its alarm goes off",
        _ => "its timer goes off",
    }
}

/// `shm 0 +0..+5`, or a field of the section's segment.
pub fn place(book: &Setting, memory: &str, from: u64, to: u64) -> String {
    let field = memory.starts_with("shm").then(|| book.field(from as usize, to as usize)).flatten();
    field.map_or_else(|| format!("{memory} +{from}..+{to}"), |field| format!("{memory}, {field}"))
}

/// The diagram's text, and the sentence.
pub fn touch(who: &str, touch: &Touch, place: &str) -> (String, String) {
    let holds = bytes::content(&touch.holds);
    let arrow = if touch.writes { "<-" } else { "->" };
    let locked = if touch.locked { " (locked)" } else { "" };
    let what = match (touch.buffer.as_deref(), touch.writes) {
        (Some("enters"), _) => format!(
            "{who} stores {holds} to {place}. The store waits in its store buffer: only it sees it."
        ),
        (Some("leaves"), _) => format!(
            "The store of {holds} to {place} leaves the store buffer of {}: others see it.",
            lower(who)
        ),
        (Some("seen"), _) => {
            format!("{who} reads {holds} from {place}. It sees what waits in its own store buffer.")
        }
        (_, true) => format!("{who} writes {holds} to {place}."),
        (_, false) => format!("{who} reads {holds} from {place}."),
    };
    let says = if touch.locked { format!("{what} The instruction is locked.") } else { what };
    (format!("{place} {arrow} {holds}{locked}"), says)
}

/// Bytes that are not what they were when the tracer looked last. `who`: the only one that can have stored them.
pub fn changed(who: Option<&str>, book: &Setting, bytes: Vec<(String, u64, String)>) -> Line {
    let one = |(memory, at, hex): &(String, u64, String)| {
        let holds = unhex(hex);
        let place = place(book, memory, *at, at + holds.len() as u64);
        (place, bytes::content(&holds))
    };
    let all: Vec<(String, String)> = bytes.iter().take(3).map(one).collect();
    let text: Vec<String> =
        all.iter().map(|(place, holds)| format!("{place} <- {holds}")).collect();
    let says = all.iter().map(|(place, holds)| match who {
        Some(who) => format!("{who} has stored {holds} at {place}."),
        None => format!("One of the processes has stored {holds} at {place}."),
    });
    let says: Vec<String> = says.collect();
    Line { kind: "write", text: text.join("; "), says: says.join(" "), bytes, ..Line::default() }
}

/// In hexadecimal, without the zeros at the end of a long one.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| text.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    (0..text.len() / 2).map_while(|n| digit(2 * n)).collect()
}
