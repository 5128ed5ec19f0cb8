//! Keeps the selections of a session, so that they outlive it.

use std::{pin::Pin, task::Context, time::Duration};

use qix_protocol::{Answer, NewRequest, frame::Raw};
use qix_transport::Connect;
use serde::Deserialize;
use tokio::{
    sync::oneshot,
    time::{Instant, Sleep, sleep},
};

use crate::{Error, command::InFlight, driver::Driver};

/// How long after a change selections are stored, so that a burst of them is stored once.
const SETTLED: Duration = Duration::from_millis(500);

/// Stores the selections of an app now and then.
pub(crate) struct Keeper {
    ttl: Duration,
    /// When to store them; none if nothing has changed.
    due: Option<Pin<Box<Sleep>>>,
    storing: Option<oneshot::Receiver<Result<Answer, Error>>>,
    /// The temporary state, and when it was stored.
    stored: Option<(String, Instant)>,
}

impl Keeper {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { ttl, due: None, storing: None, stored: None }
    }

    /// Takes in that something has changed.
    pub(crate) fn touch(&mut self) {
        let latest = Instant::now() + SETTLED;
        // Changes that never cease must not put it off for ever.
        if self.due.as_ref().is_none_or(|due| due.deadline() > latest) {
            self.due_in(SETTLED);
        }
    }

    /// Returns the temporary state, unless it has expired.
    pub(crate) fn stored(&self) -> Option<String> {
        self.stored.as_ref().filter(|(_, at)| at.elapsed() < self.ttl).map(|(id, _)| id.clone())
    }

    /// Takes in that there is another socket.
    pub(crate) fn start_anew(&mut self) {
        self.storing = None;
        self.touch();
    }

    fn due_in(&mut self, time: Duration) {
        match &mut self.due {
            Some(due) => due.as_mut().reset(Instant::now() + time),
            None => self.due = Some(Box::pin(sleep(time))),
        }
    }

    fn take_answer(&mut self, answer: Result<Answer, Error>) {
        #[derive(Deserialize)]
        struct Stored {
            #[serde(rename = "qId")]
            id: String,
        }
        let stored = answer.ok().and_then(|answer| answer.decode::<Stored>().ok());
        if let Some(Stored { id }) = stored.filter(|stored| !stored.id.is_empty()) {
            self.stored = Some((id, Instant::now()));
            if self.due.is_none() {
                self.due_in(self.ttl / 2);
            }
        }
    }
}

impl<C: Connect + 'static> Driver<C> {
    /// Stores the selections if they have settled. There is one such call in flight at most.
    pub(crate) fn keep_selections(&mut self, cx: &mut Context<'_>) {
        let Some(keeper) = &mut self.keeper else { return };
        if let Some(storing) = &mut keeper.storing {
            match Pin::new(storing).poll(cx) {
                std::task::Poll::Pending => return,
                std::task::Poll::Ready(answer) => {
                    keeper.storing = None;
                    if let Ok(answer) = answer {
                        keeper.take_answer(answer);
                    }
                }
            }
        }
        if !keeper.due.as_mut().is_some_and(|due| due.as_mut().poll(cx).is_ready()) {
            return;
        }
        keeper.due = None;
        let held = self.shared.objects.held();
        let Some(app) = held.iter().find(|object| object.kind() == "Doc") else { return };
        let text = format!("[{}]", keeper.ttl.as_secs());
        let Ok(params) = Raw::new(text.as_bytes()) else { return };
        let (reply, answer) = oneshot::channel();
        keeper.storing = Some(answer);
        let request = NewRequest {
            id: self.shared.ids.reserve(),
            to: app.handle(),
            method: "StoreTempSelectionState",
            params,
            delta: false,
            deadline: None,
        };
        self.make_call(request, InFlight { reply, detached: true, change: None }, None);
    }
}
