//! Dimensions.

use qix_protocol::schema::{NxAttrExprDef, NxDimension, NxGrpType};

use super::{Limit, Sort};

/// A dimension of a cube or list: a field, an expression, a group of them, or one of the app's library.
///
/// A `&str` is a field, or an expression if it starts with `=`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension(NxDimension);

impl Dimension {
    /// Groups by a field, or by an expression that starts with `=`.
    pub fn field(field: &str) -> Self {
        Self::group(NxGrpType::Unset, &[field])
    }

    /// Takes a dimension of the app's library, by its id.
    pub fn library(id: &str) -> Self {
        Self(NxDimension { library_id: id.to_owned(), ..NxDimension::default() })
    }

    /// Groups by the first of the fields that has more than one possible value.
    pub fn drill_down(fields: &[&str]) -> Self {
        Self::group(NxGrpType::Hierarchy, fields)
    }

    /// Groups by one of the fields, the first until the user steps on with `StepCycle`.
    pub fn cyclic(fields: &[&str]) -> Self {
        Self::group(NxGrpType::Collection, fields)
    }

    /// Names the dimension; of a group, its first field that has no name yet. Default: as the field is called.
    pub fn label(mut self, label: &str) -> Self {
        self.0.def.field_labels.push(label.to_owned());
        self
    }

    /// Sets the order of the values.
    pub fn sort(mut self, sort: Sort) -> Self {
        let fields = self.0.def.field_defs.len().max(1);
        self.0.def.sort_criterias = vec![sort.into(); fields];
        self
    }

    /// Leaves rows out whose value is null.
    pub fn suppress_nulls(mut self) -> Self {
        self.0.null_suppression = true;
        self
    }

    /// Shows all values, whatever is selected elsewhere.
    pub fn show_all(mut self) -> Self {
        self.0.show_all = true;
        self
    }

    /// Adds a row with the total, of this name.
    pub fn total(mut self, label: &str) -> Self {
        self.0.show_total = true;
        label.clone_into(&mut self.0.total_label.v);
        self.0.other_total_spec.total_mode = qix_protocol::schema::TotalMode::Expr;
        self
    }

    /// Shows some of the values only.
    pub fn limit(mut self, limit: Limit) -> Self {
        let total = std::mem::take(&mut self.0.other_total_spec.total_mode);
        self.0.other_total_spec = limit.spec;
        self.0.other_total_spec.total_mode = total;
        self.0.other_label.v = limit.label.unwrap_or_default();
        self
    }

    /// Computes an expression for each value, such as a colour; see `qAttrExps` of cells.
    pub fn attribute(mut self, expression: &str) -> Self {
        let attribute = NxAttrExprDef { expression: expression.to_owned(), ..NxAttrExprDef::default() };
        self.0.attribute_expressions.push(attribute);
        self
    }

    /// Changes what this builder has no word for.
    pub fn with(mut self, change: impl FnOnce(&mut NxDimension)) -> Self {
        change(&mut self.0);
        self
    }

    fn group(grouping: NxGrpType, fields: &[&str]) -> Self {
        let mut dimension = NxDimension::default();
        dimension.def.grouping = grouping;
        dimension.def.field_defs = fields.iter().map(|&field| field.to_owned()).collect();
        Self(dimension)
    }
}

impl From<&str> for Dimension {
    fn from(field: &str) -> Self {
        Self::field(field)
    }
}

impl From<NxDimension> for Dimension {
    fn from(dimension: NxDimension) -> Self {
        Self(dimension)
    }
}

impl From<Dimension> for NxDimension {
    fn from(dimension: Dimension) -> Self {
        dimension.0
    }
}
