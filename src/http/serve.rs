//! The accept loop: bounded connections, a deadline for headers, and a drain that lets what is under way
//! finish.
//!
//! `axum::serve` sets no timer, so a half-sent request would be kept for ever; hence our own loop.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use metrics::{counter, gauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::{App, limits, live, ops, router};
use crate::telemetry;

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

/// The part of all connections that one address may have: a carrier's gateway with thousands of shoppers
/// fits, and nobody takes every slot. Trusted proxies speak for many and have no such limit.
const PART_OF_ONE: usize = 4;

/// Open connections by address.
#[derive(Default)]
struct Peers {
    open: Mutex<HashMap<IpAddr, usize>>,
    /// None without limits.
    most: Option<usize>,
    trusted: Vec<IpNet>,
}

/// One connection of an address; it is counted until it is dropped.
pub struct Peer {
    peers: Arc<Peers>,
    address: IpAddr,
}

impl Peers {
    fn new(app: &App, max_connections: usize) -> Arc<Self> {
        let most = app.limits.as_ref().map(|_| (max_connections / PART_OF_ONE).max(1));
        Arc::new(Self { open: Mutex::default(), most, trusted: app.trusted_proxies.clone() })
    }

    /// Counts a connection, unless its address has too many.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Peer> {
        let is_trusted = self.trusted.iter().any(|net| net.contains(&address.to_canonical()));
        let address = limits::network(address.to_canonical());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if !is_trusted && self.most.is_some_and(|most| *count >= most) {
            counter!(telemetry::LIMITED, "limit" => "connections").increment(1);
            return None;
        }
        *count += 1;
        Some(Peer { peers: self.clone(), address })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut open = self.peers.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// What a connection takes up. A WebSocket outlives the talk of its connection and keeps this meanwhile.
#[derive(Clone)]
pub struct Slot {
    _held: Arc<(OwnedSemaphorePermit, Peer, Open)>,
}

/// Counts open connections for the metrics.
struct Open;

impl Open {
    fn new() -> Self {
        gauge!(telemetry::CONNECTIONS).increment(1);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(telemetry::CONNECTIONS).decrement(1);
    }
}

/// Serves until `stop`, then drains: no new joins at once, sockets closed over a short spread, requests
/// under way finished.
pub async fn serve(
    listener: TcpListener,
    app: App,
    max_connections: usize,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let connections = TaskTracker::new();
    let closing = CancellationToken::new();
    let peers = Peers::new(&app, max_connections);
    let accepting =
        accept(listener, router(app.clone()), max_connections, peers, &connections, &closing);
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
    if timeout(DRAIN_WITHIN + live::CLOSE_SPREAD, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "some connections did not end in time");
    }
    Ok(())
}

/// Serves health and metrics on a listener of their own.
pub async fn serve_operations(
    listener: TcpListener,
    app: App,
    stop: CancellationToken,
) -> std::io::Result<()> {
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
    let connections = TaskTracker::new();
    tokio::select! {
        done = accept(listener, routes, MOST, Arc::default(), &connections, &stop) => done,
        () = stop.cancelled() => Ok(()),
    }
}

async fn accept(
    listener: TcpListener,
    routes: Router,
    most: usize,
    peers: Arc<Peers>,
    connections: &TaskTracker,
    closing: &CancellationToken,
) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(most));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(MOST_HEAD_BYTES)
        .half_close(true);
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return Ok(()) };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = %error, "connection not accepted");
                sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        let Some(counted) = peers.enter(peer.ip()) else { continue };
        let slot = Slot { _held: Arc::new((slot, counted, Open::new())) };
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
    let service = routes.map_request(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        request.extensions_mut().insert(slot.clone());
        request.map(axum::body::Body::new)
    });
    let connection = http
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "connection ended early");
    }
}
