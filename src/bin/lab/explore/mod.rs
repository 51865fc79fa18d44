//! `lab explore`
mod footprint;
mod schedule;
mod search;
