//! What makes a call of one recording that of the other: object, method and parameters, without what differs from run to run.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

use bytes::Bytes;
use foldhash::quality::FixedState;
use qix_protocol::{
    Handle, Lineage, Tree, creates,
    frame::{Raw, client::Request},
};

use crate::{
    calls::{Answered, Asked},
    compare::is_id,
    record::Opening,
    replay::{Pairs, RecentRequests, SessionPath, general},
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
    /// What stands for ids, and for apps that others are taken for.
    ids: Pairs,
    apps: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Connection {
    root: u64,
    objects: HashMap<Handle, (Lineage, u64)>,
    requests: RecentRequests,
    /// What answers open and make, by the number of the request: its number, and its parameters if it makes something.
    asked: HashMap<u64, (u64, Option<String>)>,
    made: HashMap<u64, u32>,
}

impl Keys {
    /// Starts with nothing. Apps are those of this recording, and what they are called in the other one.
    pub(super) fn new(apps: &[(String, String)]) -> Self {
        let mut keys = Self { apps: apps.to_vec(), ..Self::default() };
        for (one, other) in apps {
            keys.ids.add(one, other);
        }
        keys
    }

    /// Takes in a connection. Those with the same path are told apart by their order.
    pub(super) fn opened(&mut self, conn: u64, opening: &Opening) {
        if self.connections.contains_key(&conn) {
            return;
        }
        let path = opening.url.split('?').next().unwrap_or_default();
        let mut path = SessionPath::parse(path).bare;
        for (one, other) in &self.apps {
            if let Some((before, rest)) = path.split_once(&format!("/app/{one}"))
                && (rest.is_empty() || rest.starts_with('/'))
            {
                path = format!("{before}/app/{other}{rest}");
                break;
            }
        }
        let path = number(&path);
        let count = self.paths.entry(path).or_default();
        *count += 1;
        self.connections.insert(conn, Connection { root: number(&(path, *count)), ..Connection::default() });
    }

    /// Takes in the end of a connection.
    pub(super) fn closed(&mut self, conn: u64) {
        self.connections.remove(&conn);
    }

    /// Returns the number of a call, and that of its object.
    pub(super) fn asked(&mut self, asked: &Asked) -> (u64, u64) {
        let connection = self.connections.entry(asked.conn).or_default();
        let object = connection.object(asked.handle);
        let renamed = asked.params.as_deref().and_then(|params| self.ids.as_recorded(params));
        let (Ok(mut request), renamed) = (Request::parse(&asked.text), renamed.map(Bytes::from)) else {
            return (object, object);
        };
        if let Some(renamed) = &renamed {
            request.params = Raw::new(renamed).ok();
        }
        let canonical = connection.requests.canonical(asked.class(), &request);
        connection.requests.remember(&request);
        let params = general(&asked.method, &canonical).unwrap_or(canonical);
        let makes = makes(&asked.method);
        let key = number(&(object, &*asked.method, &*params));
        let mut opens = key;
        if makes && (connection.made.len() < MOST_MADE || connection.made.contains_key(&key)) {
            let count = connection.made.entry(key).or_default();
            *count += 1;
            opens = number(&(key, *count));
        }
        connection.asked.insert(asked.seq, (opens, makes.then_some(params)));
        (key, object)
    }

    /// Takes in a request that is not answered.
    pub(super) fn unanswered(&mut self, asked: &Asked) {
        if let Some(connection) = self.connections.get_mut(&asked.conn) {
            connection.asked.remove(&asked.seq);
        }
    }

    /// Takes in what an answer opens and makes.
    pub(super) fn answered(&mut self, answered: &Answered) {
        let Some(connection) = self.connections.get_mut(&answered.asked.conn) else { return };
        let Some((opens, params)) = connection.asked.remove(&answered.asked.seq) else { return };
        for (at, (handle, lineage)) in answered.opened.iter().enumerate() {
            let Some(lineage) = lineage else { continue };
            let known = connection.objects.get(handle);
            // What is open already is the same object.
            if known.is_none_or(|(known, _)| known != lineage) && connection.objects.len() < MOST_OBJECTS {
                connection.objects.insert(*handle, (lineage.clone(), number(&(opens, at))));
            }
        }
        for handle in &answered.changes.closed {
            connection.objects.remove(handle);
        }
        if let Some(params) = params
            && let Some(Ok(result)) = answered.result.as_deref().map(Tree::parse)
        {
            let mut count = 0;
            self.made(&result, &params, opens, &mut count);
        }
    }

    /// Lets ids in a result, unless the client has chosen them, stand for the call that gave them.
    fn made(&mut self, result: &Tree, params: &str, opens: u64, count: &mut u32) {
        for (name, value) in result.members() {
            match value.as_str() {
                Some(id) if is_id(&[&*name]) && !id.is_empty() && !id.contains(['"', '\\']) => {
                    if !params.contains(&format!("\"{id}\"")) {
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
    fn object(&self, handle: Handle) -> u64 {
        match self.objects.get(&handle) {
            _ if handle == Handle::GLOBAL => self.root,
            Some((_, object)) => *object,
            None => number(&(self.root, handle)),
        }
    }

    fn rename(&self, value: &mut Tree) {
        let names: Vec<_> = value.members().map(|(name, _)| name.into_owned()).collect();
        for name in names {
            let Some(member) = value.member_mut(&name) else { continue };
            let handle = member.as_i64().and_then(|number| i32::try_from(number).ok());
            match handle.filter(|_| name == "qHandle") {
                Some(handle) => {
                    *member = Tree::string(&format!("object:{:x}", self.object(Handle::new(handle))))
                }
                None => self.rename(member),
            }
        }
        for at in 0..value.elements().len() {
            value.element_mut(at).into_iter().for_each(|element| self.rename(element));
        }
    }
}

/// Returns whether a call may give ids to what it makes.
pub(super) fn makes(method: &str) -> bool {
    creates(method) || ["Store", "Clone", "Replace", "SaveAs"].iter().any(|start| method.starts_with(start))
}

/// Returns a number that is the same for equal values in all runs of this program.
pub(super) fn number(value: &(impl Hash + ?Sized)) -> u64 {
    const SEED: u64 = 0x6469_6666;
    FixedState::with_seed(SEED).hash_one(value)
}
