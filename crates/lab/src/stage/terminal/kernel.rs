//! The kernel's rows, and what the segments hold.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use say::tell;
use screen::words::translated;

use super::text::{Palette, cut, pad, row, rule, width};
use crate::explore::staged::{Kind, letter};
use crate::memory::name;
use crate::stage::acts::Held;
use crate::stage::front::View;
use crate::view::bytes::content;
use crate::view::rows::cells;

/// So many bytes stand in a row.
const WIDE: usize = 16;

/// The tables' rows: a cell that has just changed is marked, and a row that is gone is still said.
pub fn rows(view: &View, palette: Palette, columns: usize) -> Vec<Line<'static>> {
    let changed = view.acts.all.last().map_or(&[][..], |act| &act.rows);
    let mut all = vec![];
    for (kind, id, known) in &view.scene.rows {
        let change = changed.iter().find(|one| (one.0, one.1) == (*kind, *id));
        let mut spans = vec![Span::styled(format!(" {} {id} ", kind.name()), palette.bold())];
        let mut used = width(&spans[0].content);
        for (name, value) in cells(known) {
            let fresh = change.is_some_and(|(.., text)| {
                text.starts_with("new") || text.split(", ").any(|one| begins(one, name))
            });
            let mark = if fresh { "*" } else { " " };
            let label = cut(&format!(" {name} "), columns.saturating_sub(used));
            used += width(&label);
            let value = cut(&format!("{value}{mark}"), columns.saturating_sub(used));
            used += width(&value);
            let style = if fresh { palette.fresh() } else { Style::new() };
            spans.push(Span::styled(label, palette.aside()));
            spans.push(Span::styled(value, style));
        }
        all.push(Line::from(spans));
    }
    for (kind, id, _) in changed.iter().filter(|(.., text)| text == "gone") {
        all.push(row(format!(" {} {id}  {}", kind.name(), translated("gone*")), palette.fresh()));
    }
    let none = changed.is_empty() && all.is_empty();
    if none {
        return vec![];
    }
    let kinds = |kind: Kind| view.scene.rows.iter().any(|one| one.0 == kind);
    let heading = match (kinds(Kind::Msg), kinds(Kind::Sem)) {
        (false, false) => "the kernel's table: ipcs -m",
        _ => "the kernel's tables: ipcs",
    };
    all.insert(
        0,
        rule(&tell!("{} (* has just changed)", translated(heading)), columns, palette.aside()),
    );
    all
}

fn begins(text: &str, name: &str) -> bool {
    text.strip_prefix(name).is_some_and(|rest| rest.starts_with(' '))
}

/// What the memories hold, in at most so many rows: fields that are known, then bytes.
pub fn memory(view: &View, palette: Palette, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let mut all = vec![];
    for (memory, held) in &view.acts.memory {
        let what =
            tell!("{}: {} bytes, and who has changed them last", name(*memory), held.bytes.len());
        all.push(rule(&what, columns, palette.aside()));
        let names = view.setting.fields().iter().map(|field| width(&field.name));
        let wide = names.max().unwrap_or(0).clamp(12, 20);
        for field in view.setting.fields() {
            let to = (field.at + field.len).min(held.bytes.len());
            if field.at < to {
                all.push(field_row(&pad(&field.name, wide), field.at, to, held, palette, columns));
            }
        }
        let end = held.bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        let from = (0..end).step_by(WIDE);
        // The rows that have just changed come first, if there is no room for all.
        let (fresh, old): (Vec<_>, Vec<_>) =
            from.partition(|from| held.fresh[*from..].iter().take(WIDE).any(|fresh| *fresh));
        let room = (rows / view.acts.memory.len().max(1)).saturating_sub(1);
        let mut shown: Vec<usize> = fresh.into_iter().chain(old).take(room.max(1)).collect();
        shown.sort_unstable();
        all.extend(shown.into_iter().map(|from| hex(from, held, palette, columns)));
    }
    all.truncate(rows);
    all
}

/// `message  "hello, child"  a`
fn field_row(
    name: &str,
    from: usize,
    to: usize,
    held: &Held,
    palette: Palette,
    columns: usize,
) -> Line<'static> {
    let by = held.by[from..to].iter().flatten().next();
    let fresh = held.fresh[from..to].contains(&true);
    let style = if fresh { palette.fresh() } else { Style::new() };
    let who = by.map_or(String::new(), |by| tell!("  by {}", letter(*by)));
    let mark = if fresh { "*" } else { "" };
    let value = cut(&(content(&held.bytes[from..to]) + mark), columns.saturating_sub(30));
    let style = by.map_or(style, |by| style.patch(palette.lane(*by)));
    Line::from(vec![
        Span::styled(format!(" {name} "), palette.bold()),
        Span::styled(value, style),
        Span::styled(who, by.map_or(Style::new(), |by| palette.lane(*by))),
    ])
}

/// ` +0  68 65 6c  hel`
fn hex(from: usize, held: &Held, palette: Palette, columns: usize) -> Line<'static> {
    let wide = if columns < 8 + WIDE * 4 { WIDE / 2 } else { WIDE };
    let end = (from + wide).min(held.bytes.len());
    let style = |at: usize| {
        let style = if held.fresh[at] { palette.fresh() } else { Style::new() };
        held.by[at].map_or(style, |by| style.patch(palette.lane(by)))
    };
    let mut spans = vec![Span::styled(format!(" {:>5} ", format!("+{from}")), palette.aside())];
    for at in from..end {
        spans.push(Span::raw(" "));
        spans.push(Span::styled(format!("{:02x}", held.bytes[at]), style(at)));
    }
    spans.push(Span::raw(" ".repeat(3 * (from + wide - end) + 2)));
    for at in from..end {
        let byte = held.bytes[at];
        let one = if (b' '..0x7f).contains(&byte) { char::from(byte) } else { '·' };
        spans.push(Span::styled(one.to_string(), style(at)));
    }
    Line::from(spans)
}
