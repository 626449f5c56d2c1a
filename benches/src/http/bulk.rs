//! Long bodies in both directions at once: requests as lines up, answers as lines down.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::event::{Timespec, epoll};

use super::response::{Length, head};

/// Takes the answers of one connection, line by line and in order.
pub trait Lines {
    /// The next line, without its end.
    ///
    /// # Errors
    /// When it is not what it should be: the benchmark ends.
    fn line(&mut self, line: &[u8]) -> anyhow::Result<()>;
}

struct Lane<'a, L> {
    stream: TcpStream,
    head: String,
    body: &'a [u8],
    /// Bytes of head and body that were sent.
    sent: usize,
    decoder: Decoder,
    lines: &'a mut L,
    done: bool,
}

/// A chunked answer on its way to lines.
#[derive(Default)]
struct Decoder {
    /// Not used up yet: the head, the size of a chunk, or a line that has not ended.
    raw: Vec<u8>,
    body_begun: bool,
    /// Bytes of the chunk at hand that are still to come, its line end included.
    chunk: usize,
    line: Vec<u8>,
}

/// Posts each body on a connection of its own, all at once, and reads the answers as they come.
/// Returns the time from the first byte to the last answer.
pub fn post_all<L: Lines>(
    address: SocketAddr,
    path: &str,
    work: &mut [(Vec<u8>, L)],
) -> anyhow::Result<Duration> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut lanes = Vec::with_capacity(work.len());
    for (number, (body, lines)) in work.iter_mut().enumerate() {
        let stream = TcpStream::connect(address)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(number as u64);
        let both = epoll::EventFlags::IN | epoll::EventFlags::OUT;
        epoll::add(&epoll, &stream, data, both)?;
        lanes.push(Lane {
            stream,
            head: format!(
                "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/x-ndjson\r\n\
                 content-length: {}\r\n\r\n",
                body.len()
            ),
            body,
            sent: 0,
            decoder: Decoder::default(),
            lines,
            done: false,
        });
    }
    let start = Instant::now();
    let mut left = lanes.len();
    let mut buffer = vec![0; 256 << 10];
    let mut events = Vec::with_capacity(lanes.len().max(1));
    while left > 0 {
        events.clear();
        let patience = Timespec::try_from(Duration::from_secs(60))?;
        match epoll::wait(
            &epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&patience),
        ) {
            Ok(0) => bail!("{left} batches were not answered: nothing came for a minute"),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let number = event.data.u64();
            let lane = &mut lanes[number as usize];
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) && lane.write()? {
                let data = epoll::EventData::new_u64(number);
                epoll::modify(&epoll, &lane.stream, data, epoll::EventFlags::IN)?;
            }
            if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP)
                && !lane.done
                && lane.read(&mut buffer)?
            {
                lane.done = true;
                left -= 1;
                epoll::delete(&epoll, &lane.stream)?;
            }
        }
    }
    Ok(start.elapsed())
}

impl<L: Lines> Lane<'_, L> {
    /// Sends what the socket takes. `true` = all of it is out.
    fn write(&mut self) -> anyhow::Result<bool> {
        loop {
            let rest = match self.sent.checked_sub(self.head.len()) {
                None => &self.head.as_bytes()[self.sent..],
                Some(sent) => &self.body[sent..],
            };
            if rest.is_empty() {
                return Ok(true);
            }
            match self.stream.write(&rest[..rest.len().min(1 << 20)]) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e).context("sending a batch"),
            }
        }
    }

    /// Reads once. `true` = the answer is whole.
    fn read(&mut self, buffer: &mut [u8]) -> anyhow::Result<bool> {
        match self.stream.read(buffer) {
            Ok(0) => bail!("the server closed a connection in the middle of its answers"),
            Ok(n) => self.decoder.take(&buffer[..n], self.lines),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(false)
            }
            Err(e) => Err(e).context("reading answers"),
        }
    }
}

impl Decoder {
    /// Takes what came. `true` = that was all.
    fn take(&mut self, bytes: &[u8], lines: &mut impl Lines) -> anyhow::Result<bool> {
        if !self.body_begun {
            self.raw.extend_from_slice(bytes);
            let Some(found) = head(&self.raw)? else {
                return Ok(false);
            };
            let raw = std::mem::take(&mut self.raw);
            ensure!(
                found.status == 200,
                "a batch was answered {}: {}",
                found.status,
                String::from_utf8_lossy(&raw)
            );
            ensure!(
                found.length == Length::Chunked,
                "the answers of a batch are expected as a stream"
            );
            self.body_begun = true;
            return self.chunked(&raw[found.bytes..], lines);
        }
        if self.raw.is_empty() {
            return self.chunked(bytes, lines);
        }
        let mut joined = std::mem::take(&mut self.raw);
        joined.extend_from_slice(bytes);
        self.chunked(&joined, lines)
    }

    fn chunked(&mut self, mut bytes: &[u8], lines: &mut impl Lines) -> anyhow::Result<bool> {
        while !bytes.is_empty() {
            if self.chunk > 0 {
                let n = self.chunk.min(bytes.len());
                // The last two bytes of a chunk are its line end.
                let text = n.min(self.chunk.saturating_sub(2));
                self.text(&bytes[..text], lines)?;
                self.chunk -= n;
                bytes = &bytes[n..];
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', bytes) else {
                self.raw = bytes.to_vec();
                return Ok(false);
            };
            let size = std::str::from_utf8(&bytes[..end])
                .context("size of a chunk")?
                .trim();
            let size = usize::from_str_radix(size, 16).context("size of a chunk")?;
            bytes = &bytes[end + 1..];
            if size == 0 {
                ensure!(self.line.is_empty(), "the last line has no end");
                return Ok(true);
            }
            self.chunk = size + 2;
        }
        Ok(false)
    }

    fn text(&mut self, mut bytes: &[u8], lines: &mut impl Lines) -> anyhow::Result<()> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.line.is_empty() {
                lines.line(&bytes[..end])?;
            } else {
                self.line.extend_from_slice(&bytes[..end]);
                lines.line(&self.line)?;
                self.line.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl Lines for Seen {
        fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
            self.0.push(String::from_utf8(line.to_vec())?);
            Ok(())
        }
    }

    #[test]
    fn lines_are_the_same_however_the_answer_is_cut() {
        let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                    7\r\none\ntwo\r\n1\r\n\n\r\nb\r\nthree\nfour\n\r\n0\r\n\r\n";
        for size in 1..=text.len() {
            let mut seen = Seen::default();
            let mut decoder = Decoder::default();
            let mut done = false;
            for piece in text.as_bytes().chunks(size) {
                if !done {
                    done = decoder.take(piece, &mut seen).unwrap();
                }
            }
            assert!(done);
            assert_eq!(seen.0, ["one", "two", "three", "four"], "pieces of {size}");
        }
    }
}
