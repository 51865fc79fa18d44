//! Chinese: each sentence that a lab can print has a translation, each translation is of a sentence that is
//! there, and a lab says the same in both languages, call by call.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use common::{
    assert_same, bin, can_explore, per_process, repo, run, run_lab, scratch, scrub, sections,
};
use proc_macro2::{TokenStream, TokenTree};
use regex::Regex;
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprLit, ExprStruct, Lit, LitStr, Macro, Member};
use unicode_width::UnicodeWidthStr;

/// What prints a sentence, and which of its arguments that is.
const SAYS: [(&str, usize); 14] = [
    ("title", 0),
    ("step", 1),
    ("part", 1),
    ("note", 0),
    ("claim", 1),
    ("text", 0),
    ("name", 0),
    ("translated", 0),
    ("because", 0),
    ("complain", 0),
    ("child", 0),
    ("the_labs", 0),
    ("lab", 0),
    ("wait_for_enter", 0),
];

/// The same in the tool; its other functions of these names take no sentences.
const TOOL_SAYS: [(&str, usize); 4] = [("translated", 0), ("note", 0), ("say", 0), ("cure", 0)];

/// Sentence and translation, by catalogue.
fn catalogues() -> Vec<(PathBuf, Vec<(String, String)>)> {
    let labs = sections().into_iter().map(|section| format!("labs/{section}/zh.txt"));
    read(&std::iter::once("labs/zh.txt".to_string()).chain(labs).collect::<Vec<_>>())
}

/// Those of the rules.
fn rules_files() -> Vec<String> {
    let sections = rules().into_iter().map(|(section, _)| format!("labs/{section}/rules.zh.txt"));
    std::iter::once("labs/rules.zh.txt".to_string()).chain(sections).collect()
}

fn read(files: &[String]) -> Vec<(PathBuf, Vec<(String, String)>)> {
    let read = |file: &String| {
        let text = fs::read_to_string(repo().join(file)).unwrap_or_else(|_| panic!("{file}"));
        let pairs = pairs(&text).into_iter().map(|(a, b)| (a.to_string(), b.to_string()));
        (PathBuf::from(file), pairs.collect())
    };
    files.iter().map(read).collect()
}

fn pairs(text: &str) -> Vec<(&str, &str)> {
    let (mut pairs, mut english) = (vec![], None);
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            Some(chinese) => pairs.push((english.take().expect("a sentence above it"), chinese)),
            None => assert_eq!(english.replace(line), None, "without a translation"),
        }
    }
    assert_eq!(english, None, "without a translation");
    pairs
}

/// The sentences of the sources that labs are made of: what is certainly printed, and every literal.
#[derive(Default)]
struct Literals {
    says: &'static [(&'static str, usize)],
    said: BTreeSet<String>,
    all: BTreeSet<String>,
    spliced: Vec<String>,
}

impl Literals {
    fn macro_words(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.macro_words(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Ok(text) = syn::parse_str::<LitStr>(&literal.to_string()) {
                        self.all.insert(text.value());
                    }
                }
                _ => {}
            }
        }
    }

    fn argument(&mut self, of: &str, argument: &Expr) {
        match argument {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if has_words(&text.value()) => {
                self.said.insert(text.value());
            }
            Expr::Macro(one) if one.mac.path.is_ident("format") => {
                let words = one.mac.tokens.to_string();
                let literal = words.split("\" ,").next().unwrap_or_default();
                let sentence = Regex::new("[a-z]{2} [a-z]{2}").expect("a sentence");
                if sentence.is_match(literal) {
                    self.spliced.push(format!("{of}(format!({words}))"));
                }
            }
            Expr::Reference(one) => self.argument(of, &one.expr),
            _ => {}
        }
    }
}

/// Is there anything to translate: two letters in a row, outside of a value?
fn has_words(text: &str) -> bool {
    let values = Regex::new(r"\{[^}]*\}").expect("values");
    Regex::new("[A-Za-z]{2}").expect("words").is_match(&values.replace_all(text, ""))
}

impl<'a> Visit<'a> for Literals {
    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let name = path.path.segments.last().expect("a name").ident.to_string();
            let place = self.says.iter().find(|(says, _)| *says == name);
            if let Some(argument) = place.and_then(|(_, place)| call.args.iter().nth(*place)) {
                self.argument(&name, argument);
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_struct(&mut self, one: &'a ExprStruct) {
        let is_question =
            |member: &Member| matches!(member, Member::Named(name) if name == "question");
        let question = one.fields.iter().find(|field| is_question(&field.member));
        if let Some(field) = question {
            self.argument("question", &field.expr);
        }
        visit::visit_expr_struct(self, one);
    }

    fn visit_macro(&mut self, one: &'a Macro) {
        if one
            .path
            .segments
            .last()
            .is_some_and(|name| ["say", "tell"].iter().any(|one| name.ident == one))
            && let Some(TokenTree::Literal(literal)) = one.tokens.clone().into_iter().next()
        {
            let text = syn::parse_str::<LitStr>(&literal.to_string()).expect("a sentence");
            self.said.insert(text.value());
        }
        self.macro_words(one.tokens.clone());
        // Most macros take expressions; one that does not has no sentence.
        let parser = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        if let Ok(arguments) = syn::parse::Parser::parse2(parser, one.tokens.clone()) {
            arguments.iter().for_each(|argument| visit::visit_expr(self, argument));
        }
    }

    fn visit_lit_str(&mut self, text: &'a LitStr) {
        self.all.insert(text.value());
    }

    fn visit_item_mod(&mut self, one: &'a syn::ItemMod) {
        if one.ident != "tests" {
            visit::visit_item_mod(self, one);
        }
    }
}

fn sources(below: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(below).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn literals(folders: &[&str], says: &'static [(&'static str, usize)]) -> Literals {
    let mut files = vec![];
    for folder in folders {
        sources(&repo().join(folder), &mut files);
    }
    let mut literals = Literals { says, ..Literals::default() };
    for file in files {
        let text = fs::read_to_string(&file).expect("a source");
        let parsed =
            syn::parse_file(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
        literals.visit_file(&parsed);
    }
    literals
}

fn are_pairs(literals: &Literals, catalogues: Vec<(PathBuf, Vec<(String, String)>)>) {
    let mut of = BTreeMap::new();
    for (file, pairs) in catalogues {
        for (english, chinese) in pairs {
            let before = of.insert(english.clone(), (file.clone(), chinese));
            assert_eq!(before, None, "translated twice: {english}");
        }
    }
    let missing: Vec<_> = literals.said.iter().filter(|text| !of.contains_key(*text)).collect();
    assert!(missing.is_empty(), "no translation of {missing:#?}");
    let unused: Vec<_> = of.keys().filter(|text| !literals.all.contains(*text)).collect();
    assert!(unused.is_empty(), "nobody has a sentence {unused:#?}");
    assert!(literals.spliced.is_empty(), "use say!, not format!: {:#?}", literals.spliced);
}

#[test]
fn every_sentence_has_one_translation_and_every_translation_a_sentence() {
    let labs = ["src", "crates/duplex/src", "crates/touch/src", "crates/screen/src"];
    are_pairs(&literals(&labs, &SAYS), catalogues());
    are_pairs(
        &literals(&["crates/lab/src", "crates/sysv/src"], &TOOL_SAYS),
        read(&["crates/lab/zh.txt".into()]),
    );
}

/// The sections that have rules, and the rules.
fn rules() -> Vec<(String, toml::Table)> {
    let file = |section: &String| repo().join("labs").join(section).join("rules.toml");
    let have = sections().into_iter().filter(|section| file(section).is_file());
    have.map(|section| {
        let text = fs::read_to_string(file(&section)).expect("rules");
        (section, text.parse().expect("TOML"))
    })
    .collect()
}

/// The sentences of rules, each with the sections that say it. What is only a call, or a number, is none.
fn of_rules() -> BTreeMap<String, BTreeSet<String>> {
    let call = Regex::new(r#"^([a-z]+(\(.*\))?|[A-Z_| ]+|\d+)$"#).expect("a call");
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (section, rules) in rules() {
        let mut says = |table: &toml::Value, names: &[&str]| {
            let texts = names.iter().map(|name| table[*name].as_str().expect(name));
            for text in texts.filter(|text| !call.is_match(text)) {
                all.entry(text.into()).or_default().insert(section.clone());
            }
        };
        says(&toml::Value::Table(rules.clone()), &["title"]);
        let list = |name: &str| rules[name].as_array().expect(name).clone();
        for rule in list("rule") {
            says(&rule, &["step", "title", "expected", "why", "passed"]);
        }
        list("input").iter().for_each(|input| says(input, &["name"]));
        let hints = rules["hint"].as_table().expect("hints");
        hints.values().for_each(|hint| says(hint, &["ask", "look"]));
    }
    all
}

#[test]
fn every_rule_has_its_chinese_where_it_belongs_and_no_chinese_is_unused() {
    let mut there = BTreeSet::new();
    let rules = of_rules();
    for (text, sections) in &rules {
        let one = sections.first().filter(|_| sections.len() == 1);
        let file = one.map_or("labs/rules.zh.txt".into(), |one| format!("labs/{one}/rules.zh.txt"));
        let has = |(_, pairs): &(_, Vec<(String, String)>)| {
            pairs.iter().filter(|(english, _)| english == text).count() == 1
        };
        assert!(read(std::slice::from_ref(&file)).iter().all(has), "{file} has no {text:?}");
        there.insert((file, text.clone()));
    }
    for (file, pairs) in read(&rules_files()) {
        for (english, _) in pairs {
            let file = file.display().to_string();
            assert!(there.contains(&(file.clone(), english.clone())), "{file}: unused: {english}");
        }
    }
}

#[test]
fn a_translation_has_the_values_of_its_sentence() {
    let values = Regex::new(r"\{[^{}]*\}").expect("values");
    let sorted = |text: &str| {
        let mut found: Vec<_> =
            values.find_iter(text).map(|one| one.as_str().to_string()).collect();
        found.sort();
        found
    };
    let of_tool = read(&[vec!["crates/lab/zh.txt".into()], rules_files()].concat());
    for (file, pairs) in catalogues().into_iter().chain(of_tool) {
        for (english, chinese) in pairs {
            let place = format!("{}: {english}", file.display());
            assert_eq!(sorted(&english), sorted(&chinese), "{place}");
            let marks = |text: &str| text.starts_with('✓');
            assert_eq!(marks(&english), marks(&chinese), "{place}");
        }
    }
}

/// The calls, which are the same in every language. How often a lab looks whether its peer still lives depends
/// on the machine, so each is there once.
fn calls(output: &str) -> String {
    let calls = output.lines().filter(|line| line.contains(") = ") || line.ends_with(") …"));
    let lane = |line: &str| line.split_once('│').map_or(line, |(_, call)| call).to_string() + "\n";
    calls.map(lane).collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn a_lab_in_chinese_makes_the_same_calls_and_says_nothing_in_english() {
    let han = Regex::new(r"\p{Han}").expect("Chinese");
    // A sentence, or two words of one; names of experiments, rows and fields are no sentences.
    let sentence = Regex::new(r"[a-z]{2,} [a-z]{2,}").expect("English");
    for section in sections() {
        for words in [&[][..], &["--experiments"]] {
            let english = run_lab(&section).args(words).go().clean().stdout;
            let chinese = run_lab(&section).args(words).env("LAB_LANG", "zh").go().clean().stdout;
            let calls = |output: &str| calls(&scrub(&per_process(output)));
            assert_same(&format!("the calls of {section}"), &calls(&english), &calls(&chinese));
            for line in chinese.lines().filter(|line| !line.contains(" = ")) {
                let said = line.contains("· ") || line.contains("── ");
                let untranslated = said && !han.is_match(line) && sentence.is_match(line);
                assert!(!untranslated, "{section} says in English: {line}");
            }
        }
        let list = run_lab(&section).args(&["--list"]).env("LAB_LANG", "zh").go().clean().stdout;
        let questions =
            list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        questions.for_each(|line| assert!(han.is_match(line), "{section} --list: {line}"));
    }
}

#[test]
fn the_locale_decides_and_lab_lang_before_it() {
    let said = |env: &[(&str, &str)]| {
        let mut lab = run_lab("4.1").args(&["--list"]).env("LC_ALL", "");
        for (name, value) in env {
            lab = lab.env(name, value);
        }
        lab.go()
    };
    let chinese = |env| said(env).clean().stdout.contains("队列");
    assert!(chinese(&[("LANG", "zh_CN.UTF-8")]));
    assert!(chinese(&[("LC_ALL", "zh_TW.utf8"), ("LANG", "C")]));
    assert!(!chinese(&[("LC_ALL", "C"), ("LANG", "zh_CN.UTF-8")]));
    assert!(!chinese(&[("LAB_LANG", "en"), ("LANG", "zh_CN.UTF-8")]));
    let other = said(&[("LANG", "zh_CN.GB18030")]);
    assert!(!other.stdout.contains("队列"));
    assert_eq!(other.stderr.lines().count(), 1, "{}", other.stderr);
    assert!(other.stderr.contains("zh_CN.GB18030 is not UTF-8"), "{}", other.stderr);
}

/// Of each section the program that its first mutant is, judged.
#[test]
fn a_wrong_program_is_judged_in_chinese_and_says_nothing_in_english() {
    if !can_explore("findings in Chinese") {
        return;
    }
    let han = Regex::new(r"\p{Han}").expect("Chinese");
    let sentence = Regex::new(r"[a-z]{2,} [a-z]{2,}").expect("English");
    let source = Regex::new(r"^ *\d* \|| *-->").expect("a line of the source");
    let folder = scratch();
    for (section, _) in rules() {
        let file = repo().join("tests/judge").join(&section).join("mutants.toml");
        let all: toml::Table = fs::read_to_string(file).expect("mutants").parse().expect("TOML");
        let solution = repo().join("labs").join(&section).join("exercise/solution/main.c");
        let mut text = fs::read_to_string(solution).expect("a solution");
        for change in all["mutant"][0]["change"].as_array().expect("changes") {
            let [from, to] = [0, 1].map(|n| change[n].as_str().expect("a text"));
            text = text.replace(from, to);
        }
        let path = folder.path().join("main.c").display().to_string();
        fs::write(&path, text).expect("a source");
        let root = repo().display().to_string();
        let check = |language: &str, words: &[&str]| {
            let words = [&["check", &section, &path, "--workbook", &root], words].concat();
            run(&bin("lab")).args(&words).env("LAB_LANG", language).go()
        };
        let run = check("zh", &[]);
        assert_eq!(run.code, 1, "{run:#?}");
        for line in run.stdout.lines().filter(|line| !line.is_empty() && !source.is_match(line)) {
            // The command of a replay, and calls, are the same in every language.
            let same = line.contains("check 4.") || line.contains(" │ ");
            assert!(same || han.is_match(line), "{section}: {line}");
            assert!(same || !sentence.is_match(line), "{section} says in English: {line}");
            assert!(line.contains("check 4.") || line.width() <= 80, "{section}: {line}");
        }
        // What programs read is the same in every language.
        for format in ["json", "junit", "github"] {
            let [english, chinese] =
                ["en", "zh"].map(|language| check(language, &["--format", format]).stdout);
            assert!(!han.is_match(&chinese), "{section}: {chinese}");
            assert_eq!(english.lines().count(), chinese.lines().count(), "{section}: {chinese}");
        }
    }
}

/// Sentences of what is staged: of the title, and of the note.
#[test]
fn what_is_staged_has_its_chinese() {
    for section in sections() {
        let file = repo().join("labs").join(&section).join("stage.toml");
        let Ok(text) = fs::read_to_string(file) else { continue };
        let stage: toml::Table = text.parse().expect("TOML");
        let says = stage["sentence"].as_array().expect("sentences").iter().map(|one| &one["says"]);
        let says = says.chain([&stage["title"]]).map(|one| one.as_str().expect("a text").into());
        let there = read(&[format!("labs/{section}/stage.zh.txt")]).remove(0).1;
        let there: BTreeSet<String> = there.into_iter().map(|(english, _)| english).collect();
        assert_eq!(says.collect::<BTreeSet<String>>(), there, "{section}");
    }
}

/// Standard output and standard error of the tool, in both languages.
fn in_both(words: &[&str]) -> [String; 2] {
    let said = |language| {
        let run = run(&bin("lab")).env("LD_LIBRARY_PATH", "").env("LAB_LANG", language);
        let run = run.args(words).go();
        run.stdout + &run.stderr
    };
    ["en", "zh"].map(said)
}

#[test]
fn what_lab_trace_explains_is_chinese_and_the_calls_are_the_same() {
    if !can_explore("lab trace in Chinese") {
        return;
    }
    let han = Regex::new(r"\p{Han}").expect("Chinese");
    for section in ["4.4", "4.5", "4.6", "4.7"] {
        let program = common::lab(section).display().to_string();
        let [english, chinese] = in_both(&["trace", "--", &program]);
        let explained = |text: &str| {
            let lines =
                text.lines().filter(|line| line.contains("  · ") && line.contains("section"));
            lines.count()
        };
        assert!(explained(&english) > 3, "{english}");
        for line in chinese.lines().filter(|line| line.contains("  · ")) {
            assert!(han.is_match(line), "{section}: {line}");
        }
        assert!(chinese.contains("残留：无"), "{chinese}");
        assert_eq!(explained(&chinese), 0, "{chinese}");
    }
}

#[test]
fn the_stage_and_the_explorer_speak_chinese() {
    if !can_explore("the stage in Chinese") {
        return;
    }
    let sentence = Regex::new(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}").expect("English");
    let root = repo().display().to_string();
    let stage = ["stage", "--workbook", &root, "4.8", "--script", "c2Acc?q"];
    let source = repo().join("labs/4.8/stage.c").display().to_string();
    let program = common::compiled(&source, &["-g", "-O0"]).display().to_string();
    for words in [&stage[..], &["explore", "--", &program]] {
        let [_, chinese] = in_both(words);
        assert!(chinese.contains("睡眠"), "{chinese}");
        for line in chinese.lines() {
            assert!(!sentence.is_match(line), "in English: {line}");
        }
    }
}
