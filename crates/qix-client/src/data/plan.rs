//! Which cells to ask for in one call. Pure.

use std::ops::Range;

use serde::Serialize;

/// The cells that one call asks for, as an `NxPage`. All members are written, also those that are 0, as other clients do: whatever
/// compares requests, such as a recording, takes one with fewer members for another request.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Area {
    #[serde(rename = "qLeft")]
    left: usize,
    #[serde(rename = "qTop")]
    top: usize,
    #[serde(rename = "qWidth")]
    width: usize,
    #[serde(rename = "qHeight")]
    height: usize,
}

impl Area {
    pub(super) fn new(rows: &Range<usize>, columns: &Range<usize>) -> Self {
        Self { left: columns.start, top: rows.start, width: columns.len(), height: rows.len() }
    }
}

/// Divides the rows of a table into blocks, as tall as a call may be.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    rows: Range<usize>,
    width: usize,
}

impl Plan {
    pub(super) fn new(rows: Range<usize>, width: usize) -> Self {
        Self { rows, width }
    }

    /// Returns the rows of the next block, of which one call may ask for `limit` cells.
    pub(super) fn next(&mut self, limit: usize) -> Option<Range<usize>> {
        if self.rows.is_empty() || self.width == 0 {
            return None;
        }
        let end = self.rows.end.min(self.rows.start.saturating_add(tallest(self.width, limit)));
        let block = self.rows.start..end;
        self.rows.start = end;
        Some(block)
    }
}

/// Returns how many rows of this width fit one call; one row of more than `limit` columns takes several calls.
pub(super) fn tallest(width: usize, limit: usize) -> usize {
    (limit / width.max(1)).max(1)
}

/// Divides the columns of a block so that each part is a call of at most `limit` cells, or of one column.
pub(super) fn strips(width: usize, rows: usize, limit: usize) -> impl Iterator<Item = Range<usize>> {
    let step = (limit / rows.max(1)).max(1);
    (0..width).step_by(step).map(move |left| left..width.min(left + step))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_cell_is_asked_for_once_and_no_call_exceeds_the_limit(
            start in 0..50_usize, rows in 0..500_usize, width in 0..40_usize, limit in 1..200_usize,
        ) {
            let mut seen = vec![0_u8; (start + rows) * width];
            let mut plan = Plan::new(start..start + rows, width);
            while let Some(block) = plan.next(limit) {
                for columns in strips(width, block.len(), limit) {
                    prop_assert!(block.len() * columns.len() <= limit);
                    for row in block.clone() {
                        for column in columns.clone() {
                            seen[row * width + column] += 1;
                        }
                    }
                }
            }
            prop_assert!(seen[..start * width].iter().all(|count| *count == 0));
            prop_assert!(seen[start * width..].iter().all(|count| *count == 1));
        }
    }

    #[test]
    fn zeros_of_an_area_are_written() {
        let area = serde_json::to_string(&Area::new(&(0..3), &(0..2))).unwrap();
        assert_eq!(area, r#"{"qLeft":0,"qTop":0,"qWidth":2,"qHeight":3}"#);
    }

    #[test]
    fn pages_are_as_tall_as_the_limit_allows() {
        let mut plan = Plan::new(0..25_000, 3);
        assert_eq!(plan.next(10_000), Some(0..3333));
        assert_eq!(plan.next(5_000), Some(3333..4999));
        assert_eq!(
            strips(25_000, 1, 10_000).collect::<Vec<_>>(),
            [0..10_000, 10_000..20_000, 20_000..25_000]
        );
    }
}
