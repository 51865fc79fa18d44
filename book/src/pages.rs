//! Which pages there are, in which order, and what each is called. Nothing lists them by hand: a page that is added to
//! notes/ or labs/ is in the book, and its Chinese is, as soon as it stands beside it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use mdbook_driver::book::{Book, BookItem, Chapter, SectionNumber};

use serde_json::Value;

use crate::links;

#[derive(Clone, Copy, PartialEq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    pub const BOTH: [Language; 2] = [Language::English, Language::Chinese];

    pub fn folder(self) -> &'static str {
        self.of("en", "zh")
    }

    pub fn code(self) -> &'static str {
        self.of("en", "zh-CN")
    }

    pub fn title(self) -> &'static str {
        self.of("The shared-memory workbook", "共享内存实验手册")
    }

    /// One of two.
    pub fn of<T>(self, english: T, chinese: T) -> T {
        if self == Language::English { english } else { chinese }
    }
}

/// A page in both languages; where its Chinese is not there yet, the Chinese book has the English.
pub struct Page {
    /// The file of the English, in the workbook.
    file: String,
    chinese: Option<String>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Readme,
    /// The note of a section.
    Section,
    /// The lab of the section before: the run of it that book/runs/ holds.
    Lab,
    /// What belongs to the section before: its names in front of the section's number.
    Part(&'static str, &'static str),
    /// Any other page.
    More,
}

const WORKSHEET: Kind = Kind::Part("Worksheet", "实验单");
const ANSWERS: Kind = Kind::Part("Answers", "答案");
const EXERCISE: Kind = Kind::Part("Exercise", "练习");

impl Page {
    /// Where it is in either book.
    pub fn url(&self) -> String {
        match self.file.strip_suffix(".md") {
            Some("README") => "index.html".to_string(),
            name => format!("{}.html", name.expect("Markdown")),
        }
    }

    /// The language of one of its files.
    pub fn language(&self, file: &str) -> Language {
        if file == self.file { Language::English } else { Language::Chinese }
    }

    /// The section whose folder or note it is.
    fn section(&self) -> &str {
        let name = self.file.trim_start_matches("labs/").trim_start_matches("notes/");
        name.split(['/', '-']).next().expect("a name")
    }
}

pub struct Pages {
    workbook: PathBuf,
    pages: Vec<Page>,
}

impl Pages {
    pub fn of(workbook: &Path) -> Result<Pages> {
        let readme = fs::read_to_string(workbook.join("README.md")).context("README.md")?;
        let mut notes = Vec::new();
        for entry in fs::read_dir(workbook.join("notes")).context("notes/")? {
            let name = entry?.file_name().display().to_string();
            notes.extend(name.ends_with(".md").then_some(name));
        }
        notes.sort();
        let number = |name: &str| name.strip_prefix("4.")?.split('-').next()?.parse::<u32>().ok();
        let (mut sections, mut others): (Vec<_>, Vec<_>) =
            notes.into_iter().partition(|name| number(name).is_some());
        sections.sort_by_key(|name| number(name));
        // The README is where a reader meets them.
        others.sort_by_key(|name| readme.find(&format!("notes/{name}")).unwrap_or(usize::MAX));
        let mut found = vec![("README.md".to_string(), Kind::Readme)];
        for note in sections {
            let lab = format!("labs/4.{}", number(&note).expect("a section"));
            found.push((format!("notes/{note}"), Kind::Section));
            found.push((format!("{lab}/lab.md"), Kind::Lab));
            found.push((format!("{lab}/worksheet.md"), WORKSHEET));
            found.push((format!("{lab}/answers.md"), ANSWERS));
            found.push((format!("{lab}/exercise/README.md"), EXERCISE));
        }
        found.extend(others.into_iter().map(|name| (format!("notes/{name}"), Kind::More)));
        found.push(("labs/coverage.md".to_string(), Kind::More));
        let there = |file: &str| workbook.join(file).is_file();
        let pages = found.into_iter().map(|(file, kind)| {
            let chinese = Some(paired(&file)).filter(|file| there(file));
            Page { file, chinese, kind }
        });
        let pages = pages.filter(|page| match page.kind {
            Kind::Lab => there(&format!("book/runs/{}.json", page.section())),
            _ => there(&page.file),
        });
        Ok(Pages { pages: pages.collect(), workbook: workbook.to_path_buf() })
    }

    /// The page that a file of the workbook is, in whichever language.
    pub fn find(&self, file: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.file == file || page.chinese.as_deref() == Some(file))
    }

    /// Where each page is, in the order of the book.
    pub fn urls(&self) -> impl Iterator<Item = String> {
        self.pages.iter().map(Page::url)
    }

    /// What mdBook makes a book of.
    pub fn book(&self, language: Language, files: &mut BTreeSet<String>) -> Result<Book> {
        let mut book = Book::new();
        let mut last = Kind::Readme;
        for page in &self.pages {
            let part = match (last, page.kind) {
                (Kind::Readme, Kind::Section) => Some(language.of("Sections", "各节")),
                (Kind::Part(..) | Kind::Section, Kind::More) => {
                    Some(language.of("The tool, and more", "工具及其他"))
                }
                _ => None,
            };
            last = page.kind;
            book.items.extend(part.map(|title| BookItem::PartTitle(title.to_string())));
            book.push_item(self.chapter(page, language, files)?);
        }
        Ok(book)
    }

    /// The sections of which there is a run.
    pub fn runs(&self) -> impl Iterator<Item = &str> {
        self.pages.iter().filter(|page| page.kind == Kind::Lab).map(Page::section)
    }

    /// The page of a lab: its run, in a frame.
    fn lab(&self, page: &Page, language: Language) -> Result<Chapter> {
        let section = page.section();
        let note =
            self.pages.iter().find(|one| one.kind == Kind::Section && one.section() == section);
        let note = note.with_context(|| format!("{section} has a run and no note"))?;
        let title = title(&self.text(note, language)?.1);
        let run = fs::read_to_string(self.workbook.join(format!("book/runs/{section}.json")))?;
        let words = command(&run).map(|words| format!("`{words}`"));
        let what = match (language, words) {
            (Language::English, Some(words)) => format!(
                "`make lab-{section}` runs this lab. Below is a run of {words} that was recorded: go through it step \
                 by step, with the slider, the buttons or the arrow keys."
            ),
            (Language::English, None) => format!(
                "`make lab-{section}` runs this lab. Below is a small program of this section, in every order that \
                 `lab explore` has tried: you choose which process moves next."
            ),
            (Language::Chinese, Some(words)) => format!(
                "`LAB_LANG=zh make lab-{section}` 运行这个实验。下面是录下来的一次运行（{words}）：\
                 用滑块、按钮或方向键一步一步地看。框里的文字是英文。"
            ),
            (Language::Chinese, None) => format!(
                "`LAB_LANG=zh make lab-{section}` 运行这个实验。下面是本节的一个小程序，包含 `lab explore` \
                 试过的所有执行次序：每一步由你决定哪个进程先走。框里的文字是英文。"
            ),
        };
        let name = language.of("Lab", "实验");
        let alone = language.of("The run on a page of its own", "单独一页打开");
        let run = format!("../../../runs/{section}.html");
        let text = format!(
            "# {name} {title}\n\n{what}\n\n[{alone}]({run})\n\n\
             <iframe class=\"run\" lang=\"en\" src=\"{run}\" title=\"Lab {section}\"></iframe>\n"
        );
        let mut chapter = Chapter::new(&format!("{name} {section}"), text, page.url(), Vec::new());
        chapter.number = Some(SectionNumber::new([4]));
        Ok(chapter)
    }

    /// The file of a page in this language, or else in English, and what it holds.
    fn text<'a>(&self, page: &'a Page, language: Language) -> Result<(&'a str, String)> {
        let chinese = page.chinese.as_ref().filter(|_| language == Language::Chinese);
        let file = chinese.unwrap_or(&page.file);
        let text = fs::read_to_string(self.workbook.join(file)).with_context(|| file.clone())?;
        // The stamps of the Chinese pages are for the test that compares them with the English.
        let lines = text.lines().filter(|line| !line.starts_with("<!-- en: "));
        Ok((file, lines.collect::<Vec<_>>().join("\n")))
    }

    fn chapter(
        &self,
        page: &Page,
        language: Language,
        files: &mut BTreeSet<String>,
    ) -> Result<Chapter> {
        if page.kind == Kind::Lab {
            return self.lab(page, language);
        }
        let (file, text) = self.text(page, language)?;
        let name = match page.kind {
            Kind::Readme => language.of("The workbook", "实验手册").to_string(),
            Kind::Part(english, chinese) => {
                format!("{} {}", language.of(english, chinese), page.section())
            }
            _ => title(&text),
        };
        let mut text = links::rewritten(&text, file, page, self, files)?;
        if language == Language::Chinese && file == page.file {
            text = format!(
                "<p class=\"notice\">这一页还没有中文，下面是英文原文。</p>\n\n<div lang=\"en\">\n\n{text}\n</div>\n"
            );
        }
        let mut chapter = Chapter::new(&name, text, page.url(), Vec::new());
        // Two things that the theme cannot know otherwise: a number marks what belongs to the section before.
        if matches!(page.kind, Kind::Part(..)) {
            chapter.number = Some(SectionNumber::new([4]));
        }
        Ok(chapter)
    }
}

/// What was run, as a reader types it; a tree has no such event.
fn command(run: &str) -> Option<String> {
    let mut events = run.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let start = events.find(|event| event["event"] == "start")?;
    let words: Vec<&str> = start["command"].as_array()?.iter().filter_map(Value::as_str).collect();
    let name = words.first()?.rsplit('/').next()?;
    Some([&[name], &words[1..]].concat().join(" "))
}

/// Where the Chinese of a page stands.
fn paired(file: &str) -> String {
    match file.strip_prefix("notes/") {
        Some(name) => format!("notes/zh/{name}"),
        None => file.replace(".md", ".zh.md"),
    }
}

/// The first heading, without marks.
fn title(text: &str) -> String {
    let heading = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or_default();
    heading.replace('`', "").split_whitespace().collect::<Vec<_>>().join(" ")
}
