//! What comes out of a test.

use hdrhistogram::Histogram;

/// Where both sides run, and how much there is to say.
#[derive(Clone, Copy)]
pub struct Situation {
    pub name: &'static str,
    pub one_cpu: bool,
    pub idle: bool,
}

pub const SITUATIONS: [Situation; 4] = [
    Situation { name: "1 CPU busy", one_cpu: true, idle: false },
    Situation { name: "1 CPU idle", one_cpu: true, idle: true },
    Situation { name: "2 CPUs busy", one_cpu: false, idle: false },
    Situation { name: "2 CPUs idle", one_cpu: false, idle: true },
];

/// Latencies of one situation, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

impl Figure {
    pub fn of(latencies: &Histogram<u64>) -> Figure {
        let at = |quantile| latencies.value_at_quantile(quantile);
        Figure { p50: at(0.5), p99: at(0.99), max: latencies.max() }
    }
}

/// What came out.
pub struct Outcome {
    pub way: &'static str,
    pub rounds: u64,
    /// Rounds in which the reader was not woken by what was to wake it.
    pub lost: u64,
    /// One for each of [`SITUATIONS`]; none for what never wakes.
    pub figures: Vec<Option<Figure>>,
    pub verdict: &'static str,
    pub reason: String,
}

/// The verdicts.
pub const WORKS: &str = "works";
pub const AWAKE: &str = "works, but never sleeps";
pub const FAILS: &str = "fails";
pub const UNDECIDED: &str = "undecided";
