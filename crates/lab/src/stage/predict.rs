//! A question to the room before a choice. It is made from the tree of what can happen next, votes are typed, and the
//! next move answers it; the tree also says what the other moves would have led to.

use say::tell;
use screen::words::{chinese, translated};

use super::words::mover_of;
use crate::event::Row;
use crate::explore::staged::{Kind, Lane, Next, Orders, Scene, Stands, letter};

/// Of so many lanes every set of sleepers is an answer to choose from.
const FEW: usize = 3;

/// See the module.
pub struct Question {
    /// The step that was the last one then.
    pub at: usize,
    text: String,
    answers: Vec<String>,
    pub votes: Vec<u64>,
    about: About,
}

enum About {
    /// What each move that is possible leads to, as far as it is known.
    Sleepers(Vec<Next>),
    Attached(i32),
    /// How many of the orders go wrong, and which answer that is.
    Orders(String, usize),
}

impl Question {
    fn new(scene: &Scene, text: String, mut answers: Vec<String>, about: About) -> Question {
        answers.push(translated("something else").into());
        Question { at: scene.steps.len(), text, answers, votes: vec![], about }
    }

    /// Who will sleep? `next`: what each move that is possible leads to, as far as it is known.
    pub fn sleepers(scene: &Scene, next: Vec<Next>) -> Question {
        let text = translated("Who sleeps after the next move?").into();
        Question::new(scene, text, sets(scene, &next), About::Sleepers(next))
    }

    /// The nattch of the n-th segment, if there is one.
    pub fn attached(scene: &Scene, n: usize) -> Option<Question> {
        let mut segments = scene.rows.iter().filter(|(kind, ..)| *kind == Kind::Shm);
        let (_, id, row) = segments.nth(n)?;
        let now = nattch(row);
        let answers = (now.saturating_sub(1)..=now + 1).map(|n| n.to_string()).collect();
        let text = tell!("nattch of segment {id} is {now}. What is it after the next move?");
        Some(Question::new(scene, text, answers, About::Attached(*id)))
    }

    /// The one that is answered by how the orders from here end.
    pub fn orders(scene: &Scene, orders: &Orders) -> Question {
        let (all, bad) = orders.both();
        let right = match bad {
            0 => 0,
            bad if bad == all => 3,
            bad if bad * 2 < all => 1,
            _ => 2,
        };
        let truth = tell!("{bad} of {all}");
        Question {
            at: scene.steps.len(),
            text: translated("How many of the orders from here go wrong?").into(),
            answers: ["none", "less than half", "half or more", "all"]
                .map(|one| translated(one).to_string())
                .into(),
            votes: vec![],
            about: About::Orders(truth, right),
        }
    }

    /// The question, with its answers.
    pub fn lines(&self) -> Vec<String> {
        let answers = self.answers.iter().enumerate();
        let votes = |at: usize| self.votes.get(at).map_or(String::new(), |n| format!("  ({n})"));
        let answers = answers.map(|(at, one)| format!("  {}. {one}{}", at + 1, votes(at)));
        std::iter::once(self.text.clone()).chain(answers).collect()
    }

    /// What is asked next: how many are for this answer. `None`: all have voted.
    pub fn next(&self) -> Option<String> {
        let one = self.answers.get(self.votes.len())?;
        Some(tell!("How many are for \"{one}\"? A number, and Enter."))
    }

    /// What was true, and how many had said so.
    pub fn revealed(&self, scene: &Scene) -> Vec<String> {
        let last = self.answers.len() - 1;
        let found = |truth: String| {
            let right = self.answers.iter().position(|one| *one == truth).unwrap_or(last);
            (truth, right)
        };
        let (truth, right) =
            match &self.about {
                About::Sleepers(_) => found(sleepers(&scene.lanes)),
                About::Attached(id) => {
                    let row = scene.rows.iter().find(|one| (one.0, one.1) == (Kind::Shm, *id));
                    found(row.map_or(translated("it is gone").into(), |(.., row)| {
                        nattch(row).to_string()
                    }))
                }
                About::Orders(truth, right) => (truth.clone(), *right),
            };
        let votes = self.votes.get(right).copied().unwrap_or(0);
        let all: u64 = self.votes.iter().sum();
        let answer = match all {
            0 => tell!("The answer: {truth}."),
            _ => tell!("The answer: {truth}. {votes} of {all} said so."),
        };
        vec![self.text.clone(), answer + &self.others(scene)]
    }

    /// What the other moves would have led to.
    fn others(&self, scene: &Scene) -> String {
        let About::Sleepers(next) = &self.about else { return String::new() };
        let Some(step) = scene.steps.get(self.at) else { return String::new() };
        let moved = &step.could[step.chosen];
        let others = next.iter().filter(|one| (one.letter, one.who) != (moved.letter, moved.who));
        let led = |one: &Next| {
            tell!(" With {} instead: {}.", mover_of(one.letter, one.who), sleepers(&one.lanes))
        };
        others.map(led).collect()
    }
}

fn nattch(row: &Row) -> u64 {
    row.nattch.unwrap_or(0)
}

fn sleeps(lane: &Lane) -> bool {
    matches!(lane.stands, Stands::Asleep(_) | Stands::Waits(_) | Stands::Stopped)
}

/// `nobody`, `a`, `a and b`
fn sleepers(lanes: &[Lane]) -> String {
    named(lanes.iter().enumerate().filter(|(_, lane)| sleeps(lane)).map(|(at, _)| at))
}

fn named(lanes: impl Iterator<Item = usize>) -> String {
    let names: Vec<String> = lanes.map(letter).collect();
    if names.is_empty() {
        translated("nobody").into()
    } else {
        names.join(if chinese() { "、" } else { " and " })
    }
}

/// What could be the answer. Of few lanes every set; of more those to which a move leads, and how it is now.
fn sets(scene: &Scene, next: &[Next]) -> Vec<String> {
    let lives = scene.lanes.iter().enumerate().filter(|(_, lane)| lane.stands != Stands::Gone);
    let lives: Vec<usize> = lives.map(|(at, _)| at).collect();
    if lives.len() > FEW {
        let mut all = vec![translated("nobody").to_string()];
        let known = next.iter().map(|one| sleepers(&one.lanes));
        for one in std::iter::once(sleepers(&scene.lanes)).chain(known) {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        return all;
    }
    let some = |set: usize| {
        lives.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1).map(|(_, lane)| *lane)
    };
    let mut all: Vec<usize> = (0..1 << lives.len()).collect();
    all.sort_by_key(|set| set.count_ones());
    all.into_iter().map(|set| named(some(set))).collect()
}
