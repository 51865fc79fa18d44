//! What the search reads: the text of each page, divided at its headings, as the browser shows it.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use regex::Regex;
use serde_json::{Value, json};

use crate::pages::{Language, Pages};

static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?s)<h[1-6] id="([^"]*)"[^>]*>(.*?)</h[1-6]>"#).expect("a heading")
});
static INLINE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"</?(?:a|b|code|em|i|span|strong)\b[^>]*>").expect("an inline tag")
});
static TAG: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?s)<!--.*?-->|<[^>]*>").expect("a tag"));

/// Writes search-data.js, a script, because a page from disk may read nothing else.
pub fn write(workbook: &Path, pages: &Pages, language: Language, book: &Path) -> Result<()> {
    let mut texts = Vec::new();
    for url in pages.urls() {
        let html = fs::read_to_string(book.join(&url)).with_context(|| url.clone())?;
        texts.push(sections(&url, &html));
    }
    let aliases =
        fs::read_to_string(workbook.join("book/aliases.txt")).context("book/aliases.txt")?;
    let aliases = aliases.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let aliases: Vec<Vec<String>> = aliases
        .map(|line| line.split('=').map(|name| name.trim().to_lowercase()).collect())
        .collect();
    let name = language.of("English", "Chinese");
    let script = format!(
        "// The text of the {name} book.\nwindow.bookText = {};\nwindow.bookAliases = {};\n",
        Value::from(texts),
        json!(aliases)
    );
    fs::write(book.join("search-data.js"), script)?;
    Ok(())
}

/// The address and title of a page, and its sections: where each is, its heading, its text.
fn sections(url: &str, html: &str) -> Value {
    let start = html.find("<main").unwrap_or(0);
    let end = html.find("<p class=\"turn\">").unwrap_or(html.len());
    let main = &html[start..end];
    let headings: Vec<_> = HEADING.captures_iter(main).collect();
    let ends =
        headings.iter().skip(1).map(|next| next.get(0).expect("all").start()).chain([main.len()]);
    let parts = headings.iter().zip(ends).map(|(heading, end)| {
        let text = &main[heading.get(0).expect("all").end()..end];
        (heading[1].to_string(), shown(&heading[2]), shown(text))
    });
    let parts: Vec<_> = parts.collect();
    let title = parts.first().map(|part| part.1.clone()).unwrap_or_default();
    json!([url, title, parts])
}

/// HTML as it is read.
fn shown(html: &str) -> String {
    let text = INLINE.replace_all(html, "");
    let text = TAG.replace_all(&text, " ");
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'");
    text.replace("&#x27;", "'")
        .replace("&amp;", "&")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
