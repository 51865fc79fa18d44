//! The tree of a program: every place to which its orders lead, the choices there, what happens in each
//! move, and how many orders lead from there to which end. `lab explore --tree` writes it as JSON; what reads
//! it needs neither the program nor Linux. notes/events.md documents it.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::view::{complain, paragraph};

/// What stands in the field `format`.
pub const FORMAT: &str = "lab-tree";
/// The version that is written, and the only one that is read.
pub const VERSION: u64 = 1;

/// The whole file.
#[derive(Serialize, Deserialize, Debug)]
pub struct Tree {
    pub format: String,
    pub version: u64,
    /// The programs, each with its arguments.
    pub programs: Vec<Vec<String>>,
    /// `2`, `unbounded`: the preemptions that an order may have.
    pub preemptions: String,
    /// Also orders that cannot lead to another result: where one can move, that was tried.
    pub all: bool,
    /// What was to be tried was tried.
    pub complete: bool,
    /// The processes and threads: their names here, and their pids.
    pub lanes: Vec<Lane>,
    /// What happens before the first choice.
    pub start: Vec<Value>,
    /// Moves in which the same happens are one.
    pub moves: Vec<Move>,
    /// Calls that somebody is about to make, as `choices` and `left_out` name them.
    pub calls: Vec<String>,
    /// Who else could have moved before a move on the way to the next place, and was not tried there: lists.
    /// The first is empty.
    pub left_out: Vec<Vec<Choice>>,
    /// Moves of one lane, one after the other.
    pub turns: Vec<Turn>,
    pub ends: Vec<End>,
    /// The first is the start; a choice leads to a later one.
    pub places: Vec<Place>,
}

/// A move.
#[derive(Serialize, Deserialize, Debug)]
pub struct Move {
    /// The lane that moves.
    pub who: usize,
    /// Not it moves, but time passes for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub time: bool,
    /// Not it moves, but its store buffer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub store: bool,
    /// What happens.
    pub events: Vec<Value>,
}

/// Moves of one lane.
#[derive(Serialize, Deserialize, Debug)]
pub struct Turn {
    pub moves: Vec<usize>,
    /// From which of them on which list of `left_out` says who else could have moved instead. Before the first
    /// of these: nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<(usize, usize)>,
}

/// Why a choice was not tried.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It would take more preemptions than are allowed.
    Bound,
    /// What comes of it, an order that was tried also comes to.
    Equal,
    /// The search ended before it.
    Unfinished,
}

/// A process or a thread.
#[derive(Serialize, Deserialize, Debug, Clone)]
pub struct Lane {
    pub who: String,
    pub pid: i32,
}

/// How an order ends.
#[derive(Serialize, Deserialize, Debug)]
pub struct End {
    /// How each process ended, or what is wrong.
    pub outcome: String,
    /// What is wrong: sentences; none if nothing is.
    pub findings: Vec<String>,
    pub cures: Vec<String>,
    /// What was printed, by process and stream.
    pub printed: Vec<Value>,
}

/// A place where there is a choice, or where nobody moves any more.
#[derive(Serialize, Deserialize, Debug)]
pub struct Place {
    /// Who can move, in the order in which they are asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Choice>,
    /// How many orders lead from here to which end: pairs.
    pub orders: Vec<(usize, f64)>,
    /// The end that this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
}

/// A choice at a place.
#[derive(Serialize, Deserialize, Debug, Clone)]
pub struct Choice {
    /// Its lane.
    pub who: usize,
    /// Not it moves, but time passes for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub time: bool,
    /// Not it moves, but its store buffer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub store: bool,
    /// The call that it is about to make, among `calls`; none where it stands before none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<usize>,
    /// Why it was not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The turns up to the next place, the first of them its own; none where that was not tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<usize>,
    /// That place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<usize>,
}

impl Tree {
    /// Reads a file. The error is one line: what is wrong with it, and what to do.
    pub fn read(path: &Path) -> Result<Tree, String> {
        let name = path.display();
        let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        Tree::of(&text, &name.to_string())
    }

    /// The same of what a file says.
    pub fn of(text: &str, name: &str) -> Result<Tree, String> {
        let again = "write it with lab explore --tree";
        let value: Value = serde_json::from_str(text)
            .map_err(|error| format!("{name} is no tree: {error}; {again}"))?;
        match (value["format"].as_str(), value["version"].as_u64()) {
            (Some(FORMAT), Some(VERSION)) => {}
            (Some(FORMAT), version) => {
                let version = version.map_or("none".to_string(), |version| version.to_string());
                return Err(format!(
                    "{name} has version {version} of {FORMAT}, and this lab reads version {VERSION}: {again}"
                ));
            }
            (format, _) => {
                let format = format.unwrap_or("none");
                return Err(format!("{name} is no tree (its format: {format}); {again}"));
            }
        }
        let tree: Tree = serde_json::from_value(value)
            .map_err(|error| format!("{name} is no whole tree: {error}; {again}"))?;
        tree.check().map_err(|why| format!("{name} is no whole tree: {why}; {again}"))?;
        Ok(tree)
    }

    /// Does everything that is named exist, and does every choice lead on?
    fn check(&self) -> Result<(), String> {
        let inside = |what: &str, number: usize, of: usize| match number < of {
            true => Ok(()),
            false => Err(format!("there is no {what} {number}")),
        };
        inside("place", 0, self.places.len())?;
        self.moves.iter().try_for_each(|one| inside("lane", one.who, self.lanes.len()))?;
        inside("list of what was left out", 0, self.left_out.len())?;
        let all = |what: &str, numbers: &[usize], of: usize| {
            numbers.iter().try_for_each(|number| inside(what, *number, of))
        };
        for turn in &self.turns {
            all("move", &turn.moves, self.moves.len())?;
            for (at, list) in &turn.left_out {
                inside("move of a turn", *at, turn.moves.len())?;
                inside("list of what was left out", *list, self.left_out.len())?;
            }
        }
        for place in &self.places {
            place.end.map_or(Ok(()), |end| inside("end", end, self.ends.len()))?;
            place.orders.iter().try_for_each(|(end, _)| inside("end", *end, self.ends.len()))?;
        }
        for (at, place) in self.places.iter().enumerate() {
            // So no way comes back.
            if place.choices.iter().any(|choice| choice.to.is_some_and(|to| to <= at)) {
                return Err(format!("a choice at place {at} does not lead on"));
            }
        }
        let choices = self.places.iter().flat_map(|place| &place.choices);
        for choice in choices.chain(self.left_out.iter().flatten()) {
            inside("lane", choice.who, self.lanes.len())?;
            choice.call.map_or(Ok(()), |call| inside("call", call, self.calls.len()))?;
            all("turn", &choice.turns, self.turns.len())?;
            choice.to.map_or(Ok(()), |to| inside("place", to, self.places.len()))?;
            if choice.to.is_some() == choice.why.is_some() {
                return Err("a choice has to say where it leads, or why it was not tried".into());
            }
        }
        Ok(())
    }

    /// Of all orders from a place, those that go wrong.
    pub fn wrong(&self, place: usize) -> [f64; 2] {
        self.places[place].orders.iter().fold([0.0, 0.0], |[bad, all], (end, orders)| {
            let wrong = !self.ends[*end].findings.is_empty();
            [bad + if wrong { *orders } else { 0.0 }, all + orders]
        })
    }
}

/// Where a tree is to be written. To be made before anything else, for the programs get a /tmp of their own,
/// and so do we then.
pub struct Target {
    folder: fs::File,
    name: PathBuf,
}

impl Target {
    /// The folder is there, and files can be made in it.
    pub fn new(path: &Path) -> Result<Target, String> {
        let failed = |error: std::io::Error| format!("{}: {}", path.display(), error.kind());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = fs::File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        let name = path.file_name().ok_or_else(|| format!("{} is no file", path.display()))?;
        // Another takes its place, which nobody wants of /dev/null.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(format!("{} is no ordinary file; name one, or a new one", path.display()));
        }
        let target = Target { folder, name: name.into() };
        tempfile::NamedTempFile::new_in(target.folder()).map_err(failed)?;
        Ok(target)
    }

    fn folder(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.folder.as_raw_fd()).into()
    }

    /// Writes a tree.
    pub fn write(&self, tree: &Tree) -> Result<(), String> {
        self.write_text(&serde_json::to_vec(tree).map_err(|error| error.to_string())?)
    }

    /// Writes a file: all of it, or nothing.
    pub fn write_text(&self, text: &[u8]) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.name.display());
        let mut file = tempfile::NamedTempFile::new_in(self.folder()).map_err(failed)?;
        file.write_all(text).map_err(failed)?;
        let mode = fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(failed)?;
        file.persist(self.folder().join(&self.name)).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Say what a tree holds that `lab explore --tree` has written
#[derive(Args)]
pub struct Options {
    /// The file
    #[arg(value_name = "TREE.json")]
    file: PathBuf,
}

/// Prints what a tree holds.
pub fn run(options: &Options) -> ExitCode {
    match Tree::read(&options.file) {
        Err(why) => {
            complain(&why);
            ExitCode::from(2)
        }
        Ok(tree) => match std::io::stdout().write_all(in_rows(&summary(&tree)).as_bytes()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                complain(&format!("standard output: {error}"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        },
    }
}

fn in_rows(text: &str) -> String {
    text.lines().map(|line| paragraph(line, 11)).collect()
}

fn summary(tree: &Tree) -> String {
    let programs: Vec<String> = tree.programs.iter().map(shell_words::join).collect();
    let mut text = format!("{}\n", programs.join("  and  "));
    let wide = match &*tree.preemptions {
        "unbounded" => "any number of preemptions".to_string(),
        "1" => "at most 1 preemption".to_string(),
        n => format!("at most {n} preemptions"),
    };
    let tried = match (tree.complete, tree.all) {
        (true, true) => "every choice was tried",
        (true, false) => "every choice that can lead to another result was tried",
        (false, _) => "not every choice was tried",
    };
    text += &format!("{} places, {} moves; {wide}, {tried}\n", tree.places.len(), tree.moves.len());
    for (number, end) in tree.ends.iter().enumerate() {
        let orders = tree.places[0].orders.iter().find(|(at, _)| *at == number);
        let mark = if end.findings.is_empty() { ' ' } else { '▶' };
        text += &format!("{mark} {:>8}  {}\n", orders.map_or(0.0, |(_, n)| *n), end.outcome);
    }
    for why in [Why::Bound, Why::Equal, Why::Unfinished] {
        let choices = tree.places.iter().flat_map(|place| &place.choices);
        let turns = choices.clone().flat_map(|choice| &choice.turns);
        let passed = turns.flat_map(|turn| &tree.turns[*turn].left_out);
        let all = choices.chain(passed.flat_map(|(_, list)| &tree.left_out[*list]));
        match all.filter(|choice| choice.why == Some(why)).count() {
            0 => {}
            1 => text += &format!("1 choice was not tried: {}\n", said(why)),
            n => text += &format!("{n} choices were not tried, of each: {}\n", said(why)),
        }
    }
    let Some(first) = tree.places.iter().position(|place| place.choices.len() > 1) else {
        return text;
    };
    text += "The first choice:\n";
    for choice in &tree.places[first].choices {
        let who = &tree.lanes[choice.who].who;
        let who = match (choice.time, choice.store) {
            (true, _) => format!("{who}, time passes"),
            (_, true) => format!("{who}, its store buffer"),
            _ => who.clone(),
        };
        match choice.to {
            Some(to) => {
                let [bad, all] = tree.wrong(to);
                text += &format!("  {who}: {bad} of {all} orders go wrong\n");
            }
            None => text += &format!("  {who}: not tried: {}\n", choice.why.map_or("", said)),
        }
    }
    text
}

fn said(why: Why) -> &'static str {
    match why {
        Why::Bound => "it would take more preemptions",
        Why::Equal => "an order that was tried comes to the same",
        Why::Unfinished => "the search ended before it",
    }
}
