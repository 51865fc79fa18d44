//! How reliable the pids in a record are: seen from another pid namespace, and after reuse.

use lablib::print::{claim, note, text};
use lablib::shm::NULL;
use lablib::{Experiment, Failure, Result, compare, say, shm};
use libc::IPC_PRIVATE;

pub const ALL: &[Experiment] = &[
    Experiment {
        name: "pid-namespace",
        rows: "L6",
        question: "Which pids does a container see in the record?",
        run: pid_namespace,
    },
    Experiment {
        name: "pid-again",
        rows: "L7",
        question: "Can shm_cpid come to mean somebody else?",
        run: pid_again,
    },
];

/// What a program prints that `unshare` has put apart with these options.
fn apart(options: &str, program: &[&str]) -> Result<String> {
    let run = |program: &[&str]| {
        let words: Vec<&str> = options.split(' ').chain(program.iter().copied()).collect();
        Ok(compare::program("unshare", &words)?.filter(|ran| ran.well).map(|ran| ran.output))
    };
    if run(&["true"])?.is_none() {
        let grant = "allow user namespaces (sysctl user.max_user_namespaces); install util-linux";
        return Err(Failure::Needs("a PID namespace of its own".into(), grant));
    }
    run(program)?.ok_or_else(|| Failure::because(say!("{} failed there", program[0])))
}

/// The last two columns of `ipcs -m -p`, cpid and lpid, in the row of a segment.
fn pids(screen: &str, id: &str) -> Option<(i32, i32)> {
    let rows = screen.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.into_iter().find(|row| row.len() == 4 && row[0] == id)?;
    Some((row[2].parse().ok()?, row[3].parse().ok()?))
}

fn pid_namespace() -> Result<()> {
    let id = shm::get(IPC_PRIVATE, 1, 0o600)?;
    let addr = shm::at(id, NULL, 0)?;
    let ds = shm::ctl_stat(id)?;
    let us = std::process::id() as i32;
    claim((ds.shm_cpid, ds.shm_lpid) == (us, us), "here shm_cpid and shm_lpid are our pid")?;
    let options = "--user --map-current-user --pid --fork --mount-proc";
    text(format!("$ unshare {options} ipcs -m -p"));
    let screen = apart(options, &["ipcs", "-m", "-p"])?;
    let seen = pids(&screen, &id.to_string());
    claim(seen == Some((0, 0)), "there both are 0, for the same id")?;
    note("0 means: a process that has no number there. It is nobody to send a signal to");
    shm::dt(addr)?;
    shm::ctl_rmid(id)
}

/// Lets a process make a segment and end, and another process get its pid: root of a pid namespace
/// may set the last pid that was used in it.
const REUSE: &str = "echo 1000 > /proc/sys/kernel/ns_last_pid
    ipcmk -M 1
    echo 1000 > /proc/sys/kernel/ns_last_pid
    sh -c 'echo my pid is $$; exec ipcs -m -p'";

fn pid_again() -> Result<()> {
    let options = "-Ur --ipc --pid --fork --kill-child --mount-proc";
    let first = REUSE.lines().next().unwrap_or_default();
    apart(options, &["sh", "-ec", first]).map_err(|failure| match failure {
        Failure::Because(..) => {
            let file = "to write /proc/sys/kernel/ns_last_pid".into();
            Failure::Needs(file, "use a kernel with CHECKPOINT_RESTORE, Linux 5.9 or later")
        }
        other => other,
    })?;
    text(format!("$ unshare {options} sh"));
    REUSE.lines().for_each(|line| text(format!("> {}", line.trim())));
    let said = apart(options, &["sh", "-ec", REUSE])?;
    said.lines().filter(|line| !line.is_empty()).for_each(|line| text(line.trim_end().to_string()));
    let us = said.lines().find_map(|line| line.strip_prefix("my pid is ")?.parse::<i32>().ok());
    let maker = pids(&said, "0").map(|(cpid, _)| cpid);
    claim(us.is_some() && maker == us, "shm_cpid is the pid of ipcs, which has made no segment")?;
    note("every number is given again, here at once: look whether cpid is who you think");
    Ok(())
}
