//! What owner, group and others may do, and the capabilities that overrule the mode.

use lablib::print::{bulk, cell, claim, note, text, translated};
use lablib::shm::NULL;
use lablib::{Experiment, Failure, Result, child, expect_errno, leftovers, say, shm};
use libc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE, SHM_EXEC, SHM_LOCK, SHM_RDONLY, SHM_UNLOCK};
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use sysv::apart;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "owner-may",
        rows: "C3",
        question: "What may an owner do whom the mode allows nothing?",
        run: owner_may,
    },
    Experiment {
        name: "matrix",
        rows: "P G17 A13",
        question: "Which of the nine bits does which call ask?",
        run: matrix,
    },
    Experiment {
        name: "matrix-others",
        rows: "P C5",
        question: "And for the group, and for everybody else?",
        run: matrix_others,
    },
    Experiment {
        name: "creator-keeps",
        rows: "C2 C4 C5 C18",
        question: "What is left to a creator who gave the segment away?",
        run: creator_keeps,
    },
    Experiment {
        name: "capabilities",
        rows: "C20",
        question: "Which part of root's power is which capability?",
        run: capabilities,
    },
];

/// The user that plays another user when root runs this.
const OTHER: u32 = 65534;

fn owner_may() -> Result<()> {
    child::child("owner", || {
        child::become_ordinary()?;
        let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
        let mut wish = shm::ctl_stat(id)?;
        wish.shm_perm.mode = 0;
        shm::ctl_set(id, &wish)?;
        expect_errno(shm::ctl_stat(id), Errno::EACCES)?;
        wish.shm_perm.mode = 0o600;
        shm::ctl_set(id, &wish)?;
        let mode = shm::ctl_stat(id)?.shm_perm.mode;
        claim(mode == 0o600, "with mode 0 the owner could not look, and has set 0600 again")?;
        note("to change and to remove, one must be owner or creator: the mode is not asked");
        shm::ctl_rmid(id)
    })?
    .finish()
}

/// The columns of the matrix.
const ASKED: [&str; 7] = ["get 0", "get r", "get rw", "STAT", "at ro", "at rw", "at rx"];

/// What a caller with these 3 bits is answered, by the rule that the note gives.
fn rule(bits: i32) -> [bool; 7] {
    let (r, w, x) = (bits & 4 != 0, bits & 2 != 0, bits & 1 != 0);
    [true, r, r && w, r, r, r && w, r && x]
}

/// What the kernel answers, as a row; is it what the rule says?
fn ask(key: i32, id: i32, label: &str, bits: i32) -> Result<bool> {
    let mut answers: Vec<Result<()>> = Vec::new();
    for wish in [0, 0o400, 0o600] {
        answers.push(shm::get(key, 1, wish).map(drop));
    }
    answers.push(shm::ctl_stat(id).map(drop));
    for how in [SHM_RDONLY, 0, SHM_RDONLY | SHM_EXEC] {
        answers.push(shm::at(id, NULL, how).and_then(shm::dt));
    }
    let (mut row, mut all) = (String::new(), true);
    for (i, answer) in answers.into_iter().enumerate() {
        let said = match &answer {
            Ok(()) => "ok".to_string(),
            Err(Failure::Call(_, errno)) => format!("{errno:?}"),
            Err(_) => return answer.map(|()| false),
        };
        all &= said == if rule(bits)[i] { "ok" } else { "EACCES" };
        row += &format!("{said:<7}");
    }
    text(format!("{} {row}", cell(label, 11)).trim_end().to_string());
    Ok(all)
}

fn head() {
    let titles = ASKED.map(|title| format!("{title:<7}")).concat();
    text(format!("{} {}", cell(translated("mode"), 11), titles.trim_end()));
}

fn matrix() -> Result<()> {
    child::child("owner", || {
        child::become_ordinary()?;
        let key = shm::ftok(&leftovers::key_file("lab-4.7.key")?, 'P' as i32)?;
        leftovers::inherit(key)?;
        head();
        let mut all = true;
        bulk(|| {
            (0..8).try_for_each(|bits| {
                let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL | bits << 6)?;
                all &= ask(key, id, &say!("{:04o} owner", bits << 6), bits)?;
                shm::ctl_rmid(id)
            })
        })?;
        claim(all, "56 answers, each as the owner's three bits say")?;
        note(
            "r to open for reading, to look and to attach; r and w to attach for writing; x to run",
        );
        note("write-only can be asked for and never used; IPC_RMID succeeded in every row");
        Ok(())
    })?
    .finish()
}

fn matrix_others() -> Result<()> {
    if !apart::has_other_users() {
        return Err(Failure::Needs("a second user".into(), "run it as root, with sudo"));
    }
    let key = shm::ftok(&leftovers::key_file("lab-4.7.key")?, 'P' as i32)?;
    leftovers::inherit(key)?;
    head();
    let modes = [
        ("other", 0o600),
        ("other", 0o640),
        ("other", 0o660),
        ("other", 0o060),
        ("group", 0o640),
        ("other", 0o644),
        ("group", 0o660),
        ("other", 0o666),
        ("group", 0o606),
        ("group", 0o006),
    ];
    for (class, mode) in modes {
        let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL | mode)?;
        let mut wish = shm::ctl_stat(id)?;
        let nobody = OTHER - 1;
        (wish.shm_perm.uid, wish.shm_perm.gid) =
            (nobody, if class == "group" { OTHER } else { nobody });
        shm::ctl_set(id, &wish)?;
        child::child("other", || {
            child::become_user(OTHER)?;
            let bits = if class == "group" { mode >> 3 & 7 } else { mode & 7 };
            let all = bulk(|| ask(key, id, &format!("{mode:04o} {}", translated(class)), bits))?;
            claim(all, say!("each answer as the {}'s bits say", translated(class)))?;
            expect_errno(shm::ctl_rmid(id), Errno::EPERM)?;
            expect_errno(shm::ctl(id, SHM_LOCK), Errno::EPERM)
        })?
        .finish()?;
        shm::ctl_rmid(id)?;
    }
    note("a member of the group has the group's bits, even where others have more");
    note("EACCES: the mode forbids it. EPERM: only owner and creator may, whatever the mode");
    Ok(())
}

fn creator_keeps() -> Result<()> {
    if !apart::has_other_users() {
        return Err(Failure::Needs("a second user".into(), "run it as root, with sudo"));
    }
    child::child("creator", || {
        child::become_user(OTHER)?;
        let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
        let mut wish = shm::ctl_stat(id)?;
        (wish.shm_perm.uid, wish.shm_perm.gid) = (OTHER - 1, OTHER - 1);
        shm::ctl_set(id, &wish)?;
        note("given away, to another user");
        let ds = shm::ctl_stat(id)?;
        let p = ds.shm_perm;
        claim((p.uid, p.gid) == (OTHER - 1, OTHER - 1), "uid and gid: the new owner's")?;
        claim((p.cuid, p.cgid) == (OTHER, OTHER), "cuid and cgid: the creator's, as before")?;
        let addr = shm::at(id, NULL, 0)?;
        shm::dt(addr)?;
        shm::ctl_rmid(id)?;
        note("and the creator still reads, attaches and removes it");
        Ok(())
    })?
    .finish()?;
    let id = shm::get(IPC_PRIVATE, 1, 0o666)?;
    child::child("other", || {
        child::become_user(OTHER)?;
        let addr = shm::at(id, NULL, 0)?;
        shm::dt(addr)?;
        let wish = shm::ctl_stat(id)?;
        expect_errno(shm::ctl_set(id, &wish), Errno::EPERM)?;
        expect_errno(shm::ctl_rmid(id), Errno::EPERM)?;
        expect_errno(shm::ctl(id, SHM_LOCK), Errno::EPERM)?;
        expect_errno(shm::ctl(id, SHM_UNLOCK), Errno::EPERM)?;
        note("mode 0666 lets everybody in; to change or to remove takes more");
        Ok(())
    })?
    .finish()?;
    shm::ctl_rmid(id)
}

/// Numbers of <linux/capability.h>.
const CAP_IPC_LOCK: u32 = 14;
const CAP_IPC_OWNER: u32 = 15;
const CAP_SYS_ADMIN: u32 = 21;

fn capabilities() -> Result<()> {
    if !apart::has_other_users() {
        return Err(Failure::Needs("capabilities to hand out".into(), "run it as root, with sudo"));
    }
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let with = |name, capability, ask: fn(i32) -> Result<()>| {
        child::child(name, || {
            become_user_with(capability)?;
            ask(id)
        })?
        .finish()
    };
    with("ipc_owner", CAP_IPC_OWNER, |id| {
        let addr = shm::at(id, NULL, 0)?;
        shm::dt(addr)?;
        expect_errno(shm::ctl_rmid(id), Errno::EPERM)?;
        note("CAP_IPC_OWNER overrules the mode, and does not make an owner");
        Ok(())
    })?;
    with("ipc_lock", CAP_IPC_LOCK, |id| {
        shm::ctl(id, SHM_LOCK)?;
        shm::ctl(id, SHM_UNLOCK)?;
        expect_errno(shm::at(id, NULL, 0), Errno::EACCES)?;
        note("CAP_IPC_LOCK locks anybody's segment, and does not attach it");
        Ok(())
    })?;
    with("sys_admin", CAP_SYS_ADMIN, |id| {
        expect_errno(shm::at(id, NULL, 0), Errno::EACCES)?;
        shm::ctl_rmid(id)?;
        note("CAP_SYS_ADMIN removes anybody's segment, and does not attach it");
        Ok(())
    })
}

/// Another user, with one capability of root's.
fn become_user_with(capability: u32) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(OTHER), Gid::from_raw(OTHER));
    // _LINUX_CAPABILITY_VERSION_3, and of 64 bits the low 32: effective, permitted, inheritable.
    let header: [u32; 2] = [0x2008_0522, 0];
    let sets: [u32; 6] = [1 << capability, 1 << capability, 0, 0, 0, 0];
    // SAFETY: prctl takes numbers; capset reads a header and two triples of words.
    let kept = unsafe { libc::prctl(libc::PR_SET_KEEPCAPS, 1) } == 0
        && setgroups(&[]).is_ok()
        && setresgid(gid, gid, gid).is_ok()
        && setresuid(uid, uid, uid).is_ok()
        // SAFETY: as above.
        && unsafe { libc::syscall(libc::SYS_capset, &header, &sets) } == 0;
    let missing = || Failure::Needs(say!("capability {capability}"), "run it as full root");
    if kept { Ok(()) } else { Err(missing()) }
}
