//! What is run for an exam: an experiment of a lab as it goes if nobody is interrupted, or a section's stage in an
//! order that a seed chooses.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use serde::Deserialize;

use super::usage;
use crate::explore::Trouble;
use crate::explore::staged::{Chooser, Outcome, Scene, Staged};
use crate::stage::book::Setting;
use crate::tracer::program::Program;

/// Of how many choices one is not the first in line.
const STRAYS: usize = 4;
/// A run of more moves is left.
const MOVES: usize = 3000;

/// A run of `exam.toml`: either an experiment, or the stage.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Of the section's lab.
    experiment: Option<String>,
    /// The calls whose answers may be asked.
    #[serde(default)]
    ask: Vec<String>,
    /// The programs of the section's `stage.toml`.
    #[serde(default)]
    stage: bool,
}

/// A run.
pub struct Recorded {
    /// How it stood before each move, and at last.
    pub scenes: Vec<Scene>,
    pub outcome: Outcome,
    /// As in the plan.
    pub ask: Vec<String>,
    /// What the processes were made of.
    pub source: Option<PathBuf>,
    /// A command that shows the same.
    pub again: String,
}

impl Plan {
    /// Runs it.
    pub fn record(&self, root: &Path, section: &str, seed: u64) -> Result<Recorded, Trouble> {
        let (setting, again) = match &self.experiment {
            Some(name) => (
                experiment(section, name)?,
                format!("`make lab-{section} ARGS='--experiment {name}'`"),
            ),
            None if self.stage => {
                let setting = Setting::of_section(Some(root), section).map_err(usage)?;
                (setting, format!("`make stage-{section}`"))
            }
            None => {
                return Err(usage(format!(
                    "section {section}: a run is an experiment or the stage"
                )));
            }
        };
        let find = |words: &Vec<OsString>| {
            let name = words[0].to_string_lossy();
            let why = |errno| format!("{name}: {}", sysv::spell::errno(errno));
            Program::find(words).map_err(|errno| usage(why(errno)))
        };
        let programs = setting.programs.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let mut staged = Staged::once(programs)?;
        let strays = self.stage;
        let mut wanders = Wanders { seed, rng: Rng::with_seed(seed), strays, scenes: vec![] };
        let (last, outcome) = staged.run(&mut wanders)?;
        if outcome.dropped {
            return Err(usage(format!("{again}: more than {MOVES} moves")));
        }
        let mut scenes = wanders.scenes;
        scenes.push(last);
        let source = setting.source.clone();
        Ok(Recorded { scenes, outcome, ask: self.ask.clone(), source, again })
    }
}

/// The lab stands beside this program.
fn experiment(section: &str, name: &str) -> Result<Setting, Trouble> {
    let here = std::env::current_exe().map_err(|error| usage(format!("this program: {error}")))?;
    let lab = here.with_file_name(format!("lab_{}", section.replace('.', "_")));
    let words = [lab.into_os_string(), "--experiment".into(), name.into()];
    Ok(Setting::of_programs(vec![words.into()]))
}

/// Chooses by a seed.
struct Wanders {
    seed: u64,
    rng: Rng,
    strays: bool,
    scenes: Vec<Scene>,
}

impl Chooser for Wanders {
    fn choose(&mut self, scene: &Scene) -> Option<usize> {
        if scene.steps.is_empty() {
            (self.rng, self.scenes) = (Rng::with_seed(self.seed), vec![]);
        }
        if scene.steps.len() >= MOVES {
            return None;
        }
        self.scenes.push(scene.clone());
        let count = scene.could.len();
        let strays = self.strays && count > 1 && self.rng.usize(..STRAYS) == 0;
        Some(if strays { self.rng.usize(..count) } else { scene.first })
    }
}
