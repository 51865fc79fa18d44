//! One event a line, as JSON. `notes/events.md` documents it.

use crate::event::Event;
use crate::view::View;

/// The events themselves.
pub struct Json;

impl View for Json {
    fn show(&mut self, event: &Event, out: &mut Vec<u8>) {
        let before = out.len();
        if serde_json::to_writer(&mut *out, event).is_err() {
            // Only a map with a key that is no string cannot be written; an event has none.
            out.truncate(before);
            return;
        }
        out.push(b'\n');
    }
}
