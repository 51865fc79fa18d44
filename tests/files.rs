//! The file calls of 4.2 stand beside those of IPC, and are held to the same: `strace` sees what is
//! printed, and no name stays behind in a file system.

mod common;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{Run, have, run_lab};
use regex::Regex;

/// A printed call as strace has it: open is openat, shm_open is an open below /dev/shm.
fn as_strace(call: &str) -> String {
    let rules = [
        (r"\) +=", ") ="),
        (r"^open\(", "openat(AT_FDCWD, "),
        (
            r#"^shm_open\("/([^"]*)", ([^,)]*)"#,
            r#"openat(AT_FDCWD, "/dev/shm/$1", $2|O_NOFOLLOW|O_CLOEXEC"#,
        ),
        (r"^shm_unlink\(.", "unlink(\"/dev/shm"),
        (r#"^readlink\((.*)\) = (".*")$"#, "readlink($1, $2"),
    ];
    rules.iter().fold(call.to_string(), |call, (rule, by)| {
        Regex::new(rule).expect("rule").replace(&call, *by).into_owned()
    })
}

/// The lines that one process printed of file calls; without a lane, the first one's.
fn printed(stdout: &str) -> Vec<(Option<String>, String)> {
    let names = "open|shm_open|read|write|lseek|close|unlink|shm_unlink|fchmod|fcntl|poll|readlink|ftruncate|mmap|munmap";
    let line =
        Regex::new(&format!(r"^(?:[\w ]+ (\d+) │)?  ((?:{names})\(.*\) += .*)$")).expect("line");
    let call = |found: regex::Captures| {
        (found.get(1).map(|pid| pid.as_str().to_string()), as_strace(&found[2]))
    };
    stdout.lines().filter_map(|text| line.captures(text)).map(call).collect()
}

fn strace(argument: Option<&str>, more: &[&str]) -> Run {
    let words = ["strace", "-ff", "-qq", "-o", "{dir}/strace"];
    let args: Vec<&str> = argument.into_iter().collect();
    run_lab("4.2").args(&args).under(&[&words, more].concat()).go()
}

#[test]
fn the_file_calls_of_4_2_are_those_that_strace_sees() {
    if !have("strace", "that the file calls of 4.2 were made as they were printed") {
        return;
    }
    let spaces = Regex::new(r"\) +=").expect("spaces");
    for argument in [None, Some("--experiments")] {
        let run = strace(argument, &[]).clean();
        let calls = printed(&run.stdout);
        assert!(calls.len() > 8, "{}", run.stdout);
        // One log a process; only the first one's begins with the program.
        let logs = fs::read_dir(run.dir.path()).expect("a folder").filter_map(Result::ok);
        let logs: BTreeMap<String, String> = logs
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.strip_prefix("strace.")?.to_string();
                let log = fs::read_to_string(entry.path()).expect("strace's log");
                Some((pid, spaces.replace_all(&log, ") =").into_owned()))
            })
            .collect();
        let first = logs.iter().find(|(_, log)| log.starts_with("execve(")).expect("a program").0;
        let mut unseen: BTreeMap<&str, std::str::Lines> =
            logs.iter().map(|(pid, log)| (pid.as_str(), log.lines())).collect();
        for (pid, call) in &calls {
            let pid = pid.as_deref().unwrap_or(first);
            let seen = unseen.get_mut(pid).expect("a process").any(|line| line.starts_with(call));
            assert!(seen, "{pid}: strace did not see, in this order, {call}\n{}", logs[pid]);
        }
    }
}

#[test]
fn no_name_stays_behind_in_a_file_system() {
    if !have("strace", "that 4.2 leaves no file when a signal comes") {
        return;
    }
    let name = Regex::new(r#"(?:open|shm_open)\("([^"]*lab-4.2-\d+)""#).expect("name");
    for (argument, disturbed) in [
        (None, ""),
        (None, "lseek:signal=SIGINT"),
        (None, "shmat:error=ENOMEM"),
        (None, "semctl:signal=SIGTERM"),
        (Some("--experiments"), ""),
        (Some("--experiments"), "fchmod:error=EPERM"),
        (Some("--experiments"), "shmdt:signal=SIGINT"),
        (Some("--experiments"), "ftruncate:error=ENOSPC"),
    ] {
        let inject = format!("inject={disturbed}:when=1");
        let more = ["-e", "trace=all", "-e", &inject];
        let run = strace(argument, if disturbed.is_empty() { &[] } else { &more });
        let found: Vec<&str> =
            name.captures_iter(&run.stdout).filter_map(|one| Some(one.get(1)?.as_str())).collect();
        let ended = (run.code == 0) == disturbed.is_empty();
        assert!(!found.is_empty() && ended && run.left.is_empty(), "{disturbed}: {run:#?}");
        for name in found {
            let path = name.strip_prefix("/lab").map(|name| format!("/dev/shm/lab{name}"));
            let path = path.unwrap_or(name.into());
            assert!(!Path::new(&path).exists(), "{disturbed}: {path} is still there");
        }
    }
}
