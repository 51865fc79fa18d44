//! A seccomp filter that stops a tracee at the calls we watch (RET_TRACE); all other calls run as
//! if there were no tracer. seccomp(2)

use std::collections::BTreeMap;
use std::io;

use nix::errno::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Calls to stop at, by their number; with a list, only where one argument (from 0) is equal to
/// one of the values, as 32 bits.
pub type Rules = Vec<(i64, Option<(u8, Vec<u32>)>)>;

/// A compiled filter. It stays with the program that it was installed for, through fork and exec,
/// also when its tracer has gone: then the calls that it stops fail with ENOSYS.
pub struct Filter(BpfProgram);

impl Filter {
    /// Compiles a filter.
    pub fn new(rules: &Rules) -> io::Result<Filter> {
        let mut all = BTreeMap::new();
        for (number, only) in rules {
            let conditions =
                only.iter().flat_map(|(arg, values)| values.iter().map(|v| (*arg, *v)));
            let rule = |(arg, value): (u8, u32)| {
                let op = SeccompCmpOp::Eq;
                let one = SeccompCondition::new(arg, SeccompCmpArgLen::Dword, op, value.into())?;
                SeccompRule::new(vec![one])
            };
            let chain: Result<Vec<_>, _> = conditions.map(rule).collect();
            all.insert(*number, chain.map_err(io::Error::other)?);
        }
        let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
        let filter = SeccompFilter::new(all, SeccompAction::Allow, SeccompAction::Trace(0), arch);
        let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
        let mut program = program.map_err(io::Error::other)?;
        // It would kill a program that makes a call of another architecture. We only look.
        for step in
            program.iter_mut().filter(|step| step.code == (libc::BPF_RET | libc::BPF_K) as u16)
        {
            if step.k == libc::SECCOMP_RET_KILL_PROCESS {
                step.k = libc::SECCOMP_RET_ALLOW;
            }
        }
        Ok(Filter(program))
    }

    /// Does this kernel have what a filter needs?
    pub fn supported() -> bool {
        let action = libc::SECCOMP_RET_TRACE;
        // SAFETY: the kernel reads one number.
        let answer = unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
        };
        answer == 0
    }

    /// Puts this process under the filter. Without privilege that costs NO_NEW_PRIVS: a setuid
    /// program will run without its owner's rights. Allocates nothing, so it may be called between
    /// fork and exec.
    pub fn install(&self) -> nix::Result<()> {
        let (len, filter) = (self.0.len() as u16, self.0.as_ptr().cast_mut().cast());
        let program = libc::sock_fprog { len, filter };
        // SAFETY: the kernel copies `len` steps from a vector that outlives the call; seccompiler's
        // step has C's layout.
        let install = || unsafe {
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
        };
        if install() == 0 {
            return Ok(());
        }
        // SAFETY: it takes four numbers.
        Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        Errno::result(install()).map(drop)
    }
}
