//! What goes over a socket that is open.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::AtomicUsize},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use qix_transport::{CloseCode, ClosedBy, Connect, Limits, Message, Socket, SocketExt, WsSocket};
use tokio_tungstenite::{
    accept_async,
    tungstenite::{self, protocol::CloseFrame},
};

use crate::support::{Counted, builder, engine, frame, raw_pair, server, text, within, write};

fn close_code(message: Option<Result<tungstenite::Message, tungstenite::Error>>) -> u16 {
    match message {
        Some(Ok(tungstenite::Message::Close(Some(CloseFrame { code, .. })))) => code.into(),
        other => panic!("not a close frame with a code: {other:?}"),
    }
}

#[tokio::test]
async fn fragments_are_joined_also_around_a_ping() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    // The umlaut is cut in two.
    for bytes in [frame(0x01, b"gr\xc3"), frame(0x89, b"p"), frame(0x00, b"\xbc\xc3\x9f"), frame(0x80, b"e")]
    {
        write(&mut peer, &bytes).await;
    }
    assert_eq!(within(socket.receive()).await.unwrap(), text("grüße"));
}

#[tokio::test]
async fn ping_is_answered_while_the_client_only_receives() {
    let (port, task) = server(|stream| async move {
        let mut engine = accept_async(stream).await.unwrap();
        engine.send(tungstenite::Message::Ping("alive?".into())).await.unwrap();
        // The pong comes before anything else is sent, so it does not wait for traffic.
        let pong = engine.next().await.unwrap().unwrap();
        engine.send("done".into()).await.unwrap();
        pong
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("done"));
    assert_eq!(within(task).await.unwrap(), tungstenite::Message::Pong("alive?".into()));
}

#[tokio::test]
async fn pong_leaves_in_the_very_poll_that_reads_the_ping() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &frame(0x89, b"alive?")).await;
    assert!(socket.poll_receive(&mut Context::from_waker(Waker::noop())).is_pending());
    let pong = within(engine(peer).await.next()).await.unwrap().unwrap();
    assert_eq!(pong, tungstenite::Message::Pong("alive?".into()));
}

#[tokio::test]
async fn ping_to_a_socket_that_nobody_polls_is_answered_at_the_next_poll() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &frame(0x89, b"alive?")).await;
    let mut engine = engine(peer).await;
    assert!(engine.poll_next_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    assert!(socket.poll_idle(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(within(engine.next()).await.unwrap().unwrap(), tungstenite::Message::Pong("alive?".into()));
}

#[tokio::test]
async fn idle_socket_answers_pings_and_keeps_messages_in_their_order() {
    let (mut socket, peer) = raw_pair(Limits::default()).await;
    let mut engine = engine(peer).await;
    for round in ["one", "two"] {
        engine.send(round.into()).await.unwrap();
        engine.send(tungstenite::Message::Ping(round.into())).await.unwrap();
        let pong = tokio::select! {
            closed = socket.idle() => panic!("{closed}"),
            pong = within(engine.next()) => pong.unwrap().unwrap(),
        };
        assert_eq!(pong, tungstenite::Message::Pong(round.into()));
    }
    engine.send("three".into()).await.unwrap();
    for expected in ["one", "two", "three"] {
        assert_eq!(within(socket.receive()).await.unwrap(), text(expected));
    }
}

#[tokio::test]
async fn idle_socket_hears_the_end_and_still_has_the_messages_before_it() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &frame(0x81, b"last")).await;
    write(&mut peer, &frame(0x88, b"\x0f\xa1")).await;
    let closed = within(socket.idle()).await;
    assert_eq!((closed.code.get(), closed.by), (4001, ClosedBy::Peer));
    assert_eq!(within(socket.receive()).await.unwrap(), text("last"));
    assert_eq!(within(socket.receive()).await.unwrap_err().code.get(), 4001);
}

#[tokio::test]
async fn idle_socket_stops_reading_when_its_read_buffer_is_outweighed() {
    for size in [0, 100] {
        let (mut socket, mut peer) = raw_pair(Limits::default().read_buffer(1024)).await;
        let task = tokio::spawn(async move {
            let mut written = 0;
            while tokio::io::AsyncWriteExt::write_all(&mut peer, &frame(0x81, &vec![b'x'; size]))
                .await
                .is_ok()
            {
                written += 1;
            }
            written
        });
        // Polls until the peer is stuck, because nothing more is read.
        for _ in 0..5000 {
            assert!(socket.poll_idle(&mut Context::from_waker(Waker::noop())).is_pending());
            tokio::task::yield_now().await;
        }
        assert!(!task.is_finished());
        drop(socket);
        // 64 KiB in the pipe, a buffer's worth of unread and one of kept messages.
        let written: usize = within(task).await.unwrap();
        assert!(written * (size + 2) <= (64 << 10) + 3 * 1024, "{written} of {size}");
    }
}

/// A stream that yields empty text messages without end and takes nothing.
struct Flood;

impl tokio::io::AsyncRead for Flood {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        while buffer.remaining() >= 2 {
            buffer.put_slice(&[0x81, 0]);
        }
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Flood {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn peer_that_floods_while_a_write_fails_does_not_keep_the_sender() {
    let limits = Limits::default().max_message(100_000);
    let mut socket = WsSocket::after_upgrade(Flood, Bytes::new(), limits).await;
    let closed = socket.send_text("x").await.unwrap_err();
    assert_eq!(closed.error.unwrap().kind(), std::io::ErrorKind::BrokenPipe);
    let mut kept = 0;
    while within(socket.receive()).await.is_ok() {
        kept += 1;
    }
    assert!((1..5000).contains(&kept), "{kept}");
}

#[tokio::test(start_paused = true)]
async fn no_ping_is_sent_on_an_idle_socket() {
    let (mut socket, peer) = raw_pair(Limits::default()).await;
    let mut engine = engine(peer).await;
    let hour = std::time::Duration::from_secs(3600);
    tokio::select! {
        message = socket.receive() => panic!("{message:?}"),
        message = engine.next() => panic!("{message:?}"),
        () = tokio::time::sleep(hour) => {}
    }
}

#[tokio::test]
async fn pings_without_end_that_nobody_reads_the_answers_of_take_bounded_memory() {
    let limits = Limits::default().write_buffer(1024).max_message(1024);
    let (mut socket, peer) = raw_pair(limits).await;
    let (mut reading, mut writing) = tokio::io::split(peer);
    // 64 KiB in the pipe and 2 KiB in the buffer are less than the pongs to a megabyte of pings.
    let ping = frame(0x89, &[b'x'; 100]).repeat(10_000);
    let task = tokio::spawn(async move {
        write(&mut writing, &ping).await;
        write(&mut writing, &frame(0x81, b"end")).await;
        writing
    });
    assert_eq!(within(socket.receive()).await.unwrap(), text("end"));
    within(task).await.unwrap();
    // The socket still works once the peer reads: what is left of the pongs comes out, then the text.
    let task = tokio::spawn(async move {
        socket.send_text("alive").await.unwrap();
        socket
    });
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !task.is_finished() {
        let count = tokio::select! {
            count = tokio::io::AsyncReadExt::read(&mut reading, &mut buffer) => count.unwrap(),
            () = tokio::task::yield_now() => 0,
        };
        seen.extend_from_slice(&buffer[..count]);
    }
    within(task).await.unwrap();
    assert!(seen.len() <= (64 << 10) + 4096, "{}", seen.len());
}

#[tokio::test]
async fn message_of_64_mib_passes_both_ways() {
    const SIZE: usize = 64 << 20;
    let (port, task) = server(|stream| async move {
        let config =
            tungstenite::protocol::WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        let mut engine = tokio_tungstenite::accept_async_with_config(stream, Some(config)).await.unwrap();
        let message = engine.next().await.unwrap().unwrap();
        engine.send(message).await.unwrap();
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    let sent = Bytes::from(vec![b'q'; SIZE]);
    within(socket.send_text(sent.clone())).await.unwrap();
    let Message::Text(received) = within(socket.receive()).await.unwrap() else { panic!("not text") };
    assert!(received == sent);
    within(task).await.unwrap();
}

#[tokio::test]
async fn message_above_the_limit_ends_the_socket_with_1009_and_names_the_setting() {
    for frames in
        [vec![frame(0x81, &[b'x'; 2000])], vec![frame(0x01, &[b'x'; 900]), frame(0x80, &[b'x'; 900])]]
    {
        let (mut socket, mut peer) = raw_pair(Limits::default().max_message(1000)).await;
        for frame in frames {
            write(&mut peer, &frame).await;
        }
        let closed = within(socket.receive()).await.unwrap_err();
        assert_eq!((closed.code, closed.by), (CloseCode::TOO_BIG, ClosedBy::Us));
        let error = closed.error.unwrap().to_string();
        assert!(error.contains("1000 bytes") && error.contains("Limits::max_message"), "{error}");
        assert_eq!(within(socket.receive()).await.unwrap_err().code, CloseCode::TOO_BIG);
        assert_eq!(within(socket.send_text("x")).await.unwrap_err().code, CloseCode::TOO_BIG);
        assert_eq!(close_code(within(engine(peer).await.next()).await), 1009);
    }
}

#[tokio::test]
async fn message_at_the_limit_passes() {
    let (mut socket, mut peer) = raw_pair(Limits::default().max_message(1000)).await;
    write(&mut peer, &frame(0x81, &[b'x'; 1000])).await;
    assert_eq!(within(socket.receive()).await.unwrap(), text(&"x".repeat(1000)));
    within(socket.send_text("x".repeat(1000))).await.unwrap();
}

#[tokio::test]
async fn frame_that_announces_2_to_the_63_bytes_is_refused_before_it_comes() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &[0x81, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).await;
    assert_eq!(within(socket.receive()).await.unwrap_err().code, CloseCode::TOO_BIG);
}

#[tokio::test]
async fn binary_message_is_surfaced() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &frame(0x82, b"\x00\xff")).await;
    assert_eq!(within(socket.receive()).await.unwrap(), Message::Binary(Bytes::from_static(b"\x00\xff")));
}

#[tokio::test]
async fn text_that_is_not_utf8_ends_the_socket_with_1007_without_repeating_it() {
    for frames in [vec![frame(0x81, b"s3cret\xff")], vec![frame(0x01, b"s3cret"), frame(0x80, b"\xff\xfe")]] {
        let (mut socket, mut peer) = raw_pair(Limits::default()).await;
        for frame in frames {
            write(&mut peer, &frame).await;
        }
        let closed = within(socket.receive()).await.unwrap_err();
        assert_eq!((closed.code.get(), closed.by), (1007, ClosedBy::Connection));
        assert!(!format!("{closed:?}").contains("s3cret"), "{closed:?}");
        assert_eq!(close_code(within(engine(peer).await.next()).await), 1007);
    }
}

#[tokio::test]
async fn broken_framing_ends_the_socket_with_1002() {
    // A reserved bit, a continuation of nothing, a fragmented ping, a masked frame.
    for bytes in [frame(0xc1, b"x"), frame(0x80, b"x"), frame(0x09, b"x"), vec![0x81, 0x81, 0, 0, 0, 0, b'x']]
    {
        let (mut socket, mut peer) = raw_pair(Limits::default()).await;
        write(&mut peer, &bytes).await;
        let closed = within(socket.receive()).await.unwrap_err();
        assert_eq!((closed.code, closed.by), (CloseCode::PROTOCOL_ERROR, ClosedBy::Connection));
        assert_eq!(close_code(within(engine(peer).await.next()).await), 1002);
    }
}

#[tokio::test]
async fn burst_of_sends_is_one_write() {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    let stream = Counted { inner: ours, writes: Arc::clone(&writes) };
    let mut socket = WsSocket::after_upgrade(stream, Bytes::new(), Limits::default()).await;
    let mut engine = engine(theirs).await;
    for number in 0..500 {
        within(poll_fn(|cx| socket.poll_ready(cx))).await.unwrap();
        socket.send(Bytes::from(format!("request {number}"))).unwrap();
    }
    let count = || writes.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(count(), 0);
    within(socket.flush()).await.unwrap();
    assert_eq!(count(), 1);
    for number in 0..500 {
        let message = within(engine.next()).await.unwrap().unwrap();
        assert_eq!(message.into_text().unwrap().as_str(), format!("request {number}"));
    }
}

#[tokio::test]
async fn sender_waits_while_the_peer_does_not_read() {
    let limits = Limits::default().write_buffer(1024).max_message(64 << 10);
    let (mut socket, peer) = raw_pair(limits).await;
    let chunk = Bytes::from(vec![b'x'; 8 << 10]);
    let mut taken = 0;
    while let Poll::Ready(ready) = socket.poll_ready(&mut Context::from_waker(Waker::noop())) {
        ready.unwrap();
        socket.send(chunk.clone()).unwrap();
        taken += 1;
    }
    // 64 KiB in the pipe and at most one message more.
    assert!((8..=9).contains(&taken), "{taken}");

    // Whoever does not wait is refused in the end, and the socket lives on.
    let refusal = loop {
        if let Err(refusal) = socket.send(chunk.clone()) {
            break refusal;
        }
        taken += 1;
    };
    assert!(refusal.error.unwrap().to_string().contains("poll_ready"));
    assert!(taken <= 9 + 9, "{taken}");

    let task = tokio::spawn(async move {
        let mut engine = engine(peer).await;
        for _ in 0..taken {
            assert_eq!(engine.next().await.unwrap().unwrap().len(), 8 << 10);
        }
    });
    within(socket.flush()).await.unwrap();
    within(task).await.unwrap();
}

#[tokio::test]
async fn text_that_cannot_be_sent_is_refused_and_the_socket_lives_on() {
    let (mut socket, peer) = raw_pair(Limits::default().max_message(10)).await;
    let refusal = socket.send(Bytes::from_static(b"12345678901")).unwrap_err();
    assert_eq!((refusal.code, refusal.by), (CloseCode::TOO_BIG, ClosedBy::Us));
    assert_eq!(socket.send(Bytes::from_static(b"\xff")).unwrap_err().code.get(), 1007);
    within(socket.send_text("fine")).await.unwrap();
    let message = within(engine(peer).await.next()).await.unwrap().unwrap();
    assert_eq!(message, tungstenite::Message::text("fine"));
}

#[tokio::test]
async fn dropping_receive_half_way_loses_nothing() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    let whole = frame(0x81, b"slow message");
    for byte in &whole[..whole.len() - 1] {
        write(&mut peer, &[*byte]).await;
        assert!(socket.poll_receive(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    write(&mut peer, &whole[whole.len() - 1..]).await;
    assert_eq!(within(socket.receive()).await.unwrap(), text("slow message"));
}
