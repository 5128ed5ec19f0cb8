//! A layer of one's own around all calls of a session, beside one that comes with the crate and one of tower's.
//!
//! ```console
//! $ cargo run --example own_layer
//! ```
//!
//! prints
//!
//! ```text
//! Global.OpenDoc: done
//! Doc.GetAppLayout: done
//! Doc.GetObject: no such object
//! GetObject: no such object
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::{error::Error, time::Duration};

use qix_client::{
    Request, Session, SessionConfig,
    layer::{self, RetryAborted, tower::util::MapRequestLayer},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The layer: what is done before and after each call.
    let log = layer::from_fn(|request: Request, next| async move {
        let name = format!("{}.{}", request.class(), request.method());
        let answer = next.call(request).await;
        match &answer {
            Ok(_) => println!("{name}: done"),
            Err(error) => println!("{name}: {error}"),
        }
        answer
    });
    let patient = MapRequestLayer::new(|mut request: Request| {
        request.set_timeout(request.timeout().or(Some(Duration::from_secs(60))));
        request
    });
    let config = SessionConfig::default().layer(log).layer(RetryAborted::new()).layer(patient);
    let session = Session::connect_with(&support::connector("own_layer")?, config).await?;

    let doc = session.global().open_doc(&support::app()).await?;
    doc.get_app_layout().await?;
    // An answer without an object is an error to layers as it is to the caller.
    let missing = doc.get_object("nowhere").await;
    println!("{}", missing.map_or_else(|error| error.to_string(), |object| format!("{object:?}")));
    support::finish(session).await
}
