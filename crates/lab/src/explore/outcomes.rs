//! What came out of the runs: how their processes ended and what they printed, each with how often it
//! came and the shortest schedule that leads there.

use std::collections::{HashMap, HashSet};

use say::tell;
use screen::words::{comma, translated};

use super::printed::Piece;
use super::report;
use super::run::Outcome;
use super::schedule::{Schedule, letter};
use super::search::Mover;
use crate::view::bytes::quoted;
use crate::view::paragraph;

/// So much of what one process printed is shown in a row.
const SHOWN: usize = 50;
/// What an outcome begins with in which nothing was wrong.
const ENDED: &str = "ended:";
/// So many outputs of one kind of end are shown.
const OUTPUTS: usize = 4;

/// An outcome, and how often it came.
pub struct Counted {
    pub name: String,
    pub printed: Vec<Piece>,
    pub schedules: u64,
    /// Something was wrong.
    pub bad: bool,
    /// Of the runs that had it, the one with the fewest preemptions, and of those the shortest.
    pub shortest: Shortest,
}

/// How to come there.
#[derive(Clone)]
pub struct Shortest {
    length: (u32, usize, usize),
    pub schedule: Schedule,
    pub way: Vec<Mover>,
}

impl Shortest {
    /// How often the turn was taken from one that could have gone on.
    pub fn preemptions(&self) -> u32 {
        self.length.0
    }

    fn of(outcome: &Outcome) -> Shortest {
        let (schedule, way) = (outcome.schedule.clone(), outcome.way.clone());
        let length = (outcome.preemptions, outcome.moves, schedule.turns.len());
        Shortest { length, schedule, way }
    }
}

/// All of them.
#[derive(Default)]
pub struct Outcomes {
    all: Vec<Counted>,
    /// Where each stands: its name, what each process has printed, and what a terminal would show.
    places: HashMap<(String, Vec<Piece>, Vec<u8>), usize>,
    interleaving: bool,
    /// What is printed depends on more than order.
    pub chance: bool,
}

impl Outcomes {
    /// None yet. `interleaving`: also told apart by who printed first.
    pub fn new(interleaving: bool) -> Outcomes {
        Outcomes { interleaving, ..Outcomes::default() }
    }

    /// One more run had this outcome. `times`: 0 for a run that came before.
    pub fn count(&mut self, outcome: &Outcome, times: u64) {
        let shown = match self.interleaving {
            true => {
                outcome.printed.interleaved().iter().flat_map(|one| one.bytes.clone()).collect()
            }
            false => vec![],
        };
        let key = (name(outcome), outcome.printed.by_process(), shown);
        let (shortest, bad) = (Shortest::of(outcome), !outcome.findings.is_empty());
        if times == 0 && !self.places.contains_key(&key) {
            // The same order as one before, and another outcome.
            self.chance = true;
            if !bad {
                return;
            }
        }
        let at = *self.places.entry(key).or_insert(self.all.len());
        if at == self.all.len() {
            let (name, printed) = (name(outcome), self.printed(outcome));
            self.all.push(Counted { name, printed, schedules: 0, bad, shortest: shortest.clone() });
        }
        let one = &mut self.all[at];
        one.schedules += times;
        if shortest.length < one.shortest.length {
            one.shortest = shortest;
        }
    }

    /// What was printed, as far as it makes outcomes different.
    pub fn printed(&self, outcome: &Outcome) -> Vec<Piece> {
        outcome.printed.apart(self.interleaving)
    }

    /// The bad ones first, and those that came most often.
    pub fn sorted(&self) -> Vec<&Counted> {
        let mut all: Vec<&Counted> = self.all.iter().collect();
        all.sort_by_key(|one| (!one.bad, std::cmp::Reverse(one.schedules)));
        all
    }

    /// Nothing was wrong in it, and it ended or printed otherwise than the first: the shortest.
    pub fn unlike_the_first(&self) -> Option<&Shortest> {
        let first = self.all.first().filter(|first| !first.bad && !self.chance)?;
        let others = self.all[1..].iter().filter(|one| !one.bad);
        let others =
            others.filter(|one| one.name == first.name || one.name.starts_with(translated(ENDED)));
        others.map(|one| &one.shortest).min_by_key(|shortest| shortest.length)
    }

    /// Of the runs in which nothing was wrong, the shortest.
    pub fn shortest_good(&self) -> Option<&Shortest> {
        let good = self.all.iter().filter(|one| !one.bad).map(|one| &one.shortest);
        good.min_by_key(|shortest| shortest.length)
    }

    /// The same, with all that ended in the same way together.
    fn by_name(&self) -> Vec<Vec<&Counted>> {
        let mut groups: Vec<Vec<&Counted>> = vec![];
        for one in self.sorted() {
            match groups.iter_mut().find(|group| group[0].name == one.name) {
                Some(group) => group.push(one),
                None => groups.push(vec![one]),
            }
        }
        let times = |group: &Vec<&Counted>| group.iter().map(|one| one.schedules).sum::<u64>();
        groups.sort_by_key(|group| (!group[0].bad, std::cmp::Reverse(times(group))));
        groups
    }

    /// Two that ended alike, and well, and printed different things: those with the shortest
    /// schedules.
    pub fn that_differ(&self) -> Option<[&Counted; 2]> {
        let mut pairs: Vec<[&Counted; 2]> = vec![];
        for mut group in self.by_name().into_iter().filter(|group| !group[0].bad) {
            group.sort_by_key(|one| one.shortest.length);
            if let [first, second, ..] = group[..] {
                pairs.push([first, second]);
            }
        }
        pairs.into_iter().min_by_key(|pair| (pair[1].shortest.length, pair[0].shortest.length))
    }

    /// A paragraph for each kind of end, and whether it is bad.
    pub fn paragraphs(&self) -> Vec<(String, bool)> {
        let one = |group: Vec<&Counted>| {
            let times: u64 = group.iter().map(|one| one.schedules).sum();
            let mut text = paragraph(&format!("  {times:>6}  {}", group[0].name), 10);
            for one in group.iter().take(OUTPUTS) {
                if group.len() == 1 && one.printed.is_empty() {
                    continue;
                }
                let schedule = one.shortest.schedule.short();
                let row = match group.len() {
                    1 => tell!("{schedule}: {}", says(one)),
                    _ => tell!("{} of them, {schedule}: {}", one.schedules, says(one)),
                };
                text += &paragraph(&format!("          {row}"), 12);
            }
            if group.len() > OUTPUTS {
                let more = group.len() - OUTPUTS;
                let row = tell!("… {more} other outputs; --json prints all");
                text += &paragraph(&format!("          {row}"), 12);
            }
            (text, group[0].bad)
        };
        self.by_name().into_iter().map(one).collect()
    }
}

/// What was printed, in a row.
fn says(one: &Counted) -> String {
    if one.printed.is_empty() {
        return translated("nothing is printed").into();
    }
    let parts: Vec<String> = one.printed.iter().map(said).collect();
    parts.join(comma())
}

/// For each process, the first line that is not the same; a row for each of the two.
pub fn where_they_differ(pair: [&Counted; 2]) -> [Vec<String>; 2] {
    let mut rows = [vec![], vec![]];
    let all = pair[0].printed.iter().chain(&pair[1].printed);
    let mut told = HashSet::new();
    for piece in all {
        let one = (piece.id, piece.stream);
        if !told.insert(one) {
            continue;
        }
        let of = |counted: &Counted| -> Vec<u8> {
            let its = counted.printed.iter().filter(|piece| (piece.id, piece.stream) == one);
            its.flat_map(|piece| piece.bytes.clone()).collect()
        };
        let [a, b] = pair.map(of);
        let same = a.split_inclusive(is_end).zip(b.split_inclusive(is_end));
        let line = same.take_while(|(a, b)| a == b).count();
        if a != b {
            for (text, rows) in [a, b].iter().zip(&mut rows) {
                let text = text.split_inclusive(is_end).nth(line);
                let text =
                    text.map_or(translated("nothing more").into(), |text| quoted(text, SHOWN));
                let (who, stream) = (letter(piece.letter), piece.stream.name());
                rows.push(tell!("{who}, {stream}, line {}: {text}", line + 1));
            }
        }
    }
    if rows[0].is_empty() {
        // The same lines of each: it is who came first that differs.
        return pair.map(|one| one.printed.iter().map(said).collect());
    }
    rows
}

fn is_end(byte: &u8) -> bool {
    *byte == b'\n'
}

/// `b prints "yes\n"`
pub fn said(piece: &Piece) -> String {
    let (who, text) = (letter(piece.letter), quoted(&piece.bytes, SHOWN));
    match piece.stream {
        super::printed::Stream::Out => tell!("{who} prints {text}"),
        super::printed::Stream::Err => tell!("{who} complains {text}"),
    }
}

/// An outcome's name: how it ended.
pub fn name(outcome: &Outcome) -> String {
    if let Some(why) = outcome.not_judged {
        return tell!("not judged: {}", translated(why));
    }
    if outcome.findings.is_empty() {
        return format!("{} {}", translated(ENDED), report::ends(&outcome.ends));
    }
    let mut classes: Vec<String> = outcome.findings.iter().map(|one| one.class()).collect();
    classes.dedup();
    classes.join(comma())
}
