//! The socket of one page: batches as they come, and answers to what it asks.

use std::{io, sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt, stream::SplitSink};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use super::{
    details::Found,
    explorer::{Explorer, Wanted},
    journal::{News, Phase},
    server::Shown,
};

/// The longest message of a page, in bytes: parameters that somebody typed or pasted.
const LONGEST: usize = 4 << 20;
/// How long a page may take to take in a message before it is given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many calls of a page are on their way at a time.
const AT_A_TIME: usize = 16;

/// What a page says.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Said {
    /// Send no batches until further notice.
    Pause,
    /// Go on where that was.
    Resume,
    /// What was said in a call?
    Detail { id: u64, seq: u64 },
    /// Connect the explorer.
    Connect { id: u64, path: String },
    /// Make a call.
    Ask {
        id: u64,
        #[serde(flatten)]
        wanted: Wanted,
    },
}

struct Page<S> {
    sink: SplitSink<WebSocketStream<S>, Message>,
    shown: Arc<Shown>,
    explorer: Option<Arc<Explorer>>,
    /// The next batch to be sent.
    next: u64,
    is_paused: bool,
    phase: Option<Phase>,
    answers: mpsc::Sender<Value>,
    places: Arc<Semaphore>,
}

/// Serves a page until it goes.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send>(stream: S, shown: Arc<Shown>) {
    let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (sink, mut stream) = socket.split();
    let mut news = shown.journal.news();
    let (answers, mut answered) = mpsc::channel(AT_A_TIME);
    let explorer = shown.exploring.clone().map(|exploring| Arc::new(Explorer::new(exploring)));
    let mut page = Page {
        sink,
        shown,
        explorer,
        next: 0,
        is_paused: false,
        phase: None,
        answers,
        places: Arc::new(Semaphore::new(AT_A_TIME)),
    };
    news.mark_changed();
    let ended: io::Result<()> = async {
        page.send(&page.shown.meta()).await?;
        loop {
            let behind = !page.is_paused && page.next < news.borrow().batches;
            tokio::select! {
                biased;
                said = stream.next() => match said {
                    Some(Ok(Message::Text(text))) => page.take(&text).await?,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(()),
                    Some(Ok(_)) => {}
                },
                // The channel stays open as long as the page has its sender.
                Some(answer) = answered.recv() => page.send(&answer).await?,
                changed = news.changed(), if !behind => if changed.is_err() { return Ok(()) },
                () = std::future::ready(()), if behind => page.batches().await?,
            }
            // A page that is behind has not seen what the phase is about.
            let phase = match news.borrow().clone() {
                News { batches, phase } if page.next >= batches => phase,
                _ if page.phase.is_none() => Phase::Reading,
                _ => continue,
            };
            page.tell(phase).await?;
        }
    }
    .await;
    if let Err(error) = ended {
        tracing::debug!("a page was given up: {error}");
    }
    if let Some(explorer) = page.explorer {
        explorer.close().await;
    }
    let _ = timeout(Duration::from_secs(1), page.sink.close()).await;
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Page<S> {
    async fn take(&mut self, text: &str) -> io::Result<()> {
        let said = match serde_json::from_str::<Said>(text) {
            Ok(said) => said,
            Err(error) => return self.send(&json!({"is": "wrong", "words": error.to_string()})).await,
        };
        match said {
            Said::Pause => self.is_paused = true,
            Said::Resume => self.is_paused = false,
            Said::Detail { id, seq } => return self.detail(id, seq).await,
            Said::Connect { id, path } => {
                self.explore(id, |explorer| async move { explorer.connect(&path).await }).await?;
            }
            Said::Ask { id, wanted } => {
                self.explore(id, |explorer| async move { explorer.ask(wanted).await }).await?;
            }
        }
        Ok(())
    }

    /// Lets the explorer work on something in the background.
    async fn explore<F: Future<Output = Value> + Send + 'static>(
        &mut self,
        id: u64,
        work: impl FnOnce(Arc<Explorer>) -> F,
    ) -> io::Result<()> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let (Some(explorer), Ok(place)) = (self.explorer.clone(), place) else {
            let words = match self.explorer {
                Some(_) => "too many calls are on their way: wait for one of them",
                None => "there is no engine to call: start this with --upstream",
            };
            return self.send(&json!({"is": "answer", "id": id, "error": {"words": words}})).await;
        };
        let (work, answers) = (work(explorer), self.answers.clone());
        tokio::spawn(async move {
            let mut answer = work.await;
            answer["is"] = "answer".into();
            answer["id"] = id.into();
            // The page may be gone.
            let _ = answers.send(answer).await;
            drop(place);
        });
        Ok(())
    }

    async fn detail(&mut self, id: u64, seq: u64) -> io::Result<()> {
        let details = Arc::clone(&self.shown.details);
        let found = tokio::task::spawn_blocking(move || details.get(seq)).await.map_err(io::Error::other)?;
        let head = format!("{{\"is\":\"detail\",\"id\":{id},\"detail\":");
        let text = match found {
            Ok(Found::Text(text)) => String::from_utf8_lossy(&text).into_owned(),
            Ok(Found::Gone) => {
                json!({"error": "what was said in this call is no longer kept: later calls needed the room, or the temporary files could not be written, as was printed then"})
                    .to_string()
            }
            Err(error) => json!({"error": format!("the temporary file cannot be read: {error}")}).to_string(),
        };
        self.send_text(format!("{head}{text}}}")).await
    }

    async fn batches(&mut self) -> io::Result<()> {
        let (journal, next) = (Arc::clone(&self.shown.journal), self.next);
        let read = tokio::task::spawn_blocking(move || journal.read(next)).await.map_err(io::Error::other)?;
        let (batches, next) = read?;
        if next == self.next {
            return Err(io::Error::other("the journal has lost a batch"));
        }
        self.next = next;
        self.send_text(format!("{{\"is\":\"batches\",\"batches\":[{}]}}", String::from_utf8_lossy(&batches)))
            .await
    }

    /// Says what is being done with the recording, once all before it is said.
    async fn tell(&mut self, phase: Phase) -> io::Result<()> {
        if self.phase.as_ref() == Some(&phase) {
            return Ok(());
        }
        let words = match &phase {
            Phase::Failed(words) => Some(words.to_string()),
            _ => None,
        };
        let state = json!({"is": "phase", "phase": phase.name(), "words": words});
        self.phase = Some(phase);
        self.send(&state).await
    }

    async fn send(&mut self, value: &Value) -> io::Result<()> {
        self.send_text(value.to_string()).await
    }

    async fn send_text(&mut self, text: String) -> io::Result<()> {
        match timeout(PATIENCE, self.sink.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(io::Error::other),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
