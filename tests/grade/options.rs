//! The options of `lab grade`, and its roster.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::common::{bin, can_explore, repo, run, scratch};
use crate::{REFUSED, files, formats, grade, hands_in, kept, mutant, of, report, solution};
use crate::{until, with_an_endless_one, without_progress};

/// The record of the only verdict that is kept, changed.
fn changed(out: &Path, change: &dyn Fn(&mut Value)) {
    let all = fs::read_dir(out.join(".journal")).expect("a journal").flatten();
    let mut paths = all.map(|one| one.path());
    let path = paths.find(|path| path.file_stem().is_some_and(|name| name.len() == 64));
    let path = path.expect("a record");
    let text = fs::read_to_string(&path).expect("a record");
    let mut record: Value = serde_json::from_str(&text).expect("JSON");
    change(&mut record);
    fs::write(&path, record.to_string()).expect("a record");
}

#[test]
fn what_could_not_be_judged_is_judged_again_if_it_is_asked_for() {
    if !can_explore("lab grade --retry") {
        return;
    }
    let folder = scratch();
    let (class, out) = (folder.path().join("class"), folder.path().join("report"));
    hands_in(&class, "anna", REFUSED);
    assert_eq!(grade(&class, &out, &[]).code, 0);
    // As if the machine had been in trouble then.
    changed(&out, &|record| record["judged"]["not_judged"] = "no process number is free".into());
    changed(&out, &|record| record["judged"]["findings"] = Value::Array(vec![]));
    let again = grade(&class, &out, &[]);
    assert_eq!(again.code, 3, "{again:#?}");
    assert!(again.stdout.contains("could not judge anna: no process number is free"), "{again:#?}");
    let retried = grade(&class, &out, &["--retry"]);
    assert_eq!(retried.code, 0, "{retried:#?}");
    assert_eq!(of(&report(&out), "anna")["verdict"], "findings");
    // Nothing is left to be judged again.
    changed(&out, &|record| record["judged"]["findings"][0]["title"] = "as it was".into());
    assert_eq!(grade(&class, &out, &["--retry"]).code, 0);
    assert_eq!(of(&report(&out), "anna")["findings"][0]["title"], "as it was");
}

#[test]
fn one_that_takes_too_long_is_not_judged() {
    if !can_explore("lab grade --limit") {
        return;
    }
    let folder = scratch();
    let (class, out) = (with_an_endless_one(folder.path()), folder.path().join("report"));
    fs::remove_dir_all(class.join("anna")).expect("a folder");
    let first = grade(&class, &out, &["--limit", "1"]);
    assert_eq!(first.code, 3, "{first:#?}");
    assert_eq!(of(&report(&out), "zoe")["not_judged"], "it took longer than 1 s");
    // It is judged again within another limit, and nothing else is.
    let second = grade(&class, &out, &["--limit", "2"]);
    assert_eq!(second.code, 3, "{second:#?}");
    assert_eq!(of(&report(&out), "zoe")["not_judged"], "it took longer than 2 s");
    hands_in(&class, "anna", REFUSED);
    grade(&class, &out, &["--only", "anna"]);
    assert_eq!(kept(&out), 2, "one of anna, one of zoe");
    let json = report(&out);
    assert_eq!(of(&json, "anna")["verdict"], "findings");
    assert_eq!(json["settings"]["limit"], 600);
}

#[test]
fn with_trust_the_verdict_is_the_same() {
    if !can_explore("lab grade --trust") {
        return;
    }
    let folder = scratch();
    let (class, out) = (folder.path().join("class"), folder.path().join("report"));
    hands_in(&class, "anna", &mutant("left-behind"));
    assert_eq!(grade(&class, &out, &[]).code, 0);
    let walled = of(&report(&out), "anna").clone();
    assert!(files(&out)[Path::new("index.html")].contains("in cells"));
    let run = grade(&class, &out, &["--trust"]);
    assert_eq!(run.code, 0, "{run:#?}");
    let json = report(&out);
    assert_eq!(json["settings"]["trust"], true);
    for field in ["verdict", "points", "findings", "passed"] {
        assert_eq!(of(&json, "anna")[field], walled[field], "{field}");
    }
    assert_ne!(of(&json, "anna")["key"], walled["key"]);
    assert!(files(&out)[Path::new("index.html")].contains("without the walls of the cell"));
}

#[test]
fn a_roster_as_a_spreadsheet_writes_it() {
    if !can_explore("lab grade --roster") {
        return;
    }
    let folder = scratch();
    let class = folder.path().join("all submissions");
    for name in ["王小明 1", "two words", "a\nb"] {
        hands_in(&class, name, REFUSED);
    }
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a roster");
        path.display().to_string()
    };
    let rows = [
        "Name;ID;Path",
        "Wang;王小明;all submissions/王小明 1",
        "\"Two; Words\";two words;\"all submissions/two words\"",
        "Nobody;nobody;all submissions/nobody",
        "",
        "Newline;\"x\ny\";\"all submissions/a\nb\"",
    ];
    let semicolons = put("semicolons.csv", &("\u{feff}".to_string() + &rows.join("\r\n")));
    let tabs = rows.join("\n").replace("Two; Words", "Two Words").replace(';', "\t");
    let tabs = put("tabs.csv", &tabs);
    let root = repo().display().to_string();
    let mut verdicts = vec![];
    for (n, roster) in [semicolons, tabs].iter().enumerate() {
        let out = folder.path().join(format!("report {n}"));
        let report_in = out.display().to_string();
        let words = ["grade", "--roster", roster, "-o", &report_in, "--workbook", &root];
        let graded = run(&bin("lab")).args(&words).go();
        assert_eq!(graded.code, 3, "{graded:#?}");
        let json = report(&out);
        for id in ["王小明", "two words", "x\\u{a}y"] {
            assert_eq!(of(&json, id)["verdict"], "findings", "{id}");
        }
        let why = "nothing was handed in: there is no such file";
        assert_eq!(of(&json, "nobody")["not_judged"], why);
        formats::hold(&out, 4);
        verdicts.push(json["counts"].clone());
        // As it is in the roster, and as the report shows it.
        for id in ["x\ny", "x\\u{a}y"] {
            let words = [&words[..], &["--override", id, "3", "by hand"]].concat();
            assert_eq!(run(&bin("lab")).args(&words).go().code, 3);
            assert_eq!(of(&report(&out), "x\\u{a}y")["points"], 3.0);
            let words = [&words[..7], &["--no-override", id]].concat();
            assert_eq!(run(&bin("lab")).args(&words).go().code, 3);
            assert_eq!(of(&report(&out), "x\\u{a}y")["points"], 0.0);
        }
    }
    assert_eq!(verdicts[0], verdicts[1]);
}

/// The points of a program are the same on its own and in a class, with and without a remark on style.
#[test]
fn one_rule_for_points() {
    if !can_explore("that lab check and lab grade give the same points") {
        return;
    }
    let folder = scratch();
    let (class, out) = (folder.path().join("class"), folder.path().join("report"));
    hands_in(&class, "right", &solution());
    hands_in(&class, "style", &mutant("a-key"));
    hands_in(&class, "wrong", &mutant("lost-wake-up"));
    assert_eq!(grade(&class, &out, &[]).code, 0);
    let json = report(&out);
    let all = json["of"].as_f64().expect("a number");
    let points = |id: &str| of(&json, id)["points"].as_f64().expect("points");
    assert_eq!(points("right"), all);
    assert_eq!(of(&json, "style")["verdict"], "passed");
    assert_eq!(points("style"), all - 1.0, "a-key is worth 1");
    assert!(points("wrong") > 0.0 && points("wrong") < points("style"));
    let root = repo().display().to_string();
    for id in ["right", "style", "wrong"] {
        let source = class.join(id).join("main.c").display().to_string();
        let words = ["check", "4.8", &source, "--workbook", &root, "--points"];
        let alone = run(&bin("lab")).args(&words).go();
        let line = format!("points: {} of {all}\n", points(id));
        assert!(alone.stdout.contains(&line), "{line}{alone:#?}");
    }
}

#[test]
fn two_graders_do_not_write_into_one_report() {
    if !can_explore("two of lab grade at the same time") {
        return;
    }
    let folder = scratch();
    let (class, out) = (with_an_endless_one(folder.path()), folder.path().join("report"));
    let mut first = crate::started(&class, &out, &["--jobs", "1"]);
    until(&mut first, &|| kept(&out) > 0);
    let before = files(&out);
    let second = grade(&class, &out, &[]);
    let last = without_progress(&second.stderr);
    assert_eq!((second.code, last.len()), (1, 1), "{second:#?}");
    assert!(last[0].ends_with("another lab grade writes there"), "{last:?}");
    assert_eq!(files(&out), before);
    // SAFETY: our child, and not reaped.
    unsafe { libc::kill(first.id() as i32, libc::SIGTERM) };
    let ended = first.wait_with_output().expect("lab");
    assert_eq!(ended.status.code(), Some(128 + libc::SIGTERM));
}
