//! What the demo's client does.

use std::io;

use qix_client::{Doc, Error, GenericObject, Session, protocol::schema::NxPage};
use serde_json::{Value, json};

/// The app that the script opens.
pub(super) const APP: &str = "Sales.qvf";

/// One answer of the engine, to be compared between runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What was asked, in words.
    pub question: String,
    /// What came back.
    pub value: Value,
}

/// Why the script did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// A call failed.
    #[error("the client failed")]
    Client(#[from] Error),
    /// The transcript cannot be written.
    #[error("cannot write the transcript")]
    Output(#[from] io::Error),
}

/// Opens the app, lists its sheets, builds a hypercube, selects a value, sees the change and reads the new layout.
///
/// Tells each step to `tell`, a line at a time, and returns all answers. The session is closed at the end.
///
/// # Errors
///
/// [`ScriptError`] if a call or `tell` fails.
///
/// # Cancellation
///
/// Dropping the future closes the session.
pub async fn play(
    session: Session,
    tell: impl FnMut(String) -> io::Result<()>,
) -> Result<Vec<Answer>, ScriptError> {
    let mut transcript = Transcript { tell, answers: Vec::new() };
    let version = session.global().engine_version().await?.component_version;
    transcript.note("EngineVersion", &version, version.clone())?;

    let doc = session.global().open_doc(APP).await?;
    let layout: Value = doc.get_app_layout().call_into::<Value>().await?;
    let opened = format!("the app \"{}\", handle {}", text(&layout["qTitle"]), doc.handle());
    transcript.note("OpenDoc Sales.qvf", &opened, layout)?;

    let sheets = list_sheets(&doc).await?;
    let titles: Vec<_> =
        items(&sheets["qAppObjectList"]["qItems"]).map(|item| text(&item["qMeta"]["title"])).collect();
    transcript.note("the app's sheets", &titles.join(", "), sheets.clone())?;

    let regions = create(
        &doc,
        "regions",
        json!({"qListObjectDef": {
            "qDef": {"qFieldDefs": ["Region"]},
            "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 1, "qHeight": 20}],
        }}),
    );
    let cube = create(
        &doc,
        "sales by region",
        json!({"qHyperCubeDef": {
            "qDimensions": [{"qDef": {"qFieldDefs": ["Region"]}}],
            "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
            "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 20}],
        }}),
    );
    // Two calls in flight; the answers may come in either order.
    let (regions, cube) = tokio::join!(regions, cube);
    let (regions, cube) = (regions?, cube?);

    let mut changes = cube.changes();
    let layout: Value = next_layout(&cube, &mut changes).await?;
    transcript.note("a hypercube, Sum(Sales) by Region", &rows(&layout), layout.clone())?;

    let list: Value = regions.get_layout().call_into::<Value>().await?;
    let first = &list["qListObject"]["qDataPages"][0]["qMatrix"][0][0];
    let (name, element) =
        (text(&first["qText"]).to_owned(), first["qElemNumber"].as_i64().unwrap_or_default());
    transcript.note("the values of Region", &values(&list), list.clone())?;

    let selected = regions.select_list_object_values("/qListObjectDef", &[element], false).await?;
    transcript.note(
        &format!("select {name}"),
        if selected { "selected" } else { "refused" },
        json!(selected),
    )?;

    let layout: Value = next_layout(&cube, &mut changes).await?;
    transcript.note("the hypercube has changed, its new layout", &rows(&layout), layout)?;

    let page = NxPage { width: 2, height: 1, ..NxPage::default() };
    let data: Vec<Value> =
        cube.get_hypercube_data("/qHyperCubeDef", &[page]).call_into::<Vec<Value>>().await?;
    transcript.note("its first row alone", &matrix(&data[..]), json!(data))?;

    let missing = doc.get_object("no such object").await;
    let missing = missing.err().map(|error| error.to_string()).unwrap_or_default();
    transcript.note("an object that is not there", &missing, json!(missing))?;

    doc.clear_all().await?;
    let layout: Value = next_layout(&cube, &mut changes).await?;
    transcript.note("ClearAll, and the layout after it", &rows(&layout), layout)?;
    session.close().await;
    Ok(transcript.answers)
}

struct Transcript<F> {
    tell: F,
    answers: Vec<Answer>,
}

impl<F: FnMut(String) -> io::Result<()>> Transcript<F> {
    fn note(&mut self, question: &str, words: &str, value: impl Into<Value>) -> io::Result<()> {
        self.answers.push(Answer { question: question.to_owned(), value: value.into() });
        (self.tell)(format!("{question:<42} {words}"))
    }
}

/// Creates a session object with an id of its own, so that the conversation is the same each time.
async fn create(doc: &Doc, id: &str, definition: Value) -> Result<GenericObject, Error> {
    let mut properties = json!({"qInfo": {"qId": id, "qType": "demo"}});
    if let (Some(properties), Value::Object(definition)) = (properties.as_object_mut(), definition) {
        properties.extend(definition);
    }
    doc.create_session_object(&properties).await
}

async fn list_sheets(doc: &Doc) -> Result<Value, Error> {
    let data = json!({"title": "/qMetaDef/title"});
    create(doc, "sheets", json!({"qAppObjectListDef": {"qType": "sheet", "qData": data}}))
        .await?
        .get_layout()
        .call_into::<Value>()
        .await
}

/// Waits for the object's next change and fetches what it looks like then.
async fn next_layout(object: &GenericObject, changes: &mut qix_client::Changes) -> Result<Value, Error> {
    // `None` means that the object is closed, which the call then reports.
    changes.next().await;
    object.get_layout().call_into::<Value>().await
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn rows(layout: &Value) -> String {
    matrix(layout["qHyperCube"]["qDataPages"].as_array().map_or(&[], |pages| pages))
}

fn matrix(pages: &[Value]) -> String {
    let cells =
        |row: &Value| items(row).map(|cell| text(&cell["qText"]).to_owned()).collect::<Vec<_>>().join(" ");
    let rows = pages.iter().flat_map(|page| items(&page["qMatrix"]));
    rows.map(cells).collect::<Vec<_>>().join(" · ")
}

fn values(layout: &Value) -> String {
    let rows = items(&layout["qListObject"]["qDataPages"]).flat_map(|page| items(&page["qMatrix"]));
    rows.map(|row| text(&row[0]["qText"]).to_owned()).collect::<Vec<_>>().join(", ")
}
