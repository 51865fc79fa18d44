//! What the page says was wanted, and whether it was reached.

use crate::report::Results;

/// What is wanted: a ratio of times, at most so much; or a time, at most so many nanoseconds.
enum Wanted {
    AtMost(&'static str, f64, &'static str),
    /// So many times as fast at least.
    Faster(&'static str, f64, &'static str),
    Nanoseconds(&'static str, f64),
}

/// The table of it.
pub fn verdicts(results: &Results) -> String {
    use Wanted::{AtMost, Faster, Nanoseconds};
    let wanted = [
        AtMost("spin: channel, spinning", 1.25, "spin: cache-line ping-pong, a line each way"),
        Faster("spin: channel, spinning", 5.0, "spin: iceoryx2, polling"),
        AtMost("one: channel, default", 0.75, "one: sem_t"),
        AtMost("one: channel, default", 0.6, "one: pipe"),
        AtMost("one: channel, default", 0.2, "one: iceoryx2, event"),
        Faster("two: channel, default", 200.0, "two: sem_t"),
        Faster("two: channel, default", 200.0, "two: futex"),
        Faster("two: channel, default", 200.0, "two: pipe"),
        AtMost("ms one: channel, default", 1.1, "ms one: sem_t"),
        AtMost("ms one: channel, default", 1.1, "ms one: futex"),
        AtMost("ms one: channel, default", 1.1, "ms one: pipe"),
        AtMost("ms two: channel, default", 1.1, "ms two: sem_t"),
        AtMost("ms two: channel, default", 1.1, "ms two: futex"),
        AtMost("ms two: channel, default", 1.1, "ms two: pipe"),
        Faster("rate: channel, copied, each published", 10.0, "rate: iceoryx2, polling"),
        Faster("rate: channel, copied, each published", 0.7, "rate: rtrb, two threads, 1 at once"),
        Faster(
            "rate: channel, copied, 32 published at once",
            0.7,
            "rate: rtrb, two threads, 32 at once",
        ),
        Nanoseconds("rate: channel, in place, 64 published at once", 1000.0 / 150.0),
        Faster("bytes: channel, copied, 64 KiB", 1.0, "bytes: rtrb, two threads, 64 KiB"),
        Faster("bytes: channel, copied, 64 KiB", 2.5, "bytes: iceoryx2, polling, 64 KiB"),
        Faster("bytes: channel, in place, 64 KiB", 0.9, "bytes: memcpy, one process, 64 KiB"),
        Faster(
            "bytes: channel, in place, 64 KiB",
            0.9,
            "bytes: memcpy, one process, through as much memory as the ring",
        ),
        Nanoseconds("duplex: channel, default", 30.0),
        AtMost("duplex: channel, default", 1.0, "duplex: channel, futex"),
        AtMost("line: ours", 1.0 / 6.0, "line: eprintln!"),
        AtMost("line: ours", 1.0 / 20.0, "line: strace -f"),
    ];
    let mut text = "| row | beside | wanted | measured | |\n|---|---|---|---|---|\n".to_string();
    for one in wanted {
        let (row, other, wanted, measured, holds) = match one {
            AtMost(row, most, other) => {
                let Some(ratio) = results.ratio(row, other) else { continue };
                (row, other, format!("at most {most:.2} x"), format!("{ratio:.2} x"), ratio <= most)
            }
            Faster(row, least, other) => {
                let Some(ratio) = results.ratio(other, row) else { continue };
                let wanted = format!("at least {least} x as fast");
                (row, other, wanted, format!("{ratio:.2} x"), ratio >= least)
            }
            Nanoseconds(row, most) => {
                let Some(time) = results.median(row) else { continue };
                (row, "", format!("at most {most:.1} ns"), format!("{time:.1} ns"), time <= most)
            }
        };
        let verdict = if holds { "reached" } else { "**not reached**" };
        text += &format!("| {row} | {other} | {wanted} | {measured} | {verdict} |\n");
    }
    text
}
