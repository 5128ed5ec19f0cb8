//! Selections.

use std::time::Duration;

use qix_client::{
    Doc, ErrorKind, SessionConfig,
    data::{CubeDef, Dimension, Sort},
    layer::Timeout,
    protocol::ErrorCode,
    selections::{Modal, Mode, Value},
    testing::ScriptedEngine,
};
use serde_json::json;

use crate::support::{app, bounded, engine, object, scripted};

/// What is selected, as `Field: values`.
async fn selected(doc: &Doc) -> Vec<String> {
    let selections = doc.current_selections().once().await.unwrap().selections;
    selections.into_iter().map(|item| format!("{}: {}", item.field, item.selected)).collect()
}

#[tokio::test]
async fn fields_are_selected_in_by_text_number_range_search_and_state() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let (region, year) = (doc.field("Region"), doc.field("Year"));
    region.select_values(["North", "South"]).await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: North, South"]);
    region.toggle_values(["South"]).await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: North"]);
    region.select_alternative().await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: West, East, South"]);
    region.search("*est").await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: West"]);
    region.select_all().await.unwrap();
    region.clear().await.unwrap();
    year.select_values([2023, 2025]).await.unwrap();
    assert_eq!(selected(&doc).await, ["Year: 2023, 2025"]);
    year.select_excluded().await.unwrap();
    assert_eq!(selected(&doc).await, ["Year: 2024"]);
    year.select_values([Value::from("2025")]).await.unwrap();
    region.select_possible().await.unwrap();
    year.clear_others().await.unwrap();
    assert_eq!(selected(&doc).await, ["Year: 2025"]);
    assert_eq!(engine.count("GetField"), 2, "a field is opened once");
}

#[tokio::test]
async fn what_the_engine_did_not_do_is_an_error() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let region = doc.field("Region");
    let error = region.select_values(["Nowhere"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsuccessful);
    assert_eq!(error.to_string(), "SelectValues: the engine did not do it");
    region.select_values(["North"]).await.unwrap();
    region.lock().await.unwrap();
    assert_eq!(region.clear().await.unwrap_err().kind(), ErrorKind::Unsuccessful);
    region.unlock().await.unwrap();
    region.clear().await.unwrap();
    let error = doc.field("No such field").clear().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn app_wide_selections_go_back_forward_and_away() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let (region, selections) = (doc.field("Region"), doc.selections());
    region.select_values(["North"]).await.unwrap();
    region.select_values(["South"]).await.unwrap();
    selections.back().await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: North"]);
    selections.forward().await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: South"]);
    selections.lock_all().await.unwrap();
    selections.clear_all().await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: South"]);
    selections.unlock_all().await.unwrap();
    selections.clear_all().await.unwrap();
    assert!(selected(&doc).await.is_empty());
}

#[tokio::test]
async fn current_selections_are_a_stream() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let mut live = doc.current_selections().live().await.unwrap();
    assert!(bounded(live.next()).await.unwrap().unwrap().selections.is_empty());
    doc.field("Region").select_values(["North"]).await.unwrap();
    let now = bounded(live.next()).await.unwrap().unwrap();
    assert_eq!((&*now.selections[0].field, &*now.selections[0].selected), ("Region", "North"));
    assert_eq!(now.back_count, 1);
    drop(live);
    doc.session().global().engine_version().await.unwrap();
    assert_eq!(engine.session_objects(), 0);
}

#[tokio::test]
async fn cubes_select_by_value_cell_and_range() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let def =
        CubeDef::new().dimension(Dimension::field("Region").sort(Sort::by_text())).measure("Sum(Sales)");
    let cube = doc.hypercube(def).await.unwrap();
    cube.size().await.unwrap();
    cube.select(0, &[0, 1], Mode::Replace).await.unwrap();
    cube.select(0, &[0], Mode::Toggle).await.unwrap();
    assert_eq!(selected(&doc).await.len(), 1);
    cube.clear().await.unwrap();
    cube.select_cells(&[2], &[0]).await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: South"]);
    cube.clear().await.unwrap();
    let rows: Vec<(String, f64)> = cube.all().await.unwrap();
    cube.select_range(0, rows[3].1, rows[3].1).await.unwrap();
    assert_eq!(selected(&doc).await, ["Region: West"]);
}

#[tokio::test]
async fn modal_selections_are_final_when_accepted_and_gone_when_dropped() {
    let engine = engine().await;
    let doc = app(&engine).await;
    let list = doc.list_object("Region").await.unwrap();
    let modal = list.begin().await.unwrap();
    list.select(&[0], Mode::Replace).await.unwrap();
    let error = doc.field("Year").select_values([2024]).await.unwrap_err();
    assert_eq!(error.engine().unwrap().code, ErrorCode::new(6003));
    modal.accept().await.unwrap();
    assert_eq!(selected(&doc).await.len(), 1);
    let modal = list.begin().await.unwrap();
    list.clear().await.unwrap();
    modal.abort().await.unwrap();
    assert_eq!(selected(&doc).await.len(), 1);
    let modal = list.begin().await.unwrap();
    list.clear().await.unwrap();
    drop(modal);
    assert_eq!(selected(&doc).await.len(), 1);
    // The modal state is over: others may select again.
    doc.field("Year").select_values([2024]).await.unwrap();
    assert_eq!(engine.count("EndSelections"), 3);
}

#[tokio::test(start_paused = true)]
async fn modal_selections_that_may_have_begun_are_ended() {
    let engine = ScriptedEngine::new();
    let config = SessionConfig::default().layer(Timeout::new(Duration::from_secs(10)));
    let session = scripted(&engine, config).await;
    let object = object(&engine, &session).await;
    engine.expect("CancelRequest").any_times();
    engine.expect("BeginSelections").never();
    let ended = engine.expect("EndSelections").on(2).with(json!([false]));
    let error = bounded(Modal::begin(&object, &["/qHyperCubeDef"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    bounded(engine.settled()).await;
    assert_eq!(ended.met(), 1);
    // One that was refused is not ended: it is another's.
    engine.expect("BeginSelections").refuse(6003, "Modal");
    bounded(Modal::begin(&object, &["/qHyperCubeDef"])).await.unwrap_err();
    bounded(engine.settled()).await;
    assert_eq!(ended.met(), 1);
}
