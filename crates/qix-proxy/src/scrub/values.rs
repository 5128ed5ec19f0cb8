//! What stands for which value: equal values stay equal, and keep their order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A number that can be sorted and is no NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Finite(f64);

impl Eq for Finite {}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The values that were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    texts: BTreeSet<String>,
    numbers: BTreeSet<Finite>,
}

/// What stands for each value.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Values {
    texts: BTreeMap<String, String>,
    /// By the number as Rust writes it.
    numbers: BTreeMap<String, i64>,
}

impl Found {
    pub(super) fn text(&mut self, text: &str) {
        if is_value(text) {
            match number_of(text) {
                Some(number) => self.number(number),
                None => _ = self.texts.insert(text.to_owned()),
            }
        }
    }

    pub(super) fn number(&mut self, number: f64) {
        if number.is_finite() {
            // Of the two zeros there is one.
            self.numbers.insert(Finite(number + 0.0));
        }
    }

    /// Decides what stands for each value.
    pub(super) fn values(&self) -> Values {
        let width = self.texts.len().to_string().len();
        let texts = self.texts.iter().zip(1..);
        let texts = texts.map(|(text, at): (_, u64)| (text.clone(), format!("v{at:0width$}"))).collect();
        let below = self.numbers.iter().filter(|number| number.0 < 0.0).count() as i64;
        let zero = i64::from(!self.numbers.contains(&Finite(0.0)));
        let rank = |(at, number): (i64, &Finite)| {
            // Signs and zero stay.
            let rank = if number.0 < 0.0 { at - below } else { at - below + zero };
            (number.0.to_string(), rank)
        };
        let numbers = (0..).zip(&self.numbers).map(rank).collect();
        Values { texts, numbers }
    }
}

impl Values {
    /// Returns what stands for a text; nothing if it is none of the data.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        if !is_value(text) {
            return None;
        }
        match number_of(text) {
            Some(number) => self.number(number).map(|number| number.to_string()),
            None => self.texts.get(text).cloned(),
        }
    }

    /// Returns what stands for a number.
    pub(super) fn number(&self, number: f64) -> Option<i64> {
        self.numbers.get(&(number + 0.0).to_string()).copied()
    }
}

/// Returns whether a text says something: an empty one, and the dash that stands for null, stay.
fn is_value(text: &str) -> bool {
    !matches!(text, "" | "-" | "NaN" | "***")
}

/// Returns the number that a text is, if it is written as numbers are: `1` and `1.0` are different texts.
fn number_of(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn equality_order_and_sign_stay(
            texts in proptest::collection::vec("[a-z ]{1,4}", 1..40),
            numbers in proptest::collection::vec(-5.0..5.0f64, 1..40),
        ) {
            let mut found = Found::default();
            texts.iter().for_each(|text| found.text(text));
            numbers.iter().chain(&[0.0]).for_each(|number| found.number(*number));
            let values = found.values();
            for (a, b) in texts.iter().zip(texts.iter().skip(1)) {
                prop_assert_eq!(values.text(a).cmp(&values.text(b)), a.cmp(b));
            }
            for (a, b) in numbers.iter().zip(numbers.iter().skip(1)) {
                let (x, y) = (values.number(*a).unwrap(), values.number(*b).unwrap());
                prop_assert_eq!(Some(x.cmp(&y)), a.partial_cmp(b));
                prop_assert_eq!(x > 0, *a > 0.0);
            }
            prop_assert_eq!(values.number(0.0), Some(0));
        }
    }

    #[test]
    fn texts_that_are_numbers_follow_them_and_null_stays() {
        let mut found = Found::default();
        for text in ["12.5", "North", "-", "", "1.0"] {
            found.text(text);
        }
        found.number(3.0);
        let values = found.values();
        assert_eq!(values.text("12.5").as_deref(), Some("2"));
        assert_eq!(values.number(12.5), Some(2));
        assert_eq!(values.text("1.0").as_deref(), Some("v1"));
        assert_eq!((values.text("-"), values.text(""), values.text("unknown")), (None, None, None));
    }
}
