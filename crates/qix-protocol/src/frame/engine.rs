//! What the engine and the proxies in front of it say: answers, notifications, pushes.

use std::borrow::Cow;

use super::{Envelope, Raw};
use crate::{ChangeSet, EngineError, ErrorCode, Handle, ProtocolError, RequestId, scan, schema::Double};

/// One frame of the engine, classified, with the lists that ride on it.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// What kind of frame it is.
    pub kind: Kind<'a>,
    /// What it says about handles.
    pub changes: ChangeSet,
}

/// What kind of frame the engine sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// An answer: it has an id, or a `result` or `error` although the id is missing.
    Response(Response<'a>),
    /// News with a name, such as `OnConnected`.
    Notification {
        /// An id, which none was seen to have: with that of a call in flight, the frame is the call's answer.
        id: Option<Raw<'a>>,
        /// The name.
        method: Cow<'a, str>,
        /// What it says; shapes differ by name.
        params: Option<Raw<'a>>,
    },
    /// Lists alone, caused by another socket of the session, a finished calculation, a reload.
    Push,
}

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    /// The id as it was written. Some engines answer a request without id with 0.
    pub id: Option<Raw<'a>>,
    /// The out members, `null` included; absent if the engine left `result` out or refused.
    pub result: Option<Raw<'a>>,
    /// Why the engine refused.
    pub error: Option<EngineError>,
    /// Whether every out member is a list of patches.
    pub delta: bool,
}

impl Response<'_> {
    /// Returns the id if it is one that [`RequestIds`](crate::RequestIds) hands out.
    pub fn request_id(&self) -> Option<RequestId> {
        self.id?.as_integer().map(RequestId::new)
    }
}

impl<'a> Frame<'a> {
    /// Reads and classifies one frame.
    ///
    /// A frame with a `method` and neither `result` nor `error` is a notification, any other with an id an answer.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the text is no envelope, or if `error` or a list has the wrong shape.
    pub fn parse(text: &'a [u8]) -> Result<Self, ProtocolError> {
        let envelope = Envelope::parse(text)?;
        let changes = ChangeSet {
            changed: handles(text, envelope.change)?,
            closed: handles(text, envelope.close)?,
            suspended: handles(text, envelope.suspend)?,
        };
        let error = envelope.error.map(decode_error);
        let kind = match (envelope.id, envelope.method) {
            (id, Some(method)) if envelope.result.is_none() && error.is_none() => {
                Kind::Notification { id, method, params: envelope.params }
            }
            (None, None) if envelope.result.is_none() && error.is_none() => Kind::Push,
            (id, _) => Kind::Response(Response { id, result: envelope.result, error, delta: envelope.delta }),
        };
        Ok(Self { kind, changes })
    }
}

fn handles(text: &[u8], list: Option<Raw<'_>>) -> Result<Vec<Handle>, ProtocolError> {
    let Some(list) = list else { return Ok(Vec::new()) };
    if let Some(handles) = plain_handles(list.as_bytes()) {
        return Ok(handles);
    }
    let whole =
        |number: Double| Some(number.get()).filter(|number| number.fract() == 0.0 && number.abs() < 2e9);
    // Nobody was seen to write `3.0`, but a list that cannot be read costs the whole conversation.
    let tolerant = |list: Raw<'_>| -> Option<Vec<Handle>> {
        let numbers: Vec<Double> = list.decode().ok()?;
        numbers.into_iter().map(|number| whole(number).map(|number| Handle::new(number as i32))).collect()
    };
    list.decode().ok().or_else(|| tolerant(list)).ok_or_else(|| scan::fault(offset(text, list)))
}

/// Reads a list of handles as engines write it: without signs and white space.
fn plain_handles(list: &[u8]) -> Option<Vec<Handle>> {
    let mut handles = Vec::new();
    for number in list.strip_prefix(b"[")?.strip_suffix(b"]")?.split(|byte| *byte == b',') {
        // More digits may not fit, and a zero in front is no number.
        if !matches!((number, number.len()), ([b'1'..=b'9', ..], 1..=9)) {
            return None;
        }
        let digit =
            |value: i32, byte: &u8| byte.is_ascii_digit().then(|| value * 10 + i32::from(byte - b'0'));
        handles.push(Handle::new(number.iter().try_fold(0, digit)?));
    }
    Some(handles)
}

fn decode_error(error: Raw<'_>) -> EngineError {
    // A code that is no number of an error must not pass for no error, which is what 0 says.
    let code = |value: Raw<'_>| value.decode().unwrap_or(ErrorCode::GENERIC_UNKNOWN);
    if error.as_bytes().first() != Some(&b'{') {
        let message = error.decode().unwrap_or_else(|_| format!("{error:?}"));
        return EngineError { code: ErrorCode::GENERIC_UNKNOWN, parameter: String::new(), message };
    }
    // A member of the wrong type or null must not hide the error itself: each is read alone.
    let mut found = EngineError::default();
    for (name, value) in super::members(error) {
        match &*name {
            "code" => found.code = code(value),
            "parameter" => found.parameter = value.decode().unwrap_or_default(),
            "message" => found.message = value.decode().unwrap_or_default(),
            _ => {}
        }
    }
    found
}

fn offset(text: &[u8], part: Raw<'_>) -> usize {
    part.as_bytes().as_ptr().addr() - text.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> &'static str {
        match Frame::parse(text.as_bytes()).unwrap().kind {
            Kind::Response(Response { id: Some(_), .. }) => "response",
            Kind::Response(_) => "orphan",
            Kind::Notification { .. } => "notification",
            Kind::Push => "push",
        }
    }

    #[test]
    fn frames_classify_by_id_then_method() {
        assert_eq!(kind(r#"{"jsonrpc":"2.0","id":42}"#), "response");
        assert_eq!(kind(r#"{"id":1,"result":{},"change":[3]}"#), "response");
        assert_eq!(
            kind(r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#),
            "notification"
        );
        assert_eq!(kind(r#"{"method":"OnNoEngineAvailable"}"#), "notification");
        assert_eq!(kind(r#"{"jsonrpc":"2.0","change":[2]}"#), "push");
        assert_eq!(kind(r#"{"suspend":[2]}"#), "push");
        assert_eq!(kind(r#"{"jsonrpc":"2.0","error":{"code":-32700}}"#), "orphan");
        assert_eq!(kind(r#"{"result":{"qReturn":true}}"#), "orphan");
    }

    #[test]
    fn error_without_parameter_or_with_null_message_is_read() {
        let text = br#"{"id":1,"error":{"code":15,"message":null},"change":[1,2]}"#;
        let frame = Frame::parse(text).unwrap();
        let Kind::Response(response) = frame.kind else { panic!("not a response") };
        assert_eq!(response.error.unwrap().code, crate::ErrorCode::GENERIC_ABORTED);
        assert_eq!(frame.changes.changed, [Handle::new(1), Handle::new(2)]);
    }

    #[test]
    fn malformed_result_is_a_matter_of_its_call_and_lists_beside_it_are_read() {
        for result in [r#"{"a" 1}"#, "[1 2]", "{[}]", r#"{"qReturn":tru}"#, r#"{"a":"\x"}"#, "[01]"] {
            let text = format!(r#"{{"id":1,"result":{result},"change":[3]}}"#);
            let frame = Frame::parse(text.as_bytes()).unwrap();
            let Kind::Response(response) = frame.kind else { panic!("not a response") };
            assert_eq!(frame.changes.changed, [Handle::new(3)]);
            assert_eq!(response.result.unwrap().as_bytes(), result.as_bytes());
            assert!(response.result.unwrap().decode::<serde_json::Value>().is_err(), "{result}");
        }
    }

    #[test]
    fn result_that_does_not_end_or_nests_too_deep_is_a_matter_of_the_socket() {
        for result in [r#"{"a":"}"#, "[", r#"{"a":[}"#, "tru", &"[".repeat(1_000_000)] {
            assert!(Frame::parse(format!(r#"{{"id":1,"result":{result}}}"#).as_bytes()).is_err());
        }
        let deep = format!(r#"{{"result":{}{}}}"#, "[".repeat(257), "]".repeat(257));
        assert!(matches!(Frame::parse(deep.as_bytes()), Err(ProtocolError::TooDeep { offset: 266, .. })));
    }

    #[test]
    fn code_that_cannot_be_read_is_not_taken_for_no_error() {
        for code in ["1e400", "99999999999", "[]", "\"no name\""] {
            let text = format!(r#"{{"id":1,"error":{{"code":{code},"message":"a\ud800b"}}}}"#);
            let Kind::Response(response) = Frame::parse(text.as_bytes()).unwrap().kind else {
                panic!("{code}")
            };
            let error = response.error.unwrap();
            assert_eq!((error.code, &*error.message), (ErrorCode::GENERIC_UNKNOWN, "a\u{fffd}b"), "{code}");
        }
    }

    #[test]
    fn error_that_is_no_object_is_an_error_all_the_same() {
        for (error, message) in [(r#""no""#, "no"), ("[1]", "[1]"), (r#"{"message":"no" "code":1}"#, "no")] {
            let text = format!(r#"{{"id":1,"error":{error}}}"#);
            let Kind::Response(response) = Frame::parse(text.as_bytes()).unwrap().kind else {
                panic!("{error}")
            };
            assert_eq!(response.error.unwrap().message, message);
        }
    }

    #[test]
    fn frame_with_method_and_without_outcome_is_a_notification_whatever_its_id() {
        let frame = Frame::parse(br#"{"id":7,"method":"OnConnected","params":{}}"#).unwrap();
        assert!(matches!(frame.kind, Kind::Notification { id: Some(_), .. }));
        assert_eq!(kind(r#"{"id":7,"method":"GetLayout","result":{}}"#), "response");
    }

    #[test]
    fn handles_may_be_written_as_doubles() {
        let frame = Frame::parse(br#"{"change":[3.0,4e0,5]}"#).unwrap();
        assert_eq!(frame.changes.changed, [3, 4, 5].map(Handle::new));
    }

    #[test]
    fn lists_of_anything_but_handles_are_malformed() {
        for text in [r#"{"change":["1"]}"#, r#"{"close":{}}"#, r#"{"change":[99999999999]}"#] {
            assert!(Frame::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
