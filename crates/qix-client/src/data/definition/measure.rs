//! Measures.

use qix_protocol::schema::{FieldAttrType, FieldAttributes, NxAttrExprDef, NxMeasure};

use super::Sort;

/// A measure of a cube: an expression, or a measure of the app's library. A `&str` is an expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure(NxMeasure);

impl Measure {
    /// Computes an expression, such as `Sum(Sales)`.
    pub fn expression(expression: &str) -> Self {
        let mut measure = NxMeasure::default();
        expression.clone_into(&mut measure.def.def);
        Self(measure)
    }

    /// Takes a measure of the app's library, by its id.
    pub fn library(id: &str) -> Self {
        Self(NxMeasure { library_id: id.to_owned(), ..NxMeasure::default() })
    }

    /// Names the measure. Default: its expression.
    pub fn label(mut self, label: &str) -> Self {
        label.clone_into(&mut self.0.def.label);
        self
    }

    /// Sets how the engine writes the numbers as texts, such as `#,##0.00`.
    pub fn format(mut self, pattern: &str) -> Self {
        self.0.def.num_format = FieldAttributes {
            type_: FieldAttrType::Fix,
            fmt: pattern.to_owned(),
            ..FieldAttributes::default()
        };
        self
    }

    /// Sets the order of the rows, for cubes that are sorted by this measure.
    pub fn sort(mut self, sort: Sort) -> Self {
        self.0.sort_by = sort.into();
        self
    }

    /// Computes an expression for each number, such as a colour; see `qAttrExps` of cells.
    pub fn attribute(mut self, expression: &str) -> Self {
        let attribute = NxAttrExprDef { expression: expression.to_owned(), ..NxAttrExprDef::default() };
        self.0.attribute_expressions.push(attribute);
        self
    }

    /// Changes what this builder has no word for.
    pub fn with(mut self, change: impl FnOnce(&mut NxMeasure)) -> Self {
        change(&mut self.0);
        self
    }
}

impl From<&str> for Measure {
    fn from(expression: &str) -> Self {
        Self::expression(expression)
    }
}

impl From<NxMeasure> for Measure {
    fn from(measure: NxMeasure) -> Self {
        Self(measure)
    }
}

impl From<Measure> for NxMeasure {
    fn from(measure: Measure) -> Self {
        measure.0
    }
}
