//! Through proxies: CONNECT and SOCKS5.

use std::{collections::HashMap, error::Error as _};

use futures_util::{SinkExt, StreamExt};
use qix_transport::{
    Connect, ConnectError, Dialer, Endpoint, Limits, Proxies, Proxy, SocketExt, Stage, TlsSettings,
    WsConnect, WsSocket,
};
use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinHandle};
use tokio_tungstenite::accept_async;

use crate::{
    proxies::{Asked, http_proxy, socks_proxy, socks_request, tls_engine},
    support::{frame, header, read_head, server, switched, text, within, write},
};

/// A name that nobody but the proxies here can look up.
const ENGINE: &str = "engine.invalid";

fn endpoint(scheme: &str) -> Endpoint {
    Endpoint::parse(&format!("{scheme}://{ENGINE}:4747/app/engineData")).unwrap()
}

/// Connects through the proxy with `url`, in which `PORT` stands for `port`.
async fn through(
    url: &str,
    port: u16,
    endpoint: Endpoint,
    tls: TlsSettings,
) -> Result<WsSocket, ConnectError> {
    let proxy = Proxy::parse(&url.replace("PORT", &port.to_string())).unwrap();
    let connect = WsConnect::builder(endpoint).tls(tls).proxies(Proxies::all(proxy)).build().unwrap();
    within(connect.connect()).await
}

async fn refused(url: &str, port: u16) -> ConnectError {
    let error = through(url, port, endpoint("ws"), TlsSettings::default()).await.unwrap_err();
    assert_eq!(error.peer(), format!("127.0.0.1:{port}"), "the proxy is the peer");
    assert_eq!(error.stage(), Stage::Tunnel, "{error:?}");
    assert!(error.to_string().contains("engine.invalid:4747"), "{error}");
    assert!(error.refusal().is_none(), "no credential for the engine mends it");
    error
}

/// A proxy that reads a CONNECT and answers with `answer`.
async fn answering(answer: &'static str) -> (u16, JoinHandle<()>) {
    server(move |mut stream| async move {
        read_head(&mut stream).await;
        write(&mut stream, answer.as_bytes()).await;
    })
    .await
}

async fn echoing() -> (u16, JoinHandle<()>) {
    server(|stream| async move {
        let mut engine = accept_async(stream).await.unwrap();
        let message = engine.next().await.unwrap().unwrap();
        engine.send(message).await.unwrap();
    })
    .await
}

async fn check_echo(mut socket: WsSocket) {
    within(socket.send_text("through")).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("through"));
}

#[tokio::test]
async fn connect_opens_a_tunnel_and_leaves_the_name_to_the_proxy() {
    let (engine, task) = echoing().await;
    let (port, proxy) = http_proxy(engine, None).await;
    let socket =
        through("http://127.0.0.1:PORT", port, endpoint("ws"), TlsSettings::default()).await.unwrap();
    check_echo(socket).await;
    let head = within(proxy).await.unwrap();
    assert!(head.starts_with("CONNECT engine.invalid:4747 HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "Host"), Some("engine.invalid:4747"));
    assert_eq!(header(&head, "Proxy-Authorization"), None);
    within(task).await.unwrap();
}

#[tokio::test]
async fn connect_sends_basic_credentials_to_the_proxy_only() {
    let (engine, task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        write(&mut stream, switched(&head, "").as_bytes()).await;
        head
    })
    .await;
    let (port, proxy) = http_proxy(engine, Some("ada:s3cret")).await;
    let url = "http://ada:s3cret@127.0.0.1:PORT";
    through(url, port, endpoint("ws"), TlsSettings::default()).await.unwrap();
    within(proxy).await.unwrap();
    let head = within(task).await.unwrap();
    assert!(!head.to_ascii_lowercase().contains("proxy-authorization"), "{head}");
}

#[tokio::test]
async fn tls_runs_through_connect_with_the_name_of_the_engine() {
    let (acceptor, pem) = tls_engine(ENGINE);
    let (engine, task) = server(move |stream| async move {
        let stream = acceptor.accept(stream).await.unwrap();
        assert_eq!(stream.get_ref().1.server_name(), Some(ENGINE));
        let mut engine = accept_async(stream).await.unwrap();
        let message = engine.next().await.unwrap().unwrap();
        engine.send(message).await.unwrap();
    })
    .await;
    let (port, _proxy) = http_proxy(engine, None).await;
    let tls = TlsSettings::default().ca_pem(pem.as_bytes()).unwrap();
    check_echo(through("127.0.0.1:PORT", port, endpoint("wss"), tls).await.unwrap()).await;
    within(task).await.unwrap();
}

#[tokio::test]
async fn tls_runs_through_socks5_with_the_name_of_the_engine() {
    let (acceptor, pem) = tls_engine(ENGINE);
    let (engine, task) = server(move |stream| async move {
        let mut engine = accept_async(acceptor.accept(stream).await.unwrap()).await.unwrap();
        let message = engine.next().await.unwrap().unwrap();
        engine.send(message).await.unwrap();
    })
    .await;
    let (port, _proxy) = socks_proxy(engine, None).await;
    let tls = TlsSettings::default().ca_pem(pem.as_bytes()).unwrap();
    check_echo(through("socks5h://127.0.0.1:PORT", port, endpoint("wss"), tls).await.unwrap()).await;
    within(task).await.unwrap();
}

#[tokio::test]
async fn socks5_leaves_the_name_to_the_proxy_whether_or_not_the_url_has_the_h() {
    for url in ["socks5://127.0.0.1:PORT", "socks5h://127.0.0.1:PORT"] {
        let (engine, task) = echoing().await;
        let (port, proxy) = socks_proxy(engine, None).await;
        check_echo(through(url, port, endpoint("ws"), TlsSettings::default()).await.unwrap()).await;
        let asked = Asked { kind: 3, host: ENGINE.into(), port: 4747 };
        assert_eq!(within(proxy).await.unwrap(), Some(asked));
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn socks5_sends_addresses_as_addresses() {
    for (host, kind, expected) in [
        ("192.0.2.1", 1, vec![192, 0, 2, 1]),
        ("[::1]", 4, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    ] {
        let (engine, task) = echoing().await;
        let (port, proxy) = socks_proxy(engine, None).await;
        let endpoint = Endpoint::parse(&format!("ws://{host}:9076")).unwrap();
        let tls = TlsSettings::default();
        check_echo(through("socks5://127.0.0.1:PORT", port, endpoint, tls).await.unwrap()).await;
        assert_eq!(within(proxy).await.unwrap(), Some(Asked { kind, host: expected, port: 9076 }));
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn socks5_logs_in_with_user_and_password() {
    let (engine, task) = echoing().await;
    let (port, _proxy) = socks_proxy(engine, Some(("ada", "s3cret"))).await;
    let url = "socks5://ada:s3cret@127.0.0.1:PORT";
    check_echo(through(url, port, endpoint("ws"), TlsSettings::default()).await.unwrap()).await;
    within(task).await.unwrap();
}

#[tokio::test]
async fn rules_of_the_environment_lead_through_a_real_proxy() {
    let (engine, task) = echoing().await;
    let (port, proxy) = http_proxy(engine, None).await;
    let vars =
        HashMap::from([("ALL_PROXY", format!("127.0.0.1:{port}")), ("NO_PROXY", "example.com".into())]);
    let proxies = Proxies::from_vars(|name| vars.get(name).cloned()).unwrap();
    let connect = WsConnect::builder(endpoint("ws")).proxies(proxies).build().unwrap();
    check_echo(within(connect.connect()).await.unwrap()).await;
    within(proxy).await.unwrap();
    within(task).await.unwrap();
}

#[tokio::test]
async fn exempt_endpoint_is_reached_past_the_proxy() {
    let (engine, task) = echoing().await;
    let dead = Proxy::parse("127.0.0.1:9").unwrap();
    let connect = WsConnect::builder(Endpoint::parse(&format!("ws://127.0.0.1:{engine}")).unwrap())
        .proxies(Proxies::all(dead).except("127.0.0.0/8"))
        .build()
        .unwrap();
    check_echo(within(connect.connect()).await.unwrap()).await;
    within(task).await.unwrap();
}

#[tokio::test]
async fn status_407_asks_for_credentials_in_the_proxys_url() {
    let (port, task) = http_proxy(0, Some("ada:right")).await;
    let error = refused("http://ada:s3cret@127.0.0.1:PORT", port).await;
    let ConnectError::TunnelRefused { refusal, .. } = &error else { panic!("{error:?}") };
    assert_eq!((refusal.status.as_u16(), &refusal.body[..]), (407, &b"login"[..]));
    assert!(error.hint().unwrap().contains("user:password@"));
    assert!(error.to_string().ends_with("with 407 Proxy Authentication Required"), "{error}");
    assert!(!format!("{error:?} {error}").contains("s3cret"));
    within(task).await.unwrap();
}

#[tokio::test]
async fn status_407_without_basic_says_that_the_login_is_not_supported() {
    let answer = "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\
                  Content-Length: 0\r\n\r\n";
    let (port, task) = answering(answer).await;
    assert!(refused("127.0.0.1:PORT", port).await.hint().unwrap().contains("not supported"));
    within(task).await.unwrap();
}

#[tokio::test]
async fn other_statuses_of_a_proxy_have_hints_of_their_own() {
    for (answer, expected) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "rules"),
        ("HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n", "opens no tunnels"),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "does not reach"),
        ("HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n", "does not reach"),
    ] {
        let (port, task) = answering(answer).await;
        let error = refused("127.0.0.1:PORT", port).await;
        assert!(error.hint().unwrap().contains(expected), "{answer}");
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn status_101_opens_no_tunnel_because_no_upgrade_was_asked_for() {
    let (port, task) = answering("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").await;
    let error = refused("127.0.0.1:PORT", port).await;
    assert!(matches!(error, ConnectError::TunnelRefused { .. }), "{error:?}");
    within(task).await.unwrap();
}

#[tokio::test]
async fn body_of_a_proxys_refusal_is_cut_at_1_kib() {
    let (port, task) = server(|mut stream| async move {
        read_head(&mut stream).await;
        let answer = format!("HTTP/1.1 500 X\r\nContent-Length: 5000\r\n\r\n{}", "x".repeat(5000));
        write(&mut stream, answer.as_bytes()).await;
    })
    .await;
    let error = refused("127.0.0.1:PORT", port).await;
    let ConnectError::TunnelRefused { refusal, .. } = error else { panic!("{error:?}") };
    assert_eq!(refusal.body.len(), 1024);
    within(task).await.unwrap();
}

#[tokio::test]
async fn garbage_and_hanging_up_are_no_proxy() {
    for answer in ["SSH-2.0-OpenSSH\r\n\r\n", "\u{5}\u{0}", "", "HTTP/1.1 200 OK\r\nX"] {
        for url in ["http://127.0.0.1:PORT", "socks5://127.0.0.1:PORT"] {
            let (port, task) = server(move |mut stream| async move {
                assert!(stream.read(&mut [0; 200]).await.unwrap() > 0);
                write(&mut stream, answer.as_bytes()).await;
            })
            .await;
            let error = refused(url, port).await;
            assert!(matches!(error, ConnectError::Tunnel { .. }), "{answer:?} {error:?}");
            assert!(error.hint().unwrap().contains("http:// or socks5://"), "{answer:?}");
            assert!(error.source().is_some());
            within(task).await.unwrap();
        }
    }
}

#[tokio::test]
async fn head_of_a_proxys_answer_is_bounded() {
    let (port, task) = server(|mut stream| async move {
        read_head(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 200 OK\r\n").await;
        let mut sent = 0;
        // Ends when the client hangs up.
        while tokio::io::AsyncWriteExt::write_all(&mut stream, b"X-Filler: 0123456789\r\n").await.is_ok() {
            sent += 1;
        }
        sent
    })
    .await;
    let error = refused("127.0.0.1:PORT", port).await;
    assert!(matches!(error, ConnectError::Tunnel { .. }), "{error:?}");
    within(task).await.unwrap();
}

#[tokio::test]
async fn socks5_refusals_have_hints() {
    for (code, expected) in [
        (1, "does not reach"),
        (2, "rules"),
        (3, "does not reach"),
        (4, "does not reach"),
        (5, "does not reach"),
        (6, "does not reach"),
        (7, "check the proxy's URL"),
        (8, "check the proxy's URL"),
        (99, "check the proxy's URL"),
    ] {
        let (port, task) = server(move |mut stream| async move {
            socks_request(&mut stream, None).await.unwrap();
            write(&mut stream, &[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).await;
        })
        .await;
        let error = refused("socks5://127.0.0.1:PORT", port).await;
        assert!(error.hint().unwrap().contains(expected), "{code}: {:?}", error.hint());
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn socks5_login_that_fails_or_is_missing_asks_for_credentials() {
    for url in ["socks5://127.0.0.1:PORT", "socks5://ada:s3cret@127.0.0.1:PORT"] {
        let (port, task) = socks_proxy(0, Some(("ada", "right"))).await;
        let error = refused(url, port).await;
        assert!(error.hint().unwrap().contains("user:password@"), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn dead_proxy_is_a_tcp_error_with_the_proxy_as_peer() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = through("127.0.0.1:PORT", port, endpoint("ws"), TlsSettings::default()).await.unwrap_err();
    assert_eq!((error.stage(), error.peer()), (Stage::Tcp, &*format!("127.0.0.1:{port}")));
}

#[tokio::test]
async fn bytes_in_the_segment_of_a_tunnels_answer_are_not_lost() {
    for url in ["http://127.0.0.1:PORT", "socks5://127.0.0.1:PORT"] {
        let (port, task) = server(move |mut stream| async move {
            if url.starts_with("http") {
                read_head(&mut stream).await;
                write(&mut stream, b"HTTP/1.1 200 OK\r\n\r\nhello").await;
            } else {
                socks_request(&mut stream, None).await.unwrap();
                write(&mut stream, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00hello").await;
            }
        })
        .await;
        let proxy = Proxy::parse(&url.replace("PORT", &port.to_string())).unwrap();
        let dialer = Dialer::plain(&Limits::default()).proxies(Proxies::all(proxy));
        let mut stream = within(dialer.dial(&endpoint("ws"))).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
        let mut rest = String::new();
        within(stream.read_to_string(&mut rest)).await.unwrap();
        assert_eq!(rest, "hello", "{url}");
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn answers_of_a_tunnel_and_bytes_behind_them_may_be_split_anywhere() {
    const HTTP: &[u8] = b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\nhello";
    const SOCKS: &[u8] =
        b"\x05\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00hello";
    for (scheme, answer) in [("http", HTTP), ("socks5", SOCKS)] {
        for split in 1..answer.len() {
            let (port, task) = server(move |mut stream| async move {
                stream.set_nodelay(true).unwrap();
                if scheme == "http" {
                    read_head(&mut stream).await;
                } else {
                    socks_request(&mut stream, None).await.unwrap();
                }
                write(&mut stream, &answer[..split]).await;
                tokio::task::yield_now().await;
                write(&mut stream, &answer[split..]).await;
            })
            .await;
            let proxy = Proxy::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
            let dialer = Dialer::plain(&Limits::default()).proxies(Proxies::all(proxy));
            let mut stream = within(dialer.dial(&endpoint("ws"))).await.unwrap();
            let mut rest = String::new();
            within(stream.read_to_string(&mut rest)).await.unwrap();
            assert_eq!(rest, "hello", "{scheme} split at {split}");
            within(task).await.unwrap();
        }
    }
}

#[tokio::test]
async fn tls_bytes_in_the_segment_of_a_tunnels_answer_reach_tls() {
    // A fatal alert, unrecognised name: all a server says before it has heard anything.
    const ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 112];
    let (_, pem) = tls_engine(ENGINE);
    for url in ["http://127.0.0.1:PORT", "socks5://127.0.0.1:PORT"] {
        let (port, task) = server(move |mut stream| async move {
            let mut answer = if url.starts_with("http") {
                read_head(&mut stream).await;
                b"HTTP/1.1 200 OK\r\n\r\n".to_vec()
            } else {
                socks_request(&mut stream, None).await.unwrap();
                vec![5, 0, 0, 1, 0, 0, 0, 0, 0, 0]
            };
            answer.extend(ALERT);
            write(&mut stream, &answer).await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
        })
        .await;
        let tls = TlsSettings::default().ca_pem(pem.as_bytes()).unwrap();
        let error = through(url, port, endpoint("wss"), tls).await.unwrap_err();
        assert_eq!((error.stage(), error.peer()), (Stage::Tls, "engine.invalid:4747"), "{error:?}");
        assert!(error.hint().unwrap().contains("does not know the host name"), "{error:?}");
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn frames_in_the_segment_of_the_101_pass_a_tunnel() {
    let (engine, task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let mut bytes = switched(&head, "").into_bytes();
        bytes.extend(frame(0x81, b"one"));
        write(&mut stream, &bytes).await;
    })
    .await;
    let (port, _proxy) = http_proxy(engine, None).await;
    let mut socket = through("127.0.0.1:PORT", port, endpoint("ws"), TlsSettings::default()).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("one"));
    within(task).await.unwrap();
}

#[tokio::test]
async fn tunnel_whose_far_end_says_nothing_is_no_web_socket() {
    let (port, task) = answering("HTTP/1.1 200 OK\r\n\r\n").await;
    let error = through("127.0.0.1:PORT", port, endpoint("ws"), TlsSettings::default()).await.unwrap_err();
    assert_eq!((error.stage(), error.peer()), (Stage::Upgrade, "engine.invalid:4747"));
    within(task).await.unwrap();
}

#[test]
fn connector_hides_the_proxys_credentials_in_debug() {
    let proxies = Proxies::all(Proxy::parse("http://s3cret:s3cret@proxy").unwrap());
    let builder = WsConnect::builder(endpoint("ws")).proxies(proxies);
    let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}
