//! What is run for an exam: an experiment of a lab as it goes if nobody is interrupted, or a section's stage in an
//! order that a seed chooses.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;

use super::usage;
use crate::explore::Trouble;
use crate::explore::staged::{Ahead, Chooser, Orders, Outcome, Scene, Staged, Step, Who};
use crate::stage::book::Setting;
use crate::tracer::program::Program;

/// Of how many choices one is not the first in line.
const STRAYS: usize = 4;
/// A run of more moves is left.
const MOVES: usize = 3000;

/// A run of `exam.toml`: an experiment, or the stage.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Of the section's lab.
    pub experiment: Option<String>,
    /// The calls whose answers may be asked.
    #[serde(default)]
    ask: Vec<String>,
    /// What the kernel's table says meanwhile may be asked.
    #[serde(default)]
    rows: bool,
    /// `lab trace` runs it, and says why a call has failed.
    #[serde(default)]
    pub trace: bool,
    /// The programs of the section's `stage.toml`.
    #[serde(default)]
    stage: bool,
    /// Of these, every order from a moment of such a run.
    #[serde(default)]
    explore: bool,
}

/// A run.
pub struct Recorded {
    /// How it stood before each move, and at last.
    pub scenes: Vec<Scene>,
    pub outcome: Outcome,
    /// As in the plan.
    pub ask: Vec<String>,
    pub rows: bool,
    /// What the processes were made of.
    pub source: Option<PathBuf>,
    /// A command that shows the same.
    pub again: String,
    /// How the orders from a moment end.
    pub orders: Option<(usize, Orders)>,
}

impl Plan {
    /// Runs it.
    pub fn record(&self, root: &Path, section: &str, seed: u64) -> Result<Recorded, Trouble> {
        let (setting, again) = match &self.experiment {
            Some(name) => (
                experiment(section, name)?,
                format!("`make lab-{section} ARGS='--experiment {name}'`"),
            ),
            None if self.stage || self.explore => {
                let setting = Setting::of_section(Some(root), section).map_err(usage)?;
                let keys = if self.explore { ", and `o` there" } else { "" };
                (setting, format!("`make stage-{section}`{keys}"))
            }
            None => {
                return Err(usage(format!(
                    "section {section}: a run is an experiment, the stage, or every order of it"
                )));
            }
        };
        let find = |words: &Vec<OsString>| {
            let name = words[0].to_string_lossy();
            let why = |errno| format!("{name}: {}", sysv::spell::errno(errno));
            Program::find(words).map_err(|errno| usage(why(errno)))
        };
        let programs = setting.programs.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let (mut staged, ahead) = match self.explore {
            true => Staged::new(programs)?,
            false => (Staged::once(programs)?, None),
        };
        let strays = self.stage || self.explore;
        let mut wanders = Wanders { seed, rng: Rng::with_seed(seed), strays, scenes: vec![] };
        let (last, outcome) = staged.run(&mut wanders)?;
        if outcome.dropped {
            return Err(usage(format!("{again}: more than {MOVES} moves")));
        }
        let mut scenes = wanders.scenes;
        scenes.push(last);
        let orders = ahead.and_then(|mut ahead| orders(&mut ahead, &scenes, seed));
        let source = setting.source.clone();
        let (ask, rows) = (self.ask.clone(), self.rows);
        Ok(Recorded { scenes, outcome, ask, rows, source, again, orders })
    }
}

/// How the orders end from a moment that the seed chooses, between the first fork and the end; of those with few
/// orders enough to be counted.
fn orders(ahead: &mut Ahead, scenes: &[Scene], seed: u64) -> Option<(usize, Orders)> {
    let mover = |step: &Step| (step.could[step.chosen].letter, step.could[step.chosen].who);
    let path: Vec<(usize, Who)> = scenes.last()?.steps.iter().map(mover).collect();
    let is_choice = |at: &usize| scenes[*at].could.len() > 1;
    let mut moments: Vec<usize> = (0..path.len()).filter(is_choice).collect();
    Rng::with_seed(seed).shuffle(&mut moments);
    moments.into_iter().find_map(|at| {
        ahead.ask(path[..at].to_vec());
        ahead.wait(Duration::MAX, |orders| !orders.are_few());
        ahead.last.clone().filter(Orders::were_few).map(|orders| (at, orders))
    })
}

/// The lab stands beside this program.
pub fn lab(section: &str) -> Result<PathBuf, Trouble> {
    let here = std::env::current_exe().map_err(|error| usage(format!("this program: {error}")))?;
    Ok(here.with_file_name(format!("lab_{}", section.replace('.', "_"))))
}

fn experiment(section: &str, name: &str) -> Result<Setting, Trouble> {
    let words = [lab(section)?.into_os_string(), "--experiment".into(), name.into()];
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
