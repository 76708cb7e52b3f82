//! The accept loop: bounded connections, a deadline for headers, and a drain that lets what is under way
//! finish.
//!
//! `axum::serve` sets no timer, so a half-sent request would be kept for ever; hence our own loop.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::routing::get;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::web::server::ops;
use crate::web::server::slots::{Asking, Slot, Slots};
use crate::web::server::wire::Wire;
use crate::web::shopper::streaming;
use crate::web::{App, router};

/// Headers must arrive within this time, and a connection may idle this long between two requests: a bit
/// longer than the longest time between two polls.
const HEADERS_WITHIN: Duration = Duration::from_secs(35);
/// Largest head of a request.
const MOST_HEAD_BYTES: usize = 32 * 1024;
/// A failing accept is tried again after this: it is out of files, and some will be closed.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
/// How long a load balancer has to notice that this gateway drains, before new connections are refused.
const NOTICE_DRAIN: Duration = Duration::from_millis(500);
/// What is under way when a gateway drains has this long to finish.
const DRAIN_WITHIN: Duration = Duration::from_secs(20);

/// Connections that wait to be accepted; more would be tried again by their clients, a second later.
const BACKLOG: u32 = 4_096;
/// What the kernel keeps for a connection in each direction, doubled for its own books. Left to itself it
/// gives megabytes to a peer that does not read. The largest body fits, and so do dozens of states.
const KERNEL_BUFFER: u32 = 64 * 1024;

/// Listens where shoppers come.
///
/// # Errors
/// When the address cannot be taken.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(KERNEL_BUFFER)?;
    socket.set_recv_buffer_size(KERNEL_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop`, then drains: no new joins at once, sockets closed over a short spread, requests
/// under way finished.
pub async fn serve(
    listener: TcpListener,
    app: App,
    max_connections: usize,
    stop: CancellationToken,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    let slots = Slots::of_shoppers(&app, max_connections);
    let accepting = accept(&listener, router(app.clone()), slots, &connections, &closing);
    tokio::select! {
        done = accepting => done?,
        () = async {
            stop.cancelled().await;
            app.gate.draining.cancel();
            sleep(NOTICE_DRAIN).await;
        } => {}
    }
    closing.cancel();
    connections.close();
    app.sockets.close();
    let drained = async { tokio::join!(connections.wait(), app.sockets.wait()) };
    if timeout(DRAIN_WITHIN + streaming::CLOSE_SPREAD, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "some connections did not end in time");
    }
    Ok(())
}

/// Serves health and metrics on a listener of their own, until it is dropped.
pub async fn serve_operations(listener: Arc<TcpListener>, app: App) {
    /// Monitoring needs a handful.
    const MOST: usize = 64;
    let routes = Router::new()
        .route(
            "/metrics",
            get(|state: axum::extract::State<App>| async move { ops::metrics_text(&state) }),
        )
        .route("/healthz", get(ops::healthz))
        .route("/readyz", get(ops::readyz))
        .with_state(app);
    let (connections, closing) = (TaskTracker::new(), CancellationToken::new());
    let accepting = accept(&listener, routes, Slots::new(MOST), &connections, &closing);
    if let Err(error) = accepting.await {
        tracing::warn!(error = %error, "the operations listener broke");
    }
}

/// Serves routes behind the same accept loop, without a drain and without a part for each address.
///
/// # Errors
/// When the listener breaks.
pub async fn serve_routes(
    listener: TcpListener,
    routes: Router,
    max_connections: usize,
    stop: CancellationToken,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    tokio::select! {
        done = accept(&listener, routes, Slots::new(max_connections), &connections, &stop) => done,
        () = stop.cancelled() => Ok(()),
    }
}

async fn accept(
    listener: &TcpListener,
    routes: Router,
    slots: Slots,
    connections: &TaskTracker,
    closing: &CancellationToken,
) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(MOST_HEAD_BYTES)
        .half_close(true);
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "connection not accepted");
                sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        // Turned away at once, and not kept waiting: a load balancer then asks another gateway.
        let Some(slot) = slots.take(peer.ip()).await else { continue };
        connections.spawn(talk(http.clone(), stream, peer, routes.clone(), slot, closing.clone()));
    }
}

async fn talk(
    http: http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    routes: Router,
    slot: Slot,
    closing: CancellationToken,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(error = %error, "no TCP_NODELAY");
    }
    let talking = slot.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let asking = talking.ask();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(talking.clone());
        let answer = routes.clone().oneshot(request);
        async move { answer.await.map(|answer| answer.map(|body| Answer { body, _asking: asking })) }
    });
    let wire = TokioIo::new(Wire::new(stream, slot.clone()));
    let connection = http.serve_connection(wire, service).with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = slot.evicted().cancelled() => Ok(()),
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    slot.talked();
    if let Err(error) = ended {
        tracing::debug!(error = %error, "connection ended early");
    }
}

/// The body of an answer. Until it is sent, its connection is in use.
struct Answer {
    body: Body,
    _asking: Asking,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
