//! Text that fits: as wide as a terminal shows it, in colours that are readable on black and on white.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The colours, or none: NO_COLOR, or a terminal without them. The text alone says everything.
#[derive(Clone, Copy)]
pub struct Palette {
    pub colors: bool,
}

/// One a process, in the order of their births; each has a contrast of 4.5 : 1 on black and on white.
const LANES: [u8; 6] = [63, 163, 29, 131, 31, 98];
const GOOD: u8 = 29;
const BAD: u8 = 131;
const ASIDE: u8 = 243;

impl Palette {
    /// What the environment asks for. no-color.org
    pub fn of_environment() -> Palette {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        // Of a terminal that knows few colours, such numbers make text blink.
        let term = std::env::var("TERM").unwrap_or_default();
        let old = ["vt", "ansi", "cons25", "sun"].iter().any(|kind| term.starts_with(kind));
        Palette { colors: !set("NO_COLOR") && !old }
    }

    fn color(self, number: u8) -> Style {
        if self.colors { Style::new().fg(Color::Indexed(number)) } else { Style::new() }
    }

    /// A process or a thread.
    pub fn lane(self, lane: usize) -> Style {
        self.color(LANES[lane % LANES.len()])
    }

    /// What went well, and what is wrong.
    pub fn verdict(self, good: bool) -> Style {
        self.color(if good { GOOD } else { BAD }).add_modifier(Modifier::BOLD)
    }

    /// What is not looked at first.
    pub fn aside(self) -> Style {
        self.color(ASIDE)
    }

    /// What has just changed.
    pub fn fresh(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }

    /// What is read first.
    pub fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

/// How many columns it takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// At most so wide: what is longer ends with an ellipsis.
pub fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.into();
    }
    let (mut cut, mut used) = (String::new(), 1);
    for one in text.chars() {
        used += one.width().unwrap_or(0);
        if used > room {
            break;
        }
        cut.push(one);
    }
    if room == 0 { String::new() } else { cut + "…" }
}

/// Exactly so wide.
pub fn pad(text: &str, room: usize) -> String {
    let cut = cut(text, room);
    let gap = room.saturating_sub(width(&cut));
    cut + &" ".repeat(gap)
}

/// In rows that fit, broken at spaces where there are any; later rows are indented.
pub fn wrap(text: &str, room: usize, indent: usize) -> Vec<String> {
    let room = room.max(indent + 4);
    let mut rows = vec![String::new()];
    for word in text.split(' ') {
        let row = rows.last().map_or(0, |row| width(row));
        let begins = rows.last().is_none_or(|row| row.trim().is_empty());
        if !begins && row + 1 + width(word) > room {
            rows.push(" ".repeat(indent));
        } else if !begins && let Some(row) = rows.last_mut() {
            row.push(' ');
        }
        for one in word.chars() {
            let wide = one.width().unwrap_or(0);
            if rows.last().is_some_and(|row| width(row) + wide > room) {
                rows.push(" ".repeat(indent));
            }
            if let Some(row) = rows.last_mut() {
                row.push(one);
            }
        }
    }
    rows
}

/// A row of one style.
pub fn row(text: impl Into<String>, style: Style) -> Line<'static> {
    Line::from(Span::styled(text.into(), style))
}

/// A heading, with a rule to the edge.
pub fn rule(text: &str, room: usize, style: Style) -> Line<'static> {
    let text = if text.is_empty() { String::new() } else { format!("── {text} ") };
    let text = cut(&text, room);
    let rule = "─".repeat(room.saturating_sub(width(&text)));
    row(text + &rule, style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chinese_letter_takes_two_columns() {
        assert_eq!((width("共享内存"), width("child")), (8, 5));
        assert_eq!(
            (cut("共享内存", 8).as_str(), cut("共享内存", 6).as_str()),
            ("共享内存", "共享…")
        );
        assert_eq!((pad("共享", 5).as_str(), pad("共享", 4).as_str()), ("共享 ", "共享"));
        assert_eq!(wrap("共享内存", 4, 0), ["共享", "内存"]);
    }

    #[test]
    fn rows_fit() {
        for room in 4..40 {
            for text in [
                "kill(101, SIGUSR1) = 0",
                "a b c d",
                "消息 \"你好，世界\" 写入",
                "aaaaaaaaaaaaaaaa",
            ] {
                assert!(wrap(text, room, 2).iter().all(|row| width(row) <= room.max(6)), "{room}");
                assert!(width(&cut(text, room)) <= room && width(&pad(text, room)) == room);
            }
        }
    }
}
