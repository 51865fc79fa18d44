//! Files, pipes, and waiting for descriptors.

use super::args::As::*;
use super::cells::*;

const ON_DESCRIPTOR: &[Touch] = &[Touch::Descriptor];
const LOOK: &[Touch] = &[Touch::Looked];
const LOOK_UP: &[Touch] = &[Touch::Proc(0), Touch::FilesLooked];
const LOOK_UP_AT: &[Touch] = &[Touch::Proc(1), Touch::FilesLooked];
const POLL: &[Touch] = &[Touch::Polled, Touch::Time];

rows! {
    SYS_read read(fd Int) {
        point: Point::Read,
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
    }
    SYS_readv readv(fd Int) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
    }
    SYS_pread64 pread64(fd Int) {
        point: Point::Read,
        touches: ON_DESCRIPTOR,
    }
    SYS_write write(fd Int, buf Text, count Size) {
        shown: Shown::Output,
        follow: Follow::NotToNull,
        sleep: Sleep::Yes,
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_writev writev(fd Int, iov Vectors, iovcnt Size) {
        shown: Shown::Output,
        follow: Follow::NotToNull,
        sleep: Sleep::Yes,
        wakes: Wakes::Reader,
        touches: ON_DESCRIPTOR,
    }
    SYS_pwrite64 pwrite64(fd Int) { touches: ON_DESCRIPTOR }
    SYS_ftruncate ftruncate(fd Int) { touches: ON_DESCRIPTOR }
    SYS_close close(fd Int) {
        point: Point::Close,
        follow: Follow::No,
        touches: &[Touch::Closed],
    }
    SYS_close_range close_range() {}
    SYS_flock flock(fd Int) {
        sleep: Sleep::Yes,
        touches: ON_DESCRIPTOR,
        changes: Changes::Lock,
    }
    SYS_fcntl fcntl(fd Int) {
        point: Point::Lock,
        sleep: Sleep::Lock,
        touches: ON_DESCRIPTOR,
        changes: Changes::Lock,
    }

    #[cfg(target_arch = "x86_64")]
    SYS_open open() {
        point: Point::Open { path: 0 },
        sleep: Sleep::Yes,
        touches: &[Touch::Proc(0), Touch::Files, Touch::Descriptors],
    }
    SYS_openat openat() {
        point: Point::Open { path: 1 },
        sleep: Sleep::Yes,
        touches: &[Touch::Proc(1), Touch::Files, Touch::Descriptors],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_creat creat() { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_pipe pipe() {
        touches: &[],
        changes: Changes::Pipe,
    }
    SYS_pipe2 pipe2() {
        touches: &[],
        changes: Changes::Pipe,
    }

    #[cfg(target_arch = "x86_64")]
    SYS_unlink unlink() {
        follow: Follow::No,
        touches: &[Touch::Files],
    }
    SYS_unlinkat unlinkat() { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_rename rename() {
        follow: Follow::No,
        touches: &[Touch::Files],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_renameat renameat() { touches: &[Touch::Files] }
    SYS_renameat2 renameat2() { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_mkdir mkdir() {
        follow: Follow::No,
        touches: &[Touch::Files],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_rmdir rmdir() { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_link link() { touches: &[Touch::Files] }
    SYS_truncate truncate() { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_stat stat() {
        shown: Shown::File,
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    SYS_newfstatat newfstatat() {
        shown: Shown::FileAt,
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_lstat lstat() {
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_access access() {
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    SYS_faccessat faccessat() {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    SYS_faccessat2 faccessat2() {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    SYS_statx statx() {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_readlink readlink() {
        point: Point::LookUp { path: 0 },
        touches: LOOK_UP,
    }
    SYS_readlinkat readlinkat() {
        point: Point::LookUp { path: 1 },
        touches: LOOK_UP_AT,
    }
    SYS_fstat fstat(fd Int) {
        point: Point::Read,
        touches: LOOK,
    }
    SYS_lseek lseek(fd Int) {
        point: Point::Read,
        touches: ON_DESCRIPTOR,
    }
    SYS_ioctl ioctl(fd Int) {
        point: Point::Read,
        touches: ON_DESCRIPTOR,
    }
    SYS_getdents64 getdents64(fd Int) {
        point: Point::Read,
        touches: LOOK,
    }
    SYS_openat2 openat2() {
        sleep: Sleep::Yes,
        touches: &[Touch::Proc(1), Touch::Files, Touch::Descriptors],
    }
    #[cfg(target_arch = "x86_64")]
    SYS_symlink symlink() { touches: &[Touch::Files] }
    SYS_symlinkat symlinkat() { touches: &[Touch::Files] }
    SYS_linkat linkat() { touches: &[Touch::Files] }
    SYS_mkdirat mkdirat() { touches: &[Touch::Files] }
    #[cfg(target_arch = "x86_64")]
    SYS_chmod chmod() { touches: &[Touch::Files] }
    SYS_fchmod fchmod() { touches: &[Touch::Files] }
    SYS_fchmodat fchmodat() { touches: &[Touch::Files] }

    #[cfg(target_arch = "x86_64")]
    SYS_poll poll(fds Polled, nfds Size, timeout Int) {
        answer: Spelling::Ready,
        shown: Shown::Long,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(2, Unit::Millis)),
        touches: POLL,
    }
    SYS_ppoll ppoll(fds Polled, nfds Size, timeout Time, sigmask Set, sigsetsize Size) {
        answer: Spelling::Ready,
        shown: Shown::Long,
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(2, Unit::Timespec)),
        touches: POLL,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_select select() {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(4, Unit::Timeval)),
        touches: POLL,
    }
    SYS_pselect6 pselect6() {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(4, Unit::Timespec)),
        touches: POLL,
    }
    #[cfg(target_arch = "x86_64")]
    SYS_epoll_wait epoll_wait(fd Int) {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(3, Unit::Millis)),
        touches: POLL,
    }
    SYS_epoll_pwait epoll_pwait(fd Int) {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(3, Unit::Millis)),
        touches: POLL,
    }
    SYS_epoll_pwait2 epoll_pwait2(fd Int) {
        sleep: Sleep::Yes,
        limit: Some(TimeLimit::new(3, Unit::Timespec)),
        touches: POLL,
    }
}
