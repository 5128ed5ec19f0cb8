//! A server that answers from canned bytes: the least that a server of recorded answers can cost.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{LARGE, SMALL_RESULT, result_of};

/// Answers each request with the same canned bytes but for its id; large ones if the method is `Large`. Frames are read by their
/// lengths, which must fit the buffer, and everything that has come is answered by one write.
///
/// # Errors
///
/// What the listener says.
pub async fn server(listener: TcpListener) -> io::Result<()> {
    let small = format!(r#","result":{SMALL_RESULT}}}"#);
    let large = format!(r#","result":{}}}"#, result_of(LARGE));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (small, large) = (small.clone(), large.clone());
        // A client that leaves ends its conversation, and nothing else.
        tokio::spawn(async move { drop(serve(stream, small.as_bytes(), large.as_bytes()).await) });
    }
}

async fn serve(mut stream: TcpStream, small: &[u8], large: &[u8]) -> io::Result<()> {
    upgrade(&mut stream).await?;
    let mut buffer = vec![0; 64 << 10];
    let (mut start, mut end) = (0, 0);
    let mut out = Vec::new();
    loop {
        if start == end {
            (start, end) = (0, 0);
        } else if end == buffer.len() {
            buffer.copy_within(start..end, 0);
            (start, end) = (0, end - start);
        }
        let read = stream.read(&mut buffer[end..]).await?;
        if read == 0 {
            return Ok(());
        }
        end += read;
        while let Some(frame) = frame(&mut buffer[start..end]) {
            let (skip, length) = frame;
            let text = &buffer[start + skip..start + skip + length];
            let prefix = br#"{"jsonrpc":"2.0","id":"#;
            let digits = &text[prefix.len().min(text.len())..];
            let id = &digits[..digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(0)];
            let is_large = text.windows(7).take(100).any(|window| window == b"\"Large\"");
            let body = if is_large { large } else { small };
            let size = prefix.len() + id.len() + body.len();
            header(&mut out, size);
            out.extend_from_slice(prefix);
            out.extend_from_slice(id);
            if is_large {
                stream.write_all(&out).await?;
                out.clear();
                stream.write_all(body).await?;
            } else {
                out.extend_from_slice(body);
            }
            start += skip + length;
        }
        stream.write_all(&out).await?;
        out.clear();
    }
}

/// Answers the upgrade of a new connection.
pub(crate) async fn upgrade(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await
}

/// Appends the header of a text frame of this size.
pub(crate) fn header(out: &mut Vec<u8>, size: usize) {
    out.push(0x81);
    match size {
        0..126 => out.push(size as u8),
        126..65536 => {
            out.push(126);
            out.extend_from_slice(&(size as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
}

/// Unmasks the frame at the front, if all of it is there: how long its header is, and its payload.
pub(crate) fn frame(bytes: &mut [u8]) -> Option<(usize, usize)> {
    let (length, header) = match *bytes.get(1)? & 0x7f {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 8),
        short => (usize::from(short), 6),
    };
    let mask: [u8; 4] = bytes.get(header - 4..header)?.try_into().ok()?;
    let payload = bytes.get_mut(header..header + length)?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some((header, length))
}
