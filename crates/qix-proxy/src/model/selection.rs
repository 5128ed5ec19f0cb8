//! What is selected, and by which call.

use qix_protocol::{
    Effect,
    frame::{Raw, elements, members},
};

use super::{Call, Selection, words::shown};
use crate::{calls::Asked, record::Redaction};

/// The most fields of which it is told what is selected.
const MOST_FIELDS: usize = 1000;

/// Beginnings and ends of the names of methods that select, and the others by name.
const BEGINNINGS: &[&str] =
    &["Select", "LowLevelSelect", "ToggleSelect", "RangeSelect", "MultiRangeSelect", "Clear"];
const OTHERS: &[&str] = &[
    "AcceptListObjectSearch",
    "Apply",
    "ApplyAndVerify",
    "ApplyBookmark",
    "ApplyTemporaryBookmark",
    "Back",
    "BeginSelections",
    "EndSelections",
    "Forward",
    "Lock",
    "LockAll",
    "RestoreTempSelectionState",
    "Unlock",
    "UnlockAll",
];

/// Returns whether a method changes what is selected, or what may be.
fn selects(method: &str) -> bool {
    let clears_other = matches!(method, "ClearSoftPatches" | "ClearUndoBuffer");
    !clears_other
        && (BEGINNINGS.iter().any(|beginning| method.starts_with(beginning)) || OTHERS.contains(&method))
}

/// Returns what a call that was answered says of selections.
pub(super) fn of(
    call: &Call,
    asked: &Asked,
    result: Option<Raw<'_>>,
    layout: Option<Raw<'_>>,
    redaction: &Redaction,
) -> Option<Selection> {
    let answer = call.answer.as_ref()?;
    let state = layout.and_then(|layout| state(layout, redaction));
    let does = selects(&call.method)
        && call.effect != Effect::Reads
        && call.failure.is_none()
        && !result.is_some_and(is_refused);
    if !does && state.is_none() {
        return None;
    }
    let words = if does {
        let params = asked.params.as_deref().unwrap_or_default();
        let params = String::from_utf8_lossy(&params[..params.len().min(400)]);
        let params = shown(redaction, params.trim_start_matches(['[', '{']).trim_end_matches([']', '}']));
        format!("{} of {} {params}", call.method, call.object.name()).trim_end().to_owned()
    } else {
        String::new()
    };
    Some(Selection { seq: call.seq, conn: call.conn, at: answer.at, words, state })
}

/// Returns whether a result says that nothing was done, which is no error on the wire.
fn is_refused(result: Raw<'_>) -> bool {
    let is_false = |value: Raw<'_>| value.as_bytes() == b"false";
    members(result).any(|(_, out)| is_false(out) || out.member("qApplySuccess").is_some_and(is_false))
}

/// Returns what a layout says is selected, by field, if it is that of a list of selections.
fn state(layout: Raw<'_>, redaction: &Redaction) -> Option<Vec<(String, String)>> {
    let selections = layout.member("qSelectionObject")?.member("qSelections")?;
    let text =
        |selection: Raw<'_>, name: &str| selection.member(name).and_then(|text| text.decode::<String>().ok());
    let fields = elements(selections).take(MOST_FIELDS).filter_map(|selection| {
        let field = text(selection, "qField")?;
        let selected = text(selection, "qSelected").unwrap_or_default();
        Some((shown(redaction, &field), shown(redaction, &selected)))
    });
    Some(fields.collect())
}
