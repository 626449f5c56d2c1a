//! One request at a time, for what surrounds a measurement: loading, looking, asking for metrics.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::response::{Length, head};

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("not JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// One connection that stays open, for one request after the other.
#[derive(Debug)]
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Line {
    /// Opens it.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self {
            stream,
            buffer: vec![0; 64 << 10],
        })
    }

    /// Gets something. `headers` are whole lines with their ends.
    pub fn get(&mut self, path: &str, headers: &str) -> anyhow::Result<Reply> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{headers}\r\n");
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        loop {
            if filled == self.buffer.len() {
                self.buffer.resize(2 * filled, 0);
            }
            let n = self.stream.read(&mut self.buffer[filled..])?;
            ensure!(n > 0, "the server closed the connection");
            filled += n;
            let read = &self.buffer[..filled];
            let Some(head) = head(read)? else { continue };
            let Length::Known(length) = head.length else {
                anyhow::bail!("GET {path} was answered in chunks");
            };
            if filled == head.bytes + length {
                return Ok(Reply {
                    status: head.status,
                    body: read[head.bytes..].to_vec(),
                });
            }
        }
    }
}

/// Gets something.
pub fn get(address: SocketAddr, path: &str) -> anyhow::Result<Reply> {
    call(
        address,
        &format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"),
        b"",
    )
}

/// Posts a body of a type.
pub fn post(
    address: SocketAddr,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> anyhow::Result<Reply> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\ncontent-type: {content_type}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    call(address, &head, body)
}

fn call(address: SocketAddr, request: &str, body: &[u8]) -> anyhow::Result<Reply> {
    let line = request.lines().next().unwrap_or_default();
    exchange(address, request, body).with_context(|| format!("{line} at {address}"))
}

fn exchange(address: SocketAddr, request: &str, body: &[u8]) -> anyhow::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(600)))?;
    stream.write_all(request.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let head = head(&bytes)?.context("the connection was closed before an answer came")?;
    let rest = &bytes[head.bytes..];
    let body = match head.length {
        Length::Known(length) => {
            ensure!(
                rest.len() == length,
                "{} of {length} bytes came",
                rest.len()
            );
            rest.to_vec()
        }
        Length::Chunked => chunks(rest)?,
    };
    Ok(Reply {
        status: head.status,
        body,
    })
}

fn chunks(mut rest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = memchr::memmem::find(rest, b"\r\n").context("a chunk breaks off")?;
        let size = std::str::from_utf8(&rest[..end])?;
        let size = usize::from_str_radix(size.trim(), 16).context("size of a chunk")?;
        if size == 0 {
            return Ok(body);
        }
        let from = end + 2;
        body.extend_from_slice(rest.get(from..from + size).context("a chunk breaks off")?);
        rest = rest.get(from + size + 2..).context("a chunk breaks off")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together() {
        assert_eq!(
            chunks(b"3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n").unwrap(),
            b"abc0123456789"
        );
        assert!(chunks(b"3\r\nab").is_err());
    }
}
