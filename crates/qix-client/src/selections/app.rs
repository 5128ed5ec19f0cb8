//! Selections of the whole app.

use super::Modal;
use crate::{Doc, Error, GenericObject};

/// The selections of the whole app; made by [`Doc::selections`](crate::Doc::selections). Cheap to clone.
#[derive(Clone, Debug)]
pub struct Selections(Doc);

impl Doc {
    /// Steps through, clears and locks the selections of all fields.
    pub fn selections(&self) -> Selections {
        Selections(self.clone())
    }
}

impl Selections {
    /// Takes the last selection back. The engine does not say whether there was one; `back_count` of
    /// [`CurrentSelections`](super::CurrentSelections) does.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn back(&self) -> Result<(), Error> {
        self.0.back().await
    }

    /// Makes the selection again that was taken back last; see [`back`](Self::back).
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn forward(&self) -> Result<(), Error> {
        self.0.forward().await
    }

    /// Clears all fields that are not locked.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn clear_all(&self) -> Result<(), Error> {
        self.0.clear_all().await
    }

    /// Clears all fields, locked ones too.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn clear_locked_too(&self) -> Result<(), Error> {
        self.0.clear_all().locked_also(true).await
    }

    /// Clears all fields of an alternate state that are not locked.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn clear_state(&self, state: &str) -> Result<(), Error> {
        self.0.clear_all().state_name(state).await
    }

    /// Locks what is selected.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn lock_all(&self) -> Result<(), Error> {
        self.0.lock_all().await
    }

    /// Unlocks everything.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn unlock_all(&self) -> Result<(), Error> {
        self.0.unlock_all().await
    }

    /// Begins modal selections in an object: see [`Modal`].
    ///
    /// # Errors
    ///
    /// As [`Modal::begin`].
    pub async fn begin(&self, object: &GenericObject, paths: &[&str]) -> Result<Modal, Error> {
        Modal::begin(object, paths).await
    }
}
