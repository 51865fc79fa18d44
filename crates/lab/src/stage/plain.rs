//! The stage line by line.

use std::io::Write;

use say::tell;
use screen::words::translated;

use super::acts::{Act, moved};
use super::front::{Front, View, question};
use super::keys::{Key, Source};
use super::record::Tape;
use super::words::{about, lane, mover, stands, verdict};
use crate::explore::staged::letter;

/// See the module.
pub struct Plain {
    source: Source,
    tape: Tape,
    /// How many moves were printed.
    printed: usize,
    /// Nothing was printed yet.
    begins: bool,
    /// What was asked last.
    asked: String,
}

impl Plain {
    /// Keys come from there; what is printed is taped.
    pub fn new(source: Source, tape: Tape) -> Plain {
        Plain { source, tape, printed: 0, begins: true, asked: String::new() }
    }
}

impl Front for Plain {
    fn show(&mut self, view: &View) {
        let mut text = String::new();
        if std::mem::take(&mut self.begins) {
            text += &format!("{}\n", view.setting.title);
            text += &act(0, &view.acts.all[0]);
        }
        let moves = view.acts.moves();
        if moves < self.printed {
            text += &format!("\n{}\n", tell!("Back at step {moves}."));
        }
        for n in self.printed + 1..=moves {
            text += &act(n, &view.acts.all[n]);
        }
        let news = moves != self.printed;
        self.printed = moves;
        for said in view.says {
            text += &format!("{said}\n");
        }
        let asks = self.asks(view);
        if news || asks != self.asked || !view.says.is_empty() {
            text += &asks;
            self.asked = asks;
        }
        // If nobody reads it, the keys will end, too.
        let _ = self.tape.write_all(text.as_bytes()).and_then(|()| self.tape.flush());
        self.tape.frame(true);
    }

    fn key(&mut self, _: &mut dyn FnMut() -> bool) -> Option<Key> {
        self.source.next()
    }

    fn is_patient(&self) -> bool {
        true
    }
}

impl Plain {
    fn asks(&self, view: &View) -> String {
        let mut text = String::new();
        if view.asks.is_none() {
            text += "\n";
            for (at, one) in view.scene.lanes.iter().enumerate() {
                text += &format!("  {}: {}\n", lane(view.scene, at), stands(one));
            }
        }
        if let Some(outcome) = view.ended.filter(|_| view.asks.is_none()) {
            let (good, lines) = verdict(outcome);
            let said = if good { "Nothing is wrong." } else { "Something is wrong." };
            text += &format!("{}\n", translated(said));
            lines.iter().for_each(|line| text += &format!("  {line}\n"));
        }
        if view.asks.is_none() {
            view.predicts.iter().for_each(|line| text += &format!("{line}\n"));
            view.orders.iter().for_each(|line| text += &format!("{line}\n"));
        }
        text += &format!("{}\n", question(view));
        if view.asks.is_none() && view.ended.is_none() {
            for (at, could) in view.scene.could.iter().enumerate() {
                let next =
                    if at == view.scene.first { translated("  (first in line)") } else { "" };
                let takes =
                    if view.scene.takes[at] { translated("  (takes the turn)") } else { "" };
                let about = about(view.scene, could);
                text += &format!("  {}: {}: {about}{next}{takes}\n", at + 1, mover(could));
            }
        }
        text
    }
}

/// A move in lines.
fn act(n: usize, act: &Act) -> String {
    let mut text = String::new();
    if n > 0 {
        text += &format!("\n{}\n", tell!("Step {n}: {}", moved(act)));
    }
    for told in &act.lines {
        text += &format!("  {} {} │ {}\n", letter(told.lane), told.pid, told.text);
        if let Some(says) = &told.says {
            text += &format!("        · {says}\n");
        }
    }
    for (kind, id, change) in &act.rows {
        text += &format!("  {} {id}: {change}\n", kind.name());
    }
    for change in &act.bytes {
        text += &format!("  {change}\n");
    }
    for (lane, printed) in &act.printed {
        let printed = printed.trim_end_matches('\n').replace('\n', "\\n");
        text += &format!("  {}\n", tell!("{} prints: {printed}", letter(*lane)));
    }
    text
}
