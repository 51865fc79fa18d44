//! Files, pipes, and waiting for descriptors.

use super::args::As::*;
use super::cells::*;

const ON_DESCRIPTOR: &[Touch] = &[Touch::Descriptor];
const LOOK: &[Touch] = &[Touch::Looked];
const LOOK_UP: &[Touch] = &[Touch::Proc(0), Touch::FilesLooked];
const LOOK_UP_AT: &[Touch] = &[Touch::Proc(1), Touch::FilesLooked];
const POLL: &[Touch] = &[Touch::Polled, Touch::Time];
const POLL_LIST: &[Touch] = &[Touch::Listed, Touch::Time];

rows! {
    SYS_read read(fd Int, buf OutText, count Size) {
        point: Point::Read,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::of_socket(libc::SO_RCVTIMEO)),
        touches: ON_DESCRIPTOR,
    }
    SYS_readv readv(fd Int, iov Pointer, iovcnt Size) {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::of_socket(libc::SO_RCVTIMEO)),
        touches: ON_DESCRIPTOR,
    }
    SYS_pread64 pread64(fd Int, buf OutText, count Size, offset Offset) {
        point: Point::Read,
        touches: ON_DESCRIPTOR,
    }
    SYS_write write(fd Int, buf Text, count Size) {
        shown: Shown::Output,
        follow: Follow::NotToNull,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::of_socket(libc::SO_SNDTIMEO)),
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_writev writev(fd Int, iov Vectors, iovcnt Size) {
        shown: Shown::Output,
        follow: Follow::NotToNull,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::of_socket(libc::SO_SNDTIMEO)),
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_pwrite64 pwrite64(fd Int, buf Text, count Size, offset Offset) { touches: ON_DESCRIPTOR }
    SYS_ftruncate ftruncate(fd Int, length Size) { touches: ON_DESCRIPTOR }
    SYS_close close(fd Int) {
        point: Point::Close,
        follow: Follow::No,
        touches: &[Touch::Closed],
    }
    SYS_close_range close_range(first Int, last Int, flags Hex) {}
    SYS_flock flock(fd Int, operation LockOp) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
        changes: Changes::Lock,
    }
    SYS_fcntl fcntl(fd Int, op FileCommand, arg Hex) {
        point: Point::Lock,
        sleep: Sleep::Lock,
        touches: ON_DESCRIPTOR,
        changes: Changes::Lock,
    }

    #[cfg(target_arch = "x86_64")]
    SYS_open open(pathname Path, flags OpenFlags, mode Mode) {
        point: Point::Open { path: 0 },
        sleep: Sleep::Yes,
        touches: &[Touch::Opened(0)],
    }
    SYS_openat openat(dirfd Dir, pathname Path, flags OpenFlags, mode Mode) {
        point: Point::Open { path: 1 },
        sleep: Sleep::Yes,
        touches: &[Touch::Opened(1)],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_creat creat(pathname Path, mode Mode) { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_pipe pipe(pipefd OutPair) {
        touches: &[],
        changes: Changes::Pipe,
    }
    SYS_pipe2 pipe2(pipefd OutPair, flags PipeFlags) {
        touches: &[],
        changes: Changes::Pipe,
    }

    #[cfg(target_arch = "x86_64")]
    SYS_unlink unlink(pathname Path) {
        follow: Follow::No,
        touches: &[Touch::Files],
    }
    SYS_unlinkat unlinkat(dirfd Dir, pathname Path, flags Hex) { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_rename rename(oldpath Path, newpath Path) {
        follow: Follow::No,
        touches: &[Touch::Files],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_renameat renameat(olddirfd Dir, oldpath Path, newdirfd Dir, newpath Path) { touches: &[Touch::Files] }
    SYS_renameat2 renameat2(olddirfd Dir, oldpath Path, newdirfd Dir, newpath Path, flags Hex) { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_mkdir mkdir(pathname Path, mode Mode) {
        follow: Follow::No,
        touches: &[Touch::Files],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_rmdir rmdir(pathname Path) { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_link link(oldpath Path, newpath Path) { touches: &[Touch::Files] }
    SYS_truncate truncate(path Path, length Size) { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_stat stat(pathname Path, statbuf Pointer) {
        shown: Shown::File,
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    SYS_newfstatat newfstatat(dirfd Dir, pathname Path, statbuf Pointer, flags Hex) {
        shown: Shown::FileAt,
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_lstat lstat(pathname Path, statbuf Pointer) {
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_access access(pathname Path, mode Access) {
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    SYS_faccessat faccessat(dirfd Dir, pathname Path, mode Access) {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    SYS_faccessat2 faccessat2(dirfd Dir, pathname Path, mode Access, flags Hex) {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    SYS_statx statx(dirfd Dir, pathname Path, flags Hex, mask Hex, statxbuf Pointer) {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_readlink readlink(pathname Path, buf Pointer, bufsiz Size) {
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    SYS_readlinkat readlinkat(dirfd Dir, pathname Path, buf Pointer, bufsiz Size) {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    SYS_fstat fstat(fd Int, statbuf Pointer) {
        point: Point::Read,
        touches: LOOK,
    }
    SYS_lseek lseek(fd Int, offset Offset, whence Whence) {
        point: Point::Read,
        touches: ON_DESCRIPTOR,
    }
    SYS_ioctl ioctl(fd Int, op Hex, arg Hex) {
        point: Point::Read,
        touches: ON_DESCRIPTOR,
    }
    SYS_getdents64 getdents64(fd Int, dirp Pointer, count Size) {
        point: Point::Read,
        touches: LOOK,
    }
    SYS_openat2 openat2(dirfd Dir, pathname Path, how Pointer, size Size) {
        sleep: Sleep::Yes,
        touches: &[Touch::Proc(1), Touch::Files, Touch::Descriptors],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_symlink symlink(target Path, linkpath Path) { touches: &[Touch::Files] }
    SYS_symlinkat symlinkat(target Path, newdirfd Dir, linkpath Path) { touches: &[Touch::Files] }
    SYS_linkat linkat(olddirfd Dir, oldpath Path, newdirfd Dir, newpath Path, flags Hex) { touches: &[Touch::Files] }
    SYS_mkdirat mkdirat(dirfd Dir, pathname Path, mode Mode) { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_chmod chmod(pathname Path, mode Mode) { touches: &[Touch::Files] }
    SYS_fchmod fchmod(fd Int, mode Mode) { touches: &[Touch::Files] }
    SYS_fchmodat fchmodat(dirfd Dir, pathname Path, mode Mode) { touches: &[Touch::Files] }

    #[cfg(target_arch = "x86_64")]
    SYS_poll poll(fds Polled, nfds Size, timeout Int) {
        answer: Spelling::Ready,
        shown: Shown::Long,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(2, Unit::Millis)),
        touches: POLL_LIST,
    }
    SYS_ppoll ppoll(fds Polled, nfds Size, timeout Time, sigmask Set, sigsetsize Size) {
        answer: Spelling::Ready,
        shown: Shown::Long,
        sleep: Sleep::Yes,
        own_mask: true,
        limit: Some(TimeLimit::new(2, Unit::Timespec)),
        touches: POLL_LIST,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_select select(nfds Int, readfds Pointer, writefds Pointer, exceptfds Pointer, timeout Pointer) {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(4, Unit::Timeval)),
        touches: POLL,
    }
    SYS_pselect6 pselect6(nfds Int, readfds Pointer, writefds Pointer, exceptfds Pointer, timeout Time, sigmask Pointer) {
        sleep: Sleep::Yes,
        own_mask: true,
        limit: Some(TimeLimit::new(4, Unit::Timespec)),
        touches: POLL,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_epoll_wait epoll_wait(epfd Int, events Pointer, maxevents Int, timeout Int) {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(3, Unit::Millis)),
        touches: POLL,
    }
    SYS_epoll_pwait epoll_pwait(epfd Int, events Pointer, maxevents Int, timeout Int, sigmask Set, sigsetsize Size) {
        sleep: Sleep::Yes,
        own_mask: true,
        limit: Some(TimeLimit::new(3, Unit::Millis)),
        touches: POLL,
    }
    SYS_epoll_pwait2 epoll_pwait2(epfd Int, events Pointer, maxevents Int, timeout Time, sigmask Set, sigsetsize Size) {
        sleep: Sleep::Yes,
        own_mask: true,
        limit: Some(TimeLimit::new(3, Unit::Timespec)),
        touches: POLL,
    }
}
