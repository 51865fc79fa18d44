//! libc: POSIX semaphores in the segments, and a std::thread for the writer. A direction is a struct of raw pointers with
//! put and take; `?` leaves a loop early, and who leaves early ends both directions.
use std::cell::UnsafeCell;
use std::io::{Error, Write};
use std::process::ExitCode;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

const SLOTS: usize = 2;
const ROOM: usize = 128;

/// One direction, in a segment. All of it may be shared: a slot belongs to the writer or to the reader, never to both.
#[repr(C)]
struct Direction {
    news: UnsafeCell<libc::sem_t>,
    free: UnsafeCell<libc::sem_t>,
    over: AtomicBool,
    slots: UnsafeCell<[[u8; ROOM]; SLOTS]>,
}

// SAFETY: semaphores and atomics are made for it, and the semaphores say whose a slot is.
unsafe impl Sync for Direction {}

type Result<T> = std::result::Result<T, String>;

fn checked(call: &str, result: i32) -> Result<i32> {
    if result == -1 { Err(format!("{call}: {}", Error::last_os_error())) } else { Ok(result) }
}

fn post(semaphore: &UnsafeCell<libc::sem_t>) {
    // SAFETY: it was made by sem_init.
    unsafe { libc::sem_post(semaphore.get()) };
}

impl Direction {
    /// A new segment, marked for removal, that stays until the last process has detached it.
    fn new() -> Result<&'static Direction> {
        // SAFETY: the segment is as large as a Direction, and zeros are one; it is detached at the end of main only.
        unsafe {
            let id = libc::shmget(libc::IPC_PRIVATE, size_of::<Self>(), libc::IPC_CREAT | 0o600);
            let id = checked("shmget", id)?;
            let at = libc::shmat(id, null_mut(), 0);
            let attached = checked("shmat", if at as isize == -1 { -1 } else { 0 });
            let removed = checked("shmctl", libc::shmctl(id, libc::IPC_RMID, null_mut()));
            attached.and(removed)?;
            let direction = &*at.cast::<Direction>();
            checked("sem_init", libc::sem_init(direction.news.get(), 1, 0))?;
            checked("sem_init", libc::sem_init(direction.free.get(), 1, SLOTS as u32))?;
            Ok(direction)
        }
    }

    fn wait(&self, semaphore: &UnsafeCell<libc::sem_t>) -> Result<()> {
        // SAFETY: it was made by sem_init.
        while unsafe { libc::sem_wait(semaphore.get()) } == -1 {
            let error = Error::last_os_error();
            if error.raw_os_error() != Some(libc::EINTR) {
                return Err(format!("sem_wait: {error}"));
            }
        }
        if self.over.load(SeqCst) { Err("the conversation has ended".into()) } else { Ok(()) }
    }

    fn slot(&self, number: usize) -> *mut u8 {
        // SAFETY: there are SLOTS of them.
        unsafe { self.slots.get().cast::<u8>().add(number % SLOTS * ROOM) }
    }

    /// The first byte of a slot is the length.
    fn put(&self, number: usize, message: &[u8]) -> Result<()> {
        self.wait(&self.free)?;
        // SAFETY: the slot is ours now, and main has checked that the message fits.
        unsafe {
            let slot = self.slot(number);
            slot.write(message.len() as u8);
            slot.add(1).copy_from_nonoverlapping(message.as_ptr(), message.len());
        }
        post(&self.news);
        Ok(())
    }

    fn take(&self, number: usize) -> Result<Vec<u8>> {
        self.wait(&self.news)?;
        // SAFETY: the slot is ours until the post, and as long as ROOM.
        let message = unsafe {
            let slot = self.slot(number);
            let mut message = vec![0; usize::from(slot.read()).min(ROOM - 1)];
            slot.add(1).copy_to_nonoverlapping(message.as_mut_ptr(), message.len());
            message
        };
        post(&self.free);
        Ok(message)
    }

    fn end(&self) {
        self.over.store(true, SeqCst);
        post(&self.news);
        post(&self.free);
    }

    fn detach(&self) -> Result<()> {
        let at: *const Direction = self;
        // SAFETY: nobody uses it after this.
        checked("shmdt", unsafe { libc::shmdt(at.cast()) }).map(drop)
    }
}

fn read(name: &str, from: &Direction, count: usize) -> Result<()> {
    for number in 0..count {
        let message = from.take(number)?;
        let line = [name.as_bytes(), b": ", &message, b"\n"].concat();
        std::io::stdout().write_all(&line).map_err(|why| format!("standard output: {why}"))?;
    }
    Ok(())
}

fn talk(name: &str, to: &Direction, from: &Direction, messages: &[String]) -> Result<()> {
    std::thread::scope(|scope| {
        let write = || messages.iter().enumerate().try_for_each(|(n, one)| to.put(n, one.as_bytes()));
        let told = match std::thread::Builder::new().spawn_scoped(scope, write) {
            Ok(_) => read(name, from, messages.len()),
            Err(why) => Err(format!("thread: {why}")),
        };
        if told.is_err() {
            to.end();
            from.end();
        }
        told.map_err(|why| format!("{name}: {why}"))
    })
}

fn run(messages: &[String]) -> Result<bool> {
    // SAFETY: the set is ours; fork is called while there is one thread.
    unsafe {
        let mut stops = std::mem::zeroed();
        libc::sigemptyset(&mut stops);
        libc::sigaddset(&mut stops, libc::SIGINT);
        libc::sigaddset(&mut stops, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_BLOCK, &stops, null_mut());
        let (down, up) = (Direction::new()?, Direction::new()?);
        libc::sigprocmask(libc::SIG_UNBLOCK, &stops, null_mut());
        let parent = libc::getpid();
        let child = checked("fork", libc::fork())?;
        if child == 0 {
            let watched = checked("prctl", libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL));
            let told = match watched {
                Ok(_) if libc::getppid() == parent => talk("child", up, down, messages),
                Ok(_) => Err("child: the parent has ended".into()),
                Err(why) => Err(why),
            };
            if let Err(why) = &told {
                eprintln!("{why}");
            }
            libc::_exit(i32::from(told.is_err()));
        }
        let mut status = 0;
        let told = talk("parent", down, up, messages);
        let waited = checked("waitpid", libc::waitpid(child, &mut status, 0));
        told.and(waited).and(down.detach()).and(up.detach()).map(|()| status == 0)
    }
}

fn main() -> ExitCode {
    let messages: Vec<String> = std::env::args().skip(1).collect();
    if messages.is_empty() || messages.iter().any(|one| one.len() >= ROOM) {
        eprintln!("usage: exercise MESSAGE..., each shorter than {ROOM} bytes");
        return ExitCode::from(2);
    }
    match run(&messages) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
