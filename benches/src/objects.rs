//! An engine with a few open objects: the handle says which canned answer a call gets.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    LARGE, MEDIUM, SMALL_RESULT,
    canned::{frame, header, upgrade},
    layouts, updates,
};

/// The handle of the object whose layout has 2 KB.
pub const SMALL_LAYOUT: i32 = 2;
/// The handle of the object whose layout has 0.3 MB.
pub const MEDIUM_LAYOUT: i32 = 3;
/// The handle of the object whose layout has 11 MB.
pub const LARGE_LAYOUT: i32 = 4;
/// The handle of the object whose data has 11 MB.
pub const LARGE_DATA: i32 = 5;
/// The handle of the object whose layout changes by [`updates::PATCHES`] patches from call to call, with delta answers.
pub const CHANGING: i32 = 6;

/// How many different lists of patches there are.
const UPDATES: usize = 64;

/// What is answered, without the id.
struct Answers {
    /// By handle, less 2.
    plain: [Vec<u8>; 4],
    global: Vec<u8>,
    whole: Vec<u8>,
    patches: Vec<Vec<u8>>,
}

/// Makes the frame that answers a layout of this handle, to see what a bare decode of it costs.
pub fn frame_of(handle: i32) -> String {
    match handle {
        SMALL_LAYOUT => layouts::small(),
        MEDIUM_LAYOUT => layouts::chart(MEDIUM),
        LARGE_LAYOUT => layouts::chart(LARGE),
        _ => layouts::data(LARGE),
    }
}

/// Serves them: everything that has come is answered by one write, large answers by one each.
///
/// # Errors
///
/// What the listener says.
pub async fn engine(listener: TcpListener) -> io::Result<()> {
    // Changes would have every client look for objects that it does not know.
    let result = |frame: &str| {
        let result =
            frame.find(r#""result""#).and_then(|start| frame.get(start..frame.rfind(",\"change\"")?));
        format!(",{}}}", result.unwrap_or_default()).into_bytes()
    };
    let update = |frame: &str| {
        frame.find(r#""delta""#).map(|start| format!(",{}", &frame[start..]).into_bytes()).unwrap_or_default()
    };
    let root = updates::frame(1, &format!(r#"{{"op":"add","path":"/","value":{}}}"#, updates::layout()));
    let answers = Arc::new(Answers {
        plain: [SMALL_LAYOUT, MEDIUM_LAYOUT, LARGE_LAYOUT, LARGE_DATA].map(|at| result(&frame_of(at))),
        global: format!(r#","result":{SMALL_RESULT}}}"#).into_bytes(),
        whole: update(&root),
        patches: (0..UPDATES).map(|seed| update(&updates::frame(1, &updates::patches(seed)))).collect(),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = answers.clone();
        // A client that leaves ends its conversation, and nothing else.
        tokio::spawn(async move { drop(serve(stream, &answers).await) });
    }
}

async fn serve(mut stream: TcpStream, answers: &Answers) -> io::Result<()> {
    upgrade(&mut stream).await?;
    // It is small for the sake of those who open many connections.
    let mut buffer = vec![0; 1 << 10];
    let (mut start, mut end) = (0, 0);
    let mut out = Vec::new();
    let mut updates = None;
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
        if end == buffer.len() && end < 64 << 10 {
            buffer.resize(64 << 10, 0);
        }
        while let Some((skip, length)) = frame(&mut buffer[start..end]) {
            let text = &buffer[start + skip..start + skip + length];
            let id = number(text, b"\"id\":");
            let body: &[u8] = match std::str::from_utf8(number(text, b"\"handle\":")) {
                Ok("2") => &answers.plain[0],
                Ok("3") => &answers.plain[1],
                Ok("4") => &answers.plain[2],
                Ok("5") => &answers.plain[3],
                Ok("6") => match updates.replace(updates.map_or(0, |next: usize| next + 1)) {
                    None => &answers.whole,
                    Some(next) => &answers.patches[next % UPDATES],
                },
                _ => &answers.global,
            };
            const PREFIX: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
            header(&mut out, PREFIX.len() + id.len() + body.len());
            out.extend_from_slice(PREFIX);
            out.extend_from_slice(id);
            if body.len() > 64 << 10 {
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

/// The number behind a name, which is in the first or last few dozen bytes.
fn number<'a>(text: &'a [u8], name: &[u8]) -> &'a [u8] {
    let at =
        text.windows(name.len()).position(|window| window == name).map_or(text.len(), |at| at + name.len());
    let digits = &text[at..];
    &digits[..digits.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'-').unwrap_or(digits.len())]
}
