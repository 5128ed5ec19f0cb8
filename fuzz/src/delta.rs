//! A value and lists of patches.

use qix_protocol::{Handle, MAX_DEPTH, delta::Baselines, frame::Raw};
use serde::de::IgnoredAny;

/// Takes the first line as a value and each other line as a list of patches for it.
///
/// Patches that do not fit are refused, never more; what comes out is JSON that a frame could carry.
pub fn delta(text: &[u8]) {
    let mut baselines = Baselines::new();
    let mut apply = |result: String| {
        let Ok(result) = Raw::new(result.as_bytes()) else { return };
        let Ok(plain) = baselines.apply(Handle::new(1), "GetLayout", result) else { return };
        assert!(serde_json::from_slice::<IgnoredAny>(&plain).is_ok());
        // One level is the result's own.
        assert!(depth(&plain) <= MAX_DEPTH + 1);
    };
    let mut lines = text.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    if let Some(base) = lines.next() {
        apply(format!(r#"{{"q":[{{"op":"add","path":"/","value":{base}}}]}}"#));
    }
    for patches in lines {
        apply(format!(r#"{{"q":{patches}}}"#));
    }
}

fn depth(json: &[u8]) -> usize {
    let mut depth = 0;
    let mut deepest = 0;
    let mut quoted = false;
    let mut escaped = false;
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    deepest
}
