//! When two numbers are equal.

/// Returns whether two numbers differ by no more than `tolerance` of the larger one, or by no more than it near zero.
pub(super) fn are_near(one: f64, other: f64, tolerance: f64) -> bool {
    one == other || (one - other).abs() <= tolerance * one.abs().max(other.abs()).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerance_is_relative_to_large_numbers_and_absolute_near_zero() {
        assert!(are_near(1e15, 1e15 + 1.0, 1e-9) && !are_near(1e9, 1e9 + 10.0, 1e-9));
        assert!(are_near(0.0, 1e-10, 1e-9) && !are_near(0.0, 1e-8, 1e-9));
        assert!(are_near(0.1 + 0.2, 0.3, 1e-9) && !are_near(0.1 + 0.2, 0.3, 0.0));
        assert!(are_near(-1.0, -1.0, 0.0) && !are_near(-1.0, 1.0, 1e-9));
    }
}
