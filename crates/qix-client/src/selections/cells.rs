//! Selections in cubes and lists.

use qix_protocol::schema::{NxRangeSelectInfo, NxSelectionCell, Range};

use super::{Modal, done};
use crate::{
    Error,
    data::{HyperCube, ListObject},
};

/// What becomes of the values that are selected already.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// They are not selected any more, unless they are selected again.
    #[default]
    Replace,
    /// They stay selected; values that are given and selected are not selected any more.
    Toggle,
}

impl HyperCube {
    /// Selects values of a dimension by their index, as [`Element`](crate::data::Element) has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsuccessful`](crate::ErrorKind::Unsuccessful) if the engine says that nothing was selected.
    pub async fn select(&self, dimension: usize, elements: &[i64], mode: Mode) -> Result<(), Error> {
        let dimension = i64::try_from(dimension).unwrap_or(i64::MAX);
        let toggle = mode == Mode::Toggle;
        let call = self.object().select_hypercube_values(self.path(), dimension, elements, toggle);
        done(call.await?, "SelectHyperCubeValues")
    }

    /// Selects the values in these rows of these columns.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    pub async fn select_cells(&self, rows: &[i64], columns: &[i64]) -> Result<(), Error> {
        let call = self.object().select_hypercube_cells(self.path(), rows, columns);
        done(call.await?, "SelectHyperCubeCells")
    }

    /// Selects the rows whose measure is within a range, both ends included.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    pub async fn select_range(&self, measure: usize, min: f64, max: f64) -> Result<(), Error> {
        let range = Range {
            min: min.into(),
            max: max.into(),
            min_incl_eq: true,
            max_incl_eq: true,
            ..Range::default()
        };
        let measure_ix = i32::try_from(measure).unwrap_or(i32::MAX);
        let ranges = [NxRangeSelectInfo { range, measure_ix, ..NxRangeSelectInfo::default() }];
        let call = self.object().range_select_hypercube_values(self.path(), &ranges);
        done(call.await?, "RangeSelectHyperCubeValues")
    }

    /// Selects cells of a pivot table.
    ///
    /// # Errors
    ///
    /// As [`select`](Self::select).
    pub async fn select_pivot_cells(&self, cells: &[NxSelectionCell]) -> Result<(), Error> {
        done(self.object().select_pivot_cells(self.path(), cells).await?, "SelectPivotCells")
    }

    /// Clears the selections in all dimensions.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn clear(&self) -> Result<(), Error> {
        self.object().clear_selections(self.path()).await
    }

    /// Begins modal selections: see [`Modal`].
    ///
    /// # Errors
    ///
    /// As [`Modal::begin`].
    pub async fn begin(&self) -> Result<Modal, Error> {
        Modal::begin(self.object(), &[self.path()]).await
    }
}

macro_rules! selections {
    ($($(#[$meta:meta])* $name:ident = $method:ident, $wire:literal;)*) => {$(
        $(#[$meta])*
        ///
        /// # Errors
        ///
        /// As [`select`](Self::select).
        pub async fn $name(&self) -> Result<(), Error> {
            done(self.object().$method(self.path()).await?, $wire)
        }
    )*};
}

impl ListObject {
    /// Selects values by their index, as [`Element`](crate::data::Element) has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsuccessful`](crate::ErrorKind::Unsuccessful) if the engine says that nothing was selected.
    pub async fn select(&self, elements: &[i64], mode: Mode) -> Result<(), Error> {
        let toggle = mode == Mode::Toggle;
        let call = self.object().select_list_object_values(self.path(), elements, toggle);
        done(call.await?, "SelectListObjectValues")
    }

    selections! {
        /// Selects all values.
        select_all = select_list_object_all, "SelectListObjectAll";
        /// Selects the values that are possible.
        select_possible = select_list_object_possible, "SelectListObjectPossible";
        /// Selects the values that are alternatives to those that are selected.
        select_alternative = select_list_object_alternative, "SelectListObjectAlternative";
        /// Selects the values that are excluded.
        select_excluded = select_list_object_excluded, "SelectListObjectExcluded";
    }

    /// Clears the selections.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn clear(&self) -> Result<(), Error> {
        self.object().clear_selections(self.path()).await
    }

    /// Locks what is selected.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn lock(&self) -> Result<(), Error> {
        self.object().lock(self.path()).await
    }

    /// Unlocks what is selected.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn unlock(&self) -> Result<(), Error> {
        self.object().unlock(self.path()).await
    }

    /// Begins modal selections: see [`Modal`].
    ///
    /// # Errors
    ///
    /// As [`Modal::begin`].
    pub async fn begin(&self) -> Result<Modal, Error> {
        Modal::begin(self.object(), &[self.path()]).await
    }
}
