//! Undoes the compression of files.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

/// Returns what a file says that may be compressed, which its first bytes tell, without a byte order mark.
pub(super) fn unpack<'r>(mut reader: impl BufRead + 'r) -> io::Result<Box<dyn BufRead + 'r>> {
    let start = beginning(&mut reader, 4)?;
    let reader = Cursor::new(start.clone()).chain(reader);
    let plain: Box<dyn Read + 'r> = match start[..] {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
        // The second byte makes the two a multiple of 31, which no text that is known here does.
        [0x78, check, ..] if u16::from_be_bytes([0x78, check]).is_multiple_of(31) => {
            Box::new(ZlibDecoder::new(reader))
        }
        _ => Box::new(reader),
    };
    let mut plain = BufReader::with_capacity(256 << 10, plain);
    let start = beginning(&mut plain, 3)?;
    let start = if start == [0xef, 0xbb, 0xbf] { Vec::new() } else { start };
    Ok(Box::new(Cursor::new(start).chain(plain)))
}

/// Reads up to this many bytes; fewer if the rest is missing.
fn beginning(reader: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    match reader.take(bytes).read_to_end(&mut start) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(start),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{
        Compression,
        write::{GzEncoder, ZlibEncoder},
    };

    use super::*;

    #[test]
    fn compression_and_byte_order_marks_are_undone() {
        let text = "\u{feff}{\"log\":{}}".as_bytes();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(text).unwrap();
        let packed = [
            text.to_vec(),
            gzip.finish().unwrap(),
            zlib.finish().unwrap(),
            zstd::bulk::compress(text, 1).unwrap(),
        ];
        for bytes in packed {
            let mut found = String::new();
            unpack(&bytes[..]).unwrap().read_to_string(&mut found).unwrap();
            assert_eq!(found, "{\"log\":{}}");
        }
        for short in [&b""[..], b"x", b"\x1f"] {
            let mut found = Vec::new();
            unpack(short).unwrap().read_to_end(&mut found).unwrap();
            assert_eq!(found, short);
        }
    }
}
