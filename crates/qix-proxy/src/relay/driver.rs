//! Runs the two lanes of one connection in one task.

use std::{
    cell::Cell,
    future::poll_fn,
    hash::{BuildHasher, RandomState},
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Sleep,
};

use super::lane::{Lane, Stage};
use crate::record::{Side, Tape};

/// How long one side may stay silent after the other has ended, or both after both have said goodbye.
const LINGER: Duration = Duration::from_secs(10);

/// The largest buffer that a thread keeps, in bytes.
const LARGEST_SPARE: usize = 32 << 10;

thread_local! {
    /// What relays of this thread read into, one after the other.
    static SPARE: Cell<BytesMut> = Cell::default();
}

/// How a connection ended.
#[derive(Debug)]
pub(crate) struct End {
    /// Who ended it.
    pub(crate) by: Side,
    /// What broke, if it did not end in order.
    pub(crate) error: Option<io::Error>,
}

/// Passes bytes between a client and an engine until both directions have ended.
///
/// No bytes are read from one side before the other has taken those before them, and none while the recorder has no room.
/// The end of one direction is passed on when everything before it was; the other direction may go on.
#[derive(Debug)]
pub(crate) struct Relay<C, E> {
    client: C,
    engine: E,
    up: Lane,
    down: Lane,
    end: Option<End>,
    /// Empty, and lent by the thread while this is polled: an idle connection holds no buffer.
    buffer: BytesMut,
    /// Runs once one direction has ended, or both have closed.
    linger: Option<Pin<Box<Sleep>>>,
}

impl<C, E> Relay<C, E>
where
    C: AsyncRead + AsyncWrite + Unpin,
    E: AsyncRead + AsyncWrite + Unpin,
{
    pub(crate) fn new(client: C, engine: E) -> Self {
        Self {
            client,
            engine,
            up: Lane::new(true),
            down: Lane::new(false),
            end: None,
            buffer: BytesMut::new(),
            linger: None,
        }
    }

    /// Passes bytes until the end. `first` are bytes of the client and of the engine that came with the upgrade.
    ///
    /// # Cancellation
    ///
    /// Dropping the future and the relay cuts both connections.
    pub(crate) async fn run(&mut self, first: (Bytes, Bytes), tape: &mut Tape) -> End {
        let mut first = Some(first);
        poll_fn(|cx| {
            if let Some((client, engine)) = first.take() {
                self.up().take_in(client, tape, cx);
                self.down().take_in(engine, tape, cx);
            }
            self.buffer = SPARE.take();
            let polled = self.poll(tape, cx);
            let buffer = std::mem::take(&mut self.buffer);
            if buffer.capacity() <= LARGEST_SPARE {
                SPARE.set(buffer);
            }
            polled
        })
        .await
    }

    fn poll(&mut self, tape: &mut Tape, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            let up = self.up().turn(tape, cx);
            let down = self.down().turn(tape, cx);
            if self.up.stage == Stage::Done && self.down.stage == Stage::Done {
                let end = self.end.take().unwrap_or(End { by: Side::Client, error: None });
                return Poll::Ready(end);
            }
            if up || down {
                self.linger = None;
                continue;
            }
            // Two close frames are an end too, after which neither side may wait for the other to hang up for ever.
            if self.end.is_some() || self.up.flow.is_closed() && self.down.flow.is_closed() {
                // While the recorder has no room nothing is read, so that nobody can be blamed for silence.
                if tape.poll_ready(cx).is_pending() {
                    self.linger = None;
                    return Poll::Pending;
                }
                let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
                if linger.as_mut().poll(cx).is_ready() {
                    self.up.stage = Stage::Done;
                    self.down.stage = Stage::Done;
                    continue;
                }
            }
            return Poll::Pending;
        }
    }

    fn up(&mut self) -> Way<'_, C, E> {
        let Self { client, engine, up, down, end, buffer, .. } = self;
        Way { side: Side::Client, from: client, to: engine, lane: up, back: down, end, buffer }
    }

    fn down(&mut self) -> Way<'_, E, C> {
        let Self { client, engine, up, down, end, buffer, .. } = self;
        Way { side: Side::Engine, from: engine, to: client, lane: down, back: up, end, buffer }
    }
}

/// One direction with all that it touches.
struct Way<'a, R, W> {
    /// Who sends in this direction.
    side: Side,
    from: &'a mut R,
    to: &'a mut W,
    lane: &'a mut Lane,
    back: &'a mut Lane,
    end: &'a mut Option<End>,
    buffer: &'a mut BytesMut,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Way<'_, R, W> {
    /// Writes what waits, then reads once and passes that on. Returns whether anything came of it.
    fn turn(&mut self, tape: &mut Tape, cx: &mut Context<'_>) -> bool {
        if self.lane.stage == Stage::Done {
            return false;
        }
        loop {
            match self.lane.poll_write(self.to, cx) {
                // A slow receiver is no silent one.
                Poll::Pending => return self.lane.made_progress(),
                Poll::Ready(Err(error)) => return self.receiver_is_gone(error),
                // Only what was written makes room for a pong, so that a flood of pings cannot fill memory.
                Poll::Ready(Ok(())) if self.lane.flow.pass_pong(&mut self.lane.out) => {}
                Poll::Ready(Ok(())) => break,
            }
        }
        if self.lane.stage == Stage::Ended {
            // If the receiver does not want to hear of the end, it is gone, which is as well.
            let told = Pin::new(&mut *self.to).poll_shutdown(cx).is_ready();
            if told {
                self.lane.stage = Stage::Done;
            }
            return told;
        }
        if tape.poll_ready(cx).is_pending() {
            return false;
        }
        match self.lane.poll_read(self.from, self.buffer, cx) {
            Poll::Pending => false,
            Poll::Ready(Ok(Some(chunk))) => {
                self.take_in(chunk, tape, cx);
                true
            }
            Poll::Ready(Ok(None)) => {
                self.lane.stage = Stage::Ended;
                self.end.get_or_insert(End { by: self.side, error: None });
                true
            }
            Poll::Ready(Err(error)) => {
                // A sender that cannot be read from takes nothing any more either.
                self.lane.stage = Stage::Ended;
                self.back.stage = Stage::Done;
                self.end.get_or_insert(End { by: self.side, error: Some(error) });
                true
            }
        }
    }

    /// Passes bytes on, and records them.
    fn take_in(&mut self, chunk: Bytes, tape: &mut Tape, cx: &mut Context<'_>) {
        if chunk.is_empty() {
            return;
        }
        let now = Instant::now();
        let copy = chunk.clone();
        if let Some(ping) = self.lane.flow.push(chunk, &mut self.lane.out) {
            let mask = (self.side == Side::Engine).then(mask);
            self.back.flow.answer(&ping, mask);
        }
        if let Poll::Ready(Err(error)) = self.lane.poll_write(self.to, cx) {
            self.receiver_is_gone(error);
        }
        // Recorded now, even if not all of it could be written: the answer to its first message may be the next to be read.
        tape.chunk(self.side, now, copy);
    }

    /// Gives up writing in this direction. What the receiver said before it went may still be there to be read.
    fn receiver_is_gone(&mut self, error: io::Error) -> bool {
        self.lane.stage = Stage::Done;
        self.lane.out.clear();
        let by = match self.side {
            Side::Client => Side::Engine,
            Side::Engine => Side::Client,
        };
        self.end.get_or_insert(End { by, error: Some(error) });
        true
    }
}

/// Makes a mask that nobody can foresee, as RFC 6455 asks for.
fn mask() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        task::JoinHandle,
        time::timeout,
    };

    use super::*;
    use crate::record::{Injected, Recorder, RecorderConfig, Upgrade};

    /// Longer than anything that happens, on a clock that only runs when nothing does.
    const LONG: Duration = Duration::from_secs(3);

    fn tape() -> (tempfile::TempDir, Tape) {
        let dir = tempfile::tempdir().unwrap();
        let recorder = Recorder::create(dir.path().join("x.qixrec"), RecorderConfig::default()).unwrap();
        let headers = http::HeaderMap::new();
        let status = http::StatusCode::SWITCHING_PROTOCOLS;
        let injected = Injected::default();
        let upgrade =
            Upgrade { url: "/", status, request: &headers, response: &headers, injected: &injected };
        let tape = recorder.open(&upgrade);
        (dir, tape)
    }

    /// Returns the far ends of a relayed connection, client first, and the relay.
    fn relayed() -> (DuplexStream, DuplexStream, JoinHandle<End>) {
        let ((client, near_client), (engine, near_engine)) = (duplex(1000), duplex(1000));
        let running = tokio::spawn(async move {
            let (_dir, mut tape) = tape();
            Relay::new(near_client, near_engine).run(<(Bytes, Bytes)>::default(), &mut tape).await
        });
        (client, engine, running)
    }

    async fn written_before_it_stalls(to: &mut DuplexStream, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Ok(Ok(more)) = timeout(LONG, to.write(&bytes[written % bytes.len()..])).await {
            written += more;
        }
        written
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_read_stops_the_other() {
        let (mut client, engine, _running) = relayed();
        let frame = [&[0x82, 0xfe, 0x10, 0x00, 0, 0, 0, 0][..], &[7; 0x1000]].concat();
        let written = written_before_it_stalls(&mut client, &frame).await;
        assert!((1000..10_000).contains(&written), "{written} bytes are somewhere");
        drop(engine);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_pings_is_not_kept() {
        let (mut client, mut engine, running) = relayed();
        // Nobody reads the pongs, and still all pings are taken: only the latest counts.
        let ping = [0x89, 0x81, 0, 0, 0, 0, b'p'];
        for _ in 0..10_000 {
            timeout(LONG, client.write_all(&ping)).await.unwrap().unwrap();
        }
        engine.write_all(b"\x81\x01x").await.unwrap();
        client.shutdown().await.unwrap();
        drop(engine);
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() < 2000, "{} bytes of pongs were kept", rest.len());
        assert!(rest.ends_with(b"\x81\x01x") || rest.ends_with(b"\x81\x01x\x8a\x01p"));
        assert!(running.await.unwrap().error.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_that_does_not_follow_the_other_into_the_end_is_cut() {
        let (client, mut engine, running) = relayed();
        drop(client);
        let mut rest = Vec::new();
        engine.read_to_end(&mut rest).await.unwrap();
        // The engine never hangs up by itself.
        let end = running.await.unwrap();
        assert_eq!(end.by, Side::Client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_receiver_is_not_taken_for_a_silent_one() {
        let (mut client, mut engine, _running) = relayed();
        client.shutdown().await.unwrap();
        let frame = [&[0x82, 0x7e, 0x20, 0x00][..], &[7; 0x2000]].concat();
        let sent = frame.len();
        tokio::spawn(async move { engine.write_all(&frame).await });
        let (mut received, mut piece) = (0, [0; 500]);
        loop {
            tokio::time::sleep(LINGER * 2 / 3).await;
            match client.read(&mut piece).await.unwrap() {
                0 => break,
                read => received += read,
            }
        }
        assert_eq!(received, sent);
    }

    #[tokio::test(start_paused = true)]
    async fn sides_that_said_goodbye_and_do_not_hang_up_are_cut() {
        let (mut client, mut engine, running) = relayed();
        let start = tokio::time::Instant::now();
        engine.write_all(b"\x88\x02\x03\xe8").await.unwrap();
        tokio::time::sleep(LINGER * 100).await;
        assert!(!running.is_finished(), "one goodbye may wait for its answer for long");
        client.write_all(&[0x88, 0x80, 1, 2, 3, 4]).await.unwrap();
        let (mut rest, mut answer) = (Vec::new(), Vec::new());
        client.read_to_end(&mut rest).await.unwrap();
        engine.read_to_end(&mut answer).await.unwrap();
        assert_eq!((&rest[..], &answer[..]), (&b"\x88\x02\x03\xe8"[..], &[0x88, 0x80, 1, 2, 3, 4][..]));
        assert!(running.await.unwrap().error.is_none());
        assert_eq!(start.elapsed(), LINGER * 101);
    }

    #[tokio::test(start_paused = true)]
    async fn a_side_may_be_silent_for_days() {
        let (mut client, mut engine, _running) = relayed();
        tokio::time::sleep(Duration::from_secs(1_000_000)).await;
        engine.write_all(b"\x81\x01x").await.unwrap();
        let mut found = [0; 3];
        timeout(LONG, client.read_exact(&mut found)).await.unwrap().unwrap();
        assert_eq!(&found, b"\x81\x01x");
    }
}
