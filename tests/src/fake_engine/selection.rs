//! Selections in fields, and the associative logic over a single table.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Column, Table};

/// What is selected in one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldSelection {
    pub(crate) values: BTreeSet<u32>,
    pub(crate) locked: bool,
}

/// What is selected, by field name; fields without selection are absent.
pub(crate) type Fields = BTreeMap<String, FieldSelection>;

// As many steps as the client of the product keeps.
const UNDO_STEPS: usize = 100;

/// The selections of a session with the way back and forth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selections {
    now: Fields,
    back: Vec<Fields>,
    forward: Vec<Fields>,
}

impl Selections {
    pub(crate) fn fields(&self) -> &Fields {
        &self.now
    }

    pub(crate) fn field(&self, name: &str) -> Option<&FieldSelection> {
        self.now.get(name)
    }

    pub(crate) fn is_locked(&self, name: &str) -> bool {
        self.field(name).is_some_and(|selection| selection.locked)
    }

    /// Makes `next` the selections; true if that changed anything.
    pub(crate) fn replace(&mut self, mut next: Fields) -> bool {
        next.retain(|_, selection| !selection.values.is_empty());
        if next == self.now {
            return false;
        }
        self.back.push(std::mem::replace(&mut self.now, next));
        if self.back.len() > UNDO_STEPS {
            self.back.remove(0);
        }
        self.forward.clear();
        true
    }

    /// Selects exactly `values` in `field`; false if the field is locked.
    pub(crate) fn select(&mut self, field: &str, values: BTreeSet<u32>) -> bool {
        if self.is_locked(field) {
            return false;
        }
        let mut next = self.now.clone();
        next.insert(field.to_owned(), FieldSelection { values, locked: false });
        self.replace(next);
        true
    }

    /// Locks or unlocks one field; false if nothing is selected there.
    pub(crate) fn set_lock(&mut self, field: &str, locked: bool) -> bool {
        let mut next = self.now.clone();
        let Some(selection) = next.get_mut(field) else { return false };
        selection.locked = locked;
        self.replace(next);
        true
    }

    pub(crate) fn set_all_locks(&mut self, locked: bool) {
        let mut next = self.now.clone();
        next.values_mut().for_each(|selection| selection.locked = locked);
        self.replace(next);
    }

    /// Clears everything that is not locked, or all.
    pub(crate) fn clear(&mut self, locked_also: bool) {
        let mut next = self.now.clone();
        next.retain(|_, selection| selection.locked && !locked_also);
        self.replace(next);
    }

    pub(crate) fn go_back(&mut self) -> bool {
        let Some(previous) = self.back.pop() else { return false };
        self.forward.push(std::mem::replace(&mut self.now, previous));
        true
    }

    pub(crate) fn go_forward(&mut self) -> bool {
        let Some(next) = self.forward.pop() else { return false };
        self.back.push(std::mem::replace(&mut self.now, next));
        true
    }

    pub(crate) fn back_count(&self) -> usize {
        self.back.len()
    }

    pub(crate) fn forward_count(&self) -> usize {
        self.forward.len()
    }
}

/// The state of one value, as its wire letters.
pub(crate) type StateLetter = &'static str;

/// What the selections make of the rows.
///
/// A row is possible if no field excludes it. A value is available in its own field if a row holds it that no *other*
/// field excludes; so for each row it is enough to know how many fields exclude it, and which one if it is only one.
#[derive(Debug)]
pub(crate) struct Associations {
    pub(crate) possible: Vec<u32>,
    /// By row: the excluding field's column if exactly one field excludes the row, else `MANY`.
    single: Vec<u32>,
}

const MANY: u32 = u32::MAX;
const NONE: u32 = u32::MAX - 1;

impl Associations {
    pub(crate) fn compute(table: &Table, fields: &Fields) -> Self {
        let mut single = vec![NONE; table.rows];
        for (name, selection) in fields {
            let Some(at) = table.column_index(name) else { continue };
            let column = &table.columns[at];
            let mut chosen = vec![false; column.symbols.len()];
            for value in &selection.values {
                if let Some(slot) = chosen.get_mut(*value as usize) {
                    *slot = true;
                }
            }
            for (row, cell) in column.cells.iter().enumerate() {
                if !chosen[*cell as usize] {
                    single[row] = if single[row] == NONE { at as u32 } else { MANY };
                }
            }
        }
        let possible = (0u32..).zip(&single).filter(|(_, by)| **by == NONE).map(|(row, _)| row).collect();
        Self { possible, single }
    }

    /// Tells for each value of a field whether the other fields leave it a row.
    pub(crate) fn available(&self, at: usize, column: &Column) -> Vec<bool> {
        let mut out = vec![false; column.symbols.len()];
        for (row, by) in self.single.iter().enumerate() {
            if *by == NONE || *by as usize == at {
                out[column.cells[row] as usize] = true;
            }
        }
        out
    }

    /// Returns the state of each value of a field.
    pub(crate) fn states(&self, table: &Table, at: usize, fields: &Fields) -> Vec<StateLetter> {
        let column = &table.columns[at];
        let selection = fields.get(&column.name);
        let available = self.available(at, column);
        (0u32..)
            .zip(available)
            .map(|(value, available)| match selection {
                None => {
                    if available {
                        "O"
                    } else {
                        "X"
                    }
                }
                Some(selection) => match (selection.values.contains(&value), selection.locked, available) {
                    (true, false, true) => "S",
                    (true, false, false) => "XS",
                    (true, true, true) => "L",
                    (true, true, false) => "XL",
                    (false, _, true) => "A",
                    (false, _, false) => "X",
                },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::sales;
    use super::*;

    fn state(table: &Table, selections: &Selections, field: &str) -> String {
        let associations = Associations::compute(table, selections.fields());
        let at = table.column_index(field).unwrap();
        associations.states(table, at, selections.fields()).join(" ")
    }

    #[test]
    fn no_selection_leaves_all_optional() {
        let table = sales(200);
        assert_eq!(state(&table, &Selections::default(), "Region"), "O O O O");
    }

    #[test]
    fn a_selection_makes_alternatives_in_its_field_and_exclusions_elsewhere() {
        let table = sales(200);
        let mut selections = Selections::default();
        let region = table.column("Region").unwrap();
        let south = region.symbols.iter().position(|symbol| symbol.text == "South").unwrap() as u32;
        assert!(selections.select("Region", [south].into()));
        let states = state(&table, &selections, "Region");
        assert_eq!(states.matches('S').count(), 1);
        assert_eq!(states.matches('A').count(), 3);
        let product = table.column("Product").unwrap();
        let sushi = product.symbols.iter().position(|symbol| symbol.text.starts_with("Sushi")).unwrap();
        let associations = Associations::compute(&table, selections.fields());
        assert_eq!(associations.states(&table, 1, selections.fields())[sushi], "X");
        // Selecting the excluded value leaves nothing possible, and both selections turn into excluded ones.
        selections.select("Product", [sushi as u32].into());
        assert!(Associations::compute(&table, selections.fields()).possible.is_empty());
        assert!(state(&table, &selections, "Product").contains("XS"));
        assert!(state(&table, &selections, "Region").contains("XS"));
    }

    #[test]
    fn locked_fields_refuse_and_survive_clear() {
        let table = sales(200);
        let mut selections = Selections::default();
        selections.select("Region", [0].into());
        assert!(selections.set_lock("Region", true));
        assert!(!selections.set_lock("Year", true));
        assert!(!selections.select("Region", [1].into()));
        selections.select("Year", [0].into());
        selections.clear(false);
        assert!(state(&table, &selections, "Region").contains('L'));
        assert!(selections.field("Year").is_none());
        selections.clear(true);
        assert!(selections.fields().is_empty());
    }

    #[test]
    fn back_and_forward_walk_the_steps() {
        let mut selections = Selections::default();
        selections.select("Region", [0].into());
        selections.select("Region", [1].into());
        // Selecting the same again is no step.
        selections.select("Region", [1].into());
        assert_eq!(selections.back_count(), 2);
        assert!(selections.go_back());
        assert_eq!(selections.field("Region").unwrap().values, [0].into());
        assert!(selections.go_forward());
        assert!(!selections.go_forward());
        selections.go_back();
        selections.select("Year", [0].into());
        assert_eq!(selections.forward_count(), 0);
        for step in 0..300 {
            selections.select("Sales", [step % 7].into());
        }
        assert_eq!(selections.back_count(), 100);
    }
}
