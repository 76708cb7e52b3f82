//! A crowd of sockets in a process of its own, so that neither its memory nor its open files are the
//! gateway's. Told what to do line by line, it answers with a line of JSON each.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use crate::http::Connection;

/// Sockets that share a source address: fewer than there are ports for one.
const PER_ADDRESS: usize = 20_000;
/// Sockets that are being opened, and joins under way, at a time.
const AT_ONCE: usize = 64;
/// Many times what 20,000 sockets take on a busy machine.
const OPEN_WITHIN: Duration = Duration::from_secs(120);
/// Longest frame that is understood; a state has about 500 bytes.
const MOST_FRAME: usize = 4 * 1024;

#[derive(clap::Args)]
pub struct Args {
    /// Gateways; who loses one goes to the next
    #[arg(long, value_delimiter = ',', required = true)]
    targets: Vec<SocketAddr>,
    #[arg(long)]
    sale: String,
    #[arg(long)]
    sockets: usize,
    /// Which crowd this is, so that two do not share source addresses
    #[arg(long, default_value_t = 0)]
    index: u8,
    /// Speak to the bare broadcast: no tickets, and a frame is a count
    #[arg(long)]
    bare: bool,
}

/// What one socket was shown.
#[derive(Default)]
struct Shown {
    /// How many left in front of it since it first saw its place, and when it was told (Unix nanoseconds).
    moved: AtomicU64,
    at: AtomicU64,
    /// How long to wait after a loss, as the gateway says.
    again_ms: AtomicU64,
}

struct Crowd {
    args: Args,
    shown: Vec<Shown>,
    tickets: Vec<Ticket>,
    open: AtomicUsize,
    frames: AtomicU64,
    /// Each time a place gave way to a newer one: how far it had come, and when it went.
    ends: Mutex<Vec<(u32, u64)>>,
    /// When each socket had a place again after it lost its gateway, from that moment on.
    back: Mutex<Vec<f64>>,
}

#[derive(Default)]
struct Ticket {
    path: String,
    credential: String,
}

#[expect(
    clippy::disallowed_methods,
    reason = "what several processes and Postgres saw is compared"
)]
pub fn unix_nanos() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default()
}

/// Joins, opens every socket, and does what it is told until its input ends.
pub async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(args.sockets > 0, "--sockets: one at the least");
    let begun = Instant::now();
    let tickets = if args.bare { Vec::new() } else { join_all(&args).await? };
    let joined = begun.elapsed();
    let mut shown = Vec::new();
    shown.resize_with(args.sockets, Shown::default);
    let crowd = Arc::new(Crowd {
        shown,
        tickets,
        open: AtomicUsize::new(0),
        frames: AtomicU64::new(0),
        ends: Mutex::default(),
        back: Mutex::default(),
        args,
    });
    let begun = Instant::now();
    let permits = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    for index in 0..crowd.shown.len() {
        let permit = permits.clone().acquire_owned().await?;
        tokio::spawn(stay(crowd.clone(), index, permit));
    }
    while crowd.open.load(Ordering::Relaxed) < crowd.shown.len() {
        ensure!(begun.elapsed() < OPEN_WITHIN, "not every socket got a place; see above");
        sleep(Duration::from_millis(10)).await;
    }
    say(&json!({ "open": crowd.shown.len(), "join_seconds": joined.as_secs_f64(),
                 "open_seconds": begun.elapsed().as_secs_f64() }))?;
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (order, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let answer = match order {
            "moved" => moved(&crowd, rest.parse()?).await?,
            "ages" => ages(&crowd, rest)?,
            "back" => back(&crowd, rest.parse()?).await,
            "frames" => json!({ "frames": crowd.frames.load(Ordering::Relaxed) }),
            "forget" => {
                crowd.ends.lock().unwrap_or_else(PoisonError::into_inner).clear();
                json!({})
            }
            _ => bail!("unknown order: {line}"),
        };
        say(&answer)?;
    }
    Ok(())
}

fn say(answer: &Value) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{answer}")?;
    Ok(out.flush()?)
}

/// Waits until every socket was shown this many moves; when the last of them and its kind were.
async fn moved(crowd: &Crowd, count: u64) -> anyhow::Result<Value> {
    let begun = Instant::now();
    while crowd.shown.iter().any(|shown| shown.moved.load(Ordering::Acquire) < count) {
        ensure!(begun.elapsed() < Duration::from_secs(30), "not every socket was told");
        sleep(Duration::from_millis(1)).await;
    }
    // Who was admitted has no place any more.
    let told = crowd.shown.iter().map(|shown| shown.at.load(Ordering::Relaxed));
    let mut at: Vec<u64> = told.filter(|at| *at > 0).collect();
    at.sort_unstable();
    let part = |share: usize| at[(at.len() - 1) * share / 1_000];
    Ok(json!({ "p50": part(500), "p99": part(990), "last": part(1_000) }))
}

/// How old each place was when it gave way to the next, by a file of when each move was committed.
fn ages(crowd: &Crowd, file: &str) -> anyhow::Result<Value> {
    let commits: Vec<u64> = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let mut ends = crowd.ends.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ages: Vec<u64> = ends
        .drain(..)
        .filter_map(|(moved, gone)| Some(gone.saturating_sub(*commits.get(moved as usize)?)))
        .collect();
    ages.sort_unstable();
    let part = |share: usize| {
        ages.get(ages.len().saturating_sub(1) * share / 1_000).copied().unwrap_or_default() as f64
            / 1e6
    };
    Ok(json!({ "shown": ages.len(), "p50_ms": part(500), "p99_ms": part(990), "p999_ms": part(999),
               "most_ms": part(1_000) }))
}

/// Waits until so many sockets lost their gateway and have a place again.
async fn back(crowd: &Crowd, count: usize) -> Value {
    let begun = Instant::now();
    loop {
        let mut back = crowd.back.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if back.len() >= count || begun.elapsed() > Duration::from_secs(60) {
            back.sort_by(f64::total_cmp);
            let part =
                |share: usize| back.get(back.len().saturating_sub(1) * share / 1_000).copied();
            return json!({ "back": back.len(), "p50_ms": part(500), "p99_ms": part(990), "last_ms": part(1_000) });
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn source(args: &Args, index: usize) -> SocketAddr {
    let spread = u8::try_from(index / PER_ADDRESS).unwrap_or(u8::MAX);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 1, args.index, spread + 1)), 0)
}

async fn connect(args: &Args, index: usize, target: SocketAddr) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    // So that the kernel picks the port when it knows both ends.
    socket.set_reuseaddr(true)?;
    socket.bind(source(args, index))?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Joins for every socket, over a few connections that are kept.
async fn join_all(args: &Args) -> anyhow::Result<Vec<Ticket>> {
    let path = format!("/api/v1/sales/{}/tickets", args.sale);
    let lanes: Vec<_> = (0..AT_ONCE)
        .map(|lane| {
            let path = &path;
            async move {
                let mut asking = Connection::over(connect(args, 0, args.targets[0]).await?)?;
                let mut tickets = Vec::new();
                for index in (lane..args.sockets).step_by(AT_ONCE) {
                    let (status, body) = asking.ask("POST", path, "").await?;
                    ensure!(status == 201, "{status}: {body}");
                    let said: Value = serde_json::from_str(&body)?;
                    let field =
                        |name: &str| said[name].as_str().map(str::to_owned).context("no ticket");
                    let ticket =
                        Ticket { path: field("live_url")?, credential: field("credential")? };
                    tickets.push((index, ticket));
                }
                anyhow::Ok(tickets)
            }
        })
        .collect();
    let mut all: Vec<(usize, Ticket)> =
        futures_util::future::try_join_all(lanes).await?.into_iter().flatten().collect();
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, ticket)| ticket).collect())
}

/// Keeps one socket open; after a loss it comes back at another gateway, at a moment of its own.
async fn stay(crowd: Arc<Crowd>, index: usize, permit: tokio::sync::OwnedSemaphorePermit) {
    let mut first = None;
    let mut permit = Some(permit);
    let mut lost: Option<Instant> = None;
    for attempt in 0.. {
        let target = crowd.args.targets[(index + attempt) % crowd.args.targets.len()];
        let watched = watch(&crowd, index, target, &mut first, &mut permit, &mut lost).await;
        if first.is_none() {
            eprintln!("crowd: socket {index}: {watched:?}");
            return;
        }
        lost.get_or_insert_with(Instant::now);
        // As the waiting room page does after a loss that was not announced.
        sleep(Duration::from_millis(crowd.shown[index].again_ms.load(Ordering::Relaxed))).await;
    }
}

async fn watch(
    crowd: &Crowd,
    index: usize,
    target: SocketAddr,
    first: &mut Option<u64>,
    permit: &mut Option<tokio::sync::OwnedSemaphorePermit>,
    lost: &mut Option<Instant>,
) -> anyhow::Result<()> {
    let mut stream = connect(&crowd.args, index, target).await?;
    let (path, credential) = match crowd.tickets.get(index) {
        Some(ticket) => (ticket.path.as_str(), ticket.credential.as_str()),
        None => ("/socket", "none"),
    };
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         authorization: Bearer {credential}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    // What does not make a whole frame yet; empty most of the time, so that an idle socket is small.
    let mut rest = Vec::new();
    let mut upgraded = false;
    loop {
        stream.readable().await?;
        if !fill(&stream, &mut rest)? {
            continue;
        }
        let now = unix_nanos();
        if !upgraded {
            let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            ensure!(rest.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&rest));
            rest.drain(..end + 4);
            upgraded = true;
        }
        while let Some((size, payload)) = frame(&rest)? {
            if is_over(&rest[payload..size]) {
                crowd.shown[index].at.store(0, Ordering::Relaxed);
                crowd.shown[index].moved.store(u64::MAX, Ordering::Release);
            } else if let Some(place) = place(&rest[payload..size], crowd.args.bare) {
                show(crowd, index, first, place, now);
                let again = number(&rest[payload..size], b"\"reconnect_after_ms\":");
                crowd.shown[index].again_ms.store(again.unwrap_or(0), Ordering::Relaxed);
                permit.take();
                if let Some(lost) = lost.take() {
                    let took = lost.elapsed().as_secs_f64() * 1e3;
                    crowd.back.lock().unwrap_or_else(PoisonError::into_inner).push(took);
                }
            }
            rest.drain(..size);
        }
        if rest.is_empty() {
            rest = Vec::new();
        }
    }
}

/// Reads what is there, if anything is.
fn fill(stream: &TcpStream, rest: &mut Vec<u8>) -> anyhow::Result<bool> {
    let mut buffer = [0_u8; MOST_FRAME];
    match stream.try_read(&mut buffer) {
        Ok(0) => bail!("hung up"),
        Ok(size) => rest.extend_from_slice(&buffer[..size]),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}

/// The size of the first whole frame and where its payload begins.
fn frame(bytes: &[u8]) -> anyhow::Result<Option<(usize, usize)>> {
    let [first, second, ..] = bytes else { return Ok(None) };
    ensure!(first & 0x0f != 8, "closed: {}", String::from_utf8_lossy(bytes));
    let (length, payload) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(more) => (usize::from(more[0]) << 8 | usize::from(more[1]), 4),
            None => return Ok(None),
        },
        127 => bail!("a frame of more than 64 KiB"),
        length => (usize::from(length), 2),
    };
    Ok((bytes.len() >= payload + length).then_some((payload + length, payload)))
}

/// Whether this shopper is in line no more.
fn is_over(payload: &[u8]) -> bool {
    let name = b"\"state\":\"admitted\"";
    payload.windows(name.len()).any(|part| part == name)
}

/// The place that a state tells; of the bare broadcast, a number that falls as places do.
fn place(payload: &[u8], bare: bool) -> Option<u64> {
    number(payload, if bare { b"\"count\":" } else { b"\"position\":" })
}

/// The number that follows this name.
fn number(payload: &[u8], name: &[u8]) -> Option<u64> {
    let from = payload.windows(name.len()).position(|part| part == name)? + name.len();
    let digits = payload[from..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn show(crowd: &Crowd, index: usize, first: &mut Option<u64>, place: u64, now: u64) {
    crowd.frames.fetch_add(1, Ordering::Relaxed);
    let from = *first.get_or_insert_with(|| {
        crowd.open.fetch_add(1, Ordering::Relaxed);
        place
    });
    let shown = &crowd.shown[index];
    let (moved, before) = (from.saturating_sub(place), shown.moved.load(Ordering::Relaxed));
    if moved > before {
        let before = u32::try_from(before).unwrap_or(u32::MAX);
        crowd.ends.lock().unwrap_or_else(PoisonError::into_inner).push((before, now));
        shown.at.store(now, Ordering::Relaxed);
        shown.moved.store(moved, Ordering::Release);
    }
}
