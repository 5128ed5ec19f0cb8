//! Sequences of operations on one connection.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use qix_protocol::{
    Connection, ConnectionConfig, Event, Handle, NewRequest, RequestError, RequestId,
    frame::{Raw, client::Request, engine::Frame},
};

/// Does what `steps` say to a connection, and compares it with a model that only counts.
///
/// Whatever happens, each call that was taken ends exactly once, and closed handles have no lineage.
pub fn connection(steps: &[u8], start: Instant) {
    let mut steps = Unstructured::new(steps);
    let mut run = Run::new(start);
    while !steps.is_empty() {
        let Ok(step) = Step::arbitrary(&mut steps) else { break };
        run.take(step);
        run.check();
    }
    run.take(Step::End);
    run.check();
    assert!(run.waiting.is_empty(), "calls were left over");
}

/// One operation. In a seed it is a letter, from `a` on in this order, and its arguments are characters.
#[derive(Debug)]
enum Step {
    /// `a`: a call; the arguments choose object, method, id and deadline.
    Request { to: u8, method: u8, again: u8, deadline: u8 },
    /// `b`: a call is given up.
    Cancel(u8),
    /// `c`: a call could not be sent.
    Abandon(u8),
    /// `d`: an answer of some shape to some call, with lists.
    Answer { call: u8, shape: u8, handle: u8, lists: u8 },
    /// `e`: lists alone.
    Push { handle: u8, lists: u8 },
    /// `f`: news.
    Notification(u8),
    /// `g`: any text, up to a line feed.
    Text(Vec<u8>),
    /// `h`: time passes.
    Wait(u8),
    /// `i`: the socket takes what there is to send.
    Transmit,
    /// `j`: the socket ends.
    End,
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let step = u8::arbitrary(bytes)?;
        let mut next = || u8::arbitrary(bytes);
        Ok(match step.wrapping_sub(b'a') % 10 {
            0 => Self::Request { to: next()?, method: next()?, again: next()?, deadline: next()? },
            1 => Self::Cancel(next()?),
            2 => Self::Abandon(next()?),
            3 => Self::Answer { call: next()?, shape: next()?, handle: next()?, lists: next()? },
            4 => Self::Push { handle: next()?, lists: next()? },
            5 => Self::Notification(next()?),
            6 => {
                let rest = bytes.peek_bytes(bytes.len()).unwrap_or_default();
                let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                Self::Text(bytes.bytes((line.len() + 1).min(rest.len()))?.into())
            }
            7 => Self::Wait(next()?),
            8 => Self::Transmit,
            _ => Self::End,
        })
    }
}

struct Run {
    connection: Connection<u64>,
    now: Instant,
    /// What each call that has not ended carries, and its deadline.
    waiting: BTreeMap<RequestId, (u64, Option<Instant>)>,
    /// The ids of all calls ever made.
    ids: Vec<RequestId>,
    calls: u64,
    ended: bool,
}

impl Run {
    fn new(now: Instant) -> Self {
        let config = ConnectionConfig::default().max_pending(4).max_cancelled(3);
        let connection = Connection::new(config);
        Self { connection, now, waiting: BTreeMap::new(), ids: Vec::new(), calls: 0, ended: false }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Request { to, method, again, deadline } => self.request(to, method, again, deadline),
            Step::Cancel(call) => {
                let id = self.id(call);
                let data = self.connection.cancel(id);
                assert_eq!(data, self.waiting.remove(&id).map(|(data, _)| data));
            }
            Step::Abandon(call) => {
                let id = self.id(call);
                let data = self.connection.abandon(id);
                assert_eq!(data, self.waiting.remove(&id).map(|(data, _)| data));
            }
            Step::Answer { call, shape, handle, lists } => {
                let id = self.id(call);
                self.hear(format!(r#"{{"id":{id}{}{}}}"#, outcome(shape, handle), members(handle, lists)));
            }
            Step::Push { handle, lists } => {
                self.hear(format!(r#"{{"jsonrpc":"2.0"{}}}"#, members(handle, lists)));
            }
            Step::Notification(which) => self.hear(NEWS[usize::from(which) % NEWS.len()].to_owned()),
            Step::Text(text) => self.hear(text),
            Step::Wait(seconds) => {
                self.now += Duration::from_secs(u64::from(seconds % 16));
                self.connection.handle_timeout(self.now);
                assert!(self.connection.poll_timeout().is_none_or(|deadline| deadline > self.now));
            }
            Step::Transmit => {
                for _ in 0..self.connection.untransmitted() {
                    let text = self.connection.poll_transmit().expect("so many were announced");
                    assert!(Request::parse(&text).is_ok_and(|request| request.id.is_some()));
                }
                assert!(self.connection.poll_transmit().is_none());
            }
            Step::End => {
                self.connection.handle_close(std::io::Error::other("end"));
                self.ended = true;
            }
        }
    }

    fn request(&mut self, to: u8, method: u8, again: u8, deadline: u8) {
        // Every fourth uses an id a second time.
        let id = if again % 4 == 3 { self.id(again / 4) } else { self.connection.ids().reserve() };
        let deadline = (deadline % 2 == 1).then(|| self.now + Duration::from_secs(u64::from(deadline % 16)));
        let method = ["OpenDoc", "GetObject", "CreateChild", "Gét\n\"it\""][usize::from(method % 4)];
        let params = Raw::new(br#"["x",{"b":1,"a":[1e400]}]"#).expect("JSON");
        let delta = again & 8 != 0;
        let request = NewRequest { id, to: handle(to), method, params, delta, deadline };
        self.calls += 1;
        match self.connection.request(request, self.calls) {
            Ok(()) => {
                assert!(!self.ended);
                let earlier = self.waiting.insert(id, (self.calls, deadline));
                assert!(earlier.is_none(), "two calls with one id");
                self.ids.push(id);
            }
            Err((error, data)) => {
                assert_eq!(data, self.calls);
                assert_eq!(error == RequestError::Closed, self.ended);
            }
        }
    }

    fn hear(&mut self, text: impl Into<Bytes>) {
        let text = text.into();
        let heard = self.connection.handle_text(text.clone());
        if self.ended {
            assert!(
                heard.is_ok() && self.connection.poll_event().is_none(),
                "nothing is taken in after the end"
            );
            return;
        }
        let frame = Frame::parse(&text);
        assert_eq!(heard.is_ok(), frame.is_ok());
        for closed in frame.iter().flat_map(|frame| &frame.changes.closed) {
            assert!(*closed == Handle::GLOBAL || self.connection.lineage(*closed).is_none());
        }
    }

    /// Empties the events and compares what is left with the model.
    fn check(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Completed { id, data, outcome } => {
                    let (expected, _) = self.waiting.remove(&id).expect("a call ends once");
                    assert_eq!(data, expected);
                    if let Ok(answer) = outcome {
                        let _ = answer.decode::<serde_json::Value>();
                    }
                }
                Event::Changes(changes) => {
                    assert!(!changes.is_empty());
                    assert!(changes.closed.iter().all(|closed| !changes.changed.contains(closed)));
                }
                Event::Notification(news) => {
                    news.is_fatal();
                }
                _ => {}
            }
        }
        assert_eq!(self.connection.in_flight(), self.waiting.len());
        let first = self.waiting.values().filter_map(|(_, deadline)| *deadline).min();
        assert_eq!(self.connection.poll_timeout(), first);
        if self.ended {
            assert!(self.waiting.is_empty());
        }
    }

    /// One of the ids in use so far, or one that is not.
    fn id(&self, which: u8) -> RequestId {
        self.ids.get(usize::from(which % 16)).copied().unwrap_or(RequestId::new(1 << 53))
    }
}

/// Global and a few others.
fn handle(number: u8) -> Handle {
    Handle::new(i32::from(number % 8) - 1)
}

fn outcome(shape: u8, number: u8) -> String {
    let handle = handle(number);
    match shape % 8 {
        0 => r#","result":{}"#.to_owned(),
        1 | 2 => format!(r#","result":{{"qReturn":{{"qType":"GenericObject","qHandle":{handle}}}}}"#),
        3 => r#","result":{"qReturn":{"qType":null,"qHandle":null}}"#.to_owned(),
        4 => r#","error":{"code":15,"message":"Request aborted"}"#.to_owned(),
        5 => r#","delta":true,"result":{"qReturn":[{"op":"add","path":"/","value":1}]}"#.to_owned(),
        6 => r#","result":null"#.to_owned(),
        _ => String::new(),
    }
}

fn members(number: u8, lists: u8) -> String {
    let handle = handle(number);
    let next = Handle::new(handle.get() + 1);
    let mut text = String::new();
    for (bit, list) in [(1, "change"), (2, "close"), (4, "suspend")] {
        if lists & bit != 0 {
            text += &format!(r#","{list}":[{handle},{next}]"#);
        }
    }
    text
}

const NEWS: &[&str] = &[
    r#"{"method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#,
    r#"{"method":"OnConnected","params":[7]}"#,
    r#"{"method":"OnAuthenticationInformation","params":{"loginUri":"x","mustAuthenticate":true}}"#,
    r#"{"method":"OnSessionTimedOut","params":{"severity":"fatal"},"close":[1]}"#,
    r#"{"method":"OnSomethingNew"}"#,
];
