//! What each move that is possible at a place of a run leads to: the children of that place in the tree. Each is
//! made, and looked at.

use std::cell::RefCell;
use std::rc::Rc;

use super::Result;
use super::footprint::Footprint;
use super::run::World;
use super::scene::{Lane, Scene};
use super::schedule::Who;
use super::search::{Guide, Place};

/// One of these moves, and how all stand after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Next {
    pub letter: usize,
    pub who: Who,
    pub lanes: Vec<Lane>,
}

/// The way to the place, one move more, and no further.
struct One<'a> {
    path: &'a [(usize, Who)],
    at: usize,
    /// Which of those that can move at the place does so.
    which: usize,
    movers: Vec<(usize, Who)>,
}

impl Guide for One<'_> {
    fn choose(&mut self, place: &Place) -> Option<usize> {
        if place.movers.is_empty() {
            return None;
        }
        let movers = (0..place.movers.len()).map(|i| (place.letters[i], place.movers[i].who));
        let movers: Vec<_> = movers.collect();
        let at = self.at;
        self.at += 1;
        if let Some(known) = self.path.get(at) {
            return movers.iter().position(|one| one == known);
        }
        if at > self.path.len() {
            return None;
        }
        self.movers = movers;
        (self.which < self.movers.len()).then_some(self.which)
    }

    fn moved(&mut self, _: Footprint) {}
}

/// All of them, in the order of the choices there. None: the way does not lead there, or something was learned.
pub fn from(world: &mut World, path: &[(usize, Who)]) -> Result<Vec<Next>> {
    let mut all = vec![];
    let scene = Rc::new(RefCell::new(Scene::default()));
    loop {
        *scene.borrow_mut() = Scene { from: path.len() + 1, ..Scene::default() };
        let mut one = One { path, at: 0, which: all.len(), movers: vec![] };
        world.scene = Some(scene.clone());
        let done = world.run_by(&mut one, true, true);
        world.scene = None;
        done?;
        if world.starts_again || one.movers.is_empty() {
            return Ok(vec![]);
        }
        let (letter, who) = one.movers[one.which];
        all.push(Next { letter, who, lanes: scene.borrow().lanes.clone() });
        if all.len() == one.movers.len() {
            return Ok(all);
        }
    }
}
