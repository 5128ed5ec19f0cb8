//! Numbers of cells.

use crate::scan::{self, Fault};

/// Powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// Reads the number that starts at `at`, rounded as the standard library does; returns where it ends.
///
/// Too large for a double, such as `1e400`, is infinite.
#[inline]
pub(super) fn double(text: &[u8], at: usize) -> Result<(f64, usize), Fault> {
    let (number, end) = plain(text, at);
    match number {
        Some(number) => Ok((number, end)),
        None => long(text, at),
    }
}

/// Reads an integer that starts at `at`, which may be written as a double; returns where it ends.
#[inline]
pub(super) fn integer(text: &[u8], at: usize) -> Result<(i32, usize), Fault> {
    let (number, end) = double(text, at)?;
    let integer = number as i32;
    if f64::from(integer) == number { Ok((integer, end)) } else { Err(Fault::at(at)) }
}

/// Reads what most numbers are: few digits, perhaps a point, no exponent. Digits that make an integer below 2^53 and a power of
/// ten up to 10^22 are both doubles, so their quotient is rounded once, as it should be.
#[inline]
fn plain(text: &[u8], at: usize) -> (Option<f64>, usize) {
    let negative = text.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let (mut digits, mut end) = digits(text, start, 0);
    let whole = end - start;
    // No digit at all, or a zero before others, is no number.
    if whole == 0 || (whole > 1 && text[start] == b'0') {
        return (None, end);
    }
    let mut decimals = 0;
    if text.get(end) == Some(&b'.') {
        let point = end;
        (digits, end) = self::digits(text, point + 1, digits);
        decimals = end - point - 1;
        if decimals == 0 {
            return (None, end);
        }
    }
    if whole + decimals > 15 || matches!(text.get(end), Some(b'e' | b'E')) {
        return (None, end);
    }
    let number = digits as f64 / POWERS[decimals];
    (Some(if negative { -number } else { number }), end)
}

/// Appends the digits from `at` on to `number`, which is of no use if there are too many.
#[inline]
fn digits(text: &[u8], mut at: usize, mut number: u64) -> (u64, usize) {
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (number, at)
}

#[cold]
fn long(text: &[u8], at: usize) -> Result<(f64, usize), Fault> {
    let end = scan::number(text, at)?;
    let number = str::from_utf8(&text[at..end]).ok().and_then(|number| number.parse().ok());
    number.map(|number| (number, end)).ok_or(Fault::at(at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn doubles_are_rounded_as_the_standard_library_rounds_them(
            text in "-?(0|[1-9][0-9]{0,20})([.][0-9]{1,25})?([eE][+-]?[0-9]{1,3})?"
        ) {
            let expected: f64 = text.parse().unwrap();
            let (number, end) = double(format!("{text},").as_bytes(), 0).unwrap();
            prop_assert_eq!((number.to_bits(), end), (expected.to_bits(), text.len()));
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", "01", "-01", "1.", ".5", "1e", "+1", "NaN"] {
            // What follows a number is for the caller to refuse.
            let whole = double(text.as_bytes(), 0).is_ok_and(|(_, end)| end == text.len());
            assert!(!whole, "{text}");
        }
    }

    #[test]
    fn integers_may_be_written_as_doubles_and_must_fit() {
        for (text, expected) in [("3.0", 3), ("-2", -2), ("3e2", 300), ("-0", 0), ("2147483647", i32::MAX)] {
            assert_eq!(integer(text.as_bytes(), 0), Ok((expected, text.len())), "{text}");
        }
        for text in ["0.5", "2147483648", "1e400"] {
            assert!(integer(text.as_bytes(), 0).is_err(), "{text}");
        }
    }
}
