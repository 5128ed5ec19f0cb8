//! What programs do with an app in a few words: its script, variables, library and data model.
//!
//! ```no_run
//! # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
//! doc.set_variable("vYear", 2026).await?;
//! println!("{} = {}", doc.variable_value("vYear").await?.text, doc.evaluate("vYear").await?);
//!
//! let mut script = doc.script().await?;
//! script.section_mut("Main").text.push_str("LET vReloaded = Now();\r\n");
//! doc.set_script(&script.to_string()).await?;
//! for fault in doc.script_faults().await? {
//!     println!("{fault}");
//! }
//!
//! for table in doc.data_model().await?.tables {
//!     println!("{}: {} rows, {} fields", table.name, table.no_of_rows, table.fields.len());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What one generated method does is not repeated here: `evaluate`, `get_app_layout`, `apply_patches` and the others are
//! methods of [`Doc`](crate::Doc) and its objects. Lists of sheets, bookmarks and the like are in [`lists`](crate::lists).

mod expression;
mod library;
mod model;
mod script;
mod variables;

pub use expression::ExpressionCheck;
pub use model::DataModel;
pub use script::{Script, ScriptFault, ScriptSection};
pub use variables::VariableValue;
