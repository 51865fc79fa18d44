//! What 4.9 believes of 128 bytes that anybody may have written: the pure part on 10,000 cases, and
//! a real client and a real server on 100 each. Every run tries the same cases; SOAK tries others.

mod common;
#[allow(dead_code)]
#[path = "../src/bin/lab_4_9/wire.rs"]
mod wire;

use std::io::Write;
use std::process::{Command, Stdio};

use common::scene::{did, scene};
use duplex::speech::printable;
use proptest::prelude::*;
use regex::Regex;
use wire::{Decision, SIZE, Seen, StShmbuf, TEXT, decide, messages};

/// 128 bytes, as the segment holds them: any, or with a pid and a text that are nearly right.
fn bytes() -> impl Strategy<Value = (i32, Vec<u8>)> {
    let pid = prop_oneof![any::<i32>(), Just(4242), Just(0), Just(-1), Just(1)];
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), TEXT),
        "\\PC{0,150}".prop_map(|text| {
            let mut bytes = text.into_bytes();
            bytes.resize(TEXT, 0);
            bytes
        }),
        prop::collection::vec(1_u8.., TEXT),
    ];
    (pid, text)
}

proptest! {
    #![proptest_config(common::cases(10_000, 49))]

    #[test]
    fn any_128_bytes_are_decided(((pid, text), me) in (bytes(), Just(4242))) {
        let seen = Seen { pid, buf: text.clone().try_into().expect("124 bytes") };
        let end = text.iter().position(|&byte| byte == 0);
        match decide(&seen, me) {
            Decision::Hostile(_) => prop_assert!(pid != me || end.is_none()),
            Decision::End => prop_assert!(pid == me && end == Some(0)),
            Decision::Message(shown) => {
                let end = end.expect("a NUL");
                prop_assert!(pid == me && end > 0);
                prop_assert!(!shown.chars().any(char::is_control), "it could command a terminal");
                prop_assert_eq!(shown, printable(&text[..end]));
            }
        }
    }

    #[test]
    fn a_line_comes_out_as_it_went_in(line in prop::collection::vec(any::<u8>(), 0..500)) {
        let sent = messages(&line);
        prop_assert!(sent.iter().all(|one| !one.is_empty() && one.len() < TEXT && !one.contains(&0)));
        let without_nul: Vec<u8> = line.iter().copied().filter(|&byte| byte != 0).collect();
        prop_assert_eq!(sent.concat(), without_nul);
        for one in sent {
            // SAFETY: all its fields are atomics of zeros, which is what a fresh segment is.
            let segment: StShmbuf = unsafe { std::mem::zeroed() };
            segment.pid.store(7, std::sync::atomic::Ordering::SeqCst);
            segment.write(&one);
            prop_assert_eq!(decide(&segment.copy(), 7), Decision::Message(printable(&one)));
        }
    }

    #[test]
    fn text_is_not_broken_within_a_character(line in "\\PC{0,200}") {
        for one in messages(line.as_bytes()) {
            prop_assert!(std::str::from_utf8(&one).is_ok());
        }
    }
}

#[test]
fn the_layout_is_the_one_of_c() {
    assert_eq!((size_of::<StShmbuf>(), SIZE, TEXT), (128, 128, 124));
    assert_eq!(std::mem::offset_of!(StShmbuf, pid), 0);
}

/// plant writes, for this pid, the one that should stand there.
const AGREED: i32 = 0x5049_4421;

/// What an enemy writes, one message after the other; mostly with the right pid, so that it is not
/// found out at once.
fn attack() -> impl Strategy<Value = Vec<(i32, Vec<u8>)>> {
    let nearly = prop_oneof![
        4 => bytes().prop_map(|(_, text)| (AGREED, text)),
        // 4242 might be the pid of a process that runs.
        1 => bytes().prop_map(|(pid, text)| (if pid == 4242 { 0 } else { pid }, text)),
    ];
    prop::collection::vec(nearly, 1..5)
}

/// The attack as a command of the shell.
fn planted(attack: &[(i32, Vec<u8>)]) -> String {
    let bytes = attack.iter().flat_map(|(pid, text)| [&pid.to_ne_bytes()[..], text].concat());
    let octal: String = bytes.map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{octal}' > bytes")
}

proptest! {
    #![proptest_config(common::cases(100, 49))]

    #[test]
    fn a_real_client_meets_an_enemy_of_a_server(attack in attack()) {
        let run = scene(&format!(
            "{}; FROM=bytes start plant {{c}}/plant $key 9 128 0600 me server; prints plant planted\n\
             start client {{lab}} client --key-file $key; ended client\n\
             kill $plant 2> /dev/null; ended plant; unplant",
            planted(&attack)
        ))
        .go();
        // The pure function says how it ends; an enemy that has nothing more to say leaves.
        let ends = attack.iter().find_map(|(pid, text)| {
            let pid = if *pid == AGREED { 1 } else { 0 };
            match decide(&Seen { pid, buf: text.clone().try_into().expect("124 bytes") }, 1) {
                Decision::Message(_) => None,
                Decision::End => Some(0),
                Decision::Hostile(_) => Some(9),
            }
        });
        let client = did(&run, "client");
        prop_assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
        prop_assert_eq!(client.code, ends.unwrap_or(7), "{}", client.err);
        prop_assert!(client.err.lines().count() == usize::from(client.code != 0));
        prop_assert!(!client.out.contains('\u{1b}'), "no escape sequence reaches the terminal");
    }

    #[test]
    fn a_real_server_meets_an_enemy_of_a_client(attack in attack()) {
        let run = scene(&format!(
            "{}; seq 1 20 > lines\n\
             FROM=lines start server {{lab}} server --key-file $key; prints server 'wait until a client'\n\
             FROM=bytes start plant {{c}}/plant $key 9 128 0600 me client; ended server\n\
             kill $plant 2> /dev/null; ended plant",
            planted(&attack)
        ))
        .go();
        let server = did(&run, "server");
        let hostile = attack.iter().any(|(pid, _)| *pid != AGREED);
        prop_assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
        prop_assert_eq!(server.code, if hostile { 9 } else { 7 }, "{}", server.err);
        prop_assert!(server.err.lines().count() == 1);
    }
}

/// The struct that the note calls the same in 32-bit and in 64-bit programs is; the one that it warns of is not.
#[test]
#[cfg(target_arch = "x86_64")]
fn one_layout_for_both_kinds_of_programs() {
    if !common::have("cc", "that a layout is the same in 32-bit programs") {
        return;
    }
    let note = std::fs::read_to_string(common::repo().join("notes/4.9-two-processes.md"));
    let note = note.expect("the note");
    let start = note.find("struct record {").expect("struct record");
    let good = note[start..].split("```").next().expect("its block");
    let warned = Regex::new(r"`(struct \{ [^`]*\})`").expect("a struct");
    let warned = &warned.captures(&note).expect("the struct of which the note warns")[1];
    let compiles = |kind: &str, text: &str| {
        let text = format!("#include <stddef.h>\n#include <stdint.h>\n{text}\n");
        // Only the compiler: no library of the other kind is needed.
        let words = [kind, "-ffreestanding", "-fsyntax-only", "-Wall", "-Werror", "-xc", "-"];
        let mut cc = Command::new("cc");
        let cc = cc.args(words).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut cc = cc.expect("cc");
        cc.stdin.take().expect("stdin").write_all(text.as_bytes()).expect("the text");
        cc.wait().expect("cc").success()
    };
    for (kind, size) in [("-m64", 16), ("-m32", 12)] {
        assert!(compiles(kind, good), "{kind}");
        let sized = |size| format!("_Static_assert(sizeof({warned}) == {size}, \"\");");
        assert!(compiles(kind, &sized(size)) && !compiles(kind, &sized(28 - size)), "{kind}");
    }
}
