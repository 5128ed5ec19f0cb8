//! What becomes of the messages of one connection. Pure: no clock, no socket; times are returned.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{
    CloseCode, Handle,
    frame::{
        Raw,
        client::Request,
        engine::{Frame, Kind},
    },
};
use qix_transport::printable;

use super::{
    FaultRules,
    action::{At, Cut, EndWith, Fate, What},
    draw::Purpose,
    objects::Objects,
    rules::{Counts, Origin},
};

/// Calls whose answers are to be struck, at most; later ones are left alone.
const MOST_STRUCK: usize = 10_000;
/// Answers that wait for later ones, at most; more come in order.
const MOST_HELD: usize = 100;
/// How long an answer waits for a later one, which may never come.
pub(super) const LONGEST_HOLD: Duration = Duration::from_secs(1);
/// How much of an id is shown, in characters.
const SHOWN_ID: usize = 40;

/// What a connection's rules make of its messages.
///
/// It is told each text of the client and each of the engine. What it returns is to be done to the client, each thing after its
/// time, and in order where times are equal.
#[derive(Debug)]
pub(crate) struct FaultMachine {
    rules: FaultRules,
    path: String,
    number: u64,
    counts: Counts,
    /// What is to become of answers, by the id of their request.
    struck: HashMap<Box<[u8]>, Plan>,
    held: VecDeque<Held>,
    last_held: u64,
    objects: Option<Objects>,
    /// Whether too many calls are struck that nobody answers.
    is_full: bool,
}

/// Something that is to be done to the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Due {
    /// How long to wait before.
    pub(crate) after: Duration,
    pub(crate) act: Act,
}

/// What is done to the client.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    /// A text message is sent.
    Text(Bytes),
    /// The connection is closed.
    Close(u16, String),
    /// The connection is reset, once the first half of the frame of this text was sent, if there is one.
    Abort(Option<Bytes>),
    /// The machine is told that the time of this held answer is [up](FaultMachine::release).
    Release(u64),
}

/// What is to become of one answer.
#[derive(Debug, Default)]
struct Plan {
    error: Option<Bytes>,
    is_dropped: bool,
    duplicates: u32,
    cut: Option<Cut>,
    /// How many later answers come first.
    behind: u32,
    delay: Duration,
    before: Vec<Bytes>,
    after: Vec<Bytes>,
    end: Option<(At, Act)>,
    /// Whether the engine is not asked.
    is_withheld: bool,
    /// Whether a rule has decided what becomes of the answer.
    has_fate: bool,
}

#[derive(Debug)]
struct Held {
    number: u64,
    left: u32,
    due: Vec<Due>,
}

impl FaultMachine {
    pub(super) fn new(rules: FaultRules, path: String, number: u64) -> Self {
        Self {
            counts: vec![(0, 0); rules.rules().len()],
            objects: rules.by_object().then(Objects::new),
            rules,
            path,
            number,
            struck: HashMap::new(),
            held: VecDeque::new(),
            last_held: 0,
            is_full: false,
        }
    }

    /// Takes in what the client says, adds to `out` what is done to it at once and to `notes` which rules have struck; returns
    /// whether the engine is to hear it.
    ///
    /// What expects no answer, or is no request, is left alone.
    pub(crate) fn request(&mut self, text: &[u8], out: &mut Vec<Due>, notes: &mut Vec<String>) -> bool {
        let Ok(request) = Request::parse(text) else { return true };
        let Some(id) = request.id else { return true };
        let mut plan = Plan::default();
        let is_struck = self.strike(&request, id, &mut plan, notes);
        if let Some(objects) = &mut self.objects
            && !plan.is_withheld
        {
            objects.asked(&request);
        }
        if !is_struck {
            // An id may be used again.
            self.struck.remove(id.as_bytes());
            return true;
        }
        if plan.is_withheld {
            self.carry_out(plan, None, out);
            return false;
        }
        self.struck.insert(id.as_bytes().into(), plan);
        true
    }

    /// Takes in what the engine says; returns whether the client is to hear it as it is, before what is added to `out`.
    pub(crate) fn message(&mut self, text: &[u8], out: &mut Vec<Due>) -> bool {
        if self.objects.is_none() && self.struck.is_empty() && self.held.is_empty() {
            return true;
        }
        let Ok(frame) = Frame::parse(text) else { return true };
        let Kind::Response(response) = &frame.kind else {
            if let Some(objects) = &mut self.objects {
                objects.closed(&frame.changes.closed);
            }
            return true;
        };
        if let Some(objects) = &mut self.objects {
            objects.answered(response);
            objects.closed(&frame.changes.closed);
        }
        let plan = response.id.and_then(|id| self.struck.remove(id.as_bytes()));
        let Some(plan) = plan else {
            self.let_go(out);
            return true;
        };
        self.carry_out(plan, Some(text), out);
        false
    }

    /// Says what was held back too long, if it still is.
    pub(crate) fn release(&mut self, number: u64, out: &mut Vec<Due>) {
        if let Some(place) = self.held.iter().position(|held| held.number == number) {
            out.extend(self.held.remove(place).into_iter().flat_map(|held| held.due));
        }
    }

    /// Returns how many answers are held back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Adds what the rules do to a request to its plan; returns whether they do anything.
    fn strike(
        &mut self,
        request: &Request<'_>,
        id: Raw<'_>,
        plan: &mut Plan,
        notes: &mut Vec<String>,
    ) -> bool {
        if self.struck.len() >= MOST_STRUCK {
            if !std::mem::replace(&mut self.is_full, true) {
                tracing::warn!(
                    "{MOST_STRUCK} calls wait for answers that faults are to strike; more are left alone"
                );
            }
            return false;
        }
        let rules = self.rules.clone();
        let mut counts = std::mem::take(&mut self.counts);
        let mut is_struck = false;
        for (index, rule) in
            rules.rules().iter().enumerate().filter(|(index, _)| self.is_about(*index, request))
        {
            let said = |call| {
                let delay = Some(self.delay(index, call)).filter(|delay| !delay.is_zero());
                let delay = delay.map(|delay| format!("delayed by {delay:?}"));
                let words = Some(rule.what.in_words()).filter(|words| !words.is_empty());
                let words: Vec<String> = words.into_iter().chain(delay).collect();
                let (method, id) = (&request.method, String::from_utf8_lossy(id.as_bytes()));
                format!(
                    "{}, request {}: {}",
                    printable(method, 80),
                    printable(&id, SHOWN_ID),
                    words.join(", ")
                )
            };
            let free = plan.has_room_for(&rule.what);
            if let Some((call, note)) = rules.strike(index, self.origin(), &mut counts, free, said) {
                self.add(plan, index, call, id);
                notes.push(note);
                is_struck = true;
            }
        }
        self.counts = counts;
        is_struck
    }

    fn origin(&self) -> Origin<'_> {
        Origin { path: &self.path, number: self.number }
    }

    /// Returns by how much a rule delays the answer to a call.
    fn delay(&self, index: usize, call: u64) -> Duration {
        let Some((least, most)) = self.rules.rules()[index].what.delay else { return Duration::ZERO };
        let mut dice = self.rules.dice(index, self.origin(), call, Purpose::Delay);
        // A day at most, which fits.
        let span = u64::try_from((most - least).as_micros()).unwrap_or_default();
        least + Duration::from_micros(dice.u64(0..=span))
    }

    fn is_about(&self, index: usize, request: &Request<'_>) -> bool {
        let when = &self.rules.rules()[index].when;
        !when.upgrade
            && when.method.as_ref().is_none_or(|pattern| pattern.matches(&request.method))
            && when.path.as_ref().is_none_or(|pattern| pattern.matches(&self.path))
            && when.connection.is_none_or(|number| number == self.number)
            && when.contains.as_ref().is_none_or(|part| {
                let params = request.params.map_or(&b""[..], |params| params.as_bytes());
                memchr::memmem::find(params, part.as_bytes()).is_some()
            })
            && when.object.as_ref().is_none_or(|pattern| {
                self.objects.as_ref().is_some_and(|objects| objects.is(request.handle, pattern))
            })
    }

    /// Adds what a rule does to a plan.
    fn add(&self, plan: &mut Plan, index: usize, call: u64, id: Raw<'_>) {
        let What { fate, notify, change, suspend, end, at, .. } = &self.rules.rules()[index].what;
        plan.delay += self.delay(index, call);
        plan.has_fate |= fate.is_some();
        match fate {
            Some(Fate::Error { code, message, parameter }) => {
                let id = String::from_utf8_lossy(id.as_bytes());
                let [parameter, message] = [parameter, message].map(|text| serde_json::Value::from(&**text));
                let error = format!(r#"{{"code":{code},"parameter":{parameter},"message":{message}}}"#);
                plan.error = Some(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#).into());
                plan.is_withheld = true;
            }
            Some(Fate::DropAnswer) => plan.is_dropped = true,
            Some(Fate::DropRequest) => plan.is_withheld = true,
            Some(Fate::Duplicate(more)) => plan.duplicates = *more,
            Some(Fate::Truncate(cut)) => plan.cut = Some(*cut),
            Some(Fate::Reorder(others)) => plan.behind = *others,
            None => {}
        }
        let pushes = match at {
            At::After => &mut plan.after,
            _ => &mut plan.before,
        };
        if let Some(notification) = notify {
            let method = serde_json::Value::from(&*notification.method);
            let params = &notification.params;
            pushes.push(format!(r#"{{"jsonrpc":"2.0","method":{method},"params":{params}}}"#).into());
        }
        if let Some(objects) = &self.objects {
            for (name, pattern) in [("change", change), ("suspend", suspend)] {
                let handles = pattern.as_ref().map(|pattern| objects.all(pattern)).unwrap_or_default();
                if !handles.is_empty() {
                    let handles: Vec<i32> = handles.into_iter().map(Handle::get).collect();
                    pushes.push(format!(r#"{{"jsonrpc":"2.0","{name}":{handles:?}}}"#).into());
                }
            }
        }
        if let Some(end) = end {
            let act = match end {
                EndWith::Abort => Act::Abort(None),
                EndWith::Close { code, reason: Some(reason) } => Act::Close(*code, reason.clone()),
                EndWith::Close { code, reason: None } => Act::Close(*code, self.reason(*code, index, call)),
            };
            plan.end = Some((*at, act));
        }
        plan.is_withheld |= *at == At::Instead;
    }

    /// Returns what closes with this code say: those of Qlik Cloud have a body, others have none.
    fn reason(&self, code: u16, rule: usize, call: u64) -> String {
        let is_cloud = (4200..4300).contains(&code) && CloseCode::new(code).name().is_some();
        if !is_cloud {
            return String::new();
        }
        let trace = self.rules.dice(rule, self.origin(), call, Purpose::Trace).u128(..);
        format!(r#"{{"code":"QEP-{}","traceId":"{trace:032x}"}}"#, code - 4100)
    }

    /// Does to an answer what was planned; there is none if the engine was not asked.
    fn carry_out(&mut self, plan: Plan, answer: Option<&[u8]>, out: &mut Vec<Due>) {
        let Plan { error, is_dropped, duplicates, cut, behind, delay, before, after, end, .. } = plan;
        let mut acts: Vec<Act> = before.into_iter().map(Act::Text).collect();
        let answer = error.or(answer.map(Bytes::copy_from_slice)).filter(|_| !is_dropped);
        match (end, answer) {
            (Some((At::Instead | At::Before, end)), _) => acts.push(end),
            (Some((At::Middle, _)), answer) => acts.push(Act::Abort(answer)),
            (end, answer) => {
                if let Some(text) = answer {
                    let text = match cut {
                        Some(cut) => cut_short(&text, cut),
                        None => text,
                    };
                    acts.extend((0..=duplicates).map(|_| Act::Text(text.clone())));
                }
                acts.extend(after.into_iter().map(Act::Text));
                acts.extend(end.map(|(_, end)| end));
            }
        }
        let due: Vec<Due> = acts.into_iter().map(|act| Due { after: delay, act }).collect();
        if behind > 0 && self.held.len() < MOST_HELD {
            self.last_held += 1;
            out.push(Due { after: LONGEST_HOLD, act: Act::Release(self.last_held) });
            self.held.push_back(Held { number: self.last_held, left: behind, due });
            return;
        }
        let says = due.iter().any(|due| matches!(due.act, Act::Text(_)));
        out.extend(due);
        if says {
            self.let_go(out);
        }
    }

    /// Notes that an answer is said, and says those that have waited for it.
    fn let_go(&mut self, out: &mut Vec<Due>) {
        for held in &mut self.held {
            held.left -= 1;
        }
        while let Some(place) = self.held.iter().position(|held| held.left == 0) {
            out.extend(self.held.remove(place).into_iter().flat_map(|held| held.due));
        }
    }
}

impl Plan {
    /// Returns whether another rule's deeds can be done besides what is planned.
    fn has_room_for(&self, what: &What) -> bool {
        let fate_fits = what.fate.is_none() || !self.has_fate;
        let end_fits = what.end.is_none() || self.end.is_none();
        // An end in place of the answer leaves nothing to become of it, and the other way round.
        let early = |at: At| at != At::After;
        let ends_early = self.end.as_ref().is_some_and(|(at, _)| early(*at));
        let clash =
            ends_early && what.fate.is_some() || self.has_fate && what.end.is_some() && early(what.at);
        // The same with what is pushed after the answer, and with what becomes of an answer that a push takes the place of.
        let pushes = what.notify.is_some() || what.change.is_some() || what.suspend.is_some();
        let unheard = ends_early && pushes && what.at == At::After
            || what.end.is_some() && early(what.at) && !self.after.is_empty();
        let replaces = self.is_withheld && what.fate.as_ref().is_some_and(Fate::asks)
            || self.has_fate && !self.is_withheld && pushes && what.at == At::Instead;
        fate_fits && end_fits && !clash && !unheard && !replaces
    }
}

/// Ends a text early, so that it is no JSON any more, and within no character.
fn cut_short(text: &Bytes, cut: Cut) -> Bytes {
    let whole = text.trim_ascii_end().len();
    let end = match cut {
        Cut::Bytes(bytes) => bytes,
        // Below the length, which fits.
        Cut::Share(share) => (whole as f64 * share) as usize,
    };
    let end = end.min(whole.saturating_sub(1));
    // A byte that continues a character begins with the bits 10.
    let end = (0..=end).rev().find(|end| text.get(*end).is_none_or(|byte| byte & 0xc0 != 0x80)).unwrap_or(0);
    text.slice(..end)
}

#[cfg(test)]
mod tests;
