//! What tools call a time.

use jiff::{Timestamp, civil::DateTime};
use qix_protocol::frame::Raw;

/// Between this and the next come seconds since 1970, of the years from 1973 to 5138.
const SECONDS: f64 = 1e8;
/// From this on, milliseconds, of the same years.
const MILLIS: f64 = 1e11;
/// From this on, microseconds.
const MICROS: f64 = 1e14;
/// From this on, nothing that was meant for a time.
const NONE: f64 = 1e17;

/// Returns the time of a message in microseconds since 1970; `None` if it is −1, or else says nothing.
///
/// Chrome and mitmproxy write seconds, Playwright milliseconds: the size tells them apart.
pub(super) fn of_message(value: Raw<'_>) -> Option<u64> {
    let Ok(number) = value.decode::<f64>() else { return of_entry(value) };
    let micros = match number {
        SECONDS..MILLIS => number * 1e6,
        MILLIS..MICROS => number * 1e3,
        MICROS..NONE => number,
        _ => return None,
    };
    Some(micros.round() as u64)
}

/// Returns a `startedDateTime` in microseconds since 1970.
pub(super) fn of_entry(value: Raw<'_>) -> Option<u64> {
    let Ok(text) = value.decode::<String>() else {
        return value
            .decode::<f64>()
            .ok()
            .filter(|number| *number >= SECONDS)
            .and_then(|_| of_message(value));
    };
    let text = text.trim();
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        // Without a zone, it is taken for UTC.
        text.parse::<DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })?;
    u64::try_from(time.as_microsecond()).ok()
}

/// Returns a duration in microseconds; `None` if it is −1, or else says nothing.
pub(super) fn of_span(value: Option<Raw<'_>>) -> Option<u64> {
    let millis = value?.decode::<f64>().ok()?;
    // A century is no duration.
    (0.0..3.2e12).contains(&millis).then(|| (millis * 1e3).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Option<u64> {
        of_message(Raw::new(text.as_bytes()).unwrap())
    }

    fn entry(text: &str) -> Option<u64> {
        of_entry(Raw::new(text.as_bytes()).unwrap())
    }

    #[test]
    fn seconds_and_milliseconds_are_told_by_their_size() {
        let same = Some(1_767_323_045_678_901);
        for text in ["1767323045.678901", "1767323045678.901", "1767323045678901", "1.767323045678901e9"] {
            assert_eq!(message(text), same, "{text}");
        }
        assert_eq!(message("\"2026-01-02T03:04:05.678901Z\""), same);
        for none in ["-1", "0", "0.5", "12", "null", "\"\"", "1e300"] {
            assert_eq!(message(none), None, "{none}");
        }
    }

    #[test]
    fn dates_have_zones_fractions_and_none() {
        for text in ["2026-01-02T03:04:05.678Z", "2026-01-02T04:04:05.678+01:00", "2026-01-02T03:04:05.678"] {
            assert_eq!(entry(&format!("\"{text}\"")), Some(1_767_323_045_678_000), "{text}");
        }
        assert_eq!(entry("\"yesterday\""), None);
        assert_eq!(entry("0"), None);
    }

    #[test]
    fn durations_are_milliseconds_unless_they_are_none() {
        let span = |text: &str| of_span(Some(Raw::new(text.as_bytes()).unwrap()));
        assert_eq!((span("1.5"), span("-1"), span("null"), of_span(None)), (Some(1500), None, None, None));
    }
}
