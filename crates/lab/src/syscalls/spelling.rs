//! A call as C has it.

use super::spoken;

/// A call as C has it, without what the C library adds.
pub fn in_c(text: &str) -> String {
    let (name, rest) = text.split_once('(').unwrap_or((text, ""));
    let name = spoken(name, rest.contains("tv_sec"));
    if name == "clone" && rest.contains("SIGCHLD") && !rest.contains("CLONE_VM") {
        return with_rest("fork()", rest);
    }
    if name.starts_with("clone") && rest.contains("CLONE_THREAD") {
        return with_rest("clone(CLONE_THREAD)", rest);
    }
    let mut text = text.replacen(text.split('(').next().unwrap_or_default(), name, 1);
    // What sigaction is given without being asked: the way back from a handler.
    if let Some(from) = text.find(", sa_restorer=0x") {
        let to = text[from..].find('}').map_or(text.len(), |to| from + to);
        text.replace_range(from..to, "");
        text = text.replace("SA_RESTORER|", "").replace("SA_RESTORER", "0");
    }
    if name == "sigaction" || name == "sigprocmask" || name == "sigsuspend" {
        text = text.replacen(", 8)", ")", 1);
    }
    text
}

/// With what the call has answered, and where.
fn with_rest(call: &str, rest: &str) -> String {
    let at = rest.rfind(") = ").or(rest.rfind(") … ")).map(|at| at + 1);
    format!("{call}{}", at.map_or("", |at| &rest[at..]))
}
