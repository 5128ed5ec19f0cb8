//! When two numbers are equal.

/// How far apart numbers may be that are not both whole, unless something else is said.
const USUAL: f64 = 1e-9;

/// Up to here, every whole number is a double.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Returns whether two numbers differ by no more than `tolerance` of the larger one, or by no more than it near zero.
///
/// Without a tolerance, whole numbers that differ are different, and others may be a billionth apart: sums of fractions depend on the
/// order in which an engine adds, counts and times do not.
pub(super) fn are_near(one: f64, other: f64, tolerance: Option<f64>) -> bool {
    let are_whole = [one, other].iter().all(|number| number.fract() == 0.0 && number.abs() < WHOLE);
    match tolerance {
        _ if one == other => true,
        None if are_whole => false,
        tolerance => {
            let tolerance = tolerance.unwrap_or(USUAL);
            (one - other).abs() <= tolerance * one.abs().max(other.abs()).max(1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance_is_relative_to_large_numbers_and_absolute_near_zero() {
        let are_near = |one, other, tolerance| are_near(one, other, Some(tolerance));
        assert!(are_near(1e15, 1e15 + 1.0, 1e-9) && !are_near(1e9, 1e9 + 10.0, 1e-9));
        assert!(are_near(0.0, 1e-10, 1e-9) && !are_near(0.0, 1e-8, 1e-9));
        assert!(are_near(0.1 + 0.2, 0.3, 1e-9) && !are_near(0.1 + 0.2, 0.3, 0.0));
        assert!(are_near(-1.0, -1.0, 0.0) && !are_near(-1.0, 1.0, 1e-9));
    }

    #[test]
    fn whole_numbers_are_exact_unless_a_tolerance_is_given() {
        assert!(!are_near(1_700_000_000.0, 1_700_000_001.0, None));
        assert!(are_near(1_700_000_000.0, 1_700_000_001.0, Some(1e-9)));
        assert!(are_near(0.1 + 0.2, 0.3, None) && are_near(1e300, 1e300 * (1.0 + 1e-15), None));
        assert!(are_near(3.0, 3.0 + 1e-12, None), "one of them is not whole");
    }
}
