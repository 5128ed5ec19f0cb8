//! Real proxies on loopback, and a TLS engine to put behind them.

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, copy_bidirectional},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{header, read_head, server, write};

/// Takes one connection as an HTTP proxy does and forwards it to `engine`, whatever name was asked for; returns the request.
///
/// Each byte of the answer comes alone.
pub(crate) async fn http_proxy(engine: u16, login: Option<&'static str>) -> (u16, JoinHandle<String>) {
    server(move |mut stream| async move {
        let head = read_head(&mut stream).await;
        if let Some(login) = login {
            let expected = format!("Basic {}", BASE64_STANDARD.encode(login));
            if header(&head, "Proxy-Authorization") != Some(&expected) {
                let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
                              Content-Length: 5\r\n\r\nlogin";
                write(&mut stream, answer.as_bytes()).await;
                return head;
            }
        }
        bytewise(&mut stream, b"HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n").await;
        forward(stream, engine).await;
        head
    })
    .await
}

/// What a SOCKS5 client asked for.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    pub(crate) kind: u8,
    pub(crate) host: Vec<u8>,
    pub(crate) port: u16,
}

/// Takes one connection as a SOCKS5 proxy does and forwards it to `engine`; returns what was asked for, if it came to that.
///
/// Each byte of the answers comes alone.
pub(crate) async fn socks_proxy(
    engine: u16,
    login: Option<(&'static str, &'static str)>,
) -> (u16, JoinHandle<Option<Asked>>) {
    server(move |mut stream| async move {
        let asked = socks_request(&mut stream, login).await?;
        bytewise(&mut stream, &[5, 0, 0, 3, 1, b'p', 0, 0]).await;
        forward(stream, engine).await;
        Some(asked)
    })
    .await
}

/// Takes the client's part of the SOCKS5 handshake up to its request, which is still to be answered.
pub(crate) async fn socks_request(
    stream: &mut TcpStream,
    login: Option<(&'static str, &'static str)>,
) -> Option<Asked> {
    assert_eq!(stream.read_u8().await.unwrap(), 5);
    let mut methods = vec![0; stream.read_u8().await.unwrap().into()];
    stream.read_exact(&mut methods).await.unwrap();
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        write(stream, &[5, 0xff]).await;
        return None;
    }
    bytewise(stream, &[5, method]).await;
    if let Some((user, password)) = login {
        assert_eq!(stream.read_u8().await.unwrap(), 1);
        let given = (short(stream).await, short(stream).await);
        let accepted = given == (user.as_bytes().to_vec(), password.as_bytes().to_vec());
        bytewise(stream, &[1, u8::from(!accepted)]).await;
        if !accepted {
            return None;
        }
    }
    let mut command = [0; 4];
    stream.read_exact(&mut command).await.unwrap();
    assert_eq!(command[..3], [5, 1, 0]);
    let kind = command[3];
    let host = match kind {
        3 => short(stream).await,
        kind => {
            let mut address = vec![0; if kind == 1 { 4 } else { 16 }];
            stream.read_exact(&mut address).await.unwrap();
            address
        }
    };
    Some(Asked { kind, host, port: stream.read_u16().await.unwrap() })
}

async fn short(stream: &mut TcpStream) -> Vec<u8> {
    let mut text = vec![0; stream.read_u8().await.unwrap().into()];
    stream.read_exact(&mut text).await.unwrap();
    text
}

pub(crate) async fn bytewise(stream: &mut TcpStream, bytes: &[u8]) {
    stream.set_nodelay(true).unwrap();
    for byte in bytes {
        write(stream, &[*byte]).await;
        tokio::task::yield_now().await;
    }
}

async fn forward(mut stream: TcpStream, engine: u16) {
    let mut engine = TcpStream::connect(("127.0.0.1", engine)).await.unwrap();
    // Either side may reset the connection in the end.
    let _ = copy_bidirectional(&mut stream, &mut engine).await;
}

/// Returns a server's TLS for `name` and the certificate to trust.
pub(crate) fn tls_engine(name: &str) -> (TlsAcceptor, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}
