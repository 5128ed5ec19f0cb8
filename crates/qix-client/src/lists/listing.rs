//! A list that is read once or again after each change.

use std::{fmt, future::IntoFuture, pin::Pin};

use serde::de::{DeserializeOwned, IgnoredAny};
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
    /// What is done to the list once it is read.
    arrange: fn(&mut T),
}

impl<T: DeserializeOwned + Default + Send + 'static> Listing<T> {
    pub(crate) fn new(doc: &Doc, properties: Value, path: &'static [&'static str]) -> Self {
        Self { doc: doc.clone(), properties, path, arrange: |_| {} }
    }

    /// Has this done to the list each time that it is read.
    pub(super) fn arranged(self, arrange: fn(&mut T)) -> Self {
        Self { arrange, ..self }
    }

    /// Reads the list now, and again after each change.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn live(self) -> Result<Live<T>, Error> {
        let object = self.doc.create_session_object(&self.properties).await?;
        let (path, arrange) = (self.path, self.arrange);
        Ok(Live::new(object.clone(), move || {
            let object = object.clone();
            async move {
                let mut list = read(&object, path).await?;
                arrange(&mut list);
                Ok(list)
            }
        }))
    }

    async fn once(self) -> Result<T, Error> {
        let object = self.doc.create_session_object(&self.properties).await?;
        let mut list = read(&object, self.path).await?;
        (self.arrange)(&mut list);
        Ok(list)
    }
}

/// Reads a part of an object's layout. What an engine leaves out because it is empty is empty; what it belongs to must be there.
pub(super) async fn read<T: DeserializeOwned + Default>(
    object: &GenericObject,
    path: &[&str],
) -> Result<T, Error> {
    let answer = again(|| object.get_layout().raw()).await?;
    let path = [&["qLayout"], path].concat();
    if let Some(list) = read_at(&answer, &path)? {
        return Ok(list);
    }
    match read_at::<IgnoredAny>(&answer, &path[..2])? {
        Some(_) if path.len() > 2 => Ok(T::default()),
        _ => Err(Error::new(ErrorKind::NotFound).in_method("GetLayout".into())),
    }
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
