//! Why a call failed, in this case: the one table of causes. Of the rows for a call and its error, the
//! first whose cause holds speaks; the order is the kernel's, which also stops at the first.

use nix::errno::Errno;
use sysv::tables::Kind;

use super::world::World;
use crate::event::Call;

mod addresses;
mod case;
mod ids;
mod keys;
mod processes;
mod queues;
mod rights;

use addresses::*;
use case::Case;
use ids::*;
use keys::*;
use processes::*;
use queues::*;
use rights::*;

pub use addresses::fault;
pub use keys::key_of_no_file;
pub use rights::in_decimal;

/// The sentence, if this is the cause.
type Cause = fn(&Case) -> Option<String>;

const GET: &[&str] = &["shmget", "msgget", "semget"];
const CONTROL: &[&str] = &["shmctl", "msgctl", "semctl"];
const SEMOP: &[&str] = &["semop", "semtimedop"];
const BY_ID: &[&str] =
    &["shmat", "shmctl", "msgsnd", "msgrcv", "msgctl", "semop", "semtimedop", "semctl"];
const KILL: &[&str] =
    &["kill", "tkill", "tgkill", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo"];
const WAIT: &[&str] = &["wait4", "waitid"];
const ANY: &[&str] = &[];

/// See the module.
const CAUSES: &[(&[&str], Errno, &[Cause])] = &[
    (GET, Errno::ENOENT, &[no_file, key_removed, key_is_id, no_key]),
    (GET, Errno::EEXIST, &[no_file, exists]),
    (
        &["shmget"],
        Errno::EINVAL,
        &[no_file, larger, no_bytes, too_many_bytes, no_such_pages, bad_size],
    ),
    (&["semget"], Errno::EINVAL, &[no_file, bad_count, more_semaphores, no_semaphores, bad_size]),
    (GET, Errno::EACCES, &[forbidden]),
    (GET, Errno::ENOSPC, &[table_full, pages_full, semaphores_full, no_room]),
    (&["shmget"], Errno::ENOMEM, &[no_huge_pages, no_memory]),
    (&["shmget"], Errno::EPERM, &[huge_pages_forbidden]),
    (&["shmat"], Errno::EINVAL, &[negative_id, odd_address, remap_nowhere, unknown_id, occupied]),
    (&["shmat"], Errno::ENOMEM, &[far_address, no_address_space]),
    (&["shmat"], Errno::EPERM, &[low_address]),
    (&["shmdt"], Errno::EINVAL, &[failed_address, inside, moved, detached, behind, not_attached]),
    (
        CONTROL,
        Errno::EINVAL,
        &[
            negative_id,
            no_command,
            empty_slot,
            unknown_id,
            no_such_owner,
            no_such_semaphore,
            bad_argument,
        ],
    ),
    (CONTROL, Errno::EPERM, &[not_owner, lock_forbidden, queue_limit]),
    (&["shmctl"], Errno::ENOMEM, &[lock_forbidden]),
    (&["semctl"], Errno::ERANGE, &[bad_value]),
    (&["msgsnd"], Errno::EINVAL, &[negative_id, bad_length, bad_type, unknown_id, bad_argument]),
    (&["msgsnd"], Errno::EAGAIN, &[queue_full]),
    (&["msgrcv"], Errno::EINVAL, &[negative_id, bad_length, bad_copy, unknown_id, bad_argument]),
    (&["msgrcv"], Errno::E2BIG, &[message_too_long]),
    (&["msgrcv"], Errno::ENOMSG, &[no_message]),
    (SEMOP, Errno::EINVAL, &[no_operations, negative_id, bad_limit, unknown_id, bad_limit_at_all]),
    (SEMOP, Errno::E2BIG, &[too_many_operations]),
    (SEMOP, Errno::EFBIG, &[no_such_operand]),
    (SEMOP, Errno::ERANGE, &[value_too_high]),
    (SEMOP, Errno::EAGAIN, &[would_wait]),
    (BY_ID, Errno::EACCES, &[forbidden]),
    (BY_ID, Errno::EIDRM, &[removed_meanwhile]),
    (KILL, Errno::ESRCH, &[no_group, has_ended, no_process]),
    (KILL, Errno::EPERM, &[another_user]),
    (KILL, Errno::EINVAL, &[no_signal]),
    (WAIT, Errno::ECHILD, &[reaped_by_kernel, no_child]),
    (&["futex"], Errno::EAGAIN, &[word_changed]),
    (&["futex"], Errno::ETIMEDOUT, &[time_is_up]),
    (ANY, Errno::EFAULT, &[bad_pointer]),
    (ANY, Errno::EINTR, &[interrupted]),
];

/// Why this call failed; `None`: it did not, or nothing is known.
pub fn of(call: &Call, world: &dyn World) -> Option<String> {
    let errno = call.errno?;
    let kind = match &*call.name {
        name if name.starts_with("msg") => Kind::Msg,
        name if name.starts_with("sem") => Kind::Sem,
        _ => Kind::Shm,
    };
    let case = Case { call, world, kind };
    let rows = CAUSES.iter().filter(|(calls, of, _)| {
        *of == errno && (calls.is_empty() || calls.contains(&&*call.name))
    });
    rows.flat_map(|(.., causes)| causes.iter()).find_map(|cause| cause(&case))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Arg;
    use crate::syscalls::world::Nobody;

    /// The errors of shmget(2), shmop(2), shmctl(2), their like of queues and semaphores, kill(2) and
    /// waitpid(2), as far as it is the caller who can bring them about.
    const MANUAL: &[(&str, &str)] = &[
        ("shmget", "EACCES EEXIST EINVAL ENOENT ENOMEM ENOSPC EPERM"),
        ("shmat", "EACCES EIDRM EINVAL ENOMEM"),
        ("shmdt", "EINVAL"),
        ("shmctl", "EACCES EFAULT EIDRM EINVAL ENOMEM EPERM"),
        ("msgget", "EACCES EEXIST ENOENT ENOSPC"),
        ("msgsnd", "EACCES EAGAIN EFAULT EIDRM EINTR EINVAL"),
        ("msgrcv", "E2BIG EACCES EFAULT EIDRM EINTR EINVAL ENOMSG"),
        ("msgctl", "EACCES EFAULT EIDRM EINVAL EPERM"),
        ("semget", "EACCES EEXIST EINVAL ENOENT ENOSPC"),
        ("semop", "E2BIG EACCES EAGAIN EFAULT EFBIG EIDRM EINTR EINVAL ERANGE"),
        ("semtimedop", "E2BIG EACCES EAGAIN EFAULT EFBIG EIDRM EINTR EINVAL ERANGE"),
        ("semctl", "EACCES EFAULT EIDRM EINVAL EPERM ERANGE"),
        ("kill", "EINVAL EPERM ESRCH"),
        ("wait4", "ECHILD EINTR"),
    ];

    fn failed(name: &'static str, errno: Errno, args: &[(&'static str, i64)]) -> Call {
        let arg = |&(name, value)| Arg { name, text: "".into(), value, means: None };
        Call {
            name: name.into(),
            number: 0,
            args: args.iter().map(arg).collect(),
            result: Some(-1),
            answer: "".into(),
            errno: Some(errno),
            interrupted: false,
            at: None,
        }
    }

    #[test]
    fn every_error_of_the_manual_has_causes() {
        for (name, errors) in MANUAL {
            for errno in errors.split(' ') {
                let has = CAUSES.iter().any(|(calls, of, _)| {
                    format!("{of:?}") == errno && (calls.is_empty() || calls.contains(name))
                });
                assert!(has, "{errno} of {name}");
            }
        }
    }

    /// Where nothing is known, nothing is claimed that must be known.
    #[test]
    fn nobody_made_or_removed_what_is_not_known() {
        for (calls, errno, _) in CAUSES {
            for name in calls.iter().chain(if calls.is_empty() { &["write"][..] } else { &[] }) {
                let call = failed(name, *errno, &[("shmid", 7), ("size", 1)]);
                let text = of(&call, &Nobody).unwrap_or_default();
                let claims = ["made", "removed it", "key 0x", "failed", "any more"];
                let claimed = claims.iter().any(|words| text.contains(words));
                assert!(!claimed, "{name} {errno:?}: {text}");
            }
        }
    }

    #[test]
    fn a_mode_in_decimal_is_known_by_its_digits() {
        for meant in [400, 440, 444, 600, 640, 644, 660, 664, 666, 700, 755, 777] {
            assert!(in_decimal(meant & 0o777).is_some(), "{meant}");
            let octal = u32::from_str_radix(&meant.to_string(), 8).expect("octal digits");
            assert_eq!(in_decimal(octal), None, "0{meant}");
        }
        for usual in [0, 0o444, 0o600, 0o660, 0o666, 0o711] {
            assert_eq!(in_decimal(usual), None, "0{usual:o}");
        }
    }
}
