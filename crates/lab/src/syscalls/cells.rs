//! The possible values of a row's cells. The comment of each kind names the code that uses it.

use libc::c_int;
use sysv::tables::Kind;

use super::args::As;
use super::notes::{self, Explain, Sentence};
use crate::event::{Command, Futex};
use crate::tracer::Entry;

/// All that is known of a call.
#[derive(Clone, Copy)]
pub struct CallRow {
    /// Its number, on this architecture.
    pub number: i64,
    /// The kernel's name.
    pub name: &'static str,
    /// Its arguments, by the names that the manual gives them.
    pub params: &'static [Param],
    /// How its answer is spelled.
    pub answer: Spelling,
    /// When `lab trace` shows it.
    pub shown: Shown,
    /// Whether others can move before it in `lab explore`.
    pub point: Point,
    /// Whether `lab explore` has to see its end.
    pub follow: Follow,
    /// Whether it may sleep, and for what.
    pub sleep: Sleep,
    /// Its thread has another signal mask while it sleeps.
    pub own_mask: bool,
    /// Where the limit of its sleep stands, if it has one.
    pub limit: Option<TimeLimit>,
    /// What it wakes or makes.
    pub wakes: Wakes,
    /// What it does with a System V object.
    pub object: Object,
    /// What others may notice of it: its part of a move's footprint.
    pub touches: &'static [Touch],
    /// What it changes in what is known of its process.
    pub changes: Changes,
    /// What it means when it has ended.
    pub explain: Explain,
    /// What it means while it sleeps.
    pub asleep: Option<Sentence>,
}

/// An argument.
#[derive(Clone, Copy)]
pub struct Param {
    pub name: &'static str,
    /// How it is spelled.
    pub is: As,
}

/// How an answer that is no error is spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    Number,
    Address,
    Signal,
    /// `1 ([{fd=3, revents=POLLIN}])`
    Ready,
}

/// When `lab trace` shows a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    Never,
    Always,
    /// A write to standard output or standard error: as what is written, or if it fails.
    Output,
    /// For signals by which programs wake each other; not what the C library does for itself.
    Handlers,
    /// Not what the C library does for itself.
    Masks,
    /// Not where the loader wakes waiters for a library: there are none.
    Futex,
    /// If it took long.
    Long,
    /// Never; but it is looked at, for this is how ftok looks a file up: by a path.
    File,
    /// Likewise, by a path that may start at an open folder, which stands before it.
    FileAt,
}

/// Is it a call before which `lab explore` lets others move?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Point {
    Yes,
    /// It is made at once: no other process can see an effect.
    Passes,
    /// Yes, unless the second argument is NULL, so that it only asks.
    IfSet,
    /// If it takes or frees a lock.
    Lock,
    /// Not for files that programs find and do not change. Where the path stands; flags follow it.
    Open {
        path: usize,
    },
    /// Not for such files. Where the path stands; an empty one means the descriptor before it.
    LookUp {
        path: usize,
    },
    /// Not for such files.
    Read,
    /// If the descriptor is one that others may wait on, or that may hold a lock.
    Close,
    /// It passes, and is stopped at only if what it maps may be shared.
    Mapping,
    /// It is answered by the explorer: what time it is.
    Clock(Question),
}

/// How a call returns the time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// On the clock in the first argument, where the second points.
    Named,
    /// Where the first argument points, in microseconds.
    Day,
    /// Seconds, as its answer.
    Seconds,
}

/// Does `lab explore` have to see its end?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    Yes,
    /// It cannot sleep, and only the caller needs its result.
    No,
    /// Likewise if its descriptor is /dev/null.
    NotToNull,
}

/// May it sleep until another process does something, or some time has passed?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sleep {
    Never,
    Yes,
    /// Until a signal comes.
    Signal(LetsIn),
    /// If it is one of futex's waits.
    Futex,
    /// If it waits for a lock.
    Lock,
    /// Until the child that it makes has become another program or ended: vfork.
    Child,
}

/// The signals that end a sleep.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum LetsIn {
    /// Those that are not blocked, with their handlers.
    Unblocked,
    /// Those that a mask of its own does not block, with their handlers.
    ByMask,
    /// Those of a set, blocked or not: it takes them, and no handler runs.
    Taken,
}

/// Where the limit of a sleep stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit {
    pub argument: usize,
    pub unit: Unit,
    pub from: Since,
    /// The error when it is reached; 0: none.
    pub error: c_int,
    /// The call does nothing but sleep.
    pub sleep: bool,
}

/// What a limit is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Milliseconds; negative: no limit.
    Millis,
    Timespec,
    Timeval,
    /// As setsockopt has set it, for the socket in the first argument. Which option.
    Socket(c_int),
}

/// From when a limit counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Now,
    /// It is a moment on the clock of the day.
    Day,
    /// As the operation of futex has it.
    Futex,
    /// It may be a moment on a clock: which one, and the flags that say so, stand in arguments.
    Flagged {
        clock: usize,
        flags: usize,
    },
}

/// Which processes does it wake or make? They may act before the caller goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wakes {
    Nobody,
    /// Whom a signal is sent to.
    Addressee(Addressee),
    /// A process or a thread that it makes.
    Child(CloneFlags),
    /// Sleepers on its System V object.
    Waiters,
    /// Sleepers on a word, if this call is not a wait itself.
    Futex,
    /// Readers of what it writes, unless that is a file.
    Reader,
}

/// Whom a signal is sent to, by the first arguments; the signal comes after them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Addressee {
    Process,
    Thread,
    /// A process, and one of its threads.
    ThreadOf,
    /// A process, by a descriptor.
    Pidfd,
}

/// Where the flags of a new process or thread stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum CloneFlags {
    None,
    /// Those of vfork.
    Vfork,
    /// In the first argument.
    First,
    /// In the record that it points at.
    Record,
}

/// What does it do with a System V object?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Object {
    None,
    /// Opens or makes it. Which argument has the flags; the first is the key.
    Get {
        kind: Kind,
        flags: usize,
    },
    /// The segment in the first argument.
    Attach,
    /// The segment at the address in the first argument.
    Detach,
    /// Uses the one in the first argument.
    Use(Kind),
    /// Looks at it, changes or removes it. Which argument has the command.
    Control {
        kind: Kind,
        command: usize,
    },
}

/// A thing that it touches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// Nothing is known: anything.
    Everything,
    /// Its System V object, as [`Object`] has it.
    Object,
    /// All segments that the process has attached.
    Attached,
    /// Whom it signals, as [`Addressee`] has it.
    Addressee,
    /// What its process's waits see.
    Children,
    /// The order in which pids are given.
    Pids,
    /// What the descriptor in the first argument stands for.
    Descriptor,
    /// The same, of which there is one less now.
    Closed,
    /// Any descriptor.
    Descriptors,
    /// The same, which is only looked at.
    Looked,
    /// Any descriptor, which is only looked at.
    Polled,
    /// The same of those in the list of the first two arguments.
    Listed,
    /// The file, pipe or device of the path in this argument, with the flags in the next one.
    Opened(usize),
    Files,
    /// Files, which are only looked at.
    FilesLooked,
    /// Whether the process's parent lives.
    Parent,
    /// Which signals are pending for the process.
    Pending,
    /// Anything, if the path in this argument is in /proc.
    Proc(usize),
    Futexes,
    Time,
}

/// What does it change in what is known of its process?
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    Nothing,
    /// What a signal does.
    Action,
    /// Which signals are blocked.
    Mask,
    /// Perhaps its IPC namespace.
    Namespace,
    /// It leaves its process group.
    Group,
    /// The process in the first argument does; 0: its own.
    GroupOf,
    /// Nothing: it asks for the thread's number at its start, and keeps it where the first argument points.
    KeepsNumber,
    /// Perhaps the signal that it gets when its parent ends.
    ParentDeath,
    /// When a timer goes off.
    Timer(Timing),
    /// Nothing: it asks when that will be.
    AsksTimer(Timing),
    /// A name or a port is taken.
    Binds,
    /// A timer less.
    DeletesTimer,
    /// Perhaps how long calls on its socket may sleep.
    SocketLimit,
    /// Nothing: it may ask for that.
    AsksSocketLimit,
    /// What is mapped.
    Mapping,
    /// Pages are not mapped any more.
    Unmaps,
    /// Pages are mapped elsewhere.
    Moves,
    /// What may be done with pages.
    Protects,
    /// A pipe more.
    Pipe,
    /// It may hold locks from now on.
    Lock,
    /// The thread ends.
    Thread,
    /// The process ends.
    Process,
    /// It runs another program, alone.
    Program,
}

/// Which timer a call is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Its process's alarm, in seconds.
    Alarm,
    /// The same, if the first argument says that it is the real one.
    Real,
    /// One that sends a signal: its number is the first argument. timer_create(2)
    Signal,
    /// One that is read: its descriptor is the first argument. timerfd_create(2)
    File,
}

impl Changes {
    /// Does it change what is mapped, or what may be done there?
    pub fn maps(self) -> bool {
        use Changes::*;
        matches!(self, Mapping | Unmaps | Moves | Protects)
    }

    /// Does the thread end, or its process?
    pub fn ends(self) -> bool {
        matches!(self, Changes::Thread | Changes::Process)
    }
}

impl CallRow {
    /// A row of which nothing more is known: to be stopped at, and it may have touched anything.
    pub const fn new(number: i64, name: &'static str, params: &'static [Param]) -> CallRow {
        CallRow {
            number,
            name,
            params,
            answer: Spelling::Number,
            shown: Shown::Never,
            point: Point::Yes,
            follow: Follow::Yes,
            sleep: Sleep::Never,
            own_mask: false,
            limit: None,
            wakes: Wakes::Nobody,
            object: Object::None,
            touches: &[Touch::Everything],
            changes: Changes::Nothing,
            explain: notes::nothing,
            asleep: None,
        }
    }

    /// Can this call sleep? With these arguments, and with vfork's wait for its child.
    pub fn may_sleep(&self, entry: &Entry) -> bool {
        let second = entry.args[1] as c_int;
        match self.sleep {
            Sleep::Never => false,
            Sleep::Futex => matches!(Futex::of(second), Futex::Wait | Futex::Lock),
            Sleep::Lock => [libc::F_SETLKW, libc::F_OFD_SETLKW].contains(&second),
            Sleep::Yes | Sleep::Signal(_) | Sleep::Child => true,
        }
    }

    /// Are there waits of this name, for others than a child of its own?
    pub fn waits(&self) -> bool {
        !matches!(self.sleep, Sleep::Never | Sleep::Child)
    }

    /// What a call that controls an object is to do.
    pub fn command(&self, entry: &Entry) -> Option<Command> {
        match self.object {
            Object::Control { kind, command } => {
                Some(Command::of(kind, entry.args[command] as c_int))
            }
            _ => None,
        }
    }

    /// Does it name memory as pages, and look at nothing there?
    pub fn is_of_maps(&self) -> bool {
        self.changes.maps() || matches!(self.object, Object::Attach | Object::Detach)
    }

    /// kill and its relatives.
    pub fn sends_signal(&self) -> bool {
        matches!(self.wakes, Wakes::Addressee(_))
    }

    /// fork and its relatives.
    pub fn makes_child(&self) -> bool {
        matches!(self.wakes, Wakes::Child(_))
    }
}

impl Addressee {
    /// The argument that has the signal.
    pub fn signal(self) -> usize {
        if self == Addressee::ThreadOf { 2 } else { 1 }
    }
}

impl TimeLimit {
    /// That of the calls on a socket that has this option. socket(7)
    pub const fn of_socket(option: c_int) -> TimeLimit {
        TimeLimit { error: libc::EAGAIN, ..TimeLimit::new(0, Unit::Socket(option)) }
    }

    /// A limit that counts from now; that it is reached is no error.
    pub const fn new(argument: usize, unit: Unit) -> TimeLimit {
        TimeLimit { argument, unit, from: Since::Now, error: 0, sleep: false }
    }
}

/// The rows of a family: `SYS_name name(argument As, …) { cell: …, }`. A cell that is not there is
/// as [`CallRow::new`] has it.
macro_rules! rows {
    ($($(#[$on:meta])* $number:ident $name:ident ($($param:ident $is:expr),*)
        { $($cell:ident: $value:expr),* $(,)? })*) => {
        /// The rows.
        pub const ROWS: &[CallRow] = &[$(
            $(#[$on])*
            CallRow {
                $($cell: $value,)*
                ..CallRow::new(
                    libc::$number,
                    stringify!($name),
                    &[$($crate::syscalls::cells::Param { name: stringify!($param), is: $is }),*],
                )
            },
        )*];
    };
}
pub(super) use rows;
