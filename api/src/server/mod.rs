//! Connections: taking them, watching over them, and letting them finish.

pub(crate) mod conn;
mod sweep;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::backend::{Authenticator, Backend};
use crate::config::ApiConfig;
use crate::http::dispatch::{Arrival, filter};
use conn::{Clock, Conn, Io, Signal};
use sweep::Connections;

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had not finished in time and were closed.
    pub killed: usize,
}

/// Serves until `shutdown` is ready, then answers everything in flight and returns.
///
/// On shutdown the listener is closed at once. Connections finish the request they are working on
/// and close; streams of changes end. What is not done after
/// [`drain_timeout_ms`](ApiConfig::drain_timeout_ms) is closed.
///
/// Dropping the returned future closes the listener and stops taking requests, but does not wait.
pub async fn serve(
    config: ApiConfig,
    backend: Arc<dyn Backend>,
    auth: Arc<dyn Authenticator>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let drain = Duration::from_millis(config.drain_timeout_ms);
    let slots = Arc::new(Semaphore::new(config.connections_max));
    let app = Arc::new(App::new(config, backend, auth));
    let clock = Arc::new(Clock::new());
    let connections = Connections::new();
    // Aborted when this future ends, in whatever way.
    let _sweep = sweep::start(&connections, &app);

    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, peer, slot)) = accepted else {
            continue;
        };
        let conn = Arc::new(Conn::new(
            peer,
            Arc::clone(&clock),
            Arc::clone(&app.in_flight),
        ));
        let registered = connections.add(Arc::clone(&conn));
        let app = Arc::clone(&app);
        tokio::spawn(async move {
            let _held = (registered, slot);
            run(stream, conn, app).await;
        });
    }

    drop(listener);
    app.stop();
    connections.tell_all(Signal::Finish);
    let killed = if tokio::time::timeout(drain, connections.ended())
        .await
        .is_ok()
    {
        0
    } else {
        let left = connections.tell_all(Signal::Kill);
        tracing::warn!(
            connections = left,
            "closed connections that had not finished in time"
        );
        connections.ended().await;
        left
    };
    Drained { killed }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is room for it. `None` = that one failed, go on.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> Option<Accepted> {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, slot)),
        Err(error) => {
            let of_that_connection = matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
            );
            if !of_that_connection {
                // Out of file descriptors, most likely: closing connections gives some back.
                tracing::error!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            None
        }
    }
}

/// Serves one connection to its end.
async fn run(stream: TcpStream, conn: Arc<Conn>, app: Arc<App>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(peer = %conn.peer, %error, "cannot set TCP_NODELAY");
    }
    let routes = TowerToHyperService::new(warp::service(filter(app)));
    let arrivals = Arc::clone(&conn);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        let arrival = Arrival {
            conn: Arc::clone(&arrivals),
            uri: request.uri().clone(),
        };
        request.extensions_mut().insert(arrival);
        routes.call(request)
    });
    let io = TokioIo::new(Io::new(stream, Arc::clone(&conn)));
    let mut builder = http1::Builder::new();
    // Time-outs of heads are the sweep's; answers of pipelined requests go out together.
    builder
        .header_read_timeout(None)
        .pipeline_flush(true)
        .half_close(false);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut finishing = false;
    let ended = std::future::poll_fn(|cx| {
        match conn.listen(cx.waker()) {
            Signal::None => {}
            Signal::Finish if finishing => {}
            Signal::Finish => {
                finishing = true;
                connection.as_mut().graceful_shutdown();
            }
            Signal::Kill => return Poll::Ready(Ok(())),
        }
        connection.as_mut().poll(cx)
    })
    .await;
    if let Err(error) = ended {
        tracing::debug!(peer = %conn.peer, %error, "connection ended");
    }
}
