//! The pictures, drawn or made by a lab of its figures (`--svg`), have one style: the same colours, each
//! with its counterpart for a dark page, a title for those who cannot see them, and a place in a note.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regex::Regex;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_pictures_have_one_style() {
    let repo = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = fs::read_dir(repo.join("notes")).expect("notes").filter_map(Result::ok);
    let pages: String = pages
        .map(|page| page.path())
        .filter(|page| page.is_file())
        .map(|page| read(&page))
        .collect();
    let colour = Regex::new("#[0-9a-fA-F]{3,6}\\b").expect("a colour");
    let rule = Regex::new(r#"\[fill="(#\w+)"\]"#).expect("a rule");
    let mut styles = BTreeSet::new();
    let mut seen = 0;
    for picture in fs::read_dir(repo.join("images")).expect("images").filter_map(Result::ok) {
        let name = picture.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".svg") {
            continue;
        }
        assert!(pages.contains(&format!("](../images/{name})")), "{name} stands in no note");
        let svg = read(&picture.path());
        let (before, rest) =
            svg.split_once("<style>").unwrap_or_else(|| panic!("{name}: no style"));
        let (style, after) = rest.split_once("</style>").expect("the style's end");
        assert!(style.contains("@media (prefers-color-scheme: dark)"), "{name}: no dark scheme");
        assert!(before.contains("<title id=\"title\">"), "{name}: no title");
        let known: BTreeSet<&str> =
            rule.captures_iter(style).map(|found| found.get(1).expect("1").as_str()).collect();
        for used in colour.find_iter(after) {
            assert!(known.contains(used.as_str()), "{name}: {} is not in the style", used.as_str());
        }
        styles.insert(style.trim().to_string());
        seen += 1;
    }
    let file = read(&repo.join("images/style.css"));
    styles.insert(
        file.trim().trim_start_matches("<style>").trim_end_matches("</style>").trim().into(),
    );
    assert!(seen > 10 && styles.len() == 1, "{seen} pictures with {} styles", styles.len());
}
