//! Connects to an engine by API key, by certificates or without credentials, and says who answers.
//!
//! ```console
//! $ cargo run --example connect                                                     # a recording
//! $ QIX_URL=wss://tenant.eu.qlikcloud.com/app/ID QIX_API_KEY=… cargo run --example connect
//! $ QIX_URL=wss://sense.example.com:4747/app/engineData QIX_CERT_DIR=certificates \
//!       QIX_USER='INTERNAL\sa_engine' cargo run --example connect
//! $ QIX_URL=ws://localhost:4848/app/engineData cargo run --example connect           # Qlik Sense Desktop
//! ```
//!
//! prints
//!
//! ```text
//! SESSION_CREATED
//! engine 12.2528.0
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Without the helper of the examples:
    //
    //     let endpoint = Endpoint::parse("wss://tenant.eu.qlikcloud.com/app/ID")?;
    //     let connect = WsConnect::builder(endpoint).auth(Auth::bearer(key)).build()?;
    //     let session = Session::connect(&connect).await?;
    let session = support::session("connect").await?;

    // A proxy may greet after the first request only, so ask before waiting.
    let version = session.global().engine_version().await?;
    println!("{}", session.connected().await?);
    println!("engine {}", version.component_version);
    support::finish(session).await
}
