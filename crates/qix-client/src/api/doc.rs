//! An open app.

use std::ops::Deref;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{GenericObject, Nothing, Success, object};
use crate::{Error, Object};

/// An open app. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Doc(Object);

impl Doc {
    pub(crate) fn new(object: Object) -> Self {
        Self(object)
    }

    /// Returns the app's layout: title, last reload, whether it has data (`GetAppLayout`).
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`.
    pub async fn get_app_layout<L: DeserializeOwned>(&self) -> Result<L, Error> {
        #[derive(Deserialize)]
        struct Out<L> {
            #[serde(rename = "qLayout")]
            layout: L,
        }
        let out: Out<L> = self.call("GetAppLayout", &[(); 0]).await?;
        Ok(out.layout)
    }

    /// Opens an object of the app (`GetObject`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none with this id.
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`; the handle stays open in the engine.
    pub async fn get_object(&self, id: &str) -> Result<GenericObject, Error> {
        object(self.session(), self.call("GetObject", &[id])).await.map(GenericObject::new)
    }

    /// Creates an object that lives as long as the session (`CreateSessionObject`). Without `qInfo.qId` it gets a new id.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`; the object may exist all the same.
    pub async fn create_session_object(&self, properties: &impl Serialize) -> Result<GenericObject, Error> {
        object(self.session(), self.call("CreateSessionObject", &[properties])).await.map(GenericObject::new)
    }

    /// Destroys a session object by id, and returns whether there was one (`DestroySessionObject`).
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`; the object may be gone all the same.
    pub async fn destroy_session_object(&self, id: &str) -> Result<bool, Error> {
        let out: Success = self.call("DestroySessionObject", &[id]).await?;
        Ok(out.value)
    }

    /// Clears all selections except locked ones (`ClearAll`).
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind).
    ///
    /// # Cancellation
    ///
    /// Dropping the future sends `CancelRequest`; a selection that was made is not taken back.
    pub async fn clear_all(&self) -> Result<(), Error> {
        let Nothing {} = self.call("ClearAll", &[(); 0]).await?;
        Ok(())
    }
}

impl Deref for Doc {
    type Target = Object;

    fn deref(&self) -> &Object {
        &self.0
    }
}
