//! A pid that somebody plants (section 4.9, "Who may plant a pid"): he may write it, but not ring. So
//! a client that may ring does, and the pid is swapped under its ring.

mod common;
use std::fs;
use std::process::Command;

use common::pages::blocks;
use common::scene::{did, scene};
use common::{as_root, repo, scratch};

const OTHER: &str = "setpriv --reuid 65533 --regid 65533 --clear-groups --";

/// Another user's kill is EPERM, and nothing has been rung.
#[test]
fn who_may_write_the_pid_may_not_ring() {
    if !as_root("a planted pid") {
        return;
    }
    let run = scene(&format!(
        "chmod 777 .; start server {{lab}} server --key-file $key --mode 0666\n\
         prints server 'until a client rings'; start stranger sleep 1000\n\
         FROM=typed start deputy {OTHER} {{c}}/plant $key 9 128 0666 $stranger knock; exec 9> typed\n\
         prints deputy 'may not ring'; exec 9>&-; ended deputy\n\
         kill $stranger; ended stranger; kill $server; ended server"
    ))
    .privileged()
    .go();
    assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
    let deputy = did(&run, "deputy").out;
    assert!(deputy.contains("may not ring: Operation not permitted"), "{deputy}");
    assert!(!did(&run, "server").out.contains("SIGUSR2 from"), "{}", did(&run, "server").out);
    assert_eq!(did(&run, "stranger").code, 143);
}

/// Root's server is held; root's client writes its pid and rings; another user replaces the pid by that
/// of a victim, root's as well, that has even attached the segment; then the server looks.
#[test]
fn a_permitted_ring_with_the_pid_swapped_under_it_reaches_nobody() {
    if !as_root("a pid that is swapped under a ring") {
        return;
    }
    let run = scene(&format!(
        "chmod 777 .; start server {{lab}} server --key-file $key --mode 0666\n\
         prints server 'until a client rings'\n\
         mkfifo more; FROM=typed start victim {{c}}/plant $key 9 128 0666 0 peek; exec 9> typed\n\
         prints victim planted\n\
         kill -STOP $server; is T $server\n\
         start client {{c}}/client $key 9\n\
         until grep -q 'ShdPnd:.*800$' /proc/$server/status; do read -t 0.01 nothing <> pipe; done\n\
         FROM=more start deputy {OTHER} {{c}}/plant $key 9 128 0666 $victim swap; exec 8> more\n\
         prints deputy planted; kill -CONT $server; prints server 'ignored'\n\
         echo $client > client.pid; echo $victim > victim.pid\n\
         grep -hE '(Sig|Shd)Pnd' /proc/$victim/status > pending\n\
         exec 8>&-; exec 9>&-; ended deputy; ended victim\n\
         kill $client; ended client; kill $server; ended server"
    ))
    .privileged()
    .go();
    assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
    let file = |name| fs::read_to_string(run.dir.path().join(name)).expect(name);
    let server = did(&run, "server").out;
    let rang = format!(
        "SIGUSR2 from {}; the pid in the segment is {}",
        file("client.pid").trim(),
        file("victim.pid").trim()
    );
    assert!(server.contains(&rang), "no {rang}:\n{server}");
    assert!(!server.contains("Server: take the client's pid"), "{server}");
    let pending = file("pending");
    assert_eq!(pending.matches("0000000000000000").count(), 2, "the victim: {pending}");
    let deputy = did(&run, "deputy").out;
    assert!(deputy.contains(&format!("where {} was", file("client.pid").trim())), "{deputy}");
}

/// The C listing of the note is held to it, too: si_pid counts only where the kernel has filled it in.
#[test]
fn the_listing_of_the_note_does_not_believe_a_forged_sender() {
    let note = fs::read_to_string(repo().join("notes/4.9-two-processes.md")).expect("the note");
    let listing = blocks(&note, "c").into_iter().find(|block| block.contains("int main("));
    let dir = scratch();
    fs::write(dir.path().join("listing.c"), listing.expect("a listing")).expect("listing.c");
    let flags = ["-std=c11", "-D_GNU_SOURCE", "-o", "listing", "listing.c"];
    let cc = Command::new("cc").args(flags).current_dir(dir.path()).status();
    assert!(cc.expect("cc").success());
    let listing = dir.path().join("listing").display().to_string();
    let run = scene(&format!(
        "start server {listing} server $key; prints server !\n\
         FROM=typed start victim {{c}}/plant $key 9 128 0600 0 peek; exec 9> typed; prints victim planted\n\
         mkfifo more; FROM=more start forger {{c}}/forge $key 9 $victim; exec 8> more; prints forger forged\n\
         until grep -q 'ShdPnd:.*0000$' /proc/$server/status; do read -t 0.01 nothing <> pipe; done\n\
         is S $server; grep -E '(Sig|Shd)Pnd' /proc/$victim/status > pending\n\
         exec 8>&-; exec 9>&-; ended forger; ended victim\n\
         start client {listing} client $key; ended client; ended server"
    ))
    .go();
    assert!(run.code == 0 && run.left.is_empty(), "{run:#?}");
    let pending = fs::read_to_string(run.dir.path().join("pending")).expect("pending");
    assert_eq!(pending.matches("0000000000000000").count(), 2, "the victim: {pending}");
    let [server, client] = ["server", "client"].map(|name| did(&run, name));
    assert_eq!((server.code, client.code), (0, 0), "{}{}", server.err, client.err);
    assert_eq!(client.out, "message: hello\nmessage: from C\n");
}
