//! Ids that an engine has made up: which of the live ones stands for which recorded one.

use std::collections::{HashMap, HashSet};

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
    /// Those that both sides are known to have: they stand for themselves.
    common: HashSet<Uuid>,
    /// Recorded ids of what does not exist on the live side, and why.
    lost: HashMap<Box<str>, Why>,
}

impl Ids {
    /// Starts with ids that both sides have.
    pub(crate) fn common(common: HashSet<Uuid>) -> Self {
        Self { common, ..Self::default() }
    }

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
        self.are_common(recorded, live)
            || self.pairs.live(recorded).is_some()
            || self.pairs.recorded(live).is_some()
    }

    pub(super) fn are_paired(&self, recorded: &str, live: &str) -> bool {
        if self.are_common(recorded, live) {
            return recorded == live;
        }
        self.pairs.live(recorded) == Some(live) && self.pairs.recorded(live) == Some(recorded)
    }

    /// Returns whether one of two ids stands for itself.
    fn are_common(&self, recorded: &str, live: &str) -> bool {
        let is_common = |id: &str| Uuid::of(id).is_some_and(|id| self.common.contains(&id));
        !self.common.is_empty() && (is_common(recorded) || is_common(live))
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
        recorded.elements().iter().for_each(|value| self.lose(value, why));
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
        recorded.elements().iter().for_each(|value| self.find(value));
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

/// A UUID with dashes, however it is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Uuid(u128);

impl Uuid {
    /// How many characters it has.
    const LENGTH: usize = 36;

    fn of(text: &str) -> Option<Self> {
        let inside = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        Self::read(inside.as_bytes())
    }

    fn read(text: &[u8]) -> Option<Self> {
        const DASHES: [usize; 4] = [8, 13, 18, 23];
        if text.len() != Self::LENGTH {
            return None;
        }
        let mut number = 0;
        for (at, byte) in text.iter().enumerate() {
            if DASHES.contains(&at) {
                if *byte != b'-' {
                    return None;
                }
            } else {
                number = number << 4 | u128::from(char::from(*byte).to_digit(16)?);
            }
        }
        Some(Self(number))
    }

    /// Finds those in a text, wherever they stand.
    pub(crate) fn all_in(text: &[u8]) -> impl Iterator<Item = Self> {
        // Each begins eight digits before its first dash.
        let starts = memchr::memchr_iter(b'-', text).filter_map(|dash| dash.checked_sub(8));
        starts.filter_map(|start| Self::read(text.get(start..start + Self::LENGTH)?))
    }
}
