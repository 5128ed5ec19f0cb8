//! An app as one session has it open: data, selections, modal state.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use super::app::{App, Kind};
use super::eval::{Hold, Scope, Val};
use super::expression;
use super::hypercube::Cube;
use super::selection::{Associations, Selections};
use super::table::Table;

/// The object that holds modal selections, and how to undo them.
#[derive(Clone, Debug)]
pub(crate) struct Modal {
    pub(crate) object: String,
    pub(crate) start: Selections,
}

/// The open app of a session.
#[derive(Debug)]
pub(crate) struct Doc {
    pub(crate) app: App,
    pub(crate) selections: Selections,
    pub(crate) modal: Option<Modal>,
    pub(crate) without_data: bool,
    /// Texts searched for in list objects, by object id and path.
    pub(crate) searches: BTreeMap<(String, String), String>,
    empty: Table,
    associations: OnceLock<Associations>,
    cubes: RefCell<HashMap<String, Arc<Cube>>>,
}

// Enough for a sheet full of charts; a client that makes more only loses speed.
const CACHED_CUBES: usize = 64;

impl Doc {
    pub(crate) fn new(app: App, without_data: bool) -> Self {
        Self {
            app,
            selections: Selections::default(),
            modal: None,
            without_data,
            searches: BTreeMap::new(),
            empty: Table::default(),
            associations: OnceLock::new(),
            cubes: RefCell::default(),
        }
    }

    /// Returns the data, which is empty for an app opened without it.
    pub(crate) fn table(&self) -> &Table {
        if self.without_data { &self.empty } else { &self.app.table }
    }

    pub(crate) fn associations(&self) -> &Associations {
        self.associations.get_or_init(|| Associations::compute(self.table(), self.selections.fields()))
    }

    /// Forgets what was computed; to be called after each change of data, selections, variables or properties.
    pub(crate) fn forget(&mut self) {
        self.associations = OnceLock::new();
        self.cubes.get_mut().clear();
    }

    /// Returns the cube of a definition, computed at most once between two changes.
    pub(crate) fn cube(&self, key: &str, compute: impl FnOnce() -> Cube) -> Arc<Cube> {
        if let Some(cube) = self.cubes.borrow().get(key) {
            return cube.clone();
        }
        let cube = Arc::new(compute());
        let mut cubes = self.cubes.borrow_mut();
        if cubes.len() >= CACHED_CUBES {
            cubes.clear();
        }
        // A held answer must be held each time it is asked for, so its cube is not kept.
        if !cube.is_slow {
            cubes.insert(key.to_owned(), cube.clone());
        }
        cube
    }

    pub(crate) fn variable_value(&self, name: &str) -> Option<Val> {
        let definition = self.app.variable(name)?.props["qDefinition"].as_str()?;
        Some(match definition.strip_prefix('=') {
            // A variable may name itself, so its expression sees no variables.
            Some(formula) => self.eval_with(formula, &Cell::new(None), &|_| None).unwrap_or(Val::Null),
            None => definition.parse().map_or_else(|_| Val::Text(definition.to_owned()), Val::Num),
        })
    }

    /// Evaluates an expression over what is possible.
    ///
    /// # Errors
    ///
    /// The text that the engine would show in the place of the value.
    pub(crate) fn eval(&self, text: &str, hold: &Cell<Option<Hold>>) -> Result<Val, String> {
        self.eval_with(text, hold, &|name| self.variable_value(name))
    }

    fn eval_with(
        &self,
        text: &str,
        hold: &Cell<Option<Hold>>,
        variables: &dyn Fn(&str) -> Option<Val>,
    ) -> Result<Val, String> {
        let expr = expression::parse(text)?;
        let rows = &self.associations().possible;
        Scope { table: self.table(), rows, possible: rows, variables, nested: false, hold }.eval(&expr)
    }

    /// Returns the object that may not be disturbed, if it is another one than `object`.
    pub(crate) fn blocked_for(&self, object: Option<&str>) -> bool {
        self.modal.as_ref().is_some_and(|modal| Some(modal.object.as_str()) != object)
    }

    /// Returns the field behind a library dimension or a field definition such as `=[Region]`.
    pub(crate) fn field_of(&self, definition: &str) -> Option<usize> {
        self.table().column_index(definition.trim().trim_start_matches('='))
    }

    pub(crate) fn dimension_definition(&self, library_id: &str) -> Option<&serde_json::Value> {
        self.app.find(Kind::Dimension, library_id).map(|entity| &entity.effective()["qDim"])
    }

    pub(crate) fn measure_definition(&self, library_id: &str) -> Option<&serde_json::Value> {
        self.app.find(Kind::Measure, library_id).map(|entity| &entity.effective()["qMeasure"])
    }
}
