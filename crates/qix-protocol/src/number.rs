//! Numbers, read straight from their text.

use crate::scan::{self, Fault};

/// Powers of ten, as many as are needed.
const TENS: [u64; DIGITS + 1] = {
    let mut powers = [1; DIGITS + 1];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// Integers of so many digits fit 64 bits.
const DIGITS: usize = 19;

/// Integers of so many digits are doubles too.
const EXACT: usize = 15;

/// Reads the number that starts at `at`, rounded as the standard library does; returns where it ends.
///
/// Too large for a double, such as `1e400`, is infinite.
#[inline]
pub(crate) fn double(text: &[u8], at: usize) -> Result<(f64, usize), Fault> {
    let negative = text.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let (mut number, point) = digits(text, start, 0);
    let (mut end, mut decimals) = (point, 0);
    if text.get(point) == Some(&b'.') {
        (number, end) = digits(text, point + 1, number);
        decimals = end - point - 1;
    }
    let whole = point - start;
    let odd = whole == 0
        || (text[start] == b'0' && whole > 1)
        || (decimals == 0 && end > point)
        || whole + decimals > DIGITS
        || matches!(text.get(end), Some(b'e' | b'E'));
    if odd {
        return long(text, at);
    }
    let number = match decimals {
        0 => number as f64,
        // Both are doubles, so their quotient is rounded once, as it should be.
        _ if whole + decimals <= EXACT => number as f64 / TENS[decimals] as f64,
        _ => quotient(number, TENS[decimals]),
    };
    Ok((if negative { -number } else { number }, end))
}

/// Divides and rounds once, to the nearest double and of two to the even one.
fn quotient(number: u64, by: u64) -> f64 {
    if number == 0 {
        return 0.0;
    }
    // At least 62 bits of quotient: the conversion rounds them, and a rest counts as one more.
    let shift = number.leading_zeros() + 63;
    let (large, by) = (u128::from(number) << shift, u128::from(by));
    let quotient = (large / by) | u128::from(large % by != 0);
    let scale = f64::from_bits(u64::from(1023 - shift) << 52);
    quotient as f64 * scale
}

/// Reads an integer that starts at `at`, which may be written as a double; returns where it ends.
#[inline]
pub(crate) fn integer(text: &[u8], at: usize) -> Result<(i32, usize), Fault> {
    let (number, end) = digits(text, at, 0);
    // Nearly all are a few digits and nothing else.
    if let 1..=9 = end - at
        && text[at] != b'0'
        && let Some(b',' | b'}') = text.get(end)
    {
        return Ok((number as i32, end));
    }
    let (number, end) = double(text, at)?;
    let integer = number as i32;
    if f64::from(integer) == number { Ok((integer, end)) } else { Err(Fault::at(at)) }
}

/// Appends the digits from `at` on to `number`, which is of no use if there are too many; returns where they end.
#[inline]
pub(crate) fn digits(text: &[u8], mut at: usize, mut number: u64) -> (u64, usize) {
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let (value, count) = up_to_eight(u64::from_le_bytes(*word));
        number = number.wrapping_mul(TENS[count]).wrapping_add(value);
        at += count;
        if count < 8 {
            return (number, at);
        }
    }
    while let Some(digit @ b'0'..=b'9') = text.get(at) {
        number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        at += 1;
    }
    (number, at)
}

/// Reads the digits at the start of eight bytes, the first in the lowest; returns their value and how many there are.
///
/// How long a number is cannot be foretold, so a loop over its digits would be left by a wrong guess each time.
#[inline]
fn up_to_eight(word: u64) -> (u64, usize) {
    const ONES: u64 = u64::MAX / 255;
    let values = word ^ (ONES * b'0' as u64);
    // A carry marks bytes above one that is no digit, never below.
    let others = (values.wrapping_add(ONES * (0x80 - 10)) | values) & (ONES * 0x80);
    let count = others.trailing_zeros() / 8;
    // Zeros in front take the place of digits that are not there.
    let values = values.checked_shl(64 - 8 * count).unwrap_or(0);
    let pairs = (values * 10 + (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    let eight = (fours * 10_000 + (fours >> 32)) & 0xffff_ffff;
    (eight, count as usize)
}

/// Reads a number of many digits or with an exponent.
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
