//! What every object of the engine shares, and the news of all of them.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use qix_protocol::{ChangeSet, Handle, ObjectReference};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{Call, Changes, Error, ErrorKind, Session};

/// An open object of the engine: what [`Doc`](crate::Doc) and [`GenericObject`](crate::GenericObject) are made of.
///
/// Cheap to clone; all clones, and all objects made from the same handle, hear the same news.
#[derive(Clone, Debug)]
pub struct Object {
    session: Session,
    handle: Handle,
    reference: ObjectReference,
    version: watch::Receiver<u64>,
}

impl Object {
    /// Wraps the object that a method returned, for methods called with [`Session::call`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the reference is null, which is how the engine says that there is no such object.
    pub fn new(session: Session, reference: ObjectReference) -> Result<Self, Error> {
        let handle = reference.handle.ok_or_else(|| Error::new(ErrorKind::NotFound))?;
        let version = session.objects().subscribe(handle);
        Ok(Self { session, handle, reference, version })
    }

    /// Returns the session that the object lives in.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the handle.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// Returns the object's id; old engines and some session apps give none.
    pub fn id(&self) -> Option<&str> {
        self.reference.generic_id.as_deref()
    }

    /// Returns the author's type, such as `sheet`; old engines give none.
    pub fn generic_type(&self) -> Option<&str> {
        self.reference.generic_type.as_deref()
    }

    /// Returns whether the engine has closed the object, or the session has ended.
    pub fn is_closed(&self) -> bool {
        self.version.has_changed().is_err()
    }

    /// Waits until the engine closes the object, or the session ends.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn closed(&self) {
        let mut version = self.version.clone();
        while version.changed().await.is_ok() {}
    }

    /// Returns the changes of this object: one item at once if it has changed since it was opened, which new objects have,
    /// and then one for all changes since the last item. Ends when the object is closed.
    ///
    /// A change is an edge: the engine says nothing more until the object's layout is fetched.
    pub fn changes(&self) -> Changes {
        Changes::new(self.version.clone())
    }

    /// Calls any method of this object by name.
    pub fn call<R: DeserializeOwned>(&self, method: &'static str, params: &impl Serialize) -> Call<R> {
        if self.is_closed() {
            let error = self.session.has_ended().unwrap_or_else(|| Error::new(ErrorKind::Closed));
            return Call::new(self.session.clone(), self.handle, method.into(), Err(error));
        }
        self.session.call(self.handle, method, params)
    }
}

/// The news of all open objects.
#[derive(Debug)]
pub(crate) struct Objects(Mutex<Option<State>>);

#[derive(Debug, Default)]
struct State {
    /// An entry's number grows with each change; dropping the entry closes the object.
    open: HashMap<Handle, watch::Sender<u64>>,
    /// Handles that closed lately, oldest first: an object may die before its caller has seen the answer that opened it.
    closed: VecDeque<Handle>,
}

/// How many closed handles are remembered, more than a burst of answers has.
const REMEMBERED: usize = 4096;

impl Objects {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(State::default())))
    }

    fn subscribe(&self, handle: Handle) -> watch::Receiver<u64> {
        match &mut *self.lock() {
            Some(state) if !state.closed.contains(&handle) => {
                state.open.entry(handle).or_default().subscribe()
            }
            // A channel whose sender is gone.
            _ => watch::Sender::default().subscribe(),
        }
    }

    /// Tells everybody. A change of an object that nobody has wrapped yet is kept for whoever does.
    pub(crate) fn apply(&self, changes: &ChangeSet) {
        let mut guard = self.lock();
        let Some(State { open, closed }) = &mut *guard else { return };
        for handle in &changes.changed {
            closed.retain(|known| known != handle);
            open.entry(*handle).or_default().send_modify(|version| *version += 1);
        }
        for handle in &changes.closed {
            open.remove(handle);
            closed.push_back(*handle);
        }
        closed.drain(..closed.len().saturating_sub(REMEMBERED));
    }

    /// Closes everything, also what will be asked for later.
    pub(crate) fn end(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<State>> {
        // Nothing under this lock can panic half-way; a poisoned one is as good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
