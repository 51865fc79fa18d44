//! Hashes: a verdict is kept for one submission, one set of rules and one program.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// A file that is larger is no part of an exercise: its size stands for it.
const MOST: u64 = 16 << 20;
/// So many files of a submission are read.
const FILES: usize = 1000;

fn spelled(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of several pieces. Where one ends matters.
pub fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update((piece.len() as u64).to_le_bytes());
        hash.update(piece);
    }
    spelled(hash)
}

/// Of a file.
pub fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(spelled(hash)),
            got => hash.update(&part[..got]),
        }
    }
}

/// Of a submission: names, whether they run, and bytes. What a link points at is not the student's.
pub fn of_submission(path: &Path) -> String {
    let mut parts = vec![];
    let mut places = vec![path.to_path_buf()];
    while let Some(place) = places.pop() {
        let name = place.strip_prefix(path).unwrap_or(&place).display().to_string();
        let data = match place == path {
            true => fs::metadata(&place),
            false => fs::symlink_metadata(&place),
        };
        let what = match data {
            Ok(data) if data.is_dir() => {
                let inside = fs::read_dir(&place).into_iter().flatten().flatten();
                places.extend(inside.map(|entry| entry.path()));
                "folder".to_string()
            }
            Ok(data) if data.is_file() && data.len() <= MOST => {
                use std::os::unix::fs::PermissionsExt;
                let bytes = fs::read(&place).map(|bytes| of([&bytes[..]]));
                let runs = data.permissions().mode() & 0o111 != 0;
                format!("file {runs} {}", bytes.unwrap_or_else(|error| error.kind().to_string()))
            }
            Ok(data) => format!("{:?} {}", data.file_type(), data.len()),
            Err(error) => error.kind().to_string(),
        };
        parts.push(format!("{name}\0{what}"));
        if parts.len() > FILES {
            break;
        }
    }
    parts.sort();
    of(parts.iter().map(String::as_bytes))
}
