//! Waits for live answers, and holds them beside the recorded ones.

use bytes::Bytes;
use qix_protocol::{
    EngineError, ObjectReference, Tree, creates,
    frame::{
        Raw,
        engine::{Frame, Kind},
    },
    references,
};
use qix_transport::Connect;
use tokio::time::Instant;

use super::{
    Difference, DifferenceKind, DifferentAnswer,
    drive::{Drive, Stop, describe},
    lane::Reply,
    refusal::{NotSent, Why},
};
use crate::{
    calls::{Answered, Asked},
    compare::{Comparison, Found, Outcome, is_aborted, makes},
    replay::shortened,
};

/// How many differences of an answer are kept for the report.
const MOST_KEPT: usize = 50;

/// What a live answer says.
enum Live {
    Result(Bytes),
    Error(EngineError),
    Unreadable,
}

impl<F, D, C> Drive<'_, F, D>
where
    C: Connect,
    F: FnMut(&str) -> Result<C, String>,
    D: FnMut(&DifferentAnswer),
{
    /// Takes in a recorded answer: waits for the live one, and compares them.
    pub(super) async fn answered(&mut self, answered: Answered) -> Result<(), Stop> {
        let asked = answered.asked.clone();
        let conn = asked.conn;
        let Some(lane) = self.lanes.0.get_mut(&conn) else { return Ok(()) };
        lane.recorded.lists(&answered.changes);
        let called = lane.calls.remove(&asked.seq);
        if let Some(session) = self.sessions.get_mut(lane.session) {
            session.owned.note(&answered, self.settings);
        }
        let done = match called {
            Some(Ok(id)) => self.arrived(&answered, id).await,
            Some(Err(not_sent)) => {
                let may_make = !matches!(not_sent, NotSent::LeftOut);
                self.lose(&answered, &not_sent.why(&asked), may_make);
                Ok(())
            }
            None => Ok(()),
        };
        self.forget(conn, &answered.changes.closed);
        done
    }

    async fn arrived(&mut self, answered: &Answered, id: u64) -> Result<(), Stop> {
        let asked = &*answered.asked;
        let conn = asked.conn;
        let patience = self.settings.timeout + 3 * answered.latency();
        let settled = self.lanes.until(Instant::now() + patience, |lanes| {
            lanes.0.get(&conn).is_none_or(|lane| lane.is_settled(id))
        });
        let settled = settled.await;
        let Some(lane) = self.lanes.0.get_mut(&conn) else { return Ok(()) };
        let Some(reply) = lane.take(id) else {
            let call = describe(asked);
            let why = match &lane.ended {
                Some(why) if settled => why.text.to_string(),
                _ => {
                    lane.missed();
                    format!("no answer within {patience:?} (--timeout)")
                }
            };
            self.report.counts.not_answered += 1;
            self.report.fail(format!("{call}: {why}"));
            let lost = format!("{} was not answered", asked.method);
            self.lose(answered, &lost.into(), true);
            return Ok(());
        };
        self.report.counts.answered += 1;
        self.report.latencies.add(&asked.method, answered.latency(), reply.took);
        let live = read(&reply.text);
        self.open(answered, &live);
        self.compare(answered, &reply, &live)
    }

    /// Notes which objects the two answers have opened.
    fn open(&mut self, answered: &Answered, live: &Live) {
        let asked = &*answered.asked;
        let Some(recorded) = &answered.result else { return };
        let Live::Result(result) = live else {
            let why = match live {
                Live::Error(error) => {
                    let why = self.refused(answered, error);
                    self.settings.redaction.text(&why).into_owned()
                }
                _ => format!("the answer to {} cannot be read", asked.method),
            };
            return self.lose(answered, &why.into(), creates(&asked.method));
        };
        let handles = |result: &Bytes| match Raw::new(result) {
            Ok(result) => references(result).collect::<Vec<ObjectReference>>(),
            Err(_) => Vec::new(),
        };
        let mut found = handles(result).into_iter();
        let Some(lane) = self.lanes.0.get_mut(&asked.conn) else { return };
        for reference in handles(recorded) {
            let other = found.next().unwrap_or_default();
            let (live, id) = (other.handle, other.generic_id);
            let Some(handle) = reference.handle else { continue };
            let opened = answered.opened.iter().find(|(opened, _)| *opened == handle);
            let lineage = opened.and_then(|(_, lineage)| lineage.as_ref());
            match (live, lineage) {
                (Some(live), Some(lineage)) => {
                    lane.handles.opened(handle, lineage, live);
                    if let Some(session) = self.sessions.get_mut(lane.session) {
                        session.owned.live(lineage, id.as_deref());
                    }
                }
                (Some(_), None) => {}
                (None, _) => {
                    let why = format!("{} finds nothing", shown(asked));
                    lane.handles.lost(handle, &why.into());
                }
            }
        }
        if creates(&asked.method)
            && let Ok(recorded) = Tree::parse(recorded)
            && let Some(session) = self.sessions.get_mut(lane.session)
        {
            session.ids.find(&recorded);
        }
    }

    /// Says why an opener has failed; an app that is not there with what to do about it.
    fn refused(&mut self, answered: &Answered, error: &EngineError) -> String {
        let asked = &*answered.asked;
        if asked.method != "OpenDoc" {
            return format!("{} was refused: {error}", shown(asked));
        }
        let params = asked.params.as_deref().and_then(|params| Tree::parse(params).ok()).unwrap_or_default();
        let named = params.element(0).or_else(|| params.member("qDocName"));
        let recorded = named.and_then(Tree::as_str).unwrap_or_default();
        let app = self.settings.other_app(&recorded).unwrap_or(&recorded);
        format!(
            "the engine does not open the app {app}: {error} (--app {recorded}=OTHER takes another app for it)"
        )
    }

    fn compare(&mut self, answered: &Answered, reply: &Reply, live: &Live) -> Result<(), Stop> {
        let asked = &*answered.asked;
        if !asked.lineage.as_ref().is_none_or(|object| self.settings.only.fits(object, &asked.method)) {
            return Ok(());
        }
        if let Some(fault) = &answered.fault {
            self.report.counts.not_compared += 1;
            self.report.notice(format!("{}: the recorded answer cannot be read: {fault}", shown(asked)));
            return Ok(());
        }
        // Secrets that the recording does not have are not shown either.
        let redaction = &self.settings.redaction;
        let clean =
            redaction.frame(&reply.text).map_or_else(|| reply.text.clone(), |clean| clean.text.into());
        let says = |error: &EngineError| redaction.text(&error.to_string()).into_owned();
        let outcome = match (&answered.error, live) {
            (Some(recorded), Live::Error(live)) if recorded.code == live.code => Outcome::default(),
            (recorded, Live::Error(live))
                if recorded.as_ref().is_some_and(is_aborted) || is_aborted(live) =>
            {
                return self.aborted(asked, recorded.as_ref(), Some(live));
            }
            (Some(recorded), Live::Result(_)) if is_aborted(recorded) => {
                return self.aborted(asked, Some(recorded), None);
            }
            (Some(recorded), Live::Error(live)) => {
                whole(DifferenceKind::Code, recorded.to_string(), says(live))
            }
            (None, Live::Error(live)) => {
                let recorded = answered.result.as_deref().unwrap_or(b"{}");
                whole(DifferenceKind::Outcome, text(recorded), says(live))
            }
            (Some(recorded), Live::Result(_)) => {
                let live = match read(&clean) {
                    Live::Result(live) => text(&live),
                    _ => text(&clean),
                };
                whole(DifferenceKind::Outcome, recorded.to_string(), live)
            }
            (_, Live::Unreadable) => whole(
                DifferenceKind::Outcome,
                answered.result.as_deref().map(text).unwrap_or_default(),
                text(&clean),
            ),
            (None, Live::Result(_)) => self.results(answered, &clean),
        };
        self.report.counts.compared += 1;
        if outcome.total == 0 {
            self.report.counts.equal += 1;
            return Ok(());
        }
        self.differ(asked, outcome)
    }

    fn results(&mut self, answered: &Answered, clean: &Bytes) -> Outcome {
        let asked = &*answered.asked;
        let result = answered.result.as_deref().unwrap_or(b"{}");
        let Live::Result(live) = read(clean) else {
            return whole(DifferenceKind::Outcome, text(result), text(clean));
        };
        // What no parser takes is equal to the letter, or not.
        let (recorded, live) = match (Tree::parse(result), Tree::parse(&live)) {
            (Ok(recorded), Ok(live)) => (recorded, live),
            _ if result == &live[..] => return Outcome::default(),
            _ => return whole(DifferenceKind::Value, text(result), text(&live)),
        };
        let Some(lane) = self.lanes.0.get(&asked.conn) else { return Outcome::default() };
        let Some(session) = self.sessions.get_mut(lane.session) else { return Outcome::default() };
        let params = asked.params.as_deref().unwrap_or(b"[]");
        Comparison {
            rules: &self.settings.rules,
            method: &asked.method,
            makes: makes(&asked.method).then_some(params),
            ids: &mut session.ids,
            handles: &lane.handles,
            apps: &self.settings.apps,
        }
        .results(&recorded, &live)
    }

    fn differ(&mut self, asked: &Asked, outcome: Outcome) -> Result<(), Stop> {
        let lane = self.lanes.0.get(&asked.conn);
        let session = lane.and_then(|lane| self.sessions.get(lane.session));
        let after = session.and_then(|session| session.unmade.anything().cloned());
        let difference = |Found { place, kind, recorded, live }| Difference { place, kind, recorded, live };
        let differences = outcome.found.into_iter().take(MOST_KEPT).map(difference).collect();
        let different = DifferentAnswer { call: describe(asked), differences, total: outcome.total, after };
        (self.on_different)(&different);
        self.report.differ(different);
        match self.settings.max_differences {
            Some(most) if self.report.counts.different >= most as u64 => Err(Stop::Enough),
            _ => Ok(()),
        }
    }

    /// Whether an abort is in time, is a matter of luck.
    fn aborted(
        &mut self,
        asked: &Asked,
        recorded: Option<&EngineError>,
        live: Option<&EngineError>,
    ) -> Result<(), Stop> {
        let says = |error: Option<&EngineError>| error.map_or("a result".to_owned(), ToString::to_string);
        self.report.counts.not_compared += 1;
        let (recorded, live) = (says(recorded), says(live));
        self.report
            .notice(format!("{}: {recorded} was recorded, {live} came; one was aborted", shown(asked)));
        Ok(())
    }

    /// Notes that what a recorded answer has opened or made is not there.
    fn lose(&mut self, answered: &Answered, why: &Why, may_make: bool) {
        let asked = &*answered.asked;
        let Some(lane) = self.lanes.0.get_mut(&asked.conn) else { return };
        for (handle, _) in &answered.opened {
            lane.handles.lost(*handle, why);
        }
        let makes =
            creates(&asked.method) || asked.method.starts_with("Store") || asked.method.starts_with("Clone");
        if may_make
            && makes
            && let Some(Ok(recorded)) = answered.result.as_deref().map(Tree::parse)
            && let Some(session) = self.sessions.get_mut(lane.session)
        {
            session.ids.lose(&recorded, why);
        }
    }
}

fn read(text: &Bytes) -> Live {
    let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(text) else {
        return Live::Unreadable;
    };
    match (response.error, response.result) {
        (Some(error), _) => Live::Error(error),
        // Patches were not asked for.
        _ if response.delta => Live::Unreadable,
        (None, Some(result)) => Live::Result(text.slice_ref(result.as_bytes())),
        (None, None) => Live::Result(Bytes::from_static(b"{}")),
    }
}

fn whole(kind: DifferenceKind, recorded: String, live: String) -> Outcome {
    Outcome { found: vec![Found { place: String::new(), kind, recorded, live }], total: 1 }
}

fn text(bytes: &[u8]) -> String {
    shortened(&String::from_utf8_lossy(bytes))
}

fn shown(asked: &Asked) -> String {
    describe(asked).to_string()
}
