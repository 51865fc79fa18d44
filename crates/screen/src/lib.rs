//! The terminal of a lab: how wide it is, how a line looks, and how much is shown between two pauses.
//! Only [`out`] prints.
//!
//! | module | what it holds |
//! |---|---|
//! | [`out`] | writing, whole and without a buffer |
//! | [`palette`] | the colours |
//! | [`words`] | what a sentence is in the reader's language |
//! | [`pages`] | STEP, `--from` and `--only`: what is shown, and after how many rows a lab waits |

pub mod out;
pub mod pages;
pub mod palette;
pub mod words;

use std::sync::OnceLock;

use colored::Colorize;
use unicode_width::UnicodeWidthStr;

use words::translated;

/// Where `= result` starts.
const RESULT_COLUMN: usize = 52;
/// A heading's rule ends here.
const PAGE: usize = 80;

/// A terminal's size: rows and columns. Both may be 0; and are, of what is none.
fn size(fd: i32) -> (u16, u16) {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize through the pointer, or nothing.
    unsafe { libc::ioctl(fd, libc::TIOCGWINSZ, &mut size) };
    (size.ws_row, size.ws_col)
}

/// Has the terminal any room? One without rows and columns is no place for an editor, which would subtract.
pub fn has_room() -> bool {
    let (rows, columns) = size(libc::STDOUT_FILENO);
    rows > 0 && columns > 0
}

/// The terminal's width, or `COLUMNS`, or no limit: in a pipe a call is one line.
pub fn columns() -> usize {
    static COLUMNS: OnceLock<usize> = OnceLock::new();
    *COLUMNS.get_or_init(|| columns_of(libc::STDOUT_FILENO))
}

/// The same of any descriptor.
pub fn columns_of(fd: i32) -> usize {
    let (_, columns) = size(fd);
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse::<usize>().ok());
    let terminal = (columns > 0).then_some(columns.into());
    terminal.or(set).map_or(usize::MAX, |columns| columns.max(40))
}

/// How many columns a text takes: a Chinese character takes two.
pub fn width(text: &str) -> usize {
    // Ambiguous ones, such as · and ─, are narrow in every terminal that is not set otherwise.
    UnicodeWidthStr::width(text)
}

/// The beginning of a text that takes at most so many columns.
pub fn start(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let mut fits = |letter: char| {
        used += width(letter.encode_utf8(&mut [0; 4]));
        used <= columns
    };
    let end =
        text.char_indices().find(|(_, letter)| !fits(*letter)).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// A cell of a table: the text, and spaces up to `columns`.
pub fn cell(text: &str, columns: usize) -> String {
    format!("{text}{:1$}", "", columns.saturating_sub(width(text)))
}

/// Breaks `text` so that no row is wider than `room`; later rows are indented. English breaks at spaces,
/// Chinese between characters, as Unicode allows (UAX #14).
pub fn wrap(text: &str, room: usize, indent: usize) -> Vec<String> {
    if width(text) <= room {
        return vec![text.trim_start_matches(' ').into()];
    }
    let (mut rows, mut row) = (vec![], String::new());
    for word in text.split(' ') {
        for (i, piece) in pieces(word).into_iter().enumerate() {
            let gap = usize::from(i == 0 && !row.is_empty());
            if width(&row) > indent && width(&row) + gap + width(piece) > room {
                rows.push(std::mem::replace(&mut row, " ".repeat(indent) + piece));
            } else {
                row += &" ".repeat(gap);
                row += piece;
            }
        }
    }
    rows.push(row);
    rows
}

/// What of a word may stand on a row of its own: all of it, if there is no Chinese in it.
pub fn pieces(word: &str) -> Vec<&str> {
    let chinese = |at: &usize| {
        let mut around = word[..*at].chars().rev().take(1).chain(word[*at..].chars().take(1));
        around.any(|c| c >= '\u{2e80}')
    };
    let breaks = unicode_linebreak::linebreaks(word).map(|(at, _)| at);
    let ends = breaks.filter(|at| *at == word.len() || chinese(at));
    let mut start = 0;
    let piece = |end| &word[std::mem::replace(&mut start, end)..end];
    if word.is_empty() { vec![""] } else { ends.map(piece).collect() }
}

/// What is asked at a terminal, `fd`.
pub fn prompt(what: &str, fd: i32) -> String {
    let rows = wrap(&format!("[{}]", translated(what)), columns_of(fd).saturating_sub(3), 8);
    format!("  {} ", rows.join("\n"))
}

/// What every lab's help says in the end.
pub const STEP: &str = "With STEP=1 in the environment it waits for Enter at each step, with STEP=call at each call, too.";

/// Experiments: a name, and beside it the question and its rows of `notes/behaviours.md`; below it where there is no room beside it.
pub fn list<'a>(experiments: impl Iterator<Item = [&'a str; 3]>) -> String {
    let row = |[name, question, rows]: [&str; 3]| {
        let text = format!("{} ({rows})", translated(question));
        hanging(&format!("  {} ", cell(name, 22)), &text, columns())
    };
    let all: String = experiments.map(row).collect();
    let none = translated("none here: this section's story shows everything");
    if all.is_empty() { hanging("  ", none, columns()) } else { all }
}

/// A text with a margin. `start`: what stands in the margin of its first row.
fn hanging(start: &str, text: &str, room: usize) -> String {
    let margin = width(start);
    let beside = room.saturating_sub(margin) >= PAGE / 4 * 2 || margin < PAGE / 4;
    let margin = if beside { margin } else { 10 };
    let rows = wrap(text, room.saturating_sub(margin), 0);
    let first = if beside { start.into() } else { format!("{}\n{:10}", start.trim_end(), "") };
    format!("{first}{}\n", rows.join(&format!("\n{:margin$}", "")))
}

/// A help text of clap, in which a row is as long as its sentence: at most 80 columns, or fewer.
pub fn help(text: &str) -> String {
    let row = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let gap = line[indent..].find("  ").map_or(indent, |at| indent + at);
        let text = line[gap..].trim_start();
        hanging(&line[..line.len() - text.len()], text, columns().min(PAGE))
    };
    text.lines().map(row).collect()
}

/// What clap says of a wrong command line, as one line.
pub fn usage(text: &str) -> String {
    let lines = text.trim_start_matches("error: ").lines().map(str::trim);
    let why: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    format!("{}; see --help", why.join(" "))
}

/// What stands before each line of a process: `child 4243 │`, coloured, and as it is without colours.
#[derive(Clone, Default)]
pub struct Lane {
    /// Without colours; empty where there is one process.
    pub label: String,
    colored: String,
    width: usize,
}

impl Lane {
    /// The lane of the process that was made as number `process`.
    pub fn new(name: &str, tid: i32, process: usize) -> Lane {
        let label = format!("{} {tid} │", translated(name));
        let color = palette::LANES[process % palette::LANES.len()];
        Lane { colored: label.color(color).to_string(), width: width(&label), label }
    }

    /// A call in as many rows as it takes, and behind it what it answered, and whether well. `aside`: it is
    /// not part of the lesson.
    pub fn call(&self, call: &str, answer: Option<(&str, bool)>, aside: bool) -> String {
        let room = columns().saturating_sub(self.width + 2);
        let mut rows = wrap(call, room, 4);
        let last = rows.pop().unwrap_or_default();
        let paint = |text: &str| match aside {
            true => text.color(palette::ASIDE).to_string(),
            false => text.into(),
        };
        let mut text: String = rows.iter().map(|row| self.row("  ", &paint(row))).collect();
        let Some((answer, good)) = answer else { return text + &self.row("  ", &paint(&last)) };
        let tail = format!(" = {answer}");
        let used = width(&last);
        let fits = |column: &usize| column + width(&tail) <= room;
        let wanted = RESULT_COLUMN.saturating_sub(self.width + 2).max(used);
        let Some(column) = [wanted, used].into_iter().find(fits) else {
            text += &self.row("  ", &paint(&last));
            return text + &self.row("     ", &self.answer(&tail, good, aside));
        };
        let gap = " ".repeat(column - used);
        text + &self.row("  ", &(paint(&(last + &gap)) + &self.answer(&tail, good, aside)))
    }

    fn answer(&self, tail: &str, good: bool, aside: bool) -> String {
        let of_lesson = if good { palette::GOOD } else { palette::BAD };
        tail.color(if aside { palette::ASIDE } else { of_lesson }).to_string()
    }

    /// What a line means. One that begins with a check mark was asserted: it is what is taught.
    pub fn note(&self, text: &str, aside: bool) -> String {
        let rows = wrap(&format!("· {text}"), columns().saturating_sub(self.width + 4), 2);
        let paint = |row: &String| match (row.strip_prefix("· ✓"), text.starts_with('✓'), aside)
        {
            (Some(rest), ..) => format!("· {}{}", "✓".color(palette::GOOD), rest.bold()),
            (None, true, _) => row.bold().to_string(),
            (None, _, true) => row.color(palette::ASIDE).to_string(),
            _ => row.clone(),
        };
        rows.iter().map(|row| self.row("    ", &paint(row))).collect()
    }

    /// A heading, with a rule to the page's edge; `again`: it was printed before.
    pub fn heading(&self, text: &str, again: bool) -> String {
        let text = format!(
            "── {text}{} ",
            if again { format!(" {}", translated("(again)")) } else { String::new() }
        );
        let rule = "─".repeat(columns().min(PAGE).saturating_sub(self.width + width(&text)));
        let rule = format!("{text}{rule}");
        let rule = if again { rule.color(palette::ASIDE) } else { rule.bold() };
        format!("{}{}\n", self.colored, rule)
    }

    /// Rows as they are: a table, what was read from memory.
    pub fn rows(&self, text: &str) -> String {
        text.lines().map(|line| self.row("  ", line)).collect()
    }

    fn row(&self, indent: &str, text: &str) -> String {
        format!("{}{indent}{text}\n", self.colored)
    }
}

/// A section's title.
pub fn title(title: &str) -> String {
    format!("{}\n{}\n", title.bold(), "═".repeat(width(title)))
}
