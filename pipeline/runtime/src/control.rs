//! How commands on the same machine ask a running replica to look into its own data.
//!
//! The stream has one owner at a time, so `verify` and `explain` beside a running replica are done by
//! that replica. They reach it over a Unix socket in the data directory, which only its owner can
//! open. One line of JSON each way: a [`Question`], then an [`Answer`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use flightline_ledger::order::{BookingReference, OrderId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::backend::Inner;
use crate::verify::{Folded, VerifyReport};

/// The longest question, in bytes.
const QUESTION_BYTES_MAX: u64 = 64 << 10;

/// What can be asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Fold and compare everything.
    Verify,
    /// Explain the decisions on a command, by its id or text.
    Explain(String),
    /// Explain an order, by its id or booking reference.
    ExplainOrder(String),
    /// Erase the persons of an order.
    EraseOrder(String),
    /// Make a checkpoint of what the tables have.
    Checkpoint,
    /// Fold the stream up to these offsets, to compare it with another replica's; absent = to its end.
    Digest(Option<Vec<u64>>),
    /// Trim the stream behind the oldest checkpoint that is kept.
    Trim,
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Question::Verify`].
    Verified(VerifyReport),
    /// To [`Question::Explain`].
    Explained(Vec<Value>),
    /// To [`Question::ExplainOrder`]; null when there is no such order.
    Order(Value),
    /// To [`Question::EraseOrder`]: how many keys there were to drop; absent when there is no such
    /// order.
    Erased(Option<usize>),
    /// To [`Question::Checkpoint`].
    Checkpointed(crate::checkpoint::Taken),
    /// To [`Question::Digest`]: by partition.
    Digest(Vec<Folded>),
    /// To [`Question::Trim`]: how many records went.
    Trimmed(u64),
    /// It could not be done.
    Failed(String),
}

fn socket_of(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}

/// Asks the replica that runs on a data directory; `None` when none does.
pub async fn ask(data_dir: &Path, question: &Question) -> anyhow::Result<Option<Answer>> {
    let Ok(mut stream) = UnixStream::connect(socket_of(data_dir)).await else {
        return Ok(None);
    };
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = Vec::new();
    stream
        .read_to_end(&mut answer)
        .await
        .context("the replica stopped before it answered")?;
    let answer = serde_json::from_slice(&answer).context("the replica's answer broke off")?;
    Ok(Some(answer))
}

/// Is there a replica at work on a data directory, that answers questions?
pub async fn is_answered(data_dir: &Path) -> bool {
    UnixStream::connect(socket_of(data_dir)).await.is_ok()
}

/// Answers questions until it is aborted.
pub(crate) fn serve(data_dir: &Path, inner: &Arc<Inner>) -> anyhow::Result<JoinHandle<()>> {
    use std::os::unix::fs::PermissionsExt;
    let path = socket_of(data_dir);
    // Left by a replica that was killed; the stream's lock says that none runs.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| {
        format!(
            "{}: a socket cannot be made here (its path may have at most 107 bytes: choose a shorter data_dir)",
            path.display()
        )
    })?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    let inner = inner.clone();
    Ok(tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(answer(stream, inner.clone()))),
                Err(error) => tracing::warn!(%error, "the control socket"),
            }
        }
    }))
}

/// Removes the socket of a replica that ends.
pub(crate) fn remove(data_dir: &Path) {
    let _ = std::fs::remove_file(socket_of(data_dir));
}

async fn answer(mut stream: UnixStream, inner: Arc<Inner>) {
    let mut line = String::new();
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader.take(QUESTION_BYTES_MAX));
    let answer = match reader
        .read_line(&mut line)
        .await
        .map(|_| serde_json::from_str(&line))
    {
        Ok(Ok(question)) => decide(question, inner).await,
        Ok(Err(error)) => Answer::Failed(format!("not a question: {error}")),
        Err(_) => return,
    };
    if let Ok(bytes) = serde_json::to_vec(&answer) {
        // Whoever asked may have gone.
        let _ = writer.write_all(&bytes).await;
    }
}

async fn decide(question: Question, inner: Arc<Inner>) -> Answer {
    let ends: Vec<u64> = (0..inner.partitions)
        .map(|p| inner.waiters.answered(p))
        .collect();
    match question {
        Question::Verify => {
            let database = inner.postgres.get().cloned();
            let checkpoints = inner.checkpoints.get().cloned();
            match crate::verify::verify(
                inner.log.clone(),
                ends,
                database,
                checkpoints,
                inner.compiled_views(),
            )
            .await
            {
                Ok(report) => Answer::Verified(report),
                Err(error) => Answer::Failed(error.to_string()),
            }
        }
        Question::Digest(until) => {
            let inner = inner.clone();
            blocking(move || {
                let answered = |partition: u32| ends[partition as usize];
                let found = crate::verify::digest(&*inner.log, until.as_deref(), answered)?;
                Ok(Answer::Digest(found.iter().map(Folded::of).collect()))
            })
            .await
        }
        Question::ExplainOrder(name) => {
            let inner = inner.clone();
            blocking(move || {
                let order = order_named(&name)?;
                let log = &*inner.log;
                let found = crate::refold::explain_named_order(log, &ends, order)?;
                Ok(Answer::Order(found.map_or(Value::Null, |found| {
                    flightline_api::explanation::order_explanation(&found)
                })))
            })
            .await
        }
        Question::EraseOrder(name) => {
            let inner = inner.clone();
            blocking(move || {
                let OrderName::Id(order) = order_named(&name)? else {
                    anyhow::bail!("name the order by its id, ord_ and 32 hexadecimal digits");
                };
                Ok(Answer::Erased(inner.erase_order(order)?))
            })
            .await
        }
        Question::Checkpoint => {
            let inner = inner.clone();
            blocking(move || inner.take_checkpoint().map(Answer::Checkpointed)).await
        }
        Question::Trim => {
            let inner = inner.clone();
            blocking(move || {
                let checkpoints = inner.checkpoints.get();
                let checkpoints = checkpoints.context("the replica is still starting")?;
                Ok(Answer::Trimmed(checkpoints.trim(&*inner.log)?))
            })
            .await
        }
        Question::Explain(name) => {
            let log = inner.log.clone();
            let found =
                tokio::task::spawn_blocking(move || crate::refold::explain(&*log, &ends, &name));
            match found.await {
                Ok(Ok(all)) => {
                    Answer::Explained(all.iter().map(crate::explanation::json).collect())
                }
                Ok(Err(error)) => Answer::Failed(error.to_string()),
                Err(error) => Answer::Failed(error.to_string()),
            }
        }
    }
}

async fn blocking(work: impl FnOnce() -> anyhow::Result<Answer> + Send + 'static) -> Answer {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Answer::Failed(format!("{error:#}")),
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// How people name an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderName {
    /// By its id.
    Id(OrderId),
    /// By its booking reference.
    Booking(BookingReference),
}

/// Reads an order's id, with or without `ord_`, or a booking reference.
///
/// # Errors
/// What an order is named by.
pub fn order_named(text: &str) -> anyhow::Result<OrderName> {
    let id = text.strip_prefix("ord_").unwrap_or(text);
    if let Ok(id) = id.parse() {
        return Ok(OrderName::Id(id));
    }
    if let Ok(booking) = text.to_ascii_uppercase().parse() {
        return Ok(OrderName::Booking(booking));
    }
    anyhow::bail!(
        "'{text}' names no order: an id is ord_ and 32 hexadecimal digits, a booking reference 6 to 8 capital letters and digits"
    )
}
