//! What goes on to the other side: everything but pings, which are answered here.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::walker::{Head, Piece, Walker, unmask};

/// The longest payload of a control frame.
const LONGEST_CONTROL: usize = 125;

/// One direction of a connection, as far as it is decided without I/O.
///
/// Bytes go in by [`push`](Self::push), and what is to be written to the receiver comes out of it: the same bytes without pings, and pongs in between where a
/// frame has ended. Only the latest ping still unanswered is, which is all that RFC 6455 asks for and bounds what a flood of them can take.
#[derive(Debug)]
pub(super) struct Flow {
    walker: Walker,
    /// Bytes at the start of a header, kept back because it may become that of a ping.
    held: usize,
    /// The ping that is just coming in: its payload so far, masked as it came.
    ping: Option<Ping>,
    /// A pong for the receiver, which waits for the end of the frame that is just passing.
    pong: Option<Bytes>,
    /// Whether a close frame went by; nothing may be put in after it.
    closed: bool,
}

#[derive(Debug)]
struct Ping {
    mask: Option<[u8; 4]>,
    payload: BytesMut,
}

impl Flow {
    /// Makes the flow of a sender that masks its frames, as a client does, or does not.
    pub(super) fn new(masked: bool) -> Self {
        Self { walker: Walker::new(masked), held: 0, ping: None, pong: None, closed: false }
    }

    /// Takes bytes of the sender, appends to `out` what the receiver is to get, and returns the payload of the last ping in them.
    pub(super) fn push(&mut self, chunk: Bytes, out: &mut VecDeque<Bytes>) -> Option<Bytes> {
        let mut answer = None;
        let mut rest = &chunk[..];
        // Where the bytes start that were not passed on yet, and where the current frame starts.
        let mut pending = 0;
        let mut frame = 0;
        loop {
            if self.walker.is_between_frames() {
                frame = chunk.len() - rest.len();
                if self.pong.is_some() {
                    pass(&chunk, pending..frame, out);
                    pending = frame;
                    self.put_pong(out);
                }
            }
            let before = rest;
            match self.walker.step(&mut rest) {
                None => break,
                Some(Piece::Head(head)) if head.is_ping() => {
                    // What was held back are bytes of this header, and go nowhere.
                    self.held = 0;
                    pass(&chunk, pending..frame, out);
                    pending = chunk.len() - rest.len();
                    self.ping = Some(Ping { mask: head.mask, payload: BytesMut::new() });
                }
                Some(Piece::Head(head)) => {
                    self.release(out);
                    self.closed |= head.opcode == Head::CLOSE;
                }
                Some(Piece::Payload { ended }) => {
                    let Some(ping) = &mut self.ping else { continue };
                    ping.payload.extend_from_slice(&before[..before.len() - rest.len()]);
                    if ended {
                        answer = self.ping.take().map(Ping::into_payload);
                    }
                    pending = chunk.len() - rest.len();
                }
                Some(Piece::Opaque) => {
                    self.release(out);
                    self.pong = None;
                }
            }
        }
        let mut end = chunk.len();
        let incomplete = self.walker.incomplete_head();
        if incomplete.first() == Some(&Head::PING_BYTE) {
            self.held = incomplete.len();
            end = frame;
        }
        if pending == 0 && end == chunk.len() {
            if end > 0 {
                out.push_back(chunk);
            }
        } else if pending < end {
            pass(&chunk, pending..end, out);
        }
        answer
    }

    /// Returns whether a close frame went by.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Makes the pong that answers the receiver's ping. `mask` is for a receiver that wants masked frames.
    pub(super) fn answer(&mut self, ping: &[u8], mask: Option<[u8; 4]>) {
        if self.closed || self.walker.is_opaque() {
            return;
        }
        let mut pong = BytesMut::with_capacity(6 + LONGEST_CONTROL);
        let ping = &ping[..ping.len().min(LONGEST_CONTROL)];
        // The length fits: it was just cut to 125.
        let length = ping.len() as u8;
        match mask {
            Some(mask) => {
                pong.extend_from_slice(&[0x80 | Head::PONG, 0x80 | length]);
                pong.extend_from_slice(&mask);
                pong.extend_from_slice(ping);
                unmask(&mut pong[6..], mask, 0);
            }
            None => {
                pong.extend_from_slice(&[0x80 | Head::PONG, length]);
                pong.extend_from_slice(ping);
            }
        }
        self.pong = Some(pong.freeze());
    }

    /// Appends the pong that waits, unless a frame is just passing; [`push`](Self::push) does the same. Returns whether it did.
    pub(super) fn pass_pong(&mut self, out: &mut VecDeque<Bytes>) -> bool {
        let due = self.pong.is_some() && self.is_at_boundary();
        if due {
            self.put_pong(out);
        }
        due
    }

    /// Returns whether what went out so far ends with a frame.
    fn is_at_boundary(&self) -> bool {
        self.walker.is_between_frames() || self.held > 0 || self.ping.is_some()
    }

    fn put_pong(&mut self, out: &mut VecDeque<Bytes>) {
        if let Some(pong) = self.pong.take().filter(|_| !self.closed) {
            out.push_back(pong);
        }
    }

    /// Passes on what was held back, because the header turned out to be no ping's.
    fn release(&mut self, out: &mut VecDeque<Bytes>) {
        if self.held > 0 {
            out.push_back(Bytes::copy_from_slice(&self.walker.last_head()[..self.held]));
            self.held = 0;
        }
    }
}

impl Ping {
    fn into_payload(mut self) -> Bytes {
        if let Some(mask) = self.mask {
            unmask(&mut self.payload, mask, 0);
        }
        self.payload.freeze()
    }
}

fn pass(chunk: &Bytes, range: std::ops::Range<usize>, out: &mut VecDeque<Bytes>) {
    if !range.is_empty() {
        out.push_back(chunk.slice(range));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::walker::tests::*, *};

    /// Writes what came out as one run of bytes.
    fn joined(out: &VecDeque<Bytes>) -> Vec<u8> {
        out.iter().flatten().copied().collect()
    }

    /// Reads complete frames: first byte and unmasked payload of each.
    fn frames(bytes: &[u8], masked: bool) -> Vec<(u8, Vec<u8>)> {
        let mut walker = Walker::new(masked);
        let mut rest = bytes;
        let mut found: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut mask = None;
        loop {
            let before = rest;
            match walker.step(&mut rest) {
                None => break,
                Some(Piece::Head(head)) => {
                    mask = head.mask;
                    let first = u8::from(head.fin) << 7 | head.reserved << 4 | head.opcode;
                    found.push((first, Vec::new()));
                }
                Some(Piece::Payload { ended }) => {
                    let payload = &mut found.last_mut().unwrap().1;
                    payload.extend_from_slice(&before[..before.len() - rest.len()]);
                    if let (true, Some(mask)) = (ended, mask) {
                        unmask(payload, mask, 0);
                    }
                }
                Some(Piece::Opaque) => panic!("opaque"),
            }
        }
        assert!(walker.is_between_frames());
        found
    }

    proptest! {
        #[test]
        fn everything_but_pings_passes_byte_for_byte(
            samples in samples(),
            cuts in proptest::collection::vec(any::<usize>(), 0..40),
            mask in proptest::option::of(any::<[u8; 4]>()),
        ) {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.write(mask)).collect();
            let expected: Vec<u8> =
                samples.iter().filter(|sample| !sample.is_ping()).flat_map(|sample| sample.write(mask)).collect();
            let mut flow = Flow::new(mask.is_some());
            let mut out = VecDeque::new();
            let mut last = None;
            for part in split(&bytes, cuts) {
                last = flow.push(Bytes::copy_from_slice(part), &mut out).or(last);
            }
            prop_assert_eq!(joined(&out), expected);
            let ping = samples.iter().rev().find(|sample| sample.is_ping());
            prop_assert_eq!(last.as_deref(), ping.map(|ping| &ping.payload[..]));
        }

        #[test]
        fn pongs_stand_only_between_frames_and_change_nothing_else(
            samples in samples(),
            cuts in proptest::collection::vec(any::<usize>(), 0..40),
            masks in proptest::option::of((any::<[u8; 4]>(), any::<[u8; 4]>())),
            asked in proptest::collection::vec(any::<bool>(), 40),
        ) {
            let mask = masks.map(|(data, _)| data);
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.write(mask)).collect();
            let mut flow = Flow::new(mask.is_some());
            let mut out = VecDeque::new();
            for (part, asked) in split(&bytes, cuts).into_iter().zip(asked.into_iter().chain([false])) {
                flow.push(Bytes::copy_from_slice(part), &mut out);
                if asked {
                    flow.answer(b"ours", masks.map(|(_, pong)| pong));
                    flow.pass_pong(&mut out);
                }
            }
            let (pongs, rest): (Vec<_>, Vec<_>) = frames(&joined(&out), mask.is_some())
                .into_iter()
                .partition(|(first, payload)| *first == 0x8a && payload == b"ours");
            let expected: Vec<_> =
                samples.iter().filter(|sample| !sample.is_ping()).map(|s| (s.first, s.payload.clone())).collect();
            prop_assert_eq!(rest, expected);
            let closed = samples.iter().any(|sample| sample.first == 0x88);
            prop_assert!(closed || flow.pong.is_none(), "{} pongs, one is left", pongs.len());
        }

        #[test]
        fn bytes_that_are_no_web_socket_pass_as_they_are(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cuts in proptest::collection::vec(any::<usize>(), 0..10),
        ) {
            // A masked frame from an engine is against the rules, so that nothing in here can be a ping.
            let bytes: Vec<u8> = [b"\x81\x80\0\0\0\0", &bytes[..]].concat();
            let mut flow = Flow::new(false);
            let mut out = VecDeque::new();
            for part in split(&bytes, cuts) {
                prop_assert!(flow.push(Bytes::copy_from_slice(part), &mut out).is_none());
                flow.answer(b"", None);
                flow.pass_pong(&mut out);
            }
            let joined = joined(&out);
            let (pongs, rest) = joined.split_at(joined.len() - bytes.len());
            prop_assert_eq!(rest, bytes);
            prop_assert!(pongs.chunks(2).all(|pong| pong == b"\x8a\0"));
        }
    }

    #[test]
    fn pong_waits_for_the_end_of_the_frame() {
        let mut flow = Flow::new(false);
        let mut out = VecDeque::new();
        flow.push(Bytes::from_static(b"\x81\x03ab"), &mut out);
        flow.answer(b"p", None);
        flow.pass_pong(&mut out);
        assert_eq!(joined(&out), b"\x81\x03ab");
        flow.push(Bytes::from_static(b"c\x81\x01d"), &mut out);
        assert_eq!(joined(&out), b"\x81\x03abc\x8a\x01p\x81\x01d");
    }

    #[test]
    fn pong_to_an_engine_is_masked() {
        let mut flow = Flow::new(true);
        let mut out = VecDeque::new();
        flow.answer(b"abc", Some([1, 2, 3, 4]));
        flow.pass_pong(&mut out);
        assert_eq!(joined(&out), [0x8a, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3]);
    }

    #[test]
    fn nothing_is_put_after_a_close_frame() {
        let mut flow = Flow::new(false);
        let mut out = VecDeque::new();
        flow.push(Bytes::from_static(b"\x88\x02\x03\xe8"), &mut out);
        flow.answer(b"p", None);
        flow.pass_pong(&mut out);
        assert_eq!(joined(&out), b"\x88\x02\x03\xe8");
    }

    #[test]
    fn a_flood_of_pings_leaves_one_pong_waiting() {
        let mut flow = Flow::new(false);
        let mut out = VecDeque::new();
        flow.push(Bytes::from_static(b"\x81\x03ab"), &mut out);
        for payload in [b"1", b"2", b"3"] {
            flow.answer(payload, None);
            flow.pass_pong(&mut out);
        }
        flow.push(Bytes::from_static(b"c"), &mut out);
        assert_eq!(joined(&out), b"\x81\x03abc\x8a\x013");
    }
}
