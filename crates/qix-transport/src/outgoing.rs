//! What every socket checks before it sends, and what it says when it does not.

use std::{io, sync::Arc};

use qix_protocol::CloseCode;

use crate::{Closed, ClosedBy};

/// What a close frame can hold besides its code, in bytes (RFC 6455, section 5.5).
const MAX_REASON: usize = 123;

/// How much of a text is looked at together. More than a character has bytes.
const ASCII_BLOCK: usize = 4096;

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

/// Returns whether a text may be sent. Blocks of ASCII, most of what QIX says, are passed without decoding.
#[inline]
pub(crate) fn is_utf8(text: &[u8]) -> bool {
    (text.len() <= ASCII_BLOCK && text.is_ascii()) || is_utf8_by_block(text)
}

fn is_utf8_by_block(mut text: &[u8]) -> bool {
    while !text.is_empty() {
        let block = &text[..text.len().min(ASCII_BLOCK)];
        let valid = match block.is_ascii() {
            true => block.len(),
            false => match str::from_utf8(block) {
                Ok(_) => block.len(),
                // A character that the block cuts in two is up to the next one.
                Err(error) if error.error_len().is_none() && block.len() < text.len() => error.valid_up_to(),
                Err(_) => return false,
            },
        };
        text = &text[valid..];
    }
    true
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
    fn text_is_utf8_wherever_blocks_end() {
        for before in ASCII_BLOCK - 4..=ASCII_BLOCK + 1 {
            for character in ["x", "ü", "€", "𝄞"] {
                for after in [0, 1, ASCII_BLOCK] {
                    let text = format!("{}{character}{}", "a".repeat(before), "b".repeat(after));
                    assert!(is_utf8(text.as_bytes()));
                    // Cut off, in the middle, and followed by what does not belong to it.
                    let end = before + character.len() - 1;
                    assert_eq!(is_utf8(&text.as_bytes()[..end]), character == "x");
                    for wrong in [0xff, 0x80, b'a'] {
                        let mut bytes = text.clone().into_bytes();
                        bytes[end] = wrong;
                        assert_eq!(is_utf8(&bytes), str::from_utf8(&bytes).is_ok(), "{before} {character}");
                    }
                }
            }
        }
        assert!(is_utf8(b""));
    }

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
