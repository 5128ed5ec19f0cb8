//! Makes the objects of a session again on a new socket.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{Answer, ErrorCode, Handle, ObjectReference, SessionState, frame::Raw, references};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::{
    plan::{Try, tries},
    report::{Fate, ResumeReport, Selections},
};
use crate::{Error, ErrorKind, command::Reply, object::State, request::Target};

/// What the driver keeps while objects are made again.
pub(crate) struct Restoring {
    /// Calls to be made.
    pub(super) steps: mpsc::UnboundedReceiver<Step>,
    /// Waits for the engine's greeting.
    pub(crate) greeted: Option<oneshot::Sender<SessionState>>,
    /// Whether the engine has greeted with a new session.
    pub(crate) created: bool,
    /// Handles that the engine has closed meanwhile.
    pub(crate) closed: Vec<Handle>,
}

/// One call that belongs to a resume: it passes by the queue and all layers.
pub(super) struct Step {
    pub(super) to: Handle,
    pub(super) method: Cow<'static, str>,
    pub(super) params: Bytes,
    pub(super) reply: Reply,
}

/// What is to be made again, and how.
pub(super) struct Task {
    pub(super) steps: mpsc::UnboundedSender<Step>,
    pub(super) greeting: oneshot::Receiver<SessionState>,
    pub(super) greeting_timeout: Duration,
    pub(super) only_if_attached: bool,
    /// Whether an attempt before this one has found the session lost: what is attached to now is not it.
    pub(super) was_lost: bool,
    pub(super) objects: Vec<Arc<State>>,
    /// The temporary state that the latest selections are stored in.
    pub(super) selections: Option<String>,
}

/// What came of it.
pub(super) struct Restored {
    pub(super) greeting: Option<SessionState>,
    pub(super) report: ResumeReport,
    /// Each object with its handle on the new socket; none for those that are lost.
    pub(super) objects: Vec<(Arc<State>, Option<Handle>)>,
}

/// Pauses between attempts to open an app that is being reloaded; catwalk takes half a second.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often a call is made again that the engine has aborted.
const MOST_ABORTS: u32 = 10;

impl Task {
    /// Does it all. There is no limit of time in here but that for the greeting.
    pub(super) async fn run(mut self) -> Result<Restored, Error> {
        let app = self.objects.iter().position(|object| object.kind() == "Doc");
        // Behind a Qlik Sense proxy the greeting comes only after the first request.
        let knock = match app {
            Some(_) => self.call(Handle::GLOBAL, "GetActiveDoc", "[]"),
            None => self.call(Handle::GLOBAL, "EngineVersion", "[]"),
        };
        let greeting = timeout(self.greeting_timeout, &mut self.greeting).await.ok().and_then(Result::ok);
        if greeting.as_ref().is_some_and(SessionState::is_fatal) {
            // The socket is about to end, and says more.
            return Err(Error::new(ErrorKind::Closed));
        }
        let active = opened(answer(knock).await);
        let attached = match &greeting {
            Some(state) => *state == SessionState::Attached,
            None => active.is_ok() && !app.is_some_and(|app| is_session_app(&self.objects[app])),
        };
        if self.only_if_attached && (!attached || self.was_lost) {
            return Err(Error::new(ErrorKind::NotAttached));
        }
        let mut report = ResumeReport { attached: attached && !self.was_lost, ..ResumeReport::default() };
        let mut handles = HashMap::from([(Handle::GLOBAL, Handle::GLOBAL)]);
        let app = match app {
            Some(at) => Some(self.open_app(at, active, attached, &mut handles, &mut report).await?),
            None => None,
        };
        if let Some(app) = app.flatten() {
            self.restore_selections(app, &mut report).await;
        }
        self.open_objects(app.flatten(), attached, &mut handles, &mut report).await?;
        let objects = std::mem::take(&mut self.objects).into_iter();
        let objects = objects.map(|object| {
            let handle = handles.get(&object.handle()).copied();
            (object, handle)
        });
        Ok(Restored { greeting, objects: objects.collect(), report })
    }

    /// Opens the app, which all other objects are opened from.
    async fn open_app(
        &self,
        at: usize,
        active: Result<ObjectReference, Error>,
        attached: bool,
        handles: &mut HashMap<Handle, Handle>,
        report: &mut ResumeReport,
    ) -> Result<Option<Handle>, Error> {
        let app = &self.objects[at];
        let mut pause = FIRST_PAUSE;
        let mut found = active;
        let mut opened_anew = false;
        let mut asked_active = false;
        loop {
            match found {
                Ok(reference) if is_same(app, &reference) => {
                    let handle = reference.handle;
                    let fates = if opened_anew || !attached { &mut report.rebuilt } else { &mut report.kept };
                    fates.push(Fate::of(app, ""));
                    handles.extend(handle.map(|handle| (app.handle(), handle)));
                    return Ok(handle);
                }
                Ok(reference) => {
                    let open = reference.generic_id.unwrap_or_default();
                    let reason = format!("the session has another app open: {open}");
                    report.lost.push(Fate::of(app, reason));
                    return Ok(None);
                }
                Err(error) => match code(&error) {
                    _ if error.kind() == ErrorKind::Closed => return Err(error),
                    Some(ErrorCode::APP_ALREADY_OPEN) if opened_anew && !asked_active => {
                        asked_active = true;
                        found = opened(answer(self.call(Handle::GLOBAL, "GetActiveDoc", "[]")).await);
                        continue;
                    }
                    Some(ErrorCode::RELOAD_IN_PROGRESS | ErrorCode::GENERIC_ABORTED) => {
                        sleep(pause).await;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                    }
                    _ if !opened_anew => {}
                    _ => {
                        report.lost.push(Fate::of(app, words(&error)));
                        return Ok(None);
                    }
                },
            }
            let Some(params) = open_params(app) else {
                report.lost.push(Fate::of(app, "a session app ends with its session"));
                return Ok(None);
            };
            opened_anew = true;
            found = opened(answer(self.call(Handle::GLOBAL, "OpenDoc", params)).await);
        }
    }

    async fn restore_selections(&self, app: Handle, report: &mut ResumeReport) {
        if report.attached {
            return;
        }
        report.selections = Selections::Lost;
        if let Some(id) = &self.selections {
            let params = json!([id]).to_string();
            let outcome = answer(self.call(app, "RestoreTempSelectionState", params)).await;
            let is_done = |answer: Answer| {
                let text = answer.text();
                Raw::new(&text).ok()?.member("qReturn")?.decode::<bool>().ok()
            };
            if outcome.ok().and_then(is_done) == Some(true) {
                report.selections = Selections::Restored;
            }
        }
    }

    /// Opens everything else, those first that others were opened from; what has the same depth at once.
    async fn open_objects(
        &self,
        app: Option<Handle>,
        attached: bool,
        handles: &mut HashMap<Handle, Handle>,
        report: &mut ResumeReport,
    ) -> Result<(), Error> {
        let is_other = |object: &&Arc<State>| !matches!(object.kind(), "Doc" | "Global");
        let mut level: Vec<&Arc<State>> = self.objects.iter().filter(is_other).collect();
        let mut taken: HashSet<Handle> = handles.values().copied().collect();
        while !level.is_empty() {
            let missing: HashSet<Handle> = level.iter().map(|object| object.handle()).collect();
            let waits = |object: &&Arc<State>| parent(object).is_some_and(|parent| missing.contains(&parent));
            let (later, mut ready): (Vec<_>, Vec<_>) = level.drain(..).partition(waits);
            if ready.is_empty() {
                // Openers form no circle; should they, nobody is to wait for ever.
                ready = later;
            } else {
                level = later;
            }
            let mut queue: Vec<Attempt<'_>> = Vec::with_capacity(ready.len());
            for object in ready {
                let from = parent(object).map_or(app, |parent| handles.get(&parent).copied());
                queue.push(Attempt { object, from, tries: tries(object, attached).into(), aborts: 0 });
            }
            while !queue.is_empty() {
                queue = self.round(queue, app, handles, &mut taken, report).await?;
            }
        }
        Ok(())
    }

    /// Makes one call for each object, and returns those that need another.
    async fn round<'a>(
        &self,
        queue: Vec<Attempt<'a>>,
        app: Option<Handle>,
        handles: &mut HashMap<Handle, Handle>,
        taken: &mut HashSet<Handle>,
        report: &mut ResumeReport,
    ) -> Result<Vec<Attempt<'a>>, Error> {
        let mut sent = Vec::with_capacity(queue.len());
        for attempt in queue {
            let Some(next) = attempt.tries.front() else {
                report.lost.push(Fate::of(attempt.object, "it can be found by no call"));
                continue;
            };
            let Some(to) = (if next.on_app { app } else { attempt.from }) else {
                report.lost.push(Fate::of(attempt.object, "what it was opened from is lost"));
                continue;
            };
            let pending = self.call(to, next.method.clone(), next.params.clone());
            sent.push((attempt, pending));
        }
        let mut again = Vec::new();
        let mut must_pause = false;
        for (mut attempt, pending) in sent {
            match opened(answer(pending).await) {
                Ok(ObjectReference { handle: Some(handle), .. }) => {
                    if !taken.insert(handle) {
                        report.lost.push(Fate::of(attempt.object, "it is another object now"));
                        continue;
                    }
                    handles.insert(attempt.object.handle(), handle);
                    let made = attempt.tries.front().is_some_and(|made| made.makes);
                    let patched = made && attempt.object.is_patched();
                    let reason = if patched { "patches of its properties are lost" } else { "" };
                    let fates = if made { &mut report.rebuilt } else { &mut report.kept };
                    fates.push(Fate::of(attempt.object, reason));
                }
                Ok(_) => report.lost.push(Fate::of(attempt.object, "it was not found")),
                Err(error) if error.kind() == ErrorKind::Closed => return Err(error),
                Err(error) if error.is_retryable() && attempt.aborts < MOST_ABORTS => {
                    attempt.aborts += 1;
                    must_pause = true;
                    again.push(attempt);
                }
                Err(error) => {
                    attempt.tries.pop_front();
                    if attempt.tries.is_empty() {
                        report.lost.push(Fate::of(attempt.object, words(&error)));
                    } else {
                        again.push(attempt);
                    }
                }
            }
        }
        if must_pause {
            sleep(FIRST_PAUSE).await;
        }
        Ok(again)
    }

    fn call(
        &self,
        to: Handle,
        method: impl Into<Cow<'static, str>>,
        params: impl Into<Bytes>,
    ) -> oneshot::Receiver<Result<Answer, Error>> {
        let (reply, answer) = oneshot::channel();
        // An error would mean that the driver has given this attempt up; the answer will say so.
        let _ = self.steps.send(Step { to, method: method.into(), params: params.into(), reply });
        answer
    }
}

/// An object that is to be had again.
struct Attempt<'a> {
    object: &'a Arc<State>,
    /// The handle of what it was opened from.
    from: Option<Handle>,
    tries: std::collections::VecDeque<Try>,
    aborts: u32,
}

async fn answer(pending: oneshot::Receiver<Result<Answer, Error>>) -> Result<Answer, Error> {
    pending.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Closed)))
}

fn opened(answer: Result<Answer, Error>) -> Result<ObjectReference, Error> {
    let answer = answer?;
    let text = answer.text();
    let reference = Raw::new(&text).ok().and_then(|result| references(result).next());
    reference.filter(|reference| reference.handle.is_some()).ok_or_else(|| Error::new(ErrorKind::NotFound))
}

/// The old handle of what an object was opened from; none if that is not known.
fn parent(object: &State) -> Option<Handle> {
    match &object.opener()?.parent {
        Target::Object(parent) => Some(parent.handle()),
        Target::Handle(_, handle) => Some(*handle),
    }
}

fn is_session_app(app: &State) -> bool {
    app.id().is_some_and(|id| id.starts_with("SessionApp_"))
        || app.opener().is_some_and(|opener| opener.method.starts_with("CreateSessionApp"))
}

/// Whether a reference is to the app that was open; some engines and session apps say no id.
fn is_same(app: &State, reference: &ObjectReference) -> bool {
    match (app.id(), reference.generic_id.as_deref()) {
        (Some(was), Some(is)) => crate::open_app::is_same_app(was, is),
        _ => true,
    }
}

/// The parameters of `OpenDoc` that open the app in a new session, if anything does.
fn open_params(app: &State) -> Option<Bytes> {
    match app.opener() {
        Some(opener) if opener.method == "OpenDoc" => Some(opener.params.clone()),
        Some(opener) if opener.method.starts_with("CreateSessionApp") => None,
        _ => Some(json!([app.id()?]).to_string().into()),
    }
}

fn code(error: &Error) -> Option<ErrorCode> {
    error.engine().map(|error| error.code)
}

/// What the engine said, for the report; its parameters may be of any length.
fn words(error: &Error) -> String {
    match error.engine() {
        Some(engine) => format!("the engine refused with {}", engine.code),
        None => error.to_string(),
    }
}
