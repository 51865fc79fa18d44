//! A question to the room before a choice: it is made from what stands on the stage, votes are typed, and the next
//! move answers it.

use crate::event::Row;
use crate::explore::staged::{Kind, Lane, Orders, Scene, Stands, letter};

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
    Sleepers,
    Attached(i32),
    /// How many of the orders go wrong, and which answer that is.
    Orders(String, usize),
}

impl Question {
    /// The n-th that can be asked here; they come round. `orders`: how those from here end, if that is known.
    pub fn new(scene: &Scene, orders: Option<&Orders>, n: usize) -> Question {
        let at = scene.steps.len();
        if let Some(orders) = orders.filter(|_| n + 1 == Question::kinds(scene, orders)) {
            return Question::of_orders(at, orders);
        }
        let segments = scene.rows.iter().filter(|(kind, ..)| *kind == Kind::Shm);
        let segments: Vec<_> = segments.map(|(_, id, row)| (*id, nattch(row))).collect();
        let (question, answers, about) = match n.checked_sub(1).and_then(|n| segments.get(n)) {
            Some((id, now)) => {
                let answers = (now.saturating_sub(1)..=now + 1).map(|n| n.to_string()).collect();
                let text =
                    format!("nattch of segment {id} is {now}. What is it after the next move?");
                (text, answers, About::Attached(*id))
            }
            None => {
                let lives = |lane: &&Lane| lane.stands != Stands::Gone;
                let lanes = scene.lanes.iter().filter(lives).count();
                let answers = sets(scene).into_iter().take(if lanes > 3 { 2 } else { 8 });
                let text = "Who sleeps after the next move?".to_string();
                (text, answers.collect(), About::Sleepers)
            }
        };
        let mut answers: Vec<String> = answers;
        answers.push("something else".into());
        let votes = vec![];
        Question { at, text: question, answers, votes, about }
    }

    /// The one that the tree answers: how the orders from here end.
    fn of_orders(at: usize, orders: &Orders) -> Question {
        let (all, bad) = orders.both();
        let right = match bad {
            0 => 0,
            bad if bad == all => 3,
            bad if bad * 2 < all => 1,
            _ => 2,
        };
        let truth = format!("{bad} of {all}");
        Question {
            at,
            text: "How many of the orders from here go wrong?".into(),
            answers: ["none", "less than half", "half or more", "all"].map(String::from).into(),
            votes: vec![],
            about: About::Orders(truth, right),
        }
    }

    /// How many there are here.
    pub fn kinds(scene: &Scene, orders: Option<&Orders>) -> usize {
        let segments = scene.rows.iter().filter(|(kind, ..)| *kind == Kind::Shm).count();
        1 + segments + usize::from(orders.is_some())
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
        Some(format!("How many are for \"{one}\"? A number, and Enter."))
    }

    /// What was true, and how many had said so.
    pub fn revealed(&self, scene: &Scene) -> Vec<String> {
        let last = self.answers.len() - 1;
        let found = |truth: String| {
            let right = self.answers.iter().position(|one| *one == truth).unwrap_or(last);
            (truth, right)
        };
        let (truth, right) = match &self.about {
            About::Sleepers => found(sleepers(scene)),
            About::Attached(id) => {
                let row = scene.rows.iter().find(|one| (one.0, one.1) == (Kind::Shm, *id));
                found(row.map_or("it is gone".into(), |(.., row)| nattch(row).to_string()))
            }
            About::Orders(truth, right) => (truth.clone(), *right),
        };
        let votes = self.votes.get(right).copied().unwrap_or(0);
        let all: u64 = self.votes.iter().sum();
        let voted = if all == 0 { String::new() } else { format!(" {votes} of {all} said so.") };
        vec![self.text.clone(), format!("The answer: {truth}.{voted}")]
    }
}

fn nattch(row: &Row) -> u64 {
    row.nattch.unwrap_or(0)
}

fn sleeps(lane: &Lane) -> bool {
    matches!(lane.stands, Stands::Asleep(_) | Stands::Waits(_) | Stands::Stopped)
}

/// `nobody`, `a`, `a and b`
fn sleepers(scene: &Scene) -> String {
    named(scene.lanes.iter().enumerate().filter(|(_, lane)| sleeps(lane)).map(|(at, _)| at))
}

fn named(lanes: impl Iterator<Item = usize>) -> String {
    let names: Vec<String> = lanes.map(letter).collect();
    if names.is_empty() { "nobody".into() } else { names.join(" and ") }
}

/// All that could be the answer: no lane, one, some, all.
fn sets(scene: &Scene) -> Vec<String> {
    let lives = scene.lanes.iter().enumerate().filter(|(_, lane)| lane.stands != Stands::Gone);
    let lives: Vec<usize> = lives.map(|(at, _)| at).collect();
    if lives.len() > 3 {
        return vec!["nobody".into(), sleepers(scene)];
    }
    let some = |set: usize| {
        lives.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1).map(|(_, lane)| *lane)
    };
    let mut all: Vec<usize> = (0..1 << lives.len()).collect();
    all.sort_by_key(|set| set.count_ones());
    all.into_iter().map(|set| named(some(set))).collect()
}
