//! Each call of lablib: that it succeeds, and every errno that an ordinary user can meet. Each test
//! starts itself again as a student, in an IPC namespace of its own.

mod common;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;

use common::{as_root, isolated};
use lablib::child;
use lablib::shm::{Addr, NULL, page};
use lablib::{Failure, Result, expect_errno, leftovers, msg, print, sem, shm};
use libc::{IPC_CREAT, IPC_EXCL, IPC_NOWAIT, IPC_PRIVATE, SHM_EXEC, SHM_HUGETLB, SHM_LOCK};
use libc::{SHM_RDONLY, SHM_REMAP, SHM_RND, SHM_UNLOCK};
use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use sysv::tables;
use sysv::tables::{Kind, Row};
use touch::{Fate, SEGV_ACCERR, SEGV_MAPERR, Touch, touch_in_child};

fn fails<T: Debug>(result: Result<T>, errno: Errno) -> Result<()> {
    expect_errno(result, errno)
}

fn segment(size: usize) -> Result<i32> {
    shm::get(IPC_PRIVATE, size, 0o600)
}

#[test]
fn ftok() {
    isolated("ftok", false, || {
        let file = leftovers::key_file("key")?;
        assert_eq!(shm::ftok(&file, 'A' as i32)? as u32 >> 24, 'A' as u32);
        fails(shm::ftok("/nonexistent", 1), Errno::ENOENT)?;
        fails(shm::ftok(&format!("{file}/x"), 1), Errno::ENOTDIR)?;
        fails(shm::ftok(&"x".repeat(300), 1), Errno::ENAMETOOLONG)?;
        fails(shm::ftok("/proc/1/cwd/x", 1), Errno::EACCES)
    });
}

#[test]
fn shmget() {
    isolated("shmget", false, || {
        let key = shm::ftok(&leftovers::key_file("key")?, 1)?;
        fails(shm::get(key, 1, 0), Errno::ENOENT)?;
        fails(shm::get(key, 0, IPC_CREAT | 0o600), Errno::EINVAL)?;
        let id = shm::get(key, 100, IPC_CREAT | IPC_EXCL | 0o600)?;
        assert_eq!(shm::get(key, 100, 0)?, id);
        fails(shm::get(key, 1, IPC_CREAT | IPC_EXCL), Errno::EEXIST)?;
        fails(shm::get(key, 101, 0), Errno::EINVAL)?;
        shm::ctl_rmid(id)?;
        let id = shm::get(key, 1, IPC_CREAT)?;
        fails(shm::get(key, 1, 0o400), Errno::EACCES)?;
        shm::ctl_rmid(id)?;
        fails(segment(usize::MAX), Errno::EINVAL)?;
        fails(segment(1 << 45), Errno::ENOMEM)?;
        fails(shm::get(IPC_PRIVATE, 1, SHM_HUGETLB | 0o600), Errno::EPERM)?;
        child::child("limits", || {
            child::enter_own_ipc()?;
            std::fs::write("/proc/sys/kernel/shmmni", "1")
                .map_err(|_| Failure::because("shmmni"))?;
            segment(1)?;
            fails(segment(1), Errno::ENOSPC)
        })?
        .finish()
    });
}

#[test]
fn shmat() {
    isolated("shmat", false, || {
        let id = segment(2 * page())?;
        let addr = shm::at(id, NULL, 0)?;
        let beside = |n: usize| (addr as usize + n) as Addr;
        shm::write(addr, b"both see this")?;
        let again = shm::at(id, NULL, SHM_RDONLY)?;
        assert_eq!(shm::read(again, 4)?, b"both");
        assert!(shm::write(again, b"x").is_err() && shm::read(beside(2 * page()), 1).is_err());
        fails(shm::at(id, beside(1), 0), Errno::EINVAL)?;
        fails(shm::at(id, addr, 0), Errno::EINVAL)?;
        fails(shm::at(id, NULL, SHM_REMAP), Errno::EINVAL)?;
        fails(shm::at(id, 1 as Addr, SHM_RND), Errno::EPERM)?;
        fails(shm::at(id, 0x7fff_ffff_f000 as Addr, 0), Errno::ENOMEM)?;
        fails(shm::at(-1, NULL, 0), Errno::EINVAL)?;
        fails(shm::at(id, NULL, SHM_EXEC), Errno::EACCES)?;
        let write_only = shm::get(IPC_PRIVATE, 1, 0o200)?;
        fails(shm::at(write_only, NULL, 0), Errno::EACCES)?;
        shm::ctl_rmid(write_only)?;
        shm::dt(again)?;
        shm::dt(addr)?;
        assert!(shm::read(addr, 1).is_err(), "nothing is read where nothing is attached");
        shm::ctl_rmid(id)?;
        fails(shm::at(id, NULL, 0), Errno::EINVAL)
    });
}

/// Safe calls leave memory alone into which somebody looks, and memory that is no segment's.
#[test]
fn what_somebody_looks_into_stays() {
    isolated("what_somebody_looks_into_stays", false, || {
        let refused = |asked: Result<()>| matches!(asked, Err(Failure::Because(1, _)));
        let id = segment(2 * page())?;
        let addr = shm::at(id, NULL, 0)?;
        let view = shm::view::<[AtomicU64; 2]>(addr)?;
        view[1].store(7, SeqCst);
        assert!(refused(shm::dt(addr)));
        assert!(refused(shm::at(id, addr, SHM_REMAP).map(drop)));
        assert!(refused(shm::pages(addr, page(), false, || unreachable!("it is looked into"))));
        let beside = (addr as usize + page()) as Addr;
        assert!(refused(shm::view::<[AtomicU64; 2]>((addr as usize + 4) as Addr).map(drop)));
        assert!(refused(
            shm::view::<[AtomicU64; 2]>((beside as usize + page() - 8) as Addr).map(drop)
        ));
        drop(view);
        let vec = vec![0_u8; 4 * page()];
        let ours = ((vec.as_ptr() as usize).next_multiple_of(page())) as Addr;
        assert!(refused(shm::at(id, ours, SHM_REMAP).map(drop)));
        assert!(refused(touch_in_child(ours, Touch::Write).map(drop)));
        assert!(refused(shm::read(usize::MAX as Addr, 8).map(drop)));
        let small = segment(1)?;
        assert_eq!(shm::at(small, addr, SHM_REMAP)?, addr);
        assert_eq!(shm::read(beside, 1)?, [0]);
        assert!(refused(shm::write(addr, &[1; 5000])), "two attachments now");
        shm::dt(addr)?;
        shm::dt(addr)?;
        shm::ctl_rmid(small)?;
        shm::ctl_rmid(id)
    });
}

/// A child of a process with several threads would have one, and the locks of all.
#[test]
fn nobody_forks_while_other_threads_run() {
    isolated("nobody_forks_while_other_threads_run", false, || {
        let (stay, go) = mpsc::channel::<()>();
        let thread = thread::spawn(move || go.recv());
        let refused = child::child("child", || Ok(())).err().map(|failure| failure.to_string());
        assert_eq!(refused.as_deref(), Some("a fork while other threads run here"));
        drop(stay);
        let _ = thread.join();
        child::child("child", || Ok(()))?.finish()
    });
}

#[test]
fn shmdt() {
    isolated("shmdt", false, || {
        let id = segment(2 * page())?;
        let addr = shm::at(id, NULL, 0)?;
        fails(shm::dt((addr as usize + page()) as Addr), Errno::EINVAL)?;
        fails(shm::dt(NULL), Errno::EINVAL)?;
        shm::dt(addr)?;
        fails(shm::dt(addr), Errno::EINVAL)?;
        shm::ctl_rmid(id)
    });
}

#[test]
fn shmctl() {
    isolated("shmctl", false, || {
        let id = segment(5000)?;
        let mut ds = shm::ctl_stat(id)?;
        assert_eq!((ds.shm_segsz, ds.shm_perm.mode, ds.shm_nattch), (5000, 0o600, 0));
        assert_eq!(Row::of(id, &ds).get("cpid"), i64::from(std::process::id()));
        ds.shm_perm.mode = 0o400;
        shm::ctl_set(id, &ds)?;
        assert_eq!(shm::ctl_stat(id)?.shm_perm.mode, 0o400);
        ds.shm_perm.uid = u32::MAX;
        fails(shm::ctl_set(id, &ds), Errno::EINVAL)?;
        ds = shm::ctl_stat(id)?;
        ds.shm_perm.mode = 0;
        shm::ctl_set(id, &ds)?;
        fails(shm::ctl_stat(id), Errno::EACCES)?;
        shm::ctl(id, SHM_LOCK)?;
        shm::ctl(id, SHM_UNLOCK)?;
        for (limit, errno) in [(1, Errno::ENOMEM), (0, Errno::EPERM)] {
            setrlimit(Resource::RLIMIT_MEMLOCK, limit, limit).map_err(Failure::of("setrlimit"))?;
            fails(shm::ctl(id, SHM_LOCK), errno)?;
        }
        fails(shm::ctl(id, 99), Errno::EINVAL)?;
        shm::ctl_rmid(id)?;
        fails(shm::ctl_rmid(id), Errno::EINVAL)?;
        fails(shm::ctl_stat(id), Errno::EINVAL)
    });
}

#[test]
fn another_user_is_refused() {
    if !as_root("EACCES and EPERM between two users") {
        return;
    }
    isolated("another_user_is_refused", true, || {
        let key = shm::ftok(&leftovers::key_file("key")?, 1)?;
        let id = shm::get(key, 1, IPC_CREAT | IPC_EXCL | 0o600)?;
        let ds = shm::ctl_stat(id)?;
        child::child("other", || {
            child::become_user(65534)?;
            assert_eq!(shm::get(key, 1, 0)?, id);
            fails(shm::get(key, 1, 0o600), Errno::EACCES)?;
            fails(shm::at(id, NULL, 0), Errno::EACCES)?;
            fails(shm::ctl_stat(id), Errno::EACCES)?;
            fails(shm::ctl_set(id, &ds), Errno::EPERM)?;
            fails(shm::ctl(id, SHM_LOCK), Errno::EPERM)?;
            let text = shm::ctl_rmid(id).expect_err("it is root's").to_string();
            assert!(text.contains(&format!("segment {id} is root's, mode 0600")), "{text}");
            Ok(())
        })?
        .finish()?;
        shm::ctl_rmid(id)
    });
}

#[test]
fn message_queue() {
    isolated("message_queue", false, || {
        let key = shm::ftok(&leftovers::key_file("key")?, 1)?;
        fails(msg::get(key, 0), Errno::ENOENT)?;
        let id = msg::get(key, IPC_CREAT | IPC_EXCL | 0o600)?;
        fails(msg::get(key, IPC_CREAT | IPC_EXCL), Errno::EEXIST)?;
        fails(msg::snd(id, 0, b"no type", 0), Errno::EINVAL)?;
        msg::snd(id, 7, b"hello", 0)?;
        assert_eq!(msg::ctl_stat(id)?.msg_qnum, 1);
        fails(msg::rcv(id, 2, 0, 0), Errno::E2BIG)?;
        fails(msg::rcv(id, 9, 8, IPC_NOWAIT), Errno::ENOMSG)?;
        assert_eq!(msg::rcv(id, 9, 7, 0)?, (7, b"hello".to_vec()));
        while msg::snd(id, 1, &[0; msg::MAX], IPC_NOWAIT).is_ok() {}
        fails(msg::snd(id, 1, b"x", IPC_NOWAIT), Errno::EAGAIN)?;
        let blocked = child::child("blocked", || fails(msg::rcv(id, 1, 99, 0), Errno::EIDRM))?;
        blocked.until_asleep_in(libc::SYS_msgrcv)?;
        msg::ctl_rmid(id)?;
        blocked.finish()?;
        fails(msg::ctl_rmid(id), Errno::EINVAL)
    });
}

#[test]
fn semaphores() {
    isolated("semaphores", false, || {
        let key = shm::ftok(&leftovers::key_file("key")?, 1)?;
        fails(sem::get(key, 1, 0), Errno::ENOENT)?;
        let id = sem::get(key, 2, IPC_CREAT | IPC_EXCL | 0o600)?;
        fails(sem::get(key, 3, 0), Errno::EINVAL)?;
        fails(sem::op(id, 0, -1, IPC_NOWAIT), Errno::EAGAIN)?;
        sem::op(id, 0, 2, 0)?;
        sem::op(id, 0, -1, 0)?;
        assert_eq!(sem::ctl_getval(id, 0)?, 1);
        sem::ctl_setval(id, 1, 32767)?;
        fails(sem::op(id, 1, 1, 0), Errno::ERANGE)?;
        fails(sem::ctl_setval(id, 1, -1), Errno::ERANGE)?;
        fails(sem::op(id, 2, 1, 0), Errno::EFBIG)?;
        let blocked = child::child("blocked", || fails(sem::op(id, 0, -2, 0), Errno::EIDRM))?;
        blocked.until_asleep_in(libc::SYS_semtimedop)?;
        sem::ctl_rmid(id)?;
        blocked.finish()?;
        fails(sem::ctl_getval(id, 0), Errno::EINVAL)
    });
}

/// SETVAL changes sem_ctime, by which an object is found again.
#[test]
fn a_set_that_got_a_value_later_is_still_ours() {
    isolated("a_set_that_got_a_value_later_is_still_ours", false, || {
        let id = sem::get(IPC_PRIVATE, 1, 0o600)?;
        let ctime = || tables::row(Kind::Sem, id).map(|row| row.get("ctime"));
        let made = ctime();
        print::bulk(|| {
            while ctime() == made {
                sem::ctl_setval(id, 0, 1)?;
            }
            Ok(())
        })?;
        let found = |line: &leftovers::Line| line.id == i64::from(id) && line.row().is_some();
        assert!(leftovers::lines()?.iter().any(found), "the ledger does not know it any more");
        sem::ctl_rmid(id)
    });
}

#[test]
fn a_child_that_crashes_is_reported() {
    isolated("a_child_that_crashes_is_reported", false, || {
        let id = segment(1)?;
        let addr = shm::at(id, NULL, SHM_RDONLY)?;
        let fate = |code| Fate::Killed(libc::SIGSEGV, code, addr as usize);
        assert_eq!(touch_in_child(addr, Touch::Read)?, Fate::Lived(0));
        assert_eq!(touch_in_child(addr, Touch::Write)?, fate(SEGV_ACCERR));
        shm::dt(addr)?;
        assert_eq!(touch_in_child(addr, Touch::Read)?, fate(SEGV_MAPERR));
        shm::ctl_rmid(id)
    });
}

/// It must not unwind into what it has from its parent by the fork: guards that clean up are there.
#[test]
fn a_child_that_panics_ends_where_it_began() {
    struct Guard(i32);
    impl Drop for Guard {
        fn drop(&mut self) {
            let _ = shm::ctl_rmid(self.0);
        }
    }
    isolated("a_child_that_panics_ends_where_it_began", false, || {
        let guard = Guard(segment(1)?);
        let child = child::child("child", || panic!("on purpose"))?;
        let code = child.finish().expect_err("it panicked").code();
        assert_eq!(code, 101);
        shm::ctl_stat(guard.0).map(drop)
    });
}

#[test]
fn what_a_limit_means_is_said() {
    isolated("what_a_limit_means_is_said", false, || {
        child::child("limits", || {
            child::enter_own_ipc()?;
            std::fs::write("/proc/sys/kernel/shmmni", "1")
                .map_err(|_| Failure::because("shmmni"))?;
            segment(1)?;
            let text = segment(1).expect_err("the table is full").to_string();
            assert!(text.contains("not about disk space: 1 of at most 1 segments"), "{text}");
            Ok(())
        })?
        .finish()
    });
}

#[test]
fn the_net_takes_what_was_forgotten_and_nothing_else() {
    isolated("the_net_takes_what_was_forgotten_and_nothing_else", false, || {
        // SAFETY: shmget takes three numbers. Made behind the ledger's back: somebody else's.
        let foreign = unsafe { libc::shmget(IPC_PRIVATE, 1, 0o600) };
        child::child("forgetful", || segment(1).map(drop))?.finish()?;
        assert_eq!(tables::table(Kind::Shm).len(), 1, "the net of the child");
        assert!(tables::segment(foreign).is_some());
        // SAFETY: IPC_RMID touches no buffer.
        unsafe { libc::shmctl(foreign, libc::IPC_RMID, std::ptr::null_mut()) };
        Ok(())
    });
}
