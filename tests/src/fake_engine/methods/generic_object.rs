//! Methods of GenericObject: layout, properties, data, children.

use serde_json::{Map, Value, json};

use super::super::app::{Entity, Kind};
use super::super::doc::Doc;
use super::super::errors::EngineError;
use super::super::handles::Target;
use super::super::layout::{Cause, View, layout};
use super::super::patch;
use super::super::peer::Outcome;
use super::super::pivot::{self, Mode, Pivot};
use super::super::{hypercube, listobject};
use super::dispatch::{Call, nothing, one};
use super::library;

pub(super) fn call(call: &mut Call<'_>, method: &str, id: &str) -> Option<Outcome> {
    Some(match method {
        "GetLayout" => get_layout(call, id),
        "GetProperties" => entity(call, id).and_then(|entity| one("qProp", entity.props.clone())),
        "GetEffectiveProperties" => {
            entity(call, id).and_then(|entity| one("qProp", entity.effective().clone()))
        }
        "GetInfo" => entity(call, id).and_then(|entity| one("qInfo", entity.props["qInfo"].clone())),
        "SetProperties" => set_properties(call, id),
        "ApplyPatches" => apply_patches(call, id),
        "ClearSoftPatches" => clear_soft_patches(call, id),
        "GetFullPropertyTree" => call.session.doc().and_then(|doc| one("qPropEntry", tree(doc, id))),
        "SetFullPropertyTree" => set_tree(call, id),
        "GetHyperCubeData" | "GetHyperCubeReducedData" => hypercube_data(call, id),
        "GetHyperCubePivotData" => pivot_data(call, id),
        "GetHyperCubeStackData" => stack_data(call, id),
        "GetHyperCubeTreeData" => tree_data(call, id),
        "GetListObjectData" => list_object_data(call, id),
        "GetChild" => get_child(call, id),
        "GetParent" => get_parent(call, id),
        "GetChildInfos" => child_infos(call, id),
        "CreateChild" => create_child(call, id),
        "DestroyChild" => destroy_child(call, id),
        "DestroyAllChildren" => destroy_children(call, id),
        "SetChildArrayOrder" => set_child_order(call, id),
        "CopyFrom" => copy_from(call, id),
        "GetLinkedObjects" => one("qItems", json!([])),
        "GetSnapshotObject" => one("qReturn", super::super::session::null_reference()),
        "ExportData" => export(call, id),
        "Publish" | "UnPublish" | "Approve" | "UnApprove" => nothing(),
        _ => return None,
    })
}

fn entity<'a>(call: &'a mut Call<'_>, id: &str) -> Result<&'a mut Entity, EngineError> {
    call.session.doc()?.app.entities.get_mut(id).ok_or_else(|| EngineError::not_found(id))
}

fn get_layout(call: &mut Call<'_>, id: &str) -> Outcome {
    call.validate()?;
    let cell_limit = call.session.config.cell_limit;
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    one("qLayout", layout(&View { doc, hold: &call.hold, cell_limit }, entity))
}

/// After properties changed: the entity is invalid, and so are lists, and for library items the data.
fn touched(call: &mut Call<'_>, id: &str) {
    let kind = call.session.doc.as_ref().and_then(|doc| doc.app.entities.get(id)).map(|entity| entity.kind);
    call.session.invalidate_entity(id);
    call.session.invalidate_for(Cause::Lists);
    if kind.is_some_and(|kind| !matches!(kind, Kind::Object | Kind::Bookmark)) {
        call.session.invalidate_for(Cause::Data);
    }
}

fn set_properties(call: &mut Call<'_>, id: &str) -> Outcome {
    let mut props = call.params.take_object(0)?;
    let entity = entity(call, id)?;
    // The id and type of an object cannot be changed, whatever the new properties say.
    props["qInfo"] = entity.props["qInfo"].clone();
    entity.props = props;
    entity.soft = None;
    touched(call, id);
    nothing()
}

fn apply_patches(call: &mut Call<'_>, id: &str) -> Outcome {
    let patches = call.params.array(0)?.to_vec();
    let soft = call.params.flag(1);
    let entity = entity(call, id)?;
    let mut props = if soft { entity.effective().clone() } else { entity.props.clone() };
    for patch in &patches {
        patch::apply(&mut props, patch)?;
    }
    props["qInfo"] = entity.props["qInfo"].clone();
    if soft {
        entity.soft = Some(props);
    } else {
        entity.props = props;
    }
    touched(call, id);
    nothing()
}

fn clear_soft_patches(call: &mut Call<'_>, id: &str) -> Outcome {
    entity(call, id)?.soft = None;
    touched(call, id);
    nothing()
}

fn tree(doc: &Doc, id: &str) -> Value {
    let Some(entity) = doc.app.entities.get(id) else { return json!({}) };
    let children: Vec<Value> = entity.children.iter().map(|child| tree(doc, child)).collect();
    json!({"qProperty": entity.props, "qChildren": children, "qEmbeddedSnapshotRef": null})
}

fn set_tree(call: &mut Call<'_>, id: &str) -> Outcome {
    let mut entry = call.params.take_object(0)?;
    let children = entity(call, id)?.children.clone();
    for child in children {
        call.session.destroy(Kind::Object, &child);
    }
    let mut props = entry["qProperty"].take();
    let old = entity(call, id)?;
    if props.is_object() {
        props["qInfo"] = old.props["qInfo"].clone();
        old.props = props;
    }
    // Breadth first with a queue: the depth of the tree is up to the client.
    let mut queue: Vec<(String, Value)> = vec![(id.to_owned(), entry["qChildren"].take())];
    while let Some((parent, children)) = queue.pop() {
        let Value::Array(children) = children else { continue };
        for mut child in children.into_iter().filter(Value::is_object) {
            let props = child["qProperty"].take();
            if props.is_object() {
                let persisted = entity(call, &parent)?.persisted;
                let info = library::insert(call, Kind::Object, props, Some(&parent), persisted)?;
                let id = info["qId"].as_str().unwrap_or_default().to_owned();
                queue.push((id, child["qChildren"].take()));
            }
        }
    }
    touched(call, id);
    nothing()
}

/// Finds a definition by its path; the path of its result in the layout is understood too.
pub(super) fn definition<'a>(entity: &'a Entity, path: &str) -> Result<(&'a Value, String), EngineError> {
    let props = entity.effective();
    if let Some(def) = props.pointer(path).filter(|def| def.is_object()) {
        return Ok((def, path.to_owned()));
    }
    let longer = format!("{path}Def");
    let def = props.pointer(&longer).filter(|def| def.is_object());
    def.map(|def| (def, longer)).ok_or_else(|| EngineError::new(4, path))
}

fn hypercube_data(call: &mut Call<'_>, id: &str) -> Outcome {
    let cell_limit = call.session.config.cell_limit;
    let (path, pages) = (call.params.str(0)?, call.params.array(1)?);
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, path) = definition(entity, path)?;
    let cube = doc.cube(&format!("{id}{path}"), || hypercube::compute(doc, def, &call.hold));
    one("qDataPages", cube.pages(doc, pages, cell_limit)?)
}

/// Refuses data of another mode than the definition says, as an engine does.
fn in_mode(def: &Value, mode: Mode) -> Result<(), EngineError> {
    if Mode::of(def) == mode {
        Ok(())
    } else {
        Err(EngineError::invalid_params("the cube is in another mode"))
    }
}

fn pivot_data(call: &mut Call<'_>, id: &str) -> Outcome {
    let cell_limit = call.session.config.cell_limit;
    let (path, pages) = (call.params.str(0)?, call.params.array(1)?);
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, path) = definition(entity, path)?;
    in_mode(def, Mode::Pivot)?;
    let cube = doc.cube(&format!("{id}{path}"), || hypercube::compute(doc, def, &call.hold));
    one("qDataPages", Pivot::new(&cube, doc, def).pages(pages, cell_limit)?)
}

fn stack_data(call: &mut Call<'_>, id: &str) -> Outcome {
    let most = call.params.num(2).unwrap_or(0.0);
    let most = if most > 0.0 { most as usize } else { call.session.config.cell_limit };
    let (path, pages) = (call.params.str(0)?, call.params.array(1)?);
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, path) = definition(entity, path)?;
    in_mode(def, Mode::Stacked)?;
    let cube = doc.cube(&format!("{id}{path}"), || hypercube::compute(doc, def, &call.hold));
    one("qDataPages", Pivot::new(&cube, doc, def).stack(pages, most)?)
}

fn tree_data(call: &mut Call<'_>, id: &str) -> Outcome {
    let cell_limit = call.session.config.cell_limit;
    let path = call.params.str(0)?;
    let options = call.params.value(1).unwrap_or(&Value::Null);
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, _) = definition(entity, path)?;
    in_mode(def, Mode::Tree)?;
    one("qNodes", pivot::tree(doc, def, options, cell_limit)?)
}

fn list_object_data(call: &mut Call<'_>, id: &str) -> Outcome {
    let cell_limit = call.session.config.cell_limit;
    let (path, pages) = (call.params.str(0)?, call.params.array(1)?);
    let doc = call.session.doc.as_ref().ok_or_else(|| EngineError::new(1017, ""))?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, path) = definition(entity, path)?;
    let search = doc.searches.get(&(id.to_owned(), path)).map(String::as_str);
    let list = listobject::compute(doc, def, search).ok_or_else(|| EngineError::new(7000, ""))?;
    one("qDataPages", list.pages(doc, pages, cell_limit)?)
}

fn get_child(call: &mut Call<'_>, id: &str) -> Outcome {
    let wanted = call.params.str(0)?.to_owned();
    let is_child = entity(call, id)?.children.contains(&wanted);
    call.refer(Target::Entity(Kind::Object, if is_child { wanted } else { String::new() }))
}

fn get_parent(call: &mut Call<'_>, id: &str) -> Outcome {
    let parent = entity(call, id)?.parent.clone().unwrap_or_default();
    call.refer(Target::Entity(Kind::Object, parent))
}

fn child_infos(call: &mut Call<'_>, id: &str) -> Outcome {
    let doc = call.session.doc()?;
    let children = doc.app.entities.get(id).map(|entity| entity.children.as_slice()).unwrap_or_default();
    let infos = children.iter().filter_map(|child| doc.app.entities.get(child));
    one("qInfos", infos.map(|entity| entity.props["qInfo"].clone()).collect::<Vec<_>>())
}

/// Replaces the parent's properties, which `CreateChild` and its kin can do in the same step.
fn set_own(call: &mut Call<'_>, id: &str, at: usize) -> Result<(), EngineError> {
    if let Ok(mut props) = call.params.take_object(at) {
        let entity = entity(call, id)?;
        props["qInfo"] = entity.props["qInfo"].clone();
        entity.props = props;
    }
    call.session.invalidate_entity(id);
    Ok(())
}

fn create_child(call: &mut Call<'_>, id: &str) -> Outcome {
    let props = call.params.take_object(0)?;
    let persisted = entity(call, id)?.persisted;
    let info = library::insert(call, Kind::Object, props, Some(id), persisted)?;
    set_own(call, id, 1)?;
    let child = info["qId"].as_str().unwrap_or_default().to_owned();
    let reference = call.session.refer(call.peer, Target::Entity(Kind::Object, child));
    Ok(Map::from_iter([("qInfo".to_owned(), info), ("qReturn".to_owned(), reference)]))
}

fn destroy_child(call: &mut Call<'_>, id: &str) -> Outcome {
    let wanted = call.params.str(0)?.to_owned();
    let is_child = entity(call, id)?.children.contains(&wanted);
    let destroyed = is_child && call.session.destroy(Kind::Object, &wanted);
    set_own(call, id, 1)?;
    one("qSuccess", destroyed)
}

fn destroy_children(call: &mut Call<'_>, id: &str) -> Outcome {
    for child in entity(call, id)?.children.clone() {
        call.session.destroy(Kind::Object, &child);
    }
    set_own(call, id, 0)?;
    nothing()
}

fn set_child_order(call: &mut Call<'_>, id: &str) -> Outcome {
    let wanted: Vec<String> =
        call.params.array(0)?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let entity = entity(call, id)?;
    let place = |child: &String| wanted.iter().position(|other| other == child).unwrap_or(usize::MAX);
    entity.children.sort_by_key(place);
    call.session.invalidate_entity(id);
    nothing()
}

fn copy_from(call: &mut Call<'_>, id: &str) -> Outcome {
    let source = call.params.str(0)?.to_owned();
    let mut props = entity(call, &source)?.props.clone();
    let entity = entity(call, id)?;
    props["qInfo"] = entity.props["qInfo"].clone();
    entity.props = props;
    touched(call, id);
    nothing()
}

fn export(call: &mut Call<'_>, id: &str) -> Outcome {
    let kind = call.params.str(0)?;
    let ending = match kind {
        "OOXML" | "EXPORT_OOXML" => "xlsx",
        "PARQUET" | "EXPORT_PARQUET" => "parquet",
        _ => "csv",
    };
    let url = format!("/tempcontent/{}/{id}.{ending}", call.session.generate_id());
    Ok(Map::from_iter([("qUrl".to_owned(), json!(url)), ("qWarnings".to_owned(), json!([]))]))
}
