//! Nothing of its own: with it, `cargo build --lib` makes the crates that the exercises use.

pub use libc;
pub use nix;
