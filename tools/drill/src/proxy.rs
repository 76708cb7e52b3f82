//! A wire that can be cut: stands between one gateway and one store, and loses, delays or holds back what
//! goes over it.
//!
//! It knows just enough of both protocols to count calls, so that the reply of the k-th can be swallowed:
//! the store has done it, and the gateway never hears.

mod calls;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use calls::Calls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use calls::Wire;

/// What is read at a time; larger than a script's call of a thousand tickets.
const CHUNK: usize = 64 * 1024;
/// How long the store may take for a call whose reply is to be swallowed.
const DONE_WITHIN: Duration = Duration::from_secs(3);
/// From the first byte of a reply until the store has surely done what was asked before it.
const SETTLE: Duration = Duration::from_millis(30);

/// How bytes go one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flow {
    #[default]
    Pass,
    /// Each chunk comes so much later.
    Delay(Duration),
    /// Nothing comes through until this is changed; then it goes on where it stopped.
    Hold,
}

/// How the wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weather {
    pub to_store: Flow,
    pub to_gateway: Flow,
    /// New connections are closed at once.
    pub refuses: bool,
}

/// A wire from a port of this machine to a store's socket.
pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    wire: Wire,
    upstream: Mutex<PathBuf>,
    weather: watch::Sender<Weather>,
    /// Cancelled to cut every connection; a new one takes its place.
    alive: Mutex<CancellationToken>,
    calls: AtomicU64,
    /// The call whose reply is swallowed; none when 0.
    swallow: AtomicU64,
    swallowed: AtomicU64,
    /// The call that never gets to the store; none when 0.
    lose: AtomicU64,
    lost: AtomicU64,
}

impl Proxy {
    /// Listens on a free port of the loopback address, for the store behind this socket.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(wire: Wire, upstream: PathBuf) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            wire,
            upstream: Mutex::new(upstream),
            weather: watch::Sender::default(),
            alive: Mutex::default(),
            calls: AtomicU64::new(0),
            swallow: AtomicU64::new(0),
            swallowed: AtomicU64::new(0),
            lose: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { port, shared, accepting })
    }

    /// Changes how the wire is; connections stay.
    pub fn set(&self, weather: Weather) {
        self.shared.weather.send_replace(weather);
    }

    /// Cuts every connection that there is; new ones are taken.
    pub fn cut(&self) {
        self.shared.cut();
    }

    /// From now on the wire leads to another store; what is open is cut.
    pub fn lead_to(&self, upstream: PathBuf) {
        *lock(&self.shared.upstream) = upstream;
        self.cut();
    }

    /// Calls that went to the store so far.
    pub fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// Swallows the reply of the `k`-th call from now, counted from 1, and cuts its connection.
    pub fn swallow(&self, k: u64) {
        self.shared.swallow.store(self.calls() + k, Ordering::Relaxed);
    }

    /// Loses the `k`-th call from now, counted from 1, before it gets to the store, and cuts its connection.
    pub fn lose(&self, k: u64) {
        self.shared.lose.store(self.calls() + k, Ordering::Relaxed);
    }

    /// Calls lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Replies swallowed so far.
    pub fn swallowed(&self) -> u64 {
        self.shared.swallowed.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

impl Shared {
    fn cut(&self) {
        std::mem::take(&mut *lock(&self.alive)).cancel();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if shared.weather.borrow().refuses {
            continue; // Dropped, so closed.
        }
        let (alive, path) = (lock(&shared.alive).clone(), lock(&shared.upstream).clone());
        let shared = shared.clone();
        tokio::spawn(async move {
            let Ok(store) = UnixStream::connect(path).await else { return };
            relay(client, store, &shared, &alive.child_token()).await;
        });
    }
}

/// One connection, until either side ends it or it is cut.
async fn relay(client: TcpStream, store: UnixStream, shared: &Shared, alive: &CancellationToken) {
    // A lost packet must not look like a slow store.
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_store, to_store) = store.into_split();
    let answered = watch::Sender::new(0_u64);
    tokio::select! {
        () = alive.cancelled() => {}
        () = upwards(from_client, to_store, shared, &answered, alive) => {}
        () = downwards(from_store, to_client, shared, &answered) => {}
    }
}

async fn upwards(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    shared: &Shared,
    answered: &watch::Sender<u64>,
    swallowing: &CancellationToken,
) {
    let (mut chunk, mut calls) = (vec![0; CHUNK], Calls::new(shared.wire));
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        weather(shared, |weather| weather.to_store).await;
        for end in calls.ends(&chunk[..read]) {
            let this = shared.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if this == shared.lose.load(Ordering::Relaxed) {
                shared.lost.fetch_add(1, Ordering::Relaxed);
                // What came before in this chunk is held back with it: nothing of it was answered.
                return swallowing.cancel();
            }
            if this != shared.swallow.load(Ordering::Relaxed) {
                continue;
            }
            shared.swallowed.fetch_add(1, Ordering::Relaxed);
            // From here on nothing goes back. What came before in this chunk goes to the store, too.
            let mut seen = answered.subscribe();
            answered.send_modify(|mark| *mark |= SWALLOW);
            seen.mark_unchanged();
            if to.write_all(&chunk[..end]).await.is_ok() {
                let _ = timeout(DONE_WITHIN, seen.changed()).await;
                sleep(SETTLE).await;
            }
            return swallowing.cancel();
        }
        if to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// Set in the count of replies when no more of them go to the gateway.
const SWALLOW: u64 = 1 << 63;

async fn downwards(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    shared: &Shared,
    answered: &watch::Sender<u64>,
) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        weather(shared, |weather| weather.to_gateway).await;
        let mut swallows = false;
        answered.send_modify(|replies| {
            swallows = *replies & SWALLOW != 0;
            *replies += 1;
        });
        if !swallows && to.write_all(&chunk[..read]).await.is_err() {
            return;
        }
    }
}

/// Waits as long as the weather in one direction says.
async fn weather(shared: &Shared, way: impl Fn(&Weather) -> Flow) {
    let mut news = shared.weather.subscribe();
    loop {
        let flow = way(&news.borrow_and_update());
        match flow {
            Flow::Pass => return,
            Flow::Delay(by) => return sleep(by).await,
            Flow::Hold => {
                if news.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}
