//! One method call as a value.

use std::{
    borrow::Cow,
    fmt,
    future::IntoFuture,
    marker::PhantomData,
    pin::Pin,
    task::{Context as Waker, Poll, ready},
    time::Duration,
};

use qix_protocol::{
    Answer, Handle, RequestId,
    schema::{Method, MethodInfo},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, ErrorKind, Object, Session,
    command::Control,
    params::Params,
    request::{Request, Target},
    returns::{As, Context, Dynamic, Returns, Untouched},
    route::Route,
};

/// A call that is not sent yet; `.await` sends it and returns what [`Returns`] says for the method `M`.
///
/// Parameters that may be left out are set by methods of the call. It borrows nothing, so it can be kept and spawned.
///
/// # Errors
///
/// The call ends with an [`Error`] of any [kind](ErrorKind). An object that does not exist is [`ErrorKind::NotFound`], although it
/// is a success on the wire.
///
/// # Cancellation
///
/// Dropping the future after it was first polled sends `CancelRequest`, unless [`detach`](Self::detach) was called. The engine may
/// still have done the work.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<M> {
    to: Target,
    id: RequestId,
    method: Cow<'static, str>,
    info: Option<&'static MethodInfo>,
    params: Params,
    timeout: Option<Duration>,
    delta: bool,
    detached: bool,
    returns: PhantomData<fn() -> M>,
}

impl<M: Method> Call<M> {
    /// A call of a method of the schema, still without parameters.
    pub(crate) fn on(object: &Object) -> Self {
        let info = Some(M::INFO);
        Self::new(Target::Object(object.clone()), M::NAME.into(), info, Params::new())
    }

    /// Sets the parameter at this position.
    pub(crate) fn with(mut self, at: usize, value: &(impl Serialize + ?Sized)) -> Self {
        self.params.set(at, value);
        self
    }
}

impl<R: DeserializeOwned + 'static> Call<As<R>> {
    /// A call of any method, by name.
    pub(crate) fn named(to: Target, method: Cow<'static, str>, params: &(impl Serialize + ?Sized)) -> Self {
        Self::new(to, method, None, Params::whole(params))
    }
}

impl<M> Call<M> {
    fn new(to: Target, method: Cow<'static, str>, info: Option<&'static MethodInfo>, params: Params) -> Self {
        let id = to.session().ids().reserve();
        let delta = to.session().delta();
        Self { to, id, method, info, params, timeout: None, delta, detached: false, returns: PhantomData }
    }

    /// Returns the id that the request will have, for `GetProgress` and `CancelRequest`.
    pub fn request_id(&self) -> RequestId {
        self.id
    }

    /// Gives the call up after this long, counted from when it is taken up for sending. Default: never, because a reload may
    /// take hours.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks for a delta answer, or not: patches to the answer before it to the same method of the same object. What is returned
    /// is the same. Worth it for large results that change little. Default: what the session was built with.
    pub fn delta(mut self, delta: bool) -> Self {
        self.delta = delta;
        self
    }

    /// Lets the call run on in the engine when its future is dropped after it was first polled.
    pub fn detach(mut self) -> Self {
        self.detached = true;
        self
    }

    /// Returns the answer as it came instead: its JSON text, from which types can borrow.
    ///
    /// ```no_run
    /// # async fn example(object: qix_client::GenericObject) -> Result<(), Box<dyn std::error::Error>> {
    /// #[derive(serde::Deserialize)]
    /// struct Out<'a> {
    ///     #[serde(borrow, rename = "qLayout")]
    ///     layout: &'a serde_json::value::RawValue,
    /// }
    /// let answer = object.get_layout().raw().await?;
    /// let text = answer.text();
    /// let out: Out<'_> = serde_json::from_slice(&text)?;
    /// println!("{} bytes", out.layout.get().len());
    /// # Ok(())
    /// # }
    /// ```
    pub fn raw(self) -> Call<Untouched> {
        self.returning()
    }

    /// Decodes into a type of your own instead: the one out member of methods that have one, and otherwise the object of all out
    /// members.
    ///
    /// ```no_run
    /// # async fn example(object: qix_client::GenericObject) -> Result<(), qix_client::Error> {
    /// #[derive(serde::Deserialize)]
    /// struct Kpi {
    ///     title: String,
    /// }
    /// let kpi = object.get_layout().call_into::<Kpi>().await?;
    /// println!("{}", kpi.title);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_into<R: DeserializeOwned + 'static>(self) -> Call<As<R>> {
        self.returning()
    }

    /// Returns the request, without sending it: for [layers](crate::layer) that make calls of their own, which go to what is inside of
    /// them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Params`] if the parameters cannot be written as JSON.
    pub fn into_request(self) -> Result<Request, Error> {
        let Self { to, id, method, info, params, timeout, delta, detached, returns: _ } = self;
        let params = params.finish(info.map_or(&[], |info| info.params))?;
        Ok(Request { id, to, method, params: params.into(), timeout, delta, detached, times: None })
    }

    /// Returns a dynamic value instead, as [`call_into`](Self::call_into) does: faster to read than `serde_json::Value`, and after a
    /// delta answer shared with the state that the next one patches, which copies only what is still held here.
    ///
    /// ```no_run
    /// # async fn example(object: qix_client::GenericObject) -> Result<(), qix_client::Error> {
    /// let layout = object.get_layout().delta(true).value().await?;
    /// println!("{:?}", layout.member("title").and_then(|title| title.as_str()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn value(self) -> Call<Dynamic> {
        self.returning()
    }

    /// Makes the call in the background: nobody waits for its answer, and it goes past calls that wait for their turn.
    pub(crate) fn tell(self) {
        let Self { to, id, method, info, params, .. } = self;
        if to.closed().is_some() {
            return;
        }
        if let Ok(params) = params.finish(info.map_or(&[], |info| info.params)) {
            let session = to.session().clone();
            let request = Request { id, detached: true, ..Request::new(to, method, params.into()) };
            session.control(Control::Tell(Box::new(request)));
        }
    }

    fn returning<N>(self) -> Call<N> {
        let Self { to, id, method, info, params, timeout, delta, detached, returns: _ } = self;
        Call { to, id, method, info, params, timeout, delta, detached, returns: PhantomData }
    }
}

impl<M: Returns> IntoFuture for Call<M> {
    type Output = Result<M::Result, Error>;
    type IntoFuture = CallFuture<M>;

    fn into_future(self) -> CallFuture<M> {
        let Self { to, id, method, info, params, timeout, delta, detached, returns: _ } = self;
        let outs = info.map(|info| info.outs);
        let state = match to.closed().map_or_else(|| params.finish(info.map_or(&[], |info| info.params)), Err)
        {
            Err(error) => State::Failed(Some(error)),
            Ok(params) => {
                let request = Request {
                    id,
                    to,
                    method: method.clone(),
                    params: params.into(),
                    timeout,
                    delta,
                    detached,
                    times: None,
                };
                let kept = M::OPENS.then(|| Box::new(request.clone()));
                State::Sent(request.send(), kept)
            }
        };
        CallFuture { method, outs, state, returns: PhantomData }
    }
}

impl<M> fmt::Debug for Call<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("to", &self.to.handle())
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A call on its way.
#[must_use = "futures do nothing unless they are polled"]
pub struct CallFuture<M> {
    method: Cow<'static, str>,
    outs: Option<&'static [&'static str]>,
    state: State,
    returns: PhantomData<fn() -> M>,
}

enum State {
    Failed(Option<Error>),
    /// The request is kept for what it opens.
    Sent(Route, Option<Box<Request>>),
}

impl<M: Returns> Future for CallFuture<M> {
    type Output = Result<M::Result, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = match &mut this.state {
            State::Failed(error) => Err(error.take().unwrap_or_else(|| Error::new(ErrorKind::Closed))),
            State::Sent(sent, kept) => ready!(Pin::new(sent).poll(cx)).and_then(|answer: Answer| {
                M::read(answer, Context { request: kept.as_deref(), outs: this.outs })
            }),
        };
        Poll::Ready(outcome.map_err(|error| error.in_method(this.method.clone())))
    }
}

impl<M> fmt::Debug for CallFuture<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Session {
    /// Calls any method of any object by name; `params` become a JSON array or object.
    ///
    /// A handle is good for one socket: after a resume it may be that of another object. [`Object::call`] knows the present one.
    ///
    /// The result is decoded from the object of out members, so `R` is a struct with members such as `qReturn`, or
    /// `serde_json::Value`.
    pub fn call<R: DeserializeOwned + 'static>(
        &self,
        to: Handle,
        method: impl Into<Cow<'static, str>>,
        params: &(impl Serialize + ?Sized),
    ) -> Call<As<R>> {
        Call::named(Target::Handle(self.clone(), to), method.into(), params)
    }
}
