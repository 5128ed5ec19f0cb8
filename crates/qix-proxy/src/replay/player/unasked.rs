//! What a player says without being asked.

use std::time::Duration;

use bytes::Bytes;
use qix_protocol::Lineage;

use super::{ENVELOPE, Outgoing, Player, Said, at};
use crate::replay::{
    Greeting, ReplayMatcher, Text,
    answer::{Lists, Outcome, Push, Pushed, RecordedAnswer},
    greeting::{greets, truthful},
    index::CallId,
    session::Heard,
    tape::Moment,
};

impl Player {
    /// Takes in what has happened to this socket without its client's doing.
    pub(in super::super) fn hear(&mut self, heard: Heard, out: &mut Vec<Said>) {
        let tapes = self.matcher.tapes().clone();
        match heard {
            Heard::Push { call, moment, index, after } => {
                if let Some(push) = self.pushes(call, moment).get(index) {
                    self.say(push, after, out);
                }
            }
            Heard::Lists { call, after } => {
                let Ok(Outcome::Answer(answer)) = tapes.outcome(call) else { return };
                let opened: Vec<&Lineage> = answer.opened().map(|(lineage, _)| lineage).collect();
                let mut all = Lists::default();
                let moments = [Moment::Before, Moment::After];
                let pushes: Vec<Push> =
                    moments.map(|moment| self.pushes(call, moment)).into_iter().flatten().collect();
                let pushed = pushes.iter().filter_map(|push| match &push.what {
                    Pushed::Lists(lists) => Some(lists),
                    _ => None,
                });
                for lists in std::iter::once(&answer.lists).chain(pushed) {
                    all.join(lists, |lineage| !opened.contains(&lineage));
                }
                self.say_lists(&all, after, out);
            }
            Heard::Told { lists, all } => {
                let lists = if all { self.with_all_changed((*lists).clone()) } else { (*lists).clone() };
                self.say_lists(&lists, Duration::ZERO, out);
            }
            Heard::Close(code, reason) => out.push(at(Duration::ZERO, Outgoing::Close(code, reason))),
            Heard::Cut => out.push(at(Duration::ZERO, Outgoing::Drop)),
        }
    }

    /// Returns what the engine said unasked around a call.
    pub(super) fn pushes(&self, call: CallId, moment: Moment) -> Vec<Push> {
        self.matcher.tapes().pushes(call, moment, self.matcher.keeps_pace()).unwrap_or_else(|error| {
            tracing::error!("{error}");
            Vec::new()
        })
    }

    /// Says what followed a call, or lets others of the session say it.
    pub(super) fn follow(&mut self, call: CallId, moment: Moment, base: Duration, out: &mut Vec<Said>) {
        if !self.matcher.tapes().has_pushes(call, moment) {
            return;
        }
        let tapes = self.matcher.tapes().clone();
        let is_first = tapes.first_call(tapes.tape_of(call)) == Some(call);
        for (index, push) in self.pushes(call, moment).iter().enumerate() {
            let after = base + push.since;
            // Said already: the first request of each socket is greeted, whether it was taken before or not.
            if is_first && matches!(&push.what, Pushed::Text(text) if greets(text)) {
                continue;
            }
            if let Pushed::Lists(lists) = &push.what {
                for lineage in &lists.closed {
                    self.seat.session().lock().known.forget(lineage);
                }
            }
            // A call that was found on another tape brings what was said on that one.
            if push.tape == self.seat.tape || push.tape == tapes.tape_of(call) {
                self.say(push, after, out);
            } else {
                self.seat.tell_player(push.tape, Heard::Push { call, moment, index, after });
            }
        }
    }

    /// Tells the sockets of the session that nobody played in the recording what an answer has changed.
    pub(super) fn share(&self, call: CallId, answer: &RecordedAnswer, after: Duration) {
        if answer.lists.is_empty() || !self.seat.session().lock().has_company() {
            return;
        }
        let tapes = self.matcher.tapes();
        let pushes = [Moment::Before, Moment::After].map(|moment| self.pushes(call, moment));
        let own = tapes.tape_of(call);
        let told = |tape: usize| {
            pushes.iter().flatten().any(|push| push.tape == tape)
                || tapes.tapes[tape].path == tapes.tapes[own].path && tape != own
        };
        self.seat.tell_guests(told, &Heard::Lists { call, after });
    }

    pub(super) fn say(&mut self, push: &Push, after: Duration, out: &mut Vec<Said>) {
        let outgoing = match &push.what {
            Pushed::Text(text) if greets(text) => return self.greet(text, after, out),
            Pushed::Text(text) => Outgoing::Text(text.clone().into()),
            Pushed::Binary(bytes) => Outgoing::Binary(bytes.clone()),
            Pushed::Close(code, reason) => Outgoing::Close(*code, reason.clone()),
            Pushed::Drop => Outgoing::Drop,
            Pushed::Again => {
                let answer = out.iter().rev().find_map(|said| match &said.what {
                    Outgoing::Answer(text) => Some(text.clone()),
                    _ => None,
                });
                let Some(answer) = answer else { return };
                Outgoing::Text(answer)
            }
            Pushed::Lists(lists) => return self.say_lists(lists, after, out),
        };
        out.push(at(after, outgoing));
    }

    pub(super) fn greet(&self, text: &Bytes, after: Duration, out: &mut Vec<Said>) {
        if self.greeting == Greeting::Recorded {
            let text = truthful(text, self.seat.attached).into_owned();
            out.push(at(after, Outgoing::Text(text.into())));
        }
    }

    fn say_lists(&mut self, lists: &Lists, after: Duration, out: &mut Vec<Said>) {
        let mut text = Text::with_room(ENVELOPE);
        text.write(br#"{"jsonrpc":"2.0""#);
        let bare = text.len();
        self.write_lists(&mut text, lists);
        if text.len() == bare {
            // None of the objects is open here.
            return;
        }
        text.write(b"}");
        out.push(at(after, Outgoing::Text(text)));
    }
}

/// Returns what greets the client of a recorded connection after its first request, and how long after.
pub(super) fn late_greeting(matcher: &ReplayMatcher, tape: usize) -> Vec<(Bytes, Duration)> {
    let tapes = matcher.tapes();
    let Some(call) = tapes.first_call(tape) else { return Vec::new() };
    let answered =
        if matcher.keeps_pace() { tapes.latency(call).unwrap_or_default() } else { Duration::ZERO };
    let mut late = Vec::new();
    for (moment, base) in [(Moment::Before, Duration::ZERO), (Moment::After, answered)] {
        // What cannot be read is said to be so when the call is made.
        for push in tapes.pushes(call, moment, matcher.keeps_pace()).unwrap_or_default() {
            if let Pushed::Text(text) = push.what
                && push.tape == tape
                && greets(&text)
            {
                late.push((text, base + push.since));
            }
        }
    }
    late
}
