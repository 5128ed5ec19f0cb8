//! Sizes and times as people write them.

use std::time::Duration;

/// Reads a size such as `100MB`, `1.5GiB` or `4096`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic()).trim_end();
    let factor: u64 = match text[digits.len()..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => {
            return Err(
                "write a number with B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 100MB".to_owned()
            );
        }
    };
    match digits.parse::<f64>() {
        // Beyond 2^53 bytes the last digits are off, and nobody has such a disk.
        Ok(number) if number > 0.0 && number.is_finite() => Ok((number * factor as f64).ceil() as u64),
        _ => Err("write a number above zero with a unit, such as 100MB".to_owned()),
    }
}

/// Reads a size that may be nothing.
pub(super) fn size_or_zero(text: &str) -> Result<u64, String> {
    if text.trim() == "0" { Ok(0) } else { size(text) }
}

/// Reads a time such as `90s`, `30m`, `1h` or `1h 30m`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write a time above zero with units, such as 30m, 1h or 24h".to_owned())
}

/// Reads a time since the start of a recording: seconds such as `12.5`, or `1m 30s`.
pub(super) fn moment(text: &str) -> Result<Duration, String> {
    let seconds =
        text.trim().parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let written = || text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    seconds
        .or_else(written)
        .ok_or_else(|| "write seconds since the start of the recording, such as 12.5, or 1m 30s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_thousands_and_of_1024() {
        for (text, bytes) in [
            ("4096", 4096),
            ("100MB", 100_000_000),
            ("1.5 GiB", 3 << 29),
            ("2k", 2000),
            ("10GB", 10_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "0", "-1MB", "10 apples", "nan", "1e400"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!((size_or_zero("0"), size_or_zero("1k")), (Ok(0), Ok(1000)));
    }

    #[test]
    fn moments_are_seconds_or_have_units() {
        for (text, millis) in [("0", 0), ("12.5", 12_500), ("1m 30s", 90_000), ("500ms", 500)] {
            assert_eq!(moment(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1", "nan", "soon"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("1h", 3600), ("1h 30m", 5400), ("24h", 86400)] {
            assert_eq!(time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "1", "0s", "-1h", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
