//! What a client says: requests.

use std::{borrow::Cow, ops::Range};

use serde::{Serialize, ser::Error as _};

use super::{Envelope, Raw};
use crate::{Handle, ProtocolError, RequestId, scan};

/// One request, as any client writes it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The id as it was written; a request without one is executed and, by the book, not answered.
    pub id: Option<Raw<'a>>,
    /// The object it is for; absent means Global, as the oldest clients rely on.
    pub handle: Handle,
    /// The method, without its class.
    pub method: Cow<'a, str>,
    /// The parameters, by position or by name.
    pub params: Option<Raw<'a>>,
    /// Whether a delta answer was asked for.
    pub delta: bool,
}

impl<'a> Request<'a> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] if the text is no envelope, has no `method`, or has parameters that are not JSON: an engine answers
    /// such a request like any other text that it cannot read, without its id.
    pub fn parse(text: &'a [u8]) -> Result<Self, ProtocolError> {
        let Envelope { id, method, handle, params, delta, .. } = Envelope::parse(text)?;
        let method = method.ok_or(ProtocolError::MalformedFrame { offset: 0 })?;
        if let Some(params) = params {
            scan::value(text, params.as_bytes().as_ptr().addr() - text.as_ptr().addr())?;
        }
        Ok(Self { id, handle: handle.unwrap_or(Handle::GLOBAL), method, params, delta })
    }
}

/// A request to be written, its parameters apart.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The id.
    pub id: RequestId,
    /// The object.
    pub to: Handle,
    /// The method, without its class.
    pub method: &'a str,
    /// Whether to ask for a delta answer.
    pub delta: bool,
}

/// Where the parts of a written request lie, counted from where it starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// The method, quotes included.
    pub method: Range<usize>,
    /// The parameters.
    pub params: Range<usize>,
}

/// At least as many bytes as a request has besides method and parameters.
const OVERHEAD: usize = 112;

impl Head<'_> {
    /// Writes the request to the end of `out`. Parameters are those that the engine reads, an array or an object.
    ///
    /// Allocates nothing itself if `out` has room.
    ///
    /// # Errors
    ///
    /// What `serde_json` has to say if the parameters cannot be JSON, or are neither array nor object; `out` is then as it was.
    pub fn write<P: Serialize + ?Sized>(
        &self,
        out: &mut Vec<u8>,
        params: &P,
    ) -> Result<Written, serde_json::Error> {
        let start = out.len();
        let method = self.begin(out, 0);
        let params_start = out.len();
        let written = serde_json::to_writer(&mut *out, params);
        let listed = matches!(out.get(params_start), Some(b'[' | b'{'));
        match written {
            Ok(()) if listed => Ok(end(out, start, method, params_start)),
            Ok(()) => {
                out.truncate(start);
                Err(serde_json::Error::custom("parameters are an array or an object"))
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    /// Writes the request with parameters that are text already.
    pub fn write_raw(&self, out: &mut Vec<u8>, params: Raw<'_>) -> Written {
        let start = out.len();
        let method = self.begin(out, params.as_bytes().len());
        let params_start = out.len();
        out.extend_from_slice(params.as_bytes());
        end(out, start, method, params_start)
    }

    /// Writes what stands before the parameters; returns where the method lies.
    fn begin(&self, out: &mut Vec<u8>, params: usize) -> Range<usize> {
        let mut digits = itoa::Buffer::new();
        let start = out.len();
        out.reserve(OVERHEAD + self.method.len() + params);
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        out.extend_from_slice(digits.format(self.id.get()).as_bytes());
        out.extend_from_slice(br#","handle":"#);
        out.extend_from_slice(digits.format(self.to.get()).as_bytes());
        out.extend_from_slice(br#","method":"#);
        let method = out.len() - start;
        // A string and a vector refuse nothing.
        let _ = serde_json::to_writer(&mut *out, self.method);
        let method = method..out.len() - start;
        out.extend_from_slice(if self.delta { br#","delta":true,"params":"# } else { br#","params":"# });
        method
    }
}

fn end(out: &mut Vec<u8>, start: usize, method: Range<usize>, params: usize) -> Written {
    let params = params - start..out.len() - start;
    out.push(b'}');
    Written { method, params }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            // `serde_json` reads numbers with many digits within one unit in the last place, so none here has many.
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
            any::<String>().prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            id in any::<u64>(),
            to in any::<i32>(),
            method in any::<String>(),
            delta in any::<bool>(),
            params in prop::collection::vec(json(), 0..5),
        ) {
            let head = Head { id: RequestId::new(id), to: Handle::new(to), method: &method, delta };
            let mut out = b"before".to_vec();
            let written = head.write(&mut out, &params).unwrap();
            let text = &out[6..];
            let request = Request::parse(text).unwrap();
            prop_assert_eq!(request.id.unwrap().as_integer(), Some(id));
            prop_assert_eq!(request.handle, head.to);
            prop_assert_eq!(&*request.method, &method);
            prop_assert_eq!(request.delta, delta);
            prop_assert_eq!(request.params.unwrap().as_bytes(), &text[written.params]);
            prop_assert_eq!(Raw::new(&text[written.method]).unwrap().decode::<String>().unwrap(), method.clone());
            prop_assert_eq!(request.params.unwrap().decode::<Vec<Value>>().unwrap(), params.clone());
            let mut again = Vec::new();
            head.write_raw(&mut again, request.params.unwrap());
            prop_assert_eq!(&again, text);
        }
    }

    #[test]
    fn members_are_written_in_one_order_and_delta_only_when_asked_for() {
        let write = |delta| {
            let mut out = Vec::new();
            let head = Head { id: RequestId::new(7), to: Handle::new(2), method: "GetLayout", delta };
            head.write(&mut out, &[(); 0]).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(write(false), r#"{"jsonrpc":"2.0","id":7,"handle":2,"method":"GetLayout","params":[]}"#);
        let asking = r#"{"jsonrpc":"2.0","id":7,"handle":2,"method":"GetLayout","delta":true,"params":[]}"#;
        assert_eq!(write(true), asking);
    }

    #[test]
    fn parameters_that_cannot_be_json_leave_nothing_behind() {
        let mut out = b"before".to_vec();
        let head = Head { id: RequestId::new(1), to: Handle::GLOBAL, method: "M", delta: false };
        let refused = std::collections::HashMap::from([((1, 2), 3)]);
        assert!(head.write(&mut out, &(1, refused)).is_err());
        assert_eq!(out, b"before");
    }

    #[test]
    fn request_with_malformed_parameters_is_none() {
        for params in ["[1 2]", "{]", "[tru]", r#"{"a"}"#] {
            let text = format!(r#"{{"id":1,"method":"M","params":{params}}}"#);
            assert!(Request::parse(text.as_bytes()).is_err(), "{params}");
        }
    }

    #[test]
    fn id_handle_and_params_may_be_absent() {
        let request = Request::parse(br#"{"method":"GetDocList"}"#).unwrap();
        assert!(request.id.is_none() && request.params.is_none());
        assert_eq!(request.handle, Handle::GLOBAL);
    }
}
