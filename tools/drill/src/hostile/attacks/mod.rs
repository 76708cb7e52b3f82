//! The attacks: what one hostile connection does from its beginning to its end, how many of them there are,
//! and how soon each is followed by the next.
//!
//! They run on a thread of their own with one core at most, and send at a fixed pace: what they cost the
//! machine is not the gateway's fault, so it is counted too.

mod frames;
mod requests;
pub mod wire;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::ValueEnum;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::gateway::cpu_seconds;
use super::honest::Waiter;

/// Connections are begun over this time, not all in one instant.
pub const RAMP: Duration = Duration::from_secs(1);

/// What a hostile client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Sends one more header line every second, without an end
    SlowHeaders,
    /// Sends one more byte of a body five times a second
    SlowBodies,
    /// Asks for the largest page again and again and never reads it
    SlowReads,
    /// Connects and says nothing
    Silent,
    /// Takes every slot of a small gateway and says nothing
    EverySlot,
    /// Connects and goes away at once
    ConnectFlood,
    /// Opens a socket, then neither reads nor closes, while the line moves
    NeverReads,
    /// Asks for its position again and again and never reads the answers
    AsksNeverReads,
    /// Announces a frame of a gibibyte and sends it
    HugeFrame,
    /// A message in frames of one byte
    TinyFragments,
    /// A message in empty frames, without an end
    EmptyFragments,
    /// Frames with reserved bits, as if compressed
    ReservedBits,
    /// Text that is not UTF-8
    BadUtf8,
    /// JSON nested as deep as a message is long, in frames and in bodies
    DeepJson,
    /// Bodies of thousands of unknown fields
    HugeJson,
    /// Heads and addresses up to the largest head, and beyond
    HugeHeads,
    /// Pings as fast as they may go
    PingFlood,
    /// Joins from 250 addresses
    JoinFlood,
    /// Upgrades that are dropped at once, from 250 addresses
    ReconnectFlood,
    /// Credentials that nobody signed
    ForgedCredentials,
    /// Requests without waiting for answers
    Pipelining,
    /// Requests that proxies and servers may read differently
    Oddities,
}

/// How an attack is dealt out.
pub struct Spec {
    /// Hostile connections at a time.
    pub lanes: usize,
    /// From the end of one to the beginning of the next of the same lane.
    pub gap: Duration,
    /// They come from so many addresses.
    pub addresses: usize,
    /// Each has a ticket of its own, as anybody can have.
    pub has_ticket: bool,
    /// The bound on connections that the gateway is given.
    pub slots: usize,
}

impl Kind {
    pub fn spec(self) -> Spec {
        let spec = |lanes, gap_ms, has_ticket| Spec {
            lanes,
            gap: Duration::from_millis(gap_ms),
            addresses: 8,
            has_ticket,
            slots: 15_000,
        };
        let many = |spec: Spec| Spec { addresses: 250, ..spec };
        match self {
            Self::SlowHeaders | Self::Silent => spec(2_000, 100, false),
            Self::SlowBodies | Self::SlowReads => spec(1_000, 100, false),
            Self::EverySlot => Spec { slots: 1_000, ..many(spec(2_000, 1_000, false)) },
            Self::ConnectFlood => many(spec(200, 100, false)),
            Self::NeverReads | Self::AsksNeverReads => many(spec(1_000, 500, true)),
            Self::HugeFrame | Self::ReservedBits | Self::BadUtf8 | Self::TinyFragments => {
                many(spec(200, 500, true))
            }
            Self::EmptyFragments | Self::PingFlood => many(spec(50, 500, true)),
            Self::DeepJson => many(spec(200, 500, true)),
            Self::HugeJson | Self::HugeHeads => many(spec(100, 200, false)),
            Self::JoinFlood => many(spec(200, 200, false)),
            Self::ReconnectFlood => many(spec(200, 200, true)),
            Self::ForgedCredentials => many(spec(200, 200, false)),
            Self::Pipelining => spec(16, 50, false),
            Self::Oddities => many(spec(100, 200, false)),
        }
    }

    /// One hostile connection, to its end: how it ended.
    async fn live(self, lane: &Lane) -> std::io::Result<String> {
        match self {
            Self::SlowHeaders => requests::slow_headers(lane).await,
            Self::SlowBodies => requests::slow_body(lane).await,
            Self::SlowReads => requests::slow_reads(lane).await,
            Self::Silent | Self::EverySlot => requests::silent(lane).await,
            Self::ConnectFlood => requests::connect(lane).await,
            Self::NeverReads => frames::never_reads(lane).await,
            Self::AsksNeverReads => frames::asks_and_never_reads(lane).await,
            Self::HugeFrame => frames::huge(lane).await,
            Self::TinyFragments => frames::tiny_fragments(lane).await,
            Self::EmptyFragments => frames::empty_fragments(lane).await,
            Self::ReservedBits => frames::once(lane, 0xc1, b"{}").await,
            Self::BadUtf8 => frames::once(lane, 0x81, b"{\"type\":\"\xc3\x28\xed\xa0\x80\"}").await,
            Self::DeepJson if lane.index.is_multiple_of(2) => frames::deep_json(lane).await,
            Self::DeepJson => requests::deep_json(lane).await,
            Self::HugeJson => requests::huge_json(lane).await,
            Self::HugeHeads => requests::huge_head(lane).await,
            Self::PingFlood => frames::pings(lane).await,
            Self::JoinFlood => requests::join(lane).await,
            Self::ReconnectFlood => frames::reconnect(lane).await,
            Self::ForgedCredentials => requests::forged(lane).await,
            Self::Pipelining => requests::pipelined(lane).await,
            Self::Oddities => requests::odd(lane).await,
        }
    }
}

/// What is attacked.
pub struct Target {
    pub address: SocketAddr,
    /// A sale for hostile joins.
    pub sale: String,
    /// Tickets for hostile sockets, in a line that moves.
    pub tickets: Vec<Waiter>,
}

/// One hostile connection after the other.
pub struct Lane {
    target: Arc<Target>,
    tally: Arc<Tally>,
    index: usize,
    source: Ipv4Addr,
    /// Connections of this lane so far.
    lives: usize,
}

/// What the attack did, and what it got.
#[derive(Default)]
pub struct Tally {
    begun: AtomicU64,
    /// Whole messages or requests where there are such, else pieces.
    sent: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    endings: Mutex<BTreeMap<String, Ending>>,
}

/// One way in which connections ended.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Ending {
    pub count: u64,
    /// How long such connections lasted, all together.
    pub seconds: f64,
}

/// A tally, added up.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sum {
    pub seconds: f64,
    pub begun: u64,
    pub sent: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub cpu_seconds: f64,
    pub endings: BTreeMap<String, Ending>,
}

impl Tally {
    pub fn wrote(&self, pieces: usize, bytes: usize) {
        self.sent.fetch_add(pieces as u64, Ordering::Relaxed);
        self.bytes_sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn read(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn ended(&self, ending: String, lasted: Duration) {
        let mut endings = self.endings.lock().unwrap_or_else(PoisonError::into_inner);
        let ending = endings.entry(ending).or_default();
        ending.count += 1;
        ending.seconds += lasted.as_secs_f64();
    }
}

impl Sum {
    /// Adds another round of the same attack.
    pub fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.begun += other.begun;
        self.sent += other.sent;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.cpu_seconds += other.cpu_seconds;
        for (name, ending) in &other.endings {
            let mine = self.endings.entry(name.clone()).or_default();
            mine.count += ending.count;
            mine.seconds += ending.seconds;
        }
    }
}

/// An attack that is under way.
pub struct Attack {
    stop: CancellationToken,
    thread: std::thread::JoinHandle<Result<Sum>>,
}

impl Attack {
    pub fn begin(kind: Kind, target: &Arc<Target>) -> Result<Self> {
        let stop = CancellationToken::new();
        let (stopping, target) = (stop.clone(), target.clone());
        let thread = std::thread::Builder::new()
            .name("hostile".into())
            .spawn(move || attack(kind, &target, &stopping))?;
        Ok(Self { stop, thread })
    }

    /// Ends it; its connections are dropped.
    pub async fn end(self) -> Result<Sum> {
        self.stop.cancel();
        tokio::task::spawn_blocking(|| self.thread.join())
            .await?
            .map_err(|_| anyhow!("the attack panicked"))?
    }
}

fn attack(kind: Kind, target: &Arc<Target>, stop: &CancellationToken) -> Result<Sum> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally: Arc<Tally> = Arc::default();
    let seconds = runtime.block_on(async {
        let begun = Instant::now();
        let spec = kind.spec();
        let mut lanes = JoinSet::new();
        for index in 0..spec.lanes {
            let at = index % spec.addresses;
            let source = Ipv4Addr::new(127, 66, (at / 250) as u8, 1 + (at % 250) as u8);
            let lane =
                Lane { target: target.clone(), tally: tally.clone(), index, source, lives: 0 };
            let delay = RAMP.mul_f64(index as f64 / spec.lanes as f64);
            lanes.spawn(run_lane(kind, lane, delay, spec.gap, stop.clone()));
        }
        while lanes.join_next().await.is_some() {}
        begun.elapsed().as_secs_f64()
    });
    let endings = tally.endings.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Ok(Sum {
        seconds,
        begun: count(&tally.begun),
        sent: count(&tally.sent),
        bytes_sent: count(&tally.bytes_sent),
        bytes_received: count(&tally.bytes_received),
        cpu_seconds: cpu_seconds(&std::fs::read_to_string("/proc/thread-self/stat")?),
        endings,
    })
}

async fn run_lane(
    kind: Kind,
    mut lane: Lane,
    delay: Duration,
    gap: Duration,
    stop: CancellationToken,
) {
    let pause = async |length| {
        tokio::select! { () = sleep(length) => true, () = stop.cancelled() => false }
    };
    let mut goes_on = pause(delay).await;
    while goes_on {
        let begun = Instant::now();
        lane.tally.begun.fetch_add(1, Ordering::Relaxed);
        tokio::select! {
            ended = kind.live(&lane) => {
                let ending = ended.unwrap_or_else(|error| format!("{}", error.kind()));
                lane.tally.ended(ending, begun.elapsed());
            }
            () = stop.cancelled() => {
                return lane.tally.ended("open at the end".into(), begun.elapsed());
            }
        }
        lane.lives += 1;
        goes_on = pause(gap).await;
    }
}
