//! A pid that another user plants (section 4.9, "Who may plant a pid"): he may write it, but not ring. So
//! a client that may ring does, and the pid is swapped under its ring.

mod common;
use std::fs;

use common::is_root;
use common::scene::{did, scene};

const OTHER: &str = "setpriv --reuid 65533 --regid 65533 --clear-groups --";

fn two_users(what: &str) -> bool {
    if !is_root() {
        eprintln!("not tested: {what}: two users; that takes root");
    }
    is_root()
}

/// Another user's kill is EPERM, and nothing has been rung.
#[test]
fn who_may_write_the_pid_may_not_ring() {
    if !two_users("a planted pid") {
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
    if !two_users("a pid that is swapped under a ring") {
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
