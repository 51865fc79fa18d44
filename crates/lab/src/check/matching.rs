//! Which rules hold, for what was seen.

use super::evidence::{Did, Fact};
use super::rules::{Rule, When};

/// All that was seen so far.
#[derive(Default)]
pub struct Evidence {
    /// The calls of the first run.
    pub did: Vec<Did>,
    pub facts: Vec<Fact>,
}

/// A rule that holds, and by what.
#[derive(Clone, Debug)]
pub struct Holds {
    pub rule: Rule,
    pub fact: Option<Fact>,
    /// The call of the first run that shows it.
    pub did: Option<Did>,
    /// Other lines with the same fault.
    pub also: Vec<String>,
}

impl Holds {
    /// A rule that holds by a fact alone.
    pub fn by(rule: Rule, fact: Fact) -> Holds {
        Holds { rule, fact: Some(fact), did: None, also: vec![] }
    }

    /// `{call}` and its like in a sentence of the rule become what was seen.
    pub fn filled(&self, text: &str) -> String {
        let mut text = text.to_string();
        for (name, values) in self.fact.iter().flat_map(|fact| &fact.is) {
            text = text.replace(&format!("{{{name}}}"), values.first().map_or("", String::as_str));
        }
        if let Some(did) = &self.did {
            text = text.replace("{call}", &did.name);
            text = text.replace("{errno}", did.errno.as_deref().unwrap_or_default());
        }
        text
    }

    pub fn title(&self) -> String {
        self.filled(&self.rule.title)
    }
}

/// Of these instruments each fact is a fault of its own; those of the others may be one fault, seen again.
const EACH: [&str; 2] = ["failures", "handlers"];

impl Evidence {
    /// How large a segment the program has asked for in the first run.
    pub fn asked_for(&self) -> Option<u64> {
        let made = |did: &&Did| did.name == "shmget" && did.errno.is_none();
        let size = |did: &Did| did.args.split(", ").nth(1)?.parse().ok();
        self.did.iter().filter(made).find_map(size).filter(|size| *size > 0)
    }

    /// Is a rule about what this program does? One that never calls sigsuspend has not passed a rule about it.
    pub fn concerns(&self, rule: &Rule) -> bool {
        let made = |pattern: &String| self.did.iter().any(|did| matches(pattern, did, true));
        let When { seen, before, failed, .. } = &rule.when;
        let any = |all: &[String]| all.is_empty() || all.iter().any(made);
        seen.iter().chain(before).all(made) && any(failed) && any(&rule.about)
    }

    /// Does a rule hold?
    pub fn against(&self, rule: &Rule) -> Option<Holds> {
        let When { seen, missing, before, fewer, failed, unfailed, fact } = &rule.when;
        let made = |pattern: &String| self.did.iter().position(|did| matches(pattern, did, true));
        let mut shown = None;
        for pattern in seen {
            shown = Some(made(pattern)?);
        }
        if missing.iter().any(|pattern| made(pattern).is_some()) {
            return None;
        }
        if let [first, second] = &before[..] {
            let (first, second) = (made(first)?, made(second)?);
            if first >= second {
                return None;
            }
            shown = Some(second);
        }
        let times =
            |pattern: &str| self.did.iter().filter(|did| matches(pattern, did, true)).count();
        if !fewer.is_empty() && fewer.iter().all(|(pattern, least)| times(pattern) >= *least) {
            return None;
        }
        if !failed.is_empty() {
            let fails = |did: &Did| failed.iter().any(|pattern| matches(pattern, did, false));
            shown = Some(self.did.iter().position(fails)?);
        }
        let fails = |pattern: &String| self.did.iter().any(|did| matches(pattern, did, false));
        if unfailed.iter().any(fails) {
            return None;
        }
        let fits = |one: &&Fact| {
            fact.iter().all(|(name, wanted)| {
                one.is.get(name).is_some_and(|values| values.iter().any(|value| wanted.has(value)))
            })
        };
        let mut all = self.facts.iter().filter(fits);
        let found = if fact.is_empty() { None } else { Some(all.next()?.clone()) };
        let mut also: Vec<String> = vec![];
        let here = found.as_ref().and_then(|fact| fact.source.clone());
        let each = |fact: &&Fact| EACH.iter().any(|one| fact.first("in") == Some(one));
        for place in all.filter(each).filter_map(|fact| fact.source.clone()) {
            if Some(&place) != here.as_ref() && !also.contains(&place) {
                also.push(place);
            }
        }
        let did = shown.map(|at| self.did[at].clone());
        Some(Holds { rule: rule.clone(), fact: found, did, also })
    }
}

/// `b:shmget IPC_PRIVATE`: a call of this name (of this process), whose arguments have all of these words.
/// `well`: one that succeeded; else one that failed, of which a word may also be the errno.
fn matches(pattern: &str, did: &Did, well: bool) -> bool {
    let mut words = pattern.split_whitespace();
    let name = words.next().unwrap_or_default();
    let (who, name) = name.split_once(':').map_or((None, name), |(who, name)| (Some(who), name));
    let errno = did.errno.as_deref().unwrap_or_default();
    did.name == name
        && who.is_none_or(|who| did.who == who)
        && did.errno.is_none() == well
        && words.all(|word| did.args.contains(word) || errno == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(who: &str, name: &str, args: &str, errno: Option<&str>) -> Did {
        let [who, name, args] = [who, name, args].map(String::from);
        Did { who, name, args, errno: errno.map(String::from), ..Did::default() }
    }

    #[test]
    fn a_pattern_names_a_process_a_call_and_words() {
        let one = did("a", "shmget", "IPC_PRIVATE, 128, IPC_CREAT|0600", None);
        assert!(matches("shmget", &one, true));
        assert!(matches("a:shmget IPC_PRIVATE 128", &one, true));
        assert!(!matches("b:shmget", &one, true));
        assert!(!matches("shmget IPC_EXCL", &one, true));
        assert!(!matches("shmget", &one, false));
        assert!(matches("shmget", &did("a", "shmget", "", Some("ENOSPC")), false));
    }
}
