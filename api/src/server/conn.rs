//! One connection: what it is doing since when, so that a sweep can tell which to close.
//!
//! A timer per request would cost more than the rest of its bookkeeping. Instead a connection notes
//! the time at which it last changed what it waits for, and [`super::sweep`] compares.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::config::ApiConfig;

/// Milliseconds since the server began. Not a time that the sweep moves on: on a busy machine it would be late by
/// as much as the sweep is, and who came then would be closed so much too early.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    fn now_ms(&self) -> u64 {
        // Never 0, which stands for "not waiting".
        self.start.elapsed().as_millis() as u64 + 1
    }
}

/// What a connection was told by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Signal {
    /// Nothing.
    None = 0,
    /// Answer what is in hand, then close.
    Finish = 1,
    /// Close now.
    Kill = 2,
}

/// A connection as the sweep and the handlers see it.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) peer: SocketAddr,
    clock: Arc<Clock>,
    /// Requests in flight over all connections.
    in_flight: Arc<AtomicUsize>,
    /// Requests being worked on, streamed bodies included.
    busy: AtomicU32,
    /// Some bytes of the next request have come.
    in_head: AtomicBool,
    /// When the above last changed.
    since_ms: AtomicU64,
    /// Since when the client has taken nothing of what is written; 0 = it takes.
    unread_since_ms: AtomicU64,
    /// Since when the answer to a command is waited for; 0 = none is.
    asked_since_ms: AtomicU64,
    signal: AtomicU8,
    waker: AtomicWaker,
}

impl Conn {
    pub(crate) fn new(peer: SocketAddr, clock: Arc<Clock>, in_flight: Arc<AtomicUsize>) -> Self {
        let now_ms = clock.now_ms();
        Self {
            peer,
            clock,
            in_flight,
            busy: AtomicU32::new(0),
            in_head: AtomicBool::new(false),
            since_ms: AtomicU64::new(now_ms),
            unread_since_ms: AtomicU64::new(0),
            asked_since_ms: AtomicU64::new(0),
            signal: AtomicU8::new(Signal::None as u8),
            waker: AtomicWaker::new(),
        }
    }

    /// Tells the connection's task something.
    pub(crate) fn tell(&self, signal: Signal) {
        self.signal.fetch_max(signal as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// What it was told; the task is woken when that changes.
    pub(crate) fn listen(&self, waker: &Waker) -> Signal {
        self.waker.register(waker);
        match self.signal.load(Ordering::Acquire) {
            0 => Signal::None,
            1 => Signal::Finish,
            _ => Signal::Kill,
        }
    }

    /// Waits for an answer, at most `limit_ms` and what the sweep is late by; then `None`. Costs no
    /// timer: the sweep wakes the connection when it is time to look.
    pub(crate) async fn within<F: Future>(&self, limit_ms: u64, answer: F) -> Option<F::Output> {
        let mut answer = std::pin::pin!(answer);
        let since_ms = self.clock.now_ms();
        let outcome = std::future::poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if self.clock.now_ms().saturating_sub(since_ms) > limit_ms => {
                Poll::Ready(None)
            }
            Poll::Pending => {
                self.asked_since_ms.store(since_ms, Ordering::Relaxed);
                Poll::Pending
            }
        })
        .await;
        self.asked_since_ms.store(0, Ordering::Relaxed);
        outcome
    }

    /// Wakes the connection when it has waited too long for an answer.
    pub(crate) fn remind(&self, config: &ApiConfig) {
        let since_ms = self.asked_since_ms.load(Ordering::Relaxed);
        let waited_ms = self.clock.now_ms().saturating_sub(since_ms);
        if since_ms != 0 && waited_ms > config.request_timeout_ms {
            self.waker.wake();
        }
    }

    /// Why the connection has to be closed, if it has.
    pub(crate) fn overdue(&self, config: &ApiConfig) -> Option<&'static str> {
        let now_ms = self.clock.now_ms();
        let unread_since_ms = self.unread_since_ms.load(Ordering::Relaxed);
        if unread_since_ms != 0 && now_ms.saturating_sub(unread_since_ms) > config.write_timeout_ms
        {
            return Some("the client does not read its answers");
        }
        if self.busy.load(Ordering::Acquire) > 0 {
            return None;
        }
        let waited_ms = now_ms.saturating_sub(self.since_ms.load(Ordering::Relaxed));
        if self.in_head.load(Ordering::Relaxed) {
            (waited_ms > config.head_timeout_ms).then_some("the head of a request did not arrive")
        } else {
            (waited_ms > config.idle_timeout_ms).then_some("no request came")
        }
    }

    fn bytes_came(&self) {
        if self.busy.load(Ordering::Relaxed) == 0 && !self.in_head.swap(true, Ordering::Relaxed) {
            self.since_ms.store(self.clock.now_ms(), Ordering::Relaxed);
        }
    }

    fn writing(&self, stuck: bool) {
        let since_ms = self.unread_since_ms.load(Ordering::Relaxed);
        if stuck && since_ms == 0 {
            self.unread_since_ms
                .store(self.clock.now_ms(), Ordering::Relaxed);
        } else if !stuck && since_ms != 0 {
            self.unread_since_ms.store(0, Ordering::Relaxed);
        }
    }
}

/// Held while a request of the connection is worked on: the connection is busy, and the request in
/// flight.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Conn>);

impl Busy {
    /// Also tells how many requests were in flight before.
    pub(crate) fn new(conn: Arc<Conn>) -> (Self, usize) {
        conn.busy.fetch_add(1, Ordering::AcqRel);
        conn.in_head.store(false, Ordering::Relaxed);
        let before = conn.in_flight.fetch_add(1, Ordering::Relaxed);
        (Self(conn), before)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let conn = &*self.0;
        conn.in_flight.fetch_sub(1, Ordering::Relaxed);
        conn.since_ms.store(conn.clock.now_ms(), Ordering::Relaxed);
        conn.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How long a closing connection is read on, so that the client gets our last answer.
const LINGER: Duration = Duration::from_secs(1);

/// A socket that notes what happens on it, and closes in the order that lets the last answer arrive.
///
/// Closing a socket with unread input makes the kernel send a reset, which throws away what the
/// client has not read yet: the answer that says why its body was too large. So the writing side is
/// closed first, and input is read and dropped until the client closes or [`LINGER`] has passed.
#[derive(Debug)]
pub(crate) struct Io {
    stream: TcpStream,
    conn: Arc<Conn>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Io {
    pub(crate) fn new(stream: TcpStream, conn: Arc<Conn>) -> Self {
        Self {
            stream,
            conn,
            lingering: None,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.conn.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.conn.writing(written.is_pending());
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.conn.writing(written.is_pending());
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let deadline = this
            .lingering
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut dropped = [0; 8192];
        // A client that sends without end is cut off by the deadline; a few rounds, then the
        // others get their turn.
        for _ in 0..64 {
            if deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut dropped);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                // The client has closed too, or is gone.
                _ => return Poll::Ready(Ok(())),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
