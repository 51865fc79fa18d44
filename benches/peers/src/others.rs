//! Well-kept libraries that do the same.

use std::hint::{black_box, spin_loop};
use std::ptr::copy_nonoverlapping;
use std::thread;
use std::time::Instant;

use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};

use crate::pair::{Measured, alone, pin};
use crate::talk::Talk;

/// iceoryx2: a service for each direction, polled, or with an event for each message.
pub struct Iceoryx {
    publisher: Publisher<ipc::Service, [u8], ()>,
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    event: Option<(Notifier<ipc::Service>, Listener<ipc::Service>)>,
    _node: Node<ipc::Service>,
}

impl Iceoryx {
    /// Side 0 or 1 of a connection that has a name of its own.
    pub fn new(name: &str, side: usize, len: usize, event: bool) -> Iceoryx {
        let node = NodeBuilder::new().create::<ipc::Service>().expect("a node");
        let named = |what: &str, side: usize| {
            let name = format!("{name}/{what}/{side}");
            node.service_builder(&name.as_str().try_into().expect("a name"))
        };
        let service = |side: usize| {
            let builder = named("data", side).publish_subscribe::<[u8]>();
            let builder = builder.enable_safe_overflow(false).subscriber_max_buffer_size(64);
            builder.max_publishers(1).max_subscribers(1).open_or_create().expect("a service")
        };
        let out = service(side);
        let publisher = out.publisher_builder().initial_max_slice_len(len);
        let publisher = publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
        let publisher = publisher.create().expect("a publisher");
        let subscriber = service(1 - side).subscriber_builder().create().expect("a subscriber");
        let event = event.then(|| {
            let service =
                |side: usize| named("event", side).event().open_or_create().expect("a service");
            let notifier = service(side).notifier_builder().create().expect("a notifier");
            (notifier, service(1 - side).listener_builder().create().expect("a listener"))
        });
        Iceoryx { publisher, subscriber, event, _node: node }
    }
}

impl Talk for Iceoryx {
    fn send(&mut self, message: &[u8]) {
        let sample = self.publisher.loan_slice_uninit(message.len()).expect("loan");
        sample.write_from_slice(message).send().expect("send");
        if let Some((notifier, _)) = &self.event {
            notifier.notify().expect("notify");
        }
    }

    fn recv(&mut self, to: &mut [u8]) {
        loop {
            if let Some(sample) = self.subscriber.receive().expect("receive") {
                to.copy_from_slice(sample.payload());
                return;
            }
            match &mut self.event {
                Some((_, listener)) => drop(listener.blocking_wait(|_| {}).expect("wait")),
                None => spin_loop(),
            }
        }
    }
}

/// ipc-channel, of bytes; made before the fork.
pub struct IpcChannel(IpcBytesSender, IpcBytesReceiver);

impl IpcChannel {
    pub fn new() -> (IpcChannel, IpcChannel) {
        let ((to_b, from_a), (to_a, from_b)) =
            (bytes_channel().expect("a channel"), bytes_channel().expect("a channel"));
        (IpcChannel(to_b, from_b), IpcChannel(to_a, from_a))
    }
}

impl Talk for IpcChannel {
    fn send(&mut self, message: &[u8]) {
        self.0.send(message).expect("send");
    }

    fn recv(&mut self, to: &mut [u8]) {
        to.copy_from_slice(&self.1.recv().expect("recv"));
    }
}

/// rtrb, between two threads: it knows no processes. Nanoseconds a message of `LEN` bytes, copied in
/// and out, `batch` at once.
pub fn rtrb<const LEN: usize>(slots: usize, n: usize, batch: usize) -> Measured {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<[u8; LEN]>::new(slots);
    let reader = thread::spawn(move || {
        pin(1);
        alone();
        let (mut got, mut to) = (0, [0; LEN]);
        while got < n {
            let ready = consumer.slots().min(batch).min(n - got);
            if ready == 0 {
                spin_loop();
            } else if batch == 1 {
                if let Ok(chunk) = consumer.read_chunk(1) {
                    to.copy_from_slice(&chunk.as_slices().0[0]);
                    black_box(&to);
                    chunk.commit_all();
                    got += 1;
                }
            } else {
                let chunk = consumer.read_chunk(ready).expect("as many as it said");
                let (one, two) = chunk.as_slices();
                for message in one.iter().chain(two) {
                    to.copy_from_slice(message);
                    black_box(&to);
                }
                chunk.commit_all();
                got += ready;
            }
        }
    });
    let writer = thread::spawn(move || {
        pin(0);
        alone();
        let message = black_box([1_u8; LEN]);
        let began = Instant::now();
        let mut sent = 0;
        while sent < n {
            let room = producer.slots().min(batch).min(n - sent);
            if room == 0 {
                spin_loop();
            } else {
                let mut chunk = producer.write_chunk_uninit(room).expect("as many as it said");
                let (one, two) = chunk.as_mut_slices();
                for slot in one.iter_mut().chain(two) {
                    // SAFETY: LEN bytes to LEN bytes; all of the chunk is written before its commit.
                    unsafe { copy_nonoverlapping(message.as_ptr(), slot.as_mut_ptr().cast(), LEN) };
                }
                // SAFETY: see above.
                unsafe { chunk.commit_all() };
                sent += room;
            }
        }
        began
    });
    let began = writer.join().expect("no panic");
    reader.join().expect("no panic");
    Measured::of(began.elapsed().as_nanos() as f64 / n as f64)
}
