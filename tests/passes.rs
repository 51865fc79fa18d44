//! What is wrong does not pass `lab check`, and nothing is said to have passed that was not checked: programs that a
//! newcomer wrote, or nearly wrote.
#![cfg(target_arch = "x86_64")]

mod common;
use std::fs;

use common::{bin, can_explore, repo, run};
use serde_json::Value;

/// The solution of a section with changes, judged.
fn changed(section: &str, changes: &[(&str, &str)], options: &[&str]) -> Value {
    let solution = repo().join("labs").join(section).join("exercise/solution/main.c");
    let mut text = fs::read_to_string(solution).expect("a solution");
    for (from, to) in changes {
        assert!(text.contains(from), "there is no {from:?}");
        text = text.replace(from, to);
    }
    judged(section, &text, options)
}

fn judged(section: &str, text: &str, options: &[&str]) -> Value {
    let folder = common::scratch();
    let source = folder.path().join("main.c");
    fs::write(&source, text).expect("a source");
    let (source, root) = (source.display().to_string(), repo().display().to_string());
    let words = ["check", section, &source, "--workbook", &root, "--format", "json"];
    let run = run(&bin("lab")).args(&[&words[..], options].concat()).go();
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:#?}"))
}

fn rules(verdict: &Value) -> Vec<&str> {
    let all = verdict["findings"].as_array().expect("findings");
    all.iter().map(|one| one["rule"].as_str().expect("a rule")).collect()
}

fn passed(verdict: &Value) -> Vec<&str> {
    verdict["passed"].as_array().expect("passed").iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_length_check_that_is_wrong_by_one_is_found() {
    if !can_explore("a length check that is wrong by one") {
        return;
    }
    for check in ["strlen(argv[i]) > SIZE", "strlen(argv[i]) >= 4096"] {
        let verdict = changed("4.8", &[("strlen(argv[i]) >= SIZE", check)], &[]);
        assert_eq!(rules(&verdict), ["input-overflow"], "{check}: {verdict:#}");
        // It is the line that writes, not the one that checks.
        let line = verdict["findings"][0]["line"].as_u64().expect("a line");
        assert_eq!(line, 60, "{verdict:#}");
    }
    // What the program puts in front of the message counts, too.
    let behind_a_head = [
        ("int id = shmget(IPC_PRIVATE, SIZE,", "int id = shmget(IPC_PRIVATE, SIZE + 8,"),
        ("strcpy(one, *messages)", "strcpy(one + 8, *messages)"),
        ("\"%s\\n\", other", "\"%s\\n\", other + 8"),
        ("strlen(argv[i]) >= SIZE", "strlen(argv[i]) > SIZE"),
    ];
    let verdict = changed("4.5", &behind_a_head, &[]);
    assert_eq!(rules(&verdict), ["input-overflow"], "{verdict:#}");
}

#[test]
fn a_handler_that_does_more_than_it_should_is_told() {
    if !can_explore("handlers that do more than set a flag") {
        return;
    }
    let handler = |what: &str| format!("        told = 1, {what};\n");
    let verdict =
        changed("4.8", &[("        told = 1;\n", &handler("(void)!write(2, \"!\", 1)"))], &[]);
    assert_eq!(rules(&verdict), ["handler-does-more"], "{verdict:#}");
    assert_eq!(
        (&verdict["verdict"], &verdict["findings"][0]["class"]),
        (&"passed".into(), &"style".into())
    );
    let verdict = changed("4.8", &[("        told = 1;\n", &handler("printf(\"told\\n\")"))], &[]);
    assert_eq!(rules(&verdict).first(), Some(&"unsafe-handler"), "{verdict:#}");
    // One that runs only when Ctrl-C comes.
    let on_stop = [
        (
            "static int fail(",
            "static void stop(int signal)\n{\n    (void)signal;\n    puts(\"stopped\");\n}\n\nstatic int fail(",
        ),
        (
            "    sigemptyset(&open);\n",
            "    struct sigaction stopped = { .sa_handler = stop };\n    sigaction(SIGINT, &stopped, NULL);\n    sigemptyset(&open);\n",
        ),
    ];
    let verdict = changed("4.8", &on_stop, &[]);
    assert_eq!(rules(&verdict).first(), Some(&"unsafe-handler"), "{verdict:#}");
    assert!(verdict["findings"][0]["title"].as_str().is_some_and(|title| title.contains("SIGINT")));
    // A call that is looked at comes first.
    let after = handler("(void)!write(2, \"!\", 1), fputs(\"told\", stderr)");
    let verdict = changed("4.8", &[("        told = 1;\n", &after)], &[]);
    assert_eq!(rules(&verdict).first(), Some(&"unsafe-handler"), "{verdict:#}");
    let line = verdict["findings"][0]["happened"][0].as_str().expect("what happened");
    assert!(line.contains("calls f"), "{verdict:#}");
}

#[test]
fn an_output_that_cannot_be_written_leaves_nobody_asleep() {
    if !can_explore("an output that cannot be written") {
        return;
    }
    // Without SIGCHLD, the parent does not hear that its child has ended.
    let deaf = [(" || sigaction(SIGCHLD, &action, NULL) == -1", "")];
    let verdict = changed("4.8", &deaf, &[]);
    assert_eq!(rules(&verdict).first(), Some(&"closed-hang"), "{verdict:#}");
    let early =
        "    fflush(stdout);\n    struct shmid_ds record;\n    if (shmctl(id, IPC_RMID, NULL)";
    let verdict = changed(
        "4.7",
        &[("    struct shmid_ds record;\n    if (shmctl(id, IPC_RMID, NULL)", early)],
        &[],
    );
    assert_eq!(rules(&verdict), ["closed-left"], "{verdict:#}");
}

#[test]
fn what_an_instrument_has_found_is_not_said_to_have_passed() {
    if !can_explore("what has passed beside a finding") {
        return;
    }
    let verdict = changed("4.8", &[("if (strlen(argv[i]) >= SIZE)", "if (argv[i] == NULL)")], &[]);
    assert_eq!(rules(&verdict).first(), Some(&"input-crash"), "{verdict:#}");
    assert!(!passed(&verdict).contains(&"segfault"), "{verdict:#}");
    let stays = [(
        "    sigprocmask(SIG_BLOCK, &stops, NULL);   /* until the segment is marked for removal */\n",
        "",
    )];
    let verdict = changed("4.8", &stays, &[]);
    assert_eq!(rules(&verdict).first(), Some(&"stopped-left"), "{verdict:#}");
    assert!(!passed(&verdict).contains(&"left-behind"), "{verdict:#}");
    // No handler, no merit of it.
    let solution = repo().join("labs/4.4/exercise/solution/main.c");
    let verdict = judged("4.4", &fs::read_to_string(solution).expect("a solution"), &[]);
    assert!(!passed(&verdict).contains(&"unsafe-handler"), "{verdict:#}");
    // Not tried, and not passed: the first finding was the last thing to look at.
    let verdict = changed("4.8", &[("\"child: %s\\n\"", "\"Child: %s\\n\"")], &[]);
    for rule in ["input-crash", "failure-left", "stopped-hangs", "closed-hang", "left-behind"] {
        assert!(!passed(&verdict).contains(&rule), "{rule}: {verdict:#}");
    }
}
