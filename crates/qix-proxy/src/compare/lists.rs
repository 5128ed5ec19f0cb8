//! Lists whose order means nothing.

use std::collections::{HashMap, VecDeque};

use qix_protocol::Tree;

use super::{Ids, Walk, defaults, volatile};
use crate::{redrive::DifferenceKind, replay::is_uuid};

/// Lists that an engine gives in the order in which it finds things, by the name of the member.
const LISTS: [&str; 19] = [
    "privileges",
    "qBadFieldNames",
    "qConnectedUsers",
    "qConnections",
    "qConnectors",
    "qCyclicDimensions",
    "qDangerousFieldNames",
    "qDocList",
    "qFieldNames",
    "qFunctions",
    "qInfos",
    "qList",
    "qNames",
    "qOdbcDsns",
    "qSrcTables",
    "qStateNames",
    "qStreamList",
    "qTags",
    "tags",
];

/// Members whose `qItems` are such lists. Children have the order that was given to them.
const OWNERS: [&str; 9] = [
    "qAppObjectList",
    "qBookmarkList",
    "qDimensionList",
    "qFieldList",
    "qMeasureList",
    "qMediaList",
    "qList",
    "qUndoInfoList",
    "qVariableList",
];

/// Returns whether the list at a place in a result has no order.
pub(super) fn is_unordered<S: AsRef<str>>(method: &str, path: &[S]) -> bool {
    match path {
        // Children, unlike all objects of an app.
        [.., last] if last.as_ref() == "qInfos" => method == "GetAllInfos",
        [.., owner, last] if last.as_ref() == "qItems" => OWNERS.contains(&owner.as_ref()),
        [.., last] => LISTS.contains(&last.as_ref()),
        [] => false,
    }
}

impl<'t> Walk<'_, 't> {
    /// Compares lists without order: equal elements first, then those that have the same name, and the rest is on one side only.
    pub(super) fn unordered(&mut self, recorded: &'t [Tree], live: &'t [Tree]) {
        let (mut left, mut over) =
            self.matched(recorded, live, |ids, value, side| Some(text_of(ids, value, side)));
        if !left.is_empty() && !over.is_empty() {
            (left, over) = self.matched_among(recorded, live, &left, &over, name_of);
        }
        for at in left {
            self.at(step(&recorded[at], at), |walk| {
                walk.differ(DifferenceKind::OnlyRecorded, &recorded[at], &Tree::null());
            });
        }
        for at in over {
            self.at(step(&live[at], at), |walk| {
                walk.differ(DifferenceKind::OnlyLive, &Tree::null(), &live[at]);
            });
        }
    }

    fn matched(
        &mut self,
        recorded: &'t [Tree],
        live: &'t [Tree],
        key: impl Fn(&Ids, &Tree, Side) -> Option<String>,
    ) -> (Vec<usize>, Vec<usize>) {
        let all = |values: &[Tree]| (0..values.len()).collect::<Vec<_>>();
        self.matched_among(recorded, live, &all(recorded), &all(live), key)
    }

    /// Compares elements that have the same key, and returns those that have no counterpart.
    fn matched_among(
        &mut self,
        recorded: &'t [Tree],
        live: &'t [Tree],
        of_recorded: &[usize],
        of_live: &[usize],
        key: impl Fn(&Ids, &Tree, Side) -> Option<String>,
    ) -> (Vec<usize>, Vec<usize>) {
        let mut places: HashMap<String, VecDeque<usize>> = HashMap::new();
        let mut over = Vec::new();
        for at in of_live {
            match key(self.comparison.ids, &live[*at], Side::Live) {
                Some(key) => places.entry(key).or_default().push_back(*at),
                None => over.push(*at),
            }
        }
        // All keys come before the first comparison, which learns what stands for what.
        let keys: Vec<_> =
            of_recorded.iter().map(|at| key(self.comparison.ids, &recorded[*at], Side::Recorded)).collect();
        let mut left = Vec::new();
        for (at, key) in of_recorded.iter().zip(keys) {
            match key.and_then(|key| places.get_mut(&key)?.pop_front()) {
                Some(other) => {
                    self.at(step(&recorded[*at], *at), |walk| walk.value(&recorded[*at], &live[other]));
                }
                None => left.push(*at),
            }
        }
        over.extend(places.into_values().flatten());
        over.sort_unstable();
        (left, over)
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Side {
    Recorded,
    Live,
}

/// Returns a text that is equal for elements that are, as far as that can be known without comparing them.
fn text_of(ids: &Ids, value: &Tree, side: Side) -> String {
    let mut text = String::new();
    write(ids, value, side, &mut text);
    text
}

fn write(ids: &Ids, value: &Tree, side: Side, out: &mut String) {
    if value.is_array() {
        out.push('[');
        value.elements().iter().for_each(|element| {
            write(ids, element, side, out);
            out.push(',');
        });
        out.push(']');
    } else if value.is_object() {
        let counts = |name: &str, value: &Tree| {
            name != "qHandle" && !volatile::is_volatile("", &[name]) && !defaults::is_default(name, value)
        };
        let mut members: Vec<_> = value.members().filter(|(name, value)| counts(name, value)).collect();
        members.sort_by(|one, other| one.0.cmp(&other.0));
        out.push('{');
        for (name, value) in members {
            out.push_str(&name);
            out.push(':');
            write(ids, value, side, out);
            out.push(',');
        }
        out.push('}');
    } else if let Some(text) = value.as_str() {
        let live = if side == Side::Recorded { ids.live(&text).unwrap_or(&text) } else { &text };
        // One that stands for none yet may stand for any.
        let is_new = is_uuid(live) && !ids.knows(&text, live);
        out.push('"');
        out.push_str(if is_new { "…" } else { live });
    } else if let Some(number) = value.as_f64() {
        out.push_str(&format!("{number:.8e}"));
    } else {
        out.push_str(value.scalar().unwrap_or_default());
    }
}

/// Returns the name of an element: its id, or what else tells it from others.
fn name_of(ids: &Ids, value: &Tree, side: Side) -> Option<String> {
    let id = name(value)?;
    let live = if side == Side::Recorded { ids.live(&id).map(str::to_owned) } else { None };
    Some(live.unwrap_or(id))
}

fn name(value: &Tree) -> Option<String> {
    const NAMES: [&str; 7] = ["qId", "qName", "qDocId", "qDocName", "qField", "name", "qTitle"];
    let info = value.member("qInfo").and_then(|info| info.member("qId"));
    let own = NAMES.iter().find_map(|name| value.member(name));
    info.or(own)?.as_str().map(|name| name.into_owned())
}

/// Returns the step that leads to an element: its name, or its place.
fn step(value: &Tree, at: usize) -> String {
    name(value).map_or_else(|| at.to_string(), |name| format!("[{name}]"))
}
