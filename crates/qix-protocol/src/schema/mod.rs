//! The engine's interface: its methods, and the types they take and return.
//!
//! Generated from the facts of one version of the engine by `cargo xtask schema generate`; older and newer engines are served
//! all the same, because types tolerate members that are missing, new or of another type.
//!
//! # Examples
//!
//! ```
//! use qix_protocol::schema::{GenericObjectLayout, Method, global};
//!
//! let layout: GenericObjectLayout = serde_json::from_str(
//!     r#"{"qInfo":{"qId":"LB02","qType":"kpi"},"title":"Sales","qHyperCube":{"qSize":{"qcx":1,"qcy":2}}}"#,
//! )?;
//! assert_eq!(layout.info.id, "LB02");
//! assert_eq!(layout.hyper_cube.unwrap().size.cy, 2);
//! assert_eq!(layout.extra.get("title").unwrap().decode::<String>()?, "Sales");
//!
//! let params = global::OpenDocParams { no_data: Some(true), ..global::OpenDocParams::new("Sales") };
//! assert_eq!(serde_json::to_string(&params)?, r#"{"qDocName":"Sales","qNoData":true}"#);
//! assert_eq!(global::OpenDoc::NAME, "OpenDoc");
//! # Ok::<(), serde_json::Error>(())
//! ```

pub mod class;
mod code;
mod double;
mod enumeration;
mod extra;
#[path = "gen/mod.rs"]
mod generated;
mod json;
mod member;
mod method;
mod object;
mod reference;
mod text;

pub use double::Double;
pub use extra::Extra;
pub(crate) use extra::FIELDS;
pub use generated::*;
pub use json::Json;
pub use member::Member;
pub(crate) use member::is_whole;
pub use method::{Kind, Method, MethodInfo, NoOutput, NoParams, ParamInfo, Stability};
pub use object::Object;
pub(crate) use object::object;
pub use reference::Reference;
#[doc(hidden)]
pub use text::Cursor;
pub use text::decode;

#[doc(hidden)]
pub use crate::scan::Fault;

/// What generated code is made of.
mod prelude {
    pub(super) use super::{
        Double, Kind, Method, MethodInfo, NoOutput, NoParams, ParamInfo, Reference, Stability, class,
        enumeration::enumeration, method::params, object,
    };
    #[allow(unused_imports, reason = "a schema may have types for which nobody has said a class")]
    pub(super) use crate::ObjectReference;
    pub(super) use crate::{ErrorCode, MessageCode, WarningCode};
}

/// Returns what is known of a method of a class. If the class is empty, as that of an object of which nobody knows how it was
/// opened, any class that has the method will do.
pub fn method(class: &str, name: &str) -> Option<&'static MethodInfo> {
    if class.is_empty() {
        return METHODS.iter().find(|info| info.name == name).copied();
    }
    let found = METHODS.binary_search_by(|info| (info.class, info.name).cmp(&(class, name)));
    found.ok().map(|found| METHODS[found])
}

#[cfg(test)]
mod tests;
