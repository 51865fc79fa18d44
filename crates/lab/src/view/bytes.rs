//! Bytes of memory, for people.

/// So much of a line is shown.
pub const LINE: usize = 60;
/// A number that is larger is no counter, position or pid.
const SMALL: i32 = 1 << 24;
/// So many numbers are shown in a row.
const NUMBERS: usize = 4;

/// Bytes as C would write them, at most so many columns wide.
pub fn quoted(bytes: &[u8], width: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut quoted = String::from("\"");
    let mut columns = 2;
    for (at, one) in text.char_indices() {
        let part: String = match one {
            '\n' => "\\n".into(),
            '\t' => "\\t".into(),
            '"' => "\\\"".into(),
            '\\' => "\\\\".into(),
            c if c.is_control() => format!("\\{:o}", u32::from(c)),
            c => c.into(),
        };
        columns += part.chars().count();
        if columns > width {
            let left = text.len() - at;
            return format!("{quoted}\"… {left} more bytes");
        }
        quoted += &part;
    }
    quoted + "\""
}

/// Bytes as text where they are text, as a number where they are few.
pub fn content(bytes: &[u8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let text = |byte: &u8| (b' '..0x7f).contains(byte) || *byte == b'\n' || *byte == b'\t';
    if end > 1 && bytes[..end].iter().all(text) {
        return quoted(&bytes[..end], LINE);
    }
    match bytes.len() {
        1 | 2 | 4 | 8 => {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            // As a signed number of that size.
            let shift = 64 - 8 * bytes.len() as u32;
            (i64::from_le_bytes(word) << shift >> shift).to_string()
        }
        _ if end == 0 => "zeros".into(),
        n => {
            let first: Vec<String> =
                bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("{}{}", first.join(" "), if n > 8 { " …" } else { "" })
        }
    }
}

/// The part of bytes that is text, as C has it: what stands before the NULs at the end. `None`: it is no text.
fn text(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let is_text = |byte: &u8| (b' '..0x7f).contains(byte) || *byte == b'\n' || *byte == b'\t';
    bytes[..end].iter().all(is_text).then_some(&bytes[..end])
}

/// The numbers of four bytes that these may be; `None`: they are none.
pub fn numbers(bytes: &[u8]) -> Option<Vec<i32>> {
    let words = bytes.chunks_exact(4);
    let fits = words.remainder().is_empty() && (1..=NUMBERS).contains(&words.len());
    let word = |word: &[u8]| word.try_into().map_or(0, i32::from_ne_bytes);
    let all: Vec<i32> = words.map(word).collect();
    (fits && all.iter().all(|one| (-SMALL..=SMALL).contains(one))).then_some(all)
}

/// Are these bytes text, before and after they have changed? One letter is none.
pub fn are_text(before: &[u8], after: &[u8]) -> bool {
    let len = |bytes| text(bytes).map(<[u8]>::len);
    len(before).zip(len(after)).is_some_and(|(before, after)| before.max(after) > 1)
}

/// `"" -> "hello"`, `0 -> 1`, `00 ff -> 01 fe`
pub fn changed(before: &[u8], after: &[u8]) -> String {
    let both = |one: String, other: String| format!("{one} -> {other}");
    if are_text(before, after) {
        let one = |bytes| quoted(text(bytes).unwrap_or_default(), LINE / 2);
        return both(one(before), one(after));
    }
    if let (Some(before), Some(after)) = (numbers(before), numbers(after)) {
        let one = |all: Vec<i32>| all.iter().map(i32::to_string).collect::<Vec<_>>().join(", ");
        return both(one(before), one(after));
    }
    both(hexadecimal(before), hexadecimal(after))
}

/// The first of them; all, if all are zeros.
fn hexadecimal(bytes: &[u8]) -> String {
    if bytes.len() > 8 && bytes.iter().all(|byte| *byte == 0) {
        return "zeros".into();
    }
    let first: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}{}", first.join(" "), if bytes.len() > 8 { " …" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_quoted_as_in_c() {
        assert_eq!(quoted(b"a\n\"\\\x1b", 80), r#""a\n\"\\\33""#);
        assert_eq!(quoted(b"0123456789", 8), "\"012345\"… 4 more bytes");
    }

    #[test]
    fn text_is_text_and_a_counter_is_a_number() {
        assert_eq!(changed(&[0; 5], b"hello"), "\"\" -> \"hello\"");
        assert_eq!(changed(b"hello", &[0; 5]), "\"hello\" -> \"\"");
        assert_eq!(changed(&[0; 4], &[65, 0, 0, 0]), "0 -> 65");
        assert_eq!(
            changed(&[9, 0, 0, 0, 255, 255, 255, 255], &[10, 0, 0, 0, 0, 0, 0, 0]),
            "9, -1 -> 10, 0"
        );
        assert_eq!(changed(&[0, 255], &[1, 254]), "00 ff -> 01 fe");
        assert_eq!(changed(&[0; 9], &[255; 9]), "zeros -> ff ff ff ff ff ff ff ff …");
    }
}
