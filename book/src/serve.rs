//! `make serve`: the book on this machine's own address, made again when a page has changed since.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use anyhow::{Context, Result};

/// What the book is made of.
const SOURCES: [&str; 5] = ["README.md", "book", "images", "labs", "notes"];

/// Serves the book until the process is stopped.
pub fn serve(out: &Path, lab: &Path, port: u16) -> Result<()> {
    let mut made = newest();
    crate::build(Path::new("."), out, lab)?;
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("port {port}"))?;
    println!("http://{}/index.html, until Ctrl-C", listener.local_addr()?);
    for stream in listener.incoming() {
        let now = newest();
        if now > made {
            made = now;
            if let Err(why) = crate::build(Path::new("."), out, lab) {
                eprintln!("book: {why:#}");
            }
        }
        // A browser opens connections on which it asks for nothing yet, and goes away in the middle of others.
        let Ok(stream) = stream else { continue };
        let out = out.to_path_buf();
        thread::spawn(move || answer(stream, &out));
    }
    Ok(())
}

/// When a source was last changed.
fn newest() -> SystemTime {
    let mut newest = SystemTime::UNIX_EPOCH;
    let mut folders: Vec<PathBuf> = SOURCES.iter().map(PathBuf::from).collect();
    while let Some(path) = folders.pop() {
        let Ok(about) = path.metadata() else { continue };
        newest = newest.max(about.modified().unwrap_or(newest));
        if about.is_dir() && !path.ends_with("target") {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            folders.extend(entries.map(|entry| entry.path()));
        }
    }
    newest
}

fn answer(mut stream: TcpStream, out: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let kind = match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        _ => "text/plain; charset=utf-8",
    };
    let inside = path.split('/').all(|part| part != "..");
    let file = File::open(out.join(path))
        .ok()
        .filter(|file| inside && file.metadata().is_ok_and(|about| about.is_file()));
    let Some(mut file) = file else {
        return stream.write_all(
            b"HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nThere is no such page.\n",
        );
    };
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\n\r\n")?;
    std::io::copy(&mut file, &mut stream).map(|_| ())
}
