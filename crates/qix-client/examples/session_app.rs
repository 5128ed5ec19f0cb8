//! Makes an app that lives as long as the session, fills it with data from this program, and asks it something.
//!
//! ```console
//! $ cargo run --example session_app
//! ```
//!
//! prints
//!
//! ```text
//! Cities: 3 rows of City, Country, Inhabitants
//! 1176 thousand inhabitants
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

const SCRIPT: &str = "
Cities:
LOAD * INLINE [
City, Country, Inhabitants
Lund, Sweden, 94
Malmö, Sweden, 365
Oslo, Norway, 717
];
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = support::session("session_app").await?;
    let doc = session.global().create_session_app().await?.object;

    // It starts empty: the script has the data, and a reload takes it in.
    doc.set_script(SCRIPT).await?;
    doc.reload().await?;
    for table in doc.data_model().await?.tables {
        let fields: Vec<&str> = table.fields.iter().map(|field| field.name.as_str()).collect();
        println!("{}: {} rows of {}", table.name, table.no_of_rows, fields.join(", "));
    }
    println!("{} thousand inhabitants", doc.evaluate("Sum(Inhabitants)").await?);

    // The app goes with the session.
    support::finish(session).await
}
