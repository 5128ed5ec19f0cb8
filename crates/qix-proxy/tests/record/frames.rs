//! What crosses an open WebSocket, and what the recording has of it.

use qix_proxy::record::{FrameText, Side};
use tokio::io::AsyncWriteExt;

use crate::support::*;

fn text(text: impl Into<Vec<u8>>) -> FrameText {
    FrameText::Text(text.into().into())
}

#[tokio::test]
async fn messages_are_recorded_byte_for_byte() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let texts: [&[u8]; 12] = [
        br#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"GetDocList","params":[]}"#,
        b" {\t\"a\" : [ 1.50 , -0 , 1e400 ] }\r ",
        "{\"é\":\"\u{1F600}\u{2028}\u{7f}\",\"\\u00e9\\ud83d\":\"\\/\"}".as_bytes(),
        b"{\n  \"pretty\": true\n}",
        b"no JSON: \"\\ \x00\x1f\t\r\n",
        br#"{"a":1,"a":2,"b":}"#,
        b"",
        b"null",
        br#""json":{}}"#,
        b"\xff\xfe not UTF-8",
        br#"{"kind":"frame","json":{"x":[]}}"#,
        b"{\"half\":\"\xc3\"}",
    ];
    for (at, message) in texts.iter().enumerate() {
        // Each also in fragments; those of the client with a ping in between.
        let (from, to, masked) =
            if at % 2 == 0 { (&mut client, &mut engine, true) } else { (&mut engine, &mut client, false) };
        let (front, back) = message.split_at(message.len() / 2);
        let whole = frame(0x81, message, masked);
        let (front, back) = (frame(0x01, front, masked), frame(0x80, back, masked));
        let ping = if masked { frame(0x89, b"?", true) } else { Vec::new() };
        from.write(&[&whole[..], &front, &ping, &back].concat()).await;
        to.expect(&[whole, front, back].concat()).await;
        if masked {
            from.expect(&frame(0x8a, b"?", false)).await;
        }
    }
    client.write(&frame(0x82, b"{}\x00\xff", true)).await;
    engine.expect(&frame(0x82, b"{}\x00\xff", true)).await;
    drop(client);
    engine.rest().await;
    drop(engine);
    let recording = rig.finish().await;
    let mut expected = Vec::new();
    for (at, message) in texts.iter().enumerate() {
        let side = if at % 2 == 0 { Side::Client } else { Side::Engine };
        expected.extend([(side, text(*message)), (side, text(*message))]);
    }
    expected.push((Side::Client, FrameText::Binary(b"{}\x00\xff".as_slice().into())));
    assert_eq!(recording.frames(1), expected);
    assert_eq!(recording.sealed.frames, 25);
    assert_eq!(recording.kind("end")[0]["frames"], 25);
    assert!(recording.text.contains(r#""json":{"jsonrpc":"2.0","id":1,"#), "embedded as it is");
}

#[tokio::test]
async fn large_messages_cross_and_are_recorded_whole() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.queue(1)).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let message = format!(r#"{{"result":"{}"}}"#, "0123456789abcdef".repeat(4 << 20)).into_bytes();
    let (masked, plain) = (frame(0x81, &message, true), frame(0x81, &message, false));
    tokio::join!(client.write(&masked), engine.expect(&masked));
    tokio::join!(engine.write(&plain), client.expect(&plain));
    drop(client);
    engine.rest().await;
    drop(engine);
    let recording = rig.finish().await;
    let frames = recording.frames(1);
    assert!(frames == [(Side::Client, text(&*message)), (Side::Engine, text(&*message))]);
}

#[tokio::test]
async fn message_beyond_the_limit_crosses_and_only_its_size_is_recorded() {
    let (engines, address) = listener().await;
    let rig = Rig::with(&format!("ws://{address}"), |config| config.max_message(1000)).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    for size in [1001, 1000] {
        let bytes = frame(0x81, &vec![b'x'; size], false);
        engine.write(&bytes).await;
        client.expect(&bytes).await;
    }
    let recording = rig.cut().await;
    assert_eq!(
        recording.frames(1),
        [(Side::Engine, FrameText::Omitted(1001)), (Side::Engine, text(vec![b'x'; 1000]))]
    );
    assert!(recording.kind("note")[0]["text"].as_str().unwrap().contains("1001 bytes"));
}

#[tokio::test]
async fn pings_are_answered_on_each_side_and_pongs_pass() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;

    client.write(&frame(0x89, b"from client", true)).await;
    client.expect(&frame(0x8a, b"from client", false)).await;
    client.write(&frame(0x8a, b"unasked", true)).await;
    engine.expect(&frame(0x8a, b"unasked", true)).await;

    engine.write(&frame(0x89, b"from engine", false)).await;
    engine.expect(&[0x8a, 0x80 | 11]).await;
    let mut masked = [0; 15];
    bounded(tokio::io::AsyncReadExt::read_exact(&mut engine.0, &mut masked)).await.unwrap();
    let unmasked: Vec<u8> = masked[4..].iter().enumerate().map(|(at, byte)| byte ^ masked[at % 4]).collect();
    assert_eq!(unmasked, b"from engine");
    engine.write(&frame(0x8a, b"unasked", false)).await;
    client.expect(&frame(0x8a, b"unasked", false)).await;

    let recording = rig.cut().await;
    assert!(recording.frames(1).is_empty());
}

#[tokio::test]
async fn frames_that_nobody_knows_pass_byte_for_byte() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let odd =
        [frame(0xf3, b"reserved", true), frame(0x8f, b"control", true), frame(0xc1, b"{}", true)].concat();
    client.write(&odd).await;
    engine.expect(&odd).await;
    let lost =
        b"\x81\x05HTTP/1.1 400 is not masked, so this is no WebSocket any more\x89\x80\x01\x02\x03\x04";
    client.write(lost).await;
    engine.expect(lost).await;
    client.write(b"\x89").await;
    engine.expect(b"\x89").await;
    let recording = rig.cut().await;
    let notes: Vec<_> = recording.kind("note").iter().map(|note| note["text"].as_str().unwrap()).collect();
    assert_eq!(notes.len(), 3, "{notes:?}");
}

#[tokio::test]
async fn close_frames_keep_code_and_reason_both_ways() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let reason = br#"{"code":"QEP-104","traceId":"0123"}"#;
    let goodbye = [&4204u16.to_be_bytes()[..], reason].concat();

    let (mut client, mut engine) = open(&rig, &engines).await;
    engine.write(&frame(0x88, &goodbye, false)).await;
    client.expect(&frame(0x88, &goodbye, false)).await;
    client.write(&frame(0x88, b"\x03\xe8", true)).await;
    engine.expect(&frame(0x88, b"\x03\xe8", true)).await;
    drop(engine);
    assert!(client.rest().await.is_empty());
    drop(client);

    let (mut client, mut engine) = open(&rig, &engines).await;
    client.write(&frame(0x88, b"", true)).await;
    engine.expect(&frame(0x88, b"", true)).await;
    drop(client);
    assert!(engine.rest().await.is_empty());
    drop(engine);

    let recording = rig.finish().await;
    let first = recording.closing(1);
    assert_eq!((first.by, first.code, first.clean), (Some(Side::Engine), Some(4204), true));
    assert_eq!(first.reason.as_bytes(), reason);
    let second = recording.closing(2);
    assert_eq!((second.by, second.code, second.clean), (Some(Side::Client), None, true));
}

#[tokio::test]
async fn client_that_vanishes_inside_a_message_is_cut_and_others_go_on() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    let (mut other, mut other_engine) = open(&rig, &engines).await;
    let torn = &frame(0x81, &[b'x'; 300], true)[..108];
    client.write(torn).await;
    drop(client);
    engine.expect(torn).await;
    assert!(engine.rest().await.is_empty(), "no close frame is made up");
    drop(engine);
    for _ in 0..3 {
        other.write(&frame(0x81, b"1", true)).await;
        other_engine.expect(&frame(0x81, b"1", true)).await;
    }
    let recording = rig.cut().await;
    let closing = recording.closing(1);
    assert_eq!((closing.by, closing.clean), (Some(Side::Client), false));
    assert_eq!(recording.kind("close")[0]["cut"], serde_json::json!([100, 0]));
    assert_eq!(recording.frames(2).len(), 3);
}

#[tokio::test]
async fn one_direction_may_end_before_the_other() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    client.write(&frame(0x81, b"1", true)).await;
    client.0.shutdown().await.unwrap();
    assert_eq!(engine.rest().await, frame(0x81, b"1", true));
    engine.write(&frame(0x81, b"2", false)).await;
    client.expect(&frame(0x81, b"2", false)).await;
    drop(engine);
    assert!(client.rest().await.is_empty());
    let recording = rig.finish().await;
    assert_eq!(recording.frames(1).len(), 2);
    assert_eq!(recording.closing(1).by, Some(Side::Client));
}

#[tokio::test]
async fn requests_are_recorded_before_their_answers() {
    let (engines, address) = listener().await;
    let rig = Rig::new(address).await;
    let (mut client, mut engine) = open(&rig, &engines).await;
    for _ in 0..50 {
        client.write(&frame(0x81, b"1", true)).await;
        engine.expect(&frame(0x81, b"1", true)).await;
        engine.write(&frame(0x81, b"2", false)).await;
        client.expect(&frame(0x81, b"2", false)).await;
    }
    let recording = rig.cut().await;
    let senders: Vec<_> = recording.frames(1).iter().map(|(from, _)| *from).collect();
    assert_eq!(senders, [Side::Client, Side::Engine].repeat(50));
    let times: Vec<_> = recording.lines[1..].iter().map(|line| line["t"].as_u64().unwrap()).collect();
    assert!(times.is_sorted());
}
