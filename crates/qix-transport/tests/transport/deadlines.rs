//! Peers that are slow, or never done: each stage has a deadline, and all of them together.

use std::time::Duration;

use qix_transport::{
    Auth, Connect, ConnectError, Endpoint, Limits, OAuth, Proxies, Proxy, Stage, TlsSettings, WsConnect,
    WsConnectBuilder,
};
#[cfg(target_os = "linux")]
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    proxies::tls_engine,
    support::{builder, read_head, server, switched, within},
};

/// Connects to a peer that, once it was spoken to, does as `then` says, on a clock that jumps from deadline to deadline.
///
/// Returns the error and the seconds it took to come.
async fn slow<F: Future<Output = ()> + Send>(
    build: impl FnOnce(u16) -> WsConnectBuilder,
    then: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (ConnectError, u64) {
    let (asked, was_asked) = oneshot::channel();
    let (port, task) = server(|stream| async move {
        stream.readable().await.unwrap();
        asked.send(()).unwrap();
        then(stream).await;
    })
    .await;
    let connect = build(port).build().unwrap();
    let attempt = tokio::spawn(async move { connect.connect().await.map(drop) });
    within(was_asked).await.unwrap();
    // Only now, because a clock that jumps would pass the deadline of the TCP connection.
    tokio::time::pause();
    let start = Instant::now();
    let error = within(attempt).await.unwrap().unwrap_err();
    let seconds = start.elapsed().as_secs_f64().round() as u64;
    tokio::time::resume();
    within(task).await.unwrap();
    (error, seconds)
}

/// Reads until the client gives up, which shows that nothing stays open.
async fn silent(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Sends a byte every second until the client gives up.
async fn dripping(mut stream: TcpStream, start: &[u8], drop: &[u8]) {
    stream.write_all(start).await.unwrap();
    while stream.write_all(drop).await.is_ok() {
        sleep(Duration::from_secs(1)).await;
    }
}

fn check((error, seconds): (ConnectError, u64), stage: Stage, limit: u64) {
    let ConnectError::Timeout { stage: found, limit: told, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*found, *told), (stage, Duration::from_secs(limit)));
    assert_eq!(seconds, limit);
    assert!(error.hint().is_some());
}

fn through(url: &'static str) -> impl FnOnce(u16) -> WsConnectBuilder {
    move |port| {
        let proxy = Proxy::parse(&format!("{url}127.0.0.1:{port}")).unwrap();
        WsConnect::builder(Endpoint::parse("ws://engine.invalid").unwrap())
            .limits(Limits::default().tunnel_timeout(Duration::from_secs(7)))
            .proxies(Proxies::all(proxy))
    }
}

#[tokio::test]
async fn silent_proxies_run_into_the_deadline_of_the_tunnel() {
    for url in ["http://", "socks5://", "socks5://ada:pw@"] {
        check(slow(through(url), silent).await, Stage::Tunnel, 7);
    }
}

#[tokio::test]
async fn proxy_that_answers_drop_by_drop_runs_into_the_deadline_of_the_tunnel() {
    let drip = |stream| dripping(stream, b"HTTP/1.1 200 OK\r\nX: ", b"x");
    check(slow(through("http://"), drip).await, Stage::Tunnel, 7);
}

#[tokio::test]
async fn refusal_of_a_proxy_is_told_although_its_body_never_ends() {
    let drip = |stream| dripping(stream, b"HTTP/1.1 403 No\r\nContent-Length: 100000\r\n\r\nno", b"x");
    let (error, seconds) = slow(through("http://"), drip).await;
    let ConnectError::TunnelRefused { refusal, .. } = error else { panic!("{error:?}") };
    assert!(refusal.body.starts_with(b"no"));
    assert_eq!(seconds, 2);
}

#[tokio::test]
async fn socks_proxy_that_answers_drop_by_drop_runs_into_the_deadline_of_the_tunnel() {
    // The start of an answer with a name of 255 bytes.
    let drip = |stream| dripping(stream, b"\x05\x00\x05\x00\x00\x03\xff", b"x");
    check(slow(through("socks5://"), drip).await, Stage::Tunnel, 7);
}

#[tokio::test]
async fn tls_record_drop_by_drop_runs_into_the_deadline_of_tls() {
    let (_, pem) = tls_engine("localhost");
    let tls = TlsSettings::default().ca_pem(pem.as_bytes()).unwrap();
    let build = |port| {
        WsConnect::builder(Endpoint::parse(&format!("wss://127.0.0.1:{port}")).unwrap())
            .tls(tls)
            .limits(Limits::default().tls_timeout(Duration::from_secs(6)))
    };
    // The start of a handshake record of 4 KiB that holds a server's hello.
    let drip = |stream| dripping(stream, b"\x16\x03\x03\x10\x00\x02\x00\x0f\xfc\x03\x03", b"x");
    check(slow(build, drip).await, Stage::Tls, 6);
}

#[tokio::test]
async fn token_endpoint_that_answers_drop_by_drop_runs_into_the_deadline_of_all() {
    let build = |port| {
        let limits = Limits::default().connect_timeout(Duration::from_secs(9));
        builder(port).limits(limits).auth(Auth::bearer_from(OAuth::client_credentials("client", "secret")))
    };
    for start in ["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"] {
        let drip = |stream| dripping(stream, start.as_bytes(), b"x");
        let (error, seconds) = slow(build, drip).await;
        assert_eq!((error.stage(), seconds), (Stage::Auth, 9), "{error:?}");
        assert!(error.hint().is_some());
    }
}

/// The runtime has one thread for look-ups, which is busy for as long as the test wants.
#[test]
fn name_service_that_never_answers_runs_into_the_deadline_of_the_look_up() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv());
        let limits = Limits::default().resolve_timeout(Duration::from_secs(4));
        let endpoint = Endpoint::parse("ws://engine.invalid/").unwrap();
        let connect = WsConnect::builder(endpoint).limits(limits).build().unwrap();
        let start = Instant::now();
        let attempt = tokio::spawn(async move { connect.connect().await.map(drop) });
        // Such a clock does not jump while a thread is busy.
        while !attempt.is_finished() {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        let error = attempt.await.unwrap().unwrap_err();
        let seconds = start.elapsed().as_secs();
        assert_eq!(error.peer(), "engine.invalid:80");
        check((error, seconds), Stage::Resolve, 4);
        drop(release);
        assert!(busy.await.unwrap().is_err());
    });
}

/// Linux takes no further connection for a listener whose queue is full, and says nothing.
#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn host_that_swallows_packets_runs_into_the_deadline_of_tcp() {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // More than the queue takes.
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&address);
            socket
        })
        .collect();
    let port = address.as_socket().unwrap().port();
    let connect = builder(port).limits(Limits::default().tcp_timeout(Duration::from_secs(3)));
    let start = Instant::now();
    let error = within(connect.build().unwrap().connect()).await.unwrap_err();
    check((error, start.elapsed().as_secs()), Stage::Tcp, 3);
    drop(waiting);
}

#[tokio::test]
async fn something_that_speaks_no_tls_runs_into_the_deadline_of_tls() {
    let (_, pem) = tls_engine("localhost");
    let tls = TlsSettings::default().ca_pem(pem.as_bytes()).unwrap();
    let build = |port| {
        WsConnect::builder(Endpoint::parse(&format!("wss://127.0.0.1:{port}")).unwrap())
            .tls(tls)
            .limits(Limits::default().tls_timeout(Duration::from_secs(6)))
    };
    check(slow(build, silent).await, Stage::Tls, 6);
}

#[tokio::test]
async fn answer_to_the_upgrade_drop_by_drop_runs_into_its_deadline() {
    let build = |port| builder(port).limits(Limits::default().upgrade_timeout(Duration::from_secs(8)));
    let drip = |stream| dripping(stream, b"HTTP/1.1 101 Switching Protocols\r\nX: ", b"x");
    check(slow(build, drip).await, Stage::Upgrade, 8);
}

#[tokio::test]
async fn endless_preliminary_answers_run_into_the_deadline_of_the_upgrade() {
    let build = |port| builder(port).limits(Limits::default().upgrade_timeout(Duration::from_secs(8)));
    let drip = |stream| dripping(stream, b"", b"HTTP/1.1 103 Early Hints\r\n\r\n");
    check(slow(build, drip).await, Stage::Upgrade, 8);
}

#[tokio::test]
async fn refusal_of_an_upgrade_is_told_although_its_body_outlasts_the_deadline() {
    let build = |port| builder(port).limits(Limits::default().upgrade_timeout(Duration::from_secs(1)));
    let drip = |stream| dripping(stream, b"HTTP/1.1 503 Later\r\nContent-Length: 100000\r\n\r\nlater", b"x");
    let (error, seconds) = slow(build, drip).await;
    assert_eq!(error.refusal().unwrap().status.as_u16(), 503, "{error:?}");
    assert_eq!(seconds, 1);
}

#[tokio::test]
async fn deadline_of_all_stages_cuts_that_of_one_short() {
    let limits = Limits::default().connect_timeout(Duration::from_secs(3));
    check(slow(|port| builder(port).limits(limits), silent).await, Stage::Upgrade, 3);
    let build = |port| through("socks5://")(port).limits(limits);
    check(slow(build, silent).await, Stage::Tunnel, 3);
}

#[tokio::test]
async fn head_of_the_answer_to_an_upgrade_is_bounded() {
    let (port, task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let answer = switched(&head, "");
        stream.write_all(&answer.as_bytes()[..answer.len() - 2]).await.unwrap();
        // Ends when the client hangs up.
        while stream.write_all(&[b"X-Filler: ", &[b'x'; 1000][..], b"\r\n"].concat()).await.is_ok() {}
    })
    .await;
    let error = within(builder(port).build().unwrap().connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotWebSocket { .. }), "{error:?}");
    within(task).await.unwrap();
}
