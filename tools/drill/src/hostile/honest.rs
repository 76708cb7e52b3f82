//! Honest shoppers at a steady pace, whatever the gateway does: each call has a moment at which it is due,
//! and its latency counts from there (no coordinated omission).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use reqwest::{Client, Method};
use serde::Serialize;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::task::TaskTracker;

/// Honest shoppers come from so many addresses.
const ADDRESSES: u8 = 8;
/// One of each is due this often.
const JOIN_EVERY: Duration = Duration::from_millis(50);
const POLL_EVERY: Duration = Duration::from_millis(10);
const PAGE_EVERY: Duration = Duration::from_millis(100);
/// What takes longer has failed; it counts with this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Waiting shoppers with an open socket for as long as the gateway runs.
pub const STANDING: usize = 200;

/// What honest shoppers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    Join,
    /// A new connection, the upgrade and the first state.
    Socket,
    Poll,
    /// A new connection and the waiting room.
    Page,
    Confirm,
}

/// How one call went.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub doing: Doing,
    pub millis: f64,
}

/// How everything went in one phase.
#[derive(Default)]
pub struct Log {
    pub samples: Vec<Sample>,
    pub errors: BTreeMap<String, u64>,
}

/// The crowd, and the two sales it visits.
pub struct Crowd {
    base: String,
    address: SocketAddr,
    clients: Vec<Client>,
    /// A sale that admits at once: its shoppers join, watch and buy.
    pub quick: String,
    /// A sale without units, where `waiting` wait.
    pub slow: String,
    waiting: Vec<Waiter>,
    turn: AtomicUsize,
    /// Standing sockets that ended.
    pub lost: Arc<AtomicU64>,
}

/// A shopper in line.
#[derive(Clone)]
pub struct Waiter {
    pub path: String,
    pub credential: String,
}

impl Waiter {
    pub fn new(joined: &Value) -> Result<Self> {
        let text = |name: &str| joined[name].as_str().map(str::to_owned).context("no such field");
        let path = format!("/api/v1/sales/{}/tickets/{}", text("sale")?, text("ticket")?);
        Ok(Self { path, credential: text("credential")? })
    }
}

fn source(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 7, 1 + (index % usize::from(ADDRESSES)) as u8)
}

impl Crowd {
    pub async fn gather(address: SocketAddr, quick: &str, slow: &str) -> Result<Self> {
        let client = |index| {
            Client::builder().local_address(Some(source(index).into())).timeout(PATIENCE).build()
        };
        let clients: Vec<_> = (0..usize::from(ADDRESSES)).map(client).collect::<Result<_, _>>()?;
        let mut crowd = Self {
            base: format!("http://{address}"),
            address,
            clients,
            quick: quick.to_owned(),
            slow: slow.to_owned(),
            waiting: Vec::new(),
            turn: AtomicUsize::new(0),
            lost: Arc::default(),
        };
        for _ in 0..STANDING {
            let joined = crowd.join(slow).await?;
            crowd.waiting.push(Waiter::new(&joined)?);
        }
        for (index, waiter) in crowd.waiting.iter().enumerate() {
            let mut socket = crowd.open(index, waiter).await?;
            let lost = crowd.lost.clone();
            tokio::spawn(async move {
                while let Some(Ok(_)) = socket.next().await {}
                lost.fetch_add(1, Ordering::Relaxed);
            });
        }
        Ok(crowd)
    }

    fn next(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    async fn call(&self, method: Method, path: &str, credential: &str) -> Result<Value> {
        let client = &self.clients[self.next() % self.clients.len()];
        let mut request = client.request(method, format!("{}{path}", self.base));
        if !credential.is_empty() {
            request = request.bearer_auth(credential);
        }
        let answer = request.send().await.map_err(|error| anyhow::anyhow!(cause(&error)))?;
        let status = answer.status();
        let body: Value = answer.json().await.context("body cut off")?;
        ensure!(status.is_success(), "{} {}", status.as_u16(), body["code"]);
        Ok(body)
    }

    async fn join(&self, sale: &str) -> Result<Value> {
        self.call(Method::POST, &format!("/api/v1/sales/{sale}/tickets"), "").await
    }

    async fn connect(&self, index: usize) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((source(index), 0)))?;
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn open(&self, index: usize, waiter: &Waiter) -> Result<WebSocketStream<TcpStream>> {
        let url = format!("ws://{}{}/live", self.address, waiter.path);
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", waiter.credential);
        request.headers_mut().insert("authorization", bearer.parse()?);
        Ok(client_async(request, self.connect(index).await?).await?.0)
    }

    /// The page on a connection of its own, as a new visitor has it.
    async fn page(&self) -> Result<()> {
        let client =
            Client::builder().local_address(Some(source(self.next()).into())).timeout(PATIENCE);
        let url = format!("{}/s/{}", self.base, self.slow);
        let answer = client.build()?.get(url).send().await.map_err(|error| {
            anyhow::anyhow!(cause(&error)) // Without the address, so that equal causes count together.
        })?;
        ensure!(answer.status().is_success(), "{}", answer.status().as_u16());
        answer.bytes().await.context("body cut off")?;
        Ok(())
    }
}

/// Why a call failed, in the words of its innermost cause.
fn cause(error: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

/// One phase of the honest load.
pub struct Phase {
    crowd: Arc<Crowd>,
    log: Mutex<Log>,
    tasks: TaskTracker,
}

impl Phase {
    /// Runs for this long, and until everything begun in it has ended.
    pub async fn run(crowd: &Arc<Crowd>, length: Duration) -> Result<Log> {
        let phase = Arc::new(Self {
            crowd: crowd.clone(),
            log: Mutex::default(),
            tasks: TaskTracker::new(),
        });
        let start = Instant::now();
        tokio::join!(
            phase.pace(start, length, JOIN_EVERY, Doing::Join),
            phase.pace(start, length, POLL_EVERY, Doing::Poll),
            phase.pace(start, length, PAGE_EVERY, Doing::Page),
        );
        phase.tasks.close();
        phase.tasks.wait().await;
        let log = std::mem::take(&mut *phase.log.lock().unwrap_or_else(PoisonError::into_inner));
        ensure!(!log.samples.is_empty(), "nothing was measured");
        Ok(log)
    }

    async fn pace(
        self: &Arc<Self>,
        start: Instant,
        length: Duration,
        every: Duration,
        doing: Doing,
    ) {
        let mut due = start;
        while due < start + length {
            sleep_until(due).await;
            let (phase, begun) = (self.clone(), due);
            self.tasks.spawn(async move { phase.act(doing, begun).await });
            due += every;
        }
    }

    async fn act(self: Arc<Self>, doing: Doing, due: Instant) {
        let crowd = &self.crowd;
        match doing {
            Doing::Join => {
                if let Some(joined) = self.timed(doing, due, crowd.join(&crowd.quick)).await
                    && let Ok(waiter) = Waiter::new(&joined)
                {
                    self.shop(waiter).await;
                }
            }
            Doing::Poll => {
                let waiter = &crowd.waiting[crowd.next() % crowd.waiting.len()];
                let call = crowd.call(Method::GET, &waiter.path, &waiter.credential);
                self.timed(doing, due, call).await;
            }
            Doing::Page => {
                self.timed(doing, due, crowd.page()).await;
            }
            // These follow from a join.
            Doing::Socket | Doing::Confirm => {}
        }
    }

    /// Watches the line over a socket, and buys.
    async fn shop(&self, waiter: Waiter) {
        let crowd = &self.crowd;
        let opening = async {
            let mut socket = crowd.open(crowd.next(), &waiter).await?;
            let first = state(&mut socket).await?;
            Ok((socket, first))
        };
        let opened = self.timed(Doing::Socket, Instant::now(), opening).await;
        let Some((mut socket, mut told)) = opened else { return };
        while told["state"] == "waiting" || told["state"] == "scheduled" {
            match state(&mut socket).await {
                Ok(next) => told = next,
                Err(error) => return self.failed(Doing::Socket, &error.to_string()),
            }
        }
        let Some(hold) = told["hold"]["id"].as_str() else {
            return self.failed(Doing::Socket, &format!("ended as {}", told["state"]));
        };
        let path = format!("/api/v1/holds/{hold}/confirm");
        let confirm = crowd.call(Method::POST, &path, &waiter.credential);
        self.timed(Doing::Confirm, Instant::now(), confirm).await;
    }

    async fn timed<T>(
        &self,
        doing: Doing,
        due: Instant,
        call: impl Future<Output = Result<T>>,
    ) -> Option<T> {
        let done = timeout(PATIENCE, call).await.unwrap_or_else(|_| anyhow::bail!("too late"));
        let millis = match &done {
            Ok(_) => due.elapsed(),
            Err(_) => due.elapsed().max(PATIENCE),
        };
        let sample = Sample { doing, millis: millis.as_secs_f64() * 1e3 };
        self.log.lock().unwrap_or_else(PoisonError::into_inner).samples.push(sample);
        done.inspect_err(|error| self.failed(doing, &error.to_string())).ok()
    }

    fn failed(&self, doing: Doing, why: &str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        *log.errors.entry(format!("{doing:?}: {why}")).or_default() += 1;
    }
}

/// The next state that a socket tells.
async fn state(socket: &mut WebSocketStream<TcpStream>) -> Result<Value> {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.context("no state in time")?;
        match message.context("socket ended")?.map_err(|_| anyhow::anyhow!("socket broke"))? {
            Message::Text(text) => return Ok(serde_json::from_str(&text)?),
            Message::Close(frame) => anyhow::bail!("socket closed: {frame:?}"),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
}
