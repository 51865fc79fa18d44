//! A seccomp filter that stops a tracee at the calls we watch (RET_TRACE); all other calls run as
//! if there were no tracer. seccomp(2)

use std::collections::BTreeMap;
use std::io;

use nix::errno::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// Calls, by their number; with a condition, only where an argument is so.
pub type Rules = Vec<(i64, Option<Only>)>;

/// Where an argument (from 0) has one of the values, as 32 bits, in the bits of the mask.
pub struct Only {
    pub argument: u8,
    pub mask: u32,
    pub values: Vec<u32>,
}

impl Only {
    /// Where the whole argument has one of the values.
    pub fn one_of(argument: u8, values: Vec<u32>) -> Only {
        Only { argument, mask: u32::MAX, values }
    }
}

/// A compiled filter. It stays with the program that it was installed for, through fork and exec,
/// also when its tracer has gone: then the calls that it stops fail with ENOSYS.
#[derive(Clone)]
pub struct Filter(BpfProgram);

impl Filter {
    /// Stops at these calls. Those of another architecture are not looked at.
    pub fn stopping_at(calls: &Rules) -> io::Result<Filter> {
        Filter::new(calls, SeccompAction::Allow, SeccompAction::Trace(0), libc::SECCOMP_RET_ALLOW)
    }

    /// Stops at all calls but these, and at all of another architecture.
    pub fn letting_through(calls: &Rules) -> io::Result<Filter> {
        Filter::new(calls, SeccompAction::Trace(0), SeccompAction::Allow, libc::SECCOMP_RET_TRACE)
    }

    fn new(
        rules: &Rules,
        others: SeccompAction,
        these: SeccompAction,
        foreign: u32,
    ) -> io::Result<Filter> {
        let mut all = BTreeMap::new();
        for (number, only) in rules {
            let rule = |only: &Only, value: &u32| {
                let op = SeccompCmpOp::MaskedEq(only.mask.into());
                let (length, value) = (SeccompCmpArgLen::Dword, u64::from(*value));
                let one = SeccompCondition::new(only.argument, length, op, value)?;
                SeccompRule::new(vec![one])
            };
            let chain = only.iter().flat_map(|only| only.values.iter().map(|v| rule(only, v)));
            let chain: Result<Vec<_>, _> = chain.collect();
            all.insert(*number, chain.map_err(io::Error::other)?);
        }
        let arch = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
        let filter = SeccompFilter::new(all, others, these, arch);
        let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
        let mut program = program.map_err(io::Error::other)?;
        // It would kill a program that makes a call of another architecture. We only look.
        for step in
            program.iter_mut().filter(|step| step.code == (libc::BPF_RET | libc::BPF_K) as u16)
        {
            if step.k == libc::SECCOMP_RET_KILL_PROCESS {
                step.k = foreign;
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
