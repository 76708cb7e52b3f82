//! The gateways that a run is aimed at: where they are, whether they may be aimed at, and the connections.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::net::{TcpSocket, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::http::{Answer, Call, take_answer};
use super::inbox::Inbox;
use super::plan::Plan;

/// A gateway that could not be reached is not chosen for so long while another one is there.
const AVOIDED: Duration = Duration::from_secs(1);

/// Every gateway of a run.
pub struct Net {
    doors: Vec<Door>,
    addresses: u8,
    patience: Duration,
    next_source: AtomicUsize,
    began: Instant,
    /// Calls that met a connection which the gateway had just closed, and went out again.
    pub reopened: AtomicU64,
}

/// One gateway.
pub struct Door {
    address: SocketAddr,
    /// As it stands in a URL, port included.
    pub host: String,
    idle: Mutex<Vec<Inbox>>,
    permits: Semaphore,
    /// In microseconds since the beginning.
    avoided_until: AtomicU64,
}

impl Net {
    /// # Errors
    /// Names `--target` when it cannot be read or found, and `--i-own-this-host` when it is elsewhere.
    pub async fn of(plan: &Plan) -> Result<Self> {
        let mut doors = Vec::new();
        for url in &plan.targets {
            let (host, at) = split(url).with_context(|| format!("--target: {url}"))?;
            let found = lookup_host(&at).await.with_context(|| format!("--target: {url}"))?;
            let found: Vec<SocketAddr> = found.collect();
            let is_here = !found.is_empty() && found.iter().all(|a| a.ip().is_loopback());
            ensure!(
                is_here || plan.owned.iter().any(|owned| owned.eq_ignore_ascii_case(&host)),
                "--target: {url} is not this machine's loopback. A load test can take a site down. If \
                 it is yours, say so: --i-own-this-host {host}"
            );
            let address = *found.first().with_context(|| format!("--target: {url}: no address"))?;
            doors.push(Door {
                address,
                host: at,
                idle: Mutex::default(),
                permits: Semaphore::new(plan.bounds.connections),
                avoided_until: AtomicU64::new(0),
            });
        }
        Ok(Self {
            doors,
            addresses: plan.bounds.addresses,
            patience: plan.bounds.patience,
            next_source: AtomicUsize::new(0),
            began: Instant::now(),
            reopened: AtomicU64::new(0),
        })
    }

    fn micros(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// The gateway for this shopper at its `turn`-th try: its own first, then the others in a row.
    pub fn door(&self, shopper: u64, turn: usize) -> &Door {
        let (count, now) = (self.doors.len(), self.micros());
        let first = (shopper % count as u64) as usize + turn;
        let nth = |n: usize| &self.doors[(first + n) % count];
        let is_well = |door: &&Door| door.avoided_until.load(Ordering::Relaxed) <= now;
        (0..count).map(nth).find(is_well).unwrap_or(nth(0))
    }

    /// A new connection, from the next of our addresses.
    ///
    /// # Errors
    /// When it is refused, or not there in time.
    pub async fn connect(&self, door: &Door) -> io::Result<Inbox> {
        let connected = match timeout(self.patience, self.connected(door)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        if connected.is_err() {
            let until = self.micros() + AVOIDED.as_micros() as u64;
            door.avoided_until.store(until, Ordering::Relaxed);
        }
        connected
    }

    async fn connected(&self, door: &Door) -> io::Result<Inbox> {
        let socket = match door.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if self.addresses > 1
            && let IpAddr::V4(ip) = door.address.ip()
            && ip.is_loopback()
        {
            let turn = self.next_source.fetch_add(1, Ordering::Relaxed);
            let last = 1 + (turn % usize::from(self.addresses)) as u8;
            socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
        }
        let stream = socket.connect(door.address).await?;
        stream.set_nodelay(true)?;
        Ok(Inbox::new(stream))
    }

    /// One call over a kept connection, answered within patience once there is one. `sent` is told when it
    /// goes out.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn call(
        &self,
        door: &Door,
        call: Call<'_>,
        mut sent: impl FnMut(),
    ) -> io::Result<Answer> {
        // Waiting here is waiting all the same: it counts from when the call was due.
        let _permit = door.permits.acquire().await.map_err(io::Error::other)?;
        let asking = async {
            let bytes = call.bytes(&door.host);
            loop {
                let kept = door.kept();
                let is_kept = kept.is_some();
                let mut inbox = match kept {
                    Some(inbox) => inbox,
                    None => self.connect(door).await?,
                };
                sent();
                let answered = async {
                    inbox.send(&bytes).await?;
                    inbox.next(take_answer).await
                };
                match answered.await {
                    Ok(answer) => {
                        if answer.keeps {
                            door.keep(inbox);
                        }
                        return Ok(answer);
                    }
                    // It closed an idle connection in this moment. Only what does no harm twice goes again.
                    Err(error)
                        if is_kept
                            && is_gone(&error)
                            && (call.method != "POST" || !call.key.is_empty()) =>
                    {
                        self.reopened.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        match timeout(self.patience, asking).await {
            Ok(answered) => answered,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl Door {
    /// A connection that is open and quiet.
    fn kept(&self) -> Option<Inbox> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(inbox) = idle.pop() {
            if inbox.is_quiet() {
                return Some(inbox);
            }
        }
        None
    }

    fn keep(&self, inbox: Inbox) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(inbox);
    }
}

/// Whether a connection ended as one does that was closed meanwhile.
fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    [Kind::UnexpectedEof, Kind::ConnectionReset, Kind::BrokenPipe].contains(&error.kind())
}

/// The host of a URL, and the same with its port.
fn split(url: &str) -> Result<(String, String)> {
    let Some(rest) = url.strip_prefix("http://") else {
        bail!("begins with http://; TLS is ended by a proxy, and is not what is measured here");
    };
    let at = rest.strip_suffix('/').unwrap_or(rest);
    ensure!(!at.contains(['/', '?', '#', '@']), "has a host and a port, and nothing behind them");
    let has_port = at.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port { at.rsplit_once(':').map_or(at, |(host, _)| host) } else { at };
    ensure!(!host.is_empty(), "has no host");
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok((bare, if has_port { at.to_owned() } else { format!("{at}:80") }))
}

#[cfg(test)]
mod tests {
    use super::super::args::Cli;
    use super::*;
    use clap::Parser;

    async fn aimed(flags: &[&str]) -> Result<Net> {
        let flags = ["stampede", "--sale", "x"].iter().chain(flags);
        Net::of(&Cli::try_parse_from(flags).unwrap().check().unwrap().plan).await
    }

    #[tokio::test]
    async fn only_loopback_is_a_target_unless_its_owner_names_it() {
        for here in ["http://127.0.0.1:8080", "http://127.0.0.9:1/", "http://[::1]:8080"] {
            assert!(aimed(&["--target", here]).await.is_ok(), "{here}");
        }
        // Addresses of the range for documentation: nobody's.
        for (elsewhere, host) in [
            ("http://192.0.2.1:8080", "192.0.2.1"),
            ("http://0.0.0.0:8080", "0.0.0.0"),
            ("http://[2001:db8::1]:80", "2001:db8::1"),
        ] {
            let said = aimed(&["--target", elsewhere]).await.err().expect("refused").to_string();
            assert!(said.contains(&format!("--i-own-this-host {host}")), "{said}");
            let other = aimed(&["--target", elsewhere, "--i-own-this-host", "192.0.2.77"]).await;
            assert!(other.is_err(), "another host was named");
            let owned = aimed(&["--target", elsewhere, "--i-own-this-host", host]).await;
            assert!(owned.is_ok(), "{elsewhere}");
        }
        // One good target does not open the door for another.
        assert!(aimed(&["--target", "http://127.0.0.1:1,http://192.0.2.1:1"]).await.is_err());
    }

    #[tokio::test]
    async fn a_target_that_cannot_be_read_is_named() {
        for url in ["127.0.0.1:8080", "https://127.0.0.1", "http://", "http://127.0.0.1:1/s/sale"] {
            let said = format!("{:#}", aimed(&["--target", url]).await.err().expect("refused"));
            assert!(said.contains("--target"), "{said}");
        }
    }
}
