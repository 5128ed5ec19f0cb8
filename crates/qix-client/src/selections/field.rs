//! Selections in a field.

use std::{
    fmt::Write as _,
    ops::{Bound, RangeBounds},
    sync::Arc,
};

use qix_protocol::schema::FieldValue;
use tokio::sync::OnceCell;

use super::{Value, done};
use crate::{Doc, Error, Field};

/// Selects in one field; made by [`Doc::field`](crate::Doc::field). Cheap to clone.
///
/// Every method but [`open`](Self::open) ends with [`ErrorKind::Unsuccessful`](crate::ErrorKind::Unsuccessful) if the engine did
/// nothing, and with [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is no such field.
#[derive(Clone, Debug)]
pub struct FieldSelections {
    doc: Doc,
    name: Arc<str>,
    state: Option<Arc<str>>,
    field: Arc<OnceCell<Field>>,
}

impl Doc {
    /// Selects in a field. It is opened when it is first needed.
    pub fn field(&self, name: &str) -> FieldSelections {
        FieldSelections { doc: self.clone(), name: name.into(), state: None, field: Arc::default() }
    }
}

macro_rules! selections {
    ($($(#[$meta:meta])* $name:ident = $method:ident, $wire:literal;)*) => {$(
        $(#[$meta])*
        ///
        /// # Errors
        ///
        /// See [`FieldSelections`].
        pub async fn $name(&self) -> Result<(), Error> {
            done(self.open().await?.$method().await?, $wire)
        }
    )*};
}

impl FieldSelections {
    /// Selects in an alternate state instead of the default one.
    pub fn in_state(self, state: &str) -> Self {
        Self { state: Some(state.into()), field: Arc::default(), ..self }
    }

    /// Returns the field's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the field with all its methods, opened once.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    pub async fn open(&self) -> Result<Field, Error> {
        let open = || async {
            let call = self.doc.get_field(&self.name);
            match &self.state {
                Some(state) => call.state_name(state).await,
                None => call.await,
            }
        };
        self.field.get_or_try_init(open).await.cloned()
    }

    /// Selects these values, and no others.
    ///
    /// # Errors
    ///
    /// See [`FieldSelections`]. Values that are not there are left out as long as there is one that is.
    pub async fn select_values<V: Into<Value>>(
        &self,
        values: impl IntoIterator<Item = V> + Send,
    ) -> Result<(), Error> {
        let values = field_values(values);
        done(self.open().await?.select_values(&values).await?, "SelectValues")
    }

    /// Turns over whether each of these values is selected.
    ///
    /// # Errors
    ///
    /// See [`FieldSelections`].
    pub async fn toggle_values<V: Into<Value>>(
        &self,
        values: impl IntoIterator<Item = V> + Send,
    ) -> Result<(), Error> {
        let values = field_values(values);
        done(self.open().await?.select_values(&values).toggle_mode(true).await?, "SelectValues")
    }

    /// Selects values by their index in the field, as [`Element`](crate::data::Element) has it.
    ///
    /// # Errors
    ///
    /// See [`FieldSelections`].
    pub async fn select_elements(&self, elements: &[i64]) -> Result<(), Error> {
        done(self.open().await?.low_level_select(elements, false).await?, "LowLevelSelect")
    }

    /// Selects what a search finds: a text with the wildcards `*` and `?`, or an expression such as `=Sum(Sales)>100`.
    ///
    /// # Errors
    ///
    /// See [`FieldSelections`].
    pub async fn search(&self, pattern: &str) -> Result<(), Error> {
        done(self.open().await?.select(pattern).await?, "Select")
    }

    /// Selects the numbers in a range, by a search such as `>=2019<=2021`.
    ///
    /// # Errors
    ///
    /// See [`FieldSelections`].
    pub async fn select_range(&self, range: impl RangeBounds<f64> + Send) -> Result<(), Error> {
        let pattern = range_pattern(&range);
        self.search(&pattern).await
    }

    selections! {
        /// Selects all values.
        select_all = select_all, "SelectAll";
        /// Selects the values that are possible.
        select_possible = select_possible, "SelectPossible";
        /// Selects the values that are alternatives to those that are selected.
        select_alternative = select_alternative, "SelectAlternative";
        /// Selects the values that are excluded.
        select_excluded = select_excluded, "SelectExcluded";
        /// Selects nothing.
        clear = clear, "Clear";
        /// Selects nothing in all other fields.
        clear_others = clear_all_but_this, "ClearAllButThis";
        /// Locks what is selected.
        lock = lock, "Lock";
        /// Unlocks what is selected.
        unlock = unlock, "Unlock";
    }
}

fn field_values<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Vec<FieldValue> {
    values.into_iter().map(|value| value.into().into()).collect()
}

fn range_pattern(range: &impl RangeBounds<f64>) -> String {
    let mut pattern = String::new();
    // Writing to a text cannot fail.
    let _ = match range.start_bound() {
        Bound::Included(start) => write!(pattern, ">={start}"),
        Bound::Excluded(start) => write!(pattern, ">{start}"),
        Bound::Unbounded => Ok(()),
    };
    let _ = match range.end_bound() {
        Bound::Included(end) => write!(pattern, "<={end}"),
        Bound::Excluded(end) => write!(pattern, "<{end}"),
        Bound::Unbounded => Ok(()),
    };
    if pattern.is_empty() { "*".to_owned() } else { pattern }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_become_searches() {
        assert_eq!(range_pattern(&(2019.0..=2021.5)), ">=2019<=2021.5");
        assert_eq!(range_pattern(&(..3.0)), "<3");
        assert_eq!(range_pattern(&(-1e21..)), ">=-1000000000000000000000");
        assert_eq!(range_pattern(&(..)), "*");
    }
}
