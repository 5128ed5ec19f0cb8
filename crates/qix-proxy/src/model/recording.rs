//! A recording as a whole, without its messages.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{
    Call, Change, Connection, Disconnected, Event, Events, Exchange, Notice, Object, Progress, Selection,
};
use crate::record::{Entry, ReadError};

/// Everything a recording tells but what was said: calls, objects, connections, selections, changes, reloads, plain HTTP, notices.
///
/// It takes memory for each call and object, some 200 bytes, and none for the messages; who wants these reads them again by
/// [`Call::seq`], or keeps [`Body`](super::Body)s as they are told.
///
/// ```
/// use qix_proxy::{model::{Fetch, RecordingModel}, record::RecordingReader};
///
/// let recording = br#"{"qixrec":[1,2]}
/// {"seq":1,"t":0,"conn":1,"kind":"open","url":"/app/a","status":101,"request":[],"response":[]}
/// {"seq":2,"t":10,"conn":1,"kind":"frame","from":"client","json":{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}}
/// {"seq":3,"t":900,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}}}}
/// {"seq":4,"t":950,"conn":1,"kind":"frame","from":"client","json":{"id":2,"handle":1,"method":"GetAppLayout","params":[]}}
/// "#;
/// let model = RecordingModel::read(RecordingReader::new(&recording[..], "session.qixrec")?)?;
/// let [opening, layout] = &model.calls[..] else { panic!("two calls") };
/// assert_eq!((opening.object.name(), &*opening.method), ("global".to_owned(), "OpenDoc"));
/// assert_eq!(opening.latency().unwrap().as_micros(), 890);
/// assert_eq!((layout.object.name(), layout.fetch), ("app Sales".to_owned(), Some(Fetch::First)));
/// assert!(layout.answer.is_none() && model.ends[0].unanswered == 1);
/// # Ok::<(), qix_proxy::record::ReadError>(())
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RecordingModel {
    /// The calls, those with an answer in the order of the answers.
    pub calls: Vec<Arc<Call>>,
    /// The objects, by [`Object::number`], as they were called last.
    pub objects: BTreeMap<u64, Arc<Object>>,
    /// When objects were closed, since the recording started, by [`Object::number`].
    pub closed: BTreeMap<u64, Duration>,
    /// The connections, and the upgrades that were turned away, in their order. [`Connection::session`] is what was known in the end.
    pub connections: Vec<Connection>,
    /// The ends of connections.
    pub ends: Vec<Disconnected>,
    /// The engine's words that objects have changed.
    pub changes: Vec<Change>,
    /// Selections over time.
    pub selections: Vec<Selection>,
    /// Reloads and saves over time, by [`Progress::seq`].
    pub progress: Vec<Progress>,
    /// Exchanges of plain HTTP.
    pub exchanges: Vec<Exchange>,
    /// What else happened.
    pub notices: Vec<Notice>,
    /// How long the recording is: the latest time that it tells of.
    pub duration: Duration,
    /// The place of each connection in `connections`, by its number.
    places: HashMap<u64, usize>,
}

impl RecordingModel {
    /// Reads entries, such as those of [`RecordingParts`](crate::record::RecordingParts).
    ///
    /// # Errors
    ///
    /// As reading has. What was read before is lost; [`add`](Self::add) by hand keeps it.
    pub fn read<E: Iterator<Item = Result<Entry, ReadError>>>(
        entries: impl IntoIterator<IntoIter = E>,
    ) -> Result<Self, ReadError> {
        let mut model = Self::default();
        for event in Events::new(entries) {
            model.add(&event?);
        }
        Ok(model)
    }

    /// Takes in an event.
    pub fn add(&mut self, event: &Event) {
        match event {
            Event::Connected(connection) => {
                self.reached(connection.at);
                self.places.insert(connection.conn, self.connections.len());
                self.connections.push(connection.clone());
            }
            Event::Greeted { conn, session, .. } => {
                let known = self.places.get(conn).and_then(|place| self.connections.get_mut(*place));
                if let Some(connection) = known.filter(|connection| connection.conn == *conn) {
                    connection.session = *session;
                }
            }
            Event::Disconnected(end) => {
                self.reached(end.at);
                self.ends.push(end.clone());
            }
            Event::Asked(call) => self.reached(call.at),
            Event::Called(called) => {
                self.reached(called.call.answer.as_ref().map_or(called.call.at, |answer| answer.at));
                self.calls.push(Arc::clone(&called.call));
            }
            Event::Object(object) => {
                self.objects.insert(object.number, Arc::clone(object));
            }
            Event::Closed { at, objects } => {
                self.reached(*at);
                self.closed.extend(objects.iter().map(|object| (*object, *at)));
            }
            Event::Changed(change) => {
                self.reached(change.at);
                self.changes.push(change.clone());
            }
            Event::Selected(selection) => self.selections.push(selection.clone()),
            Event::Progress(progress) => self.progress.push(progress.clone()),
            Event::Exchanged(exchange) => {
                self.reached(exchange.at + exchange.took);
                self.exchanges.push(exchange.clone());
            }
            Event::Notice(notice) => {
                self.reached(notice.at);
                self.notices.push(notice.clone());
            }
        }
    }

    /// Returns an object as it was called last.
    pub fn object(&self, number: u64) -> Option<&Arc<Object>> {
        self.objects.get(&number)
    }

    fn reached(&mut self, at: Duration) {
        self.duration = self.duration.max(at);
    }
}
