//! Typed objects. These few methods stand for the whole schema until it is generated.

mod doc;
mod generic_object;
mod global;

pub use doc::Doc;
pub use generic_object::{GenericObject, Page};
pub use global::Global;

use qix_protocol::ObjectReference;
use serde::Deserialize;

use crate::{Call, Error, Object, Session};

/// A result with the one out member `qReturn`.
#[derive(Deserialize)]
struct Return<T> {
    #[serde(rename = "qReturn")]
    value: T,
}

/// A result with the one out member `qSuccess`.
#[derive(Deserialize)]
struct Success {
    #[serde(rename = "qSuccess")]
    value: bool,
}

/// A result without out members that matter.
#[derive(Deserialize)]
struct Nothing {}

/// Makes a call and wraps the object that it returns.
async fn object(session: &Session, call: Call<Return<ObjectReference>>) -> Result<Object, Error> {
    let session = session.clone();
    let method = call.method();
    Object::new(session, call.await?.value).map_err(|error| error.in_method(method))
}
