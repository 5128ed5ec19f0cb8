//! When what is said: a player, and the recorded pace.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, Sleep, sleep_until},
};

use crate::faults::{Act, Due, FaultMachine};

use super::{
    OnMiss, Outgoing, Player, Text, player::Said, sessions::Visitor, stage::Stage, upstream::Answered,
};

/// The conversation with one live socket, in a server or inside a program.
#[derive(Debug)]
pub(super) struct Conversation {
    player: Player,
    stage: Arc<Stage>,
    /// What is to be said at once.
    ready: VecDeque<Saying>,
    /// What is to be said later, with the order in which it was thought of.
    later: BinaryHeap<Reverse<Later>>,
    count: u64,
    timer: Option<Pin<Box<Sleep>>>,
    said: Vec<Said>,
    /// Path and query that the client asked for.
    target: Box<str>,
    /// What an upstream has answered, if one is asked.
    told: Option<(UnboundedSender<Answered>, UnboundedReceiver<Answered>)>,
    faults: Option<Box<Faults>>,
}

/// What the rules for faults make of what is said.
#[derive(Debug)]
struct Faults {
    machine: FaultMachine,
    /// What is to be said at once, as the rules want it.
    ready: VecDeque<Saying>,
    due: Vec<Due>,
    notes: Vec<String>,
}

/// What is done to the socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Saying {
    Text(Text),
    Binary(Bytes),
    Close(Option<u16>, String),
    Drop,
    /// Reset the connection, after half of the frame of a text.
    Abort(Option<Bytes>),
}

#[derive(Debug)]
struct Later {
    due: Instant,
    number: u64,
    what: Deferred,
}

/// What is done later.
#[derive(Debug)]
enum Deferred {
    /// It is said, if the rules for faults have nothing against it.
    Say(Saying),
    /// It is said, as the rules want it.
    SayAsRuled(Saying),
    /// The rules are told that an answer was held back for long enough.
    Release(u64),
}

impl Conversation {
    /// Begins with what the engine says first.
    pub(super) fn open(stage: Arc<Stage>, visitor: &Visitor) -> Self {
        let seat = stage.sessions.attach(visitor, Instant::now());
        stage.connections.fetch_add(1, Ordering::Relaxed);
        let player = Player::seated(stage.matcher.clone(), seat, stage.settings.greeting);
        let mut player = player.on_miss(stage.settings.on_miss.clone());
        let told = matches!(stage.settings.on_miss, OnMiss::Upstream(_)).then(unbounded_channel);
        let mut said = Vec::new();
        player.open(&mut said);
        let faults = stage.settings.faults.as_ref().map(|rules| {
            let machine = rules.connection(&visitor.target);
            Box::new(Faults { machine, ready: VecDeque::new(), due: Vec::new(), notes: Vec::new() })
        });
        let mut conversation = Self {
            player,
            stage,
            ready: VecDeque::new(),
            later: BinaryHeap::new(),
            count: 0,
            timer: None,
            said,
            target: visitor.target.clone(),
            told,
            faults,
        };
        conversation.plan();
        conversation
    }

    /// Takes in what the client says.
    pub(super) fn hear(&mut self, text: &[u8]) {
        if self.faults.is_some() && !self.is_heard(text) {
            return;
        }
        self.player.handle_text(text, &mut self.said);
        self.plan();
    }

    /// Returns how much is still to be said.
    pub(super) fn unsaid(&self) -> usize {
        let ruled = self.faults.as_ref().map_or(0, |faults| faults.ready.len() + faults.machine.held());
        self.ready.len() + self.later.len() + ruled
    }

    /// Returns the next thing that waits for nothing.
    pub(super) fn say_at_once(&mut self) -> Option<Saying> {
        if self.faults.is_some() {
            return self.say_as_ruled();
        }
        self.ready.pop_front()
    }

    /// Ends it: the session is free for another socket from now on.
    pub(super) fn leave(&self) {
        self.player.seat().leave(Instant::now());
    }

    /// Waits for the next thing to be said.
    pub(super) fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<Saying> {
        loop {
            if let Some(saying) = self.say_at_once() {
                return Poll::Ready(saying);
            }
            if self.poll_later(cx) {
                continue;
            }
            match self.player.seat().poll_heard(cx) {
                Poll::Ready(heard) => {
                    self.player.hear(heard, &mut self.said);
                    self.plan();
                }
                Poll::Pending => match self.poll_told(cx) {
                    Poll::Ready((ask, told)) => {
                        self.player.told(&ask, told, &mut self.said);
                        self.plan();
                    }
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<Answered> {
        let Some((_, answers)) = &mut self.told else { return Poll::Pending };
        match answers.poll_recv(cx) {
            Poll::Ready(Some(answered)) => Poll::Ready(answered),
            // It does not end while its sender is here.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Makes ready what is due; returns whether anything was.
    fn poll_later(&mut self, cx: &mut Context<'_>) -> bool {
        while let Some(Reverse(next)) = self.later.peek() {
            let due = next.due;
            if due <= Instant::now() {
                if let Some(Reverse(later)) = self.later.pop() {
                    self.take_up(later.what);
                }
                return true;
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return false;
            }
        }
        false
    }

    /// Decides when what the player has said is said.
    fn plan(&mut self) {
        let Self { player, said, stage, ready, later, count, target, told, .. } = self;
        let mut now = None;
        for Said { after, what } in said.drain(..) {
            let saying = match what {
                Outgoing::Answer(text) => {
                    stage.answered.fetch_add(1, Ordering::Relaxed);
                    Saying::Text(text)
                }
                Outgoing::Text(text) => Saying::Text(text),
                Outgoing::Binary(bytes) => Saying::Binary(bytes),
                Outgoing::Close(code, reason) => Saying::Close(code, reason),
                Outgoing::Drop => Saying::Drop,
                Outgoing::Missed(miss) => {
                    stage.missed(miss);
                    continue;
                }
                Outgoing::Ask(ask) => {
                    if let (OnMiss::Upstream(upstream), Some((back, _))) = (&stage.settings.on_miss, &told) {
                        let link = player.seat().session().link(|journal| upstream.link(target, journal));
                        link.ask(ask, back.clone());
                    }
                    continue;
                }
                Outgoing::Unanswered(key) => {
                    tracing::warn!(%key, "recorded without an answer, and not answered now");
                    continue;
                }
            };
            match paced(after, stage.settings.speed) {
                None => ready.push_back(saying),
                Some(after) => {
                    let due = *now.get_or_insert_with(Instant::now) + after;
                    *count += 1;
                    later.push(Reverse(Later { due, number: *count, what: Deferred::Say(saying) }));
                }
            }
        }
    }
}

/// What rules for faults change.
impl Conversation {
    /// Returns whether the player is to hear what the client says.
    fn is_heard(&mut self, text: &[u8]) -> bool {
        // What was answered before is said before, however the client's frames have come.
        self.rule();
        let Some(faults) = &mut self.faults else { return true };
        let is_heard = faults.machine.request(text, &mut faults.due, &mut faults.notes);
        faults.notes.clear();
        self.plan_as_ruled();
        is_heard
    }

    /// Returns the next thing that waits for nothing, as the rules want it.
    fn say_as_ruled(&mut self) -> Option<Saying> {
        if self.faults.as_ref().is_some_and(|faults| faults.ready.is_empty()) {
            self.rule();
        }
        self.faults.as_mut()?.ready.pop_front()
    }

    /// Has the rules decide about all that waits for nothing.
    fn rule(&mut self) {
        while let Some(faults) = &mut self.faults
            && let Some(saying) = self.ready.pop_front()
        {
            let Saying::Text(text) = saying else {
                faults.ready.push_back(saying);
                continue;
            };
            let text = text.into_bytes();
            if faults.machine.message(&text, &mut faults.due) {
                faults.ready.push_back(Saying::Text(text.into()));
            }
            self.plan_as_ruled();
        }
    }

    /// Decides when what the rules want is done.
    fn plan_as_ruled(&mut self) {
        let Some(faults) = &mut self.faults else { return };
        let mut due = std::mem::take(&mut faults.due);
        for Due { after, act } in due.drain(..) {
            let what = match act {
                Act::Text(text) => Deferred::SayAsRuled(Saying::Text(text.into())),
                Act::Close(code, reason) => Deferred::SayAsRuled(Saying::Close(Some(code), reason)),
                Act::Abort(half) => Deferred::SayAsRuled(Saying::Abort(half)),
                Act::Release(number) => Deferred::Release(number),
            };
            if after.is_zero() {
                self.take_up(what);
            } else {
                self.count += 1;
                self.later.push(Reverse(Later { due: Instant::now() + after, number: self.count, what }));
            }
        }
    }

    /// Does what has waited for its time.
    fn take_up(&mut self, what: Deferred) {
        match (what, &mut self.faults) {
            (Deferred::Say(saying), _) | (Deferred::SayAsRuled(saying), None) => self.ready.push_back(saying),
            (Deferred::SayAsRuled(saying), Some(faults)) => faults.ready.push_back(saying),
            (Deferred::Release(number), Some(faults)) => {
                faults.machine.release(number, &mut faults.due);
                self.plan_as_ruled();
            }
            (Deferred::Release(_), None) => {}
        }
    }
}

/// Returns how long to wait, if waiting is wanted.
fn paced(after: Duration, speed: Option<f64>) -> Option<Duration> {
    /// Longer than anybody waits, and short enough for every clock.
    const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    let scaled = after.as_secs_f64() / speed?;
    Some(Duration::try_from_secs_f64(scaled).unwrap_or(LONGEST).min(LONGEST))
}

impl Ord for Later {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

impl PartialOrd for Later {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Later {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Later {}
