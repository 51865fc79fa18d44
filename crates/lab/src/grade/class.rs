//! The submissions of a class: the folders in a folder, or the rows of a roster.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{clean, hash};

/// One of them.
pub struct Submission {
    /// As it is shown, and as it is named on the command line.
    pub id: String,
    pub path: PathBuf,
    /// What is judged: a source, a program, a folder with a Makefile; or why nothing is.
    pub source: Result<PathBuf, String>,
    /// Of all that is in it.
    pub hash: String,
}

/// The endings of sources.
const ENDS: [&str; 5] = ["c", "cc", "cpp", "cxx", "rs"];
const MAKEFILES: [&str; 3] = ["Makefile", "makefile", "GNUmakefile"];

/// Those of a folder, by name; `report`, if it is in there, is none.
pub fn of_folder(folder: &Path, report: &Path) -> Result<Vec<Submission>, String> {
    let name = folder.display();
    let entries = fs::read_dir(folder).map_err(|error| format!("{name}: {error}"))?;
    let report = fs::canonicalize(report).ok();
    let mut all = vec![];
    for entry in entries {
        let entry = entry.map_err(|error| format!("{name}: {error}"))?;
        let (path, id) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_report = report.is_some() && fs::canonicalize(&path).ok() == report;
        if !id.starts_with('.') && !is_report {
            all.push(Submission::new(&id, path));
        }
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    complete(all, &format!("{name}: no submissions in it"))
}

/// Those of a roster: its columns `id` and `path`; a path begins at the roster's folder.
pub fn of_roster(roster: &Path) -> Result<Vec<Submission>, String> {
    let name = roster.display();
    let said = |error: csv::Error| format!("{name}: {error}");
    let text = fs::read(roster).map_err(|error| format!("{name}: {error}"))?;
    // Spreadsheets mark the beginning of a file.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut rows = csv::ReaderBuilder::new();
    let mut rows = rows.trim(csv::Trim::All).delimiter(between_cells(text)).from_reader(text);
    let titles = rows.headers().map_err(said)?.clone();
    let column = |wanted: &str| {
        let at = titles.iter().position(|title| title.eq_ignore_ascii_case(wanted));
        let there: Vec<&str> = titles.iter().collect();
        at.ok_or_else(|| {
            format!("{name}: no column {wanted}; there are: {}", clean::plain(&there.join(", ")))
        })
    };
    let (id, path) = (column("id")?, column("path")?);
    let folder = roster.parent().unwrap_or(Path::new("."));
    let mut all = vec![];
    for row in rows.records() {
        let row = row.map_err(said)?;
        let line = row.position().map_or(0, |place| place.line());
        let get = |at: usize| row.get(at).unwrap_or_default();
        if get(id).is_empty() || get(path).is_empty() {
            return Err(format!("{name}:{line}: a row needs an id and a path"));
        }
        all.push(Submission::new(get(id), folder.join(get(path))));
    }
    complete(all, &format!("{name}: no submissions in it"))
}

/// Where a comma stands before the decimals, spreadsheets write a semicolon between two cells; some write tabs.
fn between_cells(text: &[u8]) -> u8 {
    let titles = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let others = [b',', b';', b'\t'];
    others.into_iter().find(|one| titles.contains(one)).unwrap_or(b',')
}

fn complete(all: Vec<Submission>, none: &str) -> Result<Vec<Submission>, String> {
    let mut known = BTreeSet::new();
    if let Some(twice) = all.iter().find(|one| !known.insert(one.id.clone())) {
        return Err(format!("two submissions have the id {}", twice.id));
    }
    if all.is_empty() { Err(none.into()) } else { Ok(all) }
}

impl Submission {
    fn new(id: &str, path: PathBuf) -> Submission {
        let source = source(&path);
        let hash = hash::of_submission(&path);
        Submission { id: clean::plain(id), path, source, hash }
    }

    /// One that was judged before, where it was then.
    pub fn again(id: &str, path: PathBuf) -> Submission {
        Submission::new(id, path)
    }
}

fn ends_as_a_source(path: &Path) -> bool {
    path.extension().is_some_and(|end| ENDS.iter().any(|one| end == *one))
}

/// What of a submission is judged.
fn source(path: &Path) -> Result<PathBuf, String> {
    let data = fs::symlink_metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "nothing was handed in: there is no such file".into(),
        _ => format!("{error}"),
    })?;
    if data.is_file() {
        return Ok(path.into());
    }
    if !data.is_dir() {
        return Err("it is a link, or no file".into());
    }
    if MAKEFILES.iter().any(|name| path.join(name).is_file()) {
        return Ok(path.into());
    }
    let (mut sources, mut others, mut folders) = (vec![], 0, vec![path.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| format!("{error}"))?;
        for entry in entries.flatten() {
            // Not what a link points at: that is not the student's.
            let Ok(kind) = entry.file_type() else { continue };
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            match entry.path() {
                _ if hidden => {}
                below if kind.is_dir() => folders.push(below),
                file if kind.is_file() && ends_as_a_source(&file) => sources.push(file),
                _ => others += 1,
            }
        }
        if sources.len() + others + folders.len() > 1000 {
            return Err("too many files, and no Makefile".into());
        }
    }
    sources.sort();
    match &sources[..] {
        [one] => Ok(one.clone()),
        [] if others == 0 => Err("nothing was handed in: the folder is empty".into()),
        [] => Err("no source (.c, .cpp, .rs) and no Makefile".into()),
        many => {
            let names = many.iter().filter_map(|one| one.file_name());
            let names: Vec<_> = names.map(|one| one.to_string_lossy()).take(4).collect();
            Err(format!(
                "{} sources and no Makefile: {}",
                many.len(),
                clean::plain(&names.join(", "))
            ))
        }
    }
}
