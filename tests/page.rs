//! `lab page`: one file that a browser opens from disk. A browser without a window opens it, and uses every key and
//! every button.
#![cfg(target_arch = "x86_64")]

mod common;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::browser::Browser;
use common::{Run, bin, can_explore, compiled, have, lab, not_tested, repo, run};
use serde_json::{Value, json};

fn tool(args: &[&str]) -> Run {
    // What cargo sets there makes the loader look into many folders.
    run(&bin("lab")).env("LD_LIBRARY_PATH", "").args(args).go()
}

/// The files of a run: they live as long as it does.
struct Made {
    run: Run,
}

impl Made {
    fn file(&self, name: &str) -> PathBuf {
        self.run.dir.path().join(name)
    }

    fn tree(&self) -> Value {
        let text = fs::read_to_string(self.file("tree.json")).expect("a tree");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// What a shell does in a folder of its own; `$lab` is the tool.
fn made(script: &str) -> Made {
    let script = format!("lab='{}'; unset LD_LIBRARY_PATH; {script}", bin("lab").display());
    let run = run(Path::new("/bin/sh")).args(&["-ec", &script]).go();
    assert_eq!(run.code, 0, "{run:#?}");
    Made { run }
}

/// A signal that is lost between a check and a pause: from the stage of 4.8.
fn lost_wake_up() -> PathBuf {
    compiled("../labs/4.8/stage.c", &["-g"])
}

/// Its cure.
fn cured() -> PathBuf {
    compiled("../labs/4.8/cured.c", &["-g"])
}

/// Every order of both, and the page.
fn both() -> Made {
    let (wrong, right) = (lost_wake_up(), cured());
    let explore = "$lab explore --json --all --preemptions unbounded";
    made(&format!(
        "{explore} --tree tree.json -- {} >run.json 2>/dev/null || true
         {explore} --tree cure.json -- {} >/dev/null
         $lab page tree.json --cure cure.json -o page.html; $lab page run.json -o run.html",
        wrong.display(),
        right.display()
    ))
}

/// A browser that shows the page.
fn opened(page: &Path) -> Browser {
    let mut browser = Browser::start();
    browser.open(page);
    browser
}

#[test]
fn a_run_is_gone_through_step_by_step() {
    if !have("chromium", "lab page: a run") || !can_explore("lab page: a run") {
        return;
    }
    let made = both();
    let page = made.file("run.html");
    let mut browser = opened(&page);
    assert_eq!(browser.requests, [format!("\"file://{}\"", page.display())]);
    // The shortest that goes wrong, and the shortest that does not.
    assert_eq!(browser.eval("document.querySelectorAll('#shows button').length"), 2);
    let steps = browser.eval("way.steps.length").as_u64().expect("a number");
    browser.key("Home");
    assert_eq!(browser.text("words"), "Nothing has happened yet.");
    let mut seen = BTreeSet::new();
    for step in 1..=steps {
        browser.key("ArrowRight");
        assert_eq!(browser.text("count"), format!("{step} of {steps}"));
        let said = browser.text("say");
        assert!(said.starts_with(&format!("Step {step} of {steps}. ")), "{said}");
        seen.insert(browser.text("words"));
    }
    let whole = seen.into_iter().collect::<Vec<_>>().join("\n");
    for words in [
        "Process a calls shmget(IPC_PRIVATE, 128, IPC_CREAT|0600). It returns 0.",
        "In the kernel's table, shm 0: nattch is now 2.",
        "Process a writes \"hello, child\" to shm 0 +0..+13.",
        "Process b gets SIGUSR1 from process a. Its handler runs.",
        "Process a calls pause(), and sleeps there.",
    ] {
        assert!(whole.contains(words), "{words} in\n{whole}");
    }
    assert!(browser.text("verdict").contains("Deadlock: a (100) sleeps in pause"));
    assert!(browser.text("rows").contains("128"));
    assert!(browser.text("bytes").contains("shm 0 holds \"hello, child\". Last writer: a."));
    browser.key("ArrowLeft");
    assert_eq!(browser.text("count"), format!("{} of {steps}", steps - 1));
    browser.eval("document.getElementById('first').click()");
    assert_eq!(browser.text("count"), format!("0 of {steps}"));
    browser.eval("document.getElementById('on').click(); document.getElementById('on').click()");
    browser.eval("document.getElementById('back').click()");
    assert_eq!(browser.text("count"), format!("1 of {steps}"));
    browser.eval("document.getElementById('last').click()");
    assert_eq!(browser.text("count"), format!("{steps} of {steps}"));
    browser.eval("document.getElementById('at').focus()");
    browser.key("Home");
    // The slider itself hears its keys; a browser without a window passes on what has a code.
    browser.eval("$('at').value = 2; $('at').dispatchEvent(new Event('input'))");
    assert_eq!(browser.text("count"), format!("2 of {steps}"));
    browser.eval("document.querySelectorAll('#shows button')[1].click()");
    browser.eval("document.activeElement.blur()");
    browser.key("End");
    assert!(browser.text("verdict").contains("Nothing is wrong: ended: a 0, b 0."));
    assert!(browser.errors.is_empty(), "{:#?}", browser.errors);
    assert_eq!(browser.requests.len(), 1, "{:#?}", browser.requests);
}

/// Chooses everything at every place, and says at which ends it has been.
const EVERYWHERE: &str = "(() => {
    const seen = new Set(), ends = new Set();
    const visit = () => {
        const place = Number(document.querySelector('#choose').dataset.place);
        if (seen.has(place)) return;
        seen.add(place);
        const buttons = () => [...document.querySelectorAll('#choices button')];
        if (!buttons().length) { ends.add(place); return; }
        for (let n = 0; n < buttons().length; n++) {
            buttons()[n].click();
            visit();
            document.querySelector('#undo').click();
        }
    };
    visit();
    return [...ends];
})()";

fn ends(tree: &Value) -> BTreeSet<u64> {
    let places = tree["places"].as_array().expect("places").iter().enumerate();
    places.filter(|(_, place)| place["end"].is_u64()).map(|(at, _)| at as u64).collect()
}

fn been(browser: &mut Browser) -> BTreeSet<u64> {
    let ends = browser.eval(EVERYWHERE);
    ends.as_array().expect("a list").iter().filter_map(Value::as_u64).collect()
}

#[test]
fn the_reader_chooses_who_moves() {
    if !have("chromium", "lab page: a tree") || !can_explore("lab page: a tree") {
        return;
    }
    let made = both();
    let mut browser = opened(&made.file("page.html"));
    assert_eq!(browser.text("goal-h"), "Make it hang in as few choices as you can");
    // As lab tree counts them.
    let tree = tool(&["tree", &made.file("tree.json").display().to_string()]).stdout;
    assert!(tree.contains("a: 9 of 21 orders go wrong"), "{tree}");
    assert_eq!(browser.text("odds"), "Of 42 orders from here, 18 hang.");
    browser.eval("document.querySelector('#hints').click()");
    assert!(browser.text("choices").contains("Of 21 orders from there, 9 hang."));
    browser.eval("document.querySelector('#hints').click()");
    // The way of section 4.8, by letter: the child checks, the parent signals, the child sleeps.
    browser.key("b");
    browser.key("1");
    assert!(
        browser.text("score").contains("You have made 2 choices."),
        "{}",
        browser.text("score")
    );
    browser.key("Backspace");
    assert!(browser.text("score").contains("You have made 1 choice."));
    browser.eval("document.querySelector('#again').click()");
    assert!(browser.text("score").contains("You have made 0 choices."));
    browser.key("a");
    browser.key("R");
    assert!(browser.text("score").contains("You have made 0 choices."));
    // Back by steps: what was chosen stays, and can be chosen again.
    browser.key("a");
    browser.key("ArrowLeft");
    browser.key("Home");
    assert_eq!(browser.text("choose-h"), "You look back");
    browser.eval("document.querySelector('#choices button').click()");
    assert_eq!(browser.text("choose-h"), "Who goes on?");
    assert_eq!(been(&mut browser), ends(&made.tree()));
    browser.key("R");
    let fewest = browser.eval("shows[0].tree.fewest[0]").as_u64().expect("a number");
    play_the_fewest(&mut browser, fewest);
    assert!(browser.text("say").contains("sleeps in pause"), "{}", browser.text("say"));
    browser.eval("document.querySelector('#verdict button').click()");
    assert_eq!(browser.text("goal-h"), "Now try to make the cure hang");
    assert!(browser.text("odds").contains("none hangs"), "{}", browser.text("odds"));
    let cure = fs::read_to_string(made.file("cure.json")).expect("a tree");
    assert_eq!(been(&mut browser), ends(&serde_json::from_str(&cure).expect("JSON")));
    browser.key("C");
    assert!(browser.text("goal-h").starts_with("Make it hang"));
    browser.key("?");
    assert_eq!(browser.eval("document.querySelector('#help').open"), true);
    assert!(browser.errors.is_empty(), "{:#?}", browser.errors);
    assert_eq!(browser.requests.len(), 1, "{:#?}", browser.requests);
}

/// Follows the choices that the page knows to be the shortest, by their digits, and reads the score.
fn play_the_fewest(browser: &mut Browser, fewest: u64) {
    for _ in 0..fewest {
        let digit =
            "1 + shows[0].tree.places[markHere().place].c.findIndex((one) => one.to !== undefined
            && shows[0].tree.fewest[one.to] === shows[0].tree.fewest[markHere().place] - 1)";
        let digit = browser.eval(digit).as_u64().expect("a digit");
        browser.eval("document.activeElement.blur()");
        browser.key(&digit.to_string());
    }
    let score = browser.text("score");
    assert_eq!(score, format!("It hangs after {fewest} choices. No order does it with fewer."));
}

/// The README shows the page of 4.8 at the end of the shortest order that goes wrong. The letters of a browser are not
/// the same everywhere: what is compared is what the page says there.
#[test]
fn the_picture_is_of_the_page() {
    if !have("chromium", "the picture of the page") || !can_explore("the picture of the page") {
        return;
    }
    let made = made(&format!("$lab page 4.8 -o page.html --workbook {}", repo().display()));
    let mut browser = opened(&made.file("page.html"));
    browser.size(1000, 640);
    let fewest = browser.eval("shows[0].tree.fewest[0]").as_u64().expect("a number");
    play_the_fewest(&mut browser, fewest);
    browser.eval("document.activeElement.blur()");
    assert_eq!(browser.text("goal-h"), "Make it hang in as few choices as you can");
    for says in ["Process a sleeps in pause().", "Process b sleeps in pause().", "It hangs."] {
        assert!(browser.text("verdict").contains(says), "{says}");
    }
    // What sleeps is as well to be read as what does not.
    let shown = "getComputedStyle(document.querySelector('.what.sleep')).fillOpacity";
    assert_eq!(browser.eval(shown), "1");
    let path = repo().join("images/page.png");
    if std::env::var_os("IMAGES").is_some() {
        fs::write(&path, browser.picture()).expect("the picture");
    }
    let there = fs::read(&path).expect("images/page.png; `make images` writes it");
    assert!(there.starts_with(b"\x89PNG") && there.len() < 200_000, "{} bytes", there.len());
    assert_eq!(there[16..24], [0, 0, 3, 232, 0, 0, 2, 128], "1000 wide, 640 high");
    let readme = fs::read_to_string(repo().join("README.md")).expect("README.md");
    assert!(readme.contains("](images/page.png)"));
}

/// axe-core, as tests/run has fetched it.
fn axe() -> Option<String> {
    let file = repo().join("target/axe/package/axe.min.js");
    let found = fs::read_to_string(file).ok();
    if found.is_none() {
        not_tested("axe-core", "whether the page of lab page can be used by everybody");
    }
    found
}

#[test]
fn axe_finds_nothing() {
    if !have("chromium", "lab page with axe-core") || !can_explore("lab page with axe-core") {
        return;
    }
    let Some(axe) = axe() else { return };
    let made = both();
    for (page, width) in [("page.html", 1280), ("page.html", 360), ("run.html", 1280)] {
        let mut browser = opened(&made.file(page));
        browser.size(width, 800);
        browser.eval(&axe);
        for scheme in ["light", "dark"] {
            browser.scheme(scheme);
            for way in [
                "",
                "$('hints') && $('hints').click(); $('help').open = true",
                "look(0)",
                "playOn()",
            ] {
                let on = "globalThis.playOn = () => { look(way.steps.length); for (let one; one = $('choices') \
                          && $('choices').querySelector('button');) one.click(); }";
                browser.eval(on);
                browser.eval(way);
                let found = browser.eval(
                    "axe.run().then((all) => all.violations.map((one) => \
                     [one.id, one.nodes.map((node) => [node.html, node.failureSummary])]))",
                );
                assert_eq!(found, json!([]), "{page}, {width}, {scheme}, {way}: {found:#}");
            }
        }
    }
}

#[test]
fn it_fits_a_phone_and_two_sheets_and_needs_no_script() {
    if !have("chromium", "lab page on a phone, on paper and without JavaScript")
        || !can_explore("lab page on a phone, on paper and without JavaScript")
    {
        return;
    }
    let made = both();
    for page in ["page.html", "run.html"] {
        let mut browser = opened(&made.file(page));
        browser.size(360, 640);
        let scroll = "document.documentElement.scrollWidth";
        assert_eq!(browser.eval(scroll), 360);
        browser.eval("if ($('choices')) for (let one; one = $('choices').querySelector('button');) one.click()");
        assert_eq!(browser.eval(scroll), 360, "{page}");
        assert_eq!(browser.printed(), 2, "{page}");
    }
    let mut browser = Browser::start();
    browser.without_scripts();
    browser.open(&made.file("page.html"));
    let shown = browser.ask("DOMSnapshot.captureSnapshot", json!({"computedStyles": []}));
    let laid_out = shown["documents"][0]["layout"]["text"].as_array().expect("a list").clone();
    let strings = shown["strings"].as_array().expect("a list");
    let text =
        laid_out.iter().filter_map(|at| strings.get(usize::try_from(at.as_i64()?).ok()?)?.as_str());
    let text: String = text.collect::<Vec<_>>().join("\n");
    assert!(text.contains("The shortest order that goes wrong"), "{text}");
    assert!(text.contains("calls pause(), and sleeps there."), "{text}");
    assert!(!text.contains("Who goes on?"), "{text}");
}

#[test]
fn what_a_program_says_stays_text() {
    if !have("chromium", "lab page: that what a program says stays text") {
        return;
    }
    let evil = "</script><script>document.title='lost'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>\u{2028}&amp;";
    let run = [
        json!({"event": "explored", "format": "lab-run", "version": 1}),
        json!({"event": "move", "lane": "a", "pid": 100, "tid": 100, "n": 1, "could": []}),
        json!({"event": "write", "lane": "a", "pid": 100, "tid": 100, "fd": 1, "text": evil}),
        json!({"event": "ended", "ends": [evil], "schedule": "a"}),
    ];
    let lines: Vec<String> = run.iter().map(Value::to_string).collect();
    let folder = common::scratch();
    let (file, page) = (folder.path().join("run.json"), folder.path().join("page.html"));
    fs::write(&file, lines.join("\n")).expect("a run");
    let (file, out) = (file.display().to_string(), page.display().to_string());
    tool(&["page", &file, "-o", &out, "--title", evil]).clean();
    let source = fs::read_to_string(&page).expect("a page");
    assert!(
        !source.contains('\u{2028}')
            || !source[source.find("id=\"data\"").expect("data")..].contains('\u{2028}')
    );
    let mut browser = opened(&page);
    browser.key("End");
    assert_eq!(browser.eval("document.title"), evil);
    assert!(browser.text("output").contains("</script><script>"), "{}", browser.text("output"));
    assert_eq!(browser.eval("document.querySelectorAll('img').length"), 0);
    assert_eq!(browser.requests.len(), 1, "{:#?}", browser.requests);
}

#[test]
fn what_is_not_ours_is_refused_in_one_line() {
    let folder = common::scratch();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).expect("a file");
        file.display().to_string()
    };
    for (text, why) in [
        (
            r#"{"format":"lab-tree","version":2}"#,
            "has version 2 of lab-tree, and this lab reads version 1",
        ),
        (r#"{"event":"explored","format":"lab-run","version":7}"#, "has version 7 of lab-run"),
        (r#"{"a": 1}"#, "is neither a tree nor a run: it has no format"),
        ("hello", "is neither a tree nor a run: line 1 is no JSON object"),
        ("", "is neither a tree nor a run: it is empty"),
        (r#"{"event":"summary"}"#, "nothing happens in it"),
    ] {
        let (file, out) =
            (write("it.json", text), folder.path().join("page.html").display().to_string());
        let run = tool(&["page", &file, "-o", &out]);
        assert_eq!((run.code, run.stderr.lines().count()), (2, 1), "{run:#?}");
        assert!(run.stderr.contains(why), "{why}: {run:#?}");
        assert!(!Path::new(&out).exists());
    }
}

#[test]
fn part_a_and_its_cure_are_no_300_kilobytes() {
    if !can_explore("the size of the page of 4.8") {
        return;
    }
    let lab = lab("4.8").display().to_string();
    let part = |part: &str| {
        let out = format!(
            "$lab explore --json --tree {part}.json -- {lab} --part {part} --rounds 1 --unwatched"
        );
        format!("{out} >/dev/null 2>&1 || true; ")
    };
    let made =
        made(&format!("{}{}$lab page a.json --cure c.json -o page.html", part("a"), part("c")));
    let page = made.file("page.html");
    let size = fs::metadata(&page).expect("a page").len();
    assert!((50_000..=300_000).contains(&size), "{size} bytes");
    if std::env::var_os("SOAK").is_some() && have("chromium", "every order of 4.8 in a browser") {
        let mut browser = opened(&page);
        for (name, show) in [("a.json", 0), ("c.json", 1)] {
            browser.eval(&format!("change({show})"));
            let tree = fs::read_to_string(made.file(name)).expect("a tree");
            assert_eq!(been(&mut browser), ends(&serde_json::from_str(&tree).expect("JSON")));
        }
        assert_eq!(browser.printed(), 2);
    }
}
