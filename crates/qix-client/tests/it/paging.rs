//! What paging asks the engine for, when, and what it does about the engine's refusals.

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use qix_client::{
    ErrorKind, Session, SessionConfig,
    data::{DataError, HyperCube},
    testing::ScriptedEngine,
};
use serde_json::{Value, json};

use crate::support::{bounded, object, scripted};

const ABORTED: i32 = 15;

async fn start() -> (ScriptedEngine, Session, HyperCube) {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default()).await;
    let cube = HyperCube::of(object(&engine, &session).await, "/qHyperCubeDef");
    (engine, session, cube)
}

/// The layout of a cube with one column.
fn layout(rows: usize) -> Value {
    let info = json!([{"qFallbackTitle": "N"}]);
    json!({"qLayout": {"qHyperCube": {"qSize": {"qcx": 1, "qcy": rows}, "qMeasureInfo": info}}})
}

/// The page with these rows of a cube whose rows have their numbers as value.
fn page(top: u64, height: u64) -> Value {
    let rows: Vec<Value> =
        (top..top + height).map(|row| json!([{"qText": row.to_string(), "qNum": row}])).collect();
    json!({"qDataPages": [{"qMatrix": rows, "qArea": {"qLeft": 0, "qTop": top, "qWidth": 1, "qHeight": height}}]})
}

fn asks_for(top: u64) -> impl Fn(&Value) -> bool + Send + 'static {
    move |params| params[1][0]["qTop"].as_u64().unwrap_or_default() == top
}

#[tokio::test(start_paused = true)]
async fn page_that_the_engine_aborted_is_asked_for_again() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").refuse(ABORTED, "Aborted");
    engine.expect("GetLayout").answer(layout(3));
    engine.expect("GetHyperCubeData").times(2).refuse(ABORTED, "Aborted");
    engine.expect("GetHyperCubeData").answer(page(0, 3));
    assert_eq!(bounded(cube.rows::<u64>().try_collect::<Vec<_>>()).await.unwrap(), [0, 1, 2]);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn page_that_is_aborted_for_ever_is_an_error_at_last() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").any_times().answer(layout(3));
    engine.expect("GetHyperCubeData").any_times().refuse(ABORTED, "Aborted");
    let error = bounded(cube.rows::<u64>().try_collect::<Vec<_>>()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Engine, true));
}

#[tokio::test(start_paused = true)]
async fn no_more_pages_are_asked_for_ahead_than_allowed_and_dropping_cancels_them() {
    let (engine, session, cube) = start().await;
    engine.expect("GetLayout").answer(layout(100_000));
    engine.expect("GetHyperCubeData").with_params(asks_for(0)).answer(page(0, 10_000));
    let ahead = engine.expect("GetHyperCubeData").times(2).never();
    let mut pages = cube.pages().prefetch(2);
    assert_eq!(bounded(pages.next()).await.unwrap().unwrap().len(), 10_000);
    assert!(pages.next().now_or_never().is_none());
    bounded(engine.settled()).await;
    // The third page ahead takes the place of the first, which was given out.
    assert_eq!(ahead.met(), 2);
    engine.expect("GetHyperCubeData").any_times().never();
    let cancelled = engine.expect("CancelRequest").any_times();
    drop(pages);
    engine.expect("EngineVersion").answer(json!({}));
    bounded(session.global().engine_version().raw()).await.unwrap();
    assert!(cancelled.met() >= 2, "{}", cancelled.met());
}

#[tokio::test(start_paused = true)]
async fn change_before_the_first_page_starts_again_in_silence() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").answer(layout(3)).times(1);
    // The change comes with the page's answer, as of a selection meanwhile.
    engine.expect("GetHyperCubeData").answer(page(0, 3)).change(&[2]);
    engine.expect("GetLayout").answer(layout(2));
    engine.expect("GetHyperCubeData").answer(page(0, 2));
    assert_eq!(bounded(cube.rows::<u64>().try_collect::<Vec<_>>()).await.unwrap(), [0, 1]);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn table_that_became_smaller_unnoticed_is_an_error() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").answer(layout(10_002));
    engine.expect("GetHyperCubeData").with_params(asks_for(0)).answer(page(0, 10_000));
    engine.expect("GetHyperCubeData").with_params(asks_for(10_000)).answer(page(10_000, 0));
    let mut pages = cube.pages();
    assert_eq!(bounded(pages.next()).await.unwrap().unwrap().len(), 10_000);
    let error = bounded(pages.next()).await.unwrap().unwrap_err();
    assert!(matches!(error.data(), Some(DataError::Changed)), "{error:?}");
    assert!(bounded(pages.next()).await.is_none());
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn short_page_is_continued_where_it_ends() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").answer(layout(5));
    engine.expect("GetHyperCubeData").with_params(asks_for(0)).answer(page(0, 2));
    engine.expect("GetHyperCubeData").with_params(asks_for(2)).answer(page(2, 3));
    assert_eq!(bounded(cube.rows::<u64>().try_collect::<Vec<_>>()).await.unwrap(), [0, 1, 2, 3, 4]);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn pages_are_asked_for_with_all_their_members() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").answer(layout(3));
    let whole = json!([{"qLeft": 0, "qTop": 0, "qWidth": 1, "qHeight": 3}]);
    let asks_for_all = move |params: &Value| params[1] == whole;
    engine.expect("GetHyperCubeData").with_params(asks_for_all).answer(page(0, 3));
    assert_eq!(bounded(cube.rows::<u64>().try_collect::<Vec<_>>()).await.unwrap(), [0, 1, 2]);
    engine.finish();
}

/// The layout of a cube in another mode.
fn layout_of_mode(mode: &str, rows: usize) -> Value {
    let mut layout = layout(rows);
    layout["qLayout"]["qHyperCube"]["qMode"] = json!(mode);
    layout
}

fn is_high(height: u64) -> impl Fn(&Value) -> bool + Send + 'static {
    move |params| params[1][0]["qHeight"] == height
}

#[tokio::test(start_paused = true)]
async fn pivot_table_has_the_size_of_the_state_that_it_is_read_in() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").answer(layout_of_mode("P", 5)).change(&[2]);
    engine.expect("GetLayout").answer(layout_of_mode("P", 2));
    let pages = json!({"qDataPages": [{"qData": []}]});
    engine.expect("GetHyperCubePivotData").with_params(is_high(2)).answer(pages);
    let pages: Vec<_> = bounded(bounded(cube.pivot()).await.unwrap().try_collect()).await.unwrap();
    assert_eq!(pages.len(), 1);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn stack_that_changed_while_it_was_read_is_read_again() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").answer(layout_of_mode("K", 2));
    let pages = json!({"qDataPages": [{"qData": []}]});
    engine.expect("GetHyperCubeStackData").with_params(is_high(2)).answer(pages.clone()).change(&[2]);
    engine.expect("GetLayout").answer(layout_of_mode("K", 3));
    engine.expect("GetHyperCubeStackData").with_params(is_high(3)).answer(pages);
    bounded(cube.stacked(100)).await.unwrap();
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn live_rows_that_never_come_about_are_an_error_and_not_waited_for() {
    let (engine, _session, cube) = start().await;
    // The engine promises rows that it does not give out, and no change ever explains it.
    engine.expect("GetLayout").any_times().answer(layout(3));
    engine.expect("GetHyperCubeData").any_times().answer(page(0, 0));
    let mut live = cube.live_rows::<u64>();
    let error = bounded(live.next()).await.unwrap().unwrap_err();
    assert!(matches!(error.data(), Some(DataError::Changed)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn pivot_table_is_read_in_smaller_parts_if_the_engine_gives_out_less() {
    let (engine, _session, cube) = start().await;
    engine.expect("GetLayout").answer(layout_of_mode("P", 5));
    let pages = json!({"qDataPages": [{"qData": []}]});
    engine.expect("GetHyperCubePivotData").with_params(is_high(5)).refuse(7009, "Too large");
    engine.expect("GetHyperCubePivotData").with_params(is_high(2)).times(2).answer(pages.clone());
    engine.expect("GetHyperCubePivotData").with_params(is_high(1)).answer(pages);
    let pages: Vec<_> = bounded(bounded(cube.pivot()).await.unwrap().try_collect()).await.unwrap();
    assert_eq!(pages.len(), 3);
    engine.finish();
}
