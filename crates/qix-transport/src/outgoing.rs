//! What every socket checks before it sends, and what it says when it does not.

use std::{io, sync::Arc};

use qix_protocol::CloseCode;

use crate::{Closed, ClosedBy};

/// What a close frame can hold besides its code, in bytes (RFC 6455, section 5.5).
const MAX_REASON: usize = 123;

/// Describes the end that this side asks for, as it can be said in a close frame.
pub(crate) fn goodbye(code: CloseCode, reason: &str) -> Closed {
    if code.is_sendable() {
        Closed::new(code, cut(reason), ClosedBy::Us)
    } else {
        // A reason cannot stand without a code.
        Closed::new(CloseCode::NO_STATUS, "", ClosedBy::Us)
    }
}

/// Describes a message above the limit, in either direction.
pub(crate) fn too_big(size: usize, limit: usize) -> Closed {
    refused(
        CloseCode::TOO_BIG,
        format!("a message of {size} bytes is above the limit of {limit} bytes; raise Limits::max_message"),
    )
}

/// Describes a text that cannot be sent.
pub(crate) fn not_utf8() -> Closed {
    refused(CloseCode::new(1007), "the text to send is not UTF-8")
}

/// Describes what this side does not do.
pub(crate) fn refused(code: CloseCode, text: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Closed {
    let error = io::Error::new(io::ErrorKind::InvalidData, text);
    Closed { error: Some(Arc::new(error)), ..Closed::new(code, "", ClosedBy::Us) }
}

fn cut(reason: &str) -> &str {
    let mut end = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    &reason[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_is_cut_to_123_bytes_between_characters() {
        let closed = goodbye(CloseCode::NORMAL, &format!("{}ü", "x".repeat(122)));
        assert_eq!(&*closed.reason, "x".repeat(122));
        assert_eq!(goodbye(CloseCode::NORMAL, &"x".repeat(200)).reason.len(), 123);
    }

    #[test]
    fn local_codes_become_a_close_frame_without_code() {
        for code in [CloseCode::NO_STATUS, CloseCode::ABNORMAL, CloseCode::TLS] {
            let closed = goodbye(code, "reason");
            assert_eq!((closed.code, &*closed.reason), (CloseCode::NO_STATUS, ""));
        }
    }
}
