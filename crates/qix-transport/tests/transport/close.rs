//! How sockets end.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use qix_transport::{CloseCode, Closed, ClosedBy, Connect, Limits, Socket, SocketExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::{
    accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::support::{builder, engine, frame, raw_pair, read_head, server, switched, text, within, write};

fn assert_same(one: &Closed, other: &Closed) {
    assert_eq!((one.code, &one.reason, one.by), (other.code, &other.reason, other.by));
    assert_eq!(one.error.is_some(), other.error.is_some());
}

#[tokio::test]
async fn our_close_arrives_with_code_and_reason_behind_what_was_sent() {
    let (port, task) = server(|stream| async move {
        let mut engine = accept_async(stream).await.unwrap();
        let mut seen = Vec::new();
        while let Some(Ok(message)) = engine.next().await {
            seen.push(message);
        }
        seen
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    socket.send(Bytes::from_static(b"last")).unwrap();
    let closed = within(socket.close(CloseCode::SUSPENDED, "by hand")).await;
    assert_eq!((closed.code, &*closed.reason, closed.by), (CloseCode::SUSPENDED, "by hand", ClosedBy::Us));
    assert!(closed.error.is_none(), "{closed:?}");
    let frame = CloseFrame { code: 4000.into(), reason: "by hand".into() };
    assert_eq!(within(task).await.unwrap(), [Message::text("last"), Message::Close(Some(frame))]);

    // Whatever is asked afterwards, the answer is the same.
    assert_same(&closed, &within(socket.close(CloseCode::NORMAL, "again")).await);
    assert_same(&closed, &within(socket.receive()).await.unwrap_err());
    assert_same(&closed, &within(socket.flush()).await.unwrap_err());
    assert_same(&closed, &socket.send(Bytes::new()).unwrap_err());
}

#[tokio::test]
async fn close_of_the_peer_is_surfaced_with_code_and_reason_and_answered() {
    let (port, task) = server(|stream| async move {
        let mut engine = accept_async(stream).await.unwrap();
        engine.send("last".into()).await.unwrap();
        let frame = CloseFrame { code: 4204.into(), reason: r#"{"code":"QEP-104"}"#.into() };
        engine.close(Some(frame)).await.unwrap();
        engine.next().await.unwrap().unwrap()
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("last"));
    let closed = within(socket.receive()).await.unwrap_err();
    assert_eq!(closed.code.get(), 4204);
    assert_eq!(&*closed.reason, r#"{"code":"QEP-104"}"#);
    assert_eq!(closed.by, ClosedBy::Peer);
    assert_same(&closed, &within(socket.receive()).await.unwrap_err());
    assert_same(&closed, &within(socket.close(CloseCode::NORMAL, "")).await);
    let Message::Close(Some(answer)) = within(task).await.unwrap() else { panic!("no close frame") };
    assert_eq!(u16::from(answer.code), 4204);
}

#[tokio::test]
async fn close_without_code_is_1005() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &frame(0x88, b"")).await;
    let closed = within(socket.receive()).await.unwrap_err();
    assert_eq!((closed.code, closed.by), (CloseCode::NO_STATUS, ClosedBy::Peer));
}

#[tokio::test]
async fn code_that_may_not_be_sent_makes_a_close_frame_without_code() {
    let (mut socket, peer) = raw_pair(Limits::default()).await;
    let task = tokio::spawn(async move { engine(peer).await.next().await });
    let closed = within(socket.close(CloseCode::ABNORMAL, "reason")).await;
    assert_eq!((closed.code, &*closed.reason, closed.by), (CloseCode::NO_STATUS, "", ClosedBy::Us));
    assert_eq!(within(task).await.unwrap().unwrap().unwrap(), Message::Close(None));
}

#[tokio::test]
async fn messages_that_cross_our_close_do_not_stop_it() {
    let (mut socket, peer) = raw_pair(Limits::default()).await;
    let mut engine = engine(peer).await;
    for _ in 0..10 {
        engine.send("late".into()).await.unwrap();
    }
    let task = tokio::spawn(async move { while engine.next().await.is_some() {} });
    let closed = within(socket.close(CloseCode::NORMAL, "")).await;
    assert!(closed.error.is_none(), "{closed:?}");
    drop(socket);
    within(task).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn peer_that_never_answers_our_close_costs_no_more_than_the_deadline() {
    let limits = Limits::default().close_timeout(Duration::from_secs(7));
    let (mut socket, mut peer) = raw_pair(limits).await;
    let start = tokio::time::Instant::now();
    let closed = within(socket.close(CloseCode::NORMAL, "bye")).await;
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!((closed.code, closed.by), (CloseCode::NORMAL, ClosedBy::Us));
    let error = closed.error.clone().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("Limits::close_timeout"), "{error}");
    assert_same(&closed, &within(socket.receive()).await.unwrap_err());
    let mut head = [0];
    within(peer.read_exact(&mut head)).await.unwrap();
    assert_eq!(head, [0x88]);
}

#[tokio::test(start_paused = true)]
async fn peer_that_goes_on_talking_instead_of_answering_our_close_costs_no_more_than_the_deadline() {
    // Whole messages, and a close frame whose last byte never comes.
    for drop in [frame(0x81, b"more"), frame(0x88, b"\x03\xe8bye")[..5].to_vec()] {
        let limits = Limits::default().close_timeout(Duration::from_secs(7));
        let (mut socket, mut peer) = raw_pair(limits).await;
        let task = tokio::spawn(async move {
            // Ends when the client gives up.
            while peer.write_all(&drop).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(if drop[0] == 0x81 { 1 } else { 100 })).await;
            }
        });
        let start = tokio::time::Instant::now();
        let closed = within(socket.close(CloseCode::NORMAL, "bye")).await;
        assert_eq!(start.elapsed().as_secs(), 7);
        assert_eq!((closed.code, closed.by), (CloseCode::NORMAL, ClosedBy::Us));
        assert_eq!(closed.error.as_ref().unwrap().kind(), io::ErrorKind::TimedOut);
        std::mem::drop(socket);
        within(task).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn peer_that_answers_our_close_but_never_hangs_up_does_not_keep_us() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &frame(0x88, b"\x03\xe8")).await;
    let start = tokio::time::Instant::now();
    let closed = within(socket.close(CloseCode::NORMAL, "")).await;
    assert_eq!((start.elapsed().as_secs(), closed.error.is_none()), (0, true), "{closed:?}");
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn peer_that_closes_and_then_says_nothing_more_is_answered_at_once() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    write(&mut peer, &frame(0x88, b"\x0f\xa3")).await;
    let start = tokio::time::Instant::now();
    assert_eq!(within(socket.receive()).await.unwrap_err().code.get(), 4003);
    assert_eq!(start.elapsed().as_secs(), 0);
    let mut answer = [0; 8];
    within(peer.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer[..2], [0x88, 0x82], "a masked close frame of two bytes");
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_even_read_costs_no_more_than_the_deadline() {
    let (mut socket, _peer) = raw_pair(Limits::default()).await;
    socket.send(Bytes::from(vec![b'x'; 1 << 20])).unwrap();
    let start = tokio::time::Instant::now();
    let closed = within(socket.close(CloseCode::NORMAL, "")).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(closed.error.unwrap().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn peer_that_closes_but_does_not_read_our_answer_is_still_heard() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    socket.send(Bytes::from(vec![b'x'; 1 << 20])).unwrap();
    write(&mut peer, &frame(0x88, b"\x0f\xa3")).await;
    let closed = within(socket.receive()).await.unwrap_err();
    assert_eq!((closed.code.get(), closed.by), (4003, ClosedBy::Peer));
    assert!(closed.error.is_none());
}

#[tokio::test(start_paused = true)]
async fn close_of_the_peer_wins_over_ours_that_could_not_be_sent_yet() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    socket.send(Bytes::from(vec![b'x'; 1 << 20])).unwrap();
    write(&mut peer, &frame(0x88, b"\x0f\xa3")).await;
    let closed = within(socket.close(CloseCode::NORMAL, "")).await;
    assert_eq!((closed.code.get(), closed.by), (4003, ClosedBy::Peer));
}

#[tokio::test]
async fn end_of_stream_without_close_frame_is_1006() {
    for half in [&b""[..], &frame(0x81, b"cut off")[..5]] {
        let (mut socket, mut peer) = raw_pair(Limits::default()).await;
        write(&mut peer, half).await;
        drop(peer);
        let closed = within(socket.receive()).await.unwrap_err();
        assert_eq!((closed.code, closed.by), (CloseCode::ABNORMAL, ClosedBy::Connection));
        assert_eq!(closed.error.as_ref().unwrap().kind(), io::ErrorKind::UnexpectedEof);
        assert_same(&closed, &within(socket.receive()).await.unwrap_err());
        assert_same(&closed, &within(socket.close(CloseCode::NORMAL, "")).await);
    }
}

#[tokio::test]
async fn end_of_stream_instead_of_an_answer_to_our_close_is_told() {
    let (mut socket, mut peer) = raw_pair(Limits::default()).await;
    let task = tokio::spawn(async move { peer.read_u8().await.map(drop) });
    let closed = within(socket.close(CloseCode::NORMAL, "")).await;
    assert_eq!((closed.code, closed.by), (CloseCode::NORMAL, ClosedBy::Us));
    assert!(closed.error.is_some());
    within(task).await.unwrap().unwrap();
}

#[tokio::test]
async fn close_code_of_the_peer_survives_a_failed_write() {
    let (port, task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        write(&mut stream, switched(&head, "").as_bytes()).await;
        // Leaves what the client sends unread, so that hanging up resets the connection.
        stream.readable().await.unwrap();
        let mut bytes = frame(0x81, b"last");
        bytes.extend(frame(0x88, b"\x10\x6cno app"));
        write(&mut stream, &bytes).await;
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    let closed = within(async {
        loop {
            if let Err(closed) = socket.send_text("request").await {
                break closed;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!((closed.code.get(), &*closed.reason, closed.by), (4204, "no app", ClosedBy::Peer));
    assert_eq!(within(socket.receive()).await.unwrap(), text("last"));
    assert_same(&closed, &within(socket.receive()).await.unwrap_err());
    within(task).await.unwrap();
}

#[tokio::test]
async fn dropping_a_socket_ends_the_connection_without_a_close_frame() {
    let (socket, mut peer) = raw_pair(Limits::default()).await;
    drop(socket);
    let mut rest = Vec::new();
    within(peer.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    assert!(within(peer.write_all(b"x")).await.is_err());
}

#[tokio::test]
async fn what_came_behind_a_ping_is_heard_although_the_pong_cannot_be_written() {
    for first in [None, Some(0x89)] {
        let (mut client, mut peer) = raw_pair(Limits::default()).await;
        if let Some(ping) = first {
            write(&mut peer, &frame(ping, b"x")).await;
        }
        write(&mut peer, &frame(0x81, b"last")).await;
        write(&mut peer, &frame(0x88, &[0x0f, 0xa3])).await;
        drop(peer);
        // A program that sends meanwhile finds out first, and loses nothing either.
        let sent = first.is_some().then(|| client.send(Bytes::from_static(b"late")));
        if sent.is_some() {
            within(client.flush()).await.unwrap_err();
        }
        assert_eq!(within(client.receive()).await.unwrap(), text("last"), "{first:?}");
        let closed = within(client.receive()).await.unwrap_err();
        assert_eq!((closed.code.get(), closed.by), (4003, ClosedBy::Peer), "{first:?}");
    }
}

#[tokio::test]
async fn ping_before_the_last_words_of_a_peer_that_hung_up_costs_none_of_them() {
    let (mut client, mut peer) = raw_pair(Limits::default()).await;
    for bytes in [frame(0x89, b"x"), frame(0x81, b"one"), frame(0x89, b"y"), frame(0x81, b"two")] {
        write(&mut peer, &bytes).await;
    }
    drop(peer);
    for word in ["one", "two"] {
        assert_eq!(within(client.receive()).await.unwrap(), text(word));
    }
    let closed = within(client.receive()).await.unwrap_err();
    assert_eq!(closed.by, ClosedBy::Connection);
    within(client.send_text("late")).await.unwrap_err();
}
