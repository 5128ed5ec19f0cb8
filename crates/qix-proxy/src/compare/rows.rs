//! Rows of hypercubes and list objects, which are known by their dimension values.

use std::collections::HashMap;

use qix_protocol::Tree;

use super::Walk;
use crate::redrive::DifferenceKind;

/// How many characters of a row's name are shown.
const MOST_SHOWN: usize = 80;

impl<'t> Walk<'_, 't> {
    /// Compares rows. Those with the same dimension values are compared with each other if no two of a side have the same; else
    /// each with that at its place.
    pub(super) fn rows(&mut self, recorded: &'t [Tree], live: &'t [Tree]) {
        let width = recorded.iter().chain(live).map(dimensions).max().unwrap_or(0);
        let (Some(ours), Some(theirs)) = (keys(recorded, width), keys(live, width)) else {
            return self.ordered(recorded, live);
        };
        let mut latest = None;
        let mut moved = None;
        for (at, row) in recorded.iter().enumerate() {
            let key = key(row, width);
            match theirs.get(&key) {
                Some(other) => {
                    self.at(step(&key), |walk| walk.value(row, &live[*other]));
                    if latest.is_some_and(|latest| latest > *other) {
                        moved.get_or_insert((at, *other));
                    }
                    latest = latest.max(Some(*other));
                }
                None => self.at(step(&key), |walk| {
                    walk.differ(DifferenceKind::OnlyRecorded, row, &Tree::null());
                }),
            }
        }
        for row in live {
            let key = key(row, width);
            if !ours.contains_key(&key) {
                self.at(step(&key), |walk| walk.differ(DifferenceKind::OnlyLive, &Tree::null(), row));
            }
        }
        if let Some((at, other)) = moved.filter(|_| !self.comparison.rules.any_row_order) {
            let place = |at: usize| Tree::string(&format!("row {at}"));
            self.at(step(&key(&recorded[at], width)), |walk| {
                walk.differ(DifferenceKind::Order, &place(at), &place(other));
            });
        }
    }
}

/// Returns how many cells a row begins with that are values of dimensions. Those of measures have no number and are locked.
fn dimensions(row: &Tree) -> usize {
    let is_dimension = |cell: &&Tree| {
        let element = cell.member("qElemNumber").and_then(Tree::as_i64);
        let locked = cell.member("qState").is_some_and(|state| state.as_str().as_deref() == Some("L"));
        cell.is_object() && element.is_some_and(|element| element != 0 || !locked)
    };
    row.elements().iter().take_while(is_dimension).count()
}

/// Returns where which row is; nothing if rows have no names, or two the same.
fn keys(rows: &[Tree], width: usize) -> Option<HashMap<String, usize>> {
    if width == 0 {
        return None;
    }
    let keys: HashMap<_, _> = rows.iter().enumerate().map(|(at, row)| (key(row, width), at)).collect();
    (keys.len() == rows.len()).then_some(keys)
}

fn key(row: &Tree, width: usize) -> String {
    let text = |cell: &Tree| {
        let text = cell.member("qText").and_then(|text| text.as_str().map(|text| text.into_owned()));
        text.unwrap_or_else(|| cell.to_string())
    };
    row.elements().iter().take(width).map(text).collect::<Vec<_>>().join(", ")
}

fn step(key: &str) -> String {
    match key.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("[{}…]", &key[..end]),
        None => format!("[{key}]"),
    }
}
