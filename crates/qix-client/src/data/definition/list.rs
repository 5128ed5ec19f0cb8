//! List objects.

use qix_protocol::schema::{ListObjectDef, NxDimension, NxFrequencyMode, NxListObjectExpressionDef, NxPage};

use super::{Dimension, Sort};
use crate::data::MAX_CELLS;

/// What a list object shows: all values of a dimension with their states. A `&str` is a field, as in [`Dimension`].
#[derive(Clone, Debug, PartialEq)]
pub struct ListDef(ListObjectDef);

impl ListDef {
    /// Lists the values of a dimension. Of it the definition, the label and the order count.
    pub fn new(dimension: impl Into<Dimension>) -> Self {
        let NxDimension { library_id, def, .. } = dimension.into().into();
        let mut list = ListObjectDef { library_id, def, ..ListObjectDef::default() };
        list.show_alternatives = true;
        Self(list)
    }

    /// Sets the order of the values.
    pub fn sort(mut self, sort: Sort) -> Self {
        let fields = self.0.def.field_defs.len().max(1);
        self.0.def.sort_criterias = vec![sort.into(); fields];
        self
    }

    /// Tells of each value how often it occurs; see `qFrequency` of cells.
    pub fn frequency(mut self, mode: NxFrequencyMode) -> Self {
        self.0.frequency_mode = mode;
        self
    }

    /// Computes an expression for each value.
    pub fn expression(mut self, expression: &str) -> Self {
        let expr = NxListObjectExpressionDef { expr: expression.to_owned(), ..Default::default() };
        self.0.expressions.push(expr);
        self
    }

    /// Has the first `rows` values come with each layout, at most [`MAX_CELLS`]. Default none.
    pub fn initial_rows(mut self, rows: usize) -> Self {
        let width = 1 + self.0.expressions.len().min(MAX_CELLS - 1);
        let int = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let height = int(rows.min(MAX_CELLS / width));
        self.0.initial_data_fetch = vec![NxPage { width: int(width), height, ..NxPage::default() }];
        self
    }

    /// Counts and selects in an alternate state instead of the default one.
    pub fn in_state(mut self, state: &str) -> Self {
        state.clone_into(&mut self.0.state_name);
        self
    }

    /// Changes what this builder has no word for.
    pub fn with(mut self, change: impl FnOnce(&mut ListObjectDef)) -> Self {
        change(&mut self.0);
        self
    }
}

impl<D: Into<Dimension>> From<D> for ListDef {
    fn from(dimension: D) -> Self {
        Self::new(dimension)
    }
}

impl From<ListDef> for ListObjectDef {
    fn from(def: ListDef) -> Self {
        def.0
    }
}
