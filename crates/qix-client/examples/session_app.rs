//! Makes an app of data that the program has, which lives as long as the session, and asks it something.
//!
//! ```console
//! $ cargo run --example session_app
//! ```
//!
//! prints
//!
//! ```text
//! Ada       150
//! Edsger     95
//! Grace      80
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

use qix_client::data::{CubeDef, Measure, Sort};

const SCRIPT: &str = "
Orders:
LOAD * INLINE [
    Customer, Amount
    Ada, 120
    Grace, 80
    Ada, 30
    Edsger, 95
];
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = support::session("session_app").await?;
    let app = session.global().create_session_app().await?.object;
    app.set_script(SCRIPT).await?;
    if !app.do_reload().await? {
        return Err("the script failed".into());
    }
    let amount = Measure::expression("Sum(Amount)").label("Amount").sort(Sort::by_number().descending());
    let cube = app.hypercube(CubeDef::new().dimension("Customer").measure(amount).sorted_by(&[1])).await?;
    for (customer, amount) in cube.all::<(String, u32)>().await? {
        println!("{customer:<8}{amount:>5}");
    }
    drop(cube);
    support::finish(session).await
}
