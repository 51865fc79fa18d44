//! A small machine in memory: variables, store buffers, semaphores, sleeps.

use std::collections::VecDeque;

use super::*;
use crate::explore::footprint::Thing;

#[derive(Clone, Copy, Debug)]
pub enum Op {
    Load(usize),
    /// Others see it at once, and what was put off before: as xchg.
    Store(usize),
    /// Waits in the store buffer.
    Put(usize),
    Post(usize),
    Wait(usize),
    Sleep(u64),
    /// As `Wait`, or until time has passed: then it is known.
    TimedWait(usize),
    /// As `Wait`, but nobody can tell whether one sleeps there: it cannot be made before its time.
    Take(usize),
    /// Of two at once.
    TakeBoth,
    /// Waits for the end of a process, as `Take` does.
    Join(usize),
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Ready,
    Asleep(Option<usize>),
    Timed(usize),
    Woken,
    Ended,
}

/// What is known at the end: what each process has loaded, the values of the variables, which
/// processes sleep.
pub type End = (Vec<Vec<u32>>, Vec<u32>, Vec<bool>);

/// What a process knows whose wait was ended by time.
const TIMED_OUT: u32 = 999;

/// What an operation touches, besides its own process.
fn touches(op: Op) -> Vec<(Thing, bool)> {
    match op {
        Op::Load(v) => vec![(Thing::Memory(v as u64), false)],
        Op::Store(v) | Op::Put(v) => vec![(Thing::Memory(v as u64), true)],
        Op::Post(s) | Op::Wait(s) | Op::TimedWait(s) | Op::Take(s) => {
            vec![(Thing::Sem(s as i32), true)]
        }
        Op::TakeBoth => vec![(Thing::Sem(0), true), (Thing::Sem(1), true)],
        Op::Sleep(_) => vec![(Thing::Time, false)],
        Op::Join(other) => vec![(Thing::Child(other as u32), true)],
    }
}

struct Machine<'a> {
    programs: &'a [Vec<Op>],
    vars: Vec<u32>,
    sems: Vec<u32>,
    at: Vec<usize>,
    seen: Vec<Vec<u32>>,
    states: Vec<State>,
    now: u64,
    until: Vec<u64>,
    last: Option<u32>,
    /// Of each process: number, variable, value.
    buffers: Vec<VecDeque<(u32, usize, u32)>>,
    /// How many each has put there.
    put: Vec<u32>,
}

impl Machine<'_> {
    /// Puts the stores that come next into the buffer, which is no move. Answers their numbers.
    fn put(&mut self, me: usize) -> std::ops::Range<u32> {
        let first = self.put[me];
        while let Some(Op::Put(v)) = self.op(me) {
            let value = self.value(me);
            self.buffers[me].push_back((self.put[me], v, value));
            self.put[me] += 1;
            self.at[me] += 1;
        }
        first..self.put[me]
    }

    fn value(&self, me: usize) -> u32 {
        me as u32 * 100 + self.at[me] as u32 + 1
    }

    /// All but loads wait until the buffer is empty.
    fn waits_for_stores(&self, i: usize) -> bool {
        !self.buffers[i].is_empty() && !matches!(self.op(i), Some(Op::Load(_)))
    }

    fn drained(&self, i: usize) -> Footprint {
        let (number, v, _) = self.buffers[i][0];
        let mut touched = Footprint::default();
        touched.writes(Thing::Memory(v as u64));
        touched.drained = Some(number);
        if self.at[i] == self.programs[i].len() && self.buffers[i].len() == 1 {
            touched.writes(Thing::Child(i as u32));
        }
        touched
    }

    fn op(&self, i: usize) -> Option<Op> {
        (self.states[i] == State::Ready).then(|| self.programs[i].get(self.at[i]).copied())?
    }

    fn is_blocked(&self, i: usize) -> bool {
        match self.op(i).filter(|_| self.buffers[i].is_empty()) {
            Some(Op::Take(s)) => self.sems[s] == 0,
            Some(Op::TakeBoth) => self.sems.contains(&0),
            Some(Op::Join(other)) => {
                self.states.get(other).is_some_and(|state| *state != State::Ended)
            }
            _ => false,
        }
    }

    /// What its next move will touch.
    fn footprint(&self, i: usize, time: bool) -> Footprint {
        let mut touched = Footprint::default();
        touched.writes(Thing::Process(i as u32));
        if time {
            touched.writes(Thing::Time);
            if let State::Timed(s) = self.states[i] {
                touched.writes(Thing::Sem(s as i32));
            }
            return touched;
        }
        for (thing, write) in self.op(i).map_or(vec![], touches) {
            if write { touched.writes(thing) } else { touched.reads(thing) }
        }
        // It sleeps until so long after now.
        if matches!(self.op(i), Some(Op::Sleep(_) | Op::TimedWait(_))) {
            touched.reads(Thing::Time);
        }
        let stays = matches!(self.op(i), Some(Op::Sleep(_)))
            || matches!(self.op(i), Some(Op::Wait(s) | Op::TimedWait(s)) if self.sems[s] == 0);
        touched.waits_for_stores = !matches!(self.op(i), Some(Op::Load(_)));
        if self.at[i] + 1 == self.programs[i].len() && !stays && self.buffers[i].is_empty() {
            touched.writes(Thing::Child(i as u32));
        }
        touched
    }

    fn place(&self) -> Place {
        let n = self.programs.len();
        let mover = |i: usize| match self.states[i] {
            State::Ready | State::Woken if !self.is_blocked(i) && !self.waits_for_stores(i) => {
                Some(Mover::itself(i as u32))
            }
            State::Asleep(None) | State::Timed(_) => Some(Mover { id: i as u32, who: Who::Time }),
            _ => None,
        };
        let store = |i: usize| {
            let mover = Mover { id: i as u32, who: Who::Buffer };
            (!self.buffers[i].is_empty()).then_some(mover)
        };
        let movers: Vec<Mover> = (0..n).flat_map(|i| [store(i), mover(i)]).flatten().collect();
        let goes_on =
            |who: Who| movers.iter().position(|m| Some(m.id) == self.last && m.who == who);
        let all = || movers.iter().enumerate().filter(|(_, mover)| mover.who.is_time());
        let idle = movers.iter().all(|mover| mover.who.is_time());
        let first = all().min_by_key(|(_, mover)| (self.until[mover.id as usize], mover.id));
        let blocked = (0..n).filter(|i| self.is_blocked(*i));
        Place {
            current: goes_on(Who::Buffer).or(goes_on(Who::Itself)),
            due: first.map(|(at, _)| at).filter(|_| idle),
            letters: movers.iter().map(|mover| mover.id as usize).collect(),
            blocked: blocked.map(|i| (Mover::itself(i as u32), self.footprint(i, false))).collect(),
            hidden: false,
            movers,
        }
    }

    fn make(&mut self, me: usize) {
        let Some(op) = self.op(me) else { return };
        match op {
            Op::Load(v) => {
                let own = self.buffers[me].iter().rev().find(|(_, one, _)| *one == v);
                self.seen[me].push(own.map_or(self.vars[v], |(.., value)| *value));
            }
            Op::Store(v) => self.vars[v] = self.value(me),
            Op::Put(_) => unreachable!("no move"),
            Op::Post(s) => {
                let asleep = [State::Asleep(Some(s)), State::Timed(s)];
                match self.states.iter().position(|state| asleep.contains(state)) {
                    Some(i) => self.states[i] = State::Woken,
                    None => self.sems[s] += 1,
                }
            }
            Op::Wait(s) if self.sems[s] == 0 => {
                self.states[me] = State::Asleep(Some(s));
                return;
            }
            Op::TimedWait(s) if self.sems[s] == 0 => {
                (self.states[me], self.until[me]) = (State::Timed(s), self.now + 1);
                return;
            }
            Op::Wait(s) | Op::TimedWait(s) | Op::Take(s) => self.sems[s] -= 1,
            Op::TakeBoth => self.sems.iter_mut().for_each(|sem| *sem -= 1),
            Op::Join(_) => {}
            Op::Sleep(length) => {
                (self.states[me], self.until[me]) = (State::Asleep(None), self.now + length);
                return;
            }
        }
        self.at[me] += 1;
    }

    fn ends(&mut self) {
        for (i, program) in self.programs.iter().enumerate() {
            if self.states[i] == State::Ready
                && self.at[i] == program.len()
                && self.buffers[i].is_empty()
            {
                self.states[i] = State::Ended;
            }
        }
    }
}

/// Runs the machine once; `None` if it was let go of.
pub fn run(programs: &[Vec<Op>], guide: &mut dyn Guide) -> Option<End> {
    let n = programs.len();
    let mut machine = Machine {
        programs,
        vars: vec![0; 6],
        sems: vec![0; 2],
        at: vec![0; n],
        seen: vec![vec![]; n],
        states: vec![State::Ready; n],
        now: 0,
        until: vec![0; n],
        last: None,
        buffers: vec![VecDeque::new(); n],
        put: vec![0; n],
    };
    for i in 0..n {
        machine.put(i);
    }
    for stamp in 0.. {
        assert!(stamp < 1000);
        machine.ends();
        let place = machine.place();
        if place.movers.is_empty() {
            guide.choose(&place);
            let asleep = machine.states.iter().map(|state| *state != State::Ended);
            return Some((machine.seen, machine.vars, asleep.collect()));
        }
        let Mover { id, who } = place.movers[guide.choose(&place)?];
        let me = id as usize;
        machine.last = Some(id);
        if who == Who::Buffer {
            let touched = machine.drained(me);
            if let Some((_, v, value)) = machine.buffers[me].pop_front() {
                machine.vars[v] = value;
            }
            guide.moved(touched);
            continue;
        }
        let mut touched = machine.footprint(me, who.is_time());
        match (machine.states[me], who.is_time()) {
            (_, true) => {
                machine.now = machine.now.max(machine.until[me]);
                if let State::Timed(_) = machine.states[me] {
                    machine.seen[me].push(TIMED_OUT);
                }
                machine.states[me] = State::Woken;
            }
            (State::Woken, _) => {
                machine.at[me] += 1;
                machine.states[me] = State::Ready;
            }
            _ => machine.make(me),
        }
        touched.stores = machine.put(me);
        guide.moved(touched);
    }
    None
}
