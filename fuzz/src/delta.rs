//! A value and lists of patches.

use qix_protocol::{
    Handle, Tree,
    delta::Baselines,
    frame::Raw,
    schema::{Method, generic_object::GetLayout},
};

type Layout = <GetLayout as Method>::Output;

/// Takes the first line as a value and each other line as a list of patches for it.
///
/// Patches that do not fit are refused, never more; what comes out is JSON that a frame could carry.
pub fn delta(text: &[u8]) {
    let mut baselines = Baselines::default();
    let mut apply = |result: String| {
        let Ok(result) = Raw::new(result.as_bytes()) else { return };
        let Ok(plain) = baselines.apply(Handle::new(1), "GetLayout", result) else { return };
        let text = plain.to_string();
        assert!(Raw::new(text.as_bytes()).is_ok(), "a frame could carry it");
        assert_eq!(Tree::parse(text.as_bytes()).as_ref(), Ok(&plain));
        // Types are read from it as from its text, but for what serde_json cannot read.
        let typed = plain.decode::<Layout>();
        if let Ok(expected) = serde_json::from_str::<Layout>(&text) {
            assert_eq!(typed.expect("serde_json has read it"), expected);
        }
    };
    let mut lines = text.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    if let Some(base) = lines.next() {
        apply(format!(r#"{{"qLayout":[{{"op":"add","path":"/","value":{base}}}]}}"#));
    }
    for patches in lines {
        apply(format!(r#"{{"qLayout":{patches}}}"#));
    }
}
