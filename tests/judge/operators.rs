//! Right programs in C and C++, made wrong: `operators.toml` says what takes the place of which call.

use std::fs;
use std::path::PathBuf;

use toml::{Table, Value};

/// A program with one change.
pub struct Changed {
    /// The operator, and the place: "4.8 main.c 1"
    pub name: String,
    pub section: String,
    pub extension: String,
    pub text: String,
    /// The rules of which one must be the first finding; none: the program is still right.
    pub first: Vec<String>,
}

/// All of them, for these sections. A place that is `open` is none.
pub fn all(root: &std::path::Path, sections: &[String]) -> Vec<Changed> {
    let file = root.join("tests/judge/operators.toml");
    let table: Table = fs::read_to_string(file).expect("operators").parse().expect("TOML");
    let mut all = vec![];
    for section in sections {
        for program in programs(root, section, &table) {
            for operator in table["operator"].as_array().expect("operators") {
                all.extend(changed(section, &program, operator));
            }
        }
    }
    all
}

/// The solution of a section, and what `operators.toml` names beside it.
fn programs(root: &std::path::Path, section: &str, table: &Table) -> Vec<PathBuf> {
    let mut all = vec![root.join("labs").join(section).join("exercise/solution/main.c")];
    for name in table["programs"].as_array().expect("programs") {
        let (of, file) = name.as_str().and_then(|name| name.split_once(' ')).expect("a program");
        if of == section {
            all.push(root.join("tests/judge").join(section).join("right").join(file));
        }
    }
    all
}

fn changed(section: &str, program: &std::path::Path, operator: &Value) -> Vec<Changed> {
    let word = |name: &str| operator.get(name).and_then(Value::as_str);
    let list = |name: &str| -> Vec<String> {
        let values = operator.get(name).and_then(Value::as_array).into_iter().flatten();
        values.map(|value| value.as_str().expect("a word").into()).collect()
    };
    let extension = program.extension().expect("an extension").to_string_lossy().into_owned();
    if word("only").is_some_and(|only| only != extension) {
        return vec![];
    }
    let text = fs::read_to_string(program).expect("a program");
    let file = program.file_name().expect("a name").to_string_lossy();
    let (mut all, mut number) = (vec![], 0);
    for place in places(&text, word("call").expect("call")) {
        let words = place.args.join(", ");
        if word("with").is_some_and(|with| !words.contains(with))
            || word("without").is_some_and(|without| words.contains(without))
        {
            continue;
        }
        number += 1;
        let at = format!("{section} {file} {number}");
        if list("open").contains(&at) {
            continue;
        }
        let put = word("put").expect("put").replace("{call}", &text[place.from..place.to]);
        let filled =
            |put: String, (n, arg): (usize, &String)| put.replace(&format!("{{{}}}", n + 1), arg);
        let put = place.args.iter().enumerate().fold(put, filled);
        let first = if list("same").contains(&at) { vec![] } else { list("first") };
        all.push(Changed {
            name: format!("{}: {at}", word("name").expect("name")),
            section: section.into(),
            extension: extension.clone(),
            text: format!("{}{put}{}", &text[..place.from], &text[place.to..]),
            first,
        });
    }
    all
}

/// A call in a source.
struct Place {
    from: usize,
    to: usize,
    args: Vec<String>,
}

/// Where a function is called; not in comments and strings.
fn places(text: &str, name: &str) -> Vec<Place> {
    let code = code_of(text);
    let mut all = vec![];
    for (at, _) in code.match_indices(&format!("{name}(")) {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || "_.>".contains(before) {
            continue;
        }
        let namespace = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let named = code[..at].ends_with("::");
        let from = if named { code[..at].trim_end_matches(namespace).len() } else { at };
        let (mut depth, mut begins, mut args) = (0, at + name.len() + 1, vec![]);
        for (here, c) in code[at + name.len()..].char_indices() {
            let here = at + name.len() + here;
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || depth == 1 && c == ',' {
                args.push(text[begins..here].trim().to_string());
                begins = here + 1;
            }
            if depth == 0 {
                all.push(Place { from, to: here + 1, args });
                break;
            }
        }
    }
    all
}

/// The source with `#` for each byte of a comment or a string.
fn code_of(text: &str) -> String {
    let (mut code, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let long = if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            let mut escaped = false;
            let end = rest[1..].find(|c| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            end.map_or(rest.len(), |end| end + 2)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push_str(&"#".repeat(long));
        rest = &rest[long..];
    }
    code
}
