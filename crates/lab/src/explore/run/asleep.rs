//! Who cannot move: before a call that would sleep, or asleep. And who has been woken.

use libc::c_int;

use super::Result;
use super::blocked;
use super::model::State;
use super::moves::Moves;
use super::tracees::Heard;
use crate::explore::footprint::{Footprint, Thing};
use crate::explore::verdict::Moment;
use crate::tracer::{How, Stop};

/// A result of a call that the kernel will make again.
const RESTART: std::ops::RangeInclusive<i64> = -516..=-512;

impl Moves<'_> {
    // ---- calls that cannot be made yet

    /// Before a place: who is held before a call that would sleep, and can nobody tell?
    pub fn find_blocked(&mut self) {
        self.all.find_those_that_wait_for_stores();
        for i in 0..self.all.model.tasks.len() {
            if self.waits_for_memory(i) {
                let signalled = self.all.model.is_signalled(i);
                self.all.model.tasks[i].blocked = !signalled || self.only_ignored(i);
                continue;
            }
            let task = &self.all.model.tasks[i];
            let stands = task.state == State::Before && !task.waits_for_stores;
            let waits = task.waits_for.clone().filter(|_| stands);
            let Some(waits) = waits.filter(|_| !self.all.world.sleepers_matter) else {
                self.all.model.tasks[i].blocked = false;
                continue;
            };
            let signalled = self.all.model.is_signalled(i);
            if signalled && blocked::is_interrupted(&self.all.model, i) {
                self.all.sleepers_matter();
            }
            let moves = signalled && !self.only_ignored(i);
            let blocked = !moves && blocked::would_sleep(&self.all.model, i, &waits);
            self.all.model.tasks[i].blocked = blocked;
        }
    }

    /// Is one?
    pub fn has_blocked(&self) -> bool {
        self.all.model.tasks.iter().any(|task| task.blocked)
    }

    /// Nobody can move: all that are held before such a call fall asleep.
    pub fn let_sleep(&mut self) -> Result<()> {
        let blocked = |i: &usize| self.all.model.tasks[*i].blocked;
        let all: Vec<usize> = (0..self.all.model.tasks.len()).filter(blocked).collect();
        let spins = |i: &usize| self.all.model.tasks[*i].state == State::Touching;
        let sleep: Vec<usize> = all.iter().copied().filter(|i| !spins(i)).collect();
        if let Some(one) = all.first().filter(|_| sleep.is_empty()) {
            self.all.narrator.tell(&self.all.model, *one, Moment::Spins);
            let counts = |i: &usize| {
                self.all.model.tasks[*i].circle.as_ref().is_some_and(|circle| circle.counts)
            };
            match all.iter().any(counts) {
                true => self.all.judge.not_judged("it looks at shared memory for too long"),
                false => self.all.judge.endless(&self.all.model, *one),
            }
            return Ok(());
        }
        for i in sleep {
            let task = &mut self.all.model.tasks[i];
            (task.blocked, task.waits_for) = (false, None);
            self.all.narrator.tell(&self.all.model, i, Moment::Turn { taken: false });
            self.go(i)?;
            self.settle()?;
        }
        self.all.touched.made = Footprint::default();
        Ok(())
    }

    // ---- processes that have been woken

    /// After a move: a sleeper that it has woken is held; all other sleepers are certainly asleep.
    pub fn settle(&mut self) -> Result<()> {
        for i in 0..self.all.model.tasks.len() {
            while matches!(self.all.model.tasks[i].state, State::Asleep | State::Stopped) {
                let task = &self.all.model.tasks[i];
                let (vfork, stopped) = (task.vfork, task.state == State::Stopped);
                let mut heard = self.all.tracees.look(i)?;
                if heard.is_none() {
                    if !self.all.tracees.sleeps(i, vfork, stopped) {
                        // SAFETY: it takes nothing.
                        unsafe { libc::sched_yield() };
                        continue;
                    }
                    // Asleep, and nothing has come meanwhile: no wake-up is on its way.
                    heard = self.all.tracees.look(i)?;
                }
                match heard {
                    Some(heard) => self.woken(i, heard)?,
                    None => break,
                }
            }
        }
        Ok(())
    }

    fn woken(&mut self, i: usize, heard: Heard) -> Result<()> {
        // Who looks into /proc sees that it sleeps no more.
        self.all.touched.made.reads(Thing::Process(self.all.model.tasks[i].process as u32));
        let stop = match heard {
            Heard::Stop(stop) => stop,
            Heard::End(death) => return self.all.ended(i, death),
        };
        match stop {
            // A signal that it ignores: without us it would not even have been woken.
            Stop::Exit(result) if RESTART.contains(&result) && self.only_ignored(i) => {
                self.sleep_on(i)
            }
            Stop::Exit(result) => {
                self.all.left(i, result)?;
                let task = &mut self.all.model.tasks[i];
                task.state = State::After;
                task.looks.forget();
                Ok(())
            }
            Stop::Signal(info) => self.deliver(i, &info),
            Stop::Started if self.all.model.tasks[i].state == State::Stopped => {
                self.all.model.tasks[i].state = State::Start;
                Ok(())
            }
            Stop::Group(_) => {
                self.all.model.tasks[i].state = State::Stopped;
                self.all.tracees.go_on(i, How::Listen, 0)
            }
            _ => self.all.tracees.go_on(i, self.all.how(i), 0),
        }
    }

    pub fn any_is_stopped(&self) -> bool {
        self.all.model.tasks.iter().any(|task| task.state == State::Stopped)
    }

    /// Is every signal that interrupted it one that it ignores?
    pub fn only_ignored(&self, i: usize) -> bool {
        let open = blocked::open(&self.all.model, i);
        let due = |signal: &c_int| open >> (signal - 1) & 1 == 1;
        (1..=64).filter(due).all(|signal| self.all.model.process(i).ignores(signal))
    }

    /// Sees one through the kernel's restart of its call, back to sleep.
    fn sleep_on(&mut self, i: usize) -> Result<()> {
        let wait = self.all.model.tasks[i].wait;
        if let Some(wait) = &wait {
            self.all.give_limit_back(i, wait)?;
        }
        self.all.tracees.go_on(i, How::Cont, 0)?;
        loop {
            match self.all.tracees.wait(i)? {
                Heard::Stop(Stop::Signal(info)) => {
                    self.all.tracees.go_on(i, How::Cont, info.si_signo)?;
                }
                Heard::Stop(Stop::Entry(again)) => {
                    self.all.take_limit(i, &again)?;
                    // It began when it first slept.
                    if let (Some(new), Some(wait)) = (&mut self.all.model.tasks[i].wait, wait) {
                        new.until = wait.until;
                    }
                    return self.all.tracees.go_on(i, How::Syscall, 0);
                }
                Heard::Stop(_) => self.all.tracees.go_on(i, How::Cont, 0)?,
                Heard::End(death) => return self.all.ended(i, death),
            }
        }
    }
}
