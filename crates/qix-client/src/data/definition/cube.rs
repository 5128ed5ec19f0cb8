//! Hypercubes.

use qix_protocol::schema::{
    HyperCubeDef, NxCalcCond, NxDataReductionMode, NxHypercubeMode, NxPage, StringExpr, ValueExpr,
};

use super::{Dimension, Measure};
use crate::data::MAX_CELLS;

/// What a hypercube computes: measures by dimensions.
///
/// ```
/// use qix_client::data::{CubeDef, Dimension, Measure, Sort};
///
/// let best_first = CubeDef::new()
///     .dimension(Dimension::field("Region").label("Area").suppress_nulls())
///     .measure(Measure::expression("Sum(Sales)").label("Sales").sort(Sort::by_number().descending()))
///     .sorted_by(&[1]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CubeDef(HyperCubeDef);

impl CubeDef {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a dimension.
    pub fn dimension(mut self, dimension: impl Into<Dimension>) -> Self {
        self.0.dimensions.push(dimension.into().into());
        self
    }

    /// Adds a measure.
    pub fn measure(mut self, measure: impl Into<Measure>) -> Self {
        self.0.measures.push(measure.into().into());
        self
    }

    /// Sets by which columns rows are sorted, the first before the second: `qInterColumnSortOrder`. Columns are counted from 0,
    /// dimensions before measures.
    pub fn sorted_by(mut self, columns: &[i32]) -> Self {
        self.0.inter_column_sort_order = columns.to_vec();
        self
    }

    /// Sets the order of the columns, which are counted as in [`sorted_by`](Self::sorted_by). Default: dimensions, then measures.
    pub fn column_order(mut self, columns: &[i32]) -> Self {
        self.0.column_order = columns.to_vec();
        self
    }

    /// Leaves rows out whose measures are all zero.
    pub fn suppress_zero(mut self) -> Self {
        self.0.suppress_zero = true;
        self
    }

    /// Leaves rows out whose measures are all missing.
    pub fn suppress_missing(mut self) -> Self {
        self.0.suppress_missing = true;
        self
    }

    /// Has the first `rows` rows come with each layout, which saves a round trip; fewer if they had more than
    /// [`MAX_CELLS`] cells. Default none.
    ///
    /// It counts the columns there are when it is called, so it comes last.
    pub fn initial_rows(mut self, rows: usize) -> Self {
        let width = (self.0.dimensions.len() + self.0.measures.len()).max(1);
        // Of wider cubes not even one row fits, and with too many cells the layout has an error and no data.
        let height = rows.min(MAX_CELLS / width);
        let int = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let page = NxPage { width: int(width), height: int(height), ..NxPage::default() };
        self.0.initial_data_fetch = if height > 0 { vec![page] } else { Vec::new() };
        self
    }

    /// Makes a pivot table, of whose dimensions this many are rows and the others columns.
    pub fn pivot(mut self, left_dimensions: usize) -> Self {
        self.0.mode = NxHypercubeMode::Pivot;
        self.0.no_of_left_dims = i32::try_from(left_dimensions).unwrap_or(i32::MAX);
        self.0.always_fully_expanded = true;
        self
    }

    /// Makes a stacked pivot table, as stacked charts use.
    pub fn stacked(mut self) -> Self {
        self.0.mode = NxHypercubeMode::PivotStack;
        self.0.always_fully_expanded = true;
        self
    }

    /// Makes a tree.
    pub fn tree(mut self) -> Self {
        self.0.mode = NxHypercubeMode::Tree;
        self
    }

    /// Puts the measures of a pivot table among its dimensions, at this place; −1 is after the last.
    pub fn measures_at(mut self, position: i32) -> Self {
        self.0.pseudo_dim_pos = position;
        self
    }

    /// Reduces data as for a chart with more points than pixels.
    pub fn reduction(mut self, mode: NxDataReductionMode) -> Self {
        self.0.reduction_mode = mode;
        self
    }

    /// Computes in an alternate state instead of the default one.
    pub fn in_state(mut self, state: &str) -> Self {
        state.clone_into(&mut self.0.state_name);
        self
    }

    /// Computes only while a condition holds. Otherwise reading the data fails with the code 7005 and `message`, which may be an
    /// expression.
    pub fn only_if(mut self, condition: &str, message: &str) -> Self {
        let condition = ValueExpr { v: condition.to_owned(), ..ValueExpr::default() };
        let message = StringExpr { v: message.to_owned(), ..StringExpr::default() };
        self.0.calc_condition =
            Some(Box::new(NxCalcCond { cond: condition, msg: message, ..NxCalcCond::default() }));
        self
    }

    /// Sets the title, which may be an expression.
    pub fn title(mut self, title: &str) -> Self {
        title.clone_into(&mut self.0.title.v);
        self
    }

    /// Shows totals above the rows that they are of, instead of below.
    pub fn totals_above(mut self) -> Self {
        self.0.show_totals_above = true;
        self
    }

    /// Changes what this builder has no word for.
    pub fn with(mut self, change: impl FnOnce(&mut HyperCubeDef)) -> Self {
        change(&mut self.0);
        self
    }
}

impl From<HyperCubeDef> for CubeDef {
    fn from(def: HyperCubeDef) -> Self {
        Self(def)
    }
}

impl From<CubeDef> for HyperCubeDef {
    fn from(def: CubeDef) -> Self {
        def.0
    }
}
