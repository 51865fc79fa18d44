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

/// What the compiler calls by itself, and how `errno` is read.
const BY_ITSELF: [&str; 2] = ["errno_location", "stack_chk_fail"];

/// Functions of the C library that print or allocate, where they are a part of the program: it is linked statically.
const INSIDE: &str = "printf vprintf fprintf vfprintf dprintf sprintf snprintf puts fputs putchar fputc putc fwrite \
fflush perror malloc calloc realloc free exit syslog pthread_mutex_lock pthread_cond_signal";

/// May a handler call a function? With its name, as people call it.
#[derive(PartialEq, Eq, Debug)]
pub enum Safe {
    Yes(String),
    No(String),
    /// It is the program's own, or the compiler's: what it calls is looked at.
    Own,
}

/// May a handler call this function? `own`: it is the program's own, or was compiled into it.
pub fn of(name: &str, own: bool) -> Safe {
    let bare = bare(name);
    if own {
        let of = |(part, said): &(&str, &str)| name.contains(part).then(|| said.to_string());
        let inside = INSIDE.split_whitespace().find(|one| *one == bare).map(String::from);
        return RUST.iter().find_map(of).or(inside).map_or(Safe::Own, Safe::No);
    }
    let is_safe = SAFE.split_whitespace().any(|safe| safe == bare || safe == name);
    match is_safe {
        true if BY_ITSELF.contains(&bare.as_str()) => Safe::Own,
        true => Safe::Yes(bare),
        false => Safe::No(people(&bare).into()),
    }
}

fn bare(name: &str) -> String {
    let fronts = ["_IO_", "__libc_", "__GI_", "__isoc99_", "__"];
    let bare = fronts.iter().find_map(|front| name.strip_prefix(front)).unwrap_or(name);
    bare.strip_suffix("_chk").unwrap_or(bare).trim_end_matches('_').into()
}

/// What C++ mangles, as a program has it.
fn people(name: &str) -> &str {
    match name {
        "_Znwm" | "_Znam" => "new",
        "_ZdlPv" | "_ZdlPvm" | "_ZdaPv" => "delete",
        name if name.starts_with("_ZStls") || name.starts_with("_ZNSols") => "std::ostream's <<",
        name if name.starts_with("_ZSt16__ostream_insert") => "std::ostream's <<",
        name if name.starts_with("_ZSt4endl") => "std::endl",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printf_is_refused_and_write_is_not() {
        let (no, yes) = (|name: &str| Safe::No(name.into()), |name: &str| Safe::Yes(name.into()));
        assert_eq!(of("printf", false), no("printf"));
        assert_eq!(of("__printf_chk", false), no("printf"));
        assert_eq!(of("_IO_puts", false), no("puts"));
        assert_eq!(of("__libc_malloc", false), no("malloc"));
        assert_eq!(of("__write", false), yes("write"));
        assert_eq!(of("sem_post", false), yes("sem_post"));
        assert_eq!(of("__errno_location", false), Safe::Own);
        assert_eq!(of("hear", true), Safe::Own);
        assert_eq!(of("_IO_printf", true), no("printf"));
        assert_eq!(of("_ZN3std2io5stdio6_print17h0123E", true), no("print!"));
        assert_eq!(of("_ZStlsISt11char_traitsIcEE", false), no("std::ostream's <<"));
    }
}
