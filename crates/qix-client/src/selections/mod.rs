//! Selections: in fields, in cubes and lists, of the whole app, and what is selected now.
//!
//! ```no_run
//! # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
//! let region = doc.field("Region");
//! region.select_values(["North", "South"]).await?;
//! doc.field("Year").select_range(2019.0..=2021.0).await?;
//! for item in doc.current_selections().once().await?.selections {
//!     println!("{}: {}", item.field, item.selected);
//! }
//! doc.selections().clear_all().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Refusals are errors
//!
//! The engine answers some selections with success and `false`: the value is not there, the field is locked, the range selects
//! nothing. Every such answer is [`ErrorKind::Unsuccessful`] here.

mod app;
mod cells;
mod current;
mod field;
mod modal;
mod value;

pub use app::Selections;
pub use cells::Mode;
pub use current::CurrentSelections;
pub use field::FieldSelections;
pub use modal::Modal;
pub use value::Value;

use crate::{Error, ErrorKind};

/// The name of the default state.
pub(crate) const DEFAULT_STATE: &str = "$";

/// Makes an error of an answer that says that nothing was done.
pub(crate) fn done(success: bool, method: &'static str) -> Result<(), Error> {
    if success { Ok(()) } else { Err(Error::new(ErrorKind::Unsuccessful).in_method(method.into())) }
}
