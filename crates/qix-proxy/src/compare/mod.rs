//! Compares an answer with another to the same call, such as a live one with the recorded one: pure, and by what values mean.
//!
//! | what | is equal if |
//! |---|---|
//! | handles | they were opened by answers to the same call |
//! | ids that an engine makes up | the same one always stands for the same one |
//! | times, file sizes of logs, session ids | never compared: [`volatile`] names them |
//! | numbers | they are within the tolerance |
//! | members that are missing or null | the other side has the default |
//! | lists such as those of apps and objects | they have the same elements, in any order |
//! | rows of a hypercube or list object | they are the same rows in the same order; a row is known by its dimension values |

mod defaults;
mod ids;
mod lists;
mod numbers;
mod rows;
mod values;
mod volatile;

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashMap};

pub(crate) use ids::{Ids, Uuid};
use qix_protocol::{EngineError, ErrorCode, Handle, Tree, creates};
pub(crate) use values::is_id;
pub(crate) use volatile::is_volatile;

use crate::{
    redrive::{DifferenceKind, Handles},
    replay::{Ignore, is_uuid},
};

/// How many differences of one answer are kept; further ones are counted.
const MOST: usize = 200;
/// How many characters of a value are shown.
const MOST_SHOWN: usize = 120;
/// Up to how many members are looked through for one.
const FEW: usize = 32;

/// What counts and what does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) tolerance: Option<f64>,
    pub(crate) ignored: Vec<Ignore>,
    /// Whether rows may come in any order.
    pub(crate) any_row_order: bool,
}

/// A place in which two answers differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) place: String,
    pub(crate) kind: DifferenceKind,
    pub(crate) recorded: String,
    pub(crate) live: String,
}

/// A place in which two answers differ, which need not be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot<'w> {
    /// The names and places that lead there; rows and elements of lists without order are `[NAME]`.
    pub(crate) path: &'w [Cow<'w, str>],
    pub(crate) kind: DifferenceKind,
    recorded: &'w Tree,
    live: &'w Tree,
}

impl Spot<'_> {
    /// Writes place and values.
    pub(crate) fn found(self) -> Found {
        let step = |step: &Cow<'_, str>| format!("/{}", step.replace('~', "~0").replace('/', "~1"));
        let place = self.path.iter().map(step).collect();
        Found { place, kind: self.kind, recorded: shown(self.recorded), live: shown(self.live) }
    }
}

/// What the comparison of two answers has come to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) found: Vec<Found>,
    /// How many there are, those included that were not kept.
    pub(crate) total: usize,
}

/// The comparison of two answers to one call.
pub(crate) struct Comparison<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) method: &'a str,
    /// The parameters of a call that gives ids to what it makes: any text may be one, unless the client has chosen it.
    pub(crate) makes: Option<&'a [u8]>,
    pub(crate) ids: &'a mut Ids,
    pub(crate) handles: &'a Handles,
    /// Recorded apps, and those that are taken for them.
    pub(crate) apps: &'a [(String, String)],
}

/// A comparison on its way.
struct Walk<'a, 't> {
    comparison: Comparison<'a>,
    /// The names and places that lead here.
    path: Vec<Cow<'t, str>>,
    tell: &'a mut dyn FnMut(Spot<'_>),
}

impl Comparison<'_> {
    /// Compares the results of a call that has succeeded on both sides, and keeps the first differences.
    pub(crate) fn results(self, recorded: &Tree, live: &Tree) -> Outcome {
        let mut outcome = Outcome::default();
        self.each(recorded, live, &mut |spot| {
            outcome.total += 1;
            if outcome.found.len() < MOST {
                outcome.found.push(spot.found());
            }
        });
        outcome
    }

    /// Compares the results of a call that has succeeded on both sides, and tells each difference as it is found.
    pub(crate) fn each(self, recorded: &Tree, live: &Tree, tell: &mut dyn FnMut(Spot<'_>)) {
        Walk { comparison: self, path: Vec::new(), tell }.value(recorded, live);
    }
}

impl<'t> Walk<'_, 't> {
    fn value(&mut self, recorded: &'t Tree, live: &'t Tree) {
        if self.is_ignored() {
            return;
        }
        if recorded.is_object() && live.is_object() {
            self.object(recorded, live);
        } else if recorded.is_array() && live.is_array() {
            self.array(recorded, live);
        } else if recorded.scalar().is_some() && live.scalar().is_some() {
            self.scalar(recorded, live);
        } else if !(defaults::is_nothing(recorded) && defaults::is_nothing(live)) {
            self.differ(DifferenceKind::Type, recorded, live);
        }
    }

    fn object(&mut self, recorded: &'t Tree, live: &'t Tree) {
        let skip_text = self.cell(recorded, live);
        for (name, value, other) in beside(recorded, live) {
            if skip_text && matches!(&*name, "qText" | "qNum") {
                continue;
            }
            self.path.push(name);
            match other {
                Some(other) => self.value(value, other),
                None => self.one_sided(value, DifferenceKind::OnlyRecorded),
            }
            self.path.pop();
        }
        for (name, value, _) in beside(live, recorded).filter(|(.., other)| other.is_none()) {
            self.path.push(name);
            self.one_sided(value, DifferenceKind::OnlyLive);
            self.path.pop();
        }
    }

    fn one_sided(&mut self, value: &Tree, kind: DifferenceKind) {
        let name = self.path.last().map_or("", |name| &**name);
        if defaults::is_default(name, value) {
            return;
        }
        let nothing = Tree::null();
        match kind {
            DifferenceKind::OnlyRecorded => self.differ(kind, value, &nothing),
            _ => self.differ(kind, &nothing, value),
        }
    }

    fn array(&mut self, recorded: &'t Tree, live: &'t Tree) {
        let name = self.path.last().map_or("", |name| &**name);
        // What equal lists name is compared and learned all the same. Cells name nothing.
        if recorded == live && (name == "qMatrix" || !names(recorded)) {
            return;
        }
        if name == "qMatrix" {
            self.rows(recorded.elements(), live.elements());
        } else if lists::is_unordered(self.comparison.method, &self.path) {
            self.unordered(recorded.elements(), live.elements());
        } else {
            self.ordered(recorded.elements(), live.elements());
        }
    }

    fn ordered(&mut self, recorded: &'t [Tree], live: &'t [Tree]) {
        for (at, (recorded, live)) in recorded.iter().zip(live).enumerate() {
            self.at(at.to_string(), |walk| walk.value(recorded, live));
        }
        let common = recorded.len().min(live.len());
        for (at, value) in recorded.iter().enumerate().skip(common) {
            self.at(at.to_string(), |walk| walk.differ(DifferenceKind::OnlyRecorded, value, &Tree::null()));
        }
        for (at, value) in live.iter().enumerate().skip(common) {
            self.at(at.to_string(), |walk| walk.differ(DifferenceKind::OnlyLive, &Tree::null(), value));
        }
    }

    fn at(&mut self, step: String, work: impl FnOnce(&mut Self)) {
        self.path.push(Cow::Owned(step));
        work(self);
        self.path.pop();
    }

    fn is_ignored(&self) -> bool {
        let Comparison { rules, method, .. } = &self.comparison;
        volatile::is_volatile(method, &self.path)
            || rules.ignored.iter().any(|rule| rule.covers(method, &self.path))
    }

    fn differ(&mut self, kind: DifferenceKind, recorded: &Tree, live: &Tree) {
        if !self.is_ignored() {
            (self.tell)(Spot { path: &self.path, kind, recorded, live });
        }
    }

    /// Returns whether two handles name the same object.
    fn are_same(&self, recorded: i64, live: i64) -> bool {
        let handle = |number: i64| i32::try_from(number).ok().map(Handle::new);
        match (handle(recorded), handle(live)) {
            (Some(recorded), Some(live)) => self.comparison.handles.live(recorded) == Ok(live),
            _ => recorded == live,
        }
    }
}

/// Goes over the members of an object, each with that of another object which has the same name.
fn beside<'t>(
    one: &'t Tree,
    other: &'t Tree,
) -> impl Iterator<Item = (Cow<'t, str>, &'t Tree, Option<&'t Tree>)> {
    // Nearly always it is at the same place.
    let mut places = other.members();
    let mut by_name = None;
    one.members().map(move |(name, value)| {
        let found = match places.next() {
            Some((there, found)) if there == name => Some(found),
            _ if other.len() <= FEW => other.member(&name),
            _ => {
                by_name.get_or_insert_with(|| other.members().collect::<HashMap<_, _>>()).get(&name).copied()
            }
        };
        (name, value, found)
    })
}

/// Returns whether a value names objects, by handles or by ids that an engine makes up.
fn names(value: &Tree) -> bool {
    value.as_str().is_some_and(|text| is_uuid(&text))
        || value.elements().iter().any(names)
        || value.members().any(|(name, value)| name == "qHandle" || names(value))
}

/// Returns whether a call may give ids to what it makes.
pub(crate) fn makes(method: &str) -> bool {
    creates(method) || ["Store", "Clone", "Replace", "SaveAs"].iter().any(|start| method.starts_with(start))
}

/// Returns whether a call was aborted, which is a matter of luck.
pub(crate) fn is_aborted(error: &EngineError) -> bool {
    error.code == ErrorCode::GENERIC_ABORTED
}

/// Shows a value in a few words.
fn shown(value: &Tree) -> String {
    let text = value.to_string();
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
