//! What waits for its time.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::faults::{Act, Due};

/// Things to be done later, in the order of their times.
#[derive(Debug, Default)]
pub(super) struct Deeds {
    waiting: BinaryHeap<Reverse<Deed>>,
    count: u64,
    bytes: usize,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Deed {
    at: Instant,
    number: u64,
    act: Act,
}

impl Deeds {
    /// Adds something that is to be done later.
    pub(super) fn add(&mut self, due: Due) {
        self.count += 1;
        self.bytes += size(&due.act);
        self.waiting.push(Reverse(Deed { at: Instant::now() + due.after, number: self.count, act: due.act }));
    }

    /// Returns how many bytes wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Waits for the next thing whose time has come; for ever if nothing waits.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Act> {
        loop {
            let Some(Reverse(next)) = self.waiting.peek() else { return Poll::Pending };
            let at = next.at;
            if at <= Instant::now() {
                let Some(Reverse(deed)) = self.waiting.pop() else { return Poll::Pending };
                self.bytes -= size(&deed.act);
                return Poll::Ready(deed.act);
            }
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
            if timer.deadline() != at {
                timer.as_mut().reset(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Small ones count too, so that many of them are much.
fn size(act: &Act) -> usize {
    const LEAST: usize = 256;
    match act {
        Act::Text(text) => text.len() + LEAST,
        _ => LEAST,
    }
}

impl Ord for Deed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Deed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Deed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Deed {}
