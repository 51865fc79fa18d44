//! A call that failed, and what its cause is asked from.

use libc::c_int;
use say::tell;
use screen::words::translated;
use sysv::tables::Kind;

use crate::event::Call;
use crate::syscalls::world::World;

/// A call that failed, and whom to ask.
pub struct Case<'a> {
    pub call: &'a Call,
    pub world: &'a dyn World,
    pub kind: Kind,
}

impl Case<'_> {
    pub fn value(&self, name: &str) -> i64 {
        self.call.value(name).unwrap_or(0)
    }

    /// The key of a call that opens, the id of one that uses.
    pub fn first(&self) -> c_int {
        self.call.args.first().map_or(-1, |arg| arg.value) as c_int
    }

    pub fn flags(&self) -> c_int {
        let name = self.call.args.iter().map(|arg| arg.name).find(|name| name.ends_with("flg"));
        name.map_or(0, |name| self.value(name)) as c_int
    }

    pub fn get_call(&self) -> &'static str {
        get_call(self.kind)
    }

    /// `segment 3`
    pub fn named(&self, id: c_int) -> String {
        let noun = self.noun();
        tell!("{noun} {id}")
    }

    /// What its kind of object is called.
    pub fn noun(&self) -> &'static str {
        translated(self.kind.noun())
    }
}

pub fn get_call(kind: Kind) -> &'static str {
    match kind {
        Kind::Shm => "shmget",
        Kind::Msg => "msgget",
        Kind::Sem => "semget",
    }
}

/// `1 byte`, `2 bytes`
pub fn count(n: u64, one: &str) -> String {
    match (one, n) {
        ("byte", 1) => tell!("{n} byte"),
        ("byte", _) => tell!("{n} bytes"),
        ("message", 1) => tell!("{n} message"),
        ("message", _) => tell!("{n} messages"),
        ("semaphore", 1) => tell!("{n} semaphore"),
        ("semaphore", _) => tell!("{n} semaphores"),
        (_, 1) => format!("{n} {one}"),
        _ => format!("{n} {one}s"),
    }
}
