//! Writes the data of every chart of a sheet as CSV: the first sheet, or that whose title or id is given.
//!
//! ```console
//! $ cargo run --example sheet_to_csv
//! $ QIX_URL=wss://tenant.eu.qlikcloud.com/app/ID QIX_API_KEY=… QIX_APP=ID cargo run --example sheet_to_csv -- "My sheet"
//! ```
//!
//! prints
//!
//! ```text
//! # Overview
//! ## CH11 (barchart)
//! Product,Sales
//! Apples,7245
//! Back\slash,2841.75
//! Käse,2981.25
//! Sushi 🍣,2619
//! "Tea ""green""",3685.5
//! Żurek,3523.5
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::{env, error::Error};

use futures_util::TryStreamExt as _;
use qix_client::data::{DataError, HyperCube, Page};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = support::session("sheet_to_csv").await?;
    let app = session.global().open_doc(&support::app()).await?;
    let wanted = env::args().nth(1);
    let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    let mut sheets = app.sheets().await?;
    sheets.sort_by(|a, b| a.rank.total_cmp(&b.rank));
    let sheet =
        sheets.iter().find(|sheet| is_wanted(&sheet.title) || is_wanted(&sheet.id)).ok_or("no such sheet")?;
    println!("# {}", sheet.title);
    for cell in &sheet.cells {
        let chart = app.get_object(&cell.name).await?;
        println!("## {} ({})", cell.name, cell.kind);
        let mut pages = HyperCube::of(chart, "/qHyperCubeDef").pages();
        let mut is_first = true;
        loop {
            match pages.try_next().await {
                Ok(Some(page)) => print(&page, std::mem::take(&mut is_first)),
                Ok(None) => break,
                // Texts and filter panes have no data, and a chart may be invalid: the others are of use all the same.
                Err(error) if error.data().is_some_and(|why| !matches!(why, DataError::Changed)) => {
                    println!("{}", error.data().map(ToString::to_string).unwrap_or_default());
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    drop(app);
    support::finish(session).await
}

fn print(page: &Page, with_header: bool) {
    if with_header {
        line(page.header().iter().map(|column| &*column.title));
    }
    let columns: Vec<_> = page.columns().collect();
    for row in 0..page.len() {
        line(columns.iter().map(|column| column.text(row).unwrap_or_default()));
    }
}

fn line<'a>(values: impl Iterator<Item = &'a str>) {
    let quoted = values.map(|value| match value.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", value.replace('"', "\"\"")),
        false => value.to_owned(),
    });
    println!("{}", quoted.collect::<Vec<_>>().join(","));
}
