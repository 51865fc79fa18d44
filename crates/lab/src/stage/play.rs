//! The commands, and where the run stands. A run cannot be turned back: to go back is to run the programs again, as
//! far as wanted.

use std::time::Duration;

use say::tell;
use screen::words::{in_english, translated};

use super::acts::Acts;
use super::book::Setting;
use super::front::{Front, HELP, View};
use super::keys::Key;
use super::predict::Question;
use super::words::{is_no_choice, orders};
use crate::asked;
use crate::explore::Trouble;
use crate::explore::staged::{Ahead, Chooser, Orders, Outcome, Scene, Staged, Who, as_json};

/// So long a question to the room waits for the orders from here to be counted.
const SOON: Duration = Duration::from_secs(2);

/// One that moves.
type Mover = (usize, Who);

/// See the module.
pub struct Play<'a> {
    setting: &'a Setting,
    acts: Acts,
    /// Who has moved, or is to move, from the beginning.
    path: Vec<Mover>,
    /// This step was asked for: it stands still there, also where there is no choice.
    wanted: usize,
    /// It runs on by itself.
    runs: Option<Runs>,
    says: Vec<String>,
    /// How the orders from each place end is wanted.
    counts: bool,
    ahead: Option<Ahead>,
    /// What the room was asked, and how many questions it was asked here.
    question: Option<Question>,
    asked: (usize, usize),
    /// The last run.
    pub last: String,
    /// It is over for all.
    quits: bool,
    /// What went wrong with the audience's terminal.
    signal: Option<i32>,
}

/// How far it runs on.
enum Runs {
    /// To this step.
    To(usize),
    /// While only these can move.
    While(Vec<Mover>),
}

/// What a key has come to.
enum Done {
    /// This one moves.
    Moves(usize),
    /// The run ends here, and goes another way, or no way.
    Leaves,
    /// It waits for the next key.
    Stays,
}

/// The run, and what it is shown with.
struct Asks<'p, 'a> {
    play: &'p mut Play<'a>,
    front: &'p mut dyn Front,
}

impl Chooser for Asks<'_, '_> {
    fn choose(&mut self, scene: &Scene) -> Option<usize> {
        self.play.acts.see(scene, self.play.setting);
        self.play.reveal(scene);
        self.play.choose(scene, self.front)
    }

    fn looks_from(&self) -> usize {
        self.play.path.len().min(self.play.acts.all.len())
    }

    fn known(&self, step: usize) -> Option<(usize, Who)> {
        self.play.path.get(step).copied()
    }

    fn lost(&mut self) {
        self.play.acts = Acts::default();
    }
}

impl<'a> Play<'a> {
    /// Nothing has moved yet.
    pub fn new(setting: &'a Setting, ahead: Option<Ahead>) -> Play<'a> {
        Play {
            setting,
            acts: Acts::default(),
            path: vec![],
            wanted: 0,
            runs: None,
            says: vec![],
            counts: false,
            ahead,
            question: None,
            asked: (0, 0),
            last: String::new(),
            quits: false,
            signal: None,
        }
    }

    /// Run after run, until somebody quits.
    pub fn all(&mut self, staged: &mut Staged, front: &mut dyn Front) -> Result<(), Trouble> {
        while !self.quits {
            let mut asks = Asks { play: self, front };
            let (scene, outcome) = staged.run(&mut asks)?;
            self.last = in_english(|| as_json(&outcome));
            if let Some(signal) = self.signal {
                return Err(Trouble::Signal(signal));
            }
            if !outcome.dropped {
                self.ended(&scene, &outcome, front)?;
            }
        }
        Ok(())
    }

    fn choose(&mut self, scene: &Scene, front: &mut dyn Front) -> Option<usize> {
        let at = scene.steps.len();
        if let Some((lane, who)) = self.path.get(at).copied() {
            if let Some(chosen) = scene.position(lane, who) {
                return Some(chosen);
            }
            self.path.truncate(at);
            self.says.push(translated("The program does not do here what it did before.").into());
        }
        if self.goes_on(scene) || at != self.wanted && is_no_choice(scene) {
            return self.moves(scene, scene.first);
        }
        loop {
            match self.key(scene, None, front) {
                Done::Moves(chosen) => return self.moves(scene, chosen),
                Done::Leaves => return None,
                Done::Stays => {}
            }
        }
    }

    /// It has ended: only another run can follow.
    fn ended(
        &mut self,
        scene: &Scene,
        outcome: &Outcome,
        front: &mut dyn Front,
    ) -> Result<(), Trouble> {
        self.acts.see(scene, self.setting);
        self.reveal(scene);
        self.runs = None;
        let _still = asked::ticks(Duration::ZERO);
        while !matches!(self.key(scene, Some(outcome), front), Done::Leaves) {}
        self.signal.map_or(Ok(()), |signal| Err(Trouble::Signal(signal)))
    }

    fn moves(&mut self, scene: &Scene, chosen: usize) -> Option<usize> {
        let one = &scene.could[chosen];
        self.path.truncate(scene.steps.len());
        self.path.push((one.letter, one.who));
        Some(chosen)
    }

    /// Does it run on by itself?
    fn goes_on(&mut self, scene: &Scene) -> bool {
        let goes_on = match &self.runs {
            None => false,
            Some(Runs::To(step)) => scene.steps.len() < *step,
            Some(Runs::While(movers)) => *movers == can_move(scene),
        };
        if !goes_on {
            self.runs = None;
        }
        goes_on
    }

    /// The next key, once it is typed.
    fn hear(
        &mut self,
        scene: &Scene,
        ended: Option<&Outcome>,
        asks: Option<(&str, &str)>,
        front: &mut dyn Front,
    ) -> Option<Key> {
        let says = std::mem::take(&mut self.says);
        let here = &self.path[..self.path.len().min(scene.steps.len())];
        let wanted = self.counts && ended.is_none();
        let ahead = self.ahead.as_mut().filter(|_| wanted);
        let counted = ahead.and_then(|ahead| {
            ahead.ask(here.to_vec());
            if front.is_patient() {
                ahead.wait(Duration::MAX, |orders| orders.complete);
            }
            ahead.last.as_ref().map(orders)
        });
        let predicts = self.question.as_ref().map_or(vec![], Question::lines);
        let view = View {
            setting: self.setting,
            scene,
            acts: &self.acts,
            ended,
            asks: asks.map(|(asks, _)| asks),
            typed: asks.map_or("", |(_, typed)| typed),
            orders: counted,
            predicts: &predicts,
            says: &says,
        };
        front.show(&view);
        let ahead = &mut self.ahead;
        let key = front.key(&mut || ahead.as_mut().is_some_and(Ahead::has_news));
        self.signal = asked::to_stop();
        self.quits |= self.signal.is_some();
        if key == Some(Key::Redraw) {
            self.says = says;
        }
        key.filter(|_| self.signal.is_none())
    }

    fn key(&mut self, scene: &Scene, ended: Option<&Outcome>, front: &mut dyn Front) -> Done {
        let at = scene.steps.len();
        let Some(key) = self.hear(scene, ended, None, front) else {
            self.quits = true;
            return Done::Leaves;
        };
        match key {
            Key::Char('q') | Key::Escape => {
                self.quits = true;
                Done::Leaves
            }
            Key::Char('b') => match at.checked_sub(1) {
                Some(before) => self.leaves_for(before),
                None => self.stays("This is the beginning."),
            },
            Key::Char('r') => self.leaves_for(0),
            Key::Char('g') => self.goes_to(scene, ended, front),
            Key::Char('?') => {
                let all = HELP.iter().map(|(keys, what)| {
                    format!("  {} {}", screen::cell(translated(keys), 13), translated(what))
                });
                self.says.extend(all);
                Done::Stays
            }
            Key::Redraw | Key::Backspace => Done::Stays,
            _ if ended.is_some() => Done::Stays,
            Key::Char('o') => {
                self.counts = !self.counts;
                match (&self.ahead, self.counts) {
                    (None, true) => self.stays(
                        "This program leaves files: its orders cannot be counted meanwhile.",
                    ),
                    _ => Done::Stays,
                }
            }
            Key::Char('p') => self.predicts(scene, front),
            Key::Char('c') => {
                self.runs = Some(Runs::While(can_move(scene)));
                Done::Moves(scene.first)
            }
            Key::Char('t') => {
                let time = scene.could.iter().position(|one| one.who == Who::Time);
                self.moves_or("No time can pass here: nobody waits with a limit.", time)
            }
            Key::Char(' ') | Key::Enter => Done::Moves(scene.first),
            Key::Char(digit @ '1'..='9') => {
                let chosen = digit as usize - '1' as usize;
                let there = Some(chosen).filter(|chosen| *chosen < scene.could.len());
                self.moves_or("There is no such choice.", there)
            }
            Key::Char(one) if one.is_ascii_alphabetic() => {
                let lane = (one.to_ascii_lowercase() as u8 - b'a') as usize;
                let its = scene.could.iter().position(|could| could.letter == lane);
                let chosen = scene.position(lane, Who::Itself).or(its);
                self.moves_or(&tell!("{} cannot move now.", one.to_ascii_lowercase()), chosen)
            }
            Key::Char(_) => self.stays("? lists the keys."),
        }
    }

    /// The tree from here, once so much of it is known; `None`: it cannot be, or not soon.
    fn tree(
        &mut self,
        scene: &Scene,
        known: impl Fn(&Orders) -> bool,
        front: &dyn Front,
    ) -> Option<Orders> {
        let here = self.path[..self.path.len().min(scene.steps.len())].to_vec();
        let ahead = self.ahead.as_mut()?;
        ahead.ask(here);
        ahead.wait(if front.is_patient() { Duration::MAX } else { SOON }, &known);
        ahead.last.clone().filter(known)
    }

    /// The next question that can be asked here; they come round.
    fn next_question(&mut self, scene: &Scene, front: &dyn Front) -> Question {
        let at = scene.steps.len();
        let n = if self.asked.0 == at { self.asked.1 } else { 0 };
        self.asked = (at, n + 1);
        if let Some(question) = n.checked_sub(1).and_then(|n| Question::attached(scene, n)) {
            return question;
        }
        let enough = |orders: &Orders| orders.over || !orders.are_few();
        let all = if n > 0 { self.tree(scene, enough, front) } else { None };
        if let Some(orders) = all.filter(Orders::were_few) {
            self.asked = (at, 0);
            return Question::orders(scene, &orders);
        }
        self.asked = (at, 1);
        let next = self.tree(scene, |orders| !orders.next.is_empty(), front);
        Question::sleepers(scene, next.map_or(vec![], |orders| orders.next))
    }

    /// Asks the room, and takes its votes.
    fn predicts(&mut self, scene: &Scene, front: &mut dyn Front) -> Done {
        let question = self.next_question(scene, front);
        if front.is_patient() {
            self.says = question.lines();
        }
        self.question = Some(question);
        while let Some(asks) = self.question.as_ref().and_then(Question::next) {
            let typed = self.number(scene, None, &asks, front);
            self.says.clear();
            if typed.is_none() {
                self.question = None;
            }
            let Some(question) = self.question.as_mut() else { break };
            question.votes.push(typed.and_then(|typed| typed.parse().ok()).unwrap_or(0));
        }
        Done::Stays
    }

    /// Something has moved: what the room was asked is answered.
    fn reveal(&mut self, scene: &Scene) {
        let at = scene.steps.len();
        if let Some(question) = self.question.take_if(|question| question.at != at)
            && question.at < at
        {
            self.says = question.revealed(scene);
        }
    }

    fn stays(&mut self, why: &str) -> Done {
        self.says.push(translated(why).into());
        Done::Stays
    }

    fn moves_or(&mut self, why: &str, chosen: Option<usize>) -> Done {
        match chosen {
            Some(chosen) => Done::Moves(chosen),
            None => self.stays(why),
        }
    }

    /// To a step that was before.
    fn leaves_for(&mut self, step: usize) -> Done {
        self.path.truncate(step);
        self.wanted = step;
        Done::Leaves
    }

    /// What is typed up to Enter; `None`: it was left.
    fn number(
        &mut self,
        scene: &Scene,
        ended: Option<&Outcome>,
        asks: &str,
        front: &mut dyn Front,
    ) -> Option<String> {
        let mut typed = String::new();
        let said = self.says.clone();
        loop {
            self.says.clone_from(&said);
            match self.hear(scene, ended, Some((asks, &typed)), front) {
                Some(Key::Char(digit @ '0'..='9')) if typed.len() < 5 => typed.push(digit),
                Some(Key::Char(' ')) if typed.is_empty() => {}
                Some(Key::Backspace) => drop(typed.pop()),
                Some(Key::Redraw) => {}
                Some(Key::Enter) => {
                    self.says.clear();
                    return Some(typed);
                }
                _ => return None,
            }
        }
    }

    /// Asks for a step, and goes there.
    fn goes_to(&mut self, scene: &Scene, ended: Option<&Outcome>, front: &mut dyn Front) -> Done {
        let at = scene.steps.len();
        let asks = translated("To which step? Its number, and Enter.");
        let Some(typed) = self.number(scene, ended, asks, front) else { return Done::Stays };
        match typed.parse::<usize>() {
            Ok(step) if step < at => self.leaves_for(step),
            Ok(step) if step > at && ended.is_none() => {
                (self.runs, self.wanted) = (Some(Runs::To(step)), step);
                Done::Moves(scene.first)
            }
            Ok(step) if step > at => self.stays("It is over: there is no later step."),
            _ => Done::Stays,
        }
    }
}

/// Who can move: with time and stores.
fn can_move(scene: &Scene) -> Vec<Mover> {
    scene.could.iter().map(|one| (one.letter, one.who)).collect()
}
