//! The judge: asks the cell for one instrument after the other, and holds what was seen against the rules.

use std::path::Path;
use std::time::Duration;

use say::tell;
use screen::words::translated;

use super::cell::{Cell, Content, Silent};
use super::compile::Source;
use super::evidence::{Answer, Ask, Fact, Output, Trying};
use super::matching::{Evidence, Holds};
use super::rules::{Class, Input, OneOf, Rule, Rules, When};
use super::trying::{Sizes, Usual};
use super::workbook::Section;

/// In this order: what is seen first is the cheapest, and closest to the root.
pub const INSTRUMENTS: [&str; 7] =
    ["run", "handlers", "orders", "inputs", "closed", "failures", "signals"];

/// What came of a program.
pub struct Verdict {
    pub section: String,
    /// As the student named it.
    pub source: String,
    pub found: Vec<Holds>,
    /// Rules that do not hold, of which everything was tried.
    pub passed: Vec<Rule>,
    /// Of what does not hold, said or not.
    pub points: u32,
    pub tried: Vec<Tried>,
    /// Why it cannot be said whether all is well.
    pub not_judged: Option<String>,
    pub seed: u64,
    /// How the first run is run again.
    pub first: Option<Box<Trying>>,
    /// The source as it was judged, file by file.
    pub files: Vec<(String, String)>,
}

/// An instrument that was tried.
pub struct Tried {
    pub instrument: String,
    /// How many runs of the program it took in which there was something to see.
    pub runs: u64,
    /// Nothing of it was left out.
    pub whole: bool,
}

/// How it is judged.
pub struct Asked {
    pub seed: u64,
    /// Also what a finding makes unnecessary to try.
    pub all: bool,
    pub trust: bool,
    pub patience: Duration,
}

/// Why there is no verdict.
pub enum NoVerdict {
    /// A signal asks us to stop.
    Signal(i32),
    /// What was asked for cannot be: one line.
    Usage(String),
    /// It cannot be judged here: one line.
    NotJudged(String),
}

impl Verdict {
    fn new(section: &Section, source: &Source, seed: u64) -> Verdict {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let files = source.items.iter().filter(|item| !item.runs);
        Verdict {
            section: section.name.clone(),
            source: source.path.display().to_string(),
            found: vec![],
            passed: vec![],
            points: 0,
            tried: vec![],
            not_judged: None,
            seed,
            first: None,
            files: files.map(|item| (item.path.display().to_string(), text(&item.bytes))).collect(),
        }
    }

    /// How the run is run again that shows a finding, if there is one that does.
    pub fn again<'a>(&'a self, holds: &'a Holds) -> Option<&'a Trying> {
        let seen = holds.fact.as_ref().map(|fact| fact.again.as_deref());
        seen.unwrap_or(self.first.as_deref().filter(|_| holds.did.is_some()))
    }

    /// Something that has to be mended.
    pub fn is_wrong(&self) -> bool {
        self.found.iter().any(|one| one.rule.class != Class::Style)
    }
}

/// A cell in which a source has become a program.
pub struct Ready {
    pub cell: Cell,
    /// What the compiler said, if it refused.
    pub refused: Option<String>,
}

/// Makes the cell, and the program in it.
pub fn prepared(source: &mut Source, asked: &Asked) -> Result<Ready, NoVerdict> {
    let items = std::mem::take(&mut source.items);
    let content = Content { items, shown: source.shown.clone(), trust: asked.trust };
    let cell = Cell::new(&content);
    source.items = content.items;
    let mut cell = cell.map_err(|why| {
        NoVerdict::NotJudged(tell!("no walls: {why}; --trust judges all the same (lab doctor)"))
    })?;
    let answer = put(&mut cell, &Ask::Compile(source.how.clone()), asked.patience)?;
    match answer.not_judged {
        Some(why) => Err(NoVerdict::NotJudged(why)),
        None => Ok(Ready { cell, refused: answer.refused }),
    }
}

/// Asks the cell. What is late, or ends, is not judged.
fn put(cell: &mut Cell, ask: &Ask, patience: Duration) -> Result<Answer, NoVerdict> {
    cell.ask(ask, patience).map_err(|silent| match silent {
        Silent::Asked(signal) => NoVerdict::Signal(signal),
        Silent::Late => NoVerdict::NotJudged(tell!("it took longer than {} s", patience.as_secs())),
        Silent::Ended(why) => NoVerdict::NotJudged(why),
    })
}

/// Judges a source. `tells` is called before each instrument, with its name.
pub fn judged(
    section: &Section,
    path: &Path,
    asked: &Asked,
    tells: &mut dyn FnMut(&str),
) -> Result<Verdict, NoVerdict> {
    let mut source = Source::read(path, &section.root).map_err(NoVerdict::Usage)?;
    let mut verdict = Verdict::new(section, &source, asked.seed);
    tells("compile");
    let ready = prepared(&mut source, asked)?;
    if let Some(said) = &ready.refused {
        verdict.found.push(does_not_compile(said));
        return Ok(verdict);
    }
    let mut judging =
        Judging { rules: &section.rules, asked, ready, verdict, evidence: Evidence::default() };
    for instrument in INSTRUMENTS {
        tells(instrument);
        match judging.tries(instrument) {
            // What was found before stays found.
            Err(NoVerdict::NotJudged(why)) if !judging.verdict.found.is_empty() => {
                judging.verdict.not_judged = Some(tell!("{}: {why}", translated(instrument)));
                break;
            }
            done => done?,
        }
        // A handler that does too much is the reason for an output that is wrong.
        if judging.verdict.is_wrong() && !asked.all && instrument != "run" {
            break;
        }
    }
    Ok(judging.over())
}

/// A source that is being judged.
struct Judging<'a> {
    rules: &'a Rules,
    asked: &'a Asked,
    ready: Ready,
    verdict: Verdict,
    evidence: Evidence,
}

impl Judging<'_> {
    /// Tries one instrument.
    fn tries(&mut self, instrument: &str) -> Result<(), NoVerdict> {
        let (rules, seed) = (self.rules, self.asked.seed);
        let usual = Usual::new(rules, instrument, &self.ready.cell.work, seed);
        let mut tried = Tried { instrument: instrument.into(), runs: 0, whole: true };
        match instrument {
            "inputs" => {
                let segment = self.evidence.asked_for();
                for input in &rules.inputs {
                    self.input(&mut tried, &usual, input, segment)?;
                }
            }
            "closed" => {
                for output in [Output::NoReader, Output::Closed] {
                    self.put(&mut tried, usual.with(output))?;
                }
            }
            _ => drop(self.put(&mut tried, usual.trying)?),
        }
        // A run that was cut short says nothing of the calls that are missing in it.
        if let ("run", true, Some(why)) =
            (instrument, self.evidence.facts.is_empty(), &self.verdict.not_judged)
        {
            return Err(NoVerdict::NotJudged(why.clone()));
        }
        self.verdict.tried.push(tried);
        self.verdict.found = found(rules, &self.evidence, &self.verdict.tried);
        Ok(())
    }

    /// One input, in its sizes.
    fn input(
        &mut self,
        tried: &mut Tried,
        usual: &Usual,
        input: &Input,
        segment: Option<u64>,
    ) -> Result<(), NoVerdict> {
        if input.sizes.is_empty() {
            return self.put(tried, usual.input(input, None)).map(drop);
        }
        let mut sizes = Sizes::of(input, segment);
        while let Some(size) = sizes.next() {
            let taken = self.put(tried, usual.input(input, Some(size)))?;
            sizes.is(size, taken);
        }
        Ok(())
    }

    /// Has the cell try something. Has the program ended with 0?
    fn put(&mut self, tried: &mut Tried, trying: Trying) -> Result<bool, NoVerdict> {
        let ask = Ask::Try(Box::new(trying));
        let answer = put(&mut self.ready.cell, &ask, self.asked.patience)?;
        tried.runs += answer.runs;
        if tried.instrument == "run" {
            self.evidence.did = answer.did;
            self.verdict.first = answer.again;
        }
        self.evidence.facts.extend(answer.facts);
        if let Some(why) = answer.not_judged {
            tried.whole = false;
            let why = tell!("{}: {why}", translated(&tried.instrument));
            self.verdict.not_judged.get_or_insert(why);
        }
        Ok(answer.well)
    }

    fn over(self) -> Verdict {
        let Judging { rules, mut verdict, evidence, .. } = self;
        if verdict.is_wrong() {
            // That something else could not be judged does not matter then.
            verdict.not_judged = None;
        }
        let found = &verdict.found;
        let holds = |rule: &Rule, of: &dyn Fn(Class) -> bool| {
            found.iter().any(|one| one.rule.id == rule.id && of(one.rule.class))
        };
        // What stands behind the first finding may only seem to be right.
        let all = || rules.rules.iter().filter(|rule| rule.on);
        let before = || all().take_while(|rule| !holds(rule, &|class| class != Class::Style));
        let tried = |rule: &Rule, least: u64| {
            needs(rule).iter().all(|name| {
                let is = |one: &Tried| one.instrument == *name && one.whole && one.runs >= least;
                verdict.tried.iter().any(is)
            })
        };
        // "crashes in no order" is not said where another instrument has seen a crash.
        let denied = |rule: &Rule| {
            let general = needs(rule).iter().any(|one| one == "run");
            let mut seen = evidence.facts.iter().filter_map(|fact| fact.first("found"));
            let wanted = rule.when.fact.get("found").filter(|_| general);
            wanted.is_some_and(|wanted| seen.any(|one| wanted.has(one)))
        };
        let told = |rule: &&Rule| {
            !holds(rule, &|_| true) && tried(rule, 1) && !denied(rule) && evidence.concerns(rule)
        };
        // A rule about a call that a right program does not need costs it nothing; a remark on style does.
        let passed = !verdict.is_wrong() && verdict.not_judged.is_none();
        let counts =
            |rule: &&Rule| !holds(rule, &|_| true) && (passed || tried(rule, 0) && !denied(rule));
        let points = before().filter(counts).map(|rule| rule.points).sum();
        let passed = before().filter(told).cloned().collect();
        (verdict.points, verdict.passed) = (points, passed);
        verdict
    }
}

/// The rules that hold, root causes first; and what no rule has a name for.
fn found(rules: &Rules, evidence: &Evidence, tried: &[Tried]) -> Vec<Holds> {
    let on = rules.rules.iter().filter(|rule| rule.on);
    let looked_at = on.filter(|rule| {
        needs(rule).iter().any(|one| tried.iter().any(|tried| tried.instrument == *one))
    });
    let mut all: Vec<Holds> = vec![];
    for holds in looked_at.filter_map(|rule| evidence.against(rule)) {
        // One thing that went wrong has one root.
        if holds.fact.is_none() || !all.iter().any(|one| one.fact == holds.fact) {
            all.push(holds);
        }
    }
    if all.iter().all(|one| one.rule.class == Class::Style) {
        let nameless = evidence.facts.iter().find(|fact| {
            fact.first("found") != Some("calls")
                && !rules.rules.iter().any(|rule| names(rule, fact))
        });
        all.extend(nameless.map(without_a_name));
    }
    all
}

/// Does a rule speak of a fact, also one that is switched off?
fn names(rule: &Rule, fact: &Fact) -> bool {
    let alone = Evidence { did: vec![], facts: vec![fact.clone()] };
    let when = When { fact: rule.when.fact.clone(), ..When::default() };
    !when.fact.is_empty() && alone.against(&Rule { when, ..rule.clone() }).is_some()
}

/// Of which instruments a rule needs to hear.
fn needs(rule: &Rule) -> Vec<String> {
    match rule.when.fact.get("in") {
        Some(OneOf::This(one)) => vec![one.clone()],
        Some(OneOf::These(all)) => all.clone(),
        None => vec!["run".into()],
    }
}

/// Runs a program again as in runs that were seen. It is compiled once.
pub struct Again<'a> {
    section: &'a Section,
    asked: &'a Asked,
    ready: Ready,
}

impl<'a> Again<'a> {
    /// Of a source.
    pub fn new(section: &'a Section, path: &Path, asked: &'a Asked) -> Result<Self, NoVerdict> {
        let mut source = Source::read(path, &section.root).map_err(NoVerdict::Usage)?;
        let ready = prepared(&mut source, asked)?;
        Ok(Again { section, asked, ready })
    }

    /// One of the runs, with its story and its events.
    pub fn run(&mut self, again: &Trying) -> Result<Answer, NoVerdict> {
        let (rules, work) = (&self.section.rules, &self.ready.cell.work);
        // With --trust, a cell is in another folder each time.
        let program = Usual::new(rules, "", work, self.asked.seed).trying.program;
        let again = Box::new(Trying { program, ..again.clone() });
        let mut answer = put(&mut self.ready.cell, &Ask::Again(again), self.asked.patience)?;
        answer.not_judged.take().map_or(Ok(answer), |why| Err(NoVerdict::NotJudged(why)))
    }
}

fn rule(id: &str, title: &str, expected: &str, why: &str) -> Rule {
    Rule {
        id: id.into(),
        class: Class::Defect,
        step: String::new(),
        points: 0,
        on: true,
        when: When::default(),
        title: translated(title).into(),
        expected: translated(expected).into(),
        why: translated(why).into(),
        near: vec![],
        passed: String::new(),
        about: vec![],
    }
}

/// The first thing that a compiler does not accept.
fn does_not_compile(said: &str) -> Holds {
    let mut fact = Fact::new("compile", "refused");
    let is_error = |line: &&str| line.contains("error") || line.contains("Error");
    let first = said.lines().find(is_error).or(said.lines().next()).unwrap_or_default();
    // C: `main.c:12:5: error: …`; Rust: `error[E0425]: …`, and the place in the line below.
    let place = said.lines().skip_while(|line| *line != first).find_map(|line| {
        let line = line.trim().trim_start_matches("--> ");
        let mut parts = line.split(':');
        let (file, number) = (parts.next()?, parts.next()?.parse::<u32>().ok()?);
        Some(format!("{file}:{number}"))
    });
    let text = first.split_once("error: ").map_or(first, |(_, text)| text);
    fact.source = place;
    fact.happened = vec![super::instruments::seen::short(text)];
    let rule = rule(
        "compile",
        "it does not compile",
        "a program",
        "Nothing else can be judged before it does.",
    );
    Holds::by(rule, fact)
}

/// Something went wrong for which there is no rule.
fn without_a_name(fact: &Fact) -> Holds {
    let found = fact.first("found").unwrap_or_default().to_string();
    let title = match found.as_str() {
        "deadlock" => "all processes sleep for ever",
        "crash" => "a process crashes",
        "left" => "something is left behind",
        "prints" => "the output is not what it must be",
        "endless" => "a process loops for ever",
        "no_handler" => "a signal ends a process that has no handler",
        "race" => "the result depends on which access comes first",
        "outsider" => "a signal goes to a process outside the program",
        "exit" => "a process does not end with 0",
        "silent" => "a failure is not told",
        other => other,
    };
    let rule = rule(
        &found,
        title,
        "the same in every order",
        "See the lines above: no rule has a name for it.",
    );
    Holds::by(rule, fact.clone())
}
