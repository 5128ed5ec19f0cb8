//! In which order values come.

use qix_protocol::schema::SortCriteria;

/// The order of a dimension's or measure's values: ascending, unless turned by [`descending`](Self::descending).
///
/// ```
/// use qix_client::data::Sort;
///
/// let latest_first = Sort::by_number().descending();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sort(SortCriteria);

impl Sort {
    /// Sorts by text.
    pub fn by_text() -> Self {
        Self(SortCriteria { sort_by_ascii: 1, ..SortCriteria::default() })
    }

    /// Sorts by number; values without one come last.
    pub fn by_number() -> Self {
        Self(SortCriteria { sort_by_numeric: 1, ..SortCriteria::default() })
    }

    /// Sorts in the order in which the values were loaded.
    pub fn by_load_order() -> Self {
        Self(SortCriteria { sort_by_load_order: 1, ..SortCriteria::default() })
    }

    /// Sorts by state: what is selected first, then what is possible, then the rest.
    pub fn by_state() -> Self {
        Self(SortCriteria { sort_by_state: 1, ..SortCriteria::default() })
    }

    /// Sorts by how often a value occurs.
    pub fn by_frequency() -> Self {
        Self(SortCriteria { sort_by_frequency: 1, ..SortCriteria::default() })
    }

    /// Sorts by the value of an expression, such as `Sum(Sales)`.
    pub fn by_expression(expression: &str) -> Self {
        let mut criteria = SortCriteria { sort_by_expression: 1, ..SortCriteria::default() };
        expression.clone_into(&mut criteria.expression.v);
        Self(criteria)
    }

    /// Turns the order around, that of all criteria given so far.
    pub fn descending(self) -> Self {
        let mut criteria = self.0;
        for direction in Self::directions(&mut criteria) {
            *direction = -direction.abs();
        }
        Self(criteria)
    }

    /// Sorts by further criteria what these leave equal. Which of several is the first the engine decides: state, expression,
    /// frequency, number, text, load order.
    pub fn and(self, other: Self) -> Self {
        let (mut criteria, mut further) = (self.0, other.0);
        for (direction, other) in
            Self::directions(&mut criteria).into_iter().zip(Self::directions(&mut further))
        {
            if *other != 0 {
                *direction = *other;
            }
        }
        if !further.expression.v.is_empty() {
            criteria.expression = further.expression;
        }
        Self(criteria)
    }

    fn directions(criteria: &mut SortCriteria) -> [&mut i8; 7] {
        [
            &mut criteria.sort_by_state,
            &mut criteria.sort_by_frequency,
            &mut criteria.sort_by_numeric,
            &mut criteria.sort_by_ascii,
            &mut criteria.sort_by_load_order,
            &mut criteria.sort_by_expression,
            &mut criteria.sort_by_greyness,
        ]
    }
}

impl From<Sort> for SortCriteria {
    fn from(sort: Sort) -> Self {
        sort.0
    }
}

impl From<SortCriteria> for Sort {
    fn from(criteria: SortCriteria) -> Self {
        Self(criteria)
    }
}
