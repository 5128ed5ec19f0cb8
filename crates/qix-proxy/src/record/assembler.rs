//! Puts messages together from the bytes of one direction, cut anywhere.

use crate::relay::{Head, Piece, Walker, unmask};

/// A buffer for messages that is kept is not larger than this.
const LARGEST_SPARE: usize = 32 << 20;
/// Smaller messages that come in pieces get a buffer of their own.
const WORTH_SPARING: u64 = 64 << 10;

/// Something complete.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Found<'a> {
    /// A message, fragments joined and mask removed. It began at the time of an earlier push if it did not come in one piece.
    Message { opcode: u8, bytes: &'a [u8], began: Option<u64> },
    /// A message that was too large to be kept.
    Omitted { size: u64 },
    /// A close frame.
    Close { code: Option<u16>, reason: &'a [u8] },
    /// Something that is against the rules; said once of each kind and direction.
    Odd(&'static str),
}

/// Buffers that all assemblers share.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    unmasked: Vec<u8>,
    spare: Vec<u8>,
}

impl Buffers {
    /// Gives memory back.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }
}

/// The messages of one direction of a connection.
#[derive(Debug)]
pub(super) struct Assembler {
    walker: Walker,
    /// When the first byte of the frame was taken that is coming in, or was the last.
    begun: u64,
    /// The message that is coming in, between its first frame and its last.
    message: Option<Message>,
    /// The frame that is coming in, and how much of it was taken.
    frame: Option<(Head, u64)>,
    /// The payload of a control frame that is coming in.
    control: Vec<u8>,
    /// The largest message to be kept, in bytes.
    limit: usize,
    oddities: u8,
}

#[derive(Debug)]
struct Message {
    opcode: u8,
    bytes: Vec<u8>,
    size: u64,
    /// When its first byte was taken.
    began: u64,
    /// Whether it is within the limit, as far as the headers say.
    kept: bool,
}

impl Assembler {
    /// Makes the assembler of a sender that masks its frames, as a client does, or does not.
    pub(super) fn new(masked: bool, limit: usize) -> Self {
        Self {
            walker: Walker::new(masked),
            begun: 0,
            message: None,
            frame: None,
            control: Vec::new(),
            limit,
            oddities: 0,
        }
    }

    /// Returns how many bytes have come of a message that is not complete.
    pub(super) fn unfinished(&self) -> Option<u64> {
        self.message.as_ref().map(|message| message.size)
    }

    /// Takes bytes that came at `t`, and hands out what they complete.
    pub(super) fn push(
        &mut self,
        t: u64,
        mut chunk: &[u8],
        buffers: &mut Buffers,
        found: &mut impl FnMut(Found<'_>),
    ) {
        loop {
            let before = chunk;
            if self.walker.is_between_frames() {
                self.begun = t;
            }
            match self.walker.step(&mut chunk) {
                None => return,
                Some(Piece::Opaque) => {
                    return self.odd(1, "the bytes are no WebSocket frames any more", found);
                }
                Some(Piece::Head(head)) if self.is_whole(&head, chunk) => {
                    self.whole(t, head, &mut chunk, buffers, found);
                }
                Some(Piece::Head(head)) => {
                    self.begin(head, buffers, found);
                    self.frame = Some((head, 0));
                }
                Some(Piece::Payload { ended }) => {
                    let Some((head, offset)) = self.frame.take() else { continue };
                    let bytes = &before[..before.len() - chunk.len()];
                    self.extend(&head, offset, bytes);
                    if ended {
                        self.end(t, &head, buffers, found);
                    } else {
                        self.frame = Some((head, offset + bytes.len() as u64));
                    }
                }
            }
        }
    }

    /// Returns whether a frame is a message of its own that is all there, which most are.
    fn is_whole(&self, head: &Head, rest: &[u8]) -> bool {
        head.fin
            && matches!(head.opcode, Head::TEXT | Head::BINARY)
            && head.reserved == 0
            && self.message.is_none()
            && head.length <= rest.len() as u64
            && head.length <= self.limit as u64
    }

    fn whole(
        &mut self,
        t: u64,
        head: Head,
        chunk: &mut &[u8],
        buffers: &mut Buffers,
        found: &mut impl FnMut(Found<'_>),
    ) {
        let before = *chunk;
        self.walker.step(chunk);
        let mut bytes = &before[..before.len() - chunk.len()];
        if let Some(mask) = head.mask {
            buffers.unmasked.clear();
            buffers.unmasked.extend_from_slice(bytes);
            unmask(&mut buffers.unmasked, mask, 0);
            bytes = &buffers.unmasked;
        }
        let began = Some(self.begun).filter(|began| *began < t);
        found(Found::Message { opcode: head.opcode, bytes, began });
    }

    fn begin(&mut self, head: Head, buffers: &mut Buffers, found: &mut impl FnMut(Found<'_>)) {
        if head.is_control() {
            return;
        }
        if head.reserved != 0 {
            self.odd(2, "a frame has reserved bits set", found);
        }
        match head.opcode {
            Head::CONTINUATION if self.message.is_some() => {}
            Head::CONTINUATION => self.odd(4, "a fragment continues no message and was left out", found),
            Head::TEXT | Head::BINARY => {
                if self.message.take().is_some() {
                    self.odd(8, "a message was not finished before the next and was left out", found);
                }
                let bytes = if head.length >= WORTH_SPARING {
                    std::mem::take(&mut buffers.spare)
                } else {
                    Vec::new()
                };
                let (opcode, began) = (head.opcode, self.begun);
                self.message = Some(Message { opcode, bytes, size: 0, began, kept: true });
            }
            _ => return self.odd(16, "a frame has a reserved opcode and was left out", found),
        }
        if let Some(message) = &mut self.message
            && message.size.saturating_add(head.length) > self.limit as u64
        {
            message.kept = false;
            message.bytes = Vec::new();
        }
    }

    fn extend(&mut self, head: &Head, offset: u64, bytes: &[u8]) {
        let target = if head.is_control() {
            &mut self.control
        } else if let (Head::CONTINUATION | Head::TEXT | Head::BINARY, Some(message)) =
            (head.opcode, &mut self.message)
        {
            message.size += bytes.len() as u64;
            if !message.kept {
                return;
            }
            &mut message.bytes
        } else {
            return;
        };
        let start = target.len();
        target.extend_from_slice(bytes);
        if let Some(mask) = head.mask {
            unmask(&mut target[start..], mask, offset);
        }
    }

    fn end(&mut self, t: u64, head: &Head, buffers: &mut Buffers, found: &mut impl FnMut(Found<'_>)) {
        if head.is_control() {
            let payload = std::mem::take(&mut self.control);
            if head.opcode == Head::CLOSE {
                let (code, reason) = match payload.split_first_chunk() {
                    Some((code, reason)) => (Some(u16::from_be_bytes(*code)), reason),
                    None => (None, &[][..]),
                };
                found(Found::Close { code, reason });
            }
            return;
        }
        if !head.fin || !matches!(head.opcode, Head::CONTINUATION | Head::TEXT | Head::BINARY) {
            return;
        }
        let Some(mut message) = self.message.take() else { return };
        if !message.kept {
            found(Found::Omitted { size: message.size });
            return;
        }
        let began = Some(message.began).filter(|began| *began < t);
        found(Found::Message { opcode: message.opcode, bytes: &message.bytes, began });
        if (buffers.spare.capacity()..=LARGEST_SPARE).contains(&message.bytes.capacity()) {
            message.bytes.clear();
            buffers.spare = message.bytes;
        }
    }

    fn odd(&mut self, kind: u8, what: &'static str, found: &mut impl FnMut(Found<'_>)) {
        if self.oddities & kind == 0 {
            self.oddities |= kind;
            found(Found::Odd(what));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
        let bit = if mask.is_some() { 0x80 } else { 0 };
        let mut out = vec![first, bit | 127];
        out.extend((payload.len() as u64).to_be_bytes());
        if first & 8 != 0 {
            out.truncate(1);
            out.push(bit | payload.len() as u8);
        }
        let mut payload = payload.to_vec();
        if let Some(mask) = mask {
            out.extend(mask);
            unmask(&mut payload, mask, 0);
        }
        out.extend(payload);
        out
    }

    fn run(bytes: &[u8], parts: usize, masked: bool, limit: usize) -> Vec<String> {
        let mut assembler = Assembler::new(masked, limit);
        let mut buffers = Buffers::default();
        let mut all = Vec::new();
        for part in bytes.chunks(parts) {
            assembler.push(0, part, &mut buffers, &mut |found| {
                all.push(match found {
                    Found::Message { opcode, bytes, .. } => {
                        format!("{opcode} {}", String::from_utf8_lossy(bytes))
                    }
                    other => format!("{other:?}"),
                });
            });
        }
        all
    }

    proptest! {
        #[test]
        fn fragments_are_joined_however_the_bytes_are_split(
            messages in proptest::collection::vec((any::<bool>(), proptest::collection::vec("[a-z]{0,20}", 1..4)), 0..6),
            mask in proptest::option::of(any::<[u8; 4]>()),
            parts in 1..60usize,
        ) {
            let mut bytes = Vec::new();
            let mut expected = Vec::new();
            for (text, fragments) in &messages {
                let opcode = if *text { Head::TEXT } else { Head::BINARY };
                for (at, fragment) in fragments.iter().enumerate() {
                    let fin = if at + 1 == fragments.len() { 0x80 } else { 0 };
                    let first = fin | if at == 0 { opcode } else { 0 };
                    bytes.extend(frame(first, fragment.as_bytes(), mask));
                    bytes.extend(frame(0x89, b"ping", mask));
                }
                expected.push(format!("{opcode} {}", fragments.concat()));
            }
            prop_assert_eq!(run(&bytes, parts, mask.is_some(), 1000), expected);
        }
    }

    #[test]
    fn close_frames_have_code_and_reason() {
        let bytes = frame(0x88, b"\x10\x6cgone", Some([1, 2, 3, 4]));
        assert_eq!(
            run(&bytes, 3, true, 9),
            [format!("{:?}", Found::Close { code: Some(4204), reason: b"gone" })]
        );
        assert_eq!(
            run(&frame(0x88, b"", None), 1, false, 9),
            [format!("{:?}", Found::Close { code: None, reason: b"" })]
        );
    }

    #[test]
    fn message_beyond_the_limit_is_counted_and_not_kept() {
        let bytes =
            [frame(0x01, b"abcdef", None), frame(0x80, b"ghi", None), frame(0x81, b"ok", None)].concat();
        for parts in [1, 4, 100] {
            assert_eq!(run(&bytes, parts, false, 8), ["Omitted { size: 9 }", "1 ok"]);
        }
        assert_eq!(run(&frame(0x81, b"abcdefghi", None), 100, false, 8), ["Omitted { size: 9 }"]);
    }

    #[test]
    fn unfinished_message_is_counted() {
        let mut assembler = Assembler::new(false, 100);
        let bytes = frame(0x81, b"abcdef", None);
        assembler.push(0, &bytes[..bytes.len() - 2], &mut Buffers::default(), &mut |_| {
            panic!("nothing is complete")
        });
        assert_eq!(assembler.unfinished(), Some(4));
    }

    #[test]
    fn message_that_comes_in_pieces_has_the_time_of_its_first_byte() {
        let mut assembler = Assembler::new(false, 100);
        let bytes = [
            frame(0x81, b"one", None),
            frame(0x01, b"two", None),
            frame(0x80, b"three", None),
            frame(0x81, b"four", None),
            frame(0x81, b"five", None),
        ]
        .concat();
        // Within a payload, within the last one, and behind the first byte of a header: once the rest comes at once, once it does not.
        let (mut found, mut start) = (Vec::new(), 0);
        for (at, end) in [24, 40, 42, 57, bytes.len() - 1, bytes.len()].into_iter().enumerate() {
            assembler.push(10 + at as u64, &bytes[start..end], &mut Buffers::default(), &mut |message| {
                let Found::Message { began, .. } = message else { panic!("{message:?}") };
                found.push(began);
            });
            start = end;
        }
        assert_eq!(found, [None, Some(10), Some(12), Some(13)]);
    }

    #[test]
    fn what_is_against_the_rules_is_said_once_and_the_rest_is_read() {
        let bytes = [
            frame(0x80, b"x", None),
            frame(0x80, b"x", None),
            frame(0x83, b"x", None),
            frame(0x01, b"lost", None),
            frame(0xc1, b"kept", None),
        ]
        .concat();
        let found = run(&bytes, 100, false, 100);
        assert_eq!(found.len(), 5, "{found:?}");
        assert_eq!(found.last().unwrap(), "1 kept");
    }
}
