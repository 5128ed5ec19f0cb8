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
}

/// What is done to the socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Saying {
    Text(Text),
    Binary(Bytes),
    Close(Option<u16>, String),
    Drop,
}

#[derive(Debug)]
struct Later {
    due: Instant,
    number: u64,
    saying: Saying,
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
        };
        conversation.plan();
        conversation
    }

    /// Takes in what the client says.
    pub(super) fn hear(&mut self, text: &[u8]) {
        self.player.handle_text(text, &mut self.said);
        self.plan();
    }

    /// Returns how much is still to be said.
    pub(super) fn unsaid(&self) -> usize {
        self.ready.len() + self.later.len()
    }

    /// Returns the next thing that waits for nothing.
    pub(super) fn say_at_once(&mut self) -> Option<Saying> {
        self.ready.pop_front()
    }

    /// Ends it: the session is free for another socket from now on.
    pub(super) fn leave(&self) {
        self.player.seat().leave(Instant::now());
    }

    /// Waits for the next thing to be said.
    pub(super) fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<Saying> {
        loop {
            if let Some(saying) = self.ready.pop_front() {
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
                self.ready.extend(self.later.pop().map(|Reverse(later)| later.saying));
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
                    later.push(Reverse(Later { due, number: *count, saying }));
                }
            }
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
