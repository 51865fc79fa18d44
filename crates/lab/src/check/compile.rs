//! From what a student has written to a program.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use say::tell;
use screen::words::translated;

use super::evidence::{Answer, Compile};
use super::tree::Item;
use super::walls;

/// A folder with more files or bytes than this is no exercise.
const FILES: usize = 400;
const BYTES: u64 = 16 << 20;
/// Seconds of processor time of a compiler.
const SECONDS: u64 = 60;
/// So much of what a compiler says is kept.
const SAID: usize = 1 << 16;

/// Where the compiler of Rust is in the cell, and the crates.
const RUST: &str = "/rust";
const CRATES: &str = "/crates";

/// What is judged, before it is a program.
pub struct Source {
    /// As the student named it.
    pub path: PathBuf,
    pub items: Vec<Item>,
    pub how: Compile,
    /// Folders that the compiler needs, and their names in the cell.
    pub shown: Vec<(PathBuf, PathBuf)>,
}

impl Source {
    /// Reads it. `root`: the workbook, which has the crates for Rust.
    pub fn read(path: &Path, root: &Path) -> Result<Source, String> {
        let name = path.display();
        let data = fs::metadata(path).map_err(|error| format!("{name}: {error}"))?;
        let mut source = Source {
            path: path.into(),
            items: vec![],
            how: Compile { command: vec![], environment: vec![], seconds: SECONDS },
            shown: vec![],
        };
        if data.is_dir() {
            source.folder(path)?;
            return Ok(source);
        }
        if !data.is_file() || data.len() > BYTES {
            return Err(tell!("{name}: no source, no program, no folder with a Makefile"));
        }
        let bytes = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        let command = match path.extension().and_then(|one| one.to_str()) {
            Some("c") => words("cc -std=gnu17 -g -O1 -Wall -Wextra -pthread"),
            Some("cc" | "cpp" | "cxx") => words("c++ -std=gnu++20 -g -O1 -Wall -Wextra -pthread"),
            Some("rs") => source.rust(root)?,
            _ if bytes.starts_with(b"\x7fELF") => vec![],
            _ => return Err(tell!("{name}: it is no .c, .cpp, .rs, program, or folder")),
        };
        let program = command.is_empty();
        source.how.command = command;
        if !program {
            source.how.command.extend(["-o".into(), "program".into(), file.clone()]);
        }
        let at = if program { "program".into() } else { file };
        source.items.push(Item { path: at.into(), bytes, runs: program });
        Ok(source)
    }

    fn folder(&mut self, folder: &Path) -> Result<(), String> {
        let name = folder.display();
        if !["Makefile", "makefile", "GNUmakefile"].iter().any(|one| folder.join(one).is_file()) {
            return Err(tell!("{name}: a folder without a Makefile"));
        }
        let mut bytes = 0;
        let mut folders = vec![folder.to_path_buf()];
        while let Some(one) = folders.pop() {
            let entries =
                fs::read_dir(&one).map_err(|error| format!("{}: {error}", one.display()))?;
            for entry in entries.flatten() {
                let (path, data) = (entry.path(), entry.metadata());
                let Ok(data) = data else { continue };
                // What a link points at is not the student's.
                if data.is_dir() {
                    folders.push(path);
                } else if data.is_file() {
                    bytes += data.len();
                    if bytes > BYTES || self.items.len() >= FILES {
                        return Err(tell!("{name}: too many files, or too large"));
                    }
                    let below = path.strip_prefix(folder).unwrap_or(&path).to_path_buf();
                    let read =
                        fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
                    let runs = data.permissions().mode() & 0o111 != 0;
                    self.items.push(Item { path: below, bytes: read?, runs });
                }
            }
        }
        self.items.sort_by(|one, other| one.path.cmp(&other.path));
        self.how.command = vec!["make".into(), "-s".into(), "program".into()];
        let flags = "-g -O1 -Wall -Wextra -pthread";
        for variable in ["CFLAGS", "CXXFLAGS"] {
            self.how.environment.push((variable.into(), flags.into()));
        }
        Ok(())
    }

    /// The compiler of Rust, with the crates of labs/exercises: they are compiled once, outside.
    fn rust(&mut self, root: &Path) -> Result<Vec<String>, String> {
        let said = |command: &mut Command, what: &str| {
            let out = command.stdin(Stdio::null()).output();
            let out = out.map_err(|error| format!("{what}: {error}"))?;
            let error = String::from_utf8_lossy(&out.stderr);
            let last = error.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
            match out.status.success() {
                true => Ok(String::from_utf8_lossy(&out.stdout).into_owned()),
                false => Err(format!("{what}: {last}")),
            }
        };
        let sysroot = said(Command::new("rustc").args(["--print", "sysroot"]), "rustc")?;
        let sysroot = PathBuf::from(sysroot.trim());
        let package = root.join("labs/exercises/Cargo.toml");
        let target = root.join("target/exercises");
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--lib", "--quiet", "--offline", "--locked"]);
        cargo.args(["--message-format", "json", "--manifest-path"]).arg(&package);
        cargo.arg("--target-dir").arg(&target);
        let built = said(&mut cargo, translated("cargo build of labs/exercises"))?;
        let mut command: Vec<String> = vec![format!("{RUST}/bin/rustc")];
        command.extend(["--edition", "2024", "-g", "-C", "opt-level=1"].map(String::from));
        command.extend(["-L".into(), format!("dependency={CRATES}")]);
        let mut folders = BTreeSet::new();
        for line in built.lines() {
            let Ok(event) = serde_json::from_str::<serde_json::Value>(line) else { continue };
            let name = event["target"]["name"].as_str().unwrap_or_default();
            let files = event["filenames"].as_array().into_iter().flatten();
            let mut files = files.filter_map(|file| file.as_str()).map(Path::new);
            let rlib = files.find(|file| file.extension().is_some_and(|end| end == "rlib"));
            let Some((rlib, folder)) =
                rlib.and_then(|rlib| Some((rlib.file_name()?, rlib.parent()?)))
            else {
                continue;
            };
            // The library of the package itself is copied one folder up.
            if ["libc", "nix"].contains(&name) {
                folders.insert(folder.to_path_buf());
                let rlib = rlib.to_string_lossy();
                command.extend(["--extern".into(), format!("{name}={CRATES}/{rlib}")]);
            }
        }
        let crates = folders.into_iter().map(|folder| (folder, CRATES.into()));
        self.shown = crates.chain([(sysroot, RUST.into())]).collect();
        Ok(command)
    }
}

/// In the cell: makes the program.
pub fn inside(how: &Compile) -> Answer {
    let not_judged = |why: String| Answer { not_judged: Some(why), ..Answer::default() };
    let Some((name, arguments)) = how.command.split_first() else { return Answer::default() };
    if let Err(why) = walls::around_a_compiler(how.seconds) {
        return not_judged(why);
    }
    let mut command = Command::new(name);
    command.args(arguments).envs(how.environment.iter().cloned()).stdin(Stdio::null());
    command.process_group(0);
    let out = match command.output() {
        Ok(out) => out,
        Err(error) => return not_judged(format!("{name}: {error}")),
    };
    let text = String::from_utf8_lossy(&out.stderr[..out.stderr.len().min(SAID)]).into_owned();
    let exhausted = [
        "out of memory",
        "Killed",
        "CPU time limit",
        "File size limit",
        "virtual memory exhausted",
    ];
    if out.status.signal().is_some() || exhausted.iter().any(|one| text.contains(one)) {
        return not_judged(tell!("{name} needed more than {} s or its memory", how.seconds));
    }
    match out.status.success() {
        true if Path::new("program").is_file() => Answer::default(),
        true => Answer {
            refused: Some(translated("the Makefile makes no file `program`").into()),
            ..Answer::default()
        },
        false => Answer { refused: Some(text), ..Answer::default() },
    }
}
