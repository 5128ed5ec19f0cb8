//! A list that is read once or again after each change.

use std::{fmt, future::IntoFuture, marker::PhantomData, pin::Pin};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Doc, Error, ErrorKind, GenericObject,
    data::{Live, again, read_at},
};

/// A list of an app, computed by a session object that lives as long as it is read. Awaiting reads it once.
#[must_use = "a list is read when it is awaited"]
pub struct Listing<T> {
    doc: Doc,
    properties: Value,
    /// Where the list is in the layout.
    path: &'static [&'static str],
    what: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Default + Send + 'static> Listing<T> {
    pub(crate) fn new(doc: &Doc, properties: Value, path: &'static [&'static str]) -> Self {
        Self { doc: doc.clone(), properties, path, what: PhantomData }
    }

    /// Reads the list now, and again after each change.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn live(self) -> Result<Live<T>, Error> {
        let object = self.doc.create_session_object(&self.properties).await?;
        let path = self.path;
        Ok(Live::new(object.clone(), move || {
            let object = object.clone();
            async move { read(&object, path).await }
        }))
    }

    async fn once(self) -> Result<T, Error> {
        let object = self.doc.create_session_object(&self.properties).await?;
        read(&object, self.path).await
    }
}

/// Reads a part of an object's layout; one that is not there is empty.
pub(super) async fn read<T: DeserializeOwned + Default>(
    object: &GenericObject,
    path: &[&str],
) -> Result<T, Error> {
    let answer = again(|| object.get_layout().raw()).await?;
    let path = [&["qLayout"], path].concat();
    read_at(&answer, &path)?.ok_or_else(|| Error::new(ErrorKind::NotFound).in_method("GetLayout".into()))
}

impl<T: DeserializeOwned + Default + Send + 'static> IntoFuture for Listing<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.once())
    }
}

impl<T> fmt::Debug for Listing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("path", &self.path).finish_non_exhaustive()
    }
}
