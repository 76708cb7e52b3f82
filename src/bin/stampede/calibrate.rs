//! The generator against a server that does nothing: what it costs itself, and what it can send at most.
//!
//! The same calls go out through the library that the demo crowd uses, so that the price of a client of
//! our own can be compared on any machine (`docs/stampede.md`).

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use super::args::Cli;
use super::http::Call;
use super::net::Net;

/// Connections, each with one call under way.
const CONNECTIONS: usize = 32;
const PATH: &str = "/api/v1/sales/nothing/tickets";
const CREDENTIAL: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// As long as a join's answer.
const BODY_BYTES: usize = 700;

/// Sends calls as fast as they are answered, first with our client and then with the library's.
pub async fn run(seconds: u16) -> Result<()> {
    let (address, length) = (serve_nothing()?, Duration::from_secs(seconds.into()));
    let target = format!("http://{address}");
    let flags = ["stampede", "--sale", "nothing", "--addresses", "1", "--target", &target];
    let net = Net::of(&Cli::try_parse_from(flags)?.check()?.plan).await?;
    println!(
        "{CONNECTIONS} connections to a server that does nothing, one thread, {seconds} s each"
    );
    let ours = measured("stampede", length, async || {
        let call = Call { method: "POST", path: PATH, bearer: CREDENTIAL, key: "", body: "" };
        Ok(net.call(net.door(0, 0), call, || {}).await?.body.len())
    });
    let ours = ours.await?;
    let (client, url) = (reqwest::Client::builder().no_proxy().build()?, target + PATH);
    let library = measured("reqwest", length, async || {
        Ok(client.post(&url).bearer_auth(CREDENTIAL).send().await?.bytes().await?.len())
    });
    let library = library.await?;
    println!("reqwest needs {:.1} times as long for a call", library / ours);
    Ok(())
}

/// The microseconds of this thread's processor time for each call, or of any time where that is not told.
async fn measured(
    name: &str,
    length: Duration,
    call: impl AsyncFn() -> Result<usize>,
) -> Result<f64> {
    let (count, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let (began, before) = (Instant::now(), processor_time());
    let workers = (0..CONNECTIONS).map(|_| async {
        loop {
            let is_good = call().await.is_ok_and(|bytes| bytes == BODY_BYTES);
            (if is_good { &count } else { &failed }).fetch_add(1, Relaxed);
        }
    });
    // They never end by themselves.
    let _ = timeout(length, join_all(workers)).await;
    let (count, failed) = (count.into_inner(), failed.into_inner());
    ensure!(
        failed == 0 && count > 0,
        "--calibrate: {failed} calls of {name} failed, {count} did not"
    );
    let took = began.elapsed().as_secs_f64();
    let busy = match (before, processor_time()) {
        (Some(before), Some(after)) => after - before,
        (None, _) | (_, None) => took,
    };
    let micros = busy * 1e6 / count as f64;
    println!(
        "{name:<9} {:>8.0} calls/s {micros:>7.1} µs of processor time each",
        count as f64 / took
    );
    Ok(micros)
}

/// Seconds that this thread was on a processor; Linux tells.
fn processor_time() -> Option<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|nanos| nanos / 1e9)
}

/// A server whose every answer is the same, with a thread for each connection: it asks for nothing of the
/// client's thread.
fn serve_nothing() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || answer_all(stream));
        }
    });
    Ok(address)
}

fn answer_all(mut stream: TcpStream) -> io::Result<()> {
    let head = format!("HTTP/1.1 201 Created\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
    let answer = [head.as_bytes(), &[b'x'; BODY_BYTES]].concat();
    stream.set_nodelay(true)?;
    let mut asked = [0; 4096];
    // A call is one packet here, and the next one comes after its answer.
    while stream.read(&mut asked)? > 0 {
        stream.write_all(&answer)?;
    }
    Ok(())
}
