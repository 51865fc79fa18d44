//! Both sides in one terminal, with a script in which both speak at once.

use std::time::Duration;

use duplex::peers::in_company;
use lablib::child::{child, pipe};
use lablib::{Failure, Result, exit, signals};
use nix::unistd::read;
use std::os::fd::AsFd;

use crate::input::{Input, Script};
use crate::options::Options;
use crate::{client, server};

/// Time between two looks at the two.
const LOOK: Duration = Duration::from_millis(20);

const SERVER_SAYS: &[&str] =
    &["welcome", "three messages in a row", "and I have not waited for a word of yours"];
const CLIENT_SAYS: &[&str] = &[
    "hello",
    "I was speaking too, at the same time",
    "grüße, 你好, здравствуй",
    "neither of us has lost a message",
    "goodbye",
];

/// The conversation of the demonstration.
pub fn both(options: &Options) -> Result<()> {
    converse(options, SERVER_SAYS, CLIENT_SAYS)
}

/// Both, as two processes that know nothing of each other but the keys. The client is started when
/// the server is ready; the other order is a fault, and has its own answer.
pub fn converse(
    options: &Options,
    server_says: &'static [&'static str],
    client_says: &'static [&'static str],
) -> Result<()> {
    let (from, ready) = pipe()?;
    let ((from_client, to_server), (from_server, to_client)) = (pipe()?, pipe()?);
    let part = |lines, first, to_other, from_other| {
        Input::Script(Script { lines, first, to_other, from_other })
    };
    let of_server = part(server_says, true, to_client, from_client);
    let of_client = part(client_says, false, to_server, from_server);
    let server = child("server", || in_company(server::serve(options, &of_server, Some(ready))))?;
    signals::wait_readable(from.as_fd(), None)?;
    // A pipe that ends without a byte: the server has failed.
    if read(&from, &mut [0]).map_err(Failure::of("read"))? == 0 {
        return server.finish();
    }
    let client = child("client", || in_company(client::call(options, &of_client)))?;
    while !server.has_ended(LOOK)? && !client.has_ended(Duration::ZERO)? {}
    if !server.has_ended(Duration::ZERO)? {
        // A client that failed may never have met the server, which then goes with us.
        client.finish()?;
        return server.finish();
    }
    match server.finish() {
        Err(Failure::Told(exit::PEER_DIED)) => client.finish(),
        // The client may wait for its turn for ever: it goes with us.
        Err(cause) => Err(cause),
        Ok(()) => client.finish(),
    }
}
