//! What the page says was wanted, and whether it was reached: beside the limits, and beside others.

use crate::report::{Results, title};

/// What is wanted: a ratio of times, at most so much.
enum Wanted {
    AtMost(&'static str, f64, &'static str),
    /// So many times as fast at least.
    Faster(&'static str, f64, &'static str),
}

/// Beside what others reach.
pub fn beside_others(results: &Results) -> String {
    use Wanted::{AtMost, Faster};
    let wanted = [
        Faster("spin: channel, spinning", 5.0, "spin: iceoryx2, polling"),
        AtMost("one: channel, default", 0.75, "one: sem_t"),
        AtMost("one: channel, default", 0.7, "one: pipe"),
        AtMost("one: channel, default", 0.25, "one: iceoryx2, event"),
        AtMost("two: channel, futex", 1.1, "two: futex"),
        AtMost("ms one: channel, default", 1.1, "ms one: sem_t"),
        AtMost("ms one: channel, default", 1.1, "ms one: futex"),
        AtMost("ms one: channel, default", 1.1, "ms one: pipe"),
        AtMost("ms two: channel, default", 1.1, "ms two: sem_t"),
        AtMost("ms two: channel, default", 1.1, "ms two: futex"),
        AtMost("ms two: channel, default", 1.1, "ms two: pipe"),
        Faster("rate: channel, copied, each published", 10.0, "rate: iceoryx2, polling"),
        Faster("rate: channel, copied, each published", 0.7, "rate: rtrb, two threads, 1 at once"),
        Faster(
            "rate: channel, copied, 32 slots of 64 B in a message",
            0.9,
            "rate: rtrb, two threads, 32 at once",
        ),
        Faster(
            "rate: channel, copied, 32 published at once",
            0.9,
            "rate: rtrb, two threads, 32 at once",
        ),
        Faster("bytes: channel, copied, 64 KiB", 1.0, "bytes: rtrb, two threads, 64 KiB"),
        Faster("bytes: channel, copied, 64 KiB", 1.5, "bytes: iceoryx2, polling, 64 KiB"),
        AtMost("duplex: channel, default", 1.1, "duplex: channel, futex"),
        AtMost("line: ours", 1.0 / 5.0, "line: eprintln!"),
        AtMost("line: ours", 1.0 / 15.0, "line: strace -f"),
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
        };
        let verdict = if holds { "reached" } else { "**not reached**" };
        text +=
            &format!("| {} | {} | {wanted} | {measured} | {verdict} |\n", plain(row), plain(other));
    }
    text
}

/// A row, and what it cannot do without.
pub struct Limit {
    /// What the picture calls it.
    pub name: &'static str,
    pub row: &'static str,
    pub limit: &'static str,
    /// So much of the limit's row.
    pub part: f64,
    pub why: &'static str,
    /// The nearest other one, for the picture.
    pub other: Option<&'static str>,
}

/// A row beside its limit: so many times, at most.
const NEAR: f64 = 1.35;

const fn limit(
    name: &'static str,
    row: &'static str,
    limit: &'static str,
    why: &'static str,
) -> Limit {
    Limit { name, row, limit, part: 1.0, why, other: None }
}

const RECORD: &str = "spin: limit: 72 B each way, in a ring, copied in and out";

/// All that have one.
pub const LIMITS: [Limit; 16] = [
    Limit {
        other: Some("spin: iceoryx2, polling"),
        ..limit(
            "round trip, spinning",
            "spin: channel, spinning",
            RECORD,
            "64 B and their word are two lines; both cross, both ways, and are stored and loaded",
        )
    },
    limit(
        "round trip, spinning, 56 B",
        "spin: channel, spinning, 56 B: one line each way",
        "spin: cache-line ping-pong, a line each way",
        "56 B and their word are one line",
    ),
    limit(
        "72 B, bare, beside one line",
        RECORD,
        "spin: cache-line ping-pong, a line each way",
        "no channel at all: the limit of the first row, beside one line",
    ),
    limit(
        "round trip, spinning, one line",
        "spin: channel, spinning",
        "spin: cache-line ping-pong, a line each way",
        "what a message of one line would cost; 72 B are two",
    ),
    Limit {
        other: Some("one: sem_t"),
        ..limit(
            "round trip, one CPU",
            "one: channel, default",
            "one: limit: two switches, by sched_yield",
            "each side must run once: two switches",
        )
    },
    limit(
        "round trip, one CPU, futex",
        "one: channel, futex",
        "one: futex",
        "two switches, two calls that wake, two that sleep",
    ),
    Limit {
        other: Some("two: sem_t"),
        ..limit(
            "round trip, two CPUs",
            "two: channel, default",
            RECORD,
            "the same: both sides are awake",
        )
    },
    limit(
        "round trip, two CPUs, futex",
        "two: channel, futex",
        "two: futex",
        "a CPU is woken twice, and the host decides how fast",
    ),
    Limit {
        part: 0.5,
        other: Some("ms two: pipe"),
        ..limit(
            "one a millisecond, two CPUs",
            "ms two: channel, default",
            "ms two: sem_t",
            "a round trip of sem_t wakes two CPUs; one is enough, as the first side looks before it sleeps",
        )
    },
    Limit {
        other: Some("rate: rtrb, two threads, 1 at once"),
        ..limit(
            "a message, each published",
            "rate: channel, copied, each published",
            "rate: limit: 72 B a message, nothing but the lines, each published",
            "9 lines cross for 8 messages, and the bytes are stored and loaded",
        )
    },
    Limit {
        other: Some("rate: rtrb, two threads, 32 at once"),
        ..limit(
            "a message, 32 at once",
            "rate: channel, copied, 32 published at once",
            "rate: limit: 72 B a message, nothing but the lines, 32 at once",
            "the same, and one count for 32",
        )
    },
    limit(
        "a message, in place, 64 at once",
        "rate: channel, in place, 64 published at once",
        "rate: limit: 72 B a message, in place, 64 at once",
        "the same, filled and added up where it is",
    ),
    Limit {
        other: Some("bytes: rtrb, two threads, 64 KiB"),
        ..limit(
            "64 KiB, copied",
            "bytes: channel, copied, 64 KiB",
            "bytes: limit: a count for each 64 KiB, copied",
            "1,024 lines cross, copied in and out",
        )
    },
    limit(
        "64 KiB, in place",
        "bytes: channel, in place, 64 KiB",
        "bytes: limit: a count for each 64 KiB, in place",
        "1,024 lines cross, filled and added up",
    ),
    Limit {
        part: 0.5,
        ..limit(
            "full duplex, a message",
            "duplex: channel, default",
            "rate: the code alone: both ends in one thread",
            "two CPUs run it, and no line crosses",
        )
    },
    Limit {
        other: Some("line: eprintln!"),
        ..limit(
            "a line of the trace",
            "line: ours",
            "line: write(2) alone, of a finished line",
            "its write(2)",
        )
    },
];

/// A row without what the table says by itself.
fn plain(name: &str) -> &str {
    name.strip_prefix("rate: ").unwrap_or(name)
}

/// Beside what cannot be left out.
pub fn beside_limits(results: &Results) -> String {
    let mut text = format!(
        "| row | its limit, and why it is one | limit | measured | ratio | at most {NEAR} x? |\n|---|---|---|---|---|---|\n"
    );
    for Limit { row, limit, part, why, .. } in LIMITS {
        let (Some(measured), Some(bare), Some(ratio)) =
            (results.spelled(row, 1.0), results.spelled(limit, part), results.ratio(row, limit))
        else {
            continue;
        };
        let ratio = ratio / part;
        let verdict = if ratio <= NEAR { "reached" } else { "**not reached**" };
        let limit = title(limit).trim_start_matches("limit: ");
        let half = if part < 1.0 { "half of " } else { "" };
        text += &format!(
            "| {} | {half}{limit}: {why} | {bare} | {measured} | {ratio:.2} x | {verdict} |\n",
            plain(row)
        );
    }
    text
}
