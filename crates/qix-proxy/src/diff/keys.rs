//! What makes a call of one recording that of the other: object, method and parameters, without what differs from run to run.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

use bytes::Bytes;
use foldhash::quality::FixedState;
use percent_encoding::percent_decode_str;
use qix_protocol::{
    Handle, Tree,
    frame::{Raw, client::Request},
    references,
};

use crate::{
    calls::{Answered, Asked},
    compare::{is_id, makes},
    record::Opening,
    replay::{Pairs, RecentRequests, SessionPath, general, is_uuid},
};

/// Of how many objects of a connection it is known how they were opened.
const MOST_OBJECTS: usize = 1 << 18;
/// How many different calls that make something are counted for each connection.
const MOST_MADE: usize = 1 << 18;

/// Gives the calls of one recording numbers that equal calls of another recording have, too.
///
/// Handles stand for how their objects were opened, and ids that an engine or a client makes up for the call that has made them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    connections: HashMap<u64, Connection>,
    /// How many connections had a path.
    paths: HashMap<u64, u32>,
    /// What stands for ids.
    ids: Pairs,
    /// The apps of this recording for which others are taken.
    apps: Vec<(String, String)>,
}

/// What stands for an object.
#[derive(Clone, Copy, Debug, Default)]
struct Object {
    /// What it is in this session, by how it was opened.
    key: u64,
    /// How it was opened, whichever session it is.
    way: u64,
    /// What it is in all sessions: by its id, or else by how it was opened.
    group: u64,
    /// The group of its app.
    app: u64,
}

/// What an answer may open and make.
#[derive(Debug)]
struct Opens {
    key: u64,
    way: u64,
    app: u64,
    /// The parameters of a call that makes something.
    params: Option<String>,
}

#[derive(Debug, Default)]
struct Connection {
    root: Object,
    objects: HashMap<Handle, Object>,
    requests: RecentRequests,
    /// By the number of the request.
    asked: HashMap<u64, Opens>,
    made: HashMap<u64, u32>,
}

impl Keys {
    /// Starts with nothing. Apps are those of this recording, and what they are called in the other one.
    pub(super) fn new(apps: &[(String, String)]) -> Self {
        Self { apps: apps.to_vec(), ..Self::default() }
    }

    /// Takes in a connection. Those with the same path are told apart by their order.
    pub(super) fn opened(&mut self, conn: u64, opening: &Opening) {
        if self.connections.contains_key(&conn) {
            return;
        }
        let path = SessionPath::parse(&opening.url);
        let app = percent_decode_str(&path.app).decode_utf8_lossy();
        let app = self.other_app(&app).unwrap_or(&app);
        let way = number(&(path.bare.replacen(&format!("/app/{}", path.app), "/app/", 1), app));
        let count = self.paths.entry(way).or_default();
        *count += 1;
        let root = Object { key: number(&(way, *count)), way, group: way, app: way };
        self.connections.insert(conn, Connection { root, ..Connection::default() });
    }

    /// Takes in the end of a connection.
    pub(super) fn closed(&mut self, conn: u64) {
        self.connections.remove(&conn);
    }

    fn other_app(&self, app: &str) -> Option<&str> {
        self.apps.iter().find(|(one, _)| one == app).map(|(_, other)| &**other)
    }

    /// Returns parameters with what stands for ids and, in calls of the engine itself, for apps; nothing if they have none.
    fn renamed(&self, asked: &Asked) -> Option<Vec<u8>> {
        let params = asked.params.as_deref()?;
        let renamed = self.ids.as_recorded(params);
        if asked.handle != Handle::GLOBAL || self.apps.is_empty() {
            return renamed;
        }
        let mut tree = Tree::parse(renamed.as_deref().unwrap_or(params)).ok()?;
        let rename = |value: &mut Tree| {
            if let Some(other) = value.as_str().and_then(|app| self.other_app(&app)) {
                *value = Tree::string(other);
            }
        };
        tree.elements_mut().iter_mut().for_each(rename);
        tree.members_mut().for_each(|(_, value)| rename(value));
        Some(tree.to_string().into_bytes())
    }

    /// Returns the number of a call, and that of its object in all sessions.
    pub(super) fn asked(&mut self, asked: &Asked) -> (u64, u64) {
        let renamed = self.renamed(asked);
        let connection = self.connections.entry(asked.conn).or_default();
        let object = connection.object(asked.handle);
        let Ok(mut request) = Request::parse(&asked.text) else { return (object.key, object.group) };
        if let Some(renamed) = &renamed {
            request.params = Raw::new(renamed).ok();
        }
        let params = connection.requests.canonical(asked.class(), &request);
        connection.requests.remember(&request);
        let general = general(&asked.method, &params);
        let call = |object: u64| number(&(object, &*asked.method, general.as_deref().unwrap_or(&params)));
        let key = call(object.key);
        let mut opens = Opens { key, way: call(object.way), app: object.app, params: None };
        if makes(&asked.method) {
            if connection.made.len() < MOST_MADE || connection.made.contains_key(&key) {
                let count = connection.made.entry(key).or_default();
                *count += 1;
                opens.key = number(&(key, *count));
                opens.way = number(&(opens.way, *count));
            }
            opens.params = Some(params);
        }
        connection.asked.insert(asked.seq, opens);
        (key, object.group)
    }

    /// Takes in a request that is not answered.
    pub(super) fn unanswered(&mut self, asked: &Asked) {
        if let Some(connection) = self.connections.get_mut(&asked.conn) {
            connection.asked.remove(&asked.seq);
        }
    }

    /// Takes in what an answer opens and makes.
    pub(super) fn answered(&mut self, answered: &Answered) {
        let conn = answered.asked.conn;
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let Some(opens) = connection.asked.remove(&answered.asked.seq) else { return };
        let Some(result) = answered.result.as_deref() else { return };
        if let Some(params) = &opens.params
            && let Ok(result) = Tree::parse(result)
        {
            self.made(&result, params, opens.way, &mut 0);
        }
        let (Ok(result), Some(connection)) = (Raw::new(result), self.connections.get_mut(&conn)) else {
            return;
        };
        for (at, reference) in references(result).enumerate() {
            let Some(handle) = reference.handle.filter(|handle| *handle != Handle::GLOBAL) else { continue };
            // What is open already is the same object.
            if connection.objects.contains_key(&handle) || connection.objects.len() >= MOST_OBJECTS {
                continue;
            }
            let id = reference.generic_id.as_deref().unwrap_or_default();
            let id = self.ids.recorded(id).unwrap_or(id);
            let class = reference.object_type.as_deref().unwrap_or_default();
            let is_app = class == "Doc";
            let way = number(&(opens.way, at));
            let group = match id {
                "" => way,
                id if is_app => number(&(class, id)),
                id => number(&(opens.app, class, id)),
            };
            let app = if is_app { group } else { opens.app };
            connection.objects.insert(handle, Object { key: number(&(opens.key, at)), way, group, app });
        }
    }

    /// Takes in that objects are no longer open.
    pub(super) fn closed_objects(&mut self, conn: u64, handles: &[Handle]) {
        if let Some(connection) = self.connections.get_mut(&conn) {
            for handle in handles {
                connection.objects.remove(handle);
            }
        }
    }

    /// Lets ids in a result stand for the call that gave them. One that the client has chosen stands for itself, unless it looks made
    /// up.
    fn made(&mut self, result: &Tree, params: &str, opens: u64, count: &mut u32) {
        for (name, value) in result.members() {
            match value.as_str() {
                Some(id) if is_id(&[&*name]) && !id.is_empty() && !id.contains(['"', '\\']) => {
                    if is_uuid(&id) || !params.contains(&format!("\"{id}\"")) {
                        *count += 1;
                        self.ids.add(&id, &format!("id:{opens:x}:{count}"));
                    }
                }
                _ => self.made(value, params, opens, count),
            }
        }
        for value in result.elements() {
            self.made(value, params, opens, count);
        }
    }

    /// Returns a result in which handles are the numbers of their objects.
    pub(super) fn without_handles(&self, conn: u64, result: &Bytes) -> Bytes {
        let Some(connection) = self.connections.get(&conn) else { return result.clone() };
        let Ok(mut tree) = Tree::parse(result) else { return result.clone() };
        connection.rename(&mut tree);
        Bytes::from(tree.to_string())
    }
}

impl Connection {
    fn object(&self, handle: Handle) -> Object {
        let unknown = |root: u64| number(&(root, handle));
        match self.objects.get(&handle) {
            _ if handle == Handle::GLOBAL => self.root,
            Some(object) => *object,
            None => {
                let way = unknown(self.root.way);
                Object { key: unknown(self.root.key), way, group: way, app: self.root.app }
            }
        }
    }

    fn rename(&self, value: &mut Tree) {
        for (name, member) in value.members_mut() {
            let handle = member.as_i64().and_then(|number| i32::try_from(number).ok());
            match handle.filter(|_| name == "qHandle") {
                Some(handle) => {
                    *member = Tree::string(&format!("object:{:x}", self.object(Handle::new(handle)).key))
                }
                None => self.rename(member),
            }
        }
        value.elements_mut().iter_mut().for_each(|element| self.rename(element));
    }
}

/// Returns a number that is the same for equal values in all runs of this program.
pub(super) fn number(value: &(impl Hash + ?Sized)) -> u64 {
    const SEED: u64 = 0x6469_6666;
    FixedState::with_seed(SEED).hash_one(value)
}
