//! Signals and waits.

use libc::c_int;
use say::tell;
use screen::words::translated;

use super::case::Case;

/// The process that a signal is for.
pub fn addressee(case: &Case) -> i64 {
    ["tid", "pid", "tgid"].into_iter().find_map(|name| case.call.value(name)).unwrap_or(0)
}

pub fn no_group(case: &Case) -> Option<String> {
    let group = addressee(case).checked_neg().filter(|group| *group > 1)?;
    Some(tell!("no process is in the process group {group}"))
}

pub fn has_ended(case: &Case) -> Option<String> {
    let who = case.world.ended(addressee(case) as c_int)?;
    Some(tell!("{who} has ended: no process has this pid any more"))
}

pub fn no_process(_: &Case) -> Option<String> {
    Some(translated("no process has this pid").into())
}

pub fn another_user(case: &Case) -> Option<String> {
    let theirs = case.world.user_of(addressee(case) as c_int);
    let mine = case.world.caller().map(|caller| caller.uid);
    Some(match (theirs, mine) {
        (Some(theirs), Some(mine)) if theirs != mine => {
            tell!("the process belongs to uid {theirs}; uid {mine} may not send it signals")
        }
        _ => translated("the process belongs to another user, or has more rights").into(),
    })
}

pub fn no_signal(case: &Case) -> Option<String> {
    let signal = case.value("sig");
    (!(0..=64).contains(&signal)).then(|| tell!("there is no signal {signal}: 1 to 64"))
}

pub fn reaped_by_kernel(case: &Case) -> Option<String> {
    let ignored = case.world.ignores(libc::SIGCHLD);
    ignored.then(|| {
        translated("no child is left: SIGCHLD is ignored, so the kernel reaps each child itself")
            .into()
    })
}

pub fn no_child(case: &Case) -> Option<String> {
    let wanted = case.call.value("pid").filter(|pid| *pid > 0);
    Some(match wanted {
        Some(pid) => match case.world.ended(pid as c_int) {
            Some(who) => tell!("{who} has ended: it is no child to wait for any more"),
            None => tell!("{pid} is no child of this process"),
        },
        None => translated("this process has no child that was not waited for").into(),
    })
}

pub fn word_changed(_: &Case) -> Option<String> {
    Some(translated("the word had already changed, so the call did not sleep").into())
}

pub fn time_is_up(_: &Case) -> Option<String> {
    Some(translated("nobody woke it before its time limit").into())
}

pub fn bad_pointer(_: &Case) -> Option<String> {
    Some(translated("an address that it was given is not in the memory of the process").into())
}

pub fn interrupted(_: &Case) -> Option<String> {
    Some(translated("a signal interrupted it before it could do anything").into())
}
