//! Answers on their way back to the client of a batch.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flightline_ledger::Replay;
use futures_util::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::slab::{Waiting, What};
use super::{Batch, Piece, Submitted};
use crate::app::App;
use crate::backend::{Answer, SubmitError};
use crate::handlers::command::{HoldView, lost, too_late};
use crate::http::error::ApiError;
use crate::server::conn::Busy;

/// A piece of the answer and the room it takes.
struct Chunk {
    bytes: Bytes,
    _room: [Option<OwnedSemaphorePermit>; 2],
}

/// The writing end.
pub(crate) struct Answers {
    chunks: mpsc::UnboundedSender<Chunk>,
    /// Room for what this client has not read.
    own: Arc<Semaphore>,
    own_bytes: usize,
    /// Room for what all clients have not read.
    total: Arc<Semaphore>,
    total_bytes: usize,
}

/// The body of the response.
pub(crate) struct Output {
    chunks: mpsc::UnboundedReceiver<Chunk>,
    /// The request is in flight until the last answer is out.
    _busy: Option<Busy>,
}

impl Output {
    pub(crate) fn new(app: &App, busy: Option<Busy>) -> (Answers, Self) {
        // The channel needs no bound of its own: what is in it has taken room.
        let (sender, receiver) = mpsc::unbounded_channel();
        let own_bytes = app.config.batch_unread_bytes_max;
        let answers = Answers {
            chunks: sender,
            own: Arc::new(Semaphore::new(own_bytes)),
            own_bytes,
            total: Arc::clone(&app.batch_unread),
            total_bytes: app.config.batch_unread_total_bytes_max,
        };
        (
            answers,
            Self {
                chunks: receiver,
                _busy: busy,
            },
        )
    }
}

impl Stream for Output {
    type Item = Result<Bytes, std::convert::Infallible>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks
            .poll_recv(cx)
            .map(|chunk| chunk.map(|chunk| Ok(chunk.bytes)))
    }
}

impl Answers {
    /// Hands a chunk over, once there is room for it. `false` = nobody reads any more.
    async fn send(&self, bytes: Vec<u8>) -> bool {
        if bytes.is_empty() {
            return true;
        }
        tokio::select! {
            room = self.room(bytes.len()) => {
                let chunk = Chunk { bytes: bytes.into(), _room: room };
                self.chunks.send(chunk).is_ok()
            }
            () = self.chunks.closed() => false,
        }
    }

    async fn room(&self, bytes: usize) -> [Option<OwnedSemaphorePermit>; 2] {
        // A client that has read everything always gets the next chunk: clients that do not read
        // can then hold up nobody but themselves.
        let has_read = self.own.available_permits() == self.own_bytes;
        // A chunk larger than all the room there is takes all of it. Never closed, so never an error.
        let own = take(&self.own, bytes.min(self.own_bytes)).await;
        if has_read {
            return [own, None];
        }
        [own, take(&self.total, bytes.min(self.total_bytes)).await]
    }
}

async fn take(room: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Arc::clone(room).acquire_many_owned(bytes).await.ok()
}

/// Awaits slabs in order and writes their answers.
pub(crate) async fn write(batch: Arc<Batch>, mut queue: mpsc::Receiver<Piece>, answers: Answers) {
    while let Some(piece) = queue.recv().await {
        let mut out = Vec::new();
        match piece {
            Piece::Slab(submitted) => {
                submitted.answer(&batch, &mut out).await;
            }
            Piece::Broken(error, line) => write_error(&batch, &error, line, &mut out),
        }
        if !answers.send(out).await {
            return;
        }
    }
}

fn write_error(batch: &Batch, error: &ApiError, line: u64, out: &mut Vec<u8>) {
    error.write(out, batch.request_id.as_str(), Some(line));
    out.push(b'\n');
}

impl Submitted {
    /// Awaits the answers and writes one line for each. `true` = all of them were replays.
    pub(crate) async fn answer(self, batch: &Batch, out: &mut Vec<u8>) -> bool {
        /// About what a line of an answer takes.
        const LINE_BYTES: usize = 256;
        let Self { slab, waiting } = self;
        let mut results = Results::of(waiting, batch).await;
        out.reserve(slab.lines.len() * LINE_BYTES);
        let mut replays = 0;
        for entry in &slab.lines {
            let written = match &entry.what {
                What::Bad(error) => {
                    write_error(batch, error, entry.line, out);
                    continue;
                }
                What::Hold(hold) => results.next().await.and_then(|answer| {
                    if let Replay::Same { .. } = answer.decision.replay {
                        replays += 1;
                    }
                    let id = slab.id(hold);
                    let view = HoldView {
                        id,
                        flight: &hold.flight,
                        seats: hold.request.seats,
                        answer: &answer,
                    };
                    view.write(out, true)
                }),
            };
            match written {
                Ok(_) => out.push(b'\n'),
                Err(error) => write_error(batch, &error, entry.line, out),
            }
        }
        batch
            .app
            .metrics
            .batch_lines
            .inc_by(slab.lines.len() as u64);
        replays > 0 && replays == slab.lines.len()
    }
}

/// Answers in the order of the holds of a slab.
enum Results {
    All(std::vec::IntoIter<Answer>),
    Each {
        waiting: std::vec::IntoIter<Result<oneshot::Receiver<Answer>, SubmitError>>,
        until: tokio::time::Instant,
    },
    /// What became of every one of them.
    Failed(fn(&SubmitError) -> ApiError, SubmitError),
}

impl Results {
    async fn of(waiting: Waiting, batch: &Batch) -> Self {
        let timeout = Duration::from_millis(batch.app.config.request_timeout_ms);
        let gone = || SubmitError::Unavailable { why: "".into() };
        match waiting {
            Waiting::Nothing => Self::All(Vec::new().into_iter()),
            Waiting::All(answers) => match tokio::time::timeout(timeout, answers).await {
                Ok(Ok(answers)) => Self::All(answers.into_iter()),
                Ok(Err(_)) => Self::Failed(|_| lost(), gone()),
                Err(_) => Self::Failed(|_| too_late(), gone()),
            },
            Waiting::Each(waiting) => Self::Each {
                waiting: waiting.into_iter(),
                until: tokio::time::Instant::now() + timeout,
            },
            Waiting::Failed(error) => Self::Failed(|error| error.clone().into(), error),
        }
    }

    async fn next(&mut self) -> Result<Answer, ApiError> {
        match self {
            // The backend gives as many answers as it took holds.
            Self::All(answers) => answers.next().ok_or_else(lost),
            Self::Failed(what, error) => Err(what(error)),
            Self::Each { waiting, until } => match waiting.next() {
                None => Err(lost()),
                Some(Err(error)) => Err(error.into()),
                Some(Ok(answer)) => match tokio::time::timeout_at(*until, answer).await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(_)) => Err(lost()),
                    Err(_) => Err(too_late()),
                },
            },
        }
    }
}
