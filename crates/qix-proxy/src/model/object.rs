//! An open object.

use std::{sync::Arc, time::Duration};

use qix_protocol::{Handle, Lineage};

use super::names;

/// An object that a connection had open, from its opening to its closing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// Tells it apart from all others of the recording; an object that is opened again is another.
    pub number: u64,
    /// The connection that has it open.
    pub conn: u64,
    /// What the connection calls it.
    pub handle: Handle,
    /// How it came to be; `None` if the recording does not have it.
    pub lineage: Option<Lineage>,
    /// What it is, such as `app`, `field`, or the author's type of a generic object, such as `sheet`.
    pub kind: String,
    /// The id or name; empty if there is none.
    pub id: String,
    /// The title, once the traffic has told it; empty before.
    pub title: String,
    /// When it was opened, since the recording started; zero if it was open before.
    pub opened: Duration,
    /// The call that opened it.
    pub by: Option<u64>,
    /// Whether the session has made it, so that it ends with the session.
    pub is_session_object: bool,
}

impl Object {
    /// Returns what people call it: the kind and, if there is any, the title or else the id.
    pub fn name(&self) -> String {
        self.named().to_string()
    }

    /// Returns the class, such as `GenericObject`; empty if it is not known.
    pub fn class(&self) -> &str {
        self.lineage.as_ref().map_or("", |lineage| lineage.class())
    }

    pub(crate) fn named(&self) -> names::Object {
        names::Object { kind: self.kind.clone(), id: self.id.clone(), title: self.title.clone() }
    }

    /// Makes what stands for a handle that nobody was seen to open.
    pub(super) fn unknown(number: u64, conn: u64, handle: Handle, name: &names::Object) -> Arc<Self> {
        Arc::new(Self {
            number,
            conn,
            handle,
            lineage: (handle == Handle::GLOBAL).then_some(Lineage::GLOBAL),
            kind: name.kind.clone(),
            id: name.id.clone(),
            title: name.title.clone(),
            opened: Duration::ZERO,
            by: None,
            is_session_object: false,
        })
    }
}
