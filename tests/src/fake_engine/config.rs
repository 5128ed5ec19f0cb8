//! What a test can choose about the engine.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_rustls::TlsAcceptor;

use super::front::Front;

/// Everything a test can choose about a [`FakeEngine`](super::FakeEngine).
///
/// The default is a plain engine that wants no credentials, greets at once, speaks delta, and answers in order.
#[derive(Clone)]
#[non_exhaustive]
pub struct FakeEngineConfig {
    /// Address to listen on. Default `127.0.0.1:0`.
    pub listen: String,
    /// Wraps each connection in TLS; build it to demand client certificates if wanted. Default none.
    pub tls: Option<TlsAcceptor>,
    /// Bearer token that the upgrade must carry, else 401 with a JSON body. Default none.
    pub bearer: Option<String>,
    /// Answer to every request of HTTP instead of an upgrade. Default none.
    pub refusal: Option<Refusal>,
    /// Serves HTTP beside the sockets. Default none: each connection is one upgrade, or is refused.
    pub front: Option<Front>,
    /// Extra headers of the 101 answer, e.g. `Set-Cookie`. Default none.
    pub upgrade_headers: Vec<(String, String)>,
    /// When `OnConnected` is sent. Default [`Greeting::AtOnce`].
    pub greeting: Greeting,
    /// Parameters of an `OnAuthenticationInformation` sent just before `OnConnected`. Default none.
    pub authentication_information: Option<Value>,
    /// A `SESSION_ERROR_…` state to greet with; the socket is closed with 1000 after it. Default none.
    pub session_error: Option<String>,
    /// Answers with patches when a request asks for them. Default true.
    pub delta: bool,
    /// The order of answers. Default [`AnswerOrder::InOrder`].
    pub order: AnswerOrder,
    /// The longest time a session outlives its last socket. Default 30 minutes.
    pub max_ttl: Duration,
    /// The time a session outlives its last socket if the URL says nothing. Default zero.
    pub default_ttl: Duration,
    /// Splits each text message into frames of at most so many bytes. Default none: one frame each.
    pub fragment: Option<usize>,
    /// What a second `OpenDoc` of the open app does. Default [`Reopen::SameHandle`].
    pub reopen: Reopen,
    /// What `GetActiveDoc` does when no app is open. Default [`NoDoc::Invalid`] (1007).
    pub no_doc: NoDoc,
    /// Answers a request that has no id with `"id":0` instead of not at all. Default false.
    pub answer_missing_id: bool,
    /// Rows of the table in `Sales.qvf`. Default 200.
    pub rows: usize,
    /// The most cells one call may ask for; beyond it error 7009. Default 10,000.
    pub cell_limit: usize,
    /// What differs from the engine that is here else, as between two installations. Default nothing.
    pub otherwise: Otherwise,
    /// Bytes of frame text the log keeps; later frames are only counted. Default 64 MiB, 0 turns it off.
    pub log_limit: usize,
    /// The largest message that is read, in bytes. Default 256 MiB.
    pub max_message: usize,
    /// Fails calls of the app with 11000 while it is reloaded, and so `OpenDoc` and `GetActiveDoc`. Default false.
    pub busy_while_reloading: bool,
    /// Sees every text frame just before it is carried out. Default none.
    pub observer: Option<Observer>,
}

/// Sees what clients send, without keeping it: the number of the connection and the text.
#[derive(Clone)]
pub struct Observer(pub(crate) Arc<See>);

type See = dyn Fn(u64, &str) + Send + Sync;

impl Observer {
    /// Returns an observer that calls a function, which must not block.
    #[must_use]
    pub fn new(see: impl Fn(u64, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(see))
    }
}

impl Default for FakeEngineConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            tls: None,
            bearer: None,
            refusal: None,
            front: None,
            upgrade_headers: Vec::new(),
            greeting: Greeting::AtOnce,
            authentication_information: None,
            session_error: None,
            delta: true,
            order: AnswerOrder::InOrder,
            max_ttl: Duration::from_secs(1800),
            default_ttl: Duration::ZERO,
            fragment: None,
            reopen: Reopen::SameHandle,
            no_doc: NoDoc::Invalid,
            answer_missing_id: false,
            rows: 200,
            cell_limit: 10_000,
            otherwise: Otherwise::default(),
            log_limit: 64 << 20,
            max_message: 256 << 20,
            busy_while_reloading: false,
            observer: None,
        }
    }
}

/// What differs from one installation to the next, and should make no difference to a client, and what should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// The first handle of each socket. Default 1.
    pub first_handle: i64,
    /// The step from one handle to the next. Default 1.
    pub handle_step: i64,
    /// What generated ids depend on. Default 0.
    pub id_seed: u64,
    /// Lists such as those of apps, sheets and fields in reverse order. Default false.
    pub reversed_lists: bool,
    /// Another value of `Sales` in one row, in quarters. Default none.
    pub sales: Option<(usize, i64)>,
    /// Another definition of the measure `MEA01`. Default none.
    pub measure: Option<String>,
}

impl Default for Otherwise {
    fn default() -> Self {
        Self {
            first_handle: 1,
            handle_step: 1,
            id_seed: 0,
            reversed_lists: false,
            sales: None,
            measure: None,
        }
    }
}

/// An HTTP answer in the place of the upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code, e.g. 302.
    pub status: u16,
    /// Headers beside `Content-Length` and `Connection`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Refusal {
    /// Returns a refusal with a JSON body.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_string() }
    }
}

/// When the engine says `OnConnected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// As the first frame.
    AtOnce,
    /// Once the client has sent its first frame, before that frame is answered.
    AfterFirstRequest,
    /// Not at all, as old builds.
    Never,
}

/// The order in which answers leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerOrder {
    /// In the order of the requests.
    InOrder,
    /// What was answered in one burst of requests leaves in an order drawn from the seed.
    Shuffled {
        /// Start of the generator; the same seed and the same bursts give the same order.
        seed: u64,
    },
    /// Answers of the named methods wait until `by` later answers have left, or nothing more is to be read.
    Overtaken {
        /// Bare method names.
        methods: Vec<String>,
        /// How many answers overtake.
        by: u32,
    },
}

/// What a second `OpenDoc` of the app that is open already does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reopen {
    /// Succeeds with the handle of the open app.
    SameHandle,
    /// Fails with 1002.
    AlreadyOpen,
}

/// What `GetActiveDoc` does when no app is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDoc {
    /// Error 1007.
    Invalid,
    /// Error 1017.
    NotOpen,
    /// Success with a null reference.
    NullReference,
}
