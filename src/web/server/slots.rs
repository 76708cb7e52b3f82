//! Who may have a connection, and which one gives way when all are taken.
//!
//! Connecting costs a hostile client nothing, so the place of a connection that waits for a request is never
//! worth more than a newcomer's: the one that waits longest goes, first of all one that never asked.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use metrics::{counter, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::telemetry;
use crate::web::App;
use crate::web::server::limits;

/// The part of all connections that one address may have: a carrier's gateway with thousands of shoppers
/// fits, and nobody takes every slot. Trusted proxies speak for many and have no such limit.
const PART_OF_ONE: usize = 4;
/// A connection that gives way is gone at once, unless its request arrived in that moment.
const ROOM_WITHIN: Duration = Duration::from_millis(100);

/// Every connection that a listener may have.
pub struct Slots {
    free: Arc<Semaphore>,
    peers: Arc<Peers>,
    idle: Arc<Idle>,
}

impl Slots {
    /// As many as this, whoever has them.
    pub fn new(most: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(most)), peers: Arc::default(), idle: Arc::default() }
    }

    /// As many as this, of which one address has a part unless limits are off.
    pub fn of_shoppers(app: &App, most: usize) -> Self {
        let for_one = app.limits.are_on().then(|| (most / PART_OF_ONE).max(1));
        let trusted = app.trusted_proxies.clone();
        let peers = Peers { open: Mutex::default(), most: for_one, trusted };
        Self { peers: Arc::new(peers), ..Self::new(most) }
    }

    /// A slot for a connection from this address; none when it has too many, or when all are in use.
    pub async fn take(&self, address: IpAddr) -> Option<Slot> {
        let peer = self.peers.enter(address)?;
        let permit = match self.free.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                counter!(telemetry::LIMITED, "limit" => "slots").increment(1);
                self.idle.make_room()?;
                timeout(ROOM_WITHIN, self.free.clone().acquire_owned()).await.ok()?.ok()?
            }
        };
        Some(Slot(Arc::new(Held {
            guest: Guest::enter(&self.idle),
            is_socket: AtomicBool::new(false),
            _counted: (permit, peer, Open::new()),
        })))
    }
}

/// What a connection takes up, for as long as a clone of this lives: its talk, an answer's body, a socket.
#[derive(Clone)]
pub struct Slot(Arc<Held>);

struct Held {
    guest: Arc<Guest>,
    is_socket: AtomicBool,
    _counted: (OwnedSemaphorePermit, Peer, Open),
}

impl Slot {
    /// From now on the connection speaks WebSocket, and is read at a socket's pace.
    pub fn becomes_socket(&self) {
        self.0.is_socket.store(true, Ordering::Relaxed);
    }

    pub fn is_socket(&self) -> bool {
        self.0.is_socket.load(Ordering::Relaxed)
    }

    /// Told when the connection must give way.
    pub fn evicted(&self) -> &CancellationToken {
        &self.0.guest.evicted
    }

    /// The connection has a request; until this is dropped it does not give way.
    pub fn ask(&self) -> Asking {
        self.0.guest.leave_line();
        Asking(self.0.guest.clone())
    }

    /// The talk is over: what lives on of it is in use to its end.
    pub fn talked(&self) {
        self.0.guest.talked();
    }
}

/// A request that is under way.
pub struct Asking(Arc<Guest>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.enter_line(true);
    }
}

/// The connections that wait for a request, in the order in which they would give way: those that never
/// asked, then those that did; the longest waiting first.
#[derive(Default)]
struct Idle(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    line: BTreeMap<(bool, u64), CancellationToken>,
}

impl Idle {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one connection end; none when all are in use.
    fn make_room(&self) -> Option<()> {
        let (_, evicted) = self.lock().line.pop_first()?;
        evicted.cancel();
        Some(())
    }
}

/// One connection's place among those that wait.
struct Guest {
    idle: Arc<Idle>,
    evicted: CancellationToken,
    place: Mutex<Place>,
}

#[derive(Default)]
struct Place {
    /// In the line; none while a request is under way.
    at: Option<(bool, u64)>,
    /// It will not ask again.
    has_talked: bool,
}

impl Guest {
    fn enter(idle: &Arc<Idle>) -> Arc<Self> {
        let guest = Arc::new(Self {
            idle: idle.clone(),
            evicted: CancellationToken::new(),
            place: Mutex::default(),
        });
        guest.enter_line(false);
        guest
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter_line(&self, has_asked: bool) {
        let mut place = self.place();
        if place.has_talked || place.at.is_some() {
            return;
        }
        let mut waiting = self.idle.lock();
        let at = (has_asked, waiting.next);
        waiting.next += 1;
        waiting.line.insert(at, self.evicted.clone());
        place.at = Some(at);
    }

    fn leave_line(&self) {
        if let Some(at) = self.place().at.take() {
            self.idle.lock().line.remove(&at);
        }
    }

    fn talked(&self) {
        self.place().has_talked = true;
        self.leave_line();
    }
}

/// Open connections by address.
#[derive(Default)]
struct Peers {
    open: Mutex<HashMap<IpAddr, usize>>,
    /// None without limits.
    most: Option<usize>,
    trusted: Vec<IpNet>,
}

/// One connection of an address; it is counted until it is dropped.
struct Peer {
    peers: Arc<Peers>,
    address: IpAddr,
}

impl Peers {
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

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn must_go(slot: &Slot) -> bool {
        slot.evicted().is_cancelled()
    }

    #[tokio::test]
    async fn who_never_asked_gives_way_first_and_then_who_waits_longest() {
        let slots = Slots::new(3);
        let (asked, silent, later) = (
            slots.take(ANA).await.unwrap(),
            slots.take(ANA).await.unwrap(),
            slots.take(ANA).await.unwrap(),
        );
        drop(asked.ask());
        drop(later.ask());
        for expected in [[false, true, false], [true, true, false], [true, true, true]] {
            slots.idle.make_room().unwrap();
            assert_eq!([&asked, &silent, &later].map(must_go), expected);
        }
        assert!(slots.idle.make_room().is_none(), "nobody is left");
    }

    #[tokio::test]
    async fn who_is_being_answered_or_has_a_socket_keeps_the_slot() {
        let slots = Slots::new(1);
        let slot = slots.take(ANA).await.unwrap();
        let asking = slot.ask();
        assert!(slots.take(ANA).await.is_none(), "all are in use");
        slot.talked();
        drop(asking);
        assert!(slots.take(ANA).await.is_none(), "a socket outlives the talk");
        drop(slot);
        assert!(slots.take(ANA).await.is_some());
    }

    #[tokio::test]
    async fn a_newcomer_gets_the_slot_of_one_that_waits() {
        let slots = Slots::new(1);
        let idle = slots.take(ANA).await.unwrap();
        let giving_way = async move { idle.evicted().clone().cancelled().await };
        let (newcomer, ()) = tokio::join!(slots.take(ANA), giving_way);
        drop(newcomer.expect("a slot"));
        assert_eq!(slots.peers.open.lock().unwrap().len(), 0, "everything was given back");
    }
}
