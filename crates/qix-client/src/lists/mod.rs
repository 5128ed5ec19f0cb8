//! Lists as the Sense client has them: sheets, bookmarks, master items, variables, fields, media.
//!
//! Each is read once by awaiting it, or again after each change with [`Listing::live`].
//!
//! ```no_run
//! # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
//! for sheet in doc.sheets().await? {
//!     println!("{}: {} charts", sheet.title, sheet.cells.len());
//! }
//! let mut bookmarks = doc.bookmarks().live().await?;
//! while let Some(bookmarks) = bookmarks.next().await {
//!     println!("{} bookmarks", bookmarks?.len());
//! }
//! # Ok(())
//! # }
//! ```

mod app;
mod item;
mod listing;

pub use item::{Bookmark, Item, MasterDimension, MasterMeasure, Sheet, SheetCell};
pub use listing::Listing;
