//! Each client's recording, replayed to each of the clients: they make the same calls, each in its dialect.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use qix_client::{
    GenericObject, Session,
    transport::{Endpoint, WsConnect},
};
use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome, Values,
    clients::venv_python,
    compare,
    proxy::{self, Proxy},
    say, scripts,
};

/// A client, by the way it is started.
enum Client {
    Node(&'static str),
    Python,
    Ours,
}

const CLIENTS: [(&str, Client); 6] = [
    ("enigma.js, delta on", Client::Node("enigma")),
    ("enigma.js, delta off", Client::Node("enigma-plain")),
    ("@qlik/api", Client::Node("qlik-api")),
    ("@qlik/api, auto-resume", Client::Node("qlik-api-resume")),
    ("qlik-sdk (python)", Client::Python),
    ("qix-client", Client::Ours),
];

/// Records each client, and replays each recording to all of them.
pub(super) async fn run(recordings: &Path, results: &Path) -> Outcome {
    let mut different = 0;
    let mut expected: Option<(&str, Values)> = None;
    let mut files = Vec::new();
    for (index, (name, client)) in CLIENTS.iter().enumerate() {
        let file = recordings.join(format!("matrix-{index}.qixrec"));
        let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
        let mut command = proxy::command("record");
        command.args(["--live", "never", "--upstream", &engine.base_url(), "--out"]).arg(&file);
        let proxy = Proxy::start_quietly(command).await?;
        let values = client.work(name, &proxy.url("ws"), results).await?;
        proxy.stop().await?;
        engine.shutdown().await;
        match &expected {
            None => expected = Some((name, values)),
            Some((first, expected)) => different += compare(first, expected, name, &values),
        }
        files.push(file);
    }
    let Some((_, expected)) = expected else { return Ok(()) };
    say("recorded by \\ replayed to");
    for ((recorder, _), file) in CLIENTS.iter().zip(&files) {
        let mut command = proxy::command("replay");
        command.arg(file);
        let proxy = Proxy::start_quietly(command).await?;
        let mut row = Vec::new();
        for (name, client) in &CLIENTS {
            let values = client.work(name, &proxy.url("ws"), results).await?;
            let faults = compare(recorder, &expected, name, &values);
            row.push(if faults == 0 { "equal" } else { "DIFFERENT" });
            different += faults;
        }
        say(&format!("  {recorder:<24}{}", row.join("  ")));
        // A request that was not found makes another exit code.
        proxy.stop().await?;
    }
    if different > 0 {
        return Err(format!("the matrix: {different} differences").into());
    }
    say(&format!(
        "{} recordings × {} clients, {} values each, all equal",
        CLIENTS.len(),
        CLIENTS.len(),
        expected.len()
    ));
    Ok(())
}

impl Client {
    /// Does the work and returns what came back.
    async fn work(&self, name: &str, url: &str, results: &Path) -> Outcome<Values> {
        let file: PathBuf = results.join("matrix-values.json");
        let mut command = match self {
            Self::Ours => {
                return timeout(LIMIT, ours(url)).await.map_err(|_| format!("{name}: hangs"))?;
            }
            Self::Node(client) => {
                let mut command = tokio::process::Command::new("node");
                command.args(["matrix.mjs", url, client]);
                command
            }
            Self::Python => {
                let mut command = tokio::process::Command::new(venv_python());
                command.args(["matrix.py", url]).env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
        };
        command.arg(&file).current_dir(scripts()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{name}: hangs"))??;
        if !output.status.success() {
            say(&String::from_utf8_lossy(&output.stdout));
            say(&String::from_utf8_lossy(&output.stderr));
            return Err(format!("{name}: {}", output.status).into());
        }
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }
}

/// The calls of `matrix.mjs`, made by our own client.
async fn ours(url: &str) -> Outcome<Values> {
    let endpoint = Endpoint::parse(&format!("{url}/app/Sales.qvf/identity/matrix/ttl/0"))?;
    let session = Session::connect(&WsConnect::builder(endpoint).build()?).await?;
    let region = json!({"qFieldDefs": ["Region"], "qSortCriterias": [{"qSortByAscii": 1}]});
    let page = |width: u32| json!([{"qTop": 0, "qLeft": 0, "qWidth": width, "qHeight": 20}]);
    let mut values = BTreeMap::new();
    let mut note = |name: &str, value: Value| {
        values.insert(name.to_owned(), value);
    };
    note("version", json!(session.global().engine_version().await?.component_version));
    let apps: Vec<Value> = session.global().get_doc_list().call_into::<Vec<Value>>().await?;
    note("apps", apps.iter().map(|entry| entry["qDocId"].clone()).collect());
    let doc = session.global().open_doc("Sales.qvf").await?;
    let layout: Value = doc.get_app_layout().call_into::<Value>().await?;
    note("title", layout["qTitle"].clone());
    let cube = doc
        .create_session_object(&json!({
            "qInfo": {"qId": "cube", "qType": "table"},
            "qHyperCubeDef": {
                "qDimensions": [{"qDef": region}],
                "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
                "qInitialDataFetch": page(2),
            },
        }))
        .await?;
    let list = doc
        .create_session_object(&json!({
            "qInfo": {"qId": "list", "qType": "list"},
            "qListObjectDef": {"qDef": region, "qInitialDataFetch": page(1)},
        }))
        .await?;
    note("all", look(&cube, &list).await?);
    let mut changes = cube.changes();
    note("selected", json!(list.select_list_object_values("/qListObjectDef", &[1], false).await?));
    // The one that came when it was made, or that of the selection.
    let _ = timeout(Duration::from_secs(10), changes.next()).await?;
    note("one", look(&cube, &list).await?);
    let sum: Value = doc.call("Evaluate", &["Sum(Sales)"]).await?;
    note("sum", sum["qReturn"].clone());
    doc.clear_all().await?;
    note("all again", look(&cube, &list).await?);
    let properties: Value = cube.call("GetProperties", &[(); 0]).await?;
    note("properties", properties["qProp"]["qHyperCubeDef"]["qMeasures"][0]["qDef"]["qDef"].clone());
    let variable: Value = doc.call("GetVariableByName", &["vFactor"]).await?;
    note("variable", variable["qReturn"]["qGenericId"].clone());
    let Err(error) = doc.call::<Value>("Evaluate", &["Error(7009)"]).await else {
        return Err("Error(7009) should fail".into());
    };
    note("error", json!(error.engine().map(|error| &error.message)));
    note("destroyed", json!(doc.destroy_session_object("cube").await?));
    session.close().await;
    Ok(values)
}

async fn look(cube: &GenericObject, list: &GenericObject) -> Outcome<Value> {
    let (table, states): (Value, Value) =
        (cube.get_layout().call_into::<Value>().await?, list.get_layout().call_into::<Value>().await?);
    let matrix = |layout: &Value| layout["qDataPages"][0]["qMatrix"].as_array().cloned().unwrap_or_default();
    let texts = |row: &Value| {
        row.as_array().into_iter().flatten().map(|cell| cell["qText"].clone()).collect::<Value>()
    };
    let rows: Value = matrix(&table["qHyperCube"]).iter().map(texts).collect();
    let state = |row: &Value| {
        json!(format!(
            "{}:{}",
            row[0]["qText"].as_str().unwrap_or("?"),
            row[0]["qState"].as_str().unwrap_or("?")
        ))
    };
    let states: Value = matrix(&states["qListObject"]).iter().map(state).collect();
    Ok(json!({"rows": rows, "states": states}))
}
