//! Text on its way through memory: as messages that fit, and as what may be printed of them.

/// A line as messages of at most `most` bytes, none of which ends within a character.
pub fn pieces(line: &[u8], most: usize) -> Vec<&[u8]> {
    let (mut pieces, mut rest) = (vec![], line);
    while !rest.is_empty() {
        let end = rest.len().min(most);
        // A byte 10xxxxxx goes on a character of UTF-8, which has at most three of them.
        let inside = |end: &usize| rest.get(*end).is_some_and(|byte| byte & 0xc0 == 0x80);
        let end = (end.saturating_sub(3)..=end).rev().find(|end| !inside(end)).unwrap_or(end);
        let (piece, more) = rest.split_at(end.max(1));
        pieces.push(piece);
        rest = more;
    }
    pieces
}

/// Text as text, whatever it is: what is not UTF-8 and what would command a terminal is escaped.
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}
