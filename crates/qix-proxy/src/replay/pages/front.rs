//! Who may read a recording over HTTP, and how it is said.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, ORIGIN},
    request,
};
use http_body_util::{BodyExt, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body, Frame, Incoming};

use super::{
    PageFault, PageMiss,
    answer::{Head, Live},
    index::{Asked, Found, Kept, Login, Used, validators},
    sent::Sent,
    store::{Store, Stored},
};
use crate::{
    body::{BodyError, Timed},
    front::{self, ResponseBody, strict},
    origin::{Misuse, Origins},
    replay::Tapes,
};

/// Larger bodies of requests are not compared, in bytes.
const LARGEST: usize = 16 << 20;
/// How long a client may take for more of a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How much of a body is read at once, in bytes.
const PIECE: usize = 256 << 10;

const NO_HTTP: &str = "this port replays recorded WebSocket traffic, and no plain HTTP was recorded: connect a Qlik client to it\n";
const NO_TUNNEL: &str = "this port answers from a recording, and is no proxy\n";
const FOREIGN: &str = "pages of your origin may not read this recording; start the replay with --allow-origin and the origin \
                       of the page\n";
const FOREIGN_HOST: &str = "this replay answers to localhost, addresses and the hosts of --allow-origin, not to the name that was \
                            asked for\n";

type Teller = Box<dyn Fn(PageMiss) + Send + Sync>;

/// What answers plain HTTP, for all clients of a replay.
pub(crate) struct PageFront {
    used: Mutex<Used>,
    origins: Origins,
    answered: AtomicU64,
    missed: AtomicU64,
    teller: Option<Teller>,
}

impl fmt::Debug for PageFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageFront").field("origins", &self.origins).finish_non_exhaustive()
    }
}

impl Default for PageFront {
    fn default() -> Self {
        Self {
            used: Mutex::default(),
            origins: Origins { guarded: true, allowed: Vec::new() },
            answered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            teller: None,
        }
    }
}

impl PageFront {
    /// Lets pages of these origins read the recording.
    pub(crate) fn allow(&mut self, origins: Vec<String>) {
        self.origins.allowed = origins;
    }

    /// Has `teller` told of each request that is not in the recording.
    pub(crate) fn tell(&mut self, teller: Teller) {
        self.teller = Some(teller);
    }

    /// Returns how many requests of plain HTTP were answered, and how many were not in the recording.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.answered.load(Ordering::Relaxed), self.missed.load(Ordering::Relaxed))
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// Gives back upgrades that are to be accepted.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        secure: bool,
        tapes: &Tapes,
    ) -> Result<Response<ResponseBody>, Request<Incoming>> {
        let (head, body) = request.into_parts();
        let is_upgrade = front::is_upgrade(&head);
        if !is_upgrade && tapes.pages.exchanges() == 0 {
            tracing::warn!("turned plain HTTP away, of which the recording has none");
            return Ok(front::said(StatusCode::NOT_IMPLEMENTED, NO_HTTP));
        }
        if let Some(fault) = strict::fault(&head) {
            return Ok(front::said(StatusCode::BAD_REQUEST, format!("this request {fault}\n")));
        }
        if head.method == Method::CONNECT {
            return Ok(front::said(StatusCode::METHOD_NOT_ALLOWED, NO_TUNNEL));
        }
        // No page opens a socket without saying from where.
        let is_page = !is_upgrade || head.headers.contains_key(ORIGIN);
        match self.origins.misuse(&head).filter(|_| is_page) {
            Some(Misuse::Page) => {
                tracing::warn!("refused a page whose origin may not read the recording; see --allow-origin");
                return Ok(front::said(StatusCode::FORBIDDEN, FOREIGN));
            }
            Some(Misuse::Host) => {
                tracing::warn!(
                    "refused a request to a host name that is not of this machine; see --allow-origin"
                );
                return Ok(front::said(StatusCode::MISDIRECTED_REQUEST, FOREIGN_HOST));
            }
            None => {}
        }
        let url = tapes.pages.redaction.url(head.uri.path_and_query().map_or("/", |target| target.as_str()));
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        let says = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        let mut asked = Asked {
            method: head.method.as_str(),
            url: &url,
            host: &host,
            login: Login::new(&url, |name| head.headers.contains_key(name)),
            validators: validators(says),
            sent: Sent::Nothing,
        };
        let live = Live { head: &head, secure };
        if is_upgrade {
            if tapes.connections() == 0 {
                return Ok(self.miss(&asked, PageFault::NoSocket));
            }
            let refusal = tapes.pages.refusal(&asked, &mut self.used());
            return match refusal {
                Some(at) => Ok(self.recorded(tapes, Found::Exchange(at), &live).await),
                None => Err(Request::from_parts(head, body)),
            };
        }
        asked.sent = match sent(tapes, &head, &host, body).await {
            Ok(sent) => sent,
            Err(refusal) => return Ok(refusal),
        };
        let found = tapes.pages.find(&asked, &mut self.used());
        Ok(match found {
            Ok(found) => {
                let response = self.recorded(tapes, found, &live).await;
                self.answered.fetch_add(1, Ordering::Relaxed);
                response
            }
            Err(_) if is_probe(head.uri.path()) => front::said(StatusCode::NOT_FOUND, "not recorded\n"),
            Err(fault) => self.miss(&asked, fault),
        })
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used> {
        // Marks are set one at a time.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn miss(&self, asked: &Asked<'_>, fault: PageFault) -> Response<ResponseBody> {
        let status = match fault {
            PageFault::Nearest(_) | PageFault::OtherBody => StatusCode::NOT_FOUND,
            _ => StatusCode::NOT_IMPLEMENTED,
        };
        let miss = PageMiss { method: asked.method.to_owned(), url: asked.url.to_owned(), fault };
        let response = front::said(status, format!("not in the recording: {miss}\n"));
        self.missed.fetch_add(1, Ordering::Relaxed);
        if let Some(teller) = &self.teller {
            teller(miss);
        }
        response
    }

    async fn recorded(&self, tapes: &Tapes, found: Found, live: &Live<'_>) -> Response<ResponseBody> {
        let (Found::Exchange(at) | Found::HeadOf(at) | Found::Preflight(at)) = found;
        let pages = &tapes.pages;
        let recorded = pages.recorded(at);
        let head = match piece(&pages.store, &recorded.head, 0).await {
            Ok(bytes) => Head::read(&bytes),
            Err(error) => {
                tracing::error!(
                    "a recorded page cannot be read from the temporary file it is kept in: {error}"
                );
                return front::said(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the recorded answer cannot be read\n",
                );
            }
        };
        if let Found::Preflight(_) = found {
            let denied = || {
                front::said(StatusCode::NOT_FOUND, "the recorded origin lets no other page ask for this\n")
            };
            return pages
                .preflight(&head, live)
                .map_or_else(denied, |response| response.map(|()| front::text("")));
        }
        let response = pages.answer(&head, recorded.status, live);
        let Kept::Whole(body) = &recorded.body else { return response.map(|()| front::text("")) };
        let is_bare = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let is_head = live.head.method == Method::HEAD;
        let (mut head, ()) = response.into_parts();
        if !is_bare && (!is_head || matches!(found, Found::HeadOf(_))) {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        let body =
            if is_bare || is_head { front::text("") } else { pieces(pages.store.clone(), body.clone()) };
        Response::from_parts(head, body)
    }
}

/// Reads the body of a request.
///
/// # Errors
///
/// What to answer if it does not come.
async fn sent(
    tapes: &Tapes,
    head: &request::Parts,
    host: &str,
    body: Incoming,
) -> Result<Sent, Response<ResponseBody>> {
    if body.is_end_stream() {
        return Ok(Sent::Nothing);
    }
    // What is compressed is not compared.
    let is_encoded = head.headers.contains_key(CONTENT_ENCODING);
    match Limited::new(Timed::new(Default::default(), body, BODY_TIMEOUT), LARGEST).collect().await {
        Ok(_) if is_encoded => Ok(Sent::Unknown),
        Ok(body) => Ok(tapes.pages.live_body(&head.headers, host, &body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(Sent::Unknown),
        Err(_) => Err(front::said(StatusCode::REQUEST_TIMEOUT, "the body of the request did not come\n")),
    }
}

/// Returns a body that is read as the client takes it.
fn pieces(store: Arc<Store>, stored: Stored) -> ResponseBody {
    if let Stored::Memory(bytes) = stored {
        return front::text(bytes);
    }
    let pieces = stream::try_unfold(0, move |from| {
        let (store, stored) = (Arc::clone(&store), stored.clone());
        async move {
            if from >= stored.len() {
                return Ok(None);
            }
            let piece = piece(&store, &stored, from).await.map_err(BodyError::Stored)?;
            let next = from + piece.len() as u64;
            Ok(Some((Frame::data(piece), next)))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

async fn piece(store: &Arc<Store>, stored: &Stored, from: u64) -> io::Result<Bytes> {
    match stored {
        Stored::Memory(_) => store.read(stored, from, usize::MAX),
        Stored::File(..) => {
            let (store, stored) = (Arc::clone(store), stored.clone());
            let read = tokio::task::spawn_blocking(move || store.read(&stored, from, PIECE));
            read.await.map_err(io::Error::other)?
        }
    }
}

/// Returns whether browsers ask for this path by themselves, whatever the page is.
fn is_probe(path: &str) -> bool {
    path == "/favicon.ico" || path.starts_with("/.well-known/appspecific/")
}
