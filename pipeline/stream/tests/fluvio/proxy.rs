//! A TCP proxy that breaks connections in every way that networks do.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// What happens to connections from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Everything passes.
    Clear,
    /// Requests pass, and answers end after so many bytes: half an answer, then the end.
    HalfAnswers(usize),
    /// Requests end after so many bytes.
    HalfRequests(usize),
    /// Requests pass, answers never come.
    NoAnswers,
    /// Nothing passes, and nothing is closed.
    Stalled,
    /// New connections are closed at once.
    Refused,
}

struct Shared {
    weather: Mutex<Weather>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
    stop: AtomicBool,
}

/// Forwards a local port to a server. Everything is closed when it is dropped.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Proxy {
    pub(crate) fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            weather: Mutex::new(Weather::Clear),
            changed: Condvar::new(),
            open: Mutex::new(Vec::new()),
            stop: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        let server = server.to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.stop.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(client) = client {
                    accepting.forward(client, &server);
                }
            }
        });
        Self { shared, address }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(crate) fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
        self.shared.changed.notify_all();
    }

    /// Ends every connection as the other side would.
    pub(crate) fn cut(&self) {
        for socket in self.shared.open.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Ends every connection as a machine does that has forgotten it.
    pub(crate) fn reset(&self) {
        for socket in self.shared.open.lock().unwrap().drain(..) {
            // With this set, closing sends a reset. The copying threads hold clones of the socket:
            // shutting down ends them, and the last one to close it sends the reset.
            let _ = rustix::net::sockopt::set_socket_linger(
                &socket,
                Some(std::time::Duration::from_secs(0)),
            );
            let _ = socket.shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.set(Weather::Clear);
        self.cut();
        // Wakes the one who accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn forward(self: &Arc<Self>, client: TcpStream, server: &str) {
        if *self.weather.lock().unwrap() == Weather::Refused {
            return;
        }
        let Ok(upstream) = TcpStream::connect(server) else {
            return;
        };
        for socket in [&client, &upstream] {
            let _ = socket.set_nodelay(true);
        }
        let (Ok(a), Ok(b)) = (client.try_clone(), upstream.try_clone()) else {
            return;
        };
        let (Ok(keep_a), Ok(keep_b)) = (client.try_clone(), upstream.try_clone()) else {
            return;
        };
        self.open.lock().unwrap().extend([keep_a, keep_b]);
        let (requests, answers) = (self.clone(), self.clone());
        std::thread::spawn(move || requests.copy(client, upstream, true));
        std::thread::spawn(move || answers.copy(b, a, false));
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, is_request: bool) {
        let mut buffer = vec![0; 64 << 10];
        let end = loop {
            let n = match from.read(&mut buffer) {
                Ok(0) | Err(_) => break true,
                Ok(n) => n,
            };
            let passes = self.passes(n, is_request);
            if passes < n {
                // What is sent of it, and then the end; or nothing at all, for ever.
                if passes > 0 {
                    let _ = to.write_all(&buffer[..passes]);
                }
                break true;
            }
            if to.write_all(&buffer[..n]).is_err() {
                break true;
            }
        };
        if end {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        }
    }

    /// How many of so many bytes pass. Waits while nothing may.
    fn passes(&self, n: usize, is_request: bool) -> usize {
        let mut weather = self.weather.lock().unwrap();
        loop {
            let waits = match *weather {
                Weather::Clear => return n,
                Weather::HalfAnswers(max) if !is_request => return n.min(max),
                Weather::HalfRequests(max) if is_request => return n.min(max),
                Weather::HalfAnswers(_) | Weather::HalfRequests(_) => return n,
                Weather::NoAnswers => !is_request,
                Weather::Stalled => true,
                Weather::Refused => return 0,
            };
            if !waits || self.stop.load(Ordering::SeqCst) {
                return n;
            }
            weather = self.changed.wait(weather).unwrap();
        }
    }
}
