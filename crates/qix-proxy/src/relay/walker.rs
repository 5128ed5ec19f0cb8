//! Finds the frames in a stream of WebSocket bytes, however the bytes are split.

/// The first bits of an opcode that mark a control frame.
const CONTROL: u8 = 0x8;
/// The longest header: two bytes, eight of length, four of mask.
const LONGEST: usize = 14;

/// The header of one frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    /// Whether the message ends with this frame.
    pub(crate) fin: bool,
    /// The three bits that extensions use, none of which was agreed on.
    pub(crate) reserved: u8,
    /// What kind of frame it is.
    pub(crate) opcode: u8,
    /// The mask of a client's frame.
    pub(crate) mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub(crate) length: u64,
}

impl Head {
    pub(crate) const CONTINUATION: u8 = 0;
    pub(crate) const TEXT: u8 = 1;
    pub(crate) const BINARY: u8 = 2;
    pub(crate) const CLOSE: u8 = 8;
    pub(crate) const PING: u8 = 9;
    pub(crate) const PONG: u8 = 10;

    /// The first byte of every ping that follows the rules.
    pub(crate) const PING_BYTE: u8 = 0x80 | Self::PING;

    pub(crate) fn is_control(&self) -> bool {
        self.opcode & CONTROL != 0
    }

    pub(crate) fn is_ping(&self) -> bool {
        self.opcode == Self::PING && self.reserved == 0
    }

    /// Reads a complete header.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let length = match bytes[1] & 0x7f {
            126 => bytes[2..4].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            127 => bytes[2..10].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            short => u64::from(short),
        };
        let mask = (bytes[1] & 0x80 != 0).then(|| {
            bytes[bytes.len() - 4..].try_into().expect("a masked header ends with four bytes of mask")
        });
        Self { fin: bytes[0] & 0x80 != 0, reserved: bytes[0] >> 4 & 7, opcode: bytes[0] & 0xf, mask, length }
    }

    /// Returns how long a header with this second byte is.
    pub(crate) fn size(second: u8) -> usize {
        let length = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if second & 0x80 != 0 { 4 } else { 0 }
    }
}

/// What a step over some bytes has found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// A header is complete; its payload follows, be it empty.
    Head(Head),
    /// Bytes of the payload of the current frame, which `ended` with them or not.
    Payload {
        /// Whether the frame ends with the last of these bytes.
        ended: bool,
    },
    /// Bytes of something that is no longer a WebSocket; everything that follows is.
    Opaque,
}

/// Where in its frames a stream of bytes is.
///
/// A header that breaks a rule about the *size* of things (a frame masked the wrong way round, a control frame that is long or
/// in fragments, a length of 2⁶³ or more) means that the stream is something else, or that this walker is lost in it. From there on it is
/// [opaque](Piece::Opaque). Reserved bits and opcodes do not: their frames have a length like all others.
#[derive(Debug)]
pub(crate) struct Walker {
    state: State,
    /// Whether the sender has to mask: clients do, engines do not.
    masked: bool,
    head: [u8; LONGEST],
    have: u8,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Head,
    Payload(u64),
    Opaque,
}

impl Walker {
    pub(crate) fn new(masked: bool) -> Self {
        Self { state: State::Head, masked, head: [0; LONGEST], have: 0 }
    }

    /// Steps over the next piece at the front of `bytes` and takes it off; nothing once `bytes` are used up.
    ///
    /// An incomplete header at the end is taken off without a piece.
    pub(crate) fn step(&mut self, bytes: &mut &[u8]) -> Option<Piece> {
        match self.state {
            State::Payload(left) => {
                // At most what is there, so it fits.
                let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                if taken == 0 && left > 0 {
                    return None;
                }
                *bytes = &bytes[taken..];
                let left = left - taken as u64;
                self.state = if left == 0 { State::Head } else { State::Payload(left) };
                Some(Piece::Payload { ended: left == 0 })
            }
            State::Head => {
                let head = self.header(bytes)?;
                if self.is_lost(&head) {
                    self.state = State::Opaque;
                    *bytes = &[];
                    return Some(Piece::Opaque);
                }
                self.state = State::Payload(head.length);
                Some(Piece::Head(head))
            }
            State::Opaque => (!std::mem::take(bytes).is_empty()).then_some(Piece::Opaque),
        }
    }

    /// Returns whether the bytes so far end with a frame, not inside one.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.state == State::Head && self.have == 0
    }

    /// Returns whether the stream is no longer a WebSocket.
    pub(crate) fn is_opaque(&self) -> bool {
        self.state == State::Opaque
    }

    /// Returns what has come of a header that is not complete.
    pub(crate) fn incomplete_head(&self) -> &[u8] {
        &self.head[..usize::from(self.have)]
    }

    /// Returns the bytes of the last complete header.
    pub(crate) fn last_head(&self) -> &[u8; LONGEST] {
        &self.head
    }

    fn header(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        let mut have = usize::from(self.have);
        loop {
            let size = if have < 2 { 2 } else { Head::size(self.head[1]) };
            if have >= 2 && have == size {
                self.have = 0;
                return Some(Head::parse(&self.head[..size]));
            }
            let taken = (size - have).min(bytes.len());
            if taken == 0 {
                return None;
            }
            let (front, rest) = bytes.split_at(taken);
            self.head[have..have + taken].copy_from_slice(front);
            *bytes = rest;
            have += taken;
            // At most LONGEST, which is 14.
            self.have = have as u8;
        }
    }

    fn is_lost(&self, head: &Head) -> bool {
        head.mask.is_some() != self.masked
            || head.length > i64::MAX as u64
            || head.is_control() && (head.length > 125 || !head.fin)
    }
}

/// Removes, or puts on, the mask of payload bytes that start `offset` bytes into their frame.
pub(crate) fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: u64) {
    let turn = (offset % 4) as usize;
    let mask: [u8; 4] = std::array::from_fn(|at| mask[(at + turn) % 4]);
    let word = u64::from_ne_bytes(std::array::from_fn(|at| mask[at % 4]));
    let mut words = bytes.chunks_exact_mut(8);
    for eight in words.by_ref() {
        let plain = u64::from_ne_bytes((&*eight).try_into().expect("the chunks have eight bytes")) ^ word;
        eight.copy_from_slice(&plain.to_ne_bytes());
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame to be written in tests.
    #[derive(Clone, Debug)]
    pub(in crate::relay) struct Sample {
        pub(in crate::relay) first: u8,
        pub(in crate::relay) payload: Vec<u8>,
    }

    impl Sample {
        pub(in crate::relay) fn is_ping(&self) -> bool {
            self.first == Head::PING_BYTE
        }

        /// Writes the frame, masked if there is a mask.
        pub(in crate::relay) fn write(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
            let mut out = vec![self.first];
            let bit = if mask.is_some() { 0x80 } else { 0 };
            match self.payload.len() {
                length @ 0..126 => out.push(bit | length as u8),
                length @ 126..65536 => {
                    out.push(bit | 126);
                    out.extend((length as u16).to_be_bytes());
                }
                length => {
                    out.push(bit | 127);
                    out.extend((length as u64).to_be_bytes());
                }
            }
            let mut payload = self.payload.clone();
            if let Some(mask) = mask {
                out.extend(mask);
                unmask(&mut payload, mask, 0);
            }
            out.extend(payload);
            out
        }
    }

    pub(in crate::relay) fn samples() -> impl Strategy<Value = Vec<Sample>> {
        let data = (any::<u8>(), prop_oneof![0..4usize, 120..130usize, 65530..65540usize])
            .prop_map(|(first, length)| Sample { first: first & 0xf7, payload: vec![first; length] });
        let control = (8..16u8, proptest::collection::vec(any::<u8>(), 0..126))
            .prop_map(|(opcode, payload)| Sample { first: 0x80 | opcode, payload });
        proptest::collection::vec(prop_oneof![data, control], 0..8)
    }

    /// Cuts `bytes` at any places.
    pub(in crate::relay) fn split(bytes: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
        cuts.iter_mut().for_each(|cut| *cut %= bytes.len() + 1);
        cuts.sort_unstable();
        let mut start = 0;
        let mut parts = Vec::new();
        for cut in cuts.into_iter().chain([bytes.len()]) {
            parts.push(&bytes[start..cut]);
            start = cut;
        }
        parts
    }

    proptest! {
        #[test]
        fn frames_are_found_however_the_bytes_are_split(
            samples in samples(),
            cuts in proptest::collection::vec(any::<usize>(), 0..40),
            mask in proptest::option::of(any::<[u8; 4]>()),
        ) {
            let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.write(mask)).collect();
            let mut walker = Walker::new(mask.is_some());
            let mut found = Vec::new();
            for part in split(&bytes, cuts) {
                let mut rest = part;
                loop {
                    let before = rest;
                    match walker.step(&mut rest) {
                        None => break,
                        Some(Piece::Head(head)) => found.push((head, Vec::new(), false)),
                        Some(Piece::Payload { ended }) => {
                            let (_, payload, done) = found.last_mut().unwrap();
                            prop_assert!(!*done);
                            payload.extend_from_slice(&before[..before.len() - rest.len()]);
                            *done = ended;
                        }
                        Some(Piece::Opaque) => prop_assert!(false, "opaque"),
                    }
                }
                prop_assert!(rest.is_empty());
            }
            prop_assert!(walker.is_between_frames());
            prop_assert_eq!(found.len(), samples.len());
            for ((head, mut payload, done), sample) in found.into_iter().zip(samples) {
                prop_assert!(done);
                if let Some(mask) = head.mask {
                    unmask(&mut payload, mask, 0);
                }
                prop_assert_eq!(head.opcode, sample.first & 0xf);
                prop_assert_eq!(head.reserved, sample.first >> 4 & 7);
                prop_assert_eq!(head.fin, sample.first & 0x80 != 0);
                prop_assert_eq!(head.length, sample.payload.len() as u64);
                prop_assert_eq!(payload, sample.payload);
            }
        }

        #[test]
        fn unmasking_in_parts_is_unmasking_at_once(
            bytes in proptest::collection::vec(any::<u8>(), 0..50),
            mask in any::<[u8; 4]>(),
            cut in any::<usize>(),
        ) {
            let whole: Vec<u8> = bytes.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
            let mut parts = bytes.clone();
            let cut = cut % (bytes.len() + 1);
            unmask(&mut parts[..cut], mask, 0);
            unmask(&mut parts[cut..], mask, cut as u64);
            prop_assert_eq!(parts, whole);
        }
    }

    #[test]
    fn sizes_against_the_rules_end_the_walk() {
        for (masked, bytes) in [
            (true, &b"\x81\x01a"[..]),
            (false, b"\x81\x81\0\0\0\0a"),
            (false, b"\x09\x00"),
            (false, b"\x89\x7e\0\x7e"),
            (false, b"\x82\x7f\x80\0\0\0\0\0\0\0"),
        ] {
            let mut walker = Walker::new(masked);
            let mut rest = bytes;
            assert_eq!(walker.step(&mut rest), Some(Piece::Opaque), "{bytes:?}");
            assert!(walker.is_opaque() && rest.is_empty());
            assert_eq!(walker.step(&mut &b"more"[..]), Some(Piece::Opaque));
            assert_eq!(walker.step(&mut &b""[..]), None);
        }
    }
}
