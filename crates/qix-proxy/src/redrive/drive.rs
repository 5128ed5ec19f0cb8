//! Goes through the steps of one recording, and makes its calls again.

use std::{sync::Arc, time::Duration};

use qix_protocol::{Effect, Handle, Tree, creates, frame::engine::Frame};
use qix_transport::{CloseCode, Connect, ConnectError, Socket, SocketExt};
use tokio::time::Instant;

use super::{
    Call, Concurrency, DifferentAnswer, RedriveReport, RedriveSettings,
    lane::Lane,
    params, path,
    pump::Lanes,
    refusal::{NotSent, Why},
    session::Session,
    settings::LONGEST,
    survey::Survey,
};
use crate::{
    calls::{Asked, Step},
    chain::chain,
    record::{Closing, FrameText, Opening, Side},
};

/// How long a goodbye may take, and an end that the recorded engine has made.
const GOODBYE: Duration = Duration::from_secs(5);
/// How many characters of parameters are kept.
const MOST_SHOWN: usize = 120;

/// One recording on its way.
pub(super) struct Drive<'r, F, D> {
    pub(super) settings: &'r RedriveSettings,
    pub(super) survey: &'r Survey,
    pub(super) connect: F,
    pub(super) lanes: Lanes,
    pub(super) sessions: Vec<Session>,
    pub(super) report: &'r mut RedriveReport,
    pub(super) on_different: D,
    began: Instant,
}

/// Why to stop before the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// As many answers differ as were asked for.
    Enough,
    /// Nobody is there.
    Unreachable,
}

impl<'r, F, D, C> Drive<'r, F, D>
where
    C: Connect,
    F: FnMut(&str) -> Result<C, String>,
    D: FnMut(&DifferentAnswer),
{
    pub(super) fn new(
        settings: &'r RedriveSettings,
        survey: &'r Survey,
        run: &str,
        connect: F,
        report: &'r mut RedriveReport,
        on_different: D,
    ) -> Self {
        let count = survey.sessions.values().max().map_or(0, |last| last + 1);
        let sessions = (0..count).map(|at| Session::new(format!("{run}-{at}"))).collect();
        let (lanes, began) = (Lanes::default(), Instant::now());
        Self { settings, survey, connect, lanes, sessions, report, on_different, began }
    }

    /// Takes one step.
    pub(super) async fn step(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::Opened { conn, opening, .. } if opening.continued && self.lanes.0.contains_key(&conn) => {}
            Step::Opened { conn, at, opening } => {
                self.pace(at).await;
                self.opened(conn, &opening).await?;
            }
            Step::Asked(asked) => {
                self.pace(asked.at).await;
                self.asked(&asked).await;
            }
            Step::Answered(answered) => return self.answered(*answered).await,
            Step::Said { conn, from: Side::Engine, text: FrameText::Text(text), .. } => {
                if let (Some(lane), Ok(frame)) = (self.lanes.0.get_mut(&conn), Frame::parse(&text)) {
                    lane.recorded.lists(&frame.changes);
                    lane.recorded.unasked(&frame);
                    self.forget(conn, &frame.changes.closed);
                }
            }
            Step::Closed { conn, at, closing, unanswered } => {
                self.report.counts.unanswered += unanswered.len() as u64;
                if closing.is_some() {
                    self.pace(at).await;
                }
                self.closed(conn, closing.as_ref()).await;
            }
            _ => {}
        }
        Ok(())
    }

    async fn opened(&mut self, conn: u64, opening: &Opening) -> Result<(), Stop> {
        self.report.counts.connections += 1;
        let session = self.survey.sessions.get(&conn).copied().unwrap_or_default();
        let identity = self.sessions.get(session).map_or("redrive", |session| &session.identity);
        let path = path::live(&opening.url, identity, self.settings);
        let socket = self.dial(&path).await;
        let socket = match socket {
            Ok(socket) => {
                self.report.counts.connected += 1;
                Ok(socket)
            }
            Err(Failed { why, is_gone }) => {
                let app = path::app(&opening.url).filter(|_| !is_gone);
                let hint = app.map(|app| format!(" (--app {app}=OTHER takes another app for {app})"));
                let why = format!("connection {conn} does not come about: {why}{}", hint.unwrap_or_default());
                self.report.fail(why.clone());
                if is_gone && self.report.counts.connected == 0 {
                    self.report.unreachable = true;
                    return Err(Stop::Unreachable);
                }
                Err(why.into())
            }
        };
        self.lanes.0.insert(conn, Lane::new(session, socket));
        Ok(())
    }

    async fn dial(&mut self, path: &str) -> Result<Box<dyn Socket>, Failed> {
        let connect = (self.connect)(path).map_err(|why| Failed { why, is_gone: false })?;
        let deadline = Instant::now() + self.settings.timeout;
        match self.lanes.meanwhile(deadline, connect.connect()).await {
            Some(Ok(socket)) => Ok(Box::new(socket)),
            Some(Err(error)) => {
                let is_gone = !matches!(error, ConnectError::Upgrade { .. });
                Err(Failed { why: chain(&error), is_gone })
            }
            None => {
                let why = format!("nobody answers within {:?} (--timeout)", self.settings.timeout);
                Err(Failed { why, is_gone: true })
            }
        }
    }

    async fn asked(&mut self, asked: &Arc<Asked>) {
        self.report.counts.calls += 1;
        let decided = self.decide(asked);
        match &decided {
            Ok(_) => self.report.counts.sent += 1,
            Err(NotSent::Refused(_)) => self.report.refuse(asked),
            Err(NotSent::Skipped(why)) => {
                self.report.skip(why);
                self.missed(asked);
            }
            Err(NotSent::LeftOut) => self.report.counts.left_out += 1,
        }
        let Some(lane) = self.lanes.0.get_mut(&asked.conn) else { return };
        let sent = decided.as_ref().ok().copied();
        lane.calls.insert(asked.seq, decided);
        self.lanes.turn().await;
        if self.settings.concurrency == Concurrency::One
            && let Some(id) = sent
        {
            let deadline = Instant::now() + self.settings.timeout;
            let conn = asked.conn;
            self.lanes
                .until(deadline, |lanes| lanes.0.get(&conn).is_none_or(|lane| lane.is_settled(id)))
                .await;
        }
    }

    /// Forgets a request that the recorded engine has not answered.
    pub(super) fn give_up(&mut self, asked: &Asked) {
        self.report.counts.unanswered += 1;
        if let Some(lane) = self.lanes.0.get_mut(&asked.conn) {
            lane.abandon(asked.seq);
        }
    }

    /// Notes that a call that changes the state of its session is not made: what comes after may differ for that.
    fn missed(&mut self, asked: &Asked) {
        let session = self.survey.sessions.get(&asked.conn).copied().unwrap_or_default();
        if let Some(session) = self.sessions.get_mut(session)
            && session.owned.effect(asked) != Effect::Reads
            && asked.method != "OpenDoc"
            && !creates(&asked.method)
        {
            session.unmade.missed(asked);
        }
    }

    /// Sends a request, or says why not.
    fn decide(&mut self, asked: &Arc<Asked>) -> Result<u64, NotSent> {
        let skipped = |why: &str| NotSent::Skipped(why.into());
        let Some(lane) = self.lanes.0.get_mut(&asked.conn) else {
            return Err(skipped("the recording does not have the beginning of its connection"));
        };
        if let Some(why) = &lane.ended {
            return Err(NotSent::Skipped(why.clone()));
        }
        let to = lane
            .handles
            .live(asked.handle)
            .map_err(|why| NotSent::Skipped(why.unwrap_or_else(Why::unrecorded)))?;
        let Some(session) = self.sessions.get_mut(lane.session) else {
            return Err(skipped("its session is not known"));
        };
        let effect = session.owned.effect(asked);
        let object = asked.lineage.as_ref();
        let wanted = object.is_none_or(|object| self.settings.only.fits(object, &asked.method));
        if !wanted && effect == Effect::Reads && !self.survey.openers.contains(&*asked.method) {
            return Err(NotSent::LeftOut);
        }
        let read = asked.params.as_deref().and_then(|params| Tree::parse(params).ok());
        if let Some(why) = read.as_ref().and_then(|params| session.ids.lost(params)) {
            return Err(NotSent::Skipped(why.clone()));
        }
        if effect.is_lasting() && !self.settings.allow_writes {
            return Err(NotSent::Refused(session.unmade.note(asked)));
        }
        if let Some(why) = object.and_then(|object| session.unmade.of(object)) {
            return Err(NotSent::Skipped(why.clone()));
        }
        if params::are_masked(asked) {
            return Err(NotSent::Skipped(Why::masked()));
        }
        let params = params::live(asked, &session.ids, &lane.request_ids, self.settings);
        let id = lane.next_id();
        let text =
            params::request(asked, id, to, &params).ok_or_else(|| skipped("its parameters are not JSON"))?;
        if let Some(recorded) = &asked.id {
            lane.knows(recorded, id);
        }
        lane.send(id, text);
        Ok(id)
    }

    async fn closed(&mut self, conn: u64, closing: Option<&Closing>) {
        // What the client said last was said, though nobody has answered it.
        let deadline = Instant::now() + GOODBYE.min(self.settings.timeout);
        self.lanes.until(deadline, |lanes| lanes.0.get(&conn).is_none_or(Lane::has_sent)).await;
        let by_engine = closing.is_some_and(|closing| closing.by == Some(Side::Engine));
        if by_engine {
            let deadline = Instant::now() + GOODBYE.min(self.settings.timeout);
            self.lanes.until(deadline, |lanes| lanes.0.get(&conn).is_none_or(|lane| !lane.is_open())).await;
        }
        let Some(mut lane) = self.lanes.0.remove(&conn) else { return };
        if let Some(mut socket) = lane.take_socket() {
            if by_engine {
                self.report
                    .notice(format!("connection {conn}: the recorded engine has ended it, this one has not"));
            }
            let code = closing.filter(|_| !by_engine).and_then(|closing| closing.code).map(CloseCode::new);
            let code = code.filter(|code| code.is_sendable()).unwrap_or(CloseCode::NORMAL);
            self.lanes.meanwhile(Instant::now() + GOODBYE, socket.close(code, "")).await;
        } else if let Some(closed) = &lane.closed {
            let recorded = closing.filter(|_| by_engine).and_then(|closing| closing.code);
            match recorded {
                Some(code) if code == closed.code.get() => {}
                Some(code) => self.report.notice(format!(
                    "connection {conn}: the recorded engine has ended it with {code}, this one with {}",
                    closed.code
                )),
                None if !by_engine => self.report.fail(format!("connection {conn}: {closed}")),
                None => {}
            }
        }
        self.compare_unasked(conn, &lane);
    }

    /// Ends all connections that the recording has not ended.
    pub(super) async fn finish(&mut self) {
        let left: Vec<u64> = self.lanes.0.keys().copied().collect();
        for conn in left {
            self.closed(conn, None).await;
        }
    }

    /// Compares what both engines have said unasked, as far as that can be: it may come sooner or later.
    fn compare_unasked(&mut self, conn: u64, lane: &Lane) {
        if lane.ended.is_some() && lane.closed.is_none() {
            return;
        }
        let (recorded, live) = (&lane.recorded, &lane.live);
        if let (Some(one), Some(other)) = (&recorded.state, &live.state)
            && one != other
        {
            self.report.notice(format!(
                "connection {conn}: its session was greeted with {one}, and now with {other}"
            ));
        }
        for (what, one, other) in [
            ("told of a change in", &recorded.changed, &live.changed),
            ("told of the end of", &recorded.closed, &live.closed),
        ] {
            // Calls that were left out have changed and closed nothing.
            if !self.settings.only.is_all() {
                continue;
            }
            let one: std::collections::BTreeSet<Handle> =
                one.iter().filter_map(|handle| lane.handles.ever(*handle)).collect();
            let named = |handle: &Handle| lane.handles.lineage(*handle).map(ToString::to_string);
            for object in one.difference(other).filter_map(named) {
                self.report.notice(format!("connection {conn}: not {what} {object}"));
            }
            for object in other.difference(&one).filter_map(named) {
                self.report.notice(format!("connection {conn}: {what} {object}, unlike in the recording"));
            }
        }
        for name in recorded.names.difference(&live.names) {
            self.report.notice(format!("connection {conn}: {name} does not come"));
        }
        for name in live.names.difference(&recorded.names) {
            self.report.notice(format!("connection {conn}: {name} comes, unlike in the recording"));
        }
    }

    /// Forgets handles that the recorded engine has closed.
    pub(super) fn forget(&mut self, conn: u64, closed: &[Handle]) {
        if let Some(lane) = self.lanes.0.get_mut(&conn) {
            closed.iter().for_each(|handle| lane.handles.closed(*handle));
        }
    }

    /// Waits for the recorded time, if a pace was asked for.
    async fn pace(&mut self, at: Duration) {
        if let Some(speed) = self.settings.speed {
            let pause = Duration::try_from_secs_f64(at.as_secs_f64() / speed).unwrap_or(LONGEST);
            let due = self.began + pause.min(LONGEST);
            self.lanes.until(due, |_| false).await;
        }
    }
}

/// Why a connection has not come about.
struct Failed {
    why: String,
    /// Whether there is nobody who could refuse it.
    is_gone: bool,
}

/// Describes a call for the report.
pub(super) fn describe(asked: &Asked) -> Call {
    let params = asked.params.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    let inside = params.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&params);
    let params = match inside.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("{}…", &inside[..end]),
        None => inside.to_owned(),
    };
    Call {
        seq: asked.seq,
        conn: asked.conn,
        object: asked.lineage.clone().unwrap_or_default(),
        method: asked.method.clone(),
        params,
    }
}
