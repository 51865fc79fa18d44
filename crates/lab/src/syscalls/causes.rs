//! Why a call failed, in this case: the one table of causes. Of the rows for a call and its error, the
//! first whose cause holds speaks; the order is the kernel's, which also stops at the first.

use libc::c_int;
use nix::errno::Errno;
use sysv::tables::Kind;

use super::world::{Attached, Removed, Source, World};
use crate::event::{Call, Command, Operation};
use crate::tracer::names;

/// A call that failed, and whom to ask.
pub struct Case<'a> {
    pub call: &'a Call,
    pub world: &'a dyn World,
    kind: Kind,
}

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
    (&["shmat"], Errno::ENOMEM, &[no_address_space]),
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

impl Case<'_> {
    fn value(&self, name: &str) -> i64 {
        self.call.value(name).unwrap_or(0)
    }

    /// The key of a call that opens, the id of one that uses.
    fn first(&self) -> c_int {
        self.call.args.first().map_or(-1, |arg| arg.value) as c_int
    }

    fn flags(&self) -> c_int {
        let name = self.call.args.iter().map(|arg| arg.name).find(|name| name.ends_with("flg"));
        name.map_or(0, |name| self.value(name)) as c_int
    }

    fn get_call(&self) -> &'static str {
        get_call(self.kind)
    }

    /// `segment 3`
    fn named(&self, id: c_int) -> String {
        format!("{} {id}", self.kind.noun())
    }
}

fn get_call(kind: Kind) -> &'static str {
    match kind {
        Kind::Shm => "shmget",
        Kind::Msg => "msgget",
        Kind::Sem => "semget",
    }
}

/// `1 byte`, `2 bytes`
fn count(n: u64, one: &str) -> String {
    format!("{n} {one}{}", if n == 1 { "" } else { "s" })
}

// ---- keys

/// Key -1: what ftok answers when it fails.
pub fn key_of_no_file(key: i64, world: &dyn World) -> Option<String> {
    (key as c_int == -1).then(|| {
        let file = world.no_file().map_or(String::new(), |path| format!(" (no file {path:?})"));
        format!(
            "key 0xffffffff is -1, the answer of an ftok that failed{file}; each program whose \
             ftok fails gets the same key"
        )
    })
}

fn no_file(case: &Case) -> Option<String> {
    key_of_no_file(case.value("key"), case.world)
}

fn key_removed(case: &Case) -> Option<String> {
    let Removed { id, by } = case.world.removed_key(case.kind, case.first())?;
    let noun = case.kind.noun();
    Some(match by {
        Some(by) => {
            format!("no {noun} has this key any more: {by} removed {noun} {id}, which had it")
        }
        None => format!("no {noun} has this key any more: {noun} {id} had it, and was removed"),
    })
}

fn key_is_id(case: &Case) -> Option<String> {
    let key = case.first();
    let used = key > 0 && case.world.uses(case.kind, key);
    used.then(|| {
        let (noun, call) = (case.kind.noun(), case.get_call());
        format!("no {noun} has the key {key:#x}; {key} is the id of one, and {call} takes a key")
    })
}

fn no_key(case: &Case) -> Option<String> {
    Some(format!("no {} has this key, and IPC_CREAT was not given", case.kind.noun()))
}

fn exists(case: &Case) -> Option<String> {
    let found = case.world.with_key(case.kind, case.first());
    let noun = case.kind.noun();
    Some(match found {
        Some(found) => {
            let (id, maker) = (found.id, found.maker);
            format!(
                "{noun} {id} has this key already, made by {maker}; IPC_EXCL asks for a new one"
            )
        }
        None => format!("a {noun} has this key already, and IPC_EXCL asks for a new one"),
    })
}

// ---- sizes

fn larger(case: &Case) -> Option<String> {
    let found = case.world.with_key(case.kind, case.first())?;
    let (size, asked) = (found.row.size?, case.value("size") as u64);
    (asked > size).then(|| {
        let (has, maker) = (count(size, "byte"), found.maker);
        let was = if asked == 1 { "was" } else { "were" };
        format!("{} has {has}, {asked} {was} asked for; {maker} made it", case.named(found.id))
    })
}

/// Is the call about a new object, because none has its key?
fn is_new(case: &Case) -> bool {
    let key = case.first();
    key == libc::IPC_PRIVATE || case.world.with_key(case.kind, key).is_none()
}

fn no_bytes(case: &Case) -> Option<String> {
    let none = case.value("size") == 0 && is_new(case);
    none.then(|| "the size is 0: a new segment has 1 byte or more".into())
}

fn too_many_bytes(case: &Case) -> Option<String> {
    let (size, most) = (case.value("size") as u64, case.world.limit("shmmax")?);
    (size > most && is_new(case)).then(|| format!("{size} bytes are more than shmmax, {most}"))
}

/// The power of two that a call asks for, in huge pages of a size of its own.
fn huge_shift(case: &Case) -> Option<u32> {
    let flags = case.flags();
    let shift = flags as u32 >> 26 & 0x3f;
    (flags & libc::SHM_HUGETLB != 0 && shift != 0).then_some(shift)
}

fn no_such_pages(case: &Case) -> Option<String> {
    let shift = huge_shift(case)?;
    let there = case.world.has_huge_pages(shift);
    (!there).then(|| {
        format!("it is not about the size: there are no huge pages of 2^{shift} bytes here")
    })
}

fn bad_size(case: &Case) -> Option<String> {
    Some(match case.kind {
        Kind::Sem => "the number of semaphores is not valid".into(),
        _ => "the size, or the size of the pages, is not valid".into(),
    })
}

fn bad_count(case: &Case) -> Option<String> {
    let (asked, most) = (case.value("nsems"), case.world.limit("semmsl")?);
    let bad = asked < 0 || asked as u64 > most;
    bad.then(|| format!("a set cannot have {asked} semaphores; the limit is {most} (semmsl)"))
}

fn more_semaphores(case: &Case) -> Option<String> {
    let found = case.world.with_key(case.kind, case.first())?;
    let (has, asked) = (found.row.nsems?, case.value("nsems") as u64);
    (asked > has).then(|| {
        let (has, maker) = (count(has, "semaphore"), found.maker);
        format!("{} has {has}, {asked} were asked for; {maker} made it", case.named(found.id))
    })
}

fn no_semaphores(case: &Case) -> Option<String> {
    let none = case.value("nsems") == 0 && is_new(case);
    none.then(|| "nsems is 0: a new set has 1 semaphore or more".into())
}

// ---- room

fn table_full(case: &Case) -> Option<String> {
    let name = ["shmmni", "msgmni", "semmni"][case.kind as usize];
    let (there, most) = (case.world.objects(case.kind)?, case.world.limit(name)?);
    (there >= most).then(|| {
        let noun = case.kind.noun();
        format!("there are {there} {noun}s, and {name} allows {most}; this is not about disks")
    })
}

fn pages_full(case: &Case) -> Option<String> {
    let most = case.world.limit("shmall").filter(|_| case.kind == Kind::Shm)?;
    let pages = (case.value("size") as u64).div_ceil(4096);
    Some(format!(
        "{pages} pages more would be above shmall, {most} pages for all segments; this is not about \
         disks"
    ))
}

fn semaphores_full(case: &Case) -> Option<String> {
    let most = case.world.limit("semmns").filter(|_| case.kind == Kind::Sem)?;
    let asked = case.value("nsems");
    Some(format!("{asked} semaphores more would be above semmns, {most} for all sets"))
}

fn no_room(_: &Case) -> Option<String> {
    Some("no room in the kernel's table; this is not about disks".into())
}

fn no_huge_pages(case: &Case) -> Option<String> {
    let huge = case.flags() & libc::SHM_HUGETLB != 0;
    huge.then(|| "not enough huge pages are free: /proc/sys/vm/nr_hugepages is their pool".into())
}

fn no_memory(_: &Case) -> Option<String> {
    Some("the kernel has no memory for it: see vm.overcommit_memory".into())
}

fn huge_pages_forbidden(case: &Case) -> Option<String> {
    let huge = case.flags() & libc::SHM_HUGETLB != 0;
    huge.then(|| "huge pages are for root and the group vm.hugetlb_shm_group".into())
}

// ---- ids

/// An id that cannot be one; -1 is most often the answer of a call that failed.
fn negative_id(case: &Case) -> Option<String> {
    let id = case.first();
    if id >= 0 {
        return None;
    }
    let failed = case.world.failed(Source::Get(case.kind)).filter(|_| id == -1);
    Some(match failed {
        Some((call, errno)) => format!("-1 is the answer of the {call} that failed ({errno:?})"),
        None => format!("{id} is no id: {} answers 0 or more", case.get_call()),
    })
}

fn unknown_id(case: &Case) -> Option<String> {
    let (id, noun) = (case.first(), case.kind.noun());
    // Of the commands of ipcs some take a place in the table.
    if case.call.command() == Some(Command::Walk) || case.world.has(case.kind, id)? {
        return None;
    }
    if let Some(Removed { by, .. }) = case.world.removed_id(case.kind, id) {
        return Some(match by {
            Some(by) => format!("{noun} {id} does not exist any more: {by} removed it"),
            None => format!("{noun} {id} does not exist any more: it was removed"),
        });
    }
    if let Some(found) = case.world.with_key(case.kind, id).filter(|_| id != libc::IPC_PRIVATE) {
        let real = found.id;
        return Some(format!(
            "{id} is the key {id:#x}, not an id; the {noun} with this key has id {real}"
        ));
    }
    let other = Kind::ALL.into_iter().find(|kind| *kind != case.kind && case.world.uses(*kind, id));
    Some(match other {
        Some(other) => format!("{id} is the id of a {}, not of a {noun}", other.noun()),
        None => format!("no {noun} has the id {id}"),
    })
}

fn removed_meanwhile(case: &Case) -> Option<String> {
    let (id, noun) = (case.first(), case.kind.noun());
    let by = case.world.removed_id(case.kind, id).and_then(|removed| removed.by);
    Some(match by {
        Some(by) => format!("{by} removed {noun} {id} while the call waited"),
        None => format!("{noun} {id} was removed while the call waited"),
    })
}

// ---- permission

/// `read and write`, by the bits of one triplet.
fn rights(bits: u32) -> String {
    let names = [(4, "read"), (2, "write"), (1, "execute")];
    let names: Vec<&str> =
        names.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect();
    names.join(" and ")
}

/// The rights that a call asks for.
fn asked_for(case: &Case) -> u32 {
    let flags = case.flags() as u32;
    let read_only = flags & libc::SHM_RDONLY as u32 != 0;
    let execute = flags & libc::SHM_EXEC as u32 != 0;
    match &*case.call.name {
        "shmget" | "msgget" | "semget" => (flags >> 6 | flags >> 3 | flags) & 7,
        "shmat" => 4 | u32::from(!read_only) << 1 | u32::from(execute),
        "msgsnd" => 2,
        "semop" | "semtimedop" => match case.call.operation() {
            Some(Operation::Test) => 4,
            _ => 2,
        },
        "semctl" => match case.value("cmd") as c_int & 0xff {
            libc::SETVAL | libc::SETALL => 2,
            _ => 4,
        },
        _ => 4,
    }
}

fn forbidden(case: &Case) -> Option<String> {
    let id = case.first();
    let found = match &*case.call.name {
        "shmget" | "msgget" | "semget" => case.world.with_key(case.kind, id),
        _ => case.world.found(case.kind, id),
    };
    let asked = asked_for(case);
    let (Some(found), Some(caller)) = (found, case.world.caller()) else {
        return Some(format!("its mode does not allow to {}", rights(asked)));
    };
    let mode = found.row.perms & 0o777;
    let (who, granted) = if [found.row.uid, found.row.cuid].contains(&caller.uid) {
        ("its owner", mode >> 6)
    } else if found.groups.iter().any(|group| caller.groups.contains(group)) {
        ("its group", mode >> 3 & 7)
    } else {
        ("others", mode & 7)
    };
    let may = if granted == 0 { "do nothing".into() } else { format!("only {}", rights(granted)) };
    let what = case.named(found.id);
    let decimal = in_decimal(mode).map_or(String::new(), |text| format!("; {text}"));
    if asked & !granted == 0 {
        return Some(format!("a security module forbids it, not the mode of {what}"));
    }
    Some(format!(
        "{what} has mode 0{mode:03o}: {who} may {may}, uid {} asks to {}{decimal}",
        caller.uid,
        rights(asked)
    ))
}

/// A mode that nobody wants, and that a decimal number which looks like one would be.
pub fn in_decimal(mode: u32) -> Option<String> {
    let triplets = |mode: u32| [mode >> 6 & 7, mode >> 3 & 7, mode & 7];
    let wanted = |mode: u32| {
        let [owner, group, others] = triplets(mode);
        let readable = [owner, group, others].iter().all(|one| *one == 0 || one & 4 != 0);
        readable && owner | group == owner && owner | others == owner
    };
    // With the bits above: IPC_CREAT is 01000, and may have come out of the number, too.
    let meant = [mode & 0o777, mode & 0o777 | 0o1000].into_iter().find_map(|number| {
        let digits = u32::from_str_radix(&number.to_string(), 8).ok()?;
        (number >= 100 && digits <= 0o777 && digits >= 0o400 && wanted(digits)).then_some(number)
    });
    meant.filter(|_| mode & 0o777 != 0 && !wanted(mode & 0o777)).map(|number| {
        format!("0{:03o} looks like a mode in decimal: {number} for 0{number}", mode & 0o777)
    })
}

fn not_owner(case: &Case) -> Option<String> {
    let (found, caller) = (case.world.found(case.kind, case.first())?, case.world.caller()?);
    let (uid, cuid) = (found.row.uid, found.row.cuid);
    let mine = [uid, cuid].contains(&caller.uid);
    (!mine).then(|| {
        let creator = if uid == cuid { String::new() } else { format!(", created by uid {cuid}") };
        format!(
            "{} belongs to uid {uid}{creator}; uid {} is neither its owner nor its creator, nor root",
            case.named(found.id),
            caller.uid
        )
    })
}

fn lock_forbidden(case: &Case) -> Option<String> {
    let lock = case.call.command() == Some(Command::Lock);
    lock.then(|| "it is more than the process may lock in memory: ulimit -l".into())
}

fn queue_limit(case: &Case) -> Option<String> {
    let set = case.kind == Kind::Msg && case.call.command() == Some(Command::Set);
    set.then(|| "only root may give a queue more bytes than msgmnb".into())
}

// ---- addresses

fn odd_address(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let odd = at % 4096 != 0 && case.flags() & libc::SHM_RND == 0;
    odd.then(|| format!("{at:#x} is not the start of a page; SHM_RND would round it down"))
}

fn remap_nowhere(case: &Case) -> Option<String> {
    let nowhere = case.value("shmaddr") == 0 && case.flags() & libc::SHM_REMAP != 0;
    nowhere.then(|| "SHM_REMAP needs an address".into())
}

fn occupied(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64 & !4095;
    let size = case.world.found(case.kind, case.first()).and_then(|found| found.row.size)?;
    let there = case.world.mapped(at, at.saturating_add(size));
    Some(match there {
        Some(what) => format!("{what} is mapped there; SHM_REMAP would replace it"),
        None => format!("a segment of {size} bytes cannot be attached at this address"),
    })
}

fn no_address_space(case: &Case) -> Option<String> {
    let size = case.world.found(case.kind, case.first()).and_then(|found| found.row.size);
    let size = size.map_or("the segment".into(), |size| count(size, "byte"));
    Some(format!("no room for {size} in the address space of this process: ulimit -v"))
}

fn low_address(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    Some(if at != 0 && at < 1 << 16 {
        format!("{at:#x} is below vm.mmap_min_addr: a NULL pointer must not lead to memory")
    } else {
        "the kernel, or a security module, forbids it".into()
    })
}

fn failed_address(case: &Case) -> Option<String> {
    let at = case.value("shmaddr");
    let failed = case.world.failed(Source::Attach).filter(|_| at == -1);
    match (at, failed) {
        (-1, Some((_, errno))) => {
            Some(format!("-1 is the answer of the shmat that failed ({errno:?})"))
        }
        (-1, None) => Some("-1 is no address: it is what shmat answers when it fails".into()),
        (0, _) => Some("NULL is no address at which a segment is attached".into()),
        _ => None,
    }
}

fn inside(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let all = case.world.attached();
    let Attached { id, start, .. } = *all.iter().find(|one| one.start < at && at < one.end)?;
    let into = count(at - start, "byte");
    Some(format!(
        "{into} into shmid {id}, which is attached at {start:#x}; shmdt takes that address"
    ))
}

fn moved(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let id = case.world.attached_by_shmat(at)?;
    let all = case.world.attached();
    let there = all.iter().find(|one| one.id == id && one.start != at);
    Some(match there {
        Some(one) => {
            format!("shmid {id} was moved from here by mremap: it is at {:#x} now", one.start)
        }
        None => format!("shmid {id} was attached here, and munmap has taken it away"),
    })
}

fn detached(case: &Case) -> Option<String> {
    let id = case.world.was_attached(case.value("shmaddr") as u64)?;
    Some(format!("shmid {id} was attached here, and shmdt has detached it already"))
}

fn behind(case: &Case) -> Option<String> {
    let at = case.value("shmaddr") as u64;
    let all = case.world.attached();
    let Attached { id, start, .. } = *all.iter().find(|one| one.end == at)?;
    Some(format!("no segment is attached here: shmid {id}, attached at {start:#x}, ends here"))
}

fn not_attached(_: &Case) -> Option<String> {
    Some("no segment is attached at this address".into())
}

/// Why a process may not have accessed an address.
pub fn fault(address: Option<u64>, world: &dyn World) -> String {
    const NEAR: u64 = 1 << 16;
    let failed = world.failed(Source::Attach).map(|(_, errno)| errno);
    let shmat = |errno: Errno| format!("-1, the answer of the shmat that failed ({errno:?})");
    let Some(at) = address else {
        return match failed {
            Some(errno) => format!("an address that cannot exist, such as {}", shmat(errno)),
            None => "an address that cannot exist".into(),
        };
    };
    // -1 and what is added to it.
    let after = at.wrapping_add(1);
    match failed {
        Some(errno) if after == 0 => return format!("{at:#x} is {}", shmat(errno)),
        Some(errno) if after < NEAR => {
            return format!("{at:#x} is {after} bytes after {}", shmat(errno));
        }
        None if after == 0 => return format!("{at:#x} is -1, which is no address"),
        None if at == 0 => return "0 is NULL, which is no address".into(),
        None if after < NEAR => return format!("{at:#x} is NULL, and {at} bytes"),
        _ => {}
    }
    let all = world.attached();
    if let Some(one) = all.iter().find(|one| one.start <= at && at < one.end) {
        let how = if one.read_only { "read-only" } else { "without this right" };
        return format!("shmid {} is attached {how} at {:#x}", one.id, one.start);
    }
    if let Some(id) = world.was_attached(at) {
        return format!("{at:#x} was in shmid {id}, which shmdt has detached");
    }
    let before = all.iter().filter(|one| one.end <= at && at - one.end < NEAR);
    if let Some(one) = before.max_by_key(|one| one.end) {
        let (id, beyond) = (one.id, at - one.end);
        return format!("{at:#x} is {} behind the last page of shmid {id}", count(beyond, "byte"));
    }
    format!("{at:#x}: memory that is not mapped, or not for this access")
}

// ---- commands and arguments

fn no_command(case: &Case) -> Option<String> {
    let (command, name) = (case.value("cmd") as c_int, &case.call.name);
    // On x86-64 even IPC_64 makes another number of one.
    let marked = cfg!(target_arch = "x86_64") && command & 0x100 != 0;
    let none = marked || !names::is_command(case.kind, command);
    none.then(|| format!("{name} has no command {command}"))
}

fn empty_slot(case: &Case) -> Option<String> {
    let walk = case.call.command() == Some(Command::Walk);
    let (slot, noun) = (case.first(), case.kind.noun());
    walk.then(|| format!("place {slot} of the kernel's table has no {noun}"))
}

fn no_such_owner(case: &Case) -> Option<String> {
    let (uid, gid) = case.call.owner()?;
    let bad = match (uid, gid) {
        (u32::MAX, _) => "uid -1 is",
        (_, u32::MAX) => "gid -1 is",
        _ => return Some("this uid or gid does not exist here".into()),
    };
    Some(format!("{bad} no owner"))
}

fn no_such_semaphore(case: &Case) -> Option<String> {
    let (id, number) = (case.first(), case.value("semnum"));
    let has = case.world.found(case.kind, id)?.row.nsems?;
    let one = [libc::GETVAL, libc::SETVAL, libc::GETPID, libc::GETNCNT, libc::GETZCNT]
        .contains(&(case.value("cmd") as c_int));
    (one && (number < 0 || number as u64 >= has)).then(|| {
        let last = has - 1;
        format!("set {id} has no semaphore {number}: it has {has}, the last is {last}")
    })
}

fn bad_argument(_: &Case) -> Option<String> {
    Some("one of its arguments is not valid".into())
}

fn bad_value(case: &Case) -> Option<String> {
    let most = case.world.limit("semvmx").unwrap_or(32767);
    let value = case.call.args.last().map_or(0, |arg| arg.value) as c_int;
    Some(match case.value("cmd") as c_int {
        libc::SETVAL => format!("{value} is no value of a semaphore: 0 to {most}"),
        _ => format!("one of the values is above {most}, the highest of a semaphore"),
    })
}

// ---- queues

fn bad_length(case: &Case) -> Option<String> {
    let size = case.value("msgsz");
    if size < 0 {
        return Some(format!("msgsz is {size}: a length is 0 or more"));
    }
    let most = case.world.limit("msgmax").filter(|_| case.call.name == "msgsnd")?;
    (size as u64 > most).then(|| format!("{size} bytes are more than msgmax, {most}"))
}

fn bad_type(case: &Case) -> Option<String> {
    let kind = case.call.message_type()?;
    (kind < 1).then(|| format!("the type is {kind}: that of a message is 1 or more"))
}

fn bad_copy(case: &Case) -> Option<String> {
    const MSG_COPY: c_int = 0o40000;
    const MSG_EXCEPT: c_int = 0o20000;
    let flags = case.flags();
    let bad = flags & libc::IPC_NOWAIT == 0 || flags & MSG_EXCEPT != 0;
    (flags & MSG_COPY != 0 && bad).then(|| "MSG_COPY needs IPC_NOWAIT, and no MSG_EXCEPT".into())
}

fn queue_full(case: &Case) -> Option<String> {
    let row = case.world.found(case.kind, case.first()).map(|found| found.row);
    let held = row.and_then(|row| Some((row.qnum?, row.cbytes?)));
    let held = held.map_or(String::new(), |(messages, bytes)| {
        format!(" ({}, {})", count(messages, "message"), count(bytes, "byte"))
    });
    Some(format!("the queue is full{held}; with IPC_NOWAIT the call does not wait"))
}

fn message_too_long(case: &Case) -> Option<String> {
    let room = count(case.value("msgsz") as u64, "byte");
    Some(format!("the message is longer than {room}; MSG_NOERROR would cut it off"))
}

fn no_message(case: &Case) -> Option<String> {
    let copies = case.flags() & 0o40000 != 0;
    let which = match case.value("msgtyp") {
        n if copies => format!("message number {n}"),
        0 => "message".into(),
        n if n < 0 => format!("message of a type up to {}", n.unsigned_abs()),
        n if case.flags() & 0o20000 != 0 => format!("message of another type than {n}"),
        n => format!("message of type {n}"),
    };
    Some(format!("no {which} is there; with IPC_NOWAIT the call does not wait"))
}

// ---- semaphores

fn no_operations(case: &Case) -> Option<String> {
    (case.value("nsops") as u32 == 0).then(|| "no operations were given: nsops is 0".into())
}

/// A limit that is given, where the set is there.
fn bad_limit(case: &Case) -> Option<String> {
    let given = case.call.value("timeout").is_some_and(|at| at != 0);
    let there = case.world.has(case.kind, case.first()) == Some(true);
    (given && there).then(|| "the time limit is not a valid one".into())
}

fn bad_limit_at_all(_: &Case) -> Option<String> {
    Some("no such set, or the time limit is not valid".into())
}

fn too_many_operations(case: &Case) -> Option<String> {
    let (asked, most) = (case.value("nsops"), case.world.limit("semopm")?);
    Some(format!("{asked} operations are more than semopm, {most}"))
}

fn no_such_operand(case: &Case) -> Option<String> {
    let has = case.world.found(case.kind, case.first())?.row.nsems?;
    let last = has.saturating_sub(1);
    Some(format!(
        "one sem_num is too large: the set has {}, the last is {last}",
        count(has, "semaphore")
    ))
}

fn value_too_high(case: &Case) -> Option<String> {
    let most = case.world.limit("semvmx").unwrap_or(32767);
    Some(format!("a value would be above {most}, the highest of a semaphore"))
}

fn would_wait(case: &Case) -> Option<String> {
    Some(match case.call.value("timeout") {
        None | Some(0) => "the call would have to wait, and IPC_NOWAIT forbids it".into(),
        Some(_) => {
            "the call would have to wait longer than its limit, or IPC_NOWAIT forbids it".into()
        }
    })
}

// ---- processes

/// The process that a signal is for.
fn addressee(case: &Case) -> i64 {
    ["tid", "pid", "tgid"].into_iter().find_map(|name| case.call.value(name)).unwrap_or(0)
}

fn no_group(case: &Case) -> Option<String> {
    let group = addressee(case).checked_neg().filter(|group| *group > 1)?;
    Some(format!("no process is in the process group {group}"))
}

fn has_ended(case: &Case) -> Option<String> {
    let who = case.world.ended(addressee(case) as c_int)?;
    Some(format!("{who} has ended: no process has this pid any more"))
}

fn no_process(_: &Case) -> Option<String> {
    Some("no process has this pid".into())
}

fn another_user(case: &Case) -> Option<String> {
    let theirs = case.world.user_of(addressee(case) as c_int);
    let mine = case.world.caller().map(|caller| caller.uid);
    Some(match (theirs, mine) {
        (Some(theirs), Some(mine)) if theirs != mine => {
            format!("the process belongs to uid {theirs}; uid {mine} may not send it signals")
        }
        _ => "the process belongs to another user, or has more rights".into(),
    })
}

fn no_signal(case: &Case) -> Option<String> {
    let signal = case.value("sig");
    (!(0..=64).contains(&signal)).then(|| format!("there is no signal {signal}: 1 to 64"))
}

fn reaped_by_kernel(case: &Case) -> Option<String> {
    let ignored = case.world.ignores(libc::SIGCHLD);
    ignored.then(|| {
        "no child is left: SIGCHLD is ignored, so the kernel reaps each child itself".into()
    })
}

fn no_child(case: &Case) -> Option<String> {
    let wanted = case.call.value("pid").filter(|pid| *pid > 0);
    Some(match wanted {
        Some(pid) => match case.world.ended(pid as c_int) {
            Some(who) => format!("{who} was waited for already"),
            None => format!("{pid} is no child of this process"),
        },
        None => "this process has no child that was not waited for".into(),
    })
}

fn word_changed(_: &Case) -> Option<String> {
    Some("the word had already changed, so the call did not sleep".into())
}

fn time_is_up(_: &Case) -> Option<String> {
    Some("nobody woke it before its time limit".into())
}

fn bad_pointer(_: &Case) -> Option<String> {
    Some("an address that it was given is not in the memory of the process".into())
}

fn interrupted(_: &Case) -> Option<String> {
    Some("a signal interrupted it before it could do anything".into())
}

/// Calls of which each error that they can have is explained.
#[cfg(test)]
pub fn explained(name: &str, errno: Errno) -> bool {
    CAUSES.iter().any(|(calls, of, _)| *of == errno && calls.contains(&name))
}
