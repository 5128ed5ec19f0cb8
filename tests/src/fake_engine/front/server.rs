//! One connection of HTTP: requests until it ends, or until it becomes a socket.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::config::Refusal;
use super::super::engine::Shared;
use super::super::http::Head;
use super::super::log::{Exchange, Upgrade};
use super::answers::{Answer, empty, error, json, redirect, set, typed};
use super::config::Front;
use super::login::{FORM, Gate};
use super::{bodies, pages};

/// The front of one engine.
pub(crate) struct FrontServer {
    front: Front,
    /// What may stand in `Host`.
    hosts: Vec<String>,
    scheme: &'static str,
    gate: Option<Gate>,
}

/// A request that has become a socket.
pub(crate) struct Upgrading {
    pub(crate) stream: TokioIo<hyper::upgrade::Upgraded>,
    pub(crate) head: Head,
    /// Number of the connection.
    pub(crate) number: u64,
}

/// The upgrade that a connection has promised.
type Promised = Mutex<Option<(OnUpgrade, Head, u64)>>;

impl FrontServer {
    pub(crate) fn new(front: Front, addr: SocketAddr, is_tls: bool) -> Self {
        let (scheme, usual) = if is_tls { ("https", 443) } else { ("http", 80) };
        let names = front.names.iter().cloned();
        let mut hosts = vec![addr.to_string(), format!("localhost:{}", addr.port())];
        hosts.extend(names.clone().map(|name| format!("{name}:{}", addr.port())));
        if addr.port() == usual {
            hosts.extend(names.chain([addr.ip().to_string(), "localhost".to_owned()]));
        }
        let gate = front.login.clone().map(Gate::new);
        Self { front, hosts, scheme, gate }
    }

    /// Serves a connection until it ends; returns the socket that it has become, if it has.
    pub(crate) async fn serve(
        &self,
        shared: &Arc<Shared>,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Option<Upgrading> {
        let promised = Promised::default();
        let service = service_fn(|request| async {
            let (answer, upgrade) = self.answer(shared, request).await;
            *promised.lock().unwrap_or_else(PoisonError::into_inner) = upgrade;
            Ok::<_, Infallible>(answer)
        });
        let mut server = http1::Builder::new();
        // A test may say all it has to say, and close its side, before it reads.
        server.timer(TokioTimer::new()).half_close(true);
        let served = server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        let (upgrade, head, number) = promised.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        served.ok()?;
        Some(Upgrading { stream: TokioIo::new(upgrade.await.ok()?), head, number })
    }

    async fn answer(
        &self,
        shared: &Shared,
        request: Request<Incoming>,
    ) -> (Answer, Option<(OnUpgrade, Head, u64)>) {
        let mut head = Head::of(&request);
        let heard = head.clone();
        let (answer, upgrade) = if head.is_upgrade() {
            match self.open(shared, &mut head) {
                Ok((answer, number)) => (answer, Some((hyper::upgrade::on(request), head, number))),
                Err(refusal) => (*refusal, None),
            }
        } else {
            (self.respond(shared, &head, request.into_body()).await, None)
        };
        shared.log.exchange(Exchange {
            method: heard.method,
            target: heard.target,
            headers: heard.headers,
            status: answer.status().as_u16(),
        });
        (answer, upgrade)
    }

    /// Returns the origin under which the request was made.
    ///
    /// # Errors
    ///
    /// The answer to a request that was made for another host, or for none or several.
    fn origin(&self, head: &Head) -> Result<String, Box<Answer>> {
        let mut hosts = head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        match (hosts.next(), hosts.next()) {
            (Some((_, host)), None) if self.hosts.contains(host) => Ok(format!("{}://{host}", self.scheme)),
            _ => Err(Box::new(error(StatusCode::BAD_REQUEST, "No virtual proxy is linked to this host"))),
        }
    }

    /// Decides about an upgrade, and gives it its number.
    fn open(&self, shared: &Shared, head: &mut Head) -> Result<(Answer, u64), Box<Answer>> {
        let origin = self.origin(head)?;
        let headers = head.headers.clone();
        if let Some(gate) = &self.gate {
            let prefix = gate.prefix();
            if !head.target.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with('/')) {
                return Err(Box::new(error(StatusCode::NOT_FOUND, "No such virtual proxy")));
            }
            gate.judge_socket(&origin, head)?;
            // Who the user is the virtual proxy says, and nobody else.
            head.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-qlik-user"));
            head.headers.push(("X-Qlik-User".to_owned(), gate.user_header()));
        }
        let key = head.judge(&shared.config).map_err(|refusal| Box::new(refused(&refusal)))?;
        let number = shared.next_connection();
        shared.log.upgrade(Upgrade { connection: number, target: head.target.clone(), headers });
        let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
        set(&mut answer, "connection", "Upgrade");
        set(&mut answer, "upgrade", "websocket");
        set(&mut answer, "sec-websocket-accept", &key);
        for (name, value) in &shared.config.upgrade_headers {
            set(&mut answer, name, value);
        }
        Ok((answer, number))
    }

    async fn respond(&self, shared: &Shared, head: &Head, body: Incoming) -> Answer {
        let origin = match self.origin(head) {
            Ok(origin) => origin,
            Err(refusal) => return *refusal,
        };
        if let Some(refusal) = &shared.config.refusal {
            return refused(refusal);
        }
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        let method = head.method.as_str();
        let is_read = matches!(method, "GET" | "HEAD");
        let path = match &self.gate {
            None => path,
            Some(gate) => {
                let Some(path) = path.strip_prefix(&gate.prefix()).filter(|rest| rest.starts_with('/'))
                else {
                    return error(StatusCode::NOT_FOUND, "No such virtual proxy");
                };
                match path {
                    FORM if is_read => return gate.form(query, ""),
                    FORM if method == "POST" => return gate.log_in(&origin, head, query, body).await,
                    "/qps/user" if is_read => return gate.who(&origin, head),
                    "/qps/user" if method == "DELETE" => return gate.log_out(&origin, head),
                    _ if gate.knows(head) => {}
                    _ if is_read => return gate.send_to_form(&origin, &head.target),
                    _ => return error(StatusCode::FORBIDDEN, "No session"),
                }
                path
            }
        };
        self.content(&origin, path, query, head, body).await
    }

    /// Answers whoever has been let in.
    async fn content(&self, origin: &str, path: &str, query: &str, head: &Head, body: Incoming) -> Answer {
        if head.method == "POST" && path == "/api/v1/temp-contents" {
            return bodies::upload(body).await;
        }
        if !matches!(head.method.as_str(), "GET" | "HEAD") {
            return error(StatusCode::METHOD_NOT_ALLOWED, "Only read");
        }
        match path {
            "/qps/csrftoken" | "/api/v1/csrf-token" => match &self.gate {
                Some(gate) => gate.csrf_token(head),
                None => empty(StatusCode::NO_CONTENT),
            },
            "/healthcheck" | "/engine/healthcheck" => {
                json(StatusCode::OK, &json!({"version": "12.2528.0", "started": ""}))
            }
            "/resources/autogenerated/product-info.json" => {
                let composition =
                    json!({"deploymentType": "QlikSenseServer", "releaseLabel": "November 2024"});
                json(StatusCode::OK, &json!({"composition": composition}))
            }
            "/api/v1/user-locale" => json(StatusCode::OK, &json!({"locale": "en-GB"})),
            "/api/v1/features" => json(StatusCode::OK, &json!({})),
            "/redirects/endless" => redirect(&format!("{origin}{}", head.target)),
            "/headers" => typed(StatusCode::OK, "text/plain; charset=utf-8", listed(head)),
            _ => match (path.strip_prefix("/tempcontent/"), &self.front.pages) {
                (Some(name), _) => bodies::download(name, query),
                (None, Some(folder)) => pages::serve(folder, path).await,
                (None, None) => error(StatusCode::NOT_FOUND, "Not found"),
            },
        }
    }
}

/// The headers of a request, a line each, for whoever wants to see what has arrived here.
fn listed(head: &Head) -> String {
    head.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn refused(refusal: &Refusal) -> Answer {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = empty(status);
    *answer.body_mut() = super::answers::whole(refusal.body.clone());
    for (name, value) in &refusal.headers {
        set(&mut answer, name, value);
    }
    answer
}
