//! What is measured, over anything that can send and receive.

use std::time::{Duration, Instant};

use crate::pair::{Measured, Pin, meet, pair};

/// One side of a connection.
pub trait Talk {
    fn send(&mut self, message: &[u8]);
    /// Receives a message of this length.
    fn recv(&mut self, to: &mut [u8]);
}

/// Nanoseconds of a round trip: one sends, the other answers with the same, and so on.
pub fn round_trip<A: Talk, B: Talk>(
    place: Pin,
    n: usize,
    len: usize,
    a: impl FnOnce() -> A,
    b: impl FnOnce() -> B,
) -> Measured {
    let warm = n / 10;
    let first = || {
        let (mut talk, message, mut got) = (a(), vec![1; len], vec![0; len]);
        let mut turn = || {
            talk.send(&message);
            talk.recv(&mut got);
        };
        meet();
        (0..warm).for_each(|_| turn());
        let began = Instant::now();
        (0..n).for_each(|_| turn());
        let time = began.elapsed();
        meet();
        time.as_nanos() as f64 / n as f64
    };
    let mut measured = pair(place, first, || echo(b(), n + warm, len));
    measured.cpu /= (n + warm) as f64;
    measured
}

fn echo(mut talk: impl Talk, n: usize, len: usize) {
    let mut got = vec![0; len];
    meet();
    for _ in 0..n {
        talk.recv(&mut got);
        talk.send(&got);
    }
    meet();
}

/// Nanoseconds of a round trip, the median, when there is one each millisecond.
pub fn paced<A: Talk, B: Talk>(
    place: Pin,
    n: usize,
    a: impl FnOnce() -> A,
    b: impl FnOnce() -> B,
) -> Measured {
    let first = || {
        let (mut talk, message, mut got) = (a(), [1; 64], [0; 64]);
        meet();
        let mut times: Vec<f64> = (0..n)
            .map(|_| {
                std::thread::sleep(Duration::from_millis(1));
                let began = Instant::now();
                talk.send(&message);
                talk.recv(&mut got);
                began.elapsed().as_nanos() as f64
            })
            .collect();
        meet();
        times.sort_by(f64::total_cmp);
        times[n / 2]
    };
    let mut measured = pair(place, first, || echo(b(), n, 64));
    measured.cpu /= n as f64;
    measured
}

/// Nanoseconds a message, one way, one call for each; the last one is answered.
pub fn one_way<A: Talk, B: Talk>(
    place: Pin,
    n: usize,
    len: usize,
    a: impl FnOnce() -> A,
    b: impl FnOnce() -> B,
) -> Measured {
    let warm = n / 10;
    let first = || {
        let (mut talk, message, mut got) = (a(), vec![1; len], vec![0; len]);
        meet();
        let mut go = |n: usize| {
            let began = Instant::now();
            (0..n).for_each(|_| talk.send(&message));
            talk.recv(&mut got);
            began.elapsed().as_nanos() as f64 / n as f64
        };
        go(warm);
        let time = go(n);
        meet();
        time
    };
    let second = || {
        let (mut talk, mut got) = (b(), vec![0; len]);
        meet();
        for n in [warm, n] {
            (0..n).for_each(|_| talk.recv(&mut got));
            talk.send(&got);
        }
        meet();
    };
    pair(place, first, second)
}
