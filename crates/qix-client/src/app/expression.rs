//! Expressions, checked.

use qix_protocol::schema::NxRange;

use crate::{Doc, Error};

/// What is wrong with an expression, made by [`Doc::check`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ExpressionCheck {
    /// Why it cannot be understood, in the engine's language.
    pub error: Option<String>,
    /// The names in it that are neither fields nor variables; an engine calculates with null for them.
    pub unknown: Vec<String>,
    /// The names in it that mean something else than they seem to, such as system fields.
    pub dangerous: Vec<String>,
}

impl ExpressionCheck {
    /// Returns whether nothing is wrong.
    pub fn is_fine(&self) -> bool {
        self.error.is_none() && self.unknown.is_empty() && self.dangerous.is_empty()
    }
}

impl Doc {
    /// Checks an expression without calculating it.
    ///
    /// # Errors
    ///
    /// Those of `CheckExpression`; that the expression is wrong is none.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is changed.
    pub async fn check(&self, expression: &str) -> Result<ExpressionCheck, Error> {
        let said = self.check_expression(expression).await?;
        let names = |ranges: &[NxRange]| ranges.iter().map(|range| cut(expression, range)).collect();
        Ok(ExpressionCheck {
            error: Some(said.error_msg.clone()).filter(|text| !text.is_empty()),
            unknown: names(&said.bad_field_names),
            dangerous: names(&said.dangerous_field_names),
        })
    }
}

/// Returns what a range marks, taken for UTF-16 units, in which the engine's JavaScript clients count.
fn cut(text: &str, range: &NxRange) -> String {
    let count = |number: i32| usize::try_from(number).unwrap_or_default();
    let marked = text.encode_utf16().skip(count(range.from)).take(count(range.count));
    String::from_utf16_lossy(&marked.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_cut_out_by_what_the_engine_marks_and_never_beyond_the_text() {
        let range = |from, count| {
            let mut range = NxRange::default();
            (range.from, range.count) = (from, count);
            range
        };
        assert_eq!(cut("Sum(Ümsatz)", &range(4, 6)), "Ümsatz");
        assert_eq!(cut("Sum(x)", &range(4, 100)), "x)");
        assert_eq!(cut("Sum(x)", &range(-1, -1)), "");
    }
}
