//! What a handler may call. signal-safety(7)

/// The functions that POSIX calls async-signal-safe, and the C library's own names for some of them. Functions that
/// only copy or compare bytes are among them since 2016.
const SAFE: &str = "_Exit _exit abort accept access aio_error aio_return aio_suspend alarm bind cfgetispeed \
cfgetospeed cfsetispeed cfsetospeed chdir chmod chown clock_gettime close connect creat dup dup2 execl execle execv \
execve faccessat fchdir fchmod fchmodat fchown fchownat fcntl fcntl64 fdatasync fexecve ffs fork fstat fstat64 fstatat \
fsync ftruncate futimens getegid geteuid getgid getgroups getpeername getpgrp getpid getppid getsockname getsockopt \
getuid htonl htons kill link linkat listen longjmp lseek lseek64 lstat memccpy memchr memcmp memcpy memmove memset \
mkdir mkdirat mkfifo mkfifoat mknod mknodat ntohl ntohs open open64 openat openat64 pause pipe pipe2 poll posix_trace_event \
pselect pthread_kill pthread_self pthread_sigmask raise read readlink readlinkat recv recvfrom recvmsg rename renameat \
rmdir select sem_post send sendmsg sendto setgid setpgid setsid setsockopt setuid shutdown sigaction sigaddset \
sigdelset sigemptyset sigfillset sigismember siglongjmp signal sigpause sigpending sigprocmask sigqueue sigset \
sigsuspend sleep sockatmark socket socketpair stat stat64 stpcpy stpncpy strcat strchr strcmp strcpy strcspn strlen \
strncat strncmp strncpy strnlen strpbrk strrchr strspn strstr strtok_r symlink symlinkat tcdrain tcflow tcflush \
tcgetattr tcgetpgrp tcsendbreak tcsetattr tcsetpgrp time timer_getoverrun timer_gettime timer_settime times umask \
uname unlink unlinkat utime utimensat utimes wait waitpid write syscall errno_location stack_chk_fail";

/// Parts of the names of Rust's own functions that print, allocate or panic.
const RUST: [(&str, &str); 6] = [
    ("stdio6_print", "print!"),
    ("stdio7_eprint", "eprint!"),
    ("__rust_alloc", "the allocator"),
    ("__rust_dealloc", "the allocator"),
    ("__rust_realloc", "the allocator"),
    ("panicking", "panic!"),
];

/// A function that a handler may not call, as people call it; `None`: it may. `own`: it is the program's own, or was
/// compiled into it.
pub fn refused(name: &str, own: bool) -> Option<String> {
    if own {
        let of = |(part, said): &(&str, &str)| name.contains(part).then(|| said.to_string());
        return RUST.iter().find_map(of);
    }
    let bare = ["_IO_", "__libc_", "__GI_", "__isoc99_", "__"]
        .iter()
        .find_map(|front| name.strip_prefix(front));
    let bare = bare.unwrap_or(name);
    let bare = bare.strip_suffix("_chk").unwrap_or(bare).trim_end_matches('_');
    let is_safe = SAFE.split_whitespace().any(|safe| safe == bare || safe == name);
    if is_safe { None } else { Some(bare.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printf_is_refused_and_write_is_not() {
        assert_eq!(refused("printf", false), Some("printf".into()));
        assert_eq!(refused("__printf_chk", false), Some("printf".into()));
        assert_eq!(refused("_IO_puts", false), Some("puts".into()));
        assert_eq!(refused("__libc_malloc", false), Some("malloc".into()));
        assert_eq!(refused("__write", false), None);
        assert_eq!(refused("sem_post", false), None);
        assert_eq!(refused("hear", true), None);
        assert_eq!(refused("_ZN3std2io5stdio6_print17h0123E", true), Some("print!".into()));
    }
}
