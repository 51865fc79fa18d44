//! Golden output: what each lab prints, scrubbed, is `labs/4.x/expected.txt`. `make golden` writes
//! them; a second run in a fresh namespace must then say the same.

mod common;
use std::fs;

use common::{assert_same, per_process, repo, run_lab, scrub, sections};

fn output(section: &str) -> String {
    let story = run_lab(section).go().clean();
    let asked = run_lab(section).args(&["--experiments"]).go().clean();
    let text = |run: common::Run| scrub(&per_process(&run.stdout));
    format!(
        "$ make lab-{section}\n{}\n$ make lab-{section} ARGS=--experiments\n{}",
        text(story),
        text(asked)
    )
}

#[test]
fn every_lab_prints_what_it_printed() {
    for section in sections() {
        let file = repo().join(format!("labs/{section}/expected.txt"));
        let got = output(&section);
        if std::env::var_os("GOLDEN").is_some() {
            fs::write(&file, &got).expect("labs/4.x/expected.txt");
        }
        let expected = fs::read_to_string(&file).unwrap_or_default();
        assert_same(&format!("make golden writes {}", file.display()), &expected, &got);
        assert_same("two runs of the same lab", &got, &output(&section));
    }
}
