//! Recorded answers and pushes, read from their lines when they are asked for.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{
    ChangeSet, Handle, Lineage, Tree,
    frame::{
        Raw,
        client::Request,
        elements,
        engine::{Frame, Kind},
        members,
    },
};

use super::{
    Key, Tapes, Text,
    index::{AnswerPlace, CallId},
    key::{RecentRequests, guessed},
    line::Line,
    template::Template,
    texts::Place,
    volatile::Pairs,
};
use crate::record::{EntryKind, FrameText, Side, entry_of};

/// A recorded answer, its patches applied.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordedAnswer {
    /// Whether all of it is UTF-8, once somebody has looked.
    pub(super) is_text: OnceLock<bool>,
    pub(super) body: Body,
    pub(super) lists: Lists,
    /// Members of the frame that the protocol does not know, as written: `,"name":value`.
    pub(super) extra: Bytes,
    /// The id with which the engine answered a request that had none.
    pub(super) id: Option<Bytes>,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// The out members: names as written, values.
    Result(Vec<(Bytes, Template)>),
    /// A result that is no object, or none at all.
    Odd(Option<Bytes>),
    Error(Bytes),
}

impl Default for Body {
    fn default() -> Self {
        Self::Odd(None)
    }
}

/// The lists of a frame, by object.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    pub(super) changed: Vec<Lineage>,
    pub(super) closed: Vec<Lineage>,
    pub(super) suspended: Vec<Lineage>,
}

/// Something the engine said without being asked.
#[derive(Debug)]
pub(super) struct Push {
    /// The connection that hears it.
    pub(super) tape: usize,
    /// The time since what it is tied to.
    pub(super) since: Duration,
    pub(super) what: Pushed,
}

#[derive(Debug)]
pub(super) enum Pushed {
    /// A frame without handles, or text that is no frame: said again as it was.
    Text(Bytes),
    Binary(Bytes),
    /// A frame that has only lists.
    Lists(Lists),
    /// The answer to the call before it, once more.
    Again,
    /// The engine closed.
    Close(Option<u16>, String),
    /// The connection broke.
    Drop,
}

/// What came of a recorded call.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Answer(Arc<RecordedAnswer>),
    /// There was none.
    Unanswered,
    /// There was one, or may have been, that the recording does not have.
    Lost,
}

impl Lists {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.closed.is_empty() && self.suspended.is_empty()
    }

    /// Adds what another has and this one has not.
    pub(super) fn join(&mut self, other: &Self, keep: impl Fn(&Lineage) -> bool) {
        let lists = [
            (&mut self.changed, &other.changed),
            (&mut self.closed, &other.closed),
            (&mut self.suspended, &other.suspended),
        ];
        for (own, others) in lists {
            for lineage in others.iter().filter(|lineage| keep(lineage)) {
                if !own.contains(lineage) {
                    own.push(lineage.clone());
                }
            }
        }
    }
}

impl RecordedAnswer {
    /// Returns how many bytes of the result are copied, about.
    pub(super) fn small_size(&self) -> usize {
        match &self.body {
            Body::Result(members) => {
                members.iter().map(|(name, value)| name.len() + value.small_size()).sum()
            }
            Body::Odd(Some(text)) | Body::Error(text) => Text::small_size(text.len()),
            Body::Odd(None) => 0,
        }
    }

    /// Returns what the answer opened, with the references to it.
    pub(super) fn opened(&self) -> impl Iterator<Item = (&Lineage, &Template)> {
        let members = match &self.body {
            Body::Result(members) => &members[..],
            _ => &[],
        };
        members.iter().filter_map(|(_, value)| Some((value.opens()?, value)))
    }

    /// Returns about how many bytes of memory it takes.
    pub(super) fn footprint(&self) -> usize {
        let body = match &self.body {
            Body::Result(outs) => {
                outs.iter().map(|(name, value)| name.len() + value.text().len() + 128).sum()
            }
            Body::Odd(result) => result.as_ref().map_or(0, Bytes::len),
            Body::Error(error) => error.len(),
        };
        size_of::<Self>() + 64 + body + self.extra.len()
    }

    /// Returns the answer with what the live client has made up for what the recorded one had, if there is any of that in it.
    pub(super) fn as_live(&self, pairs: &Pairs) -> Option<Self> {
        let mut changed = false;
        let mut text = |text: &Bytes| match pairs.as_live(text) {
            Some(live) => {
                changed = true;
                live.into()
            }
            None => text.clone(),
        };
        let body = match &self.body {
            Body::Error(error) => Body::Error(text(error)),
            Body::Odd(result) => Body::Odd(result.as_ref().map(&mut text)),
            Body::Result(outs) => {
                let out = |(name, value): &(Bytes, Template)| {
                    let live = value.exchanged(|part| pairs.as_live(part));
                    changed |= live.is_some();
                    (name.clone(), live.unwrap_or_else(|| value.clone()))
                };
                Body::Result(outs.iter().map(out).collect())
            }
        };
        changed.then(|| Self { body, is_text: OnceLock::new(), ..self.clone() })
    }
}

impl Tapes {
    /// Returns what came of a call.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not what it was.
    pub(super) fn outcome(&self, call: CallId) -> io::Result<Outcome> {
        let at = match self.index.answer(call) {
            AnswerPlace::None => return Ok(Outcome::Unanswered),
            AnswerPlace::Lost => return Ok(Outcome::Lost),
            AnswerPlace::At(at) => at,
        };
        if let Some(answer) = self.cache().get(call) {
            return Ok(Outcome::Answer(answer));
        }
        let answer = Arc::new(self.read_answer(call, at)?);
        self.cache().put(call, &answer);
        Ok(Outcome::Answer(answer))
    }

    fn read_answer(&self, call: CallId, at: Place) -> io::Result<RecordedAnswer> {
        let changed = || self.texts.changed(at);
        let text = self.message(at, Side::Engine)?;
        let Ok(Frame { kind: Kind::Response(response), changes }) = Frame::parse(&text) else {
            return Err(changed());
        };
        let frame = Raw::new(&text).map_err(|_| changed())?;
        let tape = self.tape_of(call);
        let lineage = |handle| self.lineage_at(tape, handle, at);
        let body = if response.error.is_some() {
            let error = members(frame).filter(|(name, _)| name == "error").last();
            Body::Error(error.map(|(_, error)| text.slice_ref(error.as_bytes())).unwrap_or_default())
        } else if let Some(spilled) = self.spilled.get(&call.0) {
            let plain = self.texts.line(*spilled)?;
            body(&plain, Raw::new(&plain).map_err(|_| changed())?, false, lineage)
        } else {
            match response.result {
                Some(result) => body(&text, result, response.delta, lineage),
                None => Body::Odd(None),
            }
        };
        let mut extra = Vec::new();
        let known = |name: &str| {
            matches!(name, "jsonrpc" | "id" | "result" | "error" | "delta" | "change" | "close" | "suspend")
        };
        for (name, value) in members(frame).filter(|(name, _)| !known(name)) {
            extra.push(b',');
            Tree::string(&name).write(&mut extra);
            extra.push(b':');
            extra.extend_from_slice(value.as_bytes());
        }
        let without_id = self.without_id.binary_search(&call.0).is_ok();
        Ok(RecordedAnswer {
            is_text: OnceLock::new(),
            body,
            lists: self.lists(tape, &changes, at),
            extra: extra.into(),
            id: response.id.filter(|_| without_id).map(|id| text.slice_ref(id.as_bytes())),
        })
    }

    /// Returns what the engine said unasked at a place.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    pub(super) fn push_at(&self, tape: usize, at: Place) -> io::Result<Push> {
        let line = self.texts.line(at)?;
        let what = match self.entry(&line) {
            Some(EntryKind::Frame { from: Side::Engine, text: FrameText::Text(text) }) => {
                match Frame::parse(&text) {
                    // Others with an id are no answers, and not kept.
                    Ok(Frame { kind: Kind::Response(response), .. }) if response.id.is_some() => {
                        Pushed::Again
                    }
                    Ok(Frame { kind: Kind::Push, changes }) => Pushed::Lists(self.lists(tape, &changes, at)),
                    _ => Pushed::Text(text),
                }
            }
            Some(EntryKind::Frame { text: FrameText::Binary(bytes), .. }) => Pushed::Binary(bytes),
            Some(EntryKind::Close(closing)) if closing.clean => Pushed::Close(closing.code, closing.reason),
            Some(EntryKind::Close(_)) => Pushed::Drop,
            _ => return Err(self.texts.changed(at)),
        };
        Ok(Push { tape, since: Duration::ZERO, what })
    }

    /// Returns what makes requests equal to this call. What cannot be read any more is shown as `…`.
    pub(super) fn key(&self, call: CallId) -> Key {
        let subject = &self.subjects[self.index.subject(call) as usize];
        let lineage = self.lineages[subject.lineage as usize].clone();
        let Ok(text) = self.message(self.index.place(call), Side::Client) else {
            return Key {
                lineage,
                method: self.methods[subject.method as usize].clone(),
                params: "…".into(),
            };
        };
        let clean = self.redaction.frame(&text).map(|clean| Bytes::from(clean.text));
        let text = clean.unwrap_or(text);
        match Request::parse(&text) {
            Ok(request) => Key::new(lineage, &request, &RecentRequests::default()),
            Err(_) => Key::of_text(&text),
        }
    }

    /// Returns the message at a place.
    fn message(&self, at: Place, from: Side) -> io::Result<Bytes> {
        let line = self.texts.line(at)?;
        match self.entry(&line) {
            Some(EntryKind::Frame { from: by, text: FrameText::Text(text) | FrameText::Binary(text) })
                if by == from =>
            {
                Ok(text)
            }
            _ => Err(self.texts.changed(at)),
        }
    }

    fn entry(&self, line: &Bytes) -> Option<EntryKind> {
        if let Some(Line { from, json, .. }) = Line::parse(line)
            && json.first() == Some(&b'{')
            && json.last() == Some(&b'}')
            && Raw::new(json).is_ok()
        {
            return Some(EntryKind::Frame { from, text: FrameText::Text(line.slice_ref(json)) });
        }
        entry_of(line).ok().map(|entry| entry.kind)
    }

    fn lineage_at(&self, tape: usize, handle: Handle, at: Place) -> Option<Lineage> {
        if handle == Handle::GLOBAL {
            return Some(Lineage::GLOBAL);
        }
        let object = self.tapes[tape].history.object(handle, at)?;
        Some(self.lineages[object as usize].clone())
    }

    fn lists(&self, tape: usize, changes: &ChangeSet, at: Place) -> Lists {
        let lineage =
            |handle: &Handle| self.lineage_at(tape, *handle, at).unwrap_or_else(|| guessed(*handle));
        let lineages = |handles: &[Handle]| handles.iter().map(lineage).collect();
        Lists {
            changed: lineages(&changes.changed),
            closed: lineages(&changes.closed),
            suspended: lineages(&changes.suspended),
        }
    }
}

fn body(text: &Bytes, result: Raw<'_>, delta: bool, lineage: impl Fn(Handle) -> Option<Lineage>) -> Body {
    if result.as_bytes().first() != Some(&b'{') {
        return Body::Odd(Some(text.slice_ref(result.as_bytes())));
    }
    let out = |(name, value): (std::borrow::Cow<'_, str>, Raw<'_>)| {
        let value = if delta { root_value(value).unwrap_or(value) } else { value };
        let mut written = Vec::new();
        Tree::string(&name).write(&mut written);
        (written.into(), Template::of_member(value, text, &lineage))
    };
    Body::Result(members(result).map(out).collect())
}

/// Returns the value that a list of patches sets the whole to, if that is all it does.
pub(super) fn root_value(patches: Raw<'_>) -> Option<Raw<'_>> {
    let mut patches = elements(patches);
    let patch = patches.next()?;
    if patches.next().is_some() {
        return None;
    }
    let (mut sets, mut root, mut found) = (false, false, None);
    for (name, value) in members(patch) {
        match &*name {
            "op" => sets = matches!(value.as_bytes(), b"\"add\"" | b"\"replace\""),
            "path" => root = matches!(value.as_bytes(), b"\"/\"" | b"\"\""),
            "value" => found = Some(value),
            _ => return None,
        }
    }
    found.filter(|_| sets && root)
}
