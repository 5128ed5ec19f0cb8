//! What was open, known and selected at a moment.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use qix_protocol::frame::Raw;

use crate::{
    filter::Filter,
    model::{Call, Called, Event, ModelBuilder, Object},
    record::Entry,
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
}

/// An open object.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) object: Arc<Object>,
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
    /// What was done since.
    pub(super) since: Vec<(Duration, String)>,
}

/// How much of what was selected since the engine told is kept, for each connection.
const MOST_SINCE: usize = 100;

impl World {
    /// Starts with nothing known.
    pub(crate) fn new(what: What, at: Duration) -> Self {
        let builder = ModelBuilder::new();
        let builder = if matches!(what, What::Layouts(_)) { builder } else { builder.without_results() };
        Self { at, what, builder, open: BTreeMap::new(), selected: BTreeMap::new() }
    }

    /// Takes in an entry. Returns whether more is to come: entries behind the moment do not count.
    pub(crate) fn take(&mut self, entry: Entry) -> bool {
        if entry.at > self.at {
            return false;
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
                None => {
                    let standing = Standing { object, fetched: None, layout: None, changed: None };
                    self.open.insert(standing.object.number, standing);
                }
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
                        *selected = Selected { state: Some((selection.at, state)), since: Vec::new() }
                    }
                    None if selected.since.len() < MOST_SINCE => {
                        selected.since.push((selection.at, selection.words))
                    }
                    None => {}
                }
            }
            Event::Disconnected(end) => {
                self.selected.remove(&end.conn);
            }
            _ => {}
        }
    }

    fn called(&mut self, Called { call, body }: Called) {
        if !matches!(&*call.method, "GetLayout" | "GetAppLayout")
            || call.answer.is_none()
            || body.error.is_some()
        {
            return;
        }
        let Some(standing) = self.open.get_mut(&call.object.number) else { return };
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

    /// Returns the objects whose layouts are wanted.
    pub(super) fn wanted(&self) -> Vec<&Standing> {
        let What::Layouts(wanted) = &self.what else { return self.open.values().collect() };
        let is_wanted =
            |object: &Object| wanted.is_object(&object.name(), [&object.kind, &object.id, &object.title]);
        self.open.values().filter(|standing| is_wanted(&standing.object)).collect()
    }
}
