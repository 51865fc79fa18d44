//! `junit.xml`: a suite a submission, a case a rule. As junit-10.xsd of Jenkins has it.

use crate::check::apart::Finding;
use crate::grade::clean::xml;
use crate::grade::marks::{Class, Mark, Word};

/// All of them.
pub fn suites(class: &Class) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    let mut suites = String::new();
    for mark in &class.marks {
        let (failed, not_judged) = (mark.judged.findings.len(), usize::from(is_error(mark)));
        let waits = usize::from(mark.word == Word::Waiting);
        let all = mark.judged.passed.len() + failed + not_judged + waits;
        tests += all;
        failures += failed;
        errors += not_judged;
        suites += &format!(
            "  <testsuite name=\"{}\" tests=\"{all}\" failures=\"{failed}\" errors=\"{not_judged}\" \
             skipped=\"{waits}\">\n{}  </testsuite>\n",
            xml(&mark.id),
            cases(class, mark)
        );
    }
    text += &format!(
        "<testsuites name=\"lab grade {}\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\">\n",
        xml(&class.settings.section)
    );
    text + &suites + "</testsuites>\n"
}

fn is_error(mark: &Mark) -> bool {
    mark.word == Word::NotJudged
}

fn cases(class: &Class, mark: &Mark) -> String {
    let id = xml(&mark.id);
    let case = |name: &str| format!("    <testcase name=\"{}\" classname=\"{id}\"", xml(name));
    let mut text = String::new();
    for one in &mark.judged.findings {
        text += &format!(
            "{}><failure message=\"{}\" type=\"{}\">{}</failure></testcase>\n",
            case(&one.rule),
            xml(&one.title),
            xml(&one.class),
            body(class, one)
        );
    }
    for one in &mark.judged.passed {
        text += &format!("{}/>\n", case(&one.rule));
    }
    let why = xml(mark.why_not().unwrap_or_default());
    match mark.word {
        Word::NotJudged => {
            text += &format!("{}><error message=\"{why}\"/></testcase>\n", case("judge"))
        }
        Word::Waiting => {
            text += &format!("{}><skipped message=\"{why}\"/></testcase>\n", case("judge"))
        }
        _ => {}
    }
    text
}

fn body(class: &Class, one: &Finding) -> String {
    let lines = super::github::lines(class, one);
    lines.iter().map(|line| xml(line)).collect::<Vec<_>>().join("\n")
}
