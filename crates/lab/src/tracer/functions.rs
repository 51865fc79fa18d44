//! Which function begins at an address: by the symbols of the files that a process has mapped.

use std::path::PathBuf;

use addr2line::Loader;
use sysv::process::mappings;

use super::Tid;
use super::memory::record;

/// The files of a process whose instructions it can run, its own first.
pub struct Functions {
    files: Vec<File>,
}

struct File {
    path: PathBuf,
    ranges: Vec<(u64, u64)>,
    /// What is taken from an address, so that the file's own is left.
    base: u64,
    symbols: Option<Option<Loader>>,
}

impl Functions {
    /// Of a process that stands still.
    pub fn of(tid: Tid) -> Functions {
        let own = std::fs::read_link(format!("/proc/{tid}/exe")).unwrap_or_default();
        let mut files: Vec<File> =
            vec![File { path: own, ranges: vec![], base: u64::MAX, symbols: None }];
        for mapping in mappings(&tid.to_string()) {
            let mut words = mapping.line.split_whitespace();
            let runs = words.nth(1).is_some_and(|may| may.starts_with("r-x"));
            let Some(path) = words.nth(3).filter(|path| path.starts_with('/')) else { continue };
            let at = files.iter().position(|one| one.path.as_os_str() == path);
            let at = at.unwrap_or_else(|| {
                let (path, base) = (PathBuf::from(path), u64::MAX);
                files.push(File { path, ranges: vec![], base, symbols: None });
                files.len() - 1
            });
            let (start, end) = (mapping.start as u64, mapping.end as u64);
            files[at].base = files[at].base.min(start);
            if runs {
                files[at].ranges.push((start, end));
            }
        }
        // ET_EXEC, 2, stands where the file says. elf(5)
        if record::<u16>(tid, files[0].base.saturating_add(16)) == Some(2) {
            files[0].base = 0;
        }
        Functions { files }
    }

    /// In which of them an address lies.
    pub fn file_of(&self, at: u64) -> Option<usize> {
        let holds = |one: &File| one.ranges.iter().any(|(from, to)| (*from..*to).contains(&at));
        self.files.iter().position(holds)
    }

    /// Is it the program itself?
    pub fn is_own(&self, file: usize) -> bool {
        file == 0
    }

    /// Is it the loader, which looks functions up when they are called first?
    pub fn is_loader(&self, file: usize) -> bool {
        let name = self.files[file].path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("ld-")
    }

    /// The name of the function whose first instruction stands there.
    pub fn begins_at(&mut self, at: u64) -> Option<String> {
        let file = self.file_of(at)?;
        let one = &mut self.files[file];
        let address = at.checked_sub(one.base)?;
        let symbols = one.symbols.get_or_insert_with(|| Loader::new(&one.path).ok());
        let symbol = symbols.as_ref()?.find_symbol_info(address)?;
        (symbol.address() == address).then(|| symbol.name().to_string())
    }
}
