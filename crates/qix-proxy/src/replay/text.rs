//! A text to be sent, in pieces, so that large recorded ones are not copied.

use std::{fmt, ops::Range};

use bytes::Bytes;

/// Pieces below this size are copied: that costs less than handing them on one by one.
const WORTH_SHARING: usize = 4096;

/// A text to be sent. Large pieces of it are shared with the recording.
#[derive(Clone, Default)]
pub struct Text {
    own: Vec<u8>,
    /// Pieces, and behind how many bytes of `own` each of them belongs.
    shared: Vec<(usize, Bytes)>,
    length: usize,
    /// Whether it is known to be UTF-8.
    trusted: bool,
}

impl Text {
    /// Makes an empty text with room for what answers have besides their result.
    pub(super) fn with_room(bytes: usize) -> Self {
        Self { own: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Returns how many bytes of a piece of this size are copied.
    pub(super) fn small_size(bytes: usize) -> usize {
        if bytes < WORTH_SHARING { bytes } else { 0 }
    }

    /// Returns whether it may be sent as text.
    pub(super) fn is_utf8(&self) -> bool {
        if self.trusted {
            return true;
        }
        // A character may be cut by the end of a piece only where recorded text meets ours, which is ASCII.
        let mut valid = true;
        self.pieces(|piece| {
            let bytes = match piece {
                Piece::Own(bytes) => bytes,
                Piece::Shared(bytes) => bytes,
            };
            valid &= str::from_utf8(bytes).is_ok();
        });
        valid
    }

    /// Notes that the text is known to be UTF-8.
    pub(super) fn trust(&mut self) {
        self.trusted = true;
    }

    /// Returns how many bytes it has.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Returns whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies the text.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.length);
        self.pieces(|piece| match piece {
            Piece::Own(bytes) => all.extend_from_slice(bytes),
            Piece::Shared(bytes) => all.extend_from_slice(bytes),
        });
        all
    }

    /// Makes one piece of it; one that it is already is not copied.
    pub fn into_bytes(mut self) -> Bytes {
        if self.shared.is_empty() {
            return self.own.into();
        }
        if self.own.is_empty() && self.shared.len() == 1 {
            return self.shared.remove(0).1;
        }
        self.to_vec().into()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.own.extend_from_slice(bytes);
        self.length += bytes.len();
    }

    /// Adds a part of what is in memory already.
    pub(super) fn share_part(&mut self, whole: &Bytes, part: Range<usize>) {
        if part.len() < WORTH_SHARING {
            return self.write(&whole[part]);
        }
        self.share(whole.slice(part));
    }

    pub(super) fn share(&mut self, bytes: Bytes) {
        if bytes.len() < WORTH_SHARING {
            return self.write(&bytes);
        }
        self.length += bytes.len();
        self.shared.push((self.own.len(), bytes));
    }

    /// Hands out its pieces in order.
    pub(super) fn pieces(&self, mut take: impl FnMut(Piece<'_>)) {
        let mut from = 0;
        for (at, bytes) in &self.shared {
            if *at > from {
                take(Piece::Own(&self.own[from..*at]));
            }
            take(Piece::Shared(bytes));
            from = *at;
        }
        if self.own.len() > from {
            take(Piece::Own(&self.own[from..]));
        }
    }
}

/// A piece of a text.
pub(super) enum Piece<'a> {
    /// Small, to be copied.
    Own(&'a [u8]),
    /// Large, to be shared.
    Shared(&'a Bytes),
}

impl From<Bytes> for Text {
    fn from(bytes: Bytes) -> Self {
        let mut text = Self::default();
        text.share(bytes);
        text
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.to_vec() == other.to_vec()
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pieces_are_shared_and_small_ones_copied() {
        let large = Bytes::from(vec![b'x'; WORTH_SHARING]);
        let mut text = Text::default();
        text.write(b"<");
        text.share(large.clone());
        text.share(Bytes::from_static(b">"));
        assert_eq!((text.len(), text.shared.len()), (large.len() + 2, 1));
        let all = [b"<", &large[..], b">"].concat();
        assert_eq!(text.to_vec(), all);
        assert_eq!(text.into_bytes(), all);
        let whole = Text::from(large.clone()).into_bytes();
        assert_eq!(whole.as_ptr(), large.as_ptr());
    }
}
