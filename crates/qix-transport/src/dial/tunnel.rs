//! Opens a tunnel through a proxy.
//!
//! CONNECT is hyper's, as the upgrade is, and not hyper-util's tunnel, which keeps neither the answer of a proxy that refuses nor
//! the bytes that come behind one that does not. SOCKS5 is tokio-socks' for the second of these reasons.

use std::error::Error;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use tokio::net::TcpStream;
use tokio_socks::{Error as SocksError, tcp::Socks5Stream};

use super::{Deadline, Proxy, Target, proxy::ProxyKind};
use crate::{
    ConnectError, Endpoint, Refusal, Stage,
    prefixed::Prefixed,
    upgrade::{Answer, upgrade},
};

/// Why there is no tunnel.
enum Failure {
    /// The proxy said no, in HTTP.
    Refused(Refusal),
    /// The proxy said no, in SOCKS, or something else than it should.
    Other(Box<dyn Error + Send + Sync>),
}

/// Asks `proxy` at the other end of `stream` for a tunnel to an endpoint.
pub(super) async fn open(
    proxy: &Proxy,
    stream: TcpStream,
    endpoint: &Endpoint,
    deadline: Deadline,
) -> Result<Prefixed<TcpStream>, ConnectError> {
    let deadline = deadline.of(Stage::Tunnel);
    let exchange = async {
        match proxy.kind() {
            ProxyKind::Http => connect(proxy, stream, endpoint, deadline).await,
            ProxyKind::Socks5 => socks5(proxy, stream, endpoint).await,
        }
    };
    deadline.bound(proxy, Stage::Tunnel, exchange).await?.map_err(|failure| {
        let (peer, target) = (Target::from(proxy).to_string().into(), endpoint.peer());
        match failure {
            Failure::Refused(refusal) => {
                ConnectError::TunnelRefused { peer, target, refusal: Box::new(refusal) }
            }
            Failure::Other(source) => ConnectError::Tunnel { peer, target, source },
        }
    })
}

async fn connect(
    proxy: &Proxy,
    stream: TcpStream,
    endpoint: &Endpoint,
    deadline: Deadline,
) -> Result<Prefixed<TcpStream>, Failure> {
    let other = |error: http::Error| Failure::Other(error.into());
    let target = Target::from(endpoint).to_string();
    let uri = Uri::builder().authority(target.as_str()).build().map_err(other)?;
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(uri)
        .header(header::HOST, target)
        .body(Empty::<Bytes>::new())
        .map_err(other)?;
    if let Some(login) = proxy.login() {
        let pair = format!("{}:{}", login.user, login.password.expose());
        let value = HeaderValue::try_from(format!("Basic {}", BASE64_STANDARD.encode(pair)));
        let mut value = value.map_err(|error| other(error.into()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(header::PROXY_AUTHORIZATION, value);
    }
    match upgrade(stream, request, deadline.at()).await {
        Ok(Answer::Switched { stream, leftover, .. }) => Ok(Prefixed::new(leftover, stream)),
        Ok(Answer::Refused(refusal)) => Err(Failure::Refused(refusal)),
        Err(error) => Err(Failure::Other(error.into())),
    }
}

async fn socks5(
    proxy: &Proxy,
    stream: TcpStream,
    endpoint: &Endpoint,
) -> Result<Prefixed<TcpStream>, Failure> {
    // A name goes to the proxy as it is, because often nobody else can look it up.
    let target = (endpoint.host(), endpoint.port());
    let tunnel = match proxy.login() {
        Some(login) => {
            let password = login.password.expose();
            Socks5Stream::connect_with_password_and_socket(stream, target, &login.user, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    match tunnel {
        Ok(tunnel) => Ok(Prefixed::new(Bytes::new(), tunnel.into_inner())),
        // Its message would stand in the chain of causes twice.
        Err(SocksError::Io(error)) => Err(Failure::Other(error.into())),
        Err(error) => Err(Failure::Other(error.into())),
    }
}

/// Says what to do about a proxy's refusal.
pub(crate) fn refusal_hint(refusal: &Refusal) -> Option<&'static str> {
    Some(match refusal.status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED if !offers_basic(refusal) => {
            "the proxy wants another login than user name and password, which is not supported: ask for an exemption or use another proxy"
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => CREDENTIALS,
        StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
            "the proxy's rules do not allow this host and port: have them allowed, or exempt the host from the proxy if it can be reached directly"
        }
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED | StatusCode::NOT_FOUND => {
            "what answers there opens no tunnels: check the proxy's URL"
        }
        status if status.is_server_error() => UNREACHABLE,
        _ => return None,
    })
}

/// Says what to do about a proxy that did not answer as one.
pub(crate) fn hint(error: &(dyn Error + 'static)) -> &'static str {
    match error.downcast_ref::<SocksError>() {
        Some(
            SocksError::PasswordAuthFailure(_)
            | SocksError::NoAcceptableAuthMethods
            | SocksError::AuthorizationRequired,
        ) => CREDENTIALS,
        Some(SocksError::ConnectionNotAllowedByRuleset) => {
            "the proxy's rules do not allow this host and port: have them allowed, or exempt the host from the proxy if it can be reached directly"
        }
        Some(
            SocksError::GeneralSocksServerFailure
            | SocksError::NetworkUnreachable
            | SocksError::HostUnreachable
            | SocksError::ConnectionRefused
            | SocksError::TtlExpired,
        ) => UNREACHABLE,
        _ => "check the proxy's URL: its port, and whether it should start with http:// or socks5://",
    }
}

const CREDENTIALS: &str =
    "the proxy wants credentials, or others than it was given: put user:password@ before the host in its URL";
const UNREACHABLE: &str = "the proxy does not reach the engine: check host and port, and whether this proxy is meant for that network";

fn offers_basic(refusal: &Refusal) -> bool {
    let mut offers = refusal.headers.get_all(header::PROXY_AUTHENTICATE).iter().peekable();
    // Who offers nothing does not know the rules, but may know Basic.
    offers.peek().is_none()
        || offers.any(|offer| {
            let offer = String::from_utf8_lossy(offer.as_bytes()).to_ascii_lowercase();
            offer.split([',', ' ']).any(|word| word == "basic")
        })
}
