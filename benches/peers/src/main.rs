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
fn pingpong(n: usize, one: bool) -> f64 {
    let id = shm::get(libc::IPC_PRIVATE, 4096, 0o600).unwrap();
    let at = shm::at(id, shm::NULL, 0).unwrap();
    let l: &[L;2] = unsafe { &*at.cast() };
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



fn median(mut v: Vec<f64>) -> f64 { v.sort_by(f64::total_cmp); v[v.len()/2] }

fn main() {
    lablib::process::enter_own_ipc().unwrap();
    let out = std::fs::File::from(nix::unistd::dup(std::io::stdout()).unwrap());
    quiet();
    use std::io::Write;
    let what = std::env::args().nth(1).unwrap_or_default();
    let rounds: usize = std::env::args().nth(2).map_or(15, |n| n.parse().unwrap());
    let mut cells: Vec<(String, Box<dyn FnMut() -> f64>)> = vec![];
    macro_rules! cell { ($name:expr, $f:expr) => { cells.push(($name.to_string(), Box::new(move || $f))) } }
    if what.contains('r') {
        cell!("pingpong1", pingpong(20_000, true));
        cell!("pingpong2", pingpong(20_000, false));
        for way in [Way::Spin, Way::CpuAware] { for len in [64, 56, 8] { cell!(format!("{way:?} {len}"), ours_rtt(way, 65536, 20_000, len, Pin::Two)); } }
    }
    if what.contains('s') {
        for way in [Way::Spin, Way::CpuAware] { for len in [0, 64, 1024] { cell!(format!("solo {way:?} {len}"), solo(way, len)); } }
        cell!("getcpu", { let t = Instant::now(); for _ in 0..100000 { std::hint::black_box(lablib::wakeup::cpu()); } t.elapsed().as_nanos() as f64 / 1e5 });
    }
    if what.contains('o') {
        for way in [Way::Semaphore, Way::Futex, Way::Yield, Way::CpuAware] { cell!(format!("{way:?} one cpu"), ours_rtt(way, 65536, 4000, 64, Pin::One)); }
    }
    if what.contains('t') {
        cell!("rtrb 1", rtrb(64, 200_000, 1)); cell!("rtrb 32", rtrb(64, 200_000, 32)); cell!("rtrb 1024/32", rtrb(1024, 200_000, 32));
        for ring in [8192, 65536] { for way in [Way::Spin, Way::CpuAware] {
            cell!(format!("{way:?} {ring} batch 1"), ours_oneway(way, ring, 200_000, 64, Mode::Copy(1)));
            cell!(format!("{way:?} {ring} batch 32"), ours_oneway(way, ring, 200_000, 64, Mode::Copy(32)));
            cell!(format!("{way:?} {ring} place 32"), ours_oneway(way, ring, 500_000, 64, Mode::Place(32)));
        } }
    }
    if what.contains('b') {
        for ring in [1<<18, 1<<19, 1<<20] { let way = Way::CpuAware;
            cell!(format!("64K {ring} copy"), ours_oneway(way, ring, 3000, 65536, Mode::Copy(1)));
            cell!(format!("64K {ring} place"), ours_oneway(way, ring, 3000, 65536, Mode::Place(1)));
        }
    }
    let mut all = vec![vec![]; cells.len()];
    for _ in 0..rounds { for (i, (_, f)) in cells.iter_mut().enumerate() { let x = f(); all[i].push(x); } }
    for (i, (name, _)) in cells.iter().enumerate() {
        let ratios = all[i].iter().zip(&all[0]).map(|(a, b)| a / b).collect();
        let min = all[i].iter().copied().fold(f64::MAX, f64::min);
        writeln!(&out, "{name:<24} median {:>9.1} ns  min {:>8.1}  ratio {:.2}", median(all[i].clone()), min, median(ratios)).unwrap();
    }
}

fn solo(way: Way, len: usize) -> f64 {
    let id = ids(65536)[0];
    let mut a = Segment::create(id, Role::Writer).unwrap(); let mut b = Segment::open(id, Role::Reader).unwrap();
    let r = { let mut tx = a.sender(way, None, None).unwrap(); let mut rx = b.receiver(way, None, None).unwrap();
    let msg = vec![1u8; len]; let mut buf = vec![];
    let n = 100_000;
    let t = Instant::now();
    for _ in 0..n { tx.send(&msg).unwrap(); rx.recv(&mut buf).unwrap(); }
    t.elapsed().as_nanos() as f64 / n as f64 };
    a.detach().unwrap(); b.detach().unwrap();
    shm::ctl_rmid(id).unwrap();
    r
}
fn rtrb(slots: usize, n: usize, batch: usize) -> f64 {
    let (mut p, mut c) = rtrb::RingBuffer::<[u8; 64]>::new(slots);
    let msg = [1u8; 64];
    let t = std::thread::spawn(move || { pin(1); let mut got = 0; let mut sum = 0u64; 
        while got < n { if batch == 1 { if let Ok(m) = c.pop() { got += 1; sum += m[5] as u64; std::hint::black_box(&m); } else { std::hint::spin_loop() } }
          else { let k = c.slots().min(batch); if k==0 { std::hint::spin_loop(); continue } let ch = c.read_chunk(k).unwrap(); for m in ch { std::hint::black_box(&m); } got += k; } } sum });
    let h = std::thread::spawn(move || { pin(0); let start = Instant::now(); let mut sent = 0;
        while sent < n { if batch == 1 { if p.push(msg).is_ok() { sent += 1 } else { std::hint::spin_loop() } }
          else { let k = p.slots().min(batch).min(n-sent); if k==0 { std::hint::spin_loop(); continue }
            let ch = p.write_chunk_uninit(k).unwrap(); ch.fill_from_iter(std::iter::repeat(msg)); sent += k; } }
        start });
    let start = h.join().unwrap(); t.join().unwrap();
    start.elapsed().as_nanos() as f64 / n as f64
}
