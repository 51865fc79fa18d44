//! What an id is made of, and how long it lasts.
use lablib::Experiment;
pub const ALL: &[Experiment] = &[];
