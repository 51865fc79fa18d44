mod pair;
use lablib::channel::{segment_size, Role, Segment, Sender, Receiver};
use lablib::wakeup::Way;
use lablib::shm;
use pair::*;
use std::time::Instant;
use std::sync::atomic::{AtomicU64, AtomicU32, Ordering::*};

fn quiet() { let null = std::fs::File::options().write(true).open("/dev/null").unwrap(); nix::unistd::dup2_stdout(&null).unwrap(); }

fn ids(ring: usize) -> [i32; 2] { [0, 1].map(|_| shm::get(libc::IPC_PRIVATE, segment_size(ring), 0o600).unwrap()) }

fn ends(ids: [i32;2], server: bool) -> (Segment, Segment) {
    if server {
        (Segment::create(ids[0], Role::Writer).unwrap(), Segment::create(ids[1], Role::Reader).unwrap())
    } else {
        let open = |id, role| loop { match Segment::open(id, role) { Ok(s) => break s, Err(e) => { assert_eq!(e.code(), lablib::exit::NO_PEER, "{e}"); std::thread::yield_now() } } };
        let r = open(ids[0], Role::Reader);
        (open(ids[1], Role::Writer), r)
    }
}

fn ours_rtt(way: Way, ring: usize, n: usize, len: usize, where_: Pin) -> f64 {
    let ids = ids(ring);
    let r = pair(where_, || {
        quiet();
        let (mut o, mut i) = ends(ids, true);
        let (p1, p2) = (o.meet(None).unwrap(), i.meet(None).unwrap());
        let (mut tx, mut rx) = (o.sender(way, Some(&p1), None).unwrap(), i.receiver(way, Some(&p2), None).unwrap());
        let msg = vec![1u8; len]; let mut buf = vec![];
        for _ in 0..n/10 { tx.send(&msg).unwrap(); rx.recv(&mut buf).unwrap(); }
        let t = Instant::now();
        for _ in 0..n { tx.send(&msg).unwrap(); rx.recv(&mut buf).unwrap(); }
        vec![t.elapsed().as_nanos() as f64 / n as f64]
    }, || {
        quiet();
        let (mut o, mut i) = ends(ids, false);
        let (p1, p2) = (o.meet(None).unwrap(), i.meet(None).unwrap());
        let (mut tx, mut rx) = (o.sender(way, Some(&p1), None).unwrap(), i.receiver(way, Some(&p2), None).unwrap());
        let mut buf = vec![];
        while rx.recv(&mut buf).unwrap() { if tx.send(&buf).is_err() {break} }
    });
    for id in ids { shm::ctl_rmid(id).unwrap(); }
    r[0]
}

#[derive(Clone,Copy)]
enum Mode { Copy(usize), Place(usize) }

fn ours_oneway(way: Way, ring: usize, n: usize, len: usize, mode: Mode) -> f64 {
    let ids = ids(ring);
    let r = pair(Pin::Two, || {
        quiet();
        let (mut o, mut i) = ends(ids, true);
        let (p1, p2) = (o.meet(None).unwrap(), i.meet(None).unwrap());
        let (mut tx, mut rx) = (o.sender(way, Some(&p1), None).unwrap(), i.receiver(way, Some(&p2), None).unwrap());
        let msg = vec![1u8; len]; let mut buf = vec![];
        let mut t = Instant::now();
        for round in 0..2 {
        t = Instant::now();
        match mode {
            Mode::Copy(1) => for _ in 0..n { tx.send(&msg).unwrap(); },
            Mode::Copy(b) => for _ in 0..n/b { for _ in 0..b { tx.send_later(&msg).unwrap(); } tx.publish(); },
            Mode::Place(b) => for k in 0..n/b { for _ in 0..b { let p = tx.reserve(len).unwrap(); 
                if len==64 { for w in 0..8 { p.store(w, k as u64); } } else { unsafe { std::ptr::write_bytes(p.as_ptr(), k as u8, len) } }
                tx.commit_later(); } tx.publish(); },
        }
        rx.recv(&mut buf).unwrap();
        }
        vec![t.elapsed().as_nanos() as f64 / n as f64]
    }, || {
        quiet();
        let (mut o, mut i) = ends(ids, false);
        let (p1, p2) = (o.meet(None).unwrap(), i.meet(None).unwrap());
        let (mut tx, mut rx) = (o.sender(way, Some(&p1), None).unwrap(), i.receiver(way, Some(&p2), None).unwrap());
        let mut buf = vec![]; 
        let mut sum = 0u64;
        for round in 0..2 {
        match mode {
            Mode::Copy(_) => for _ in 0..n { rx.recv(&mut buf).unwrap(); },
            Mode::Place(b) => for _ in 0..n/b*b { let p = rx.peek().unwrap().unwrap(); 
                if len==64 { for w in 0..8 { sum = sum.wrapping_add(p.load(w)); } }
                else { let p=p.as_ptr() as *const u64; for k in 0..len/8 { sum = sum.wrapping_add(unsafe{*p.add(k)}); } }
                rx.release(); },
        }
        tx.send(b"done").unwrap();
        }
        std::hint::black_box(sum);
    });
    for id in ids { shm::ctl_rmid(id).unwrap(); }
    r[0]
}

#[repr(align(128))] struct L(AtomicU64);
fn pingpong(n: usize) -> f64 {
    let id = shm::get(libc::IPC_PRIVATE, 4096, 0o600).unwrap();
    let at = shm::at(id, shm::NULL, 0).unwrap();
    let l: &[L;2] = unsafe { &*at.cast() };
    let one = std::env::var_os("TWOLINES").is_none();
    let r = pair(Pin::Two, || {
        let t = Instant::now();
        let (a,b)= if one {(&l[0].0,&l[0].0)} else {(&l[0].0,&l[1].0)};
        if one { for k in 0..n as u64 { a.store(2*k+1, Release); while b.load(Acquire) != 2*k+2 { std::hint::spin_loop() } } }
        else { for k in 1..=n as u64 { a.store(k, Release); while b.load(Acquire) != k { std::hint::spin_loop() } } }
        vec![t.elapsed().as_nanos() as f64 / n as f64]
    }, || {
        if one { let a=&l[0].0; for k in 0..n as u64 { while a.load(Acquire) != 2*k+1 { std::hint::spin_loop() } a.store(2*k+2, Release); } }
        else { for k in 1..=n as u64 { while l[0].0.load(Acquire) != k { std::hint::spin_loop() } l[1].0.store(k, Release); } }
    });
    shm::dt(at).unwrap(); shm::ctl_rmid(id).unwrap();
    r[0]
}

fn main() {
    lablib::process::enter_own_ipc().unwrap();
    let out = std::fs::File::from(nix::unistd::dup(std::io::stdout()).unwrap());
    quiet();
    use std::io::Write;
    macro_rules! say { ($($t:tt)*) => { { writeln!(&out, $($t)*).unwrap(); } } }
    let what = std::env::args().nth(1).unwrap_or_default();
    for _ in 0..3 {
        if what.is_empty() || what.contains('r') {
        say!("pingpong {:.0}", pingpong(1_000_000));
        for way in [Way::Spin, Way::Adaptive, Way::CpuAware] { say!("{way:?} two {:.0}", ours_rtt(way, 65536, 1_000_000, 64, Pin::Two)); }
        for way in [Way::Semaphore, Way::Futex, Way::Yield, Way::CpuAware] { say!("{way:?} one {:.0}", ours_rtt(way, 65536, 100_000, 64, Pin::One)); }
        }
        if what.is_empty() || what.contains('t') {
        for ring in [4096, 8192, 16384, 65536] {
        for way in [Way::Spin, Way::CpuAware] {
            say!("{way:?} ring {ring} batch 1 {:.1} M/s, 32 {:.1} M/s, place {:.1} M/s", 1e3 / ours_oneway(way, ring, 5_000_000, 64, Mode::Copy(1)),
                1e3 / ours_oneway(way, ring, 5_000_000, 64, Mode::Copy(32)), 1e3 / ours_oneway(way, ring, 20_000_000, 64, Mode::Place(32)));
        } }
        for ring in [1<<18, 1<<19, 1<<20] {
            let way = Way::CpuAware;
            say!("64K ring {ring} copy {:.1} GB/s place {:.1} GB/s", 65536. / ours_oneway(way, ring, 100_000, 65536, Mode::Copy(1)),65536. / ours_oneway(way, ring, 100_000, 65536, Mode::Place(1)));
        }
        }
    }
}
