//! Connections that stay open, and the one place that waits for all of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::event::{PollFd, PollFlags, Timespec, epoll};

use super::response::{Answer, Head, Length, head};

/// Connections to one server.
pub struct Pool {
    pub(super) connections: Vec<Connection>,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    buffer: Vec<u8>,
    filled: usize,
    head: Option<Head>,
}

/// Answers are at most this long; longer ones are for [`super::bulk`].
const BUFFER_BYTES: usize = 1 << 20;

impl Pool {
    /// Opens so many connections.
    pub fn connect(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let stream = TcpStream::connect(address)
                .with_context(|| format!("connection {number} to {address}"))?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, &stream, data, epoll::EventFlags::IN)?;
            connections.push(Connection {
                stream,
                out: Vec::with_capacity(1024),
                buffer: vec![0; 16 << 10],
                filled: 0,
                head: None,
            });
        }
        Ok(Self {
            connections,
            epoll,
            events: Vec::with_capacity(count.max(1)),
        })
    }

    /// How many connections.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// No connections.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Waits until something can be read, at most so long, and appends the connections concerned.
    pub(super) fn wait(&mut self, at_most: Duration, ready: &mut Vec<usize>) -> anyhow::Result<()> {
        // `epoll_wait` counts in milliseconds; `ppoll` on it in nanoseconds.
        if at_most < Duration::from_millis(20) && !at_most.is_zero() {
            let timeout = Timespec::try_from(at_most)?;
            let mut fds = [PollFd::new(&self.epoll, PollFlags::IN)];
            match rustix::event::poll(&mut fds, Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let timeout = Timespec::try_from(if at_most < Duration::from_millis(20) {
            Duration::ZERO
        } else {
            at_most
        })?;
        self.events.clear();
        let waited = epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut self.events),
            Some(&timeout),
        );
        match waited {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.extend(self.events.iter().map(|event| event.data.u64() as usize));
        Ok(())
    }
}

impl Connection {
    /// Sends a request that `write` appends. `false` = there was none.
    pub(super) fn send(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> bool,
    ) -> anyhow::Result<bool> {
        self.out.clear();
        if !write(&mut self.out) {
            return Ok(false);
        }
        let mut rest = &self.out[..];
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => bail!("the server closed a connection"),
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                // A request is far smaller than the socket's buffer, and one is out at a time.
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(e) => return Err(e).context("sending a request"),
            }
        }
        Ok(true)
    }

    /// Reads what there is. When the answer is whole, hands it to `take` and returns `true`.
    pub(super) fn receive(
        &mut self,
        take: impl FnOnce(&Answer<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        if self.filled == self.buffer.len() {
            if self.buffer.len() >= BUFFER_BYTES {
                bail!("an answer is longer than {BUFFER_BYTES} bytes");
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the server closed a connection before it answered"),
            Ok(n) => self.filled += n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(false);
            }
            Err(e) => return Err(e).context("reading an answer"),
        }
        let read = &self.buffer[..self.filled];
        if self.head.is_none() {
            self.head = head(read)?;
        }
        let Some(head) = self.head else {
            return Ok(false);
        };
        let Length::Known(length) = head.length else {
            bail!("an answer came in chunks where one of known length was expected");
        };
        let end = head.bytes + length;
        if self.filled < end {
            return Ok(false);
        }
        if self.filled > end {
            bail!("the server sent more than it was asked for");
        }
        take(&Answer {
            status: head.status,
            head: &read[..head.bytes],
            body: &read[head.bytes..end],
        })?;
        self.filled = 0;
        self.head = None;
        Ok(true)
    }
}
