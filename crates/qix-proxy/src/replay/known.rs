//! What a live session knows of the objects that are open in it.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use qix_protocol::{
    Lineage,
    frame::{client::Request, elements},
};

use super::{
    answer::{Body, Lists, RecordedAnswer},
    template::Template,
};

/// The app and the objects that sockets of a session have opened, by which calls are answered that a client makes when it takes
/// a session up again, and that nobody has recorded.
#[derive(Debug, Default)]
pub(super) struct Known {
    app: Option<(Lineage, Template)>,
    objects: HashMap<Box<str>, Vec<(Lineage, Template)>>,
    ids: HashMap<Lineage, Box<str>>,
}

/// What a request asks for that a session may know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wanted {
    /// The open app.
    App,
    /// The object with this id.
    Object(Box<str>),
}

impl Wanted {
    /// Returns what the request wants, if it is one of those.
    pub(super) fn of(request: &Request<'_>) -> Option<Self> {
        match &*request.method {
            "GetActiveDoc" => Some(Self::App),
            "GetObject" | "GetBookmark" | "GetDimension" | "GetMeasure" | "GetVariable"
            | "GetVariableById" | "GetChild" => {
                let params = request.params?;
                let id = elements(params).next().or_else(|| params.member("qId"))?;
                let id: String = id.decode().ok()?;
                Some(Self::Object(id.into()))
            }
            _ => None,
        }
    }
}

impl Known {
    /// Takes note of what an answer opens.
    fn learn(&mut self, answer: &RecordedAnswer) {
        for (lineage, reference) in answer.opened() {
            if lineage.class() == "Doc" {
                self.app = Some((lineage.clone(), reference.clone()));
            } else if let Some(id) = reference.id()
                && !self.ids.contains_key(lineage)
            {
                self.ids.insert(lineage.clone(), id.clone());
                self.objects.entry(id).or_default().push((lineage.clone(), reference.clone()));
            }
        }
    }

    /// Takes note of what an answer opens and closes.
    pub(super) fn note(&mut self, answer: &RecordedAnswer) {
        self.learn(answer);
        answer.lists.closed.iter().for_each(|lineage| self.forget(lineage));
    }

    /// Takes note that an object is gone, by whichever way it was opened.
    pub(super) fn forget(&mut self, lineage: &Lineage) {
        self.app.take_if(|(app, _)| app == lineage);
        let Some(id) = self.ids.get(lineage).cloned() else { return };
        for (alias, _) in self.objects.remove(&id).unwrap_or_default() {
            self.ids.remove(&alias);
        }
    }

    /// Returns the reference that answers, if what is wanted is open.
    pub(super) fn find(&self, wanted: &Wanted) -> Option<&Template> {
        let (_, reference) = match wanted {
            Wanted::App => self.app.as_ref(),
            Wanted::Object(id) => self.objects.get(id).and_then(|aliases| aliases.first()),
        }?;
        Some(reference)
    }

    /// Takes note that an object of the session is destroyed, if the request is about one that is open, and returns what answers.
    ///
    /// Clients differ in whether they destroy what ends with the session anyway.
    pub(super) fn destroy(&mut self, request: &Request<'_>) -> Option<Arc<RecordedAnswer>> {
        let creating = match &*request.method {
            "DestroySessionObject" => "CreateSessionObject",
            "DestroySessionVariableById" => "CreateSessionVariable",
            _ => return None,
        };
        let params = request.params?;
        let id: String = elements(params).next().or_else(|| params.member("qId"))?.decode().ok()?;
        let of_session = |(alias, _): &(Lineage, Template)| alias.method() == creating;
        let aliases: Vec<Lineage> = match self.objects.get(&*id) {
            Some(open) if open.iter().any(of_session) => {
                open.iter().map(|(alias, _)| alias.clone()).collect()
            }
            _ => return None,
        };
        aliases.iter().for_each(|alias| self.forget(alias));
        let done = Template::plain(Bytes::from_static(b"true"));
        let mut answer = answer(Body::Result(vec![(Bytes::from_static(b"\"qSuccess\""), done)]));
        answer.lists.closed = aliases;
        Some(Arc::new(answer))
    }

    /// Returns other ways by which the object of a lineage was opened.
    pub(super) fn aliases(&self, lineage: &Lineage) -> Vec<Lineage> {
        let aliases = self.ids.get(lineage).and_then(|id| self.objects.get(id));
        let others = aliases.into_iter().flatten().map(|(alias, _)| alias).filter(|alias| *alias != lineage);
        others.cloned().collect()
    }
}

/// Makes an answer that returns an object.
pub(super) fn found(reference: Template) -> Arc<RecordedAnswer> {
    Arc::new(answer(Body::Result(vec![(Bytes::from_static(b"\"qReturn\""), reference)])))
}

/// Makes the answer of an engine that has no such object: not an error, but a reference to nothing.
pub(super) fn no_such_object() -> Arc<RecordedAnswer> {
    static NOTHING: OnceLock<Arc<RecordedAnswer>> = OnceLock::new();
    let make = || found(Template::plain(Bytes::from_static(br#"{"qType":null,"qHandle":null}"#)));
    NOTHING.get_or_init(make).clone()
}

/// Makes the answer of an engine that has no app open.
pub(super) fn no_app() -> Arc<RecordedAnswer> {
    static NOTHING: OnceLock<Arc<RecordedAnswer>> = OnceLock::new();
    const ERROR: &[u8] = br#"{"code":1007,"parameter":"No active document","message":"App invalid"}"#;
    NOTHING.get_or_init(|| Arc::new(answer(Body::Error(Bytes::from_static(ERROR))))).clone()
}

fn answer(body: Body) -> RecordedAnswer {
    RecordedAnswer {
        is_text: OnceLock::from(true),
        body,
        lists: Lists::default(),
        extra: Bytes::new(),
        id: None,
    }
}
