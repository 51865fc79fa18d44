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

/// How wide a letter may be, of the font's size: as in a font whose letters are all equally wide. A page
/// that has not the font of the picture takes another.
const WIDE: f64 = 0.602;
/// Between a text and the edge of the picture.
const ROOM: f64 = 3.0;

/// A text of a picture: what it says, from where to where, and its middle's height.
struct Text {
    says: String,
    from: f64,
    to: f64,
    y: f64,
}

/// A box with an edge.
struct Box {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Box {
    /// Its edge goes through the text.
    fn cuts(&self, text: &Text) -> bool {
        let beside = text.y < self.y || text.y > self.y + self.height;
        let inside = self.x <= text.from && text.to <= self.x + self.width;
        let outside = text.to <= self.x || text.from >= self.x + self.width;
        !beside && !inside && !outside
    }
}

/// The width of a picture, its boxes and its texts. A group hands on its font's size and its anchor.
fn drawn(svg: &str) -> (f64, Vec<Box>, Vec<Text>) {
    let tag = Regex::new(r"<(/?)(svg|g|rect|text)\b([^>]*?)(/?)>([^<]*)").expect("a tag");
    let attribute = |tag: &str, name: &str| -> Option<String> {
        let (_, value) = tag.split_once(&format!(" {name}=\""))?;
        value.split_once('"').map(|(value, _)| value.to_string())
    };
    let number = |tag: &str, name: &str| {
        attribute(tag, name).map_or(0.0, |text| text.parse::<f64>().expect("a number"))
    };
    let (mut width, mut boxes, mut texts) = (0.0, Vec::new(), Vec::new());
    let mut above = vec![(16.0, "start".to_string())];
    let body = svg.split_once("</style>").map_or(svg, |(_, body)| body);
    let first = svg.lines().next().expect("svg");
    for found in tag.captures_iter(first).chain(tag.captures_iter(body)) {
        let (name, inside) = (&found[2], &found[3]);
        if &found[1] == "/" {
            if name == "g" {
                above.pop();
            }
            continue;
        }
        let (mut size, mut anchor) = above.last().expect("svg").clone();
        if attribute(inside, "font-size").is_some() {
            size = number(inside, "font-size");
        }
        anchor = attribute(inside, "text-anchor").unwrap_or(anchor);
        match name {
            "svg" => width = number(inside, "width"),
            "rect" if attribute(inside, "stroke").is_some_and(|stroke| stroke != "none") => {
                let [x, y] = ["x", "y"].map(|name| number(inside, name));
                let [width, height] = ["width", "height"].map(|name| number(inside, name));
                boxes.push(Box { x, y, width, height });
            }
            "text" => {
                let says = found[5].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                let wide = says.chars().count() as f64 * size * WIDE;
                let from = number(inside, "x")
                    - match anchor.as_str() {
                        "middle" => wide / 2.0,
                        "end" => wide,
                        _ => 0.0,
                    };
                let y = number(inside, "y") - size / 4.0;
                texts.push(Text { says, from, to: from + wide, y });
            }
            _ => {}
        }
        if matches!(name, "g" | "svg") && &found[4] != "/" {
            above.push((size, anchor));
        }
    }
    // The page of the picture is no box.
    boxes.retain(|one| one.width < width - 10.0);
    (width, boxes, texts)
}

/// What does not fit in a picture.
fn cut(svg: &str) -> Vec<String> {
    let (width, boxes, texts) = drawn(svg);
    let wrong = |text: &&Text| {
        let off = text.from < ROOM || text.to > width - ROOM;
        off || boxes.iter().any(|one| one.cuts(text))
    };
    texts.iter().filter(wrong).map(|text| text.says.clone()).collect()
}

#[test]
fn every_text_fits_where_it_stands_in_a_wider_font_too() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("images");
    let mut seen = 0;
    for picture in fs::read_dir(images).expect("images").filter_map(Result::ok) {
        if picture.path().extension().is_some_and(|extension| extension == "svg") {
            let svg = read(&picture.path());
            let wrong = cut(&svg);
            assert!(wrong.is_empty(), "{}: {wrong:#?}", picture.path().display());
            seen += drawn(&svg).2.len();
        }
    }
    assert!(seen > 300, "only {seen} texts");
}

#[test]
fn a_text_that_is_cut_is_seen() {
    let picture = |text: &str| {
        format!(
            "<svg width=\"200\" height=\"50\" font-size=\"10\">\n<style></style>\n\
             <rect x=\"10\" y=\"10\" width=\"60\" height=\"20\" stroke=\"#000000\"/>\n{text}</svg>"
        )
    };
    assert!(cut(&picture("<text x=\"12\" y=\"20\">short</text>")).is_empty());
    assert_eq!(cut(&picture("<text x=\"12\" y=\"20\">not short</text>")).len(), 0);
    assert_eq!(cut(&picture("<text x=\"12\" y=\"20\">not at all short</text>")).len(), 1);
    let middle = "<g text-anchor=\"middle\"><text x=\"190\" y=\"45\">off the page</text></g>";
    assert_eq!(cut(&picture(middle)), ["off the page"]);
}
