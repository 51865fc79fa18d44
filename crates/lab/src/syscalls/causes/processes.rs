//! Signals and waits.

use libc::c_int;

use super::case::Case;

/// The process that a signal is for.
pub fn addressee(case: &Case) -> i64 {
    ["tid", "pid", "tgid"].into_iter().find_map(|name| case.call.value(name)).unwrap_or(0)
}

pub fn no_group(case: &Case) -> Option<String> {
    let group = addressee(case).checked_neg().filter(|group| *group > 1)?;
    Some(format!("no process is in the process group {group}"))
}

pub fn has_ended(case: &Case) -> Option<String> {
    let who = case.world.ended(addressee(case) as c_int)?;
    Some(format!("{who} has ended: no process has this pid any more"))
}

pub fn no_process(_: &Case) -> Option<String> {
    Some("no process has this pid".into())
}

pub fn another_user(case: &Case) -> Option<String> {
    let theirs = case.world.user_of(addressee(case) as c_int);
    let mine = case.world.caller().map(|caller| caller.uid);
    Some(match (theirs, mine) {
        (Some(theirs), Some(mine)) if theirs != mine => {
            format!("the process belongs to uid {theirs}; uid {mine} may not send it signals")
        }
        _ => "the process belongs to another user, or has more rights".into(),
    })
}

pub fn no_signal(case: &Case) -> Option<String> {
    let signal = case.value("sig");
    (!(0..=64).contains(&signal)).then(|| format!("there is no signal {signal}: 1 to 64"))
}

pub fn reaped_by_kernel(case: &Case) -> Option<String> {
    let ignored = case.world.ignores(libc::SIGCHLD);
    ignored.then(|| {
        "no child is left: SIGCHLD is ignored, so the kernel reaps each child itself".into()
    })
}

pub fn no_child(case: &Case) -> Option<String> {
    let wanted = case.call.value("pid").filter(|pid| *pid > 0);
    Some(match wanted {
        Some(pid) => match case.world.ended(pid as c_int) {
            Some(who) => format!("{who} has ended: it is no child to wait for any more"),
            None => format!("{pid} is no child of this process"),
        },
        None => "this process has no child that was not waited for".into(),
    })
}

pub fn word_changed(_: &Case) -> Option<String> {
    Some("the word had already changed, so the call did not sleep".into())
}

pub fn time_is_up(_: &Case) -> Option<String> {
    Some("nobody woke it before its time limit".into())
}

pub fn bad_pointer(_: &Case) -> Option<String> {
    Some("an address that it was given is not in the memory of the process".into())
}

pub fn interrupted(_: &Case) -> Option<String> {
    Some("a signal interrupted it before it could do anything".into())
}
