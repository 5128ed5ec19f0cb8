//! Reloads: run an app's script, watch it, and learn what became of it.

mod builder;
mod outcome;
mod progress;
mod run;
mod running;
#[cfg(test)]
mod tests;

pub use builder::{Reload, ReloadMode};
pub use outcome::{ReloadFailure, Reloaded, ScriptError};
pub use progress::{ReloadMessage, ReloadProgress};
pub use running::{CancelReload, Reloading};

use crate::Doc;

impl Doc {
    /// Runs the script of the app and waits for its end, however long that takes.
    ///
    /// A script that fails is an error here, although it is a success on the wire ([`ErrorKind::ReloadFailed`]). Watched step by
    /// step with [`Reload::start`]:
    ///
    /// ```no_run
    /// # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
    /// let mut reload = doc.reload().and_save().start();
    /// while let Some(progress) = reload.next().await {
    ///     for message in progress.messages() {
    ///         println!("{message}");
    ///     }
    /// }
    /// match reload.await {
    ///     Ok(_) => println!("reloaded and saved"),
    ///     Err(error) => match error.reload_failure() {
    ///         Some(failure) => failure.errors.iter().for_each(|wrong| println!("{wrong}")),
    ///         None => return Err(error),
    ///     },
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`ErrorKind::ReloadFailed`]: crate::ErrorKind::ReloadFailed
    pub fn reload(&self) -> Reload {
        Reload::of(self.clone())
    }
}
