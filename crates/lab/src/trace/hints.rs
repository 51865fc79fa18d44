//! Which accesses nothing orders, after one run: `lab explore` asks the same of many.
//!
//! What was seen is kept, and judged at the end: that bytes order others is known only when somebody has
//! locked them, or has waited for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::memory::Touch;
use crate::memory::order::{Order, Race, Side};
use crate::memory::{Bytes, Ranges, SPINS, Thing};
use crate::syscalls;
use crate::syscalls::cells::{Object, Shown, Sleep, Touch as Touches};
use crate::tracer::source::Code;
use crate::tracer::{Entry, Tid};
use sysv::tables::Kind;

/// So much is kept.
const KEPT: usize = 1 << 20;

/// What matters for the order.
enum Seen {
    Born(usize, usize),
    Call(usize, Vec<(Thing, bool)>),
    Hears(usize, Thing),
    Access { side: Side, reads: bool, locked: bool },
}

/// See the module.
#[derive(Default)]
pub struct Hints {
    seen: Vec<Seen>,
    /// Each thread's place among those that were born.
    who: BTreeMap<Tid, usize>,
    /// The threads by their places.
    tids: Vec<Tid>,
    /// The process that has made each.
    makers: BTreeMap<Tid, i32>,
    /// The calls that threads are in.
    calls: BTreeMap<Tid, Vec<(Thing, bool)>>,
    ordering: Ranges,
    spins: HashMap<(usize, Code, u64), (Vec<u8>, u32)>,
    /// Not all was kept.
    full: bool,
}

impl Hints {
    fn who(&mut self, tid: Tid) -> usize {
        *self.who.entry(tid).or_insert_with(|| {
            self.tids.push(tid);
            self.tids.len() - 1
        })
    }

    /// The thread at a place.
    pub fn tid(&self, who: usize) -> Tid {
        self.tids[who]
    }

    fn add(&mut self, seen: Seen) {
        self.full |= self.seen.len() >= KEPT;
        if !self.full {
            self.seen.push(seen);
        }
    }

    /// A thread of process `pid` has made another one.
    pub fn born(&mut self, maker: Tid, pid: i32, child: Tid) {
        self.makers.insert(child, pid);
        // A number that was used before means another thread now.
        self.who.remove(&child);
        let (maker, child) = (self.who(maker), self.who(child));
        self.add(Seen::Born(maker, child));
    }

    /// A call begins: what was done before it can reach others from now on.
    pub fn begins(&mut self, tid: Tid, pid: i32, entry: &Entry) {
        let things = things(tid, pid, entry);
        self.calls.insert(tid, things.clone());
        if !things.is_empty() {
            let who = self.who(tid);
            self.add(Seen::Call(who, things));
        }
    }

    /// It has ended: what others did before theirs has reached it.
    pub fn ends(&mut self, tid: Tid) {
        let who = self.who(tid);
        for (thing, _) in self.calls.remove(&tid).unwrap_or_default() {
            self.add(Seen::Hears(who, thing));
        }
    }

    /// A signal has come.
    pub fn signal(&mut self, tid: Tid, pid: i32) {
        let who = self.who(tid);
        self.add(Seen::Hears(who, Thing::Process(pid as u32)));
        self.add(Seen::Hears(who, Thing::Children(pid as u32)));
    }

    /// A thread has ended; its parent can hear of it.
    pub fn ended(&mut self, tid: Tid) {
        let who = self.who(tid);
        self.calls.remove(&tid);
        let parent = self.makers.get(&tid).copied().unwrap_or(0);
        self.add(Seen::Call(
            who,
            vec![(Thing::Children(parent as u32), true), (Thing::Futexes, true)],
        ));
    }

    /// An access was made, by this place in the program.
    pub fn touched(&mut self, tid: Tid, touch: &Touch, code: Code) {
        let who = self.who(tid);
        let bytes = Bytes { memory: touch.memory, from: touch.at, to: touch.at + touch.len };
        if touch.locked {
            self.ordering.add(bytes);
        }
        if touch.reads && !touch.writes {
            let (was, times) = self.spins.entry((who, code, touch.at)).or_default();
            *times = if *was == touch.holds { *times + 1 } else { 1 };
            was.clone_from(&touch.holds);
            if *times > SPINS {
                self.ordering.add(bytes);
            }
        }
        if touch.writes {
            self.spins.retain(|(other, _, _), _| *other != who);
        }
        let side = Side { bytes, who, writes: touch.writes, coarse: false, code };
        self.add(Seen::Access { side, reads: touch.reads, locked: touch.locked });
    }

    /// The accesses that nothing orders, each pair of lines and bytes once; the bytes that order others; and
    /// whether that is all.
    pub fn judged(&self) -> (BTreeSet<Race>, Vec<Bytes>, bool) {
        let mut order = Order::default();
        let mut races = BTreeSet::new();
        for seen in &self.seen {
            match seen {
                Seen::Born(maker, child) => order.born(*maker, *child),
                Seen::Call(who, things) => order.call(*who, things.iter().copied()),
                Seen::Hears(who, thing) => order.hears(*who, *thing),
                Seen::Access { side, reads, locked } => {
                    if *locked || self.ordering.meet(side.bytes) {
                        order.orders(*side, *reads);
                    } else {
                        races.extend(order.access(*side));
                    }
                }
            }
        }
        (races, self.ordering.all().collect(), !self.full)
    }
}

/// The things by which a call can order what its thread does, and whether it changes them.
fn things(tid: Tid, pid: i32, entry: &Entry) -> Vec<(Thing, bool)> {
    let Some(row) = syscalls::row(entry.number).filter(|_| !entry.foreign) else { return vec![] };
    let first = entry.args[0] as i32;
    let mut all = vec![];
    for touch in row.touches {
        match touch {
            Touches::Object => all.extend(match row.object {
                Object::Use(Kind::Sem) | Object::Control { kind: Kind::Sem, .. } => {
                    Some((Thing::Sem(first), true))
                }
                Object::Use(Kind::Msg) => Some((Thing::Msg(first), true)),
                _ => None,
            }),
            Touches::Children => all.push((Thing::Children(pid as u32), false)),
            Touches::Futexes => all.push((Thing::Futexes, true)),
            Touches::Descriptor | Touches::Looked | Touches::Closed => {
                // What is printed orders nothing.
                let prints = matches!(row.shown, Shown::Output) && (1..=2).contains(&first);
                all.extend(descriptor(tid, first).filter(|_| !prints).map(|thing| (thing, true)));
            }
            _ => {}
        }
    }
    if row.sends_signal() {
        let target = match first {
            target if target > 0 => Some(target),
            _ => None,
        };
        all.extend(target.map(|target| (Thing::Process(target as u32), true)));
    }
    if row.sleep != Sleep::Never {
        // It may have taken a signal.
        all.push((Thing::Process(pid as u32), false));
    }
    all
}

/// What a descriptor stands for, if others can wait for it.
fn descriptor(tid: Tid, fd: i32) -> Option<Thing> {
    let link = std::fs::read_link(format!("/proc/{tid}/fd/{fd}")).ok()?;
    let link = link.to_string_lossy();
    if let Some(number) = link.strip_prefix("pipe:[") {
        return number.trim_end_matches(']').parse().ok().map(Thing::Pipe);
    }
    let waits = link.starts_with("socket:") || link.starts_with("anon_inode:");
    waits.then_some(Thing::Descriptors)
}
