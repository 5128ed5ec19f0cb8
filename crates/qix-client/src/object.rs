//! What every object of the engine shares.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

use bytes::Bytes;
use qix_protocol::{Answer, Handle, Lineage, ObjectReference, frame::Raw, references};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{
    Call, Changes, Error, ErrorKind, Session,
    command::Control,
    request::{Request, Target},
    returns::As,
};

/// An open object of the engine: what [`Doc`](crate::Doc), [`GenericObject`](crate::GenericObject) and the others are made of.
///
/// Cheap to clone. All objects made from one handle are the same object, and equal.
///
/// # Lifetime
///
/// An object that was created for the session only (`CreateSessionObject`, `CreateSessionVariable`) is destroyed in the engine when
/// the last clone is dropped, unless [`keep`](Self::keep) was called. Others stay open in the engine until the session ends: QIX has
/// no way to give a handle back.
#[derive(Clone)]
pub struct Object(Arc<State>);

/// What all clones of an object have in common.
pub(crate) struct State {
    session: Session,
    handle: AtomicI32,
    reference: ObjectReference,
    lineage: Lineage,
    /// The request that opened it; none for Global, and for what was wrapped by hand.
    opener: Option<Opener>,
    keep: AtomicBool,
    /// What the properties are now, if they were set since it was created: parameters of `SetProperties`.
    properties: Mutex<Option<Bytes>>,
    /// Whether they were patched since.
    patched: AtomicBool,
    news: watch::Receiver<u64>,
}

/// The request that opened an object, so that it can be made again on another socket.
pub(crate) struct Opener {
    pub(crate) parent: Target,
    pub(crate) method: Cow<'static, str>,
    pub(crate) params: Bytes,
}

impl Object {
    /// Wraps the object that a method returned, for methods called with [`Session::call`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the reference is null, which is how the engine says that there is no such object.
    pub fn new(session: Session, reference: ObjectReference) -> Result<Self, Error> {
        Self::known(session, reference, Lineage::default(), None, None)
    }

    /// Wraps the object that a request has opened.
    pub(crate) fn opened(
        request: &Request,
        reference: ObjectReference,
        answer: &Answer,
    ) -> Result<Self, Error> {
        let opener = Opener {
            parent: request.to.clone(),
            method: request.method.clone(),
            params: request.params.clone(),
        };
        let session = request.session().clone();
        let lineage = answer.lineage().cloned().unwrap_or_default();
        Self::known(session, reference, lineage, Some(opener), Some(answer.socket()))
    }

    /// Wraps the object that an answer refers to, as if this request had opened it.
    pub(crate) fn answered(request: &Request, answer: &Answer) -> Result<Self, Error> {
        let text = answer.text();
        let result = Raw::new(&text).map_err(|error| Error::because(ErrorKind::Protocol, error))?;
        let reference = references(result).next().ok_or_else(|| Error::new(ErrorKind::NotFound))?;
        Self::opened(request, reference, answer)
    }

    /// The object that is always open.
    pub(crate) fn global(session: Session) -> Self {
        let reference = ObjectReference {
            object_type: Some("Global".to_owned()),
            handle: Some(Handle::GLOBAL),
            ..ObjectReference::default()
        };
        let state =
            |news| State::new(session.clone(), Handle::GLOBAL, reference, Lineage::GLOBAL, None, news);
        Self(session.objects().get_or_insert(Handle::GLOBAL, None, state))
    }

    /// The app that is open in the session, if anybody holds it: there is one at most.
    pub(crate) fn doc(session: &Session) -> Option<Self> {
        session.objects().find(|state| state.reference.object_type.as_deref() == Some("Doc")).map(Self)
    }

    fn known(
        session: Session,
        reference: ObjectReference,
        lineage: Lineage,
        opener: Option<Opener>,
        socket: Option<u32>,
    ) -> Result<Self, Error> {
        let handle = reference.handle.ok_or_else(|| Error::new(ErrorKind::NotFound))?;
        let state = |news| State::new(session.clone(), handle, reference, lineage, opener, news);
        Ok(Self(session.objects().get_or_insert(handle, socket, state)))
    }

    /// Returns the session that the object lives in.
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Returns the handle. It changes when the session resumes on another socket.
    pub fn handle(&self) -> Handle {
        self.0.handle()
    }

    /// Returns the object's id; old engines and some session apps give none.
    pub fn id(&self) -> Option<&str> {
        self.0.reference.generic_id.as_deref()
    }

    /// Returns the engine's class of the object, such as `GenericObject`; empty if the engine did not say.
    pub fn kind(&self) -> &str {
        self.0.reference.object_type.as_deref().unwrap_or_default()
    }

    /// Returns the author's type, such as `sheet`; old engines give none.
    pub fn generic_type(&self) -> Option<&str> {
        self.0.reference.generic_type.as_deref()
    }

    /// Returns how the object was opened, as a path from Global that survives reconnects.
    pub fn lineage(&self) -> &Lineage {
        &self.0.lineage
    }

    /// Returns the request that opened the object, if it is known.
    pub(crate) fn opener(&self) -> Option<&Opener> {
        self.0.opener.as_ref()
    }

    /// Returns whether the engine has closed the object, or the session has ended.
    pub fn is_closed(&self) -> bool {
        self.0.news.has_changed().is_err()
    }

    /// Waits until the engine closes the object, or the session ends.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn closed(&self) {
        let mut news = self.0.news.clone();
        while news.changed().await.is_ok() {}
    }

    /// Leaves a session object in the engine when its last clone is dropped.
    pub fn keep(&self) {
        self.0.keep.store(true, Ordering::Release);
    }

    /// Returns the changes of this object: one item at once if it has changed since it was opened, which new objects have,
    /// and then one for all changes since the last item. Ends when the object is closed.
    ///
    /// A change is an edge: the engine says nothing more until the object's layout is fetched.
    pub fn changes(&self) -> Changes {
        Changes::new(self.0.news.clone())
    }

    /// Returns how often the object has changed since it was opened.
    pub(crate) fn version(&self) -> u64 {
        *self.0.news.borrow()
    }

    /// The object's news, of which none count as seen that came after it was opened.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.0.news.clone()
    }

    /// Calls any method of this object by name.
    pub fn call<R: DeserializeOwned + 'static>(
        &self,
        method: impl Into<Cow<'static, str>>,
        params: &(impl Serialize + ?Sized),
    ) -> Call<As<R>> {
        Call::named(Target::Object(self.clone()), method.into(), params)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Object {}

impl Hash for Object {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("kind", &self.kind())
            .field("id", &self.id())
            .field("handle", &self.handle())
            .finish_non_exhaustive()
    }
}

impl State {
    fn new(
        session: Session,
        handle: Handle,
        reference: ObjectReference,
        lineage: Lineage,
        opener: Option<Opener>,
        news: watch::Receiver<u64>,
    ) -> Self {
        Self {
            session,
            handle: AtomicI32::new(handle.get()),
            reference,
            lineage,
            opener,
            keep: AtomicBool::new(false),
            properties: Mutex::default(),
            patched: AtomicBool::new(false),
            news,
        }
    }

    pub(crate) fn handle(&self) -> Handle {
        Handle::new(self.handle.load(Ordering::Acquire))
    }

    /// Gives the object its handle on another socket.
    pub(crate) fn set_handle(&self, handle: Handle) {
        self.handle.store(handle.get(), Ordering::Release);
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.reference.generic_id.as_deref()
    }

    pub(crate) fn kind(&self) -> &str {
        self.reference.object_type.as_deref().unwrap_or_default()
    }

    pub(crate) fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    pub(crate) fn opener(&self) -> Option<&Opener> {
        self.opener.as_ref()
    }

    /// The parameters of the last `SetProperties`, if there was one.
    pub(crate) fn properties(&self) -> Option<Bytes> {
        self.properties.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_patched(&self) -> bool {
        self.patched.load(Ordering::Acquire)
    }

    /// The request that removes the object from the engine, if it was made for the session only.
    fn farewell(&self) -> Option<Request> {
        let opener = self.opener.as_ref().filter(|_| !self.keep.load(Ordering::Acquire))?;
        let method = undoes(&opener.method)?;
        let params = serde_json::to_vec(&[self.reference.generic_id.as_deref()?]).ok()?;
        let request = Request::new(opener.parent.clone(), method.into(), params.into());
        Some(Request { detached: true, ..request })
    }
}

/// What a call makes of an object once it succeeds.
#[derive(Debug)]
pub(crate) struct Change {
    object: Weak<State>,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Parameters of `SetProperties`.
    Properties(Bytes),
    Patches,
}

impl Change {
    /// What the request makes of its object, if that matters when it is made again.
    pub(crate) fn of(request: &Request) -> Option<Box<Self>> {
        let what = match &*request.method {
            "SetProperties" => What::Properties(request.params.clone()),
            "ApplyPatches" | "SetFullPropertyTree" => What::Patches,
            _ => return None,
        };
        let state = &request.object()?.0;
        undoes(&state.opener.as_ref()?.method)?;
        Some(Box::new(Self { object: Arc::downgrade(state), what }))
    }

    /// Takes note that the call has succeeded.
    pub(crate) fn happened(self) {
        let Some(state) = self.object.upgrade() else { return };
        match self.what {
            What::Properties(params) => {
                *state.properties.lock().unwrap_or_else(PoisonError::into_inner) = Some(params);
                state.patched.store(false, Ordering::Release);
            }
            What::Patches => state.patched.store(true, Ordering::Release),
        }
    }
}

/// Returns the method that undoes what a method creates for the session.
fn undoes(method: &str) -> Option<&'static str> {
    match method {
        "CreateSessionObject" => Some("DestroySessionObject"),
        "CreateSessionVariable" => Some("DestroySessionVariableById"),
        _ => None,
    }
}

/// Returns the call that destroys what an answer has brought, if it was created for the session.
pub(crate) fn farewell_to(answer: &Answer) -> Option<(&'static str, Vec<u8>)> {
    let method = undoes(answer.lineage()?.method())?;
    let text = answer.text();
    let id = references(Raw::new(&text).ok()?).find_map(|reference| reference.generic_id)?;
    Some((method, serde_json::to_vec(&[id]).ok()?))
}

impl Drop for State {
    fn drop(&mut self) {
        if self.news.has_changed().is_ok()
            && let Some(request) = self.farewell()
        {
            self.session.control(Control::Tell(Box::new(request)));
        }
    }
}
