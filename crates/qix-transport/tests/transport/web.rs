//! A web server of one function, on loopback.

use std::sync::{Arc, Mutex};

use qix_transport::{Auth, Connect, ConnectError, Endpoint, WsConnect, WsConnectBuilder, WsSocket};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::support::{header, read_head, switched, within};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn is(&self, start: &str) -> bool {
        self.head.starts_with(start)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.header("Upgrade").is_some()
    }

    /// Answers the upgrade with 101.
    pub(crate) fn switched(&self, more: &str) -> String {
        switched(&self.head, more)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A running server; ends when dropped.
pub(crate) struct Web {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves any number of connections, one request each. `answer` also gets how many requests came before.
pub(crate) async fn web(answer: impl Fn(&Asked, usize) -> String + Send + Sync + 'static) -> Web {
    start(None, answer).await
}

/// Serves over TLS.
pub(crate) async fn web_tls(
    acceptor: TlsAcceptor,
    answer: impl Fn(&Asked, usize) -> String + Send + Sync + 'static,
) -> Web {
    start(Some(acceptor), answer).await
}

async fn start(
    acceptor: Option<TlsAcceptor>,
    answer: impl Fn(&Asked, usize) -> String + Send + Sync + 'static,
) -> Web {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (log, answer, acceptor) = (Arc::clone(&log), Arc::clone(&answer), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => serve(stream, &log, &*answer).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve(stream, &log, &*answer).await;
                        }
                    }
                }
            });
        }
    });
    Web { port, asked, task }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    log: &Mutex<Vec<Asked>>,
    answer: &(impl Fn(&Asked, usize) -> String + ?Sized),
) {
    let head = read_head(&mut stream).await;
    let length = header(&head, "Content-Length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    let asked = Asked { head, body: String::from_utf8(body).unwrap() };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    // A client that has seen enough may have gone.
    let _ = stream.write_all(answer(&asked, before).as_bytes()).await;
    let _ = stream.flush().await;
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

impl Web {
    pub(crate) fn endpoint(&self, path: &str) -> Endpoint {
        Endpoint::parse(&format!("ws://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    pub(crate) fn builder(&self, auth: Auth) -> WsConnectBuilder {
        WsConnect::builder(self.endpoint("/app/engineData")).auth(auth)
    }

    pub(crate) async fn connect(&self, auth: Auth) -> Result<WsSocket, ConnectError> {
        within(self.builder(auth).build().unwrap().connect()).await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Returns the method and target of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |asked: &Asked| asked.line().strip_suffix(" HTTP/1.1").unwrap().to_owned();
        self.asked().iter().map(line).collect()
    }

    pub(crate) fn upgrades(&self) -> usize {
        self.asked().iter().filter(|asked| asked.is_upgrade()).count()
    }
}

/// An answer with a body and header lines.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}
