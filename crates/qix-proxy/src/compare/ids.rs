//! Ids that an engine has made up: which of the live ones stands for which recorded one.

use std::collections::HashMap;

use qix_protocol::Tree;

use crate::{
    redrive::Why,
    replay::{Pairs, is_uuid},
};

/// How many ids of calls that were not made are kept.
const MOST_LOST: usize = 1 << 16;

/// The ids of one session, recorded and live.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pairs: Pairs,
    /// Recorded ids of what does not exist on the live side, and why.
    lost: HashMap<Box<str>, Why>,
}

impl Ids {
    /// Returns whether a live id may stand for a recorded one, and keeps that it does. What does not look made up is equal or not,
    /// unless the call `gives` ids.
    pub(super) fn pair(&mut self, recorded: &str, live: &str, gives: bool) -> bool {
        if self.knows(recorded, live) {
            return self.are_paired(recorded, live);
        }
        let made_up = |id: &str| id.starts_with("SessionApp_") || is_uuid(id);
        // They stand in texts as they are.
        let is_plain = |id: &str| !id.is_empty() && !id.contains(['"', '\\']);
        let may_differ = gives && recorded != live || made_up(recorded) && made_up(live);
        if !may_differ || !is_plain(recorded) || !is_plain(live) {
            return recorded == live;
        }
        self.pairs.add(live, recorded);
        true
    }

    /// Returns whether one of two ids stands for something already.
    pub(super) fn knows(&self, recorded: &str, live: &str) -> bool {
        self.pairs.live(recorded).is_some() || self.pairs.recorded(live).is_some()
    }

    pub(super) fn are_paired(&self, recorded: &str, live: &str) -> bool {
        self.pairs.live(recorded) == Some(live) && self.pairs.recorded(live) == Some(recorded)
    }

    /// Returns the live id for a recorded one, if that is known to be another.
    pub(super) fn live(&self, recorded: &str) -> Option<&str> {
        self.pairs.live(recorded)
    }

    /// Returns recorded parameters with the live ids in them, if there are any.
    pub(crate) fn as_live(&self, params: &[u8]) -> Option<Vec<u8>> {
        self.pairs.as_live(params)
    }

    /// Notes that what a recorded call has made is not there.
    pub(crate) fn lose(&mut self, recorded: &Tree, why: &Why) {
        for (name, value) in recorded.members() {
            match value.as_str() {
                Some(id) if super::values::is_id(&[&*name]) && !id.is_empty() => {
                    if self.lost.len() < MOST_LOST {
                        self.lost.insert((&*id).into(), why.clone());
                    }
                }
                _ => self.lose(value, why),
            }
        }
    }

    /// Notes that something is there after all.
    pub(crate) fn find(&mut self, recorded: &Tree) {
        for (name, value) in recorded.members() {
            match value.as_str() {
                Some(id) if super::values::is_id(&[&*name]) => {
                    self.lost.remove(&*id);
                }
                _ => self.find(value),
            }
        }
    }

    /// Returns why something that parameters name is not there.
    pub(crate) fn lost(&self, params: &Tree) -> Option<&Why> {
        if self.lost.is_empty() {
            return None;
        }
        if let Some(text) = params.as_str() {
            return self.lost.get(&*text);
        }
        let elements = params.elements().iter();
        elements.chain(params.members().map(|(_, value)| value)).find_map(|value| self.lost(value))
    }
}
