//! Plain HTTP through each of the ways in: TLS, Unix sockets, and forward mode.

use std::{sync::Arc, time::Duration};

use qix_proxy::{Authority, AuthoritySettings, Forwarding, FrontTls, ProxyBuilder, record::Redaction};
use qix_tests::certs::{CertOptions, Certs};
use qix_transport::{Auth, TlsSettings};
use rustls::{
    ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer, pki_types::pem::PemObject,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    http::{ok, send, serve, whole},
    support::*,
};

/// What stands for the recorder's or a host's own certificate.
struct Site {
    certs: Certs,
    _dir: TempDir,
    tls: FrontTls,
}

impl Site {
    fn new() -> Self {
        let (certs, dir) = (Certs::generate(CertOptions::default()).unwrap(), tempfile::tempdir().unwrap());
        certs.write(dir.path()).unwrap();
        let [certificate, key] = ["server.pem", "server_key.pem"].map(|name| dir.path().join(name));
        let tls = FrontTls::from_pem_files(certificate, key).unwrap();
        Self { certs, _dir: dir, tls }
    }

    async fn rig(&self, origins: &TcpListener, change: impl FnOnce(ProxyBuilder) -> ProxyBuilder) -> Rig {
        let tls = self.tls.clone();
        let upstream = format!("ws://{}", origins.local_addr().unwrap());
        Rig::with(&upstream, |config| change(config.front_tls(tls))).await
    }

    async fn client(&self, rig: &Rig) -> TlsStream<TcpStream> {
        secured(TcpStream::connect(rig.address).await.unwrap(), self.certs.root.as_bytes()).await
    }
}

async fn secured<S: AsyncRead + AsyncWrite + Unpin>(stream: S, root: &[u8]) -> TlsStream<S> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    bounded(connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap()
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    bounded(stream.write_all(text.as_bytes())).await.unwrap();
    bounded(stream.flush()).await.unwrap();
}

/// Reads a head and what its length announces.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(bounded(stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    bounded(stream.read_exact(&mut body)).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// Reads to an end that is an orderly one.
async fn to_the_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut rest = Vec::new();
    bounded(stream.read_to_end(&mut rest)).await.expect("the end must be an orderly one");
    String::from_utf8(rest).unwrap()
}

struct Ca {
    authority: Arc<Authority>,
    _dir: TempDir,
}

impl Ca {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::create(dir.path(), &AuthoritySettings::default()).unwrap());
        Self { authority, _dir: dir }
    }

    fn root(&self) -> Vec<u8> {
        std::fs::read(self.authority.certificate_path()).unwrap()
    }

    async fn rig(&self, host: &str, change: impl FnOnce(ProxyBuilder) -> ProxyBuilder) -> Rig {
        let forwarding = Forwarding::new(Arc::clone(&self.authority)).intercept(host).unwrap();
        Rig::built(|config| change(config.listen(([127, 0, 0, 1], 0)).forward(forwarding))).await
    }
}

async fn tunnel(rig: &Rig, to: &str) -> Raw {
    let mut client = send(rig, &format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "));
    client
}

#[tokio::test]
async fn pages_over_tls_are_of_https_and_keep_their_connection() {
    let (site, (origins, address)) = (Site::new(), listener().await);
    let rig = site.rig(&origins, |config| config).await;
    let host = format!("localhost:{}", rig.address.port());
    let mut client = site.client(&rig).await;
    let get = format!(
        "GET /hub HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nReferer: https://{host}/x\r\n\r\n"
    );
    write(&mut client, &get).await;
    let more = format!(
        "Location: http://{address}/form\r\nSet-Cookie: __Host-a=b; Secure; SameSite=None; Path=/; Domain=127.0.0.1\r\n"
    );
    let (mut origin, head) = serve(&origins, &ok("one", &more)).await;
    assert_eq!(header(&head, "origin"), Some(&*format!("http://{address}")));
    assert_eq!(header(&head, "referer"), Some(&*format!("http://{address}/x")));
    let (head, body) = answer(&mut client).await;
    assert_eq!((header(&head, "location"), &*body), (Some(&*format!("https://{host}/form")), "one"));
    assert_eq!(header(&head, "set-cookie"), Some("__Host-a=b; Secure; SameSite=None; Path=/"));
    write(&mut client, &get).await;
    origin.head().await;
    origin.write(ok("two", "").as_bytes()).await;
    assert_eq!(answer(&mut client).await.1, "two");
    drop((client, origin));
    assert_eq!(rig.finish().await.sealed.exchanges, 2);
}

#[tokio::test]
async fn end_of_a_connection_over_tls_is_said_so_that_no_answer_looks_cut() {
    let (site, (origins, _)) = (Site::new(), listener().await);
    let rig = site.rig(&origins, |config| config).await;
    // Only the end of the connection says where the body ends.
    let mut old = site.client(&rig).await;
    write(&mut old, "GET / HTTP/1.0\r\n\r\n").await;
    let (mut origin, _) = serve(&origins, "HTTP/1.1 200 OK\r\n\r\nall of it").await;
    bounded(origin.0.shutdown()).await.unwrap();
    assert!(to_the_end(&mut old).await.ends_with("\r\n\r\nall of it"));
    let mut wrong = site.client(&rig).await;
    write(&mut wrong, "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n").await;
    assert!(to_the_end(&mut wrong).await.starts_with("HTTP/1.1 400 "));
    let mut garbage = site.client(&rig).await;
    write(&mut garbage, "no HTTP at all\r\n\r\n").await;
    assert!(to_the_end(&mut garbage).await.starts_with("HTTP/1.1 400 "));
    let mut idle = site.client(&rig).await;
    write(&mut idle, "GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (_origin, _) = serve(&origins, &ok("", "")).await;
    answer(&mut idle).await;
    rig.finish().await;
    assert_eq!(to_the_end(&mut idle).await, "");
}

#[tokio::test]
async fn answer_that_is_cut_over_tls_does_not_look_whole() {
    let (site, (origins, _)) = (Site::new(), listener().await);
    let rig = site.rig(&origins, |config| config).await;
    let mut old = site.client(&rig).await;
    write(&mut old, "GET / HTTP/1.0\r\n\r\n").await;
    let (origin, _) =
        serve(&origins, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    drop(origin);
    let mut rest = Vec::new();
    assert!(bounded(old.read_to_end(&mut rest)).await.is_err(), "{}", String::from_utf8_lossy(&rest));
    rig.finish().await;
}

#[tokio::test]
async fn answer_in_progress_over_tls_may_end_while_the_proxy_stops() {
    let (site, (origins, _)) = (Site::new(), listener().await);
    let rig = site.rig(&origins, |config| config).await;
    let mut client = site.client(&rig).await;
    write(&mut client, "GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
    let (mut origin, _) = serve(&origins, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf").await;
    let mut half = [0; 4];
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(bounded(client.read_u8()).await.unwrap());
    }
    bounded(client.read_exact(&mut half)).await.unwrap();
    let rest = async {
        origin.write(b"rest").await;
        to_the_end(&mut client).await
    };
    let (recording, rest) = tokio::join!(rig.finish(), rest);
    assert_eq!(rest, "rest");
    assert!(recording.kind("http")[0].get("error").is_none());
}

#[tokio::test]
async fn smuggling_is_refused_behind_tls_too() {
    let (site, (origins, _)) = (Site::new(), listener().await);
    let rig = site.rig(&origins, |config| config).await;
    for wrong in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
        "X: a\r\n b\r\n\r\n",
        "X: a\rb\r\n\r\n",
    ] {
        let mut client = site.client(&rig).await;
        write(&mut client, &format!("POST / HTTP/1.1\r\nHost: h\r\n{wrong}")).await;
        assert!(answer(&mut client).await.0.starts_with("HTTP/1.1 400 "), "{wrong:?}");
    }
    assert_eq!(rig.finish().await.sealed.exchanges, 0);
}

#[tokio::test]
async fn own_and_allowed_origins_are_those_of_https_where_tls_is_in_front() {
    let (site, (origins, _)) = (Site::new(), listener().await);
    let rig = site
        .rig(&origins, |config| {
            let allowed = vec!["https://recorder.example:9077".to_owned()];
            config.auth(Auth::bearer("injected")).allowed_origins(allowed)
        })
        .await;
    for (host, origin, status) in [
        ("recorder.example:9077", "https://recorder.example:9077", "200"),
        ("10.0.0.5:9077", "https://10.0.0.5:9077", "200"),
        ("recorder.example:9077", "https://evil.example", "403"),
        ("evil.example:9077", "https://evil.example:9077", "403"),
    ] {
        let mut client = site.client(&rig).await;
        write(&mut client, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\r\n")).await;
        let ours = async {
            if status == "200" {
                serve(&origins, &ok("", "")).await;
            }
        };
        let ((head, _), ()) = tokio::join!(answer(&mut client), ours);
        assert_eq!(head.split(' ').nth(1), Some(status), "{host} {origin}");
    }
    rig.finish().await;
}

#[cfg(unix)]
#[tokio::test]
async fn plain_http_over_a_unix_socket_is_guarded_by_its_host_as_well() {
    use qix_proxy::ListenOn;

    let (origins, address) = listener().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let rig = Rig::with(&format!("ws://{address}"), |config| {
        config.auth(Auth::bearer("injected")).listen_on(ListenOn::Unix(path.clone()))
    })
    .await;
    for (host, status) in [("localhost", "200"), ("evil.example", "403")] {
        let mut client = bounded(tokio::net::UnixStream::connect(&path)).await.unwrap();
        write(&mut client, &format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let ours = async {
            if status == "200" {
                let (_, head) = serve(&origins, &ok("", "")).await;
                assert_eq!(header(&head, "authorization"), Some("Bearer injected"));
            }
        };
        let ((head, _), ()) = tokio::join!(answer(&mut client), ours);
        assert_eq!(head.split(' ').nth(1), Some(status), "{host}");
    }
    assert_eq!(rig.finish().await.kind("http")[0]["url"], "/x");
}

#[tokio::test]
async fn pages_of_an_intercepted_host_are_recorded_and_nothing_is_rewritten() {
    let (ca, site, (origins, address)) = (Ca::new(), Site::new(), listener().await);
    let trust = TlsSettings::default().ca_pem(site.certs.root.as_bytes()).unwrap();
    let rig = ca.rig("localhost", |config| config.tls(trust)).await;
    let host = format!("localhost:{}", address.port());
    let mut client = secured(tunnel(&rig, &host).await.0, &ca.root()).await;
    let get = format!(
        "GET /hub?u=https%3A%2F%2F{host} HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\n\
         Referer: https://{host}/x\r\nCookie: Qix-Host-a=1\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\n\r\n"
    );
    let more = format!(
        "Location: https://{host}/form\r\nSet-Cookie: a=b; Domain=localhost; Secure; SameSite=None\r\n\
         Strict-Transport-Security: max-age=1\r\nContent-Security-Policy: upgrade-insecure-requests\r\n"
    );
    let origin = async {
        let (stream, _) = bounded(origins.accept()).await.unwrap();
        let mut origin = bounded(site.certs.acceptor(false).unwrap().accept(stream)).await.unwrap();
        for _ in 0..2 {
            let (head, _) = answer(&mut origin).await;
            assert!(head.starts_with(&format!("GET /hub?u=https%3A%2F%2F{host} HTTP/1.1\r\n")), "{head}");
            for line in ["Origin", "Referer", "Cookie", "Host"] {
                let line = get.lines().find(|sent| sent.starts_with(line)).unwrap();
                assert!(head.contains(&format!("{line}\r\n")), "{line}: {head}");
            }
            assert!(!head.to_lowercase().contains("proxy-"), "{head}");
            write(&mut origin, &ok("page", &more)).await;
        }
        origin
    };
    let client = async {
        for _ in 0..2 {
            write(&mut client, &get).await;
            let (head, body) = answer(&mut client).await;
            assert!(more.lines().all(|line| head.contains(line)) && body == "page", "{head}");
        }
    };
    let (origin, ()) = tokio::join!(origin, client);
    drop(origin);
    let recording = rig.finish().await;
    let http = recording.kind("http");
    assert_eq!(http.len(), 2);
    assert!(
        http[0]["request"].as_array().unwrap().contains(&serde_json::json!(["host", host])),
        "{}",
        http[0]
    );
    assert!(!recording.text.contains("c2VjcmV0"));
}

#[tokio::test]
async fn whole_urls_of_an_intercepted_host_are_recorded_one_to_a_connection() {
    let (ca, (origins, address)) = (Ca::new(), listener().await);
    let rig = ca.rig("127.0.0.1", |mut config| {
        config.redaction = Redaction::off();
        config
    });
    let rig = rig.await;
    let request = format!(
        "POST http://{address}/form?x HTTP/1.1\r\nHost: {address}\r\nProxy-Authorization: Basic c2VjcmV0\r\n\
         Proxy-Connection: keep-alive\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc"
    );
    let mut client = send(&rig, &request).await;
    let mut origin = next(&origins).await;
    let head = origin.head().await;
    origin.expect(b"abc").await;
    assert!(head.starts_with("POST /form?x HTTP/1.1\r\n"), "{head}");
    assert!(!head.to_lowercase().contains("proxy-"), "{head}");
    origin.write(ok("done", "Proxy-Authenticate: Basic\r\n").as_bytes()).await;
    let (head, body) = whole(&mut client).await;
    assert_eq!(
        (header(&head, "connection"), &*body),
        (Some("close"), "done"),
        "the next may be for another host"
    );
    assert_eq!(header(&head, "proxy-authenticate"), None);
    assert_eq!(client.rest().await, b"");
    let recording = rig.finish().await;
    let http = recording.kind("http")[0];
    assert_eq!((&http["url"], &http["request_body"]["text"]), (&"/form?x".into(), &"abc".into()));
    assert!(!recording.text.contains("c2VjcmV0") && !recording.text.contains("proxy-connection"));
}

#[tokio::test]
async fn old_clients_of_a_forward_proxy_are_answered_in_their_version() {
    let (ca, (origins, address)) = (Ca::new(), listener().await);
    let rig = ca.rig("127.0.0.1", |config| config).await;
    let mut client = send(&rig, &format!("GET http://{address}/ HTTP/1.0\r\n\r\n")).await;
    serve(&origins, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n").await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("\r\n\r\nabc"), "{answer}");
    rig.finish().await;
    // The same of a host that is not recorded: its server must know whom it answers.
    let rig = ca.rig("other.example", |config| config).await;
    let _client = send(&rig, &format!("GET http://{address}/ HTTP/1.0\r\n\r\n")).await;
    let head = next(&origins).await.head().await;
    assert!(head.starts_with("GET / HTTP/1.0\r\n"), "{head}");
    rig.finish().await;
}

#[tokio::test]
async fn second_request_over_one_connection_never_reaches_the_host_of_the_first() {
    let (ca, (origins, address)) = (Ca::new(), listener().await);
    let rig = ca.rig("recorded.example", |config| config).await;
    let second = "GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\nProxy-Authorization: Basic c2VjcmV0\r\n\r\n";
    for (method, more, body) in [
        ("GET", "", ""),
        ("POST", "Content-Length: 3\r\n", "abc"),
        ("POST", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        // Many servers do not know it, and answer as if it were not there.
        ("GET", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n", ""),
        ("GET", "Connection: Upgrade\r\nUpgrade: websocket\r\n", ""),
    ] {
        for at_once in [true, false] {
            let first =
                format!("{method} http://{address}/a HTTP/1.1\r\nHost: {address}\r\n{more}\r\n{body}");
            let mut client = send(&rig, &if at_once { format!("{first}{second}") } else { first }).await;
            let mut origin = next(&origins).await;
            assert!(origin.head().await.starts_with(&format!("{method} /a ")));
            origin.expect(body.as_bytes()).await;
            // Whatever it was told, it keeps the connection.
            origin.write(ok("one", "").as_bytes()).await;
            assert_eq!(whole(&mut client).await.1, "one", "{more} {at_once}");
            if !at_once {
                client.write(second.as_bytes()).await;
            }
            bounded(client.0.shutdown()).await.unwrap();
            bounded(origin.0.shutdown()).await.unwrap();
            client.rest().await;
            let seen = origin.rest().await;
            assert_eq!(String::from_utf8_lossy(&seen), "", "{more} {at_once}");
        }
    }
    rig.finish().await;
}

#[tokio::test]
async fn smuggling_is_refused_in_tunnels_and_by_whole_urls() {
    let (ca, (origins, address)) = (Ca::new(), listener().await);
    let rig = ca.rig("127.0.0.1", |config| config).await;
    let wrong = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG";
    let mut whole_url = send(&rig, &format!("POST http://{address}/ HTTP/1.1\r\n{wrong}")).await;
    assert!(whole_url.head().await.starts_with("HTTP/1.1 400 "));
    let mut inside = tunnel(&rig, &address.to_string()).await;
    for byte in format!("POST / HTTP/1.1\r\nHost: {address}\r\n{wrong}").as_bytes().chunks(5) {
        inside.write(byte).await;
    }
    assert!(inside.head().await.starts_with("HTTP/1.1 400 "));
    let mut fine = tunnel(&rig, &address.to_string()).await;
    fine.write(format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes()).await;
    let (_origin, _) = serve(&origins, &ok("fine", "")).await;
    assert_eq!(whole(&mut fine).await.1, "fine");
    assert_eq!(rig.cut().await.sealed.exchanges, 1);
}

#[tokio::test]
async fn pages_of_other_hosts_cannot_use_credentials_in_forward_mode_unless_allowed() {
    let (ca, (origins, address)) = (Ca::new(), listener().await);
    let rig = ca
        .rig("127.0.0.1", |config| {
            config.auth(Auth::bearer("injected")).allowed_origins(vec!["https://portal.example".to_owned()])
        })
        .await;
    let cross = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n";
    for (more, status) in [
        (String::new(), "200"),
        (format!("Origin: http://{address}\r\n"), "200"),
        ("Origin: https://portal.example\r\n".to_owned(), "200"),
        (format!("{cross}Referer: https://portal.example/\r\n"), "200"),
        ("Origin: http://localhost\r\n".to_owned(), "403"),
        (cross.to_owned(), "403"),
        (format!("{cross}Referer: https://evil.example/https://portal.example/\r\n"), "403"),
    ] {
        let mut client = tunnel(&rig, &address.to_string()).await;
        client.write(format!("GET / HTTP/1.1\r\nHost: {address}\r\n{more}\r\n").as_bytes()).await;
        let ours = async {
            if status == "200" {
                let (_, head) = serve(&origins, &ok("", "")).await;
                assert_eq!(header(&head, "authorization"), Some("Bearer injected"));
            }
        };
        let answered = async { whole(&mut client).await.0 };
        let head = tokio::select! {
            (head, ()) = async { tokio::join!(answered, ours) } => head,
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("nothing came upstream: {more}"),
        };
        assert_eq!(head.split(' ').nth(1), Some(status), "{more}");
    }
    rig.cut().await;
}

#[tokio::test]
async fn credentials_go_over_plain_http_only_to_ports_that_were_named() {
    let ca = Ca::new();
    let get = "GET http://sense.invalid/ HTTP/1.1\r\nHost: sense.invalid\r\n\r\n";
    let rig = ca.rig("*.invalid", |config| config.auth(Auth::bearer("injected"))).await;
    let (head, body) = whole(&mut send(&rig, get).await).await;
    assert!(head.starts_with("HTTP/1.1 403 ") && body.contains("over TLS only"), "{head}{body}");
    let mut inside = tunnel(&rig, "sense.invalid:80").await;
    inside.write(b"GET / HTTP/1.1\r\nHost: sense.invalid\r\n\r\n").await;
    assert!(inside.head().await.starts_with("HTTP/1.1 403 "));
    assert_eq!(rig.finish().await.sealed.exchanges, 0);
    // Nobody is there, which is found out only by whoever tries.
    let named = ca.rig("*.invalid:80", |config| config.auth(Auth::bearer("injected"))).await;
    assert!(send(&named, get).await.head().await.starts_with("HTTP/1.1 502 "));
    named.finish().await;
    let nothing_to_tell = ca.rig("*.invalid", |config| config).await;
    assert!(send(&nothing_to_tell, get).await.head().await.starts_with("HTTP/1.1 502 "));
    nothing_to_tell.finish().await;
}

#[tokio::test]
async fn proxy_that_is_spoken_to_over_tls_stands_in_over_tls() {
    let (ca, site, (origins, address)) = (Ca::new(), Site::new(), listener().await);
    let trust = TlsSettings::default().ca_pem(site.certs.root.as_bytes()).unwrap();
    let front = site.tls.clone();
    let rig = ca.rig("localhost", |config| config.tls(trust).front_tls(front)).await;
    let mut outer = site.client(&rig).await;
    let host = format!("localhost:{}", address.port());
    write(&mut outer, &format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
    assert!(answer(&mut outer).await.0.starts_with("HTTP/1.1 200 "));
    let mut inner = secured(outer, &ca.root()).await;
    write(&mut inner, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
    let origin = async {
        let (stream, _) = bounded(origins.accept()).await.unwrap();
        let mut origin = bounded(site.certs.acceptor(false).unwrap().accept(stream)).await.unwrap();
        answer(&mut origin).await;
        write(&mut origin, &ok("page", "")).await;
    };
    let (whole, ()) = tokio::join!(to_the_end(&mut inner), origin);
    assert!(whole.ends_with("\r\n\r\npage"), "{whole}");
    assert_eq!(rig.finish().await.sealed.exchanges, 1);
}

#[tokio::test]
async fn sockets_and_bodies_of_hosts_that_are_not_recorded_pass_by_whole_urls() {
    let (ca, (origins, address)) = (Ca::new(), listener().await);
    let rig = ca.rig("recorded.example", |config| config).await;
    let upgrade = request(&format!("ws://{address}/app"), "");
    // Some clients do not wait to be let in.
    let mut client = send(&rig, &format!("{upgrade}early")).await;
    let mut engine = next(&origins).await;
    engine.accept("", b"first").await;
    assert!(client.head().await.starts_with("HTTP/1.1 101 "));
    client.expect(b"first").await;
    client.write(b" and late").await;
    engine.expect(b"early and late").await;
    drop((client, engine));

    let (size, piece) = (1 << 20, vec![b'x'; 1 << 20]);
    let head = format!(
        "PUT http://{address}/ HTTP/1.1\r\nHost: {address}\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n"
    );
    let mut client = send(&rig, &head).await;
    let mut origin = next(&origins).await;
    assert_eq!(header(&origin.head().await, "expect"), Some("100-continue"));
    origin.write(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    client.head().await;
    tokio::join!(client.write(&piece), origin.expect(&piece));
    origin
        .write(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n").as_bytes())
        .await;
    client.head().await;
    tokio::join!(origin.write(&piece), client.expect(&piece));
    drop(origin);
    assert!(client.rest().await.is_empty());
    assert_eq!(rig.finish().await.lines.len(), 2);
}
