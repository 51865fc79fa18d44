//! Signals: sending them, blocking them, waiting for them.

use super::args::As::*;
use super::cells::*;
use super::notes::{self, say};

rows! {
    SYS_kill kill(pid Int, sig Signal) {
        shown: Shown::Always,
        wakes: Wakes::Addressee(Addressee::Process),
        touches: &[Touch::Addressee],
        explain: notes::kill,
    }
    SYS_tkill tkill(tid Int, sig Signal) {
        shown: Shown::Always,
        wakes: Wakes::Addressee(Addressee::Thread),
        touches: &[Touch::Addressee],
        explain: notes::sent,
    }
    SYS_tgkill tgkill(tgid Int, tid Int, sig Signal) {
        shown: Shown::Always,
        wakes: Wakes::Addressee(Addressee::ThreadOf),
        touches: &[Touch::Addressee],
        explain: notes::sent,
    }
    SYS_pidfd_send_signal pidfd_send_signal(pidfd Int, sig Signal, info Info, flags Hex) {
        shown: Shown::Always,
        wakes: Wakes::Addressee(Addressee::Pidfd),
        touches: &[Touch::Addressee],
        explain: notes::sent,
    }
    SYS_rt_sigqueueinfo rt_sigqueueinfo(tgid Int, sig Signal, info Info) {
        shown: Shown::Always,
        wakes: Wakes::Addressee(Addressee::Process),
        touches: &[Touch::Addressee],
        explain: notes::sent,
    }
    SYS_rt_tgsigqueueinfo rt_tgsigqueueinfo(tgid Int, tid Int, sig Signal, info Info) {
        shown: Shown::Always,
        wakes: Wakes::Addressee(Addressee::ThreadOf),
        touches: &[Touch::Addressee],
        explain: notes::sent,
    }

    SYS_rt_sigaction rt_sigaction(signum Signal, act Action, oldact OutAction, sigsetsize Size) {
        shown: Shown::Handlers,
        point: Point::IfSet,
        follow: Follow::No,
        touches: &[],
        changes: Changes::Action,
        explain: notes::rt_sigaction,
    }
    SYS_rt_sigprocmask rt_sigprocmask(how How, set Set, oldset OutSet, sigsetsize Size) {
        shown: Shown::Masks,
        point: Point::IfSet,
        follow: Follow::No,
        touches: &[],
        changes: Changes::Mask,
        explain: notes::rt_sigprocmask,
    }
    SYS_rt_sigpending rt_sigpending(set OutSet, sigsetsize Size) { touches: &[Touch::Pending] }

    #[cfg(target_arch = "x86_64")]
    SYS_pause pause() {
        shown: Shown::Always,
        sleep: Sleep::Signal(LetsIn::Unblocked),
        touches: &[],
        explain: notes::pause,
        asleep: Some(say("sleeps until a signal comes; one that came before does not end it", "4.8")),
    }
    SYS_rt_sigsuspend rt_sigsuspend(mask Set, sigsetsize Size) {
        shown: Shown::Always,
        sleep: Sleep::Signal(LetsIn::ByMask),
        own_mask: true,
        touches: &[],
        explain: notes::rt_sigsuspend,
        asleep: Some(say("sleeps with this mask until a handler has run", "4.8")),
    }
    SYS_rt_sigtimedwait rt_sigtimedwait(set Set, info OutInfo, timeout Time, sigsetsize Size) {
        answer: Spelling::Signal,
        shown: Shown::Always,
        sleep: Sleep::Signal(LetsIn::Taken),
        limit: Some(TimeLimit { error: libc::EAGAIN, ..TimeLimit::new(2, Unit::Timespec) }),
        touches: &[Touch::Time],
        explain: notes::rt_sigtimedwait,
        asleep: Some(say("sleeps until one of these signals is pending", "4.10")),
    }
}
