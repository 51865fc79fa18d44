//! The stage on a terminal: lanes, the kernel's rows, the bytes, and at the bottom the question.
//!
//! | module | what it holds |
//! |---|---|
//! | [`text`] | what fits, and its colours |
//! | [`lanes`] | what happened, a lane for each process and thread |
//! | [`kernel`] | the kernel's rows, and what memory holds |
//! | [`guard`] | the terminal as it was, however we end |

use std::io;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use ratatui::{Terminal, TerminalOptions, Viewport};
use say::tell;
use screen::words::translated;

pub mod guard;
mod kernel;
mod lanes;
mod text;

use super::front::{Front, View, question};
use super::keys::{Key, Typed};
use super::record::Tape;
use super::tty;
use super::words::{about, mover, verdict};
use crate::explore::staged::Who;
use text::{Palette, cut, pad, row, rule, width, wrap};

/// Smaller than this, and there is no room for a stage.
const LEAST: (usize, usize) = (40, 12);
/// The lanes have at least so many rows.
const LANES: usize = 6;

/// See the module.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Tape>>,
    /// Its columns and rows when it was drawn last.
    size: (u16, u16),
    typed: Typed,
    palette: Palette,
    tape: Tape,
}

impl Screen {
    /// Takes the terminal; what is drawn is taped.
    pub fn new(tape: Tape) -> io::Result<Screen> {
        guard::take()?;
        let size = size();
        let options = TerminalOptions { viewport: Viewport::Fixed(area(size)) };
        let terminal = Terminal::with_options(CrosstermBackend::new(tape.clone()), options)?;
        let palette = Palette::of_environment();
        Ok(Screen { terminal, size, typed: Typed::default(), palette, tape })
    }

    /// All of it is drawn anew: the terminal has another size, or shows something else.
    fn anew(&mut self) {
        self.size = size();
        // If the terminal is gone, no key will come either.
        let _ = self.terminal.resize(area(self.size));
    }
}

fn area((columns, rows): (u16, u16)) -> Rect {
    Rect::new(0, 0, columns, rows)
}

impl Drop for Screen {
    fn drop(&mut self) {
        guard::give_back();
    }
}

impl Front for Screen {
    fn show(&mut self, view: &View) {
        let palette = self.palette;
        if self.size != size() {
            self.anew();
        }
        // If the terminal is gone, no key will come either.
        let _ = self.terminal.draw(|frame| {
            let area = frame.area();
            let (columns, rows) = (area.width.into(), area.height.into());
            frame.render_widget(Paragraph::new(composed(view, palette, columns, rows)), area);
        });
        self.tape.frame(false);
    }

    fn is_patient(&self) -> bool {
        false
    }

    fn key(&mut self, news: &mut dyn FnMut() -> bool) -> Option<Key> {
        loop {
            if news() || self.size != size() {
                return Some(Key::Redraw);
            }
            match self.typed.next(tty::LOOK).ok()? {
                Some(Key::Redraw) => {
                    self.anew();
                    return Some(Key::Redraw);
                }
                Some(key) => {
                    assert!(!breaks(key), "LAB_STAGE_PANICS");
                    return Some(key);
                }
                None => {}
            }
        }
    }
}

/// A defect of ours, for the tests: with LAB_STAGE_PANICS, the key `!` is one.
fn breaks(key: Key) -> bool {
    cfg!(debug_assertions)
        && key == Key::Char('!')
        && std::env::var_os("LAB_STAGE_PANICS").is_some()
}

/// The terminal's columns and rows; of what is none, those of a small one.
pub fn size() -> (u16, u16) {
    tty::size().unwrap_or((80, 24))
}

/// All rows of the screen.
fn composed(view: &View, palette: Palette, columns: usize, rows: usize) -> Vec<Line<'static>> {
    if (columns, rows) < LEAST || rows < LEAST.1 {
        return vec![row(
            cut(translated("too small: 40 columns and 12 rows"), columns),
            palette.bold(),
        )];
    }
    let moves = view.acts.moves();
    let step = format!(" {} ", tell!("step {moves}"));
    let title = pad(&format!(" {}", view.setting.title), columns.saturating_sub(width(&step)));
    let title =
        Line::from(vec![Span::styled(title, palette.bold()), Span::styled(step, palette.aside())]);
    let bottom = asks(view, palette, columns);
    let sentence = sentence(view, palette, columns);
    let mut kernel = kernel::rows(view, palette, columns);
    let fixed = 1 + bottom.len() + sentence.len();
    let room = rows.saturating_sub(fixed + LANES);
    kernel.truncate(room.max(2));
    let left = room.saturating_sub(kernel.len());
    let memory = kernel::memory(view, palette, columns, left.min(rows / 3));
    let used = fixed + kernel.len() + memory.len();
    let mut all = vec![title];
    let lanes = rows.saturating_sub(used);
    // A list that was asked for lies over the lanes.
    match view.says.len() > 2 {
        true => {
            let mut said: Vec<Line> =
                view.says.iter().map(|one| row(cut(one, columns), palette.bold())).collect();
            said.resize(lanes, Line::default());
            all.extend(said);
        }
        false => all.extend(lanes::lanes(view, palette, columns, lanes)),
    }
    all.extend(kernel);
    all.extend(memory);
    all.extend(sentence);
    all.extend(bottom);
    all
}

/// What the note says of what happened last.
fn sentence(view: &View, palette: Palette, columns: usize) -> Vec<Line<'static>> {
    let last = view.acts.all.last().map_or(&[][..], |act| &act.lines);
    let Some(says) = last.iter().rev().find_map(|told| told.says.as_ref()) else { return vec![] };
    let mut all = vec![rule(translated("the note says"), columns, palette.aside())];
    let rows = wrap(says, columns - 2, 0);
    all.extend(rows.into_iter().take(2).map(|text| row(format!(" {text}"), palette.bold())));
    all
}

/// The question at the bottom, and its answers.
fn asks(view: &View, palette: Palette, columns: usize) -> Vec<Line<'static>> {
    let mut all = vec![rule("", columns, palette.aside())];
    if view.says.len() <= 2 {
        let rows = view.says.iter().flat_map(|one| wrap(one, columns - 2, 2));
        all.extend(rows.map(|text| row(format!(" {text}"), palette.bold())));
    }
    if let Some(outcome) = view.ended.filter(|_| view.asks.is_none()) {
        let (good, lines) = verdict(outcome);
        for line in lines {
            let rows = wrap(&line, columns - 2, 2);
            all.extend(rows.into_iter().map(|text| row(format!(" {text}"), palette.verdict(good))));
        }
    }
    let orders = view.orders.iter().filter(|_| view.asks.is_none());
    for line in view.predicts.iter().chain(orders) {
        all.push(row(cut(&format!(" {line}"), columns), palette.bold()));
    }
    let question = question(view);
    all.push(row(cut(&format!(" {question} {}", view.typed), columns), palette.bold()));
    if view.asks.is_some() || view.ended.is_some() {
        return all;
    }
    let count = view.scene.could.len();
    for (at, could) in view.scene.could.iter().enumerate() {
        let space = if at == view.scene.first { translated("space") } else { "" };
        let letter = if could.who == Who::Time { "t" } else { "" };
        let gap = " ".repeat(6_usize.saturating_sub(width(space)));
        let keys = format!("{gap}{space} {} {letter:1} ", at + 1);
        let takes =
            if view.scene.takes[at] && count > 1 { translated("  (takes the turn)") } else { "" };
        let name = format!("{}  ", mover(could));
        let room = columns.saturating_sub(width(&keys) + width(&name) + width(takes));
        all.push(Line::from(vec![
            Span::styled(keys, palette.aside()),
            Span::styled(name, palette.bold().patch(palette.lane(could.letter))),
            Span::raw(cut(&about(view.scene, could), room)),
            Span::styled(takes, palette.aside()),
        ]));
    }
    all.push(row(
        cut(
            translated(
                " q quit  ? help  b back  c run on  g go to  r restart  o orders  p predict",
            ),
            columns,
        ),
        palette.aside(),
    ));
    all
}
