//! What was said in a call, as the page in a browser takes it.

use bytes::Bytes;
use qix_protocol::frame::Raw;
use serde::Serialize;

use crate::model::Body;

/// The request, the answer and the result of a call, each as text and no longer than wanted.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Detail {
    request: Option<String>,
    answer: Option<String>,
    /// The result with patches applied; left out where the answer has it word for word.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// Of what was cut, how many bytes there were.
    #[serde(skip_serializing_if = "Cut::is_nothing")]
    cut: Cut,
}

/// How long texts were before they were cut; 0 for those that were not.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Cut {
    request: usize,
    answer: usize,
    result: usize,
}

impl Cut {
    fn is_nothing(&self) -> bool {
        self.request + self.answer + self.result == 0
    }
}

impl Detail {
    /// Takes at most `longest` bytes of each text of a call.
    pub(crate) fn new(body: &Body, longest: usize) -> Self {
        let (request, request_cut) = taken(Some(&body.request), longest);
        let (answer, answer_cut) = taken(body.answer.as_ref(), longest);
        let is_said = body.answer.as_ref().zip(body.result.as_ref()).is_some_and(|(a, r)| has(a, r));
        let (result, result_cut) = taken(body.result.as_ref().filter(|_| !is_said), longest);
        let cut = Cut { request: request_cut, answer: answer_cut, result: result_cut };
        Self { request, answer, result, cut }
    }

    /// Returns whether something was left out.
    pub(crate) fn is_cut(&self) -> bool {
        !self.cut.is_nothing()
    }
}

/// Returns whether an answer has a result word for word: most results are part of the text, the others were patched or redacted.
fn has(answer: &Bytes, result: &Bytes) -> bool {
    let said = || Raw::new(answer).ok()?.member("result").map(|said| said.as_bytes() == result);
    answer.as_ptr_range().contains(&result.as_ptr()) || said() == Some(true)
}

/// Returns the beginning of a text, and how long the text is if that is not all.
fn taken(text: Option<&Bytes>, longest: usize) -> (Option<String>, usize) {
    let Some(text) = text else { return (None, 0) };
    if text.len() <= longest {
        return (Some(String::from_utf8_lossy(text).into_owned()), 0);
    }
    // Up to three bytes less than wanted, so that no character is cut.
    let end = (longest.saturating_sub(3)..=longest).rev().find(|end| text[*end] & 0xc0 != 0x80).unwrap_or(0);
    (Some(String::from_utf8_lossy(&text[..end]).into_owned()), text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(answer: &str, result: &str) -> Body {
        let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Body {
            request: text(r#"{"id":1}"#),
            params: None,
            answer: Some(text(answer)),
            result: Some(text(result)),
            error: None,
        }
    }

    #[test]
    fn result_that_the_answer_has_is_not_said_twice() {
        let detail = Detail::new(&body(r#"{"id":1,"result":{"a":1}}"#, r#"{"a":1}"#), 100);
        assert_eq!(serde_json::to_value(&detail).unwrap().get("result"), None);
        let detail = Detail::new(&body(r#"{"id":1,"result":[{"op":"add"}]}"#, r#"{"a":1}"#), 100);
        assert_eq!(detail.result.as_deref(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_their_length_is_told() {
        let detail = Detail::new(&body(r#"{"x":"ééééé"}"#, r#"{"a":1}"#), 9);
        assert_eq!(detail.answer.as_deref(), Some(r#"{"x":"é"#));
        assert!(detail.is_cut());
        assert_eq!(serde_json::to_value(&detail).unwrap()["cut"]["answer"], 18);
    }
}
