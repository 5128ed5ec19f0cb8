//! Numbers that JSON cannot write, or writes in more than one way.

use serde_json::json;

use crate::played::*;

#[tokio::test(start_paused = true)]
async fn numbers_arrive_as_what_they_are() {
    let (session, mut engine) = Played::start();
    let doc = Played::app(&session, &mut engine).await;
    let (object, _) = tokio::join!(doc.get_object("x").into_future(), engine.opens(2, "GenericObject"));
    let object = object.unwrap();
    let numbers = [json!("NaN"), json!("Infinity"), json!("-Infinity"), json!(1e300), json!(42), json!(-0.5)];
    let cells: Vec<_> = numbers.iter().map(|num| json!({"qText": "x", "qNum": num})).collect();
    let pages = json!([{"qMatrix": [cells], "qArea": {"qHeight": 1.0, "qWidth": 3}}]);
    let (pages, _) = tokio::join!(
        object.get_hypercube_data("/qHyperCubeDef", &[json!({})]).into_future(),
        engine.answers(json!({ "qDataPages": pages }))
    );
    let pages = pages.unwrap();
    let read: Vec<f64> = pages[0].matrix[0].iter().map(|cell| cell.num.get()).collect();
    assert!(read[0].is_nan());
    assert_eq!(read[1..], [f64::INFINITY, f64::NEG_INFINITY, 1e300, 42.0, -0.5]);
    assert_eq!(
        (pages[0].area.height, pages[0].area.width),
        (1, 3),
        "a whole number may be written with a point"
    );
}

#[tokio::test(start_paused = true)]
async fn whole_numbers_beyond_the_53rd_bit_are_exact() {
    let (session, mut engine) = Played::start();
    let doc = Played::app(&session, &mut engine).await;
    let description = json!({"qReturn": {"qName": "x", "qTotalCount": 9_007_199_254_740_993_i64}});
    let (field, _) = tokio::join!(doc.get_field_description("x").into_future(), engine.answers(description));
    assert_eq!(field.unwrap().total_count, 9_007_199_254_740_993);
}
