//! One user: a session, a probe in it, and random operations.

mod opening;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use qix_client::{Doc, Error, ErrorKind, GenericObject, GenericVariable, ResumeReport, Session, State};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Fault, PATIENCE, World,
    chance::Chance,
    ledger::Tag,
    model::{FIELDS, Selected},
    probe::{Known, probe_properties},
};

pub(super) struct Worker {
    world: Arc<World>,
    chance: Chance,
    name: String,
    url: String,
    /// Nobody else selects in this session.
    alone: bool,
    /// The session connects again by itself, and makes its objects again.
    resumes: bool,
    report: Option<Arc<ResumeReport>>,
    selected: Known<Selected>,
    text: Known<String>,
    variable: Known<String>,
    /// What the probe and the variable were made with; a session that resumes may make them so again.
    made: [String; 2],
    /// What was last written to them for certain.
    given: [String; 2],
}

/// What a worker has of a session while its socket lives.
struct Open {
    session: Session,
    doc: Doc,
    probe: GenericObject,
    variable: GenericVariable,
}

/// What became of a write.
enum Outcome {
    Done,
    /// The engine refused it, so nothing was done.
    Refused,
    Unknown,
}

impl Worker {
    pub(super) fn new(world: Arc<World>, chance: Chance, round: u64, number: usize) -> Self {
        // A quarter in pairs, a quarter alone that are attached to again, and the others start anew each time.
        let (identity, ttl) = match number % 4 {
            0 => (format!("pair-{round}-{}", number / 8), 2),
            1 => (format!("kept-{round}-{number}"), 2),
            _ => (format!("anew-{round}-{number}"), 0),
        };
        let url = world.engine.url(&format!("Sales.qvf/identity/{identity}/ttl/{ttl}"));
        Self {
            world,
            chance,
            name: format!("{round}-{number}"),
            url,
            alone: !number.is_multiple_of(4),
            resumes: number % 8 >= 4,
            report: None,
            selected: Known::new(Selected::default()),
            text: Known::new(String::new()),
            variable: Known::new(String::new()),
            made: Default::default(),
            given: Default::default(),
        }
    }

    /// Takes note of a resume: the engine may have lost the session, and the client made its objects again.
    /// Returns whether there was one since it was last asked.
    fn notice(&mut self, open: &Open) -> bool {
        if !self.resumes {
            return false;
        }
        match open.session.state() {
            State::Open { report: Some(report), .. } => {
                if self.report.as_ref().is_some_and(|known| Arc::ptr_eq(known, &report)) {
                    return false;
                }
                let what = if report.attached { "resumed, attached" } else { "resumed, created" };
                self.world.figures.count(what);
                for _ in &report.repeated {
                    self.world.figures.count("repeated reads");
                }
                self.report = Some(report);
            }
            State::Open { report: None, .. } => return false,
            // There may have been one before the socket that was just lost.
            _ => {}
        }
        self.selected.perhaps(Selected::default());
        for text in [&self.made[0], &self.given[0]] {
            self.text.perhaps(text.clone());
        }
        for text in [&self.made[1], &self.given[1]] {
            self.variable.perhaps(text.clone());
        }
        true
    }

    /// Takes note of what became of a write of the probe's text (0) or the variable (1).
    fn wrote(&mut self, open: &Open, which: usize, tag: Tag, outcome: &Outcome) {
        self.notice(open);
        let known = if which == 0 { &mut self.text } else { &mut self.variable };
        match outcome {
            Outcome::Done => {
                known.written(tag.text());
                self.given[which] = tag.text();
            }
            Outcome::Unknown => known.perhaps(tag.text()),
            Outcome::Refused => {}
        }
    }

    pub(super) async fn run(mut self, end: Instant) -> Result<(), Fault> {
        while Instant::now() < end {
            // A socket may be cut at any time, also while everything is opened.
            let Ok(open) = self.open().await.map_err(|fault| format!("session {}: {fault}", self.name))?
            else {
                continue;
            };
            loop {
                if Instant::now() >= end || self.chance.one_in(400) {
                    within("close", open.session.close()).await?;
                    break;
                }
                let done = self.operate(&open).await;
                self.world.figures.count("operations");
                match done.map_err(|fault| format!("session {}: {fault}", self.name))? {
                    Ok(()) => {}
                    // An error that is not about the socket leaves the session as it was.
                    Err(error) if matches!(error.kind(), ErrorKind::Closed | ErrorKind::OutcomeUnknown) => {
                        if !self.resumes {
                            within("end", open.session.closed()).await?;
                            break;
                        }
                        // What could not be had again is closed although the session goes on.
                        if open.session.state().is_closed() || error.kind() == ErrorKind::Closed {
                            within("close", open.session.close()).await?;
                            break;
                        }
                    }
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    fn note(&self, error: Error) -> Error {
        self.world.figures.error(&error);
        error
    }

    /// Does one thing. The outer error is a fault of the client, the inner one what a user has to live with.
    async fn operate(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        match self.chance.below(16) {
            0..=4 => self.read_layout(open).await,
            5 | 6 => self.select(open).await,
            7 => self.clear(open).await,
            8 => self.set_properties(open).await,
            9 => self.set_variable(open).await,
            10 => self.short_lived(open).await,
            11 => self.echo(open).await,
            12 => self.give_up(open).await,
            13 => self.many(open).await,
            14 => self.reload(open).await,
            _ => self.read_variable(open).await,
        }
    }

    async fn read_layout(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let delta = self.chance.one_in(2);
        let call = open.probe.get_layout().delta(delta).call_into::<Value>();
        let layout = match within("GetLayout", call).await? {
            Ok(layout) => layout,
            Err(error) => return Ok(Err(self.note(error))),
        };
        self.notice(open);
        let selected = self.world.table.check(&layout)?;
        if self.alone {
            self.selected.read(selected, "what is selected")?;
        }
        self.world.figures.count("layouts checked");
        self.text.read(layout["text"].as_str().unwrap_or_default().to_owned(), "the probe's text")?;
        Ok(Ok(()))
    }

    async fn select(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let field = self.chance.below(2) as usize;
        let count = self.world.table.cardinal(field);
        let values: BTreeSet<i64> =
            (0..1 + self.chance.below(3)).map(|_| self.chance.below(count) as i64).collect();
        let tag = self.world.ledger.tag();
        let marked: Vec<i64> = values.iter().copied().chain([tag.element()]).collect();
        let opened = match within("GetField", open.doc.get_field(FIELDS[field])).await? {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(self.note(error))),
        };
        let done = within("LowLevelSelect", opened.low_level_select(&marked, false)).await?;
        let after = |selected: &Selected| {
            let mut selected = selected.clone();
            selected[field] = values.clone();
            selected
        };
        let outcome = self.outcome(&done, tag)?;
        let resumed = self.notice(open);
        self.reselect(&after, matches!(outcome, Outcome::Done), matches!(outcome, Outcome::Refused));
        if resumed {
            // It may have been before the resume.
            self.selected.perhaps(Selected::default());
        }
        Ok(done.map(drop))
    }

    async fn clear(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let done = within("ClearAll", open.doc.clear_all()).await?;
        let (is_done, is_refused) =
            (done.is_ok(), done.as_ref().is_err_and(|error| error.kind() == ErrorKind::Engine));
        self.notice(open);
        self.reselect(&|_| Selected::default(), is_done, is_refused);
        Ok(done.map_err(|error| self.note(error)))
    }

    fn reselect(&mut self, write: &dyn Fn(&Selected) -> Selected, is_done: bool, is_refused: bool) {
        if self.alone {
            self.selected = self.selected.after(write, is_done, is_refused);
        }
    }

    async fn set_properties(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let tag = self.world.ledger.tag();
        let properties = probe_properties(open.probe.id().unwrap_or_default(), &tag.text());
        let done = within("SetProperties", open.probe.set_properties(&properties)).await?;
        let outcome = self.outcome(&done, tag)?;
        self.wrote(open, 0, tag, &outcome);
        Ok(done)
    }

    async fn set_variable(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let tag = self.world.ledger.tag();
        let done = within("SetStringValue", open.variable.set_string_value(&tag.text())).await?;
        let outcome = self.outcome(&done, tag)?;
        self.wrote(open, 1, tag, &outcome);
        Ok(done)
    }

    async fn read_variable(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let content = match within("GetRawContent", open.variable.get_raw_content()).await? {
            Ok(content) => content,
            Err(error) => return Ok(Err(self.note(error))),
        };
        self.notice(open);
        self.variable.read(content, "the variable")?;
        Ok(Ok(()))
    }

    /// Makes an object, looks at it, and drops it, which destroys it in the engine.
    async fn short_lived(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let tag = self.world.ledger.tag();
        let properties = json!({"qInfo": {"qType": "short-lived"}, "text": tag.text()});
        let made = within("CreateSessionObject", open.doc.create_session_object(&properties)).await?;
        self.outcome(&made, tag)?;
        let object = match made {
            Ok(object) => object,
            Err(error) => return Ok(Err(error)),
        };
        match within("GetProperties", object.get_properties().call_into::<Value>()).await? {
            Ok(read) if read["text"] == *tag.text() => Ok(Ok(())),
            Ok(read) => Err(format!("{} was written, and {read} read", tag.text())),
            Err(error) => Ok(Err(self.note(error))),
        }
    }

    /// An answer must be that to its own question.
    async fn echo(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let number = self.chance.below(1 << 29);
        match within("Evaluate", open.doc.evaluate(&format!("{number}+1"))).await? {
            Ok(sum) if sum == (number + 1).to_string() => Ok(Ok(())),
            Ok(sum) => Err(format!("{number}+1 is said to be {sum}")),
            Err(error) => Ok(Err(self.note(error))),
        }
    }

    /// Gives a call up: one that never ends, or a write of which nobody knows any more.
    async fn give_up(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let patience = Duration::from_micros(self.chance.below(3000));
        if self.chance.one_in(2) {
            let call = open.doc.evaluate("Hang()");
            if self.chance.one_in(2) {
                let Err(error) = within("a call with a deadline", call.timeout(patience)).await? else {
                    return Err("a call that hangs was answered".into());
                };
                return Ok(Err(self.note(error)));
            }
            let given_up = tokio::time::timeout(patience, call.into_future()).await;
            self.world.figures.count("dropped calls");
            return Ok(given_up.map_or(Ok(()), |done| done.map(drop).map_err(|error| self.note(error))));
        }
        let tag = self.world.ledger.tag();
        let call = open.variable.set_string_value(&tag.text());
        self.world.figures.count("dropped writes");
        match tokio::time::timeout(patience, call.into_future()).await {
            Err(_) => {
                self.variable.perhaps(tag.text());
                Ok(Ok(()))
            }
            Ok(done) => {
                let outcome = self.outcome(&done, tag)?;
                self.wrote(open, 1, tag, &outcome);
                Ok(done)
            }
        }
    }

    /// Many calls at once, whose answers may come in any order.
    async fn many(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let first = self.chance.below(1 << 20);
        let calls = (first..first + 20).map(|number| {
            let call = open.doc.evaluate(&format!("{number}+0"));
            async move { (number, call.await) }
        });
        let answers = within("many calls", futures_util::future::join_all(calls)).await?;
        for (number, answer) in answers {
            match answer {
                Ok(text) if text == number.to_string() => {}
                Ok(text) => return Err(format!("{number}+0 is said to be {text}")),
                Err(error) => return Ok(Err(self.note(error))),
            }
        }
        Ok(Ok(()))
    }

    async fn reload(&mut self, open: &Open) -> Result<Result<(), Error>, Fault> {
        let script = format!("Sleep {};\nLOAD * FROM sales;", self.chance.below(4));
        if let Err(error) = within("SetScript", open.doc.set_script(&script)).await? {
            return Ok(Err(self.note(error)));
        }
        let tag = self.world.ledger.tag();
        let call = open.doc.call::<Value>("DoReloadEx", &json!([{"qReloadId": tag.text()}]));
        let id = call.request_id();
        let global = open.session.global();
        let done = std::pin::pin!(call.into_future());
        // The reload goes on as answers leave, so somebody has to ask.
        let ask = async {
            loop {
                if global.get_progress(id).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        let both = async {
            tokio::select! {
                done = done => done,
                () = ask => std::future::pending().await,
            }
        };
        let done = within("DoReloadEx", both).await?;
        self.outcome(&done, tag)?;
        match done {
            Ok(result) if result["qResult"]["qSuccess"] == true => {
                self.world.figures.count("reloads");
                Ok(Ok(()))
            }
            Ok(result) => Err(format!("a reload ended with {result}")),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Says what became of a write, and checks that the engine agrees.
    fn outcome<T>(&self, done: &Result<T, Error>, tag: Tag) -> Result<Outcome, Fault> {
        let count = self.world.ledger.count(tag);
        if count > 1 {
            return Err(format!("the write {} was made {count} times", tag.text()));
        }
        match done {
            Ok(_) if count == 1 => {
                self.world.figures.count("writes acknowledged");
                Ok(Outcome::Done)
            }
            Ok(_) => Err(format!("the write {} was acknowledged and never made", tag.text())),
            Err(error) => {
                self.world.figures.error(error);
                // Nothing was done if the engine refused, nor if it never came there.
                if error.kind() == ErrorKind::Engine {
                    return Ok(Outcome::Refused);
                }
                self.world.figures.count(if count == 1 {
                    "outcome unknown, done"
                } else {
                    "outcome unknown, not done"
                });
                Ok(Outcome::Unknown)
            }
        }
    }
}

/// Waits for something that must come to an end.
async fn within<F: IntoFuture>(what: &str, future: F) -> Result<F::Output, Fault> {
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| format!("{what} has no end"))
}
