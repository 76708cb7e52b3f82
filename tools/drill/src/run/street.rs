//! The street: what all shoppers and the operator share. The doors of the gateways, the history, whether
//! the run is closing, and which holds a thief may have seen.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use tokio_util::sync::CancellationToken;

use super::history::History;
use super::variant::Variant;
use crate::shop::Shop;

/// Holds that a thief remembers.
const SEEN_HOLDS: usize = 50;

pub struct Street {
    pub sale: String,
    pub variant: Variant,
    pub history: History,
    /// The faults are over: whoever still waits brings it to an end.
    pub closing: CancellationToken,
    /// The sale is settled: everybody goes home.
    pub over: CancellationToken,
    shop: Shop,
    doors: RwLock<Vec<String>>,
    /// Shoppers who have not heard yet whether they joined.
    joining: AtomicUsize,
    holds: Mutex<VecDeque<String>>,
    /// Everything that must not be in a log.
    secrets: Mutex<Vec<String>>,
}

impl Street {
    pub fn new(sale: String, variant: Variant, history: History, doors: Vec<String>) -> Self {
        let shop = Shop::new(doors.first().map_or("", String::as_str));
        Self {
            sale,
            variant,
            history,
            closing: CancellationToken::new(),
            over: CancellationToken::new(),
            shop,
            doors: RwLock::new(doors),
            joining: AtomicUsize::new(0),
            holds: Mutex::default(),
            secrets: Mutex::default(),
        }
    }

    /// Any gateway, whether it lives or not.
    pub fn any(&self, random: &mut StdRng) -> Shop {
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        self.shop.at(doors.choose(random).map_or("", String::as_str))
    }

    /// A gateway came back at another port.
    pub fn moved(&self, gateway: usize, base: &str) {
        self.doors.write().unwrap_or_else(PoisonError::into_inner)[gateway] = base.to_owned();
    }

    pub fn remember(&self, hold: &str) {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.push_back(hold.to_owned());
        if holds.len() > SEEN_HOLDS {
            holds.pop_front();
        }
    }

    /// A hold that is not this one.
    pub fn another_hold(&self, own: &str, random: &mut StdRng) -> Option<String> {
        let holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        let others: Vec<&String> = holds.iter().filter(|hold| *hold != own).collect();
        others.choose(random).map(|hold| (*hold).clone())
    }

    /// Where everyone walks away nobody waits on when the faults are over; elsewhere nobody gives up.
    pub async fn gives_up(&self) {
        match self.variant {
            Variant::Abandon | Variant::Single => self.closing.cancelled().await,
            Variant::Demand | Variant::Plenty | Variant::OneByOne | Variant::Restored => {
                std::future::pending().await
            }
        }
    }

    /// Somebody joins until this is dropped.
    pub fn joins(&self) -> Joining<'_> {
        self.joining.fetch_add(1, Ordering::Relaxed);
        Joining(self)
    }

    /// Whether nobody is about to come into the line.
    pub fn is_quiet(&self) -> bool {
        self.joining.load(Ordering::Relaxed) == 0
    }

    /// This must be in no log.
    pub fn hide(&self, secret: &str) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push(secret.to_owned());
    }

    pub fn secrets(&self) -> Vec<String> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A join under way, however often it is tried.
pub struct Joining<'a>(&'a Street);

impl Drop for Joining<'_> {
    fn drop(&mut self) {
        self.0.joining.fetch_sub(1, Ordering::Relaxed);
    }
}
