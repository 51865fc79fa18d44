//! What `shmget` refuses, and what it gives.

use std::fs;

use lablib::process::{self, Fate, SEGV_MAPERR, Touch, child, enter_own_ipc, touch_in_child};
use lablib::shm::{NULL, page};
use lablib::trace::{claim, note};
use lablib::{Experiment, Failure, Result, cleanup, expect_errno, shm, system};
use libc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE, SHM_HUGETLB, SHM_NORESERVE};
use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::geteuid;

pub const ALL: &[Experiment] = &[];
