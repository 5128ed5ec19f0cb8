//! The page *Which layer do I want?*: one small program on each layer, as `docs/layers.md` shows them.

mod client;
mod protocol;
mod proxy;
mod transport;

use crate::support::{bounded, engine};

#[tokio::test]
async fn the_same_program_runs_on_each_layer() {
    let engine = engine().await;
    let url = engine.url("engineData");
    assert_eq!(bounded(protocol::title(&url)).await.unwrap(), "Sales");
    assert_eq!(bounded(transport::title(&url)).await.unwrap(), "Sales");
    assert_eq!(bounded(client::title(&url)).await.unwrap(), "Sales");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sales.qixrec");
    assert_eq!(bounded(proxy::record(&url, &file)).await.unwrap(), "Sales");
    engine.shutdown().await;
    assert_eq!(bounded(proxy::replay(&file)).await.unwrap(), "Sales");
}

#[test]
fn page_shows_the_programs_that_run() {
    // The repository's page is not part of the package.
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/layers.md");
    let Ok(page) = std::fs::read_to_string(page) else { return };
    for program in [
        include_str!("protocol.rs"),
        include_str!("transport.rs"),
        include_str!("client.rs"),
        include_str!("proxy.rs"),
    ] {
        let code = program.split_once("\n\n").unwrap().1.replace("pub(crate) ", "");
        assert!(page.contains(code.trim()), "docs/layers.md lacks\n{code}");
    }
}
