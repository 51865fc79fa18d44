//! What is staged: programs, or a section of the workbook. Of a section, `labs/4.8/stage.toml` says which programs
//! these are, what lies where in their memory, and which sentences of the note belong to their calls.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

use say::tell;
use screen::words::{chinese, pairs, translated};

use crate::explore::staged::{Line, Moment};
use crate::syscalls::spoken;

/// See the module.
#[derive(Default)]
pub struct Setting {
    /// What the audience reads at the top.
    pub title: String,
    pub programs: Vec<Vec<OsString>>,
    /// What a section's programs are made of.
    pub source: Option<PathBuf>,
    fields: Vec<Field>,
    sentences: Vec<Sentence>,
    /// The same programs, cured, where the section has them.
    pub cured: Vec<Vec<OsString>>,
    /// What was compiled; gone with us.
    built: Option<TempDir>,
}

/// What lies in the section's segment.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    pub at: usize,
    pub len: usize,
}

/// What the note says of a call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    /// As C has it: `pause`; or as the stage spells its beginning: `shmctl(0, IPC_RMID`; also `handler`, `store`
    /// and `load`.
    of: String,
    says: String,
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    /// A source in C, beside the file.
    source: String,
    /// Another, in which nothing goes wrong: for the page.
    cure: Option<String>,
    /// The arguments of each program.
    programs: Vec<Vec<String>>,
    #[serde(default)]
    field: Vec<Field>,
    #[serde(default)]
    sentence: Vec<Sentence>,
}

impl Setting {
    /// Programs that are named, each with its arguments.
    pub fn of_programs(programs: Vec<Vec<OsString>>) -> Setting {
        let words = |words: &Vec<OsString>| {
            let all: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            all.join(" ")
        };
        let title = programs.iter().map(words).collect::<Vec<_>>().join("   and   ");
        Setting { title, programs, ..Setting::default() }
    }

    /// A section's, compiled. The error is one line.
    pub fn of_section(workbook: Option<&Path>, section: &str) -> Result<Setting, String> {
        let root = root(workbook, STAGE)?;
        let all = sections(&root, STAGE);
        if !all.iter().any(|one| one == section) {
            return Err(tell!("no stage for section {section}; there are: {}", all.join(", ")));
        }
        let folder = root.join("labs").join(section);
        let path = folder.join(STAGE);
        let text = fs::read_to_string(&path).map_err(|error| said(&path, &error))?;
        let file: File = toml::from_str(&text).map_err(|error| {
            let first = error.message().lines().next().unwrap_or_default().to_string();
            format!("{}: {first}", path.display())
        })?;
        let words = fs::read_to_string(folder.join("stage.zh.txt")).unwrap_or_default();
        let words: HashMap<&str, &str> =
            if chinese() { pairs(&words).collect() } else { HashMap::new() };
        let said_here = |text: &str| words.get(text).copied().unwrap_or(text).to_string();
        let built = tempfile::Builder::new().prefix("lab-stage-").tempdir();
        let built = built.map_err(|error| format!("a folder for the program: {error}"))?;
        let compiled = |source: &String| -> Result<Vec<Vec<OsString>>, String> {
            let program = built.path().join(source.trim_end_matches(".c"));
            compile(&folder.join(source), &program)?;
            let one = |arguments: &Vec<String>| {
                let arguments = arguments.iter().map(OsString::from);
                std::iter::once(program.clone().into_os_string()).chain(arguments).collect()
            };
            Ok(file.programs.iter().map(one).collect())
        };
        let programs = compiled(&file.source)?;
        let cured = file.cure.as_ref().map_or(Ok(vec![]), compiled)?;
        Ok(Setting {
            title: format!("{section}  {}", said_here(&file.title)),
            programs,
            cured,
            source: Some(folder.join(&file.source)),
            fields: file.field,
            sentences: file
                .sentence
                .into_iter()
                .map(|one| Sentence { says: said_here(&one.says), ..one })
                .collect(),
            built: Some(built),
        })
    }

    /// Is it a section of the workbook?
    pub fn is_section(&self) -> bool {
        self.built.is_some()
    }

    /// What the note says of what happened.
    pub fn says(&self, line: &Line) -> Option<String> {
        let (name, spelled) = match &line.moment {
            Moment::Call { call, .. } => (spoken(&call.name, false), call.line()),
            Moment::Signal { handler: true, .. } => ("handler", String::new()),
            Moment::Touched(touched) if touched.writes => ("store", touched.line()),
            Moment::Touched(touched) => ("load", touched.line()),
            _ => return None,
        };
        self.says_of(name, &spelled)
    }

    /// What it says of a call, as C and as the tool spell it.
    pub fn says_of(&self, name: &str, spelled: &str) -> Option<String> {
        let fits = |one: &&Sentence| one.of == name || spelled.starts_with(&one.of);
        let of_call = self.sentences.iter().filter(fits).max_by_key(|one| one.of.len());
        of_call.map(|one| one.says.clone())
    }

    /// What lies where, as far as it is known.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The parts of a memory in which something changed: whole fields, and what lies between them.
    pub fn parts(&self, fresh: &[bool]) -> Vec<(usize, usize)> {
        let mut parts: Vec<(usize, usize)> = vec![];
        for at in (0..fresh.len()).filter(|at| fresh[*at]) {
            let field = self.fields.iter().find(|one| (one.at..one.at + one.len).contains(&at));
            let (from, to) = field.map_or((at, at + 1), |one| (one.at, one.at + one.len));
            let to = to.min(fresh.len());
            match parts.last_mut() {
                Some(last) if last.0 == from => {}
                Some(last) if field.is_none() && last.1 == from => last.1 = to,
                _ => parts.push((from, to)),
            }
        }
        parts
    }

    /// The field in which these bytes lie.
    pub fn field(&self, from: usize, to: usize) -> Option<&str> {
        let around = |one: &&Field| one.at <= from && to <= one.at + one.len;
        self.fields.iter().find(around).map(|one| &*one.name)
    }

    /// `+0..+5`, or a field's name.
    pub fn place(&self, from: usize, to: usize) -> String {
        let field = self.fields.iter().find(|one| one.at == from);
        field.map_or(format!("+{from}..+{to}"), |one| one.name.clone())
    }
}

fn said(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// A section with this file in its folder can be staged.
const STAGE: &str = "stage.toml";

/// The workbook: the folder that was named, or the first one above that has a section with such a file.
pub fn root(named: Option<&Path>, file: &str) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return Ok(named.to_path_buf());
    }
    let here = std::env::current_dir().map_err(|error| tell!("the current folder: {error}"))?;
    let found = here.ancestors().find(|one| !sections(one, file).is_empty());
    let none = translated("no workbook here or above: name its folder with --workbook");
    found.map(Path::to_path_buf).ok_or_else(|| none.into())
}

/// The sections that have such a file, in their order.
pub fn sections(root: &Path, file: &str) -> Vec<String> {
    let entries = fs::read_dir(root.join("labs")).into_iter().flatten().flatten();
    let names = entries.map(|one| one.file_name().to_string_lossy().into_owned());
    let has = |name: &String| root.join("labs").join(name).join(file).is_file();
    let mut all: Vec<String> = names.filter(has).collect();
    all.sort_by_key(|name| name.split('.').flat_map(str::parse).collect::<Vec<u32>>());
    all
}

fn compile(source: &Path, program: &Path) -> Result<(), String> {
    let mut compiler = Command::new("cc");
    compiler.args(["-g", "-O0", "-pthread", "-o"]).arg(program).arg(source);
    let done = compiler.output().map_err(|error| format!("cc: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let first = said.lines().next().unwrap_or("it does not compile").to_string();
    Err(format!("{}: {first}", source.display()))
}
