//! Methods of Doc.

use serde_json::{Map, Value, json};

use super::super::app::{Kind, TIMESTAMP};
use super::super::errors::EngineError;
use super::super::eval::{Hold, Val};
use super::super::expression;
use super::super::handles::Target;
use super::super::layout::{Cause, meta};
use super::super::listobject::number;
use super::super::lists::media;
use super::super::peer::Outcome;
use super::super::reload::{Progress, plan};
use super::super::table::{Column, sales};
use super::dispatch::{Call, nothing, one};
use super::{library, trigger};

pub(super) fn call(call: &mut Call<'_>, method: &str) -> Option<Outcome> {
    Some(match method {
        "GetAppLayout" => app_layout(call),
        "GetAppProperties" => properties(call),
        "SetAppProperties" => set_properties(call),
        "GetObject" => find(call, Kind::Object),
        "GetDimension" => find(call, Kind::Dimension),
        "GetMeasure" => find(call, Kind::Measure),
        "GetBookmark" => find(call, Kind::Bookmark),
        "GetVariableById" => find(call, Kind::Variable),
        "GetVariableByName" | "GetVariable" => variable_by_name(call),
        "GetField" => field(call),
        "GetObjects" => objects(call),
        "GetAllInfos" => all_infos(call),
        "GetFieldDescription" => field_description(call),
        "GetMatchingFields" => matching_fields(call),
        "GetTablesAndKeys" => tables_and_keys(call),
        "GetTableData" => table_data(call),
        "Evaluate" => evaluate(call),
        "EvaluateEx" => evaluate_ex(call),
        "ExpandExpression" => {
            call.params.str(0).map(str::to_owned).and_then(|text| one("qExpandedExpression", text))
        }
        "CheckExpression" | "CheckNumberOrExpression" => check_expression(call, method),
        "GetFieldsFromExpression" => fields_from_expression(call),
        "ClearAll" => clear_all(call),
        "LockAll" => lock_all(call, true),
        "UnlockAll" => lock_all(call, false),
        "Back" => step(call, true),
        "Forward" => step(call, false),
        "BackCount" => call.session.doc().and_then(|doc| one("qReturn", doc.selections.back_count())),
        "ForwardCount" => call.session.doc().and_then(|doc| one("qReturn", doc.selections.forward_count())),
        "AbortModal" => end_modal(call),
        "StoreTempSelectionState" => store_state(call),
        "RestoreTempSelectionState" => restore_state(call),
        "GetScript" => call.session.doc().and_then(|doc| one("qScript", doc.app.script.clone())),
        "GetScriptEx" => {
            call.session.doc().and_then(|doc| one("qScript", json!({"qScript": doc.app.script, "qMeta": {}})))
        }
        "GetEmptyScript" => one("qReturn", "///$tab Main\r\n"),
        "SetScript" => set_script(call),
        "CheckScriptSyntax" => one("qErrors", json!([])),
        "DoReload" | "DoReloadEx" => reload(call, method),
        "DoSave" => save(call),
        "SaveObjects" | "SetFetchLimit" | "Resume" | "ClearUndoBuffer" | "Publish" => nothing(),
        "Undo" | "Redo" => one("qSuccess", false),
        "GetConnections" => one("qConnections", json!([])),
        "GetLineage" => one("qLineage", json!([])),
        "GetMediaList" => call
            .session
            .doc()
            .map(|doc| Map::from_iter([("qList".into(), media(&doc.app)), ("qReturn".into(), json!(true))])),
        "GetLocaleInfo" => {
            one("qReturn", json!({"qDecimalSep": ".", "qThousandSep": ",", "qMoneyDecimalSep": "."}))
        }
        "GetFavoriteVariables" => one("qNames", json!([])),
        _ => return library::doc_call(call, method),
    })
}

fn app_layout(call: &mut Call<'_>) -> Outcome {
    call.validate()?;
    let doc = call.session.doc()?;
    let mut layout = doc.app.properties.as_object().cloned().unwrap_or_default();
    let fixed = json!({
        "qTitle": doc.app.title,
        "qFileName": doc.app.id,
        "qLastReloadTime": if doc.app.has_data { TIMESTAMP } else { "" },
        "qModified": false,
        "qHasScript": true,
        "qHasData": doc.app.has_data && !doc.without_data,
        "qIsOpenedWithoutData": doc.without_data,
        "qIsSessionApp": doc.app.is_session_app,
        "qIsBDILiveMode": false,
        "qIsDirectQueryMode": false,
        "qStateNames": [],
        "qMeta": {"createdDate": TIMESTAMP, "modifiedDate": TIMESTAMP, "published": false},
        "qLocaleInfo": {"qDecimalSep": ".", "qThousandSep": ","},
        "qReadOnly": false,
        "qUnsupportedFeatures": [],
        "qUsage": "ANALYTICS",
    });
    if let Value::Object(fixed) = fixed {
        let title = layout.get("qTitle").filter(|title| title.is_string()).cloned();
        layout.extend(fixed);
        layout.extend(title.map(|title| ("qTitle".to_owned(), title)));
    }
    one("qLayout", layout)
}

fn properties(call: &mut Call<'_>) -> Outcome {
    let doc = call.session.doc()?;
    one("qProp", doc.app.properties.clone())
}

fn set_properties(call: &mut Call<'_>) -> Outcome {
    let props = call.params.take_object(0)?;
    call.session.doc()?.app.properties = props;
    call.session.invalidate(|_, target| *target == Target::Doc);
    nothing()
}

fn find(call: &mut Call<'_>, kind: Kind) -> Outcome {
    let id = call.params.str(0)?.to_owned();
    call.refer(Target::Entity(kind, id))
}

fn variable_by_name(call: &mut Call<'_>) -> Outcome {
    let name = call.params.str(0)?.to_owned();
    let id = call.session.doc()?.app.variable(&name).map(|entity| entity.id().to_owned());
    call.refer(Target::Entity(Kind::Variable, id.unwrap_or_default()))
}

fn field(call: &mut Call<'_>) -> Outcome {
    let name = call.params.str(0)?;
    let name = match &call.session.doc {
        Some(doc) => doc.table().column(name).map(|column| column.name.clone()),
        None => None,
    };
    match name {
        Some(name) => call.refer(Target::Field(name)),
        None => one("qReturn", super::super::session::null_reference()),
    }
}

fn objects(call: &mut Call<'_>) -> Outcome {
    let options = call.params.value(0).cloned().unwrap_or_default();
    let types: Vec<&str> =
        options["qTypes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let sessions_too = options["qIncludeSessionObjects"].as_bool() == Some(true);
    let doc = call.session.doc()?;
    let list = doc.app.in_order().into_iter().filter(|entity| {
        entity.kind == Kind::Object
            && (types.is_empty() || types.contains(&entity.type_()))
            && (entity.persisted || sessions_too)
    });
    let item = |entity: &super::super::app::Entity| {
        let mut paths = Map::new();
        for (name, path) in options["qData"].as_object().into_iter().flatten() {
            let found = path.as_str().and_then(|path| entity.effective().pointer(path));
            paths.insert(name.clone(), found.cloned().unwrap_or_default());
        }
        json!({"qInfo": entity.effective()["qInfo"], "qMeta": meta(entity), "qData": paths})
    };
    one("qList", list.map(item).collect::<Vec<_>>())
}

fn all_infos(call: &mut Call<'_>) -> Outcome {
    let doc = call.session.doc()?;
    let infos = doc.app.in_order().into_iter().filter(|entity| entity.persisted);
    one("qInfos", infos.map(|entity| entity.props["qInfo"].clone()).collect::<Vec<_>>())
}

fn described(column: &Column, table: &str) -> Value {
    json!({
        "qName": column.name,
        "qSrcTables": [table],
        "qCardinal": column.symbols.len(),
        "qTotalCount": column.cells.len(),
        "qPossibleCount_OBSOLETE": column.symbols.len(),
        "qIsNumeric": column.is_numeric(),
        "qTags": column.tags(),
        "qByteSize": column.symbols.iter().map(|symbol| symbol.text.len()).sum::<usize>(),
    })
}

fn field_description(call: &mut Call<'_>) -> Outcome {
    let name = call.params.str(0)?.to_owned();
    let doc = call.session.doc()?;
    let column = doc.table().column(&name).ok_or_else(|| EngineError::not_found(name))?;
    one("qReturn", described(column, &doc.table().name))
}

fn matching_fields(call: &mut Call<'_>) -> Outcome {
    let tags: Vec<String> =
        call.params.array(0)?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let doc = call.session.doc()?;
    let fits = |column: &&Column| tags.iter().all(|tag| column.tags().contains(&tag.as_str()));
    let names = doc
        .table()
        .columns
        .iter()
        .filter(fits)
        .map(|column| json!({"qName": column.name, "qTags": column.tags()}));
    one("qFieldNames", names.collect::<Vec<_>>())
}

fn tables_and_keys(call: &mut Call<'_>) -> Outcome {
    let doc = call.session.doc()?;
    let table = doc.table();
    let field = |column: &Column| {
        json!({
            "qName": column.name, "qPresent": true, "qKeyType": "NOT_KEY", "qTags": column.tags(),
            "qnNonNulls": column.cells.len(), "qnRows": column.cells.len(), "qSubsetRatio": 1,
            "qnTotalDistinctValues": column.symbols.len(), "qnPresentDistinctValues": column.symbols.len(),
            "qInformationDensity": 1,
        })
    };
    let tables = if table.columns.is_empty() {
        json!([])
    } else {
        json!([{
            "qName": table.name, "qNoOfRows": table.rows,
            "qFields": table.columns.iter().map(field).collect::<Vec<_>>(),
        }])
    };
    Ok(Map::from_iter([("qtr".to_owned(), tables), ("qk".to_owned(), json!([]))]))
}

fn table_data(call: &mut Call<'_>) -> Outcome {
    let (offset, rows) =
        (call.params.num(0)?.max(0.0) as usize, call.params.num(1)?.clamp(0.0, 10_000.0) as usize);
    let name = call.params.str(3)?.to_owned();
    let doc = call.session.doc()?;
    let table = doc.table();
    if table.name != name {
        return Err(EngineError::not_found(name));
    }
    let value = |column: &Column, row: usize| {
        let symbol = &column.symbols[column.cells[row] as usize];
        json!({"qText": symbol.text, "qIsNumeric": symbol.num.is_some(), "qNumber": number(symbol.num)})
    };
    let row = |row: usize| json!({"qValue": table.columns.iter().map(|column| value(column, row)).collect::<Vec<_>>()});
    let end = offset.saturating_add(rows).min(table.rows);
    one("qData", (offset.min(end)..end).map(row).collect::<Vec<_>>())
}

fn evaluate(call: &mut Call<'_>) -> Outcome {
    let text = call.params.str(0)?.to_owned();
    if let Some(outcome) = trigger::pull(call, &text) {
        return outcome;
    }
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let shown = doc.eval(&text, &call.hold).map_or_else(|error| error, |value| value.text());
    one("qReturn", shown)
}

fn evaluate_ex(call: &mut Call<'_>) -> Outcome {
    let text = call.params.str(0)?.to_owned();
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let value = doc.eval(&text, &call.hold).unwrap_or_else(Val::Text);
    let num = if let Val::Num(num) = value { Some(num) } else { None };
    one("qValue", json!({"qText": value.text(), "qIsNumeric": num.is_some(), "qNumber": number(num)}))
}

fn check_expression(call: &mut Call<'_>, method: &str) -> Outcome {
    let text = call.params.str(0)?.to_owned();
    let doc = call.session.doc()?;
    let mut bad = Vec::new();
    let error = match expression::parse(&text) {
        Err(error) => error,
        Ok(expr) => {
            expr.names(&mut |name| {
                if doc.table().column(name).is_none() && doc.app.variable(name).is_none() {
                    // Where the name stands in the text, which is how an engine marks it.
                    bad.push(json!({"qFrom": text.find(name).unwrap_or(0), "qCount": name.len()}));
                }
            });
            String::new()
        }
    };
    let mut result =
        Map::from_iter([("qErrorMsg".to_owned(), json!(error)), ("qBadFieldNames".to_owned(), json!(bad))]);
    if method == "CheckExpression" {
        result.insert("qDangerousFieldNames".to_owned(), json!([]));
    }
    Ok(result)
}

fn fields_from_expression(call: &mut Call<'_>) -> Outcome {
    let text = call.params.str(0)?.to_owned();
    let doc = call.session.doc()?;
    let mut names = Vec::new();
    if let Ok(expr) = expression::parse(&text) {
        expr.names(&mut |name| {
            if doc.table().column(name).is_some() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        });
    }
    one("qFieldNames", names)
}

fn clear_all(call: &mut Call<'_>) -> Outcome {
    let locked_also = call.params.flag(0);
    let doc = call.session.doc()?;
    if doc.blocked_for(None) {
        return Err(EngineError::new(6003, "modal selections are made elsewhere"));
    }
    doc.selections.clear(locked_also);
    call.session.selections_changed();
    nothing()
}

fn lock_all(call: &mut Call<'_>, locked: bool) -> Outcome {
    call.session.doc()?.selections.set_all_locks(locked);
    call.session.selections_changed();
    nothing()
}

fn step(call: &mut Call<'_>, back: bool) -> Outcome {
    let doc = call.session.doc()?;
    if doc.blocked_for(None) {
        return Err(EngineError::new(6003, "modal selections are made elsewhere"));
    }
    let moved = if back { doc.selections.go_back() } else { doc.selections.go_forward() };
    if moved {
        call.session.selections_changed();
    }
    nothing()
}

fn end_modal(call: &mut Call<'_>) -> Outcome {
    let accepts = call.params.flag(0);
    super::object_selections::leave_modal(call, accepts)?;
    nothing()
}

fn store_state(call: &mut Call<'_>) -> Outcome {
    let (app, fields) = {
        let doc = call.session.doc()?;
        (doc.app.id.clone(), doc.selections.fields().clone())
    };
    // A session that came anew makes the ids of the one before it again.
    let mut id = call.session.generate_id();
    while !call.session.store.keep_state(&app, &id, &fields) {
        id = call.session.generate_id();
    }
    Ok(Map::from_iter([("qId".to_owned(), json!(id)), ("qReturn".to_owned(), json!(true))]))
}

fn restore_state(call: &mut Call<'_>) -> Outcome {
    let id = call.params.str(0)?.to_owned();
    let store = call.session.store.clone();
    let doc = call.session.doc()?;
    if doc.blocked_for(None) {
        return Err(EngineError::new(6003, "modal selections are made elsewhere"));
    }
    let Some(fields) = store.state(&doc.app.id, &id) else {
        return one("qReturn", false);
    };
    if doc.selections.replace(fields) {
        call.session.selections_changed();
    }
    one("qReturn", true)
}

fn set_script(call: &mut Call<'_>) -> Outcome {
    let script = call.params.str(0)?.to_owned();
    call.session.doc()?.app.script = script;
    call.session.invalidate(|_, target| *target == Target::Doc);
    nothing()
}

fn reload(call: &mut Call<'_>, method: &str) -> Outcome {
    if call.session.pending_reload.is_some() {
        return Err(EngineError::new(11000, ""));
    }
    let rows = call.session.config.rows;
    let plan = plan(&call.session.doc()?.app.script, &|| sales(rows));
    let (id, succeeds) = (call.id.clone(), !plan.fails);
    let peer = call.session.peer(call.peer)?;
    if peer.progress.len() >= 16 {
        peer.progress.pop_first();
    }
    let errors = if peer.wants_error_data { plan.errors.clone() } else { Vec::new() };
    let progress = Progress::new(plan.answers).with_errors(errors).with_question(plan.question.clone());
    peer.progress.insert(id, progress);
    if plan.question.is_some() {
        call.hold.set(Some(Hold::Forever));
    } else if plan.answers > 0 {
        call.hold.set(Some(Hold::After(plan.answers)));
    }
    call.is_reload = true;
    call.session.pending_reload = Some(plan);
    if method == "DoReload" {
        return one("qReturn", succeeds);
    }
    let log = "/logs/reload.log";
    one("qResult", json!({"qSuccess": succeeds, "qScriptLogFile": log, "qEndedWithMemoryConstraint": false}))
}

fn save(call: &mut Call<'_>) -> Outcome {
    let doc = call.session.doc()?;
    if doc.app.is_session_app {
        return Err(EngineError::new(9009, "DoSave"));
    }
    let mut app = doc.app.clone();
    let session_only: Vec<String> = app
        .entities
        .values()
        .filter(|entity| !entity.persisted)
        .map(|entity| entity.id().to_owned())
        .collect();
    for id in session_only {
        app.remove(&id);
    }
    app.entities.values_mut().for_each(|entity| entity.soft = None);
    call.session.store.save(app);
    call.session.invalidate_for(Cause::Lists);
    nothing()
}
