//! One engine session: the open app and the sockets that share it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::app::{App, Kind};
use super::config::FakeEngineConfig;
use super::doc::Doc;
use super::errors::EngineError;
use super::handles::Target;
use super::layout::{Cause, depends};
use super::peer::{Answer, Peer};
use super::reload::Plan;
use super::store::Store;

/// What tells sessions apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionKey {
    /// The segment after `/app/`, decoded.
    pub(crate) app: String,
    pub(crate) identity: String,
    pub(crate) user: String,
}

/// The state that the sockets of a session share, and what it keeps for each of them.
pub(crate) struct Session {
    pub(crate) key: SessionKey,
    pub(crate) config: Arc<FakeEngineConfig>,
    pub(crate) store: Arc<Store>,
    pub(crate) doc: Option<Doc>,
    pub(crate) peers: BTreeMap<u64, Peer>,
    pub(crate) pending_reload: Option<Plan>,
    generated: u64,
}

impl Session {
    pub(crate) fn new(
        key: SessionKey,
        from: Option<&str>,
        config: Arc<FakeEngineConfig>,
        store: Arc<Store>,
    ) -> Self {
        let mut session = Self {
            key,
            config,
            store,
            doc: None,
            peers: BTreeMap::new(),
            pending_reload: None,
            generated: 0,
        };
        // Behind such a path the app exists already, empty or like the one it comes from.
        if session.key.app.starts_with("SessionApp_") {
            let id = session.key.app.clone();
            let app = session.session_app(&id, from);
            session.doc = Some(Doc::new(app, false));
        }
        session
    }

    /// Returns a new session app: the structure of `from` without its data, or nothing at all.
    pub(crate) fn session_app(&self, id: &str, from: Option<&str>) -> App {
        let source = from.and_then(|from| self.store.get(from));
        let mut app = source.unwrap_or_else(|| App::new(id, "Session app", Arc::default()));
        app.id = id.to_owned();
        app.table = Arc::default();
        app.has_data = false;
        app.is_session_app = true;
        app
    }

    /// Returns the next generated id: the same in each run, and different from those of other sessions.
    pub(crate) fn generate_id(&mut self) -> String {
        self.generated += 1;
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let key = [&self.key.app, &self.key.identity, &self.key.user].map(String::as_bytes).join(&0);
        let seed = self.config.otherwise.id_seed;
        let seed = if seed == 0 { Vec::new() } else { seed.to_le_bytes().to_vec() };
        for byte in seed.iter().chain(&key).chain(&self.generated.to_le_bytes()) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let (high, low) = (hash >> 32, hash & 0xffff_ffff);
        format!("{high:08x}-{:04x}-4000-8000-{:012x}", low >> 16, ((low & 0xffff) << 32) | self.generated)
    }

    pub(crate) fn peer(&mut self, number: u64) -> Result<&mut Peer, EngineError> {
        self.peers.get_mut(&number).ok_or_else(|| EngineError::new(-128, "socket is gone"))
    }

    pub(crate) fn doc(&mut self) -> Result<&mut Doc, EngineError> {
        self.doc.as_mut().ok_or_else(|| EngineError::new(1017, "no app is open"))
    }

    /// Returns the reference to `target` for one socket; a handle that is new there is due a change notice.
    pub(crate) fn refer(&mut self, number: u64, target: Target) -> Value {
        let Some(doc) = &self.doc else { return null_reference() };
        let (class, generic_type, id) = match &target {
            Target::Global => return null_reference(),
            Target::Doc => ("Doc", Value::Null, json!(doc.app.id)),
            Target::Field(name) => ("Field", Value::Null, json!(name)),
            Target::Entity(kind, id) => match doc.app.find(*kind, id) {
                Some(entity) => (kind.type_name(), json!(entity.type_()), json!(id)),
                None => return null_reference(),
            },
        };
        let Some(peer) = self.peers.get_mut(&number) else { return null_reference() };
        let has_layout = !matches!(target, Target::Field(_));
        let (handle, is_new) = peer.handles.open(target);
        if is_new && has_layout {
            peer.changed.push(handle);
        }
        json!({"qType": class, "qHandle": handle, "qGenericType": generic_type, "qGenericId": id})
    }

    /// Tells all sockets that what matches has changed.
    pub(crate) fn invalidate(&mut self, matches: impl Fn(&Doc, &Target) -> bool) {
        let Some(doc) = &mut self.doc else { return };
        doc.forget();
        for peer in self.peers.values_mut() {
            let edges = peer.handles.invalidate(|target| matches(doc, target));
            peer.changed.extend(edges);
        }
    }

    /// Invalidates the app and whatever shows data or lists.
    pub(crate) fn invalidate_for(&mut self, cause: Cause) {
        self.invalidate(|doc, target| match target {
            Target::Global | Target::Field(_) => false,
            Target::Doc => true,
            Target::Entity(kind, id) => doc.app.entities.get(id).is_some_and(|entity| match kind {
                Kind::Object => depends(entity.effective(), cause),
                // The value of a variable may be an expression over the data.
                Kind::Variable => {
                    cause == Cause::Data
                        && entity.props["qDefinition"].as_str().is_some_and(|text| text.starts_with('='))
                }
                _ => false,
            }),
        });
    }

    /// Invalidates one entity.
    pub(crate) fn invalidate_entity(&mut self, id: &str) {
        self.invalidate(|_, target| matches!(target, Target::Entity(_, other) if other == id));
    }

    /// After selections changed: invalidates what shows data, and aborts held calculations, as an engine does.
    pub(crate) fn selections_changed(&mut self) {
        self.invalidate_for(Cause::Data);
        for peer in self.peers.values_mut() {
            let calculations = ["GetLayout", "GetHyperCubeData", "GetListObjectData"];
            for held in peer.take_held(|held| calculations.contains(&held.answer.method.as_str())) {
                let outcome = Err(EngineError::new(15, "Request aborted"));
                peer.emit(Answer { outcome, ..held.answer });
            }
        }
    }

    /// Removes an entity with its descendants, and closes their handles on all sockets.
    pub(crate) fn destroy(&mut self, kind: Kind, id: &str) -> bool {
        let Some(doc) = &mut self.doc else { return false };
        let Some(entity) = doc.app.find(kind, id) else { return false };
        let parent = entity.parent.clone();
        let kinds =
            doc.app.entities.iter().map(|(id, entity)| (id.clone(), entity.kind)).collect::<BTreeMap<_, _>>();
        let removed = doc.app.remove(id);
        if doc.modal.as_ref().is_some_and(|modal| removed.contains(&modal.object)) {
            doc.modal = None;
        }
        doc.searches.retain(|(owner, _), _| !removed.contains(owner));
        for id in removed {
            let target = Target::Entity(kinds.get(&id).copied().unwrap_or(kind), id);
            for peer in self.peers.values_mut() {
                let handle = peer.handles.close(&target);
                peer.closed.extend(handle);
            }
        }
        self.invalidate_for(Cause::Lists);
        if let Some(parent) = parent {
            self.invalidate_entity(&parent);
        }
        true
    }

    /// Lets the reload that was held take effect.
    pub(crate) fn finish_reload(&mut self) {
        let Some(plan) = self.pending_reload.take() else { return };
        for progress in self.peers.values_mut().flat_map(|peer| peer.progress.values_mut()) {
            progress.finish();
        }
        let Some(doc) = &mut self.doc else { return };
        if let Some(table) = plan.table.filter(|_| !plan.fails) {
            doc.app.table = Arc::new(table);
            doc.app.has_data = true;
        }
        doc.app.reloads += 1;
        self.selections_changed();
    }

    /// Sends other sockets the changes that a call of `acting` made.
    pub(crate) fn push_changes(&mut self, acting: Option<u64>) {
        for (number, peer) in &mut self.peers {
            if Some(*number) != acting {
                peer.push_lists();
            }
        }
    }
}

/// Returns the reference that means "not found".
pub(crate) fn null_reference() -> Value {
    json!({"qType": null, "qHandle": null, "qGenericType": null, "qGenericId": null})
}
