//! Undoes the compression of bodies, so that secrets in them can be found.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The largest window that a zstd body may ask for, as a power of two: 8 MiB, as browsers allow.
const WINDOW: u32 = 23;

/// A body as its sender wrote it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    /// How it was encoded, if it was.
    pub(super) by: Option<&'static str>,
    /// Whether there was more.
    pub(super) cut: bool,
}

/// Returns what `bytes` say, which came with this `Content-Encoding` and may be `cut`: at most `limit` bytes of it, however much a
/// few bytes can stand for. `None` if it cannot be known.
pub(super) fn decode(encoding: &[u8], bytes: Vec<u8>, cut: bool, limit: usize) -> Option<Decoded> {
    let encoding = encoding.trim_ascii().to_ascii_lowercase();
    let mut input = &bytes[..];
    let (by, source): (_, Box<dyn Read + '_>) = match &*encoding {
        b"" | b"identity" => return Some(Decoded { bytes, by: None, cut }),
        b"gzip" | b"x-gzip" => ("gzip", Box::new(MultiGzDecoder::new(&mut input))),
        // Some servers leave the frame out that the standard asks for.
        b"deflate" if is_zlib(input) => ("deflate", Box::new(ZlibDecoder::new(&mut input))),
        b"deflate" => ("deflate", Box::new(DeflateDecoder::new(&mut input))),
        b"zstd" => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input).ok()?;
            decoder.window_log_max(WINDOW).ok()?;
            ("zstd", Box::new(decoder))
        }
        _ => return None,
    };
    let mut text = Vec::new();
    let ended = source.take((limit as u64).saturating_add(1)).read_to_end(&mut text);
    // Where the rest is missing, an error at the end is to be expected.
    if ended.is_err() && (!cut || text.is_empty()) {
        return None;
    }
    let cut = cut || text.len() > limit;
    text.truncate(limit);
    Some(Decoded { bytes: text, by: Some(by), cut })
}

fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [first, second, ..] if first & 15 == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn encoded(text: &[u8]) -> [(&'static str, Vec<u8>); 4] {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        zlib.write_all(text).unwrap();
        raw.write_all(text).unwrap();
        [
            ("gzip", gzip.finish().unwrap()),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", raw.finish().unwrap()),
            ("zstd", zstd::bulk::compress(text, 1).unwrap()),
        ]
    }

    #[test]
    fn every_known_encoding_is_undone() {
        for (by, bytes) in encoded(b"what it says") {
            let decoded = decode(by.to_ascii_uppercase().as_bytes(), bytes, false, 100).unwrap();
            assert_eq!(
                decoded,
                Decoded { bytes: b"what it says".to_vec(), by: Some(by), cut: false },
                "{by}"
            );
        }
        assert_eq!(decode(b"identity", vec![1], true, 9).unwrap().by, None);
    }

    #[test]
    fn no_limit_is_none() {
        for (by, bytes) in encoded(b"what it says") {
            let decoded = decode(by.as_bytes(), bytes, false, usize::MAX).unwrap();
            assert_eq!(decoded.bytes, b"what it says", "{by}");
        }
    }

    #[test]
    fn bomb_is_cut_at_the_limit() {
        for (by, bytes) in encoded(&vec![0; 50 << 20]) {
            let decoded = decode(by.as_bytes(), bytes, false, 1000).unwrap();
            assert!(decoded.cut && decoded.bytes.len() == 1000, "{by}");
        }
    }

    #[test]
    fn what_there_is_of_a_cut_body_is_read_and_damage_is_not() {
        let text: Vec<u8> = (0..200_000u32).flat_map(u32::to_be_bytes).collect();
        for (by, mut bytes) in encoded(&text) {
            bytes.truncate(bytes.len() / 2);
            let decoded = decode(by.as_bytes(), bytes.clone(), true, 1 << 20).unwrap();
            assert!(decoded.cut && text.starts_with(&decoded.bytes) && !decoded.bytes.is_empty(), "{by}");
            assert_eq!(decode(by.as_bytes(), bytes, false, 1 << 20), None, "{by}");
        }
        for encoding in ["br", "gzip, gzip", "gzip", "zstd"] {
            assert_eq!(decode(encoding.as_bytes(), vec![1, 2, 3], false, 9), None, "{encoding}");
        }
    }
}
