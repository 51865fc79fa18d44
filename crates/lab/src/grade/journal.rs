//! What was judged, one file for each verdict: written whole or not at all, whatever ends us. A verdict is kept for a
//! submission as it was, the rules, the program and the seed: if one of them is another, there is none.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::class::Submission;
use super::hash;
use crate::check::apart::Judged;
use crate::check::workbook::Section;

/// What a verdict depends on, beside the submission.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Settings {
    pub section: String,
    pub seed: u64,
    /// Seconds of an instrument, and of a submission.
    pub patience: u64,
    pub limit: u64,
    pub trust: bool,
    /// Of `lab`: its version, and a hash of the program.
    pub version: String,
    pub program: String,
    /// A hash of `rules.toml`.
    pub rules: String,
    /// The first line of `cc --version`, and of the other compilers.
    pub compilers: BTreeMap<String, String>,
}

impl Settings {
    /// As they are here and now.
    pub fn now(
        section: &Section,
        seed: u64,
        patience: u64,
        limit: u64,
        trust: bool,
    ) -> Result<Settings, String> {
        let rules = section.folder().join("rules.toml");
        let said = |path: &Path, error: io::Error| format!("{}: {error}", path.display());
        let own = Path::new("/proc/self/exe");
        let compiler = |name: &&str| {
            let out = Command::new(name).arg("--version").output().ok();
            let first = out.and_then(|out| {
                let text = String::from_utf8_lossy(&out.stdout).into_owned();
                text.lines().next().map(String::from)
            });
            (name.to_string(), first.unwrap_or("not here".into()))
        };
        Ok(Settings {
            section: section.name.clone(),
            seed,
            patience,
            limit,
            trust,
            version: env!("CARGO_PKG_VERSION").into(),
            program: hash::of_file(own).map_err(|error| said(own, error))?,
            rules: hash::of_file(&rules).map_err(|error| said(&rules, error))?,
            compilers: ["cc", "c++", "rustc"].iter().map(compiler).collect(),
        })
    }

    /// The name of the verdict of a submission. What was judged within one limit is the same within another.
    pub fn key(&self, one: &Submission) -> String {
        let settings = Settings { limit: 0, ..self.clone() };
        let settings = serde_json::to_string(&settings).unwrap_or_default();
        let source = match &one.source {
            Ok(path) => path.strip_prefix(&one.path).unwrap_or(path).display().to_string(),
            Err(why) => format!("\0{why}"),
        };
        hash::of([settings.as_bytes(), one.id.as_bytes(), source.as_bytes(), one.hash.as_bytes()])
    }
}

/// A verdict that is kept.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Record {
    pub id: String,
    pub path: String,
    /// A hash of the submission.
    pub submission: String,
    pub settings: Settings,
    pub judged: Judged,
}

/// Points that a person has given.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Override {
    pub points: f64,
    pub why: String,
    /// A hash of the submission for which they were given.
    pub submission: String,
}

/// See the module. It is locked as long as it lives.
pub struct Journal {
    folder: PathBuf,
    _lock: File,
}

/// Why it cannot be used.
pub enum Closed {
    /// What is there is no report.
    Usage(String),
    Failed(String),
}

impl Journal {
    /// Of a report of one section: points by hand are for its exercise alone. What else is in its folder is not ours.
    pub fn open(report: &Path, section: &str) -> Result<Journal, Closed> {
        let folder = report.join(".journal");
        let name = report.display();
        let failed = |error: io::Error| Closed::Failed(format!("{name}: {error}"));
        if !folder.is_dir() && fs::read_dir(report).is_ok_and(|mut all| all.next().is_some()) {
            let why = format!("{name}: it is not empty, and no report of lab grade");
            return Err(Closed::Usage(why));
        }
        if report.exists() && !report.is_dir() {
            return Err(Closed::Usage(format!("{name}: it is no folder")));
        }
        fs::create_dir_all(&folder).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Closed::Failed(format!("{name}: another lab grade writes there")));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let note = folder.join("section");
        match fs::read_to_string(&note) {
            Ok(of) if of == section => {}
            Ok(of) => {
                let why =
                    format!("{name}: a report of {of}; name another folder for {section}: -o");
                return Err(Closed::Usage(why));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                replace(&note, section, false).map_err(Closed::Failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Journal { folder, _lock: lock })
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }

    /// The verdict with this name. One that cannot be read is judged again.
    pub fn read(&self, key: &str) -> Option<Record> {
        let text = fs::read_to_string(self.path(key)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps a verdict.
    pub fn keep(&self, key: &str, record: &Record) -> Result<(), String> {
        let text = serde_json::to_string(record).unwrap_or_default();
        replace(&self.path(key), &text, true)
    }

    /// The points that persons have given, by submission.
    pub fn overrides(&self) -> Result<BTreeMap<String, Override>, String> {
        let path = self.folder.join("overrides.json");
        match fs::read_to_string(&path) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Keeps them.
    pub fn keep_overrides(&self, all: &BTreeMap<String, Override>) -> Result<(), String> {
        let text = serde_json::to_string_pretty(all).unwrap_or_default() + "\n";
        replace(&self.folder.join("overrides.json"), &text, true)
    }

    /// A folder for what is judged, outside of the report; those of runs that were ended are removed.
    pub fn room(&self) -> Result<Room, String> {
        let note = self.folder.join("rooms");
        let known = fs::read_to_string(&note).unwrap_or_default();
        let is_room = |path: &&str| {
            Path::new(path).file_name().is_some_and(|name| name.to_string_lossy().starts_with(ROOM))
        };
        let ended = known.lines().filter(is_room);
        // What is in one may end just now; the next run tries again.
        let stays = |path: &&str| fs::remove_dir_all(path).is_err() && Path::new(path).exists();
        let mut rooms: Vec<String> = ended.filter(stays).map(String::from).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("{ROOM}{}-{now:x}", std::process::id());
        let room = std::env::temp_dir().join(name);
        // Noted before it is made: it is removed even if we are ended in between.
        rooms.push(room.display().to_string());
        replace(&note, &(rooms.join("\n") + "\n"), false)?;
        let made = fs::DirBuilder::new().mode(0o700).create(&room);
        made.map_err(|error| format!("{}: {error}", room.display()))?;
        Ok(Room(room))
    }
}

const ROOM: &str = "lab-grade-";

/// A folder that is removed.
pub struct Room(pub PathBuf);

impl Drop for Room {
    fn drop(&mut self) {
        // See `Journal::room`.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes a file whole, or leaves the old one. `lasts`: also if the machine stops now.
pub fn replace(path: &Path, text: &str, lasts: bool) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!(".new-{name}"));
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(text.as_bytes())?;
        if lasts {
            file.sync_all()?;
        }
        fs::rename(&new, path)?;
        if lasts {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&new);
        format!("{}: {error}", path.display())
    })
}
