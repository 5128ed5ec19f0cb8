//! When two numbers are equal.

use qix_protocol::Tree;

/// How far apart numbers may be that are not both whole, unless something else is said. Sums of a million fractions in another order
/// are off by a ten-billionth at worst.
const USUAL: f64 = 1e-9;

/// Up to here, every whole number is a double.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Returns whether two numbers, as they are written and as what they are, differ by no more than `tolerance` of the larger one, or by no
/// more than it near zero.
///
/// Without a tolerance, whole numbers that differ are different, however large, and others may be a billionth apart: sums of fractions
/// depend on the order in which an engine adds, counts and times do not.
pub(super) fn are_near(written: [&Tree; 2], numbers: [f64; 2], tolerance: Option<f64>) -> bool {
    let [one, other] = numbers;
    let Some(tolerance) = tolerance else {
        let whole = |number: &Tree| number.scalar()?.parse::<i128>().ok();
        return match (whole(written[0]), whole(written[1])) {
            (Some(one), Some(other)) => one == other,
            _ => are_within(one, other, None),
        };
    };
    are_within(one, other, Some(tolerance))
}

fn are_within(one: f64, other: f64, tolerance: Option<f64>) -> bool {
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

    fn are_written_near(one: &str, other: &str, tolerance: Option<f64>) -> bool {
        let written = [one, other].map(|text| Tree::parse(text.as_bytes()).unwrap());
        let numbers = [&written[0], &written[1]].map(|number| number.as_f64().unwrap());
        are_near([&written[0], &written[1]], numbers, tolerance)
    }

    #[test]
    fn tolerance_is_relative_to_large_numbers_and_absolute_near_zero() {
        let are_near = |one, other, tolerance| are_within(one, other, Some(tolerance));
        assert!(are_near(1e15, 1e15 + 1.0, 1e-9) && !are_near(1e9, 1e9 + 10.0, 1e-9));
        assert!(are_near(0.0, 1e-10, 1e-9) && !are_near(0.0, 1e-8, 1e-9));
        assert!(are_near(0.1 + 0.2, 0.3, 1e-9) && !are_near(0.1 + 0.2, 0.3, 0.0));
        assert!(are_near(-1.0, -1.0, 0.0) && !are_near(-1.0, 1.0, 1e-9));
    }

    #[test]
    fn whole_numbers_are_exact_unless_a_tolerance_is_given() {
        assert!(!are_written_near("1700000000", "1700000001.0", None));
        assert!(are_written_near("1700000000", "1700000001", Some(1e-9)));
        assert!(are_written_near("0.30000000000000004", "0.3", None));
        assert!(are_written_near("1e300", "1.000000000000001e300", None));
        assert!(are_written_near("3", "3.000000000001", None), "one of them is not whole");
        for (one, other) in
            [("9007199254740992", "9007199254740994"), ("-18446744073709551615", "-18446744073709551614")]
        {
            assert!(!are_written_near(one, other, None), "{one}");
            assert!(are_written_near(one, other, Some(1e-9)), "{one}");
        }
        assert!(are_written_near("9007199254740993", "9007199254740993", None));
    }
}
