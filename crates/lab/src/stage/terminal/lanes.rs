//! A lane for each process and thread: what happened, from top to bottom.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use say::tell;

use super::text::{Palette, cut, pad, width, wrap};
use crate::explore::staged::letter;
use crate::stage::acts::{Act, moved};
use crate::stage::front::View;
use crate::stage::words::{lane, stands};

/// The number of the step stands there.
const GUTTER: usize = 5;
/// A lane is not narrower than this: else all share one column.
const NARROW: usize = 18;
/// So many rows of one event are shown.
const ROWS: usize = 3;

/// One row of a lane.
struct Row {
    lane: usize,
    text: String,
    style: Style,
}

/// The lanes, in so many rows: the last ones, and above them who they are.
pub fn lanes(view: &View, palette: Palette, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let count = view.scene.lanes.len().max(1);
    let each = (columns - GUTTER) / count;
    let apart = each >= NARROW;
    let room = if apart { each - 2 } else { columns - GUTTER - 6 };
    let mut head = vec![head(view, palette, apart.then_some(each), columns)];
    let last = view.acts.moves();
    let mut body: Vec<Line> = vec![];
    for (n, act) in view.acts.all.iter().enumerate() {
        for (at, row) in rows_of(act, palette, n == last, room).into_iter().enumerate() {
            let number = if at == 0 && n > 0 { n.to_string() } else { String::new() };
            let mark = if n == last && n > 0 && at == 0 { "▶" } else { " " };
            let mut spans = vec![Span::styled(format!("{number:>3}{mark} "), palette.aside())];
            match apart {
                true => {
                    spans.extend((0..row.lane).map(|_| Span::raw(pad("│", each))));
                    spans.push(Span::styled("│", palette.lane(row.lane)));
                    spans.push(Span::styled(pad(&row.text, each - 1), row.style));
                    spans.extend((row.lane + 1..count).map(|_| Span::raw(pad("│", each))));
                }
                false => {
                    let name = format!("{:>3} │ ", letter(row.lane));
                    spans.push(Span::styled(name, palette.lane(row.lane)));
                    spans.push(Span::styled(row.text, row.style));
                }
            }
            body.push(Line::from(spans));
        }
    }
    let shown = rows.saturating_sub(head.len());
    let skip = body.len().saturating_sub(shown);
    head.extend(body.into_iter().skip(skip));
    head.resize(rows, Line::default());
    head
}

/// Who they are, and how they stand.
fn head(view: &View, palette: Palette, each: Option<usize>, columns: usize) -> Line<'static> {
    let mut spans = vec![Span::styled(" ".repeat(GUTTER), palette.aside())];
    let mut used = GUTTER;
    for (at, one) in view.scene.lanes.iter().enumerate() {
        let text = format!("{}: {}", lane(view.scene, at), stands(one));
        let style = palette.bold().patch(palette.lane(at));
        let text = match each {
            Some(each) => pad(&text, each - 1) + " ",
            None => cut(&format!("{text}   "), columns.saturating_sub(used)),
        };
        used += width(&text);
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

/// A move in rows.
fn rows_of(act: &Act, palette: Palette, fresh: bool, room: usize) -> Vec<Row> {
    let style = if fresh { palette.bold() } else { Style::new() };
    let mut rows = vec![];
    for told in &act.lines {
        let style = if told.text.starts_with('…') { palette.aside() } else { style };
        let mut all = wrap(&told.text, room, 2);
        if all.len() > ROWS {
            all.truncate(ROWS);
            if let Some(last) = all.last_mut() {
                *last = cut(&format!("{} …", pad(last, room)), room);
            }
        }
        rows.extend(all.into_iter().map(|text| Row { lane: told.lane, text, style }));
    }
    for (lane, printed) in &act.printed {
        let printed = printed.trim_end_matches('\n').replace('\n', "\\n");
        let mut all = wrap(&tell!("prints: {printed}"), room, 2);
        all.truncate(ROWS);
        rows.extend(all.into_iter().map(|text| Row { lane: *lane, text, style }));
    }
    if let (true, Some((lane, _))) = (rows.is_empty(), act.mover) {
        rows.push(Row { lane, text: format!("({})", moved(act)), style: palette.aside() });
    }
    rows
}
