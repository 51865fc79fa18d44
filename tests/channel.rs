//! The channel of 4.10: nothing is lost, torn or out of order, whatever the lengths, however the two
//! are stopped; and whatever bytes stand in a segment, an error is the worst that comes of them.

mod common;

use std::time::Duration;
use std::{env, thread};

use common::{run, this_test};
use lablib::channel::{RING, Role, Segment, segment_size};
use lablib::process::{Child, child};
use lablib::wakeup::Way;
use lablib::{Failure, Result, cleanup, exit, sem, shm, signals};
use libc::{IPC_PRIVATE, SIGCONT, SIGSTOP};
use nix::sys::signal::{Signal, kill};

const INSIDE: &str = "CHANNEL_INSIDE";

/// Runs a test again as a student, in an IPC namespace of its own and with one thread.
fn isolated(name: &str, body: fn() -> Result<()>) {
    if env::var_os(INSIDE).is_some() {
        cleanup::start();
        return body().expect("what the channel promises");
    }
    let run = run(&this_test()).args(&[name, "--exact", "--test-threads=1"]).env(INSIDE, "1").go();
    let ran = run.stdout.contains("1 passed");
    assert!(ran && run.code == 0 && run.left.is_empty(), "{run:#?}");
}

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
    let mut sender = segment.sender(way, Some(&peer), None)?;
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
    let mut receiver = segment.receiver(way, Some(&peer), None)?;
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
    lablib::system::segment(segment.shmid).map_or(0, |row| row.get("size") as usize)
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
    isolated("both_ways_at_once", || {
        conversation(Way::CpuAware, 64 << 10, count(200_000, 10_000_000), |_, _| Ok(()))
    });
}

#[test]
fn both_ways_at_once_through_a_small_ring() {
    isolated("both_ways_at_once_through_a_small_ring", || {
        conversation(Way::CpuAware, 4096, count(100_000, 1_000_000), |_, _| Ok(()))
    });
}

#[test]
fn both_ways_at_once_while_either_is_stopped_and_continued() {
    isolated("both_ways_at_once_while_either_is_stopped_and_continued", || {
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
    isolated("what_was_sent_before_the_goodbye_is_read", || {
        let (id, mut out, mut incoming) = both(4096)?;
        let mut sender = out.sender(Way::CpuAware, None, None)?;
        sender.send(b"one")?;
        sender.send_later(b"two")?;
        drop(sender);
        let mut receiver = incoming.receiver(Way::CpuAware, None, None)?;
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
    isolated("every_way_to_wake_wakes", || {
        for way in Way::ALL {
            let semid = sem::get(IPC_PRIVATE, 2, 0o600)?;
            let way = if let Way::SemOp(..) = way { Way::SemOp(semid, 0) } else { way };
            let n = count(2_000, 200_000);
            conversation(way, 4096, n, |_, _| Ok(()))
                .map_err(|failure| Failure::because(format!("{}: {failure}", way.name())))?;
            sem::ctl_rmid(semid)?;
        }
        Ok(())
    });
}
