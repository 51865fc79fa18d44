//! Links: in the book they lead where they lead on GitHub.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use anyhow::{Result, bail};
use regex::{Captures, Regex};

use crate::pages::{Page, Pages};

static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^()\s]+)\)").expect("a link"));

/// The text of a page with its links as the book has them; `from` is the file that it stands in. What they lead to
/// and is no page is added to `files`.
pub fn rewritten(
    text: &str,
    from: &str,
    page: &Page,
    pages: &Pages,
    files: &mut BTreeSet<String>,
) -> Result<String> {
    let mut wrong = None;
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            lines.push(line.to_string());
            continue;
        }
        let line = LINK.replace_all(line, |link: &Captures| {
            let target = &link[1];
            if target.contains("://")
                || target.starts_with(['#', '<'])
                || target.starts_with("mailto:")
            {
                return link[0].to_string();
            }
            match led(target, from, page, pages, files) {
                Ok(target) => format!("]({target})"),
                Err(why) => {
                    wrong = Some(why);
                    String::new()
                }
            }
        });
        lines.push(line.into_owned());
    }
    wrong.map_or(Ok(lines.join("\n") + "\n"), Err)
}

fn led(
    target: &str,
    from: &str,
    page: &Page,
    pages: &Pages,
    files: &mut BTreeSet<String>,
) -> Result<String> {
    let (path, anchor) =
        target.split_once('#').map_or((target, None), |(path, at)| (path, Some(at)));
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." if parts.pop().is_none() => {
                bail!("{from}: the link to {target} leaves the workbook")
            }
            ".." => {}
            name => parts.push(name),
        }
    }
    let path = parts.join("/");
    let anchor = anchor.map(|at| format!("#{at}")).unwrap_or_default();
    let url = page.url();
    let up = "../".repeat(url.matches('/').count());
    Ok(match pages.find(&path) {
        // A page that leads to itself in the other language.
        Some(to) if to.url() == url && path != from => {
            format!("{up}../{}/{url}{anchor}", to.language(&path).folder())
        }
        Some(page) => format!("{up}{}{anchor}", page.url()),
        None => {
            files.insert(path.clone());
            format!("{up}../files/{}{anchor}", copied(&path))
        }
    })
}

/// Where a file stands among those that the book has copied.
pub fn copied(file: &str) -> String {
    let picture = file.ends_with(".svg") || file.ends_with(".png");
    if picture { file.to_string() } else { format!("{file}.txt") }
}
