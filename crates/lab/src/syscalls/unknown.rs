//! Calls that have no row. Only their names are known. Some are known to be harmless: they have no
//! effect that another process can see, and they see nothing that others change.

/// By number, in order. <asm/unistd_64.h> of Linux 6.17.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub const HARMLESS: &[(i64, &str)] = &[
    (12, "brk"), (15, "rt_sigreturn"), (26, "msync"), (28, "madvise"), (32, "dup"), (33, "dup2"),
    (41, "socket"), (81, "fchdir"), (95, "umask"), (102, "getuid"), (104, "getgid"),
    (105, "setuid"), (106, "setgid"), (107, "geteuid"), (108, "getegid"), (113, "setreuid"),
    (114, "setregid"), (117, "setresuid"), (119, "setresgid"), (122, "setfsuid"), (123, "setfsgid"),
    (135, "personality"), (140, "getpriority"), (141, "setpriority"),
    (146, "sched_get_priority_max"), (147, "sched_get_priority_min"), (151, "mlockall"),
    (152, "munlockall"), (158, "arch_prctl"), (187, "readahead"), (213, "epoll_create"),
    (221, "fadvise64"), (225, "timer_getoverrun"), (237, "mbind"), (238, "set_mempolicy"),
    (239, "get_mempolicy"), (253, "inotify_init"), (273, "set_robust_list"),
    (274, "get_robust_list"), (283, "timerfd_create"), (284, "eventfd"), (290, "eventfd2"),
    (291, "epoll_create1"), (292, "dup3"), (294, "inotify_init1"), (324, "membarrier"),
    (330, "pkey_alloc"), (331, "pkey_free"), (334, "rseq"),
    (447, "memfd_secret"), (453, "map_shadow_stack"), (462, "mseal"),
];
/// Likewise, but the kernel reads or writes memory where they point.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub const POINTING: &[(i64, &str)] = &[
    (27, "mincore"), (51, "getsockname"), (52, "getpeername"), (63, "uname"), (79, "getcwd"),
    (80, "chdir"), (97, "getrlimit"), (98, "getrusage"), (99, "sysinfo"), (100, "times"),
    (115, "getgroups"), (116, "setgroups"), (118, "getresuid"), (120, "getresgid"), (125, "capget"),
    (126, "capset"), (131, "sigaltstack"), (137, "statfs"), (138, "fstatfs"),
    (142, "sched_setparam"), (143, "sched_getparam"), (144, "sched_setscheduler"),
    (145, "sched_getscheduler"), (148, "sched_rr_get_interval"), (149, "mlock"), (150, "munlock"),
    (160, "setrlimit"), (203, "sched_setaffinity"), (204, "sched_getaffinity"),
    (222, "timer_create"), (229, "clock_getres"), (282, "signalfd"), (289, "signalfd4"),
    (302, "prlimit64"), (309, "getcpu"), (314, "sched_setattr"), (315, "sched_getattr"),
    (318, "getrandom"), (319, "memfd_create"), (325, "mlock2"),
];
/// All others: whoever makes one may have done anything, and may sleep in it.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
pub const NAMES: &[(i64, &str)] = &[
    (40, "sendfile"), (53, "socketpair"), (74, "fsync"),
    (75, "fdatasync"), (78, "getdents"), (92, "chown"), (93, "fchown"), (94, "lchown"),
    (101, "ptrace"), (103, "syslog"), (111, "getpgrp"), (121, "getpgid"), (124, "getsid"),
    (132, "utime"), (133, "mknod"), (134, "uselib"), (136, "ustat"), (139, "sysfs"),
    (153, "vhangup"), (154, "modify_ldt"), (155, "pivot_root"), (156, "_sysctl"),
    (159, "adjtimex"), (161, "chroot"), (162, "sync"), (163, "acct"), (164, "settimeofday"),
    (165, "mount"), (166, "umount2"), (167, "swapon"), (168, "swapoff"), (169, "reboot"),
    (170, "sethostname"), (171, "setdomainname"), (172, "iopl"), (173, "ioperm"),
    (174, "create_module"), (175, "init_module"), (176, "delete_module"),
    (177, "get_kernel_syms"), (178, "query_module"), (179, "quotactl"), (180, "nfsservctl"),
    (181, "getpmsg"), (182, "putpmsg"), (183, "afs_syscall"), (184, "tuxcall"), (185, "security"),
    (188, "setxattr"), (189, "lsetxattr"), (190, "fsetxattr"), (191, "getxattr"),
    (192, "lgetxattr"), (193, "fgetxattr"), (194, "listxattr"), (195, "llistxattr"),
    (196, "flistxattr"), (197, "removexattr"), (198, "lremovexattr"), (199, "fremovexattr"),
    (205, "set_thread_area"), (206, "io_setup"), (207, "io_destroy"), (208, "io_getevents"),
    (209, "io_submit"), (210, "io_cancel"), (211, "get_thread_area"), (212, "lookup_dcookie"),
    (214, "epoll_ctl_old"), (215, "epoll_wait_old"), (216, "remap_file_pages"),
    (227, "clock_settime"), (233, "epoll_ctl"),
    (235, "utimes"), (236, "vserver"), (244, "mq_notify"), (245, "mq_getsetattr"),
    (246, "kexec_load"), (248, "add_key"), (249, "request_key"), (250, "keyctl"),
    (251, "ioprio_set"), (252, "ioprio_get"), (254, "inotify_add_watch"),
    (255, "inotify_rm_watch"), (256, "migrate_pages"), (259, "mknodat"), (260, "fchownat"),
    (261, "futimesat"), (275, "splice"), (276, "tee"), (277, "sync_file_range"),
    (278, "vmsplice"), (279, "move_pages"), (280, "utimensat"), (285, "fallocate"),
    (295, "preadv"), (296, "pwritev"), (298, "perf_event_open"),
    (299, "recvmmsg"), (300, "fanotify_init"), (301, "fanotify_mark"), (303, "name_to_handle_at"),
    (304, "open_by_handle_at"), (305, "clock_adjtime"), (306, "syncfs"), (307, "sendmmsg"),
    (310, "process_vm_readv"), (311, "process_vm_writev"), (312, "kcmp"), (313, "finit_module"),
    (317, "seccomp"), (320, "kexec_file_load"), (321, "bpf"), (323, "userfaultfd"),
    (326, "copy_file_range"), (327, "preadv2"), (328, "pwritev2"), (333, "io_pgetevents"),
    (335, "uretprobe"), (336, "uprobe"), (425, "io_uring_setup"), (426, "io_uring_enter"),
    (427, "io_uring_register"), (428, "open_tree"), (429, "move_mount"), (430, "fsopen"),
    (431, "fsconfig"), (432, "fsmount"), (433, "fspick"), (438, "pidfd_getfd"),
    (440, "process_madvise"), (442, "mount_setattr"), (443, "quotactl_fd"),
    (444, "landlock_create_ruleset"), (445, "landlock_add_rule"), (446, "landlock_restrict_self"),
    (448, "process_mrelease"), (449, "futex_waitv"), (450, "set_mempolicy_home_node"),
    (451, "cachestat"), (452, "fchmodat2"), (454, "futex_wake"), (455, "futex_wait"),
    (456, "futex_requeue"), (457, "statmount"), (458, "listmount"), (459, "lsm_get_self_attr"),
    (460, "lsm_set_self_attr"), (461, "lsm_list_modules"), (463, "setxattrat"),
    (464, "getxattrat"), (465, "listxattrat"), (466, "removexattrat"), (467, "open_tree_attr"),
    (468, "file_getattr"), (469, "file_setattr"),
];
/// Elsewhere they are shown by their numbers.
#[cfg(not(target_arch = "x86_64"))]
pub const NAMES: &[(i64, &str)] = &[];
/// See above.
#[cfg(not(target_arch = "x86_64"))]
pub const HARMLESS: &[(i64, &str)] = &[];
/// See above.
#[cfg(not(target_arch = "x86_64"))]
pub const POINTING: &[(i64, &str)] = &[];

/// The name of a call that has no row.
pub fn name(number: i64) -> Option<&'static str> {
    [NAMES, HARMLESS, POINTING].into_iter().find_map(|list| {
        let at = list.binary_search_by_key(&number, |(known, _)| *known).ok()?;
        Some(list[at].1)
    })
}

/// Has this call no effect that others can see, but the kernel reads or writes where it points?
#[cfg(target_arch = "x86_64")]
pub fn only_points(number: i64) -> bool {
    POINTING.binary_search_by_key(&number, |(known, _)| *known).is_ok()
}
