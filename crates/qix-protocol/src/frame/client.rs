//! What a client says: requests.

use super::{Envelope, Raw};
use crate::{Handle, ProtocolError, RequestId};
use std::borrow::Cow;

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
    /// [`ProtocolError`] if the text is no envelope, or has no `method`.
    pub fn parse(text: &'a [u8]) -> Result<Self, ProtocolError> {
        let Envelope { id, method, handle, params, delta, .. } = Envelope::parse(text)?;
        let method = method.ok_or(ProtocolError::MalformedFrame { offset: 0 })?;
        Ok(Self { id, handle: handle.unwrap_or(Handle::GLOBAL), method, params, delta })
    }
}

/// Where the parts of a written request lie in its text.
pub(crate) struct Written {
    pub(crate) method: std::ops::Range<usize>,
    pub(crate) params: std::ops::Range<usize>,
}

/// At least as many bytes as a request has besides method and parameters.
pub(crate) const OVERHEAD: usize = 96;

/// Writes a request to the end of `out`. `params` must be one JSON array or object.
pub(crate) fn write(out: &mut Vec<u8>, id: RequestId, to: Handle, method: &str, params: &[u8]) -> Written {
    let start = out.len();
    let mut digits = itoa::Buffer::new();
    out.reserve(OVERHEAD + method.len() + params.len());
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(digits.format(id.get()).as_bytes());
    out.extend_from_slice(br#","handle":"#);
    out.extend_from_slice(digits.format(to.get()).as_bytes());
    out.extend_from_slice(br#","method":"#);
    let method_start = out.len() - start;
    if method.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        out.push(b'"');
        out.extend_from_slice(method.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(serde_json::Value::from(method).to_string().as_bytes());
    }
    let method_end = out.len() - start;
    out.extend_from_slice(br#","params":"#);
    let params_start = out.len() - start;
    out.extend_from_slice(params);
    let params_end = out.len() - start;
    out.push(b'}');
    Written { method: method_start..method_end, params: params_start..params_end }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(id in any::<u64>(), to in any::<i32>(), method in any::<String>()) {
            let mut out = Vec::new();
            write(&mut out, RequestId::new(id), Handle::new(to), &method, br#"["a",1e400]"#);
            let request = Request::parse(&out).unwrap();
            prop_assert_eq!(request.id.unwrap().as_integer(), Some(id));
            prop_assert_eq!(request.handle, Handle::new(to));
            prop_assert_eq!(request.method, method);
            prop_assert_eq!(request.params.unwrap().as_bytes(), br#"["a",1e400]"#);
        }
    }

    #[test]
    fn id_handle_and_params_may_be_absent() {
        let request = Request::parse(br#"{"method":"GetDocList"}"#).unwrap();
        assert!(request.id.is_none() && request.params.is_none());
        assert_eq!(request.handle, Handle::GLOBAL);
    }
}
