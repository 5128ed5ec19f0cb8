//! What a member that is missing stands for.

use qix_protocol::Tree;

/// Members whose default is none of the usual ones, and what it is.
const DEFAULTS: [(&str, &[&str]); 31] = [
    ("qAllValuesCardinal", &["-1"]),
    ("qAlways", &["true"]),
    ("qApplyEvenWhenPossiblyWrongResult", &["true"]),
    ("qApplyInputFieldValues", &["true"]),
    ("qContinuousXAxis", &["CONTINUOUS_NEVER", "N"]),
    ("qCount", &["-1"]),
    ("qDepth", &["-1"]),
    ("qExcludedValuesCount", &["-1"]),
    ("qExpires", &["3600"]),
    ("qFileSize", &["-1"]),
    ("qForceBadValueKeeping", &["true"]),
    ("qFrequencyMode", &["NX_FREQUENCY_NONE", "N"]),
    ("qIncludeSelectionState", &["true"]),
    ("qMaxNbrFieldMatches", &["-1"]),
    ("qMaxNumberLines", &["-1"]),
    ("qMaxNumberPoints", &["-1"]),
    ("qMaxStackedCells", &["5000"]),
    ("qMode", &["DATA_MODE_STRAIGHT", "S"]),
    ("qMultiDimMode", &["TRENDLINE_MULTILINE", "MULTILINE"]),
    ("qNoOfLeftDims", &["-1"]),
    ("qOtherMode", &["OTHER_OFF"]),
    ("qPseudoDimPos", &["-1"]),
    ("qRangeHi", &["-1e+300"]),
    ("qRangeLo", &["-1e+300"]),
    ("qRowLimit", &["-1"]),
    ("qStateName", &["$"]),
    ("qTotalMode", &["TOTAL_OFF"]),
    ("qValuesCount", &["-1"]),
    ("qXColIx", &["-1"]),
    ("qZoomFactor", &["1"]),
    ("qnDec", &["10"]),
];

/// Returns whether a member may as well be missing: it is `null`, false, 0, an empty text, list or object, or what the schema says
/// is assumed without it.
pub(super) fn is_default(name: &str, value: &Tree) -> bool {
    if is_nothing(value) {
        return true;
    }
    if value.is_object() {
        return value.members().all(|(name, value)| is_default(&name, value));
    }
    let Ok(at) = DEFAULTS.binary_search_by(|(known, _)| (*known).cmp(name)) else { return false };
    let texts = DEFAULTS[at].1;
    match (value.as_str(), value.as_f64(), value.scalar()) {
        (Some(text), ..) => texts.contains(&&*text),
        (_, Some(number), _) => texts.iter().any(|text| text.parse() == Ok(number)),
        (.., Some(scalar)) => texts.contains(&scalar),
        _ => false,
    }
}

/// Returns whether a value says nothing, whichever member it is.
pub(super) fn is_nothing(value: &Tree) -> bool {
    match value.scalar() {
        Some(scalar) => matches!(scalar, "null" | "false" | "\"\"") || value.as_f64() == Some(0.0),
        None => value.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(name: &str, value: &str) -> bool {
        is_default(name, &Tree::parse(value.as_bytes()).unwrap())
    }

    #[test]
    fn default_of_a_member_is_that_of_its_type_or_of_the_schema() {
        assert!(DEFAULTS.is_sorted());
        for nothing in ["null", "false", "0", "0.0", "\"\"", "[]", "{}", r#"{"a":{"b":0},"qnDec":10}"#] {
            assert!(is("title", nothing), "{nothing}");
        }
        for something in ["true", "1", "\"NaN\"", "[0]", r#"{"a":1}"#, "10", "\"$\""] {
            assert!(!is("title", something), "{something}");
        }
        for (name, value) in
            [("qnDec", "10"), ("qStateName", "\"$\""), ("qRangeLo", "-1e300"), ("qMode", "\"S\"")]
        {
            assert!(is(name, value), "{name}");
        }
        assert!(!is("qnDec", "2") && !is("qMode", "\"P\""));
    }
}
