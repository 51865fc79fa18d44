//! The channel of 4.10: nothing is lost, torn or out of order, whatever the lengths, however the two
//! are stopped; and whatever bytes stand in a segment, an error is the worst that comes of them.

mod common;

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use std::{env, thread};

use common::isolated;
use duplex::layout::{MAGIC, RING, Role, Segment, VERSION, segment_size};
use duplex::receiver::Receiver;
use duplex::sender::Sender;
use duplex::waiters::Way;
use lablib::child::{Child, child};
use lablib::{Failure, Result, exit, sem, shm, signals};
use libc::{IPC_PRIVATE, SIGCONT, SIGSTOP};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::{pipe, write};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sysv::tables;

/// All ways to wait; `SemOp` of no set.
const WAYS: [Way; 12] = [
    Way::Suspend,
    Way::HandlerPost,
    Way::SigWait,
    Way::Semaphore,
    Way::SemOp(-1, 0),
    Way::Mutex,
    Way::Condition,
    Way::Futex,
    Way::Spin,
    Way::Yield,
    Way::Adaptive,
    Way::CpuAware,
];

/// So many in the normal run, so many in the long one.
fn count(normal: u64, soak: u64) -> u64 {
    if env::var_os("SOAK").is_some() { soak } else { normal }
}

/// Two fresh segments; removed when the two sides are through with them.
fn pair(ring: usize) -> Result<[i32; 2]> {
    let get = || shm::get(IPC_PRIVATE, segment_size(ring), 0o600);
    Ok([get()?, get()?])
}

/// Both ends of one direction, in this process: the segment is attached twice.
fn both(ring: usize) -> Result<(i32, Segment, Segment)> {
    let id = shm::get(IPC_PRIVATE, segment_size(ring), 0o600)?;
    let writer = Segment::create(id, Role::Writer)?;
    Ok((id, writer, Segment::open(id, Role::Reader)?))
}

fn over(id: i32, one: Segment, two: Segment) -> Result<()> {
    one.detach()?;
    two.detach()?;
    shm::ctl_rmid(id)
}

/// splitmix64: the same numbers in both processes.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Mostly short, now and then the longest.
    fn length(&mut self, most: usize) -> usize {
        let n = self.next();
        let most = [24, 24, 200, 200, 200, 200, 200, most as u64][n as usize % 8].min(most as u64);
        (n / 8 % (most + 1)) as usize
    }

    /// The message `n` of `len` bytes: from its bytes follow its number and that it is whole.
    fn message(n: u64, len: usize, to: &mut Vec<u8>) {
        to.resize(len, 0);
        let mut numbers = Numbers(n);
        for piece in to.chunks_mut(8) {
            piece.copy_from_slice(&numbers.next().to_le_bytes()[..piece.len()]);
        }
    }
}

/// Sends `n` messages of random lengths, some in batches, some in place.
fn say(segment: &mut Segment, way: Way, seed: u64, n: u64) -> Result<()> {
    let peer = segment.meet(None)?;
    let mut sender = Sender::new(segment, way, Some(&peer), None)?;
    let (mut numbers, mut message) = (Numbers(seed), vec![]);
    for i in 0..n {
        let len = numbers.length(sender.most());
        Numbers::message(seed ^ i, len, &mut message);
        match i % 7 {
            0 => {
                sender.reserve(len)?.write(&message);
                sender.commit();
            }
            1..4 => sender.send_later(&message)?,
            4 => while !sender.try_send(&message)? {},
            _ => sender.send(&message)?,
        }
    }
    Ok(())
}

/// Receives what `say` sends, and the goodbye.
fn hear(segment: &mut Segment, way: Way, seed: u64, n: u64) -> Result<()> {
    let peer = segment.meet(None)?;
    let most = (segment_len(segment) - RING) / 4;
    let mut receiver = Receiver::new(segment, way, Some(&peer), None)?;
    let (mut numbers, mut expected, mut got) = (Numbers(seed), vec![], vec![]);
    for i in 0..n {
        Numbers::message(seed ^ i, numbers.length(most), &mut expected);
        if i % 5 == 0 {
            let place = receiver.peek()?.ok_or_else(|| Failure::because("an early goodbye"))?;
            got.resize(place.len(), 0);
            place.read(&mut got);
            receiver.release();
        } else if !receiver.recv(&mut got)? {
            return Err(Failure::because(format!("goodbye after {i}")));
        }
        if got != expected {
            return Err(Failure::because(format!("message {i} is another")));
        }
    }
    if receiver.peek()?.is_some() || !receiver.has_ended() {
        return Err(Failure::because("more came than was sent"));
    }
    Ok(())
}

fn segment_len(segment: &Segment) -> usize {
    tables::segment(segment.shmid).map_or(0, |row| row.get("size") as usize)
}

/// One of two processes that talk both ways at once, with a thread for each direction.
fn talk(ids: [i32; 2], server: bool, way: Way, n: u64) -> Result<()> {
    way.prepare()?;
    let (mut out, mut incoming) = if server {
        let out = Segment::create(ids[0], Role::Writer)?;
        (out, Segment::create(ids[1], Role::Reader)?)
    } else {
        let incoming = open(ids[0], Role::Reader)?;
        (open(ids[1], Role::Writer)?, incoming)
    };
    let (mine, theirs) = if server { (1, 2) } else { (2, 1) };
    let said = thread::scope(|scope| {
        let writer = scope.spawn(|| say(&mut out, way, mine << 40, n));
        let heard = hear(&mut incoming, way, theirs << 40, n);
        writer.join().expect("no panic").and(heard)
    });
    out.detach()?;
    incoming.detach()?;
    said
}

/// Opens a segment as soon as it is laid out.
fn open(id: i32, role: Role) -> Result<Segment> {
    loop {
        match Segment::open(id, role) {
            Err(failure) if failure.code() == exit::NO_PEER => signals::check()?,
            opened => return opened,
        }
        thread::yield_now();
    }
}

/// Starts both, and sees them end well.
fn conversation(
    way: Way,
    ring: usize,
    n: u64,
    meanwhile: impl FnOnce(&Child, &Child) -> Result<()>,
) -> Result<()> {
    let ids = pair(ring)?;
    let a = child("A", || talk(ids, true, way, n))?;
    let b = child("B", || talk(ids, false, way, n))?;
    meanwhile(&a, &b)?;
    let ended = a.finish().and(b.finish());
    ids.into_iter().try_for_each(shm::ctl_rmid)?;
    ended
}

#[test]
fn both_ways_at_once() {
    isolated("both_ways_at_once", false, || {
        conversation(Way::CpuAware, 64 << 10, count(200_000, 10_000_000), |_, _| Ok(()))
    });
}

#[test]
fn both_ways_at_once_through_a_small_ring() {
    isolated("both_ways_at_once_through_a_small_ring", false, || {
        conversation(Way::CpuAware, 4096, count(100_000, 1_000_000), |_, _| Ok(()))
    });
}

#[test]
fn both_ways_at_once_while_either_is_stopped_and_continued() {
    isolated("both_ways_at_once_while_either_is_stopped_and_continued", false, || {
        conversation(Way::CpuAware, 16 << 10, count(200_000, 10_000_000), |a, b| {
            let mut numbers = Numbers(7);
            // Neither is reaped before `finish`, so that the pids are theirs.
            while !a.has_ended(Duration::ZERO)? && !b.has_ended(Duration::ZERO)? {
                let n = numbers.next();
                let who = if n & 1 == 0 { a } else { b };
                let send = |signal: i32| kill(who.pid, Signal::try_from(signal).ok());
                send(SIGSTOP).map_err(Failure::of("kill"))?;
                a.has_ended(Duration::from_micros(n / 2 % 3000))?;
                send(SIGCONT).map_err(Failure::of("kill"))?;
                a.has_ended(Duration::from_micros(n / 8192 % 3000))?;
            }
            Ok(())
        })
    });
}

#[test]
fn what_was_sent_before_the_goodbye_is_read() {
    isolated("what_was_sent_before_the_goodbye_is_read", false, || {
        let (id, mut out, mut incoming) = both(4096)?;
        let mut sender = Sender::new(&mut out, Way::CpuAware, None, None)?;
        sender.send(b"one")?;
        sender.send_later(b"two")?;
        drop(sender);
        let mut receiver = Receiver::new(&mut incoming, Way::CpuAware, None, None)?;
        let mut got = vec![];
        assert!(receiver.recv(&mut got)? && got == b"one");
        assert!(receiver.recv(&mut got)? && got == b"two" && !receiver.has_ended());
        assert!(!receiver.recv(&mut got)? && receiver.has_ended());
        drop(receiver);
        over(id, out, incoming)
    });
}

#[test]
fn every_way_to_wake_wakes() {
    isolated("every_way_to_wake_wakes", false, || {
        for way in WAYS {
            let semid = sem::get(IPC_PRIVATE, 2, 0o600)?;
            let way = if let Way::SemOp(..) = way { Way::SemOp(semid, 0) } else { way };
            let n = count(2_000, 200_000);
            conversation(way, 4096, n, |_, _| Ok(()))
                .map_err(|failure| Failure::because(format!("{way:?}: {failure}")))?;
            sem::ctl_rmid(semid)?;
        }
        Ok(())
    });
}

fn code<T>(result: Result<T>) -> u8 {
    result.map_or_else(|failure| failure.code(), |_| 0)
}

/// Stores 4 bytes of a segment, as somebody else would who has it attached.
fn poke(at: shm::Addr, offset: usize, value: u32) -> Result<()> {
    shm::write(at.wrapping_byte_add(offset), &value.to_ne_bytes())
}

fn peek(at: shm::Addr, offset: usize) -> Result<u32> {
    let bytes = shm::read(at.wrapping_byte_add(offset), 4)?;
    Ok(u32::from_ne_bytes(bytes.try_into().expect("4 bytes")))
}

/// The layout as a C program would declare it, in bytes from the segment's beginning.
#[allow(dead_code)]
mod c {
    pub const MAGIC: usize = 0; // uint64_t
    pub const VERSION: usize = 8; // uint32_t
    pub const RING: usize = 12; // uint32_t
    pub const WRITER_PID: usize = 16; // uint32_t, 4 bytes unused, uint64_t start time
    pub const WRITER_START: usize = 24;
    pub const READER_PID: usize = 32;
    pub const READER_START: usize = 40;
    pub const TAIL: usize = 64; // uint64_t
    pub const TAIL_CPU: usize = 72; // uint32_t
    pub const LEFT: usize = 76; // uint32_t
    pub const MESSAGE_BELL: usize = 128; // uint32_t, and 124 bytes for other ways
    pub const ROOM_BELL: usize = 256;
    pub const FIRST_RECORD: usize = 384;
}

#[test]
fn the_layout_is_the_one_of_c() {
    isolated("the_layout_is_the_one_of_c", false, || {
        assert_eq!(RING, c::FIRST_RECORD);
        let (id, mut out, incoming) = both(4096)?;
        let at = shm::at(id, shm::NULL, 0)?;
        let magic = shm::read(at, 8)?;
        assert_eq!(u64::from_ne_bytes(magic.try_into().expect("8 bytes")), MAGIC);
        let me = std::process::id();
        for (offset, value) in
            [(c::VERSION, VERSION), (c::RING, 4096), (c::WRITER_PID, me), (c::READER_PID, me)]
        {
            assert_eq!(peek(at, offset)?, value, "{offset}");
        }
        assert_ne!(peek(at, c::WRITER_START)?, 0);
        assert_eq!(peek(at, c::WRITER_START)?, peek(at, c::READER_START)?);
        let mut sender = Sender::new(&mut out, Way::Futex, None, None)?;
        sender.send(b"hello")?;
        assert_eq!(peek(at, c::FIRST_RECORD)?, 5);
        assert_eq!(peek(at, c::FIRST_RECORD + 4)? & 0xffff, 1);
        assert_eq!(shm::read(at.wrapping_byte_add(c::FIRST_RECORD + 8), 5)?, b"hello");
        assert_eq!(peek(at, c::FIRST_RECORD + 16)?, 0);
        drop(sender);
        assert_eq!(peek(at, c::FIRST_RECORD + 20)? & 0xffff, 3);
        shm::dt(at)?;
        over(id, out, incoming)
    });
}

#[test]
fn what_is_not_a_segment_of_ours_is_refused() {
    isolated("what_is_not_a_segment_of_ours_is_refused", false, || {
        for size in [1, RING, RING + 4095, RING + 32, RING + 8191] {
            let id = shm::get(IPC_PRIVATE, size, 0o600)?;
            assert_eq!(code(Segment::create(id, Role::Writer)), exit::REFUSED, "{size}");
            assert_eq!(code(Segment::open(id, Role::Reader)), exit::REFUSED, "{size}");
            shm::ctl_rmid(id)?;
        }
        assert_eq!(code(Segment::open(i32::MAX, Role::Reader)), exit::REFUSED);
        let id = shm::get(IPC_PRIVATE, segment_size(4096), 0o600)?;
        assert_eq!(code(Segment::open(id, Role::Reader)), exit::NO_PEER, "not laid out");
        let writer = Segment::create(id, Role::Writer)?;
        assert_eq!(code(Segment::create(id, Role::Writer)), exit::REFUSED, "not fresh");
        assert_eq!(code(Segment::open(id, Role::Writer)), exit::BUSY);
        let at = shm::at(id, shm::NULL, 0)?;
        for (offset, value) in [(c::MAGIC, 1), (c::VERSION, 2), (c::RING, 8192)] {
            let good = peek(at, offset)?;
            poke(at, offset, value)?;
            assert_eq!(code(Segment::open(id, Role::Reader)), exit::REFUSED, "{offset}");
            poke(at, offset, good)?;
        }
        let reader = Segment::open(id, Role::Reader)?;
        assert_eq!(code(Segment::open(id, Role::Reader)), exit::BUSY);
        // Nobody who was refused has stayed attached.
        let attached = tables::segment(id).map_or(0, |row| row.get("nattch"));
        assert_eq!(attached, 3);
        shm::dt(at)?;
        over(id, writer, reader)
    });
}

#[test]
fn each_end_is_made_once_and_in_its_role() {
    isolated("each_end_is_made_once_and_in_its_role", false, || {
        let (id, mut out, mut incoming) = both(4096)?;
        assert_eq!(code(Receiver::new(&mut out, Way::Futex, None, None)), 1);
        assert_eq!(code(Sender::new(&mut incoming, Way::Futex, None, None)), 1);
        let (mut out, incoming) = fresh(id, out, incoming)?;
        assert_eq!(code(Sender::new(&mut out, Way::Futex, None, None)), 0);
        assert_eq!(code(Sender::new(&mut out, Way::Futex, None, None)), 1);
        over(out.shmid, out, incoming)
    });
}

fn fresh(id: i32, out: Segment, incoming: Segment) -> Result<(Segment, Segment)> {
    over(id, out, incoming)?;
    let (_, out, incoming) = both(4096)?;
    Ok((out, incoming))
}

#[test]
fn a_message_may_have_a_quarter_of_the_ring() {
    isolated("a_message_may_have_a_quarter_of_the_ring", false, || {
        let (id, mut out, mut incoming) = both(4096)?;
        let mut sender = Sender::new(&mut out, Way::CpuAware, None, Some(Duration::from_secs(5)))?;
        let mut receiver = Receiver::new(&mut incoming, Way::CpuAware, None, None)?;
        assert_eq!(code(sender.send(&[0; 1025])), 1);
        assert_eq!(sender.most(), 1024);
        let mut got = vec![];
        // Through every place in the ring, and the reader has told as little as it may.
        for skip in (0..4096).step_by(8) {
            let small = vec![1; skip % 512];
            sender.send(&small)?;
            assert!(receiver.recv(&mut got)? && got == small);
            sender.send(&[7; 1024])?;
            assert!(receiver.recv(&mut got)? && got == [7; 1024]);
        }
        drop((sender, receiver));
        over(id, out, incoming)
    });
}

#[test]
fn a_full_ring_says_so_or_blocks() {
    isolated("a_full_ring_says_so_or_blocks", false, || {
        let (id, mut out, mut incoming) = both(4096)?;
        let patience = Some(Duration::from_millis(1));
        let mut sender = Sender::new(&mut out, Way::CpuAware, None, patience)?;
        let mut sent = 0;
        while sender.try_send(&[sent; 100])? {
            sent += 1;
        }
        assert_eq!(sent, 36, "records of 112 bytes and a word");
        assert!(sender.try_reserve(100)?.is_none());
        assert_eq!(code(sender.send(&[0; 100])), exit::PEER_SILENT);
        let mut receiver = Receiver::new(&mut incoming, Way::CpuAware, None, patience)?;
        let mut got = vec![];
        for n in 0..sent {
            assert!(receiver.recv(&mut got)? && got == [n; 100]);
        }
        assert!(sender.try_send(b"room")?);
        assert!(receiver.recv(&mut got)? && receiver.try_peek()?.is_none());
        assert_eq!(code(receiver.recv(&mut got)), exit::PEER_SILENT);
        drop(receiver);
        while code(sender.try_send(&[0; 100])) == 0 {}
        assert_eq!(code(sender.try_send(&[0; 100])), exit::PEER_DIED, "the reader has left");
        assert_eq!(code(sender.send(&[0; 100])), exit::PEER_DIED, "the reader has left");
        drop(sender);
        over(id, out, incoming)
    });
}

/// A child that takes its place at a segment and does nothing more.
fn idler(id: i32, role: Role) -> Result<Child> {
    child("idler", move || {
        let _segment = open(id, role)?;
        loop {
            signals::wait(&[], None, || false)?;
        }
    })
}

#[test]
fn a_dead_a_stopped_and_a_false_peer() {
    isolated("a_dead_a_stopped_and_a_false_peer", false, || {
        let id = shm::get(IPC_PRIVATE, segment_size(4096), 0o600)?;
        let mut out = Segment::create(id, Role::Writer)?;
        assert_eq!(code(out.meet(Some(Duration::from_millis(1)))), exit::NO_PEER);
        assert!(out.peer()?.is_none());
        let other = idler(id, Role::Reader)?;
        let peer = out.meet(None)?;
        assert_eq!(peer.pid, other.pid);

        let at = shm::at(id, shm::NULL, 0)?;
        let start = peek(at, c::READER_START)?;
        poke(at, c::READER_START, start.wrapping_add(1))?;
        assert_eq!(code(out.peer()), exit::NOT_A_PEER, "an heir of the number");
        poke(at, c::READER_START, start)?;
        for pid in [1, u32::MAX, 0x8000_0000] {
            poke(at, c::READER_PID, pid)?;
            assert_eq!(code(out.peer()), exit::NOT_A_PEER, "{pid}");
        }
        poke(at, c::READER_PID, std::process::id())?;
        assert_eq!(code(out.peer()), exit::NO_PEER);
        poke(at, c::READER_PID, peer.pid.as_raw() as u32)?;

        let patience = Some(Duration::from_millis(1));
        kill(other.pid, Signal::SIGSTOP).map_err(Failure::of("kill"))?;
        while !peer.is_stopped() {
            thread::yield_now();
        }
        let mut sender = Sender::new(&mut out, Way::CpuAware, Some(&peer), patience)?;
        while sender.try_send(&[0; 100])? {}
        let silent = sender.send(&[0; 100]).expect_err("nobody reads");
        assert!(silent.code() == exit::PEER_SILENT && silent.to_string().contains("state T"));
        other.kill()?;
        // Dead or silent: whichever it notices first, while the kernel buries it.
        while code(sender.send(&[0; 100])) != exit::PEER_DIED {}
        drop(sender);
        assert_eq!(code(out.peer()), exit::NO_PEER);
        other.wait()?;
        shm::dt(at)?;
        out.detach()?;
        shm::ctl_rmid(id)
    });
}

#[test]
fn a_signal_ends_every_wait() {
    isolated("a_signal_ends_every_wait", false, || {
        for way in WAYS {
            let ids = pair(4096)?;
            let semid = sem::get(IPC_PRIVATE, 2, 0o600)?;
            let way = if let Way::SemOp(..) = way { Way::SemOp(semid, 0) } else { way };
            let (ready, told) = pipe().map_err(Failure::of("pipe"))?;
            let waiter = child("waiter", || {
                signals::watch()?;
                way.prepare()?;
                let mut incoming = Segment::create(ids[0], Role::Reader)?;
                let peer = incoming.meet(None)?;
                write(told, b"!").map_err(Failure::of("write"))?;
                Receiver::new(&mut incoming, way, Some(&peer), None)?.recv(&mut vec![]).map(drop)
            })?;
            let other = idler(ids[0], Role::Writer)?;
            signals::wait_readable(ready.as_fd(), None)?;
            kill(waiter.pid, Signal::SIGTERM).map_err(Failure::of("kill"))?;
            let pid = waiter.pid;
            assert_eq!(waiter.wait()?, WaitStatus::Exited(pid, 143), "{way:?}");
            other.kill()?;
            other.wait()?;
            ids.into_iter().try_for_each(shm::ctl_rmid)?;
            sem::ctl_rmid(semid)?;
        }
        Ok(())
    });
}

/// What a hostile process may store, and where.
#[derive(Clone, Debug)]
enum Poke {
    /// In the header, but not the pids: they are for `peer`, tested above.
    Header(usize, u64),
    /// Anywhere in the ring.
    Ring(usize, u64),
    /// The word at which the reader is, nearly right.
    Word { kind: u16, len: u32 },
    /// The reader's position, nearly right.
    Tail(i64),
}

#[derive(Clone, Debug)]
enum Act {
    Poke(Poke),
    Send(usize),
    Later(usize),
    Recv,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let value = || prop_oneof![any::<u64>(), 0..5000_u64, Just(0), Just(u64::MAX)];
    let poke = prop_oneof![
        (8..48_usize, value()).prop_map(|(at, value)| Poke::Header(at * 8, value)),
        (0..512_usize, value()).prop_map(|(at, value)| Poke::Ring(at * 8, value)),
        (0..5_u16, prop_oneof![0..1100_u32, 4000..4200_u32, any::<u32>()])
            .prop_map(|(kind, len)| Poke::Word { kind, len }),
        (-5000..5000_i64).prop_map(Poke::Tail),
    ];
    let act = prop_oneof![
        1 => poke.prop_map(Act::Poke),
        3 => (0..1100_usize).prop_map(Act::Send),
        1 => (0..300_usize).prop_map(Act::Later),
        3 => Just(Act::Recv),
    ];
    prop::collection::vec(act, 1..60)
}

/// After any bytes whatever, each call ends soon, with an answer or an error that is one of ours, and
/// neither end touches anything outside the ring.
#[test]
fn hostile_bytes_are_an_error_at_worst() {
    isolated("hostile_bytes_are_an_error_at_worst", false, || {
        let cases = count(2_000, 200_000) as u32;
        let config = common::cases(cases, 410);
        let run = TestRunner::new(config).run(&acts(), |acts| {
            lablib::print::dim(|| hostile_case(&acts))
                .map_err(|e| TestCaseError::fail(e.to_string()))
        });
        run.map_err(|error| Failure::because(error.to_string()))
    });
}

fn hostile_case(acts: &[Act]) -> Result<()> {
    let (id, mut out, mut incoming) = both(4096)?;
    let at = shm::at(id, shm::NULL, 0)?;
    // The rest of the last page, which nobody owns.
    let beyond = at.wrapping_byte_add(segment_size(4096));
    let canary = vec![0xa5; 8192 - segment_size(4096)];
    // SAFETY: within the segment's two pages; see `poke`, which the list of lengths does not let here.
    unsafe { std::ptr::copy_nonoverlapping(canary.as_ptr(), beyond.cast(), canary.len()) };
    let mut sender = Sender::new(&mut out, Way::CpuAware, None, Some(Duration::from_millis(1)))?;
    let ring = incoming.addr().cast::<u8>().wrapping_add(RING);
    let ring = ring..ring.wrapping_add(4096);
    let mut receiver =
        Receiver::new(&mut incoming, Way::CpuAware, None, Some(Duration::from_millis(1)))?;
    let (mut read, mut got) = (0_u64, vec![]);
    let word =
        |offset: usize, value: u64| shm::write(at.wrapping_byte_add(offset), &value.to_ne_bytes());
    let expected =
        |code: u8| matches!(code, 0 | 1 | exit::HOSTILE | exit::PEER_SILENT | exit::PEER_DIED);
    for act in acts {
        let ended = match act {
            Act::Poke(Poke::Header(offset, value)) => code(word(*offset, *value)),
            Act::Poke(Poke::Ring(offset, value)) => code(word(RING + offset, *value)),
            Act::Poke(Poke::Word { kind, len }) => {
                let value = u64::from(*kind) << 32 | u64::from(*len);
                code(word(RING + (read as usize & 4095), value))
            }
            Act::Poke(Poke::Tail(by)) => code(word(c::TAIL, read.wrapping_add_signed(*by))),
            Act::Send(len) => code(sender.try_send(&vec![1; *len])),
            Act::Later(len) => match sender.try_reserve(*len) {
                Ok(Some(place)) => {
                    place.write(&vec![2; *len]);
                    sender.commit_later();
                    0
                }
                other => code(other),
            },
            Act::Recv => match receiver.try_peek() {
                Ok(Some(place)) => {
                    let len = place.len();
                    assert!(ring.contains(&place.as_ptr()) && len <= 1024);
                    assert!(ring.end >= place.as_ptr().wrapping_add(len));
                    got.resize(len, 0);
                    place.read(&mut got);
                    receiver.release();
                    read += 8 + len.next_multiple_of(8) as u64;
                    0
                }
                other => code(other),
            },
        };
        assert!(expected(ended), "{act:?}: {ended}");
    }
    drop((sender, receiver));
    // SAFETY: as above.
    let kept = unsafe { std::slice::from_raw_parts(beyond.cast::<u8>(), canary.len()) } == canary;
    shm::dt(at)?;
    over(id, out, incoming)?;
    if kept { Ok(()) } else { Err(Failure::because("something was written behind the ring")) }
}

/// The same while both ends are at work: a third party writes into the segment at any time. What comes
/// out may be wrong; that it comes to an end is all that can be asked.
#[test]
fn a_scribbler_makes_neither_end_crash_or_hang() {
    isolated("a_scribbler_makes_neither_end_crash_or_hang", false, || {
        for seed in 0..count(100, 5_000) {
            let (id, mut out, mut incoming) = both(4096)?;
            let at = shm::at(id, shm::NULL, 0)? as usize;
            let patience = Some(Duration::from_millis(1));
            let mut sender = Sender::new(&mut out, Way::CpuAware, None, patience)?;
            let mut receiver = Receiver::new(&mut incoming, Way::CpuAware, None, patience)?;
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut numbers = Numbers(seed);
                    while !done.load(Relaxed) {
                        // The bells, the reader's position and the ring, a word at a time.
                        let offset =
                            64 + numbers.next() as usize % (segment_size(4096) - 64) / 8 * 8;
                        let value = numbers.next() >> (numbers.next() % 64);
                        // SAFETY: within the segment, aligned; the others only use atomics and copies.
                        unsafe { AtomicU64::from_ptr((at + offset) as *mut u64) }
                            .store(value, Relaxed);
                        for _ in 0..numbers.next() % 2000 {
                            std::hint::spin_loop();
                        }
                    }
                });
                let writer = scope.spawn(|| {
                    let mut numbers = Numbers(seed);
                    (0..2000).try_for_each(|_| sender.send(&vec![1; numbers.length(1024)]))
                });
                let mut got = vec![];
                let heard = (0..2000).try_for_each(|_| receiver.recv(&mut got).map(drop));
                let said = writer.join().expect("no panic");
                done.store(true, Relaxed);
                for ended in [code(said), code(heard)] {
                    assert!(matches!(
                        ended,
                        0 | exit::HOSTILE | exit::PEER_SILENT | exit::PEER_DIED
                    ));
                }
            });
            drop((sender, receiver));
            shm::dt(at as shm::Addr)?;
            over(id, out, incoming)?;
        }
        Ok(())
    });
}
