//! Shows sales by region as bars that follow the selections, and what is selected.
//!
//! ```console
//! $ cargo run --example dashboard              # makes three selections itself
//! $ QIX_URL=… cargo run --example dashboard -- watch     # follows those of others in the same session, until Ctrl-C
//! ```
//!
//! prints
//!
//! ```text
//! selected: nothing
//!   East       4448.25 ███████████████
//!   North      9114.75 ██████████████████████████████
//!   South      4722.75 ████████████████
//!   West       4610.25 ███████████████
//! selected: Region = North, South
//!   North      9114.75 ██████████████████████████████
//!   South      4722.75 ████████████████
//! selected: Region = North, South; Year = 2024, 2025
//!   North      6185.25 ██████████████████████████████
//!   South      3168.00 ███████████████
//! selected: nothing
//!   East       4448.25 ███████████████
//!   North      9114.75 ██████████████████████████████
//!   South      4722.75 ████████████████
//!   West       4610.25 ███████████████
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::{env, error::Error};

use qix_client::{
    Doc,
    data::{CubeDef, Dimension, Live, Measure, Sort},
    protocol::schema::SelectionObject,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = support::session("dashboard").await?;
    let app = session.global().open_doc(&support::app()).await?;
    let region = Dimension::field("Region").sort(Sort::by_text());
    let sales = Measure::expression("Sum(Sales)").label("Sales");
    let cube = app.hypercube(CubeDef::new().dimension(region).measure(sales).initial_rows(20)).await?;
    let mut rows = cube.live_rows::<(String, f64)>();
    let mut selections = app.current_selections().live().await?;

    show(&mut rows, &mut selections).await?;
    if env::args().nth(1).as_deref() == Some("watch") {
        loop {
            tokio::select! {
                shown = show(&mut rows, &mut selections) => shown?,
                _ = tokio::signal::ctrl_c() => break,
            }
        }
    } else {
        tour(&app, &mut rows, &mut selections).await?;
    }
    drop((rows, selections, cube, app));
    support::finish(session).await
}

/// Selects this and that, and shows what becomes of it.
async fn tour(
    app: &Doc,
    rows: &mut Live<Vec<(String, f64)>>,
    selections: &mut Live<SelectionObject>,
) -> Result<(), Box<dyn Error>> {
    let (region, year) = (app.field("Region"), app.field("Year"));
    region.select_values(["North", "South"]).await?;
    show(rows, selections).await?;
    year.select_values([2024, 2025]).await?;
    show(rows, selections).await?;
    app.selections().clear_all().await?;
    show(rows, selections).await
}

async fn show(
    rows: &mut Live<Vec<(String, f64)>>,
    selections: &mut Live<SelectionObject>,
) -> Result<(), Box<dyn Error>> {
    let (rows, selections) = (rows.next().await, selections.next().await);
    let (rows, selections) = (rows.ok_or("closed")??, selections.ok_or("closed")??);
    let selected: Vec<String> =
        selections.selections.iter().map(|item| format!("{} = {}", item.field, item.selected)).collect();
    println!("selected: {}", if selected.is_empty() { "nothing".to_owned() } else { selected.join("; ") });
    let most = rows.iter().map(|row| row.1).fold(1.0, f64::max);
    for (region, sales) in &rows {
        println!("  {region:<8}{sales:>10.2} {}", "█".repeat((sales / most * 30.0).round() as usize));
    }
    Ok(())
}
