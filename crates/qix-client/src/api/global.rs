//! The object that is always open.

use qix_protocol::Handle;
use serde::{Deserialize, de::DeserializeOwned};

use super::{Doc, object};
use crate::{Error, Session};

/// The engine itself: its version, its apps. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Global {
    session: Session,
}

impl Global {
    pub(crate) fn new(session: Session) -> Self {
        Self { session }
    }

    /// Returns the engine's version, such as `12.2528.0` (`EngineVersion`).
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`.
    pub async fn engine_version(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Out {
            #[serde(rename = "qVersion")]
            version: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            #[serde(rename = "qComponentVersion")]
            component: String,
        }
        let out: Out = self.session.call(Handle::GLOBAL, "EngineVersion", &[(); 0]).await?;
        Ok(out.version.component)
    }

    /// Returns the apps that the user may open (`GetDocList`).
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`.
    pub async fn get_doc_list<L: DeserializeOwned>(&self) -> Result<Vec<L>, Error> {
        #[derive(Deserialize)]
        struct Out<L> {
            #[serde(rename = "qDocList")]
            list: Vec<L>,
        }
        let out: Out<L> = self.session.call(Handle::GLOBAL, "GetDocList", &[(); 0]).await?;
        Ok(out.list)
    }

    /// Opens an app by id, or on Desktop by name or path (`OpenDoc`). It may take minutes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) with code 1003 if there is no such app, 1002 if another is open.
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`; the app may be open all the same.
    pub async fn open_doc(&self, id: &str) -> Result<Doc, Error> {
        let call = self.session.call(Handle::GLOBAL, "OpenDoc", &[id]);
        object(&self.session, call).await.map(Doc::new)
    }

    /// Returns the app that the session has open, as after an attach (`GetActiveDoc`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Engine`](crate::ErrorKind::Engine) or [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if none is
    /// open; builds differ.
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`.
    pub async fn get_active_doc(&self) -> Result<Doc, Error> {
        let call = self.session.call(Handle::GLOBAL, "GetActiveDoc", &[(); 0]);
        object(&self.session, call).await.map(Doc::new)
    }
}
