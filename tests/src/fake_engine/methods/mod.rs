//! The methods, by class of the handle.

mod dispatch;
mod doc;
mod field;
mod generic_object;
mod global;
mod library;
mod object_selections;
mod trigger;

pub(crate) use dispatch::handle_text;
