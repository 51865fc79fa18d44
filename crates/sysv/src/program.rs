//! Other programs of this machine, such as the real `ipcs` of util-linux.

use std::io::{self, Error, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::spell;

/// What a program has done that this machine has.
pub struct Ran {
    /// Did it end with 0?
    pub well: bool,
    /// What it printed.
    pub output: String,
}

/// Runs a program, without input, its messages thrown away; `None` if this machine has none of that name. A
/// failure: of which call, and why. By posix_spawn: a fork would attach a copy of what we have attached, and
/// change what is being compared. What std has for this panics when a call fails.
pub fn run(program: &str, arguments: &[&str]) -> Result<Option<Ran>, (String, Error)> {
    let name = format!("{program} {}", arguments.join(" "));
    let call = |call: &str| {
        let call = format!("{call}(\"{name}\")");
        move |error| (call, error)
    };
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
    let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        spawned => spawned.map_err(call("posix_spawn"))?,
    };
    let output = child.stdout.take().map_or(Ok(String::new()), io::read_to_string);
    let ended = child.wait().map_err(call("waitpid"))?;
    let output = output.map_err(call("read"))?;
    match ended.signal() {
        Some(signal) => {
            let why = format!("it was killed by {}", spell::signal(signal));
            Err((name, Error::other(why)))
        }
        None => Ok(Some(Ran { well: ended.success(), output })),
    }
}
