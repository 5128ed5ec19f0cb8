//! Methods of Global, handle −1.

use serde_json::{Map, Value, json};

use super::super::app::{App, TIMESTAMP};
use super::super::config::{NoDoc, Reopen};
use super::super::doc::Doc;
use super::super::errors::EngineError;
use super::super::handles::Target;
use super::super::peer::{Answer, Held, Outcome};
use super::super::reload::{Progress, unknown_progress};
use super::super::session::null_reference;
use super::dispatch::{Call, nothing, one};

const VERSION: &str = "12.2528.0";

pub(super) fn call(call: &mut Call<'_>, method: &str) -> Option<Outcome> {
    Some(match method {
        "EngineVersion" => one("qVersion", json!({ "qComponentVersion": VERSION })),
        "ProductVersion" => one("qReturn", "31.60.0"),
        "QvVersion" => one("qReturn", "12.2528.0.0"),
        "QTProduct" => one("qReturn", "Fake engine"),
        "OSName" => one("qReturn", "Linux"),
        "OSVersion" => one("qReturn", "6.1"),
        "IsDesktopMode" | "IsPersonalMode" => one("qReturn", false),
        "AllowCreateApp" => one("qReturn", true),
        "GetAuthenticatedUser" => one("qReturn", user(call)),
        "GetUniqueID" => one("qUniqueID", call.session.generate_id()),
        "GetBaseBNFHash" => one("qBnfHash", "F4K3B4SEBNFH4SH"),
        "GetStreamList" => one("qStreamList", json!([])),
        "GetConfiguration" => one("qConfig", json!({ "qFeatures": {} })),
        "GetDocList" => one("qDocList", call.session.store.list().iter().map(doc_entry).collect::<Vec<_>>()),
        "GetAppEntry" => app_entry(call),
        "OpenDoc" => open_doc(call),
        "GetActiveDoc" => active_doc(call),
        "CreateSessionApp" => session_app(call, false),
        "CreateSessionAppFromApp" => session_app(call, true),
        "CreateApp" | "CreateDocEx" => create_app(call, method == "CreateDocEx"),
        "DeleteApp" => delete_app(call),
        "ConfigureReload" => configure_reload(call),
        "InteractDone" => interact_done(call),
        "ReloadExtensionList" => nothing(),
        "GetProgress" => progress(call),
        "GetInteract" => interact(call),
        "CancelRequest" | "AbortRequest" => abort_one(call),
        "AbortAll" => abort(call, |_| true),
        "CancelReload" => cancel_reload(call),
        _ => return None,
    })
}

fn user(call: &Call<'_>) -> String {
    // What else tells users apart stands in further lines.
    match call.session.key.user.lines().next() {
        None => "UserDirectory=Personal; UserId=Me".to_owned(),
        Some(user) => user.to_owned(),
    }
}

fn doc_entry(app: &App) -> Value {
    json!({
        "qDocName": app.title,
        "qConnectedUsers": 0,
        "qFileTime": 46_037.333_333,
        "qFileSize": 4096,
        "qDocId": app.id,
        "qMeta": {"description": "", "createdDate": TIMESTAMP, "modifiedDate": TIMESTAMP, "published": false},
        "qLastReloadTime": TIMESTAMP,
        "qReadOnly": false,
        "qTitle": app.title,
        "qHasSectionAccess": false,
        "qIsDirectQueryMode": false,
    })
}

fn app_entry(call: &Call<'_>) -> Outcome {
    let id = call.params.str(0)?;
    let app = call.session.store.get(id).ok_or_else(|| EngineError::new(1003, id))?;
    let entry = json!({
        "qID": app.id, "qTitle": app.title, "qPath": app.id, "qLastReloadTime": TIMESTAMP,
        "qReadOnly": false, "qMeta": {}, "qThumbnail": {}, "qFileSize": 4096, "qHasSectionAccess": false,
    });
    one("qEntry", entry)
}

fn open_doc(call: &mut Call<'_>) -> Outcome {
    let name = call.params.str(0)?.to_owned();
    let without_data = call.params.flag(4);
    if let Some(doc) = &call.session.doc {
        let same = doc.app.id == name
            || doc.app.title == name
            || name.rsplit(['/', '\\']).next() == Some(doc.app.id.as_str());
        if same && doc.without_data != without_data {
            return Err(EngineError::new(1009, name));
        }
        if !same || call.session.config.reopen == Reopen::AlreadyOpen {
            return Err(EngineError::new(1002, name));
        }
        return call.refer(Target::Doc);
    }
    let app = call.session.store.get(&name).ok_or_else(|| EngineError::new(1003, name))?;
    call.session.doc = Some(Doc::new(app, without_data));
    call.refer(Target::Doc)
}

fn active_doc(call: &mut Call<'_>) -> Outcome {
    if call.session.doc.is_some() {
        return call.refer(Target::Doc);
    }
    match call.session.config.no_doc {
        NoDoc::Invalid => Err(EngineError::new(1007, "No active document")),
        NoDoc::NotOpen => Err(EngineError::new(1017, "")),
        NoDoc::NullReference => one("qReturn", null_reference()),
    }
}

fn session_app(call: &mut Call<'_>, is_copy: bool) -> Outcome {
    let source = if is_copy { Some(call.params.str(0)?.to_owned()) } else { None };
    if call.session.doc.is_some() {
        return Err(EngineError::new(1002, "an app is open in this session"));
    }
    if let Some(source) = source.as_deref().filter(|source| call.session.store.get(source).is_none()) {
        return Err(EngineError::new(1003, source));
    }
    let id = format!("SessionApp_{}", call.session.generate_id());
    let app = call.session.session_app(&id, source.as_deref());
    call.session.doc = Some(Doc::new(app, false));
    let mut reference = call.session.refer(call.peer, Target::Doc);
    // Engines leave the generic id out here; clients have to take it from its own member.
    if let Some(reference) = reference.as_object_mut() {
        reference.remove("qGenericId");
        reference.remove("qGenericType");
    }
    Ok(Map::from_iter([("qSessionAppId".to_owned(), json!(id)), ("qReturn".to_owned(), reference)]))
}

fn create_app(call: &mut Call<'_>, opens: bool) -> Outcome {
    let name = call.params.str(0)?.to_owned();
    if name.trim().is_empty() {
        return Err(EngineError::new(1001, name));
    }
    let id = if name.ends_with(".qvf") { name.clone() } else { format!("{name}.qvf") };
    let app = App::new(&id, name.trim_end_matches(".qvf"), std::sync::Arc::default());
    if opens && call.session.doc.is_some() {
        return Err(EngineError::new(1002, name));
    }
    if !call.session.store.create(app.clone()) {
        return Err(EngineError::new(1000, name));
    }
    if !opens {
        return Ok(Map::from_iter([("qSuccess".to_owned(), json!(true)), ("qAppId".to_owned(), json!(id))]));
    }
    call.session.doc = Some(Doc::new(app, false));
    let reference = call.session.refer(call.peer, Target::Doc);
    Ok(Map::from_iter([("qDocId".to_owned(), json!(id)), ("qReturn".to_owned(), reference)]))
}

fn delete_app(call: &mut Call<'_>) -> Outcome {
    let id = call.params.str(0)?;
    if call.session.doc.as_ref().is_some_and(|doc| doc.app.id == id) {
        return Err(EngineError::new(5, "the app is open"));
    }
    one("qSuccess", call.session.store.delete(id))
}

fn progress(call: &mut Call<'_>) -> Outcome {
    let id = call.params.value(0).map(Value::to_string).unwrap_or_default();
    let progress = &mut call.session.peer(call.peer)?.progress;
    // Id 0 asks for whatever runs: the latest reload.
    let id = if id == "0" { progress.keys().next_back().cloned().unwrap_or(id) } else { id };
    let told = progress.get_mut(&id).and_then(Progress::take);
    if told.is_none() {
        progress.remove(&id);
    }
    one("qProgressData", told.unwrap_or_else(unknown_progress))
}

fn configure_reload(call: &mut Call<'_>) -> Outcome {
    let wants = call.params.flag(1);
    call.session.peer(call.peer)?.wants_error_data = wants;
    nothing()
}

fn interact(call: &mut Call<'_>) -> Outcome {
    let id = call.params.value(0).map(Value::to_string).unwrap_or_default();
    let asked = call.session.peer(call.peer)?.progress.get(&id).and_then(Progress::interaction);
    let (wanted, def) = (asked.is_some(), asked.unwrap_or_else(|| json!({})));
    Ok(Map::from_iter([("qReturn".to_owned(), json!(wanted)), ("qDef".to_owned(), def)]))
}

/// Lets a reload go on that has waited for an answer.
fn interact_done(call: &mut Call<'_>) -> Outcome {
    let id = call.params.value(0).cloned().unwrap_or_default();
    let peer = call.session.peer(call.peer)?;
    if !peer.progress.get_mut(&id.to_string()).is_some_and(Progress::answered) {
        return nothing();
    }
    let mut reloaded = false;
    for held in peer.take_held(|held| held.is_reload && held.answer.id.as_ref() == Some(&id)) {
        peer.emit(held.answer);
        reloaded = true;
    }
    if reloaded {
        call.session.finish_reload();
    }
    nothing()
}

fn abort_one(call: &mut Call<'_>) -> Outcome {
    let wanted = call.params.value(0).cloned();
    if wanted.is_none() {
        return Err(EngineError::invalid_params("parameter 0 is missing"));
    }
    abort(call, |held| held.answer.id == wanted)
}

fn abort(call: &mut Call<'_>, matches: impl Fn(&Held) -> bool) -> Outcome {
    let peer = call.session.peer(call.peer)?;
    let mut was_reload = false;
    for held in peer.take_held(matches) {
        was_reload |= held.is_reload;
        peer.emit(Answer { outcome: Err(EngineError::new(15, "Request aborted")), ..held.answer });
    }
    if was_reload {
        forget_reload(call);
    }
    nothing()
}

fn cancel_reload(call: &mut Call<'_>) -> Outcome {
    let mut was_reload = false;
    for peer in call.session.peers.values_mut() {
        for held in peer.take_held(|held| held.is_reload) {
            was_reload = true;
            let result = match held.answer.method.as_str() {
                "DoReloadEx" => one("qResult", json!({"qSuccess": false, "qScriptLogFile": ""})),
                _ => one("qReturn", false),
            };
            peer.emit(Answer { outcome: result, ..held.answer });
        }
    }
    if was_reload {
        forget_reload(call);
    }
    nothing()
}

fn forget_reload(call: &mut Call<'_>) {
    call.session.pending_reload = None;
    for peer in call.session.peers.values_mut() {
        peer.progress.values_mut().for_each(Progress::finish);
    }
}
