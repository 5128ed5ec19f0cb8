//! Modal selections.

use crate::{Error, ErrorKind, GenericObject};

/// Modal selections in one object: they are final when they are accepted, and gone when they are aborted. Meanwhile nothing can be
/// selected elsewhere in the session (code 6003).
///
/// Dropping it aborts, in the background.
#[derive(Debug)]
#[must_use = "dropping modal selections aborts them"]
pub struct Modal {
    object: GenericObject,
    is_on: bool,
}

impl Modal {
    /// Begins modal selections; `paths` are those of the definitions to select in, such as `/qHyperCubeDef`.
    ///
    /// # Errors
    ///
    /// An [`Error`] with the code 6003 if another object has begun. What may have begun although the call failed, as when it timed
    /// out, is aborted.
    ///
    /// # Cancellation
    ///
    /// Dropping the future aborts.
    pub async fn begin(object: &GenericObject, paths: &[&str]) -> Result<Self, Error> {
        // From here on, whatever happens ends the modal state.
        let mut modal = Self { object: object.clone(), is_on: true };
        let begun = object.begin_selections(paths).await;
        // Of a call that timed out nobody knows: only an engine that refuses has surely not begun.
        modal.is_on = begun.as_ref().err().is_none_or(|error| error.kind() != ErrorKind::Engine);
        begun.map(|()| modal)
    }

    /// Makes the selections final.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses. They are aborted then.
    pub async fn accept(mut self) -> Result<(), Error> {
        self.object.end_selections(true).await?;
        self.is_on = false;
        Ok(())
    }

    /// Takes the selections back.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn abort(mut self) -> Result<(), Error> {
        self.object.end_selections(false).await?;
        self.is_on = false;
        Ok(())
    }

    /// Takes the selections back that were made since they have begun, and goes on.
    ///
    /// # Errors
    ///
    /// [`Error`] if the engine refuses.
    pub async fn reset(&self) -> Result<(), Error> {
        self.object.reset_made_selections().await
    }
}

impl Drop for Modal {
    fn drop(&mut self) {
        if self.is_on {
            self.object.end_selections(false).tell();
        }
    }
}
