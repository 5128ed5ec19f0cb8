//! Cubes in every mode, ranges, lists of media, and states that outlive sessions.

use serde_json::{Value, json};

use super::super::FakeEngineConfig;
use super::client::{Client, engine};

/// Makes a session object with a cube over regions and years, and returns its handle.
async fn cube(client: &mut Client, mode: &str, left: i64) -> Value {
    let dimension =
        |name: &str| json!({"qDef": {"qFieldDefs": [name], "qSortCriterias": [{"qSortByAscii": 1}]}});
    let def = json!({
        "qMode": mode,
        "qNoOfLeftDims": left,
        "qDimensions": [dimension("Region"), dimension("Year")],
        "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
        "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 50, "qHeight": 100}],
    });
    let props = json!({"qInfo": {"qType": "cube"}, "qHyperCubeDef": def});
    let answer = client.call(1, "CreateSessionObject", json!([props])).await;
    answer["result"]["qReturn"]["qHandle"].clone()
}

async fn sum(client: &mut Client, filter: &str) -> f64 {
    let answer = client.call(1, "EvaluateEx", json!([format!("Sum({filter})")])).await;
    answer["result"]["qValue"]["qNumber"].as_f64().unwrap()
}

fn texts<'a>(cells: &'a Value, name: &str) -> Vec<&'a str> {
    cells.as_array().unwrap().iter().map(|cell| cell[name].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_pivot_table_has_rows_columns_and_all_the_values() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let handle = cube(&mut client, "P", 1).await.as_i64().unwrap();
    let page = json!([{"qTop": 0, "qLeft": 0, "qWidth": 50, "qHeight": 100}]);
    let answer = client.call(handle, "GetHyperCubePivotData", json!(["/qHyperCubeDef", page])).await;
    let page = &answer["result"]["qDataPages"][0];
    assert_eq!(texts(&page["qLeft"], "qText"), ["East", "North", "South", "West"]);
    let years = page["qTop"].as_array().unwrap().len();
    assert!(years > 1, "{page}");
    assert_eq!(page["qArea"], json!({"qLeft": 0, "qTop": 0, "qWidth": years, "qHeight": 4}));
    let rows = page["qData"].as_array().unwrap();
    let total: f64 =
        rows.iter().flat_map(|row| row.as_array().unwrap()).filter_map(|cell| cell["qNum"].as_f64()).sum();
    assert!((total - sum(&mut client, "Sales").await).abs() < 1e-9);
    let layout = client.call(handle, "GetLayout", json!([])).await;
    let cube = &layout["result"]["qLayout"]["qHyperCube"];
    assert_eq!((&cube["qMode"], &cube["qSize"]), (&json!("P"), &json!({"qcx": years, "qcy": 4})));
    assert_eq!(&cube["qPivotDataPages"][0], page);
    // A cell that begins above the window says so.
    let handle = self::cube(&mut client, "P", 2).await.as_i64().unwrap();
    let window = json!([{"qTop": 1, "qLeft": 0, "qWidth": 1, "qHeight": 1}]);
    let answer = client.call(handle, "GetHyperCubePivotData", json!(["/qHyperCubeDef", window])).await;
    let first = &answer["result"]["qDataPages"][0]["qLeft"][0];
    assert_eq!(
        (&first["qText"], &first["qUp"], &first["qDown"]),
        (&json!("East"), &json!(1), &json!(years - 2))
    );
    assert_eq!(client.code(handle, "GetHyperCubeTreeData", json!(["/qHyperCubeDef"])).await, -32602);
}

#[tokio::test]
async fn a_stack_and_a_tree_have_the_values_below_their_dimensions() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let total = sum(&mut client, "Sales").await;
    let handle = cube(&mut client, "K", -1).await.as_i64().unwrap();
    let page = json!([{"qTop": 0, "qLeft": 0, "qWidth": 50, "qHeight": 100}]);
    let answer = client.call(handle, "GetHyperCubeStackData", json!(["/qHyperCubeDef", page])).await;
    let root = &answer["result"]["qDataPages"][0]["qData"][0];
    assert_eq!((root["qType"].as_str(), root["qMaxPos"].as_f64()), (Some("R"), Some(total)));
    let regions = &root["qSubNodes"];
    assert_eq!(texts(regions, "qText"), ["East", "North", "South", "West"]);
    assert_eq!(regions[0]["qSubNodes"][0]["qSubNodes"][0]["qType"], "V");
    let most = client.call(handle, "GetHyperCubeStackData", json!(["/qHyperCubeDef", page, 3])).await;
    assert_eq!(most["error"]["code"], 7009);

    let handle = cube(&mut client, "T", -1).await.as_i64().unwrap();
    let answer = client.call(handle, "GetHyperCubeTreeData", json!(["/qHyperCubeDef"])).await;
    let root = &answer["result"]["qNodes"][0];
    assert_eq!(root["qValues"][0]["qValue"].as_f64(), Some(total));
    let regions = root["qNodes"].as_array().unwrap();
    let inner: f64 = regions.iter().map(|node| node["qValues"][0]["qValue"].as_f64().unwrap()).sum();
    assert!((inner - total).abs() < 1e-9 && !regions[0]["qNodes"].as_array().unwrap().is_empty());
    let options = json!({"qTreeLevels": {"qLeft": 0, "qDepth": 1}, "qTreeNodes": [{"qArea": {"qTop": 1, "qHeight": 2}}]});
    let answer = client.call(handle, "GetHyperCubeTreeData", json!(["/qHyperCubeDef", options])).await;
    let nodes = &answer["result"]["qNodes"][0]["qNodes"];
    assert_eq!(texts(nodes, "qText").len(), 2);
    assert_eq!((&nodes[0]["qNodes"], &nodes[0]["qGroupPos"]), (&json!([]), &json!(1)));
}

#[tokio::test]
async fn a_range_of_a_measure_selects_the_dimension_values_within() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let handle =
        client.call(1, "GetObject", json!(["CH01"])).await["result"]["qReturn"]["qHandle"].as_i64().unwrap();
    let layout = client.call(handle, "GetLayout", json!([])).await;
    let rows =
        layout["result"]["qLayout"]["qHyperCube"]["qDataPages"][0]["qMatrix"].as_array().unwrap().clone();
    let top = rows.iter().map(|row| row[1]["qNum"].as_f64().unwrap()).fold(f64::MIN, f64::max);
    let range = json!([{"qRange": {"qMin": top, "qMax": top, "qMinInclEq": true, "qMaxInclEq": true}, "qMeasureIx": 0}]);
    let answer =
        client.call(handle, "RangeSelectHyperCubeValues", json!(["/qHyperCubeDef", range, []])).await;
    assert_eq!(answer["result"]["qSuccess"], true);
    assert_eq!(sum(&mut client, "Sales").await, top);
}

#[tokio::test]
async fn a_temporary_selection_state_outlives_its_session() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let field =
        client.call(1, "GetField", json!(["Region"])).await["result"]["qReturn"]["qHandle"].as_i64().unwrap();
    client.call(field, "Select", json!(["North"])).await;
    let north = sum(&mut client, "Sales").await;
    let id = client.call(1, "StoreTempSelectionState", json!([3600])).await["result"]["qId"].clone();
    client.socket.close(None).await.unwrap();
    client.end().await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    assert_ne!(sum(&mut client, "Sales").await, north);
    let restored = client.call(1, "RestoreTempSelectionState", json!([id])).await;
    assert_eq!(restored["result"]["qReturn"], true);
    assert_eq!(sum(&mut client, "Sales").await, north);
    let again = client.call(1, "StoreTempSelectionState", json!([3600])).await;
    assert_ne!(again["result"]["qId"], id);
}
