//! What was open, known and selected at a moment.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{Handle, frame::Raw};

use crate::{
    filter::Filter,
    model::{Call, Called, Event, ModelBuilder, Object},
    record::{Entry, EntryKind},
};

/// What is to be told of the moment.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// The open handles.
    Handles,
    /// The layouts of the objects that a filter finds, as they were known last.
    Layouts(Filter),
    /// What is selected.
    Selections,
}

/// The state of the world at a moment, put together from the entries before it.
#[derive(Debug)]
pub(crate) struct World {
    pub(super) at: Duration,
    pub(super) what: What,
    builder: ModelBuilder,
    /// The open objects, by their number.
    pub(super) open: BTreeMap<u64, Standing>,
    /// What is selected, by connection.
    pub(super) selected: BTreeMap<u64, Selected>,
    /// Whether the reading has come to a gap that began before the moment: ends of connections follow that may lie before it too.
    behind_gap: bool,
}

/// An open object.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) object: Arc<Object>,
    /// Whether the engine has answered a call on it without an error: one that nobody was seen to open may be none.
    is_answered: bool,
    /// The call that was answered with its layout last.
    pub(super) fetched: Option<Arc<Call>>,
    /// The layout, if it is wanted and known.
    pub(super) layout: Option<Bytes>,
    /// When the engine said that it has changed, if it was not fetched since.
    pub(super) changed: Option<(Duration, Option<u64>)>,
}

/// What is selected on a connection.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// What the engine told last, and when.
    pub(super) state: Option<(Duration, Vec<(String, String)>)>,
    /// What was done since: the latest of it.
    pub(super) since: VecDeque<(Duration, String)>,
    /// How much was done before that.
    pub(super) left_out: u64,
}

impl Standing {
    fn new(object: Arc<Object>) -> Self {
        Self { object, is_answered: false, fetched: None, layout: None, changed: None }
    }

    /// Returns when it was opened, if that was seen.
    pub(super) fn opened(&self) -> Option<Duration> {
        // Global is there from the beginning.
        let is_seen = self.object.by.is_some() || self.object.handle == Handle::GLOBAL;
        is_seen.then_some(self.object.opened)
    }
}

/// How much of what was selected since the engine told is kept, for each connection.
const MOST_SINCE: usize = 100;

impl World {
    /// Starts with nothing known.
    pub(crate) fn new(what: What, at: Duration) -> Self {
        let builder = ModelBuilder::new();
        let builder = if matches!(what, What::Layouts(_)) { builder } else { builder.without_results() };
        Self { at, what, builder, open: BTreeMap::new(), selected: BTreeMap::new(), behind_gap: false }
    }

    /// Takes in an entry. Returns whether more is to come: entries behind the moment do not count.
    pub(crate) fn take(&mut self, entry: Entry) -> bool {
        if entry.at > self.at {
            return match entry.kind {
                EntryKind::Gap(gap) => {
                    self.behind_gap |= gap.since <= self.at;
                    self.behind_gap
                }
                // Each has its own time.
                EntryKind::Close(_) => self.behind_gap,
                _ => false,
            };
        }
        let mut events = Vec::new();
        self.builder.take(entry, &mut |event| events.push(event));
        for event in events {
            self.event(event);
        }
        true
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Object(object) => match self.open.get_mut(&object.number) {
                Some(standing) => standing.object = object,
                None => _ = self.open.insert(object.number, Standing::new(object)),
            },
            Event::Closed { objects, .. } => objects.iter().for_each(|number| drop(self.open.remove(number))),
            Event::Called(called) => self.called(*called),
            Event::Changed(change) if !change.is_suspended => {
                for number in &change.objects {
                    if let Some(standing) = self.open.get_mut(number) {
                        standing.changed = Some((change.at, change.by));
                    }
                }
            }
            Event::Selected(selection) => {
                let selected = self.selected.entry(selection.conn).or_default();
                match selection.state {
                    Some(state) => {
                        *selected = Selected { state: Some((selection.at, state)), ..Selected::default() }
                    }
                    None => {
                        selected.since.push_back((selection.at, selection.words));
                        if selected.since.len() > MOST_SINCE {
                            selected.since.pop_front();
                            selected.left_out += 1;
                        }
                    }
                }
            }
            Event::Disconnected(end) => {
                self.selected.remove(&end.conn);
            }
            _ => {}
        }
    }

    fn called(&mut self, Called { call, body }: Called) {
        if call.answer.is_none() || body.error.is_some() {
            return;
        }
        let Some(standing) = self.open.get_mut(&call.object.number) else { return };
        standing.is_answered = true;
        if !matches!(&*call.method, "GetLayout" | "GetAppLayout") {
            return;
        }
        // A change that came between the question and its answer is in the answer, as far as anybody can tell.
        standing.changed = None;
        if let What::Layouts(wanted) = &self.what {
            let object = &call.object;
            let is_wanted = wanted.is_object(&object.name(), [&object.kind, &object.id, &object.title]);
            standing.layout = body.result.filter(|_| is_wanted).and_then(|result| {
                let layout = Raw::new(&result).ok()?.member("qLayout")?;
                Some(result.slice_ref(layout.as_bytes()))
            });
        }
        standing.fetched = Some(call);
    }

    /// Returns the objects that are open: those that were seen to be opened, or to answer.
    pub(super) fn seen(&self) -> impl Iterator<Item = &Standing> {
        self.open.values().filter(|standing| standing.object.lineage.is_some() || standing.is_answered)
    }

    /// Returns the objects whose layouts are wanted.
    pub(super) fn wanted(&self) -> Vec<&Standing> {
        let What::Layouts(wanted) = &self.what else { return self.seen().collect() };
        let is_wanted =
            |object: &Object| wanted.is_object(&object.name(), [&object.kind, &object.id, &object.title]);
        self.seen().filter(|standing| is_wanted(&standing.object)).collect()
    }
}
