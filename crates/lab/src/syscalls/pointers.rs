//! Where the kernel looks into a program's memory, or writes there, in a call.

use crate::syscalls;
use crate::syscalls::cells::CallRow;
use crate::tracer::memory::{record, records};
use crate::tracer::{Entry, Tid};

/// Does a call point at memory for which this holds? Calls that change maps only name it.
pub fn point_at(tid: Tid, entry: &Entry, is: impl Fn(u64) -> bool) -> bool {
    // What stands in other registers means nothing.
    let row = syscalls::row(entry.number).filter(|_| !entry.foreign);
    let named = row.map(|row| row.params.len()).filter(|count| *count > 0);
    let count = named.unwrap_or(entry.args.len());
    let points = entry.args[..count].iter().any(|arg| is(*arg))
        || vectors(tid, entry).iter().any(|one| is(one.iov_base as u64));
    let ends = row.is_some_and(|row| row.changes.ends());
    points && !row.is_some_and(CallRow::is_of_maps) || ends && holds_locks(tid)
}

/// The parts of memory that a call names in a list.
fn vectors(tid: Tid, entry: &Entry) -> Vec<libc::iovec> {
    let args = entry.args;
    let list = match entry.number {
        libc::SYS_readv | libc::SYS_writev | libc::SYS_preadv | libc::SYS_pwritev => {
            (args[1], args[2])
        }
        libc::SYS_sendmsg | libc::SYS_recvmsg => {
            let header: Vec<u64> = records(tid, args[1], 4);
            (header.get(2).copied().unwrap_or(0), header.get(3).copied().unwrap_or(0))
        }
        _ => return vec![],
    };
    records(tid, list.0, list.1.min(1024) as usize)
}

/// May a thread hold locks that the kernel frees when it ends (pthread_mutexattr_setrobust(3))?
pub fn holds_locks(tid: Tid) -> bool {
    let Some([head, _]) = robust_list(tid) else { return true };
    // The first, which is the list itself if it is empty; and the one that is being taken.
    let list = || record::<[u64; 3]>(tid, head);
    head != 0 && !list().is_some_and(|list| list[0] == head && list[2] == 0)
}

/// The head of a thread's list of such locks, and its size; `None`: it cannot be had. get_robust_list(2)
pub fn robust_list(tid: Tid) -> Option<[u64; 2]> {
    let mut list = [0_u64; 2];
    let [head, len] = &mut list;
    // SAFETY: the kernel writes two words.
    let got =
        unsafe { libc::syscall(libc::SYS_get_robust_list, tid, &raw mut *head, &raw mut *len) };
    (got == 0).then_some(list)
}
