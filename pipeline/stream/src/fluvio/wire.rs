//! One connection to a server of the cluster: a request, then its answer, each within a time.
//!
//! Fluvio's own client runs requests on threads of its own, tries again by itself, and keeps errors
//! for later callers. Here a call either has its answer or an error, and after an error the
//! connection is dropped: an answer that comes too late can never be taken for another's.

use std::io::{self, Cursor, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fluvio_protocol::Encoder;
use fluvio_protocol::api::{Request, RequestMessage, ResponseMessage};
use fluvio_protocol::link::versions::{ApiVersions, ApiVersionsRequest};

use super::broker::BrokerError;

/// No answer is larger: what says so is not an answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How an alert of TLS begins, which is what a server that speaks TLS answers to anything else. No answer is as long
/// as the number that these would be.
const TLS_ALERT: [u8; 2] = [0x15, 0x03];

/// How a connection is encrypted, and the name that the server must prove.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: Arc<rustls::ClientConfig>,
    pub(super) name: String,
}

pub(super) struct Connection {
    stream: Stream,
    address: String,
    versions: ApiVersions,
    timeout: Duration,
    correlation: i32,
    /// A request whose answer was not read yet: its API version.
    asked: Option<i16>,
}

type TlsStream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(into),
            Stream::Tls(stream) => stream.read(into),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

impl Connection {
    /// Connects and asks what the server speaks.
    pub(super) fn open(
        address: &str,
        tls: Option<&Tls>,
        timeout: Duration,
    ) -> Result<Self, BrokerError> {
        let socket = connect(address, timeout)
            .map_err(|e| BrokerError::passing(format!("cannot connect to {address}: {e}")))?;
        let stream = match tls {
            None => Stream::Plain(socket),
            Some(tls) => {
                let name =
                    rustls::pki_types::ServerName::try_from(tls.name.clone()).map_err(|_| {
                        BrokerError::last(format!(
                            "`{}` cannot be the name in a certificate: set stream.tls.domain",
                            tls.name
                        ))
                    })?;
                let session = rustls::ClientConnection::new(tls.config.clone(), name)
                    .map_err(|e| BrokerError::last(format!("TLS to {address}: {e}")))?;
                let stream = rustls::StreamOwned::new(session, socket);
                Stream::Tls(Box::new(shake_hands(stream, address, timeout)?))
            }
        };
        let mut connection = Self {
            stream,
            address: address.to_owned(),
            versions: Vec::new(),
            timeout,
            correlation: 0,
            asked: None,
        };
        let request = ApiVersionsRequest {
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            client_os: std::env::consts::OS.to_owned(),
            client_arch: std::env::consts::ARCH.to_owned(),
        };
        let version = ApiVersionsRequest::DEFAULT_API_VERSION;
        connection.send_as(request, version)?;
        let answer = connection.receive::<ApiVersionsRequest>()?;
        connection.versions = answer.api_keys;
        Ok(connection)
    }

    /// The newest version of the request that both sides speak.
    pub(super) fn version<R: Request>(&self) -> Result<i16, BrokerError> {
        let key = self
            .versions
            .iter()
            .find(|v| v.api_key == R::API_KEY as i16);
        let common = key
            .filter(|v| v.max_version >= R::MIN_API_VERSION && v.min_version <= R::MAX_API_VERSION);
        common.map(|v| R::MAX_API_VERSION.min(v.max_version)).ok_or_else(|| {
            let found = key.map_or_else(
                || "does not know it".to_owned(),
                |v| format!("speaks versions {} to {}", v.min_version, v.max_version),
            );
            BrokerError::last(format!(
                "{} {found}, and this program needs {} to {} of request {}: run a Fluvio of the \
                 0.50 series",
                self.address,
                R::MIN_API_VERSION,
                R::MAX_API_VERSION,
                R::API_KEY,
            ))
        })
    }

    /// Sends the request. Its answer has to be received before the next is sent.
    pub(super) fn send<R: Request>(&mut self, request: R) -> Result<(), BrokerError> {
        let version = self.version::<R>()?;
        self.send_as(request, version)
    }

    pub(super) fn send_as<R: Request>(
        &mut self,
        request: R,
        version: i16,
    ) -> Result<(), BrokerError> {
        assert!(self.asked.is_none(), "an answer was not received");
        self.correlation = self.correlation.wrapping_add(1);
        let mut message = RequestMessage::new_request(request);
        message
            .get_mut_header()
            .set_client_id("flightline")
            .set_api_version(version)
            .set_correlation_id(self.correlation);
        let size = message.write_size(0);
        let mut bytes = Vec::with_capacity(4 + size);
        bytes.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
        message
            .encode(&mut bytes, 0)
            .map_err(|e| BrokerError::last(format!("a request cannot be encoded: {e}")))?;
        let sent = self
            .stream
            .socket()
            .set_write_timeout(Some(self.timeout))
            .and_then(|()| self.stream.write_all(&bytes));
        sent.map_err(|e| self.broken("sending to", &e))?;
        self.asked = Some(version);
        Ok(())
    }

    /// Receives the answer to what was sent last.
    pub(super) fn receive<R: Request>(&mut self) -> Result<R::Response, BrokerError> {
        let version = self.asked.take();
        let version = version.unwrap_or_else(|| unreachable!("a request was sent before"));
        let deadline = Instant::now() + self.timeout;
        let mut size = [0; 4];
        self.fill(&mut size, deadline)?;
        if matches!(self.stream, Stream::Plain(_)) && size[..2] == TLS_ALERT {
            return Err(BrokerError::last(format!(
                "{} speaks TLS only: set stream.tls.ca_file, and what else [stream.tls] needs",
                self.address
            )));
        }
        let size = u32::from_be_bytes(size) as usize;
        if size > ANSWER_BYTES_MAX {
            return Err(self.nonsense(&format!("an answer of {size} bytes")));
        }
        let mut bytes = vec![0; size];
        self.fill(&mut bytes, deadline)?;
        let bytes = bytes::Bytes::from(bytes);
        // Fluvio's types trust what they decode.
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            ResponseMessage::<R::Response>::decode_from(&mut Cursor::new(bytes), version)
        }));
        let answer = match decoded {
            Ok(Ok(answer)) => answer,
            Ok(Err(e)) => return Err(self.nonsense(&format!("an answer that is none ({e})"))),
            Err(_) => return Err(self.nonsense("an answer that cannot be decoded")),
        };
        if answer.correlation_id != self.correlation {
            return Err(self.nonsense("the answer to another question"));
        }
        Ok(answer.response)
    }

    /// A request and its answer.
    pub(super) fn ask<R: Request>(&mut self, request: R) -> Result<R::Response, BrokerError> {
        self.send(request)?;
        self.receive::<R>()
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    fn fill(&mut self, mut into: &mut [u8], deadline: Instant) -> Result<(), BrokerError> {
        while !into.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(BrokerError::passing(format!(
                    "{} did not answer within {} ms",
                    self.address,
                    self.timeout.as_millis()
                )));
            }
            let socket = self.stream.socket();
            // The server sends the head of an answer and its records in two pieces, and holds the
            // second back until the first is acknowledged: 40 ms, unless that is done at once. Where
            // it cannot be set, reading is slow and nothing else.
            let _ = rustix::net::sockopt::set_tcp_quickack(socket, true);
            let read = socket
                .set_read_timeout(Some(left))
                .and_then(|()| self.stream.read(into));
            match read {
                Ok(0) => {
                    return Err(BrokerError::passing(format!(
                        "{} closed the connection",
                        self.address
                    )));
                }
                Ok(n) => into = &mut into[n..],
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::Interrupted
                            | io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                    ) => {}
                Err(e) => return Err(self.broken("receiving from", &e)),
            }
        }
        Ok(())
    }

    fn broken(&self, doing: &str, error: &io::Error) -> BrokerError {
        broken(&self.address, doing, error)
    }

    fn nonsense(&self, what: &str) -> BrokerError {
        BrokerError::passing(format!("{} sent {what}", self.address))
    }
}

impl Drop for Connection {
    /// A server that speaks TLS is told that nothing more comes: to some, a connection that only ends looks cut off.
    fn drop(&mut self) {
        if let Stream::Tls(stream) = &mut self.stream {
            stream.conn.send_close_notify();
            // Nobody waits for it.
            if stream.sock.set_nonblocking(true).is_ok() {
                let _ = stream.conn.write_tls(&mut stream.sock);
            }
        }
    }
}

fn broken(address: &str, doing: &str, error: &io::Error) -> BrokerError {
    // A refused certificate stays refused.
    if let Some(tls) = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>())
    {
        return BrokerError::last(format!(
            "TLS with {address} failed: {tls}; check stream.tls.ca_file, cert_file, key_file and domain"
        ));
    }
    BrokerError::passing(format!("{doing} {address}: {error}"))
}

/// Agrees on the encryption, in one connection's time: a server that does not speak TLS waits for more and says nothing.
fn shake_hands(
    mut stream: TlsStream,
    address: &str,
    timeout: Duration,
) -> Result<TlsStream, BrokerError> {
    let deadline = Instant::now() + timeout;
    while stream.conn.is_handshaking() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(BrokerError::passing(format!(
                "{address} did not agree on TLS within {} ms; if it speaks none, leave [stream.tls] out",
                timeout.as_millis()
            )));
        }
        let sock = &stream.sock;
        let done = sock
            .set_read_timeout(Some(left))
            .and_then(|()| sock.set_write_timeout(Some(left)))
            .and_then(|()| stream.conn.complete_io(&mut stream.sock));
        match done {
            Ok(_) => {}
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::Interrupted
                        | io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                ) => {}
            Err(e) => return Err(broken(address, "agreeing on TLS with", &e)),
        }
    }
    Ok(stream)
}

/// Tries every address that the name has.
fn connect(address: &str, timeout: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for resolved in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&resolved, timeout) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                return Ok(socket);
            }
            Err(e) => last = e,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    fn tls() -> Tls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let roots = rustls::RootCertStore::empty();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Tls {
            config: Arc::new(config),
            name: "sc.example".to_owned(),
        }
    }

    /// A server that answers what it first hears with these bytes, and then waits.
    fn server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut heard = [0; 1024];
            let _ = socket.read(&mut heard);
            let _ = socket.write_all(answer);
            while socket.read(&mut heard).is_ok_and(|read| read > 0) {}
        });
        address
    }

    fn refused(address: &str, tls: Option<&Tls>) -> BrokerError {
        match Connection::open(address, tls, PATIENCE) {
            Ok(_) => panic!("nothing was agreed on"),
            Err(error) => error,
        }
    }

    #[test]
    fn a_server_that_says_nothing_to_tls_is_waited_for_in_vain_but_not_for_ever() {
        let address = server(&[]);
        let error = refused(&address, Some(&tls())).to_string();
        assert!(
            error.contains("did not agree on TLS within 300 ms"),
            "{error}"
        );
        assert!(error.contains("leave [stream.tls] out"), "{error}");
        // Half of what it has to say is not enough either.
        let address = server(&[0x16, 0x03, 0x03, 0x00, 0x7a, 0x02]);
        let error = refused(&address, Some(&tls())).to_string();
        assert!(
            error.contains("did not agree on TLS within 300 ms"),
            "{error}"
        );
    }

    #[test]
    fn a_server_that_speaks_only_tls_is_told_from_one_that_talks_nonsense() {
        // Fatal: unexpected message.
        let address = server(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a]);
        let error = refused(&address, None);
        assert!(error.is_final(), "{error}");
        assert!(
            error
                .to_string()
                .contains("speaks TLS only: set stream.tls.ca_file"),
            "{error}"
        );
        let address = server(&[0x15, 0x30, 0x03, 0x00, 0x02, 0x02, 0x0a]);
        let error = refused(&address, None);
        assert!(error.to_string().contains("sent an answer of"), "{error}");
    }

    #[test]
    fn something_else_than_tls_is_refused_at_once() {
        let address = server(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let error = refused(&address, Some(&tls())).to_string();
        assert!(error.contains("TLS with"), "{error}");
        assert!(error.contains("check stream.tls.ca_file"), "{error}");
    }
}
