//! The workbook on the disk: what `lab` has to know of a section, it reads there.

use std::fs;
use std::path::{Path, PathBuf};

use say::tell;
use screen::words::translated;

use super::rules::Rules;

/// A section that has an exercise.
pub struct Section {
    pub name: String,
    /// The workbook's folder.
    pub root: PathBuf,
    pub rules: Rules,
}

/// The workbook: the folder that was named, or the first one above that has labs/ with rules in it.
pub fn root(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return match named.join("labs").is_dir() {
            true => Ok(named.to_path_buf()),
            false => Err(tell!("{}: no workbook: it has no folder labs", named.display())),
        };
    }
    let here = std::env::current_dir().map_err(|error| tell!("the current folder: {error}"))?;
    let found = here.ancestors().find(|one| !sections(one).is_empty());
    found.map(Path::to_path_buf).ok_or_else(|| {
        translated("no workbook here or above: name its folder with --workbook").into()
    })
}

/// The sections of a workbook that have rules, in their order.
pub fn sections(root: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join("labs")).into_iter().flatten().flatten();
    let names = entries.map(|one| one.file_name().to_string_lossy().into_owned());
    let has = |name: &String| root.join("labs").join(name).join("rules.toml").is_file();
    let mut all: Vec<String> = names.filter(has).collect();
    let number = |name: &str| -> Vec<u32> { name.split('.').flat_map(str::parse).collect() };
    all.sort_by_key(|name| number(name));
    all
}

impl Section {
    /// Reads one.
    pub fn read(root: &Path, name: &str) -> Result<Section, String> {
        if !sections(root).iter().any(|one| one == name) {
            let all = sections(root).join(", ");
            return Err(tell!("no exercise {name}; there are: {all}"));
        }
        let rules = Rules::read(&root.join("labs").join(name).join("rules.toml"))?;
        Ok(Section { name: name.into(), root: root.into(), rules })
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        self.root.join("labs").join(&self.name)
    }

    /// The file that is judged where none is named: the one in place that was changed last.
    pub fn newest(&self) -> Result<PathBuf, String> {
        let folder = self.folder().join("exercise");
        let files = ["main.c", "main.cpp", "main.rs"].map(|name| folder.join(name));
        let there = files.into_iter().filter_map(|path| {
            let changed = fs::metadata(&path).ok()?.modified().ok()?;
            Some((changed, path))
        });
        // Of those that are as old as each other, as in a fresh clone, the first.
        let newest = there.fold(None, |best: Option<(_, PathBuf)>, one| match best {
            Some(best) if best.0 >= one.0 => Some(best),
            _ => Some(one),
        });
        newest.map(|(_, path)| path).ok_or_else(|| tell!("{}: no source", folder.display()))
    }
}
