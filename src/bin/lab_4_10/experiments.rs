//! What the table of 4.10 rests on, each by itself.

use lablib::Experiment;

/// All of them.
pub const ALL: &[Experiment] = &[];
