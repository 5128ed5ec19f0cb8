//! One request, as layers see it.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use qix_protocol::{Answer, Effect, Handle, Lineage, RequestId, effect_of_call, frame::Raw};

use crate::{
    Error, ErrorKind, Object, Session, command::Control, object::farewell_to, route::Route, stopwatch::Times,
};

/// A request on its way to the engine, as [layers](crate::layer) see it.
///
/// A clone is the same request, with the same id; to send it once more, take [`again`](Self::again).
#[derive(Clone)]
pub struct Request {
    pub(crate) id: RequestId,
    pub(crate) to: Target,
    pub(crate) method: Cow<'static, str>,
    /// A JSON array or object.
    pub(crate) params: Bytes,
    pub(crate) timeout: Option<Duration>,
    pub(crate) delta: bool,
    /// Whether it runs on when nobody waits for it any more.
    pub(crate) detached: bool,
    /// Where the driver notes when what happens to it, if somebody measures.
    pub(crate) times: Option<Arc<Times>>,
}

/// Whom a request is for. The handle of an object is looked up when the request is sent: it changes when a session resumes.
#[derive(Clone)]
pub(crate) enum Target {
    Object(Object),
    Handle(Session, Handle),
}

impl Target {
    /// Returns why no call can be made, if that is certain.
    pub(crate) fn closed(&self) -> Option<Error> {
        match self {
            Self::Object(object) if object.is_closed() => {
                Some(object.session().has_ended().unwrap_or_else(|| Error::new(ErrorKind::Closed)))
            }
            _ => None,
        }
    }

    pub(crate) fn session(&self) -> &Session {
        match self {
            Self::Object(object) => object.session(),
            Self::Handle(session, _) => session,
        }
    }

    /// Destroys the session object that an answer brings which nobody waits for any more: nobody else would.
    pub(crate) fn give_back(&self, answer: &Answer) {
        let Some((method, params)) = farewell_to(answer) else { return };
        let request = Request::new(self.clone(), method.into(), params.into());
        self.session().control(Control::Tell(Box::new(Request { detached: true, ..request })));
    }

    pub(crate) fn handle(&self) -> Handle {
        match self {
            Self::Object(object) => object.handle(),
            Self::Handle(_, handle) => *handle,
        }
    }
}

impl Request {
    /// A request that nobody gives up before its answer.
    pub(crate) fn new(to: Target, method: Cow<'static, str>, params: Bytes) -> Self {
        let id = to.session().ids().reserve();
        Self { id, to, method, params, timeout: None, delta: false, detached: false, times: None }
    }

    /// Hands the request to the session, through its layers.
    pub(crate) fn send(self) -> Route {
        Route::new(self)
    }

    /// Returns the id.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Returns the same request with an id of its own, so that it can be sent once more.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { id: self.session().ids().reserve(), ..self.clone() }
    }

    /// Returns the session.
    pub fn session(&self) -> &Session {
        self.to.session()
    }

    /// Returns the object that the method is called on; `None` for calls of a bare handle.
    pub fn object(&self) -> Option<&Object> {
        match &self.to {
            Target::Object(object) => Some(object),
            Target::Handle(..) => None,
        }
    }

    /// Returns the handle that the request goes to, as of now.
    pub fn handle(&self) -> Handle {
        self.to.handle()
    }

    /// Returns how the object was opened, if it is known.
    pub fn lineage(&self) -> Option<&Lineage> {
        self.object().map(Object::lineage)
    }

    /// Returns the class of the object, such as `GenericObject`; empty if it is not known.
    pub fn class(&self) -> &str {
        match &self.to {
            Target::Object(object) => object.kind(),
            Target::Handle(_, Handle::GLOBAL) => "Global",
            Target::Handle(..) => "",
        }
    }

    /// Returns the method, without its class.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the parameters as text: a JSON array or object.
    pub fn params(&self) -> &[u8] {
        &self.params
    }

    /// Returns what the call may change.
    pub fn effect(&self) -> Effect {
        effect_of_call(self.class(), &self.method, Raw::new(&self.params).ok())
    }

    /// Returns how long the caller waits, counted from when the request is taken up for sending.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Sets how long the caller waits.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Returns whether a delta answer is asked for.
    pub fn delta(&self) -> bool {
        self.delta
    }
}

/// Parameters may be secret, so they are not shown.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("class", &self.class())
            .field("handle", &self.handle())
            .field("method", &self.method)
            .field("delta", &self.delta)
            .finish_non_exhaustive()
    }
}
