//! Bodies of any size and pace, both ways, which depend on nothing but their length.

use std::io;
use std::time::Duration;

use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::{Response, StatusCode};
use serde_json::json;
use tokio_tungstenite::tungstenite::Bytes;

use super::super::http::decode;
use super::answers::{Answer, error, json, set};

// One call must not take the memory of the machine, whatever it asks for.
const LARGEST_PIECE: usize = 4 << 20;
const PIECE: usize = 64 << 10;
// The pattern repeats after a prime number of bytes, so that a piece that is lost, doubled or moved shows.
const PERIOD: usize = 251;

/// Answers `/tempcontent/BYTES.bin` with so many bytes, in pieces of `piece` bytes, `pause` milliseconds apart,
/// with their length or, with `length=no`, chunked.
pub(super) fn download(name: &str, query: &str) -> Answer {
    let number = |text: &str| text.parse::<u64>().ok();
    let Some(length) = name.strip_suffix(".bin").and_then(number) else {
        return error(StatusCode::NOT_FOUND, "Not found");
    };
    let option = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|pair| pair.0 == name)
            .map(|p| decode(p.1))
    };
    let piece = option("piece").as_deref().and_then(number).unwrap_or(PIECE as u64);
    let piece = piece.clamp(1, LARGEST_PIECE as u64);
    let pause = option("pause").as_deref().and_then(number).map(Duration::from_millis);
    let pattern: Bytes =
        (0..PERIOD + piece as usize).map(|at| (at % PERIOD) as u8).collect::<Vec<_>>().into();
    let pieces = stream::unfold(0_u64, move |at| {
        let pattern = pattern.clone();
        async move {
            let size = piece.min(length - at);
            if size == 0 {
                return None;
            }
            if let Some(pause) = pause.filter(|_| at > 0) {
                tokio::time::sleep(pause).await;
            }
            let start = (at % PERIOD as u64) as usize;
            let bytes = pattern.slice(start..start + size as usize);
            Some((Ok::<_, io::Error>(Frame::data(bytes)), at + size))
        }
    });
    let mut answer = Response::new(StreamBody::new(pieces).boxed_unsync());
    set(&mut answer, "content-type", "application/octet-stream");
    if option("length").as_deref() != Some("no") {
        set(&mut answer, CONTENT_LENGTH.as_str(), &length.to_string());
    }
    answer
}

/// Reads a body to its end, and answers how long it was and how it came.
pub(super) async fn upload(mut body: Incoming) -> Answer {
    let announced = body.size_hint().exact();
    let (mut length, mut sum) = (0_u64, 0_u64);
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return error(StatusCode::BAD_REQUEST, "The body has no end") };
        let Some(bytes) = frame.data_ref() else { continue };
        length += bytes.len() as u64;
        // Depends on the order, too.
        sum = bytes.iter().fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    }
    json(
        StatusCode::CREATED,
        &json!({"bytes": length, "sum": format!("{sum:016x}"), "chunked": announced.is_none()}),
    )
}
