//! Methods of one's own on the objects of the engine: an extension trait, where enigma.js has mixins.
//!
//! ```console
//! $ cargo run --example extension_trait
//! ```
//!
//! prints
//!
//! ```text
//! 22896 sold in 4 regions
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

use futures_util::future::try_join_all;
use qix_client::{Doc, Error as QixError};

/// What this program wants to know of apps.
trait Figures {
    /// Evaluates several expressions at once.
    async fn figures<const N: usize>(&self, expressions: [&str; N]) -> Result<[String; N], QixError>;
}

impl Figures for Doc {
    async fn figures<const N: usize>(&self, expressions: [&str; N]) -> Result<[String; N], QixError> {
        let figures =
            try_join_all(expressions.map(|expression| self.evaluate(expression).into_future())).await?;
        Ok(figures.try_into().unwrap_or_else(|_| unreachable!("as many as there were calls")))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = support::session("extension_trait").await?;
    let doc = session.global().open_doc(&support::app()).await?;
    let [sales, regions] = doc.figures(["Sum(Sales)", "Count(distinct Region)"]).await?;
    println!("{sales} sold in {regions} regions");
    support::finish(session).await
}
