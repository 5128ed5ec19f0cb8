//! Strings, numbers and cells.

use memchr::memmem;
use qix_protocol::Tree;

use super::{Walk, numbers};
use crate::{record::MASK, redrive::DifferenceKind};

/// Members that name something by its id, and never give it one.
const REFERS: [&str; 3] = ["qLibraryId", "qExtendsId", "qBookmarkId"];

impl<'t> Walk<'_, 't> {
    pub(super) fn scalar(&mut self, recorded: &Tree, live: &Tree) {
        let name = self.path.last().map_or("", |name| &**name);
        if name == "qHandle"
            && let (Some(one), Some(other)) = (recorded.as_i64(), live.as_i64())
        {
            if !self.are_same(one, other) {
                self.differ(DifferenceKind::Object, recorded, live);
            }
            return;
        }
        if let (Some(one), Some(other)) = (recorded.as_str(), live.as_str()) {
            if !self.strings(&one, &other) {
                let known = self.comparison.ids.knows(&one, &other);
                self.differ(if known { DifferenceKind::Id } else { DifferenceKind::Value }, recorded, live);
            }
            return;
        }
        if let (Some(one), Some(other)) = (recorded.as_f64(), live.as_f64()) {
            if recorded != live
                && !numbers::are_near([recorded, live], [one, other], self.comparison.rules.tolerance)
            {
                self.differ(DifferenceKind::Number, recorded, live);
            }
            return;
        }
        if recorded == live || (super::defaults::is_default(name, recorded) && live.is_null()) {
            return;
        }
        if recorded.is_null() && super::defaults::is_default(name, live) {
            return;
        }
        let kinds =
            |value: &Tree| (value.as_str().is_some(), value.as_bool().is_some(), value.as_f64().is_some());
        let kind = if kinds(recorded) == kinds(live) { DifferenceKind::Value } else { DifferenceKind::Type };
        self.differ(kind, recorded, live);
    }

    fn strings(&mut self, recorded: &str, live: &str) -> bool {
        let name = self.path.last().map_or("", |name| &**name);
        // Texts of the data are what they are.
        if name == "qText" {
            return recorded == live;
        }
        // What a recorder has replaced is not known, and is not to be shown.
        if recorded.contains(MASK) {
            return is_but_for_secrets(recorded, live);
        }
        if live.contains(MASK) {
            return is_but_for_secrets(live, recorded);
        }
        if self.comparison.apps.iter().any(|(one, other)| one == recorded && other == live) {
            return true;
        }
        if REFERS.contains(&name) {
            return recorded == live || self.comparison.ids.are_paired(recorded, live);
        }
        let chosen = |params: &[u8]| memmem::find(params, format!("\"{recorded}\"").as_bytes()).is_some();
        let gives = is_id(&self.path) && self.comparison.makes.is_some_and(|params| !chosen(params));
        self.comparison.ids.pair(recorded, live, gives)
    }

    /// Compares text and number of a cell, if both are one, and returns whether that is done: a number that is near enough may be
    /// written differently, unless it is a time, and one that differs is one difference and not two.
    pub(super) fn cell(&mut self, recorded: &'t Tree, live: &'t Tree) -> bool {
        let parts = |cell: &'t Tree| cell.member("qText").zip(cell.member("qNum"));
        let (Some((text, one)), Some((other_text, other))) = (parts(recorded), parts(live)) else {
            return false;
        };
        let (Some(number), Some(other_number)) = (one.as_f64(), other.as_f64()) else { return false };
        if number == other_number {
            return false;
        }
        let tolerance = self.comparison.rules.tolerance;
        if !numbers::are_near([one, other], [number, other_number], tolerance) {
            self.at("qNum".to_owned(), |walk| walk.differ(DifferenceKind::Number, one, other));
        } else if tolerance.is_none() && is_time(text) && is_time(other_text) {
            // Times are days: a billionth of them is seconds, which their texts show.
            self.at("qText".to_owned(), |walk| walk.value(text, other_text));
        }
        true
    }
}

/// Whether the text of a cell shows a time of day.
fn is_time(text: &Tree) -> bool {
    text.scalar().is_some_and(|text| text.contains(':'))
}

/// Whether a text is a recorded one with anything where the recorder has replaced a secret.
fn is_but_for_secrets(recorded: &str, live: &str) -> bool {
    let mut kept = recorded.split(MASK);
    let first = kept.next().unwrap_or_default();
    let Some(mut rest) = live.strip_prefix(first) else { return false };
    let mut kept: Vec<&str> = kept.collect();
    let last = kept.pop().unwrap_or_default();
    for part in kept {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether a place in the answer to a call that makes something is that of its id.
pub(crate) fn is_id<S: AsRef<str>>(path: &[S]) -> bool {
    const IDS: [&str; 11] = [
        "qId",
        "qGenericId",
        "qSessionAppId",
        "qDocId",
        "qAppId",
        "qNewAppId",
        "qCloneId",
        "qDraftId",
        "qConnectionId",
        "qGroupId",
        "qUrl",
    ];
    path.last().is_some_and(|name| IDS.contains(&name.as_ref()))
}
