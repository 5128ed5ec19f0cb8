//! Which calls are not sent, and why.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use qix_protocol::{Effect, Handle, Lineage, ObjectReference, effect_of_call, frame::Raw, references};

use super::RedriveSettings;
use crate::{
    calls::{Answered, Asked},
    replay::{Reach, shortened},
};

/// How many objects and ids of a session are kept.
const MOST: usize = 1 << 16;

/// Why something is not there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Why {
    pub(crate) text: Arc<str>,
    /// Whether it was asked for, as that writes be refused, or is a matter of the recording, and so says nothing of the engine.
    pub(crate) chosen: bool,
}

impl Why {
    /// It needs a write that was not sent.
    fn refused(method: &str) -> Self {
        let text = format!("{method} was not sent, as it writes (--allow-writes)");
        Self { text: text.into(), chosen: true }
    }
}

impl Why {
    /// It needs a secret that the recording does not have: what stands in its place is not to be sent, least of all kept.
    pub(super) fn masked() -> Self {
        Self { text: "its parameters have secrets that the recording does not have".into(), chosen: true }
    }

    /// It needs an object that the recording does not have, or no longer.
    pub(super) fn unrecorded() -> Self {
        Self { text: "the recording does not say how its object was opened".into(), chosen: true }
    }
}

impl<T: Into<Arc<str>>> From<T> for Why {
    fn from(text: T) -> Self {
        Self { text: text.into(), chosen: false }
    }
}

/// Why a call was not sent.
#[derive(Clone, Debug)]
pub(super) enum NotSent {
    /// It changes what outlives the session.
    Refused(Why),
    /// It needs something that is not there.
    Skipped(Why),
    /// Nobody wanted to know.
    LeftOut,
}

impl NotSent {
    /// Returns why what it would have opened is not there.
    pub(super) fn why(&self, asked: &Asked) -> Why {
        match self {
            Self::Refused(why) | Self::Skipped(why) => why.clone(),
            Self::LeftOut => {
                Why { text: format!("{} was left out (--only)", asked.method).into(), chosen: true }
            }
        }
    }
}

/// What belongs to one recorded session alone, and ends with it.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// Ids of session objects, with the app that they are in.
    ids: HashSet<(Option<String>, String)>,
    objects: HashSet<Lineage>,
}

impl Owned {
    /// Takes in what a recorded answer has opened. What another app is taken for is no session app any more.
    pub(super) fn note(&mut self, answered: &Answered, settings: &RedriveSettings) {
        let Some(result) = answered.result.as_deref().and_then(|result| Raw::new(result).ok()) else {
            return;
        };
        for reference in references(result) {
            let ObjectReference { handle: Some(handle), generic_id, .. } = reference else { continue };
            let makes = makes_own(&answered.asked.method);
            let app = answered.asked.lineage.as_ref().and_then(Lineage::app);
            let is_app = |id: &str| is_session_app(id) && settings.other_app(id).is_none();
            let id = generic_id.map(|id| (app, id));
            let is_own = id.as_ref().is_some_and(|id| is_app(&id.1) || self.ids.contains(id));
            if self.ids.len() >= MOST || self.objects.len() >= MOST || handle == Handle::GLOBAL {
                continue;
            }
            if makes {
                self.ids.extend(id);
            } else if is_own {
                let opened = answered.opened.iter().find(|(opened, _)| *opened == handle);
                self.objects.extend(opened.and_then(|(_, lineage)| lineage.clone()));
            }
        }
    }

    /// Notes that a live engine has opened this under another id: if it is no session app there, what is done to it lasts.
    pub(super) fn live(&mut self, object: &Lineage, id: Option<&str>) {
        if object.class() == "Doc" && !id.is_some_and(is_session_app) {
            self.objects.remove(object);
        }
    }

    fn contains(&self, object: &Lineage) -> bool {
        std::iter::successors(Some(object), |object| object.parent())
            .any(|object| makes_own(object.method()) || self.objects.contains(object))
    }

    /// Returns what a call changes.
    pub(super) fn effect(&self, asked: &Asked) -> Effect {
        let params = asked.params.as_deref().and_then(|params| Raw::new(params).ok());
        match effect_of_call(asked.class(), &asked.method, params) {
            Effect::App if asked.lineage.as_ref().is_some_and(|object| self.contains(object)) => {
                Effect::Session
            }
            effect => effect,
        }
    }
}

fn is_session_app(id: &str) -> bool {
    id.starts_with("SessionApp_")
}

/// Whether what a method makes ends with the session.
fn makes_own(method: &str) -> bool {
    method.starts_with("CreateSession")
}

/// What writes that were not sent would have changed.
#[derive(Debug, Default)]
pub(super) struct Unmade {
    objects: HashMap<Lineage, Why>,
    /// The latest one that may have changed anything.
    anything: Option<String>,
}

impl Unmade {
    /// Takes in a write that is not sent, and returns why.
    pub(super) fn note(&mut self, asked: &Asked) -> Why {
        /// What only tells others, or keeps what is there already.
        const KEEPS: [&str; 7] =
            ["DoSave", "SaveObjects", "Publish", "UnPublish", "Approve", "UnApprove", "CommitScript"];
        let why = Why::refused(&asked.method);
        let Some(object) = &asked.lineage else { return why };
        if KEEPS.contains(&&*asked.method) {
            return why;
        }
        // Others may list it, extend it, or reach it another way.
        self.anything = Some(format!("{} on {}", asked.method, shortened(&object.to_string())));
        if let Reach::Own(object) = Reach::of(object, &asked.method)
            && self.objects.len() < MOST
        {
            self.objects.insert(object, why.clone());
        }
        why
    }

    /// Takes in a call that cannot be sent, and would have changed the state of the session.
    pub(super) fn missed(&mut self, asked: &Asked) {
        let object =
            asked.lineage.as_ref().map(ToString::to_string).unwrap_or_else(|| "an unknown object".to_owned());
        self.anything = Some(format!("{} on {}", asked.method, shortened(&object)));
    }

    /// Returns why an object is not what it was in the recording.
    pub(super) fn of(&self, object: &Lineage) -> Option<&Why> {
        if self.objects.is_empty() {
            return None;
        }
        std::iter::successors(Some(object), |object| object.parent())
            .find_map(|object| self.objects.get(object))
    }

    /// Returns the latest write that may be the reason of a difference anywhere.
    pub(super) fn anything(&self) -> Option<&String> {
        self.anything.as_ref()
    }
}
