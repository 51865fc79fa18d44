//! What a student has written, made harmless: once for all formats, and then for each.

/// Nothing that a terminal, a browser or a workflow obeys, and nothing that looks like other text than it is: such
/// letters are spelled, as `\u{1b}`.
pub fn plain(text: &str) -> String {
    let mut all = String::new();
    for letter in text.chars() {
        match letter {
            '\t' => all += "    ",
            other if is_unseen(other) => all += &format!("\\u{{{:x}}}", u32::from(other)),
            other => all.push(other),
        }
    }
    // The older form of a workflow command is obeyed in the middle of a line, too.
    all.replace("##[", "##\\u{5b}")
}

/// Controls; letters without a width, or that turn the direction of writing; and what no XML may hold.
fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// For a cell of a table: what a spreadsheet would compute begins with an apostrophe, as if it were behind a semicolon,
/// which some of them take to end a cell.
pub fn cell(text: &str) -> String {
    let mut all = String::new();
    let mut begins = true;
    for letter in plain(text).chars() {
        let computes = matches!(letter, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
        if begins && computes {
            all.push('\'');
        }
        begins =
            letter == ';' || begins && (letter.is_whitespace() || matches!(letter, '"' | '\''));
        all.push(letter);
    }
    all
}

/// For XML: five letters that mean something there.
pub fn xml(text: &str) -> String {
    let mut all = String::new();
    for letter in plain(text).chars() {
        match letter {
            '&' => all += "&amp;",
            '<' => all += "&lt;",
            '>' => all += "&gt;",
            '"' => all += "&quot;",
            '\'' => all += "&apos;",
            other => all.push(other),
        }
    }
    all
}

/// For the text of a workflow command.
pub fn command(text: &str) -> String {
    plain(text).replace('%', "%25")
}

/// For a property of one.
pub fn property(text: &str) -> String {
    command(text).replace(':', "%3A").replace(',', "%2C")
}

/// The name of a file for a submission: plain letters, and a hash if there were others.
pub fn file_name(id: &str) -> String {
    const LONGEST: usize = 80;
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if id.chars().all(plain) && !id.starts_with('.') && id.len() <= LONGEST {
        return id.into();
    }
    let name = id.chars().map(|one| if plain(one) { one } else { '_' }).take(LONGEST);
    let hash = super::hash::of([id.as_bytes()]);
    format!("{}-{}", name.collect::<String>().trim_start_matches('.'), &hash[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unseen_is_spelled() {
        assert_eq!(plain("a\u{1b}[31m\u{202e}b\r\n"), "a\\u{1b}[31m\\u{202e}b\\u{d}\\u{a}");
        assert_eq!(plain("x ##[error]y"), "x ##\\u{5b}error]y");
        assert_eq!(plain("Zoë 学生"), "Zoë 学生");
    }

    #[test]
    fn a_spreadsheet_computes_nothing() {
        assert_eq!(cell("=cmd"), "'=cmd");
        assert_eq!(cell("  @x"), "  '@x");
        assert_eq!(cell("a; =cmd"), "a; '=cmd");
        assert_eq!(cell("a = b"), "a = b");
    }

    #[test]
    fn names_of_files_stay_in_their_folder() {
        assert_eq!(file_name("anna"), "anna");
        for id in ["../x", "/etc/passwd", ".hidden", "a b", "<b>"] {
            let name = file_name(id);
            assert!(!name.contains('/') && !name.starts_with('.'), "{id}: {name}");
        }
        assert_ne!(file_name("a b"), file_name("a_b"));
    }
}
