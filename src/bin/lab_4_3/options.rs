//! What the measurement can be told.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use lablib::value;

use crate::ways::MOST;

/// What the measurement can be told.
pub struct Options {
    /// Measure, instead of telling the story.
    pub measure: bool,
    /// Rounds for each size and way.
    pub rounds: u32,
    /// Does each side have a processor of its own, where there are two?
    pub two_cpus: bool,
    /// Bytes of a ring.
    pub ring: usize,
    /// Where a picture of the result is wanted.
    pub svg: Option<PathBuf>,
}

/// The arguments.
pub fn arguments() -> [Arg; 5] {
    let long = |name, help| Arg::new(name).long(name).help(help);
    let measure =
        long("measure", "Measure, instead of telling the story: every way, 64 B to 1 MiB");
    let rounds = long("rounds", "Rounds for each size and way; the best one counts");
    let cpus = long("cpus", "A processor for each side, or one for both");
    let sizes = "a power of two from 256 to 1048576 (a pipe has 65536)";
    let ring =
        Arg::new("ring").long("ring").help(format!("Bytes of a ring of shared memory, {sizes}"));
    let svg = long("svg", "Write a picture of the result");
    [
        measure.action(ArgAction::SetTrue),
        rounds.value_name("N").value_parser(value_parser!(u32).range(1..)).default_value("20"),
        cpus.value_name("CPUS").value_parser(["one", "two"]).default_value("two"),
        ring.value_name("BYTES").value_parser(power_of_two).default_value("65536"),
        svg.value_name("FILE").value_parser(value_parser!(PathBuf)),
    ]
}

fn power_of_two(text: &str) -> Result<usize, String> {
    let bytes = text.parse().ok();
    let bytes = bytes.filter(|n: &usize| n.is_power_of_two() && (256..=MOST).contains(n));
    bytes.ok_or_else(|| "not a power of two from 256 to 1048576".into())
}

impl Options {
    /// What was asked for.
    pub fn of(words: &ArgMatches) -> Options {
        Options {
            measure: words.get_flag("measure"),
            rounds: value(words, "rounds"),
            two_cpus: value::<String>(words, "cpus") == "two",
            ring: value(words, "ring"),
            svg: words.get_one("svg").cloned(),
        }
    }
}
