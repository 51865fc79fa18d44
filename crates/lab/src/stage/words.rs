//! Who and what, in words.

use say::tell;
use screen::words::{comma, translated};

use crate::explore::staged::{
    Could, Lane, Line, Moment, Orders, Outcome, Scene, Stands, Who, cure, decides, ends, letter,
};
pub use crate::syscalls::in_c;

/// `a`, `time for b`, `a store of b`
pub fn mover(could: &Could) -> String {
    mover_of(could.letter, could.who)
}

/// The same of one that is not there now.
pub fn mover_of(lane: usize, who: Who) -> String {
    let name = letter(lane);
    match who {
        Who::Itself => name,
        Who::Time => tell!("time for {name}"),
        Who::Buffer => tell!("a store of {name}"),
    }
}

/// What it is about to do.
pub fn about(scene: &Scene, could: &Could) -> String {
    match (&could.call, could.who) {
        (Some(call), _) => in_c(call),
        (None, Who::Time) => translated("its wait or its alarm ends").into(),
        (None, Who::Buffer) => translated("its oldest store reaches the memory").into(),
        (None, Who::Itself) => {
            let of_it = |line: &&Line| line.letter == could.letter;
            match scene.story.iter().rev().find(of_it).map(|line| &line.moment) {
                None => translated("begins").into(),
                Some(Moment::Call { call, asleep: false }) => {
                    let name = in_c(&call.line());
                    let name = name.split('(').next().unwrap_or_default();
                    tell!("goes on with what {name} has returned")
                }
                Some(_) => translated("goes on").into(),
            }
        }
    }
}

/// Is this nothing but the rest of a call of the only one that can move?
pub fn is_no_choice(scene: &Scene) -> bool {
    let [one] = &scene.could[..] else { return false };
    let begins = !scene.story.iter().any(|line| line.letter == one.letter);
    one.call.is_none() && one.who == Who::Itself && !begins
}

/// `b 101`, `b 101, a thread of a`
pub fn lane(scene: &Scene, at: usize) -> String {
    let Lane { pid, thread_of, .. } = &scene.lanes[at];
    match thread_of {
        Some(main) => tell!("{} (thread of {})", letter(at), letter(*main)),
        None => format!("{} {pid}", letter(at)),
    }
}

/// How a lane stands, in a few words.
pub fn stands(lane: &Lane) -> String {
    match &lane.stands {
        Stands::Ready => translated("can move").into(),
        Stands::Asleep(call) => tell!("asleep in {}", in_c(call)),
        Stands::Waits(call) => tell!("waits: {}", in_c(call)),
        Stands::Stopped => translated("stopped").into(),
        Stands::Gone => translated("has ended").into(),
    }
}

/// How it ended: what is wrong and what helps, or that nothing is.
pub fn verdict(outcome: &Outcome) -> (bool, Vec<String>) {
    if let Some(why) = outcome.not_judged {
        return (false, vec![tell!("not judged: {}", translated(why))]);
    }
    if outcome.findings.is_empty() {
        return (true, vec![tell!("All have ended: {}", ends(&outcome.ends))]);
    }
    let mut all: Vec<String> = outcome.findings.iter().map(ToString::to_string).collect();
    all.extend(decides(outcome).map(|why| format!("▶ {why}")));
    all.extend(cure(outcome).map(|cure| tell!("cure: {cure}")));
    (false, all)
}

/// `Of 20 orders from here, 5 go wrong: 5 deadlock`
pub fn orders(orders: &Orders) -> String {
    let (all, bad) = orders.both();
    let so_far = translated(match (orders.complete, orders.over) {
        (true, _) => "",
        (false, true) => " so far (there are more, which are not counted)",
        (false, false) => " so far (still counting)",
    });
    let wrong = orders.ends.iter().filter(|end| end.1);
    let wrong: Vec<String> = wrong.map(|(name, _, count)| format!("{count} {name}")).collect();
    let which = if wrong.is_empty() { String::new() } else { format!(": {}", wrong.join(comma())) };
    match (all, bad) {
        (1, 1) => tell!("Of {all} order from here, {bad} goes wrong{so_far}{which}"),
        (1, _) => tell!("Of {all} order from here, {bad} go wrong{so_far}{which}"),
        (_, 1) => tell!("Of {all} orders from here, {bad} goes wrong{so_far}{which}"),
        _ => tell!("Of {all} orders from here, {bad} go wrong{so_far}{which}"),
    }
}
