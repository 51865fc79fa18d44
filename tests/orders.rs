//! What the workbook hands out is right in every order of its calls, loads and stores: the rings of 4.3 and 4.10,
//! and the C listings in notes/. With SOAK, with one preemption more.
#![cfg(target_arch = "x86_64")]

mod common;

use std::path::Path;
use std::process::Command;

use common::foreign::explored;
use common::{bin, can_explore, lab, listings, run, scratch};

/// Explores, holds that nothing is found and nothing was left out, and answers how many orders there were; also
/// where stores wait in buffers.
fn every_order(program: &str, bound: &[&str], words: &[&str]) -> u64 {
    every_order_with(program, &[bound, &["--tso"]].concat(), words);
    every_order_with(program, bound, words)
}

fn every_order_with(program: &str, options: &[&str], words: &[&str]) -> u64 {
    let all = [&["explore", "--json"], options, &["--", program], words].concat();
    let run = run(&bin("lab")).args(&all).go();
    let all = explored(&run);
    let one = all["outcomes"].as_array().is_some_and(|outcomes| outcomes.len() == 1);
    let right = run.code == 0 && all["complete"] == true && one && run.left.is_empty();
    assert!(right, "{program} {words:?}: exit code {}, {all:#}", run.code);
    all["schedules"].as_u64().expect("a number")
}

fn more() -> u32 {
    u32::from(std::env::var_os("SOAK").is_some())
}

/// So many, or one more.
fn preemptions(least: u32) -> [&'static str; 2] {
    ["--preemptions", ["0", "1", "2"][(least + more()) as usize]]
}

/// The examples are no programs that a test of cargo's brings with it.
fn example(name: &str) -> String {
    let built = Command::new(env!("CARGO")).args(["build", "--quiet", "--example", name]).status();
    assert!(built.expect("cargo").success(), "{name} does not compile");
    let programs = Path::new(env!("CARGO_BIN_EXE_lab_4_3")).with_file_name("examples");
    programs.join(name).display().to_string()
}

#[test]
fn both_rings_are_right_in_every_order() {
    if !can_explore("the memory orders of the rings") {
        return;
    }
    let ring = example("ring_of_4_3");
    for way in ["each", "blocking", "spinning", "blocking-in-place", "spinning-in-place"] {
        // Without memory points there is one.
        assert!(every_order(&ring, &preemptions(1), &[way]) > 3, "{way}");
    }
    let channel = example("ring_of_4_10");
    for way in ["poll", "spin", "futex", "default"] {
        assert!(every_order(&channel, &preemptions(1), &[way]) > 3, "{way}");
    }
    // Several times around the ring.
    assert!(every_order(&channel, &preemptions(1), &["poll", "5"]) > 3);
}

/// A server and a client of a section, two messages from each that speaks, and nobody who looks on: what `explore`
/// found, whether it tried all, and how many orders.
fn two_programs(section: &str, options: &[&str]) -> (i32, bool, u64) {
    let dir = scratch();
    let [key, lines] = ["key", "lines"].map(|name| dir.path().join(name));
    std::fs::write(&key, "").expect("a key file");
    std::fs::write(&lines, "one\ntwo\n").expect("messages");
    let (key, lines) = (key.display(), lines.display());
    let path = lab(section).display().to_string();
    let words =
        |side| format!("{side} --key-file {key} --messages {lines} --patience 0 --unwatched");
    let (server, client) = (words("server"), format!("{path} {}", words("client")));
    let all = [&["explore", "--json"], options, &["--and", &client, "--", &path]].concat();
    let all: Vec<&str> = all.into_iter().chain(server.split(' ')).collect();
    let run = run(&bin("lab")).args(&all).go();
    assert!(run.left.is_empty(), "{section}: {run:#?}");
    let told = explored(&run);
    let found = told["outcomes"].as_array().expect("a list").iter();
    let well =
        found.clone().all(|one| one["outcome"].as_str().is_some_and(|it| it.starts_with("ended")));
    assert!(well && run.code != 1, "{section}: {told:#}");
    (run.code, told["complete"] == true, told["schedules"].as_u64().expect("a number"))
}

/// With SOAK, 4.9 in every order with one preemption: 700 to 900. 4.10 has six threads, too many for every order.
#[test]
fn our_servers_and_clients_meet_and_part() {
    if !can_explore("the orders of 4.9 and 4.10") {
        return;
    }
    let (code, complete, orders) = two_programs("4.9", &preemptions(0));
    assert!(code == 0 && complete && orders > 1, "{code} {orders}");
    let most = if more() > 0 { "2000" } else { "20" };
    let (code, complete, orders) = two_programs("4.10", &["--preemptions", "0", "--max", most]);
    assert!(code == 3 && !complete && orders > 10, "{code} {orders}");
}

#[test]
fn the_listings_are_right_in_every_order() {
    if !can_explore("the memory orders of the listings") {
        return;
    }
    let dir = scratch();
    for (n, (name, listing)) in listings().into_iter().enumerate() {
        let (source, program) = (dir.path().join("listing.c"), dir.path().join(n.to_string()));
        std::fs::write(&source, &listing).expect("listing.c");
        let flags = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-pthread", "-o"];
        let cc = Command::new("cc").args(flags).arg(&program).arg(&source).status();
        assert!(cc.expect("cc").success(), "{name}");
        let program = program.display().to_string();
        if listing.contains("pthread_create") {
            // Memory of its own is not looked at, so threads are tried in every order: that takes a minute.
            if more() > 0 {
                every_order(&program, &["--delays", "1"], &[]);
            }
            continue;
        }
        every_order(&program, &preemptions(1), &[]);
    }
}

#[test]
fn an_example_says_how_it_is_used() {
    for name in ["ring_of_4_3", "ring_of_4_10"] {
        let run = run(Path::new(&example(name))).go();
        assert!(run.code == 2 && run.stderr.starts_with(&format!("usage: {name} ")), "{run:#?}");
    }
}
