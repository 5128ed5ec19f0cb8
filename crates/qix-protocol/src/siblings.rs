//! The names of neighbouring objects, so that a long list of like objects is scanned faster.
//!
//! Hypercubes are thousands of cells with the same names in the same order. Text that was valid once in the same place is
//! valid again, so the piece from a brace or comma to the colon behind the next name is compared with that of the object
//! before instead of being taken apart.

use crate::scan::MAX_DEPTH;

/// Levels that are kept apart; deeper ones share, which costs speed and nothing else.
const LEVELS: usize = 8;

/// Names of an object that are kept.
const NAMES: usize = 16;

/// Bytes of the longest piece that is kept: one comparison of two registers.
const LONGEST: usize = size_of::<u128>();

/// Shorter texts are done before this pays.
const WORTHWHILE: usize = 1024;

/// The pieces that lead to each member of the latest object of a level.
pub(crate) struct Siblings {
    pieces: [[Piece; NAMES]; LEVELS],
    /// How many members of the open object of each level have begun.
    begun: [u8; MAX_DEPTH],
}

/// The text from a brace or comma to the colon behind a name, if it is short enough to be kept.
#[derive(Clone, Copy, Default)]
pub(crate) struct Piece {
    bytes: u128,
    /// Ones where the piece has bytes; none if there is no piece.
    mask: u128,
    length: usize,
}

impl Piece {
    pub(crate) fn new(piece: &[u8]) -> Self {
        if piece.len() > LONGEST {
            return Self::default();
        }
        let mut bytes = [0; LONGEST];
        bytes[..piece.len()].copy_from_slice(piece);
        let mask = u128::MAX >> (8 * (LONGEST - piece.len()));
        Self { bytes: u128::from_le_bytes(bytes), mask, length: piece.len() }
    }

    /// Returns where the piece ends, if it stands at `at`.
    #[inline]
    pub(crate) fn end(&self, text: &[u8], at: usize) -> Option<usize> {
        let found = u128::from_le_bytes(*text.get(at..)?.first_chunk()?);
        ((found ^ self.bytes) & self.mask == 0 && self.mask != 0).then_some(at + self.length)
    }
}

impl Siblings {
    /// Returns `None` if the value at the start of the text is a scalar, or the text too short for it to pay.
    pub(crate) fn worthwhile(text: &[u8]) -> Option<Box<Self>> {
        (text.len() >= WORTHWHILE && matches!(text[0], b'{' | b'['))
            .then(|| Box::new(Self { pieces: Default::default(), begun: [0; MAX_DEPTH] }))
    }

    /// Notes that an object begins.
    #[inline]
    pub(crate) fn begin(&mut self, depth: usize) {
        self.begun[depth % MAX_DEPTH] = 0;
    }

    /// Returns where the next member's value may start, if the piece at `at` is the one that stood in its place before.
    #[inline]
    pub(crate) fn known(&mut self, text: &[u8], at: usize, depth: usize) -> Option<usize> {
        let begun = &mut self.begun[depth % MAX_DEPTH];
        let piece = &self.pieces[depth % LEVELS][usize::from(*begun) % NAMES];
        let end = piece.end(text, at);
        *begun = begun.wrapping_add(u8::from(end.is_some()));
        end
    }

    /// Keeps a piece that was taken apart.
    pub(crate) fn learn(&mut self, piece: &[u8], depth: usize) {
        let begun = &mut self.begun[depth % MAX_DEPTH];
        let kept = &mut self.pieces[depth % LEVELS][usize::from(*begun) % NAMES];
        *begun = begun.wrapping_add(1);
        *kept = Piece::new(piece);
    }
}
