//! The channel.

use std::hint::black_box;
use std::time::Instant;
use std::{ptr, thread};

use crate::pair::{Measured, Pin, meet, pair};
use crate::talk::Talk;
use duplex::layout::{Role, Segment, segment_size};
use duplex::peers::Peer;
use duplex::receiver::Receiver;
use duplex::sender::Sender;
use duplex::waiters::Way;
use lablib::{exit, shm};

/// The ring of every row but those of 64 KiB messages.
pub const RING: usize = 64 << 10;

/// Two segments in this run's own IPC namespace.
#[derive(Clone, Copy)]
pub struct Segments([i32; 2]);

impl Segments {
    pub fn new(ring: usize) -> Segments {
        let get = || shm::get(libc::IPC_PRIVATE, segment_size(ring), 0o600).expect("shmget");
        Segments([get(), get()])
    }

    pub fn remove(self) {
        self.0.into_iter().for_each(|id| shm::ctl_rmid(id).expect("IPC_RMID"));
    }

    /// The two ends of one side. Leaked: a side lives as long as its process.
    pub fn side(self, server: bool, way: Way) -> Ours {
        let (out, incoming) = if server {
            let create = |id, role| Segment::create(id, role).expect("create");
            (create(self.0[0], Role::Writer), create(self.0[1], Role::Reader))
        } else {
            let incoming = open(self.0[0], Role::Reader);
            (open(self.0[1], Role::Writer), incoming)
        };
        let peer: &'static Peer = Box::leak(Box::new(out.meet(None).expect("a peer")));
        let (out, incoming) = (Box::leak(Box::new(out)), Box::leak(Box::new(incoming)));
        let sender = Sender::new(out, way, Some(peer), None).expect("a sender");
        let receiver = Receiver::new(incoming, way, Some(peer), None).expect("a receiver");
        Ours { sender, receiver, got: vec![] }
    }
}

fn open(id: i32, role: Role) -> Segment {
    loop {
        match Segment::open(id, role) {
            Err(failure) if failure.code() == exit::NO_PEER => thread::yield_now(),
            opened => return opened.expect("open"),
        }
    }
}

pub struct Ours {
    sender: Sender<'static>,
    receiver: Receiver<'static>,
    got: Vec<u8>,
}

impl Talk for Ours {
    #[inline]
    fn send(&mut self, message: &[u8]) {
        self.sender.send(message).expect("send");
    }

    #[inline]
    fn recv(&mut self, _to: &mut [u8]) {
        // Into a buffer of its own: the other rows copy out once, and so does this one.
        assert!(self.receiver.recv(&mut self.got).expect("recv"), "an early goodbye");
    }
}

/// How a stream of messages is written and read.
#[derive(Clone, Copy)]
pub enum Mode {
    /// Copied in and out, so many published at once.
    Copied(usize),
    /// All bytes stored where they will be read, and all loaded there; so many published at once.
    InPlace(usize),
    /// So many messages of one length, as one record: each copied into its slot, and out of it.
    Slots(usize),
}

/// Nanoseconds a message, one way.
pub fn stream(way: Way, ring: usize, n: usize, len: usize, mode: Mode) -> Measured {
    let segments = Segments::new(ring);
    let first = || {
        let Ours { mut sender, mut receiver, .. } = segments.side(true, way);
        let message = vec![1; len];
        meet();
        let mut go = |n: usize| {
            let began = Instant::now();
            write(&mut sender, &message, n, mode);
            receiver.recv(&mut vec![]).expect("an answer");
            began.elapsed().as_nanos() as f64 / n as f64
        };
        go(n / 10);
        let time = go(n);
        meet();
        time
    };
    let second = || {
        let Ours { mut sender, mut receiver, .. } = segments.side(false, way);
        meet();
        for n in [n / 10, n] {
            read(&mut receiver, n, len, mode);
            sender.send(b"all").expect("send");
        }
        meet();
    };
    let measured = pair(Pin::Spinning, first, second);
    segments.remove();
    measured
}

fn write(sender: &mut Sender, message: &[u8], n: usize, mode: Mode) {
    let (Mode::Copied(batch) | Mode::InPlace(batch) | Mode::Slots(batch)) = mode;
    let len = message.len();
    if let Mode::Slots(slots) = mode {
        return write_slots(sender, message, n, slots);
    }
    let mut gathered = 0;
    for i in 0..n {
        match mode {
            Mode::Copied(_) => sender.send_later(message).expect("send"),
            Mode::InPlace(_) => {
                let place = sender.reserve(len).expect("reserve");
                // SAFETY: `len` bytes that are ours until the commit, aligned to 8.
                unsafe {
                    match len {
                        // In the program's text, so that no call is needed.
                        64 => ptr::write_bytes(place.as_ptr(), i as u8, 64),
                        _ => ptr::write_bytes(place.as_ptr(), i as u8, len),
                    }
                }
                sender.commit_later();
            }
            Mode::Slots(_) => unreachable!("see above"),
        }
        gathered += 1;
        if gathered == batch {
            sender.publish();
            gathered = 0;
        }
    }
    sender.publish();
}

fn read(receiver: &mut Receiver, n: usize, len: usize, mode: Mode) {
    let mut got = vec![];
    let mut sum = 0_u64;
    if let Mode::Slots(slots) = mode {
        return read_slots(receiver, n, slots);
    }
    for _ in 0..n {
        match mode {
            Mode::Copied(_) => {
                receiver.recv(&mut got).expect("recv");
            }
            Mode::InPlace(_) => {
                let place = receiver.peek().expect("peek").expect("a message");
                let at = place.as_ptr().cast::<[u64; 8]>();
                for line in 0..len / 64 {
                    // SAFETY: within the message. The writer leaves it alone until `release`.
                    let words = unsafe { at.add(line).read() };
                    sum = words.into_iter().fold(sum, u64::wrapping_add);
                }
                receiver.release();
            }
            Mode::Slots(_) => unreachable!("see above"),
        }
    }
    black_box((sum, got));
}

/// A slot: the length of each is known when the program is compiled, as rtrb's are.
type Slot = [u8; 64];

fn write_slots(sender: &mut Sender, message: &[u8], n: usize, slots: usize) {
    let message: Slot = black_box(message.try_into().expect("64 bytes"));
    let mut sent = 0;
    while sent < n {
        let some = slots.min(n - sent);
        let place = sender.reserve(some * size_of::<Slot>()).expect("reserve");
        let at = place.as_ptr().cast::<Slot>();
        // SAFETY: `some` slots that are ours until the commit.
        (0..some).for_each(|i| unsafe { at.add(i).write(message) });
        sender.commit();
        sent += some;
    }
}

fn read_slots(receiver: &mut Receiver, n: usize, slots: usize) {
    let mut got = 0;
    while got < n {
        let place = receiver.peek().expect("peek").expect("a message");
        let (at, some) = (place.as_ptr().cast::<Slot>(), place.len() / size_of::<Slot>());
        assert!(some <= slots && some > 0, "{some} slots");
        // SAFETY: within the message. The writer leaves it alone until `release`.
        (0..some).for_each(|i| _ = black_box(&unsafe { at.add(i).read() }));
        receiver.release();
        got += some;
    }
}

/// Nanoseconds a message when both send `n` at once, with a thread for each direction.
pub fn duplex(way: Way, n: usize) -> Measured {
    let segments = Segments::new(RING);
    let side = |server: bool| {
        let Ours { mut sender, mut receiver, .. } = segments.side(server, way);
        meet();
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| (0..n).for_each(|_| sender.send(&[1; 64]).expect("send")));
            let mut got = vec![];
            for _ in 0..n {
                receiver.recv(&mut got).expect("recv");
            }
        });
        meet();
        began.elapsed().as_nanos() as f64 / (2 * n) as f64
    };
    let measured = pair(Pin::Free, || side(true), || _ = side(false));
    segments.remove();
    measured
}

/// Nanoseconds to send and receive one message in one thread, both ends: the code alone, while no cache
/// line moves.
pub fn alone(way: Way, n: usize, len: usize) -> Measured {
    let first = || {
        let id = shm::get(libc::IPC_PRIVATE, segment_size(RING), 0o600).expect("shmget");
        let mut out = Segment::create(id, Role::Writer).expect("create");
        let mut incoming = Segment::open(id, Role::Reader).expect("open");
        let mut sender = Sender::new(&mut out, way, None, None).expect("a sender");
        let mut receiver = Receiver::new(&mut incoming, way, None, None).expect("a receiver");
        let (message, mut got) = (vec![1; len], vec![]);
        let began = Instant::now();
        for _ in 0..n {
            sender.send(&message).expect("send");
            receiver.recv(&mut got).expect("recv");
        }
        let time = began.elapsed();
        drop((sender, receiver));
        shm::ctl_rmid(id).expect("IPC_RMID");
        time.as_nanos() as f64 / n as f64
    };
    pair(Pin::Spinning, first, || {})
}
