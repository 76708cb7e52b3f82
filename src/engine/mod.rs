//! The steps of a sale. Only here is it decided in which order Redis and Postgres are asked, and what
//! happens when the second does not answer. The web and the timers are two doors into the same steps.

pub mod admission;
pub mod checkout;
pub mod health;
pub mod line;
pub mod loops;
#[cfg(feature = "faults")]
pub(crate) mod mistakes;
pub mod people;
pub mod repair;
pub mod reports;
pub mod steering;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde_json::Value;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::engine::line::line_mirror::Line;
use crate::ledger::{Ledger, LedgerError, SaleSnapshot};
use crate::model::{Fault, HoldState, Sale, SaleId, Signer};
use crate::redis::{Live, LiveError};
use crate::tasks::{Task, Tasks};

/// Everything a step needs. One for each gateway; shared by all its tasks.
pub struct Gate {
    pub live: Live,
    pub ledger: Ledger,
    pub clock: Clock,
    pub signer: Signer,
    /// What runs in the background.
    pub tasks: Tasks,
    /// Set when the gateway is told to stop: no new joins, sockets go.
    pub draining: CancellationToken,
    lines: RwLock<HashMap<SaleId, Arc<Line>>>,
    /// Wakes the watch when something changed that shoppers should see at once.
    changed: Notify,
    health: Health,
    /// How this process and its stores are set up.
    pub selfcheck: health::selfcheck::SelfCheck,
    /// Joins that were answered and wait to be journaled.
    deferred: AtomicUsize,
    answers: checkout::idempotency::Answers,
    confirms: checkout::batch::Confirms,
    /// Whose credentials are over because the place went to another device.
    pub moves: line::moves::Moves,
    /// Holds that this gateway made since it started.
    admitted: AtomicU64,
    /// Whoever reads a page of an export now.
    exports: tokio::sync::Mutex<()>,
    /// How many of the holds that ended were bought.
    pub purchases: checkout::purchases::Purchases,
    /// All gateways as this one read them last.
    heard: Mutex<Option<health::heartbeat::Heard>>,
    /// Whose keys and sessions are good.
    pub access: people::access::Access,
    hashing: people::password::Hashing,
    /// Reports under way.
    reports: Semaphore,
    /// Reconciliations under way.
    reconciliations: Semaphore,
    past: reports::closed_sales::Past,
    on_time: steering::operate::OnTime,
    /// Look-ups for watchers under way: when a sale ends, everyone in line is looked up at once, and polls
    /// and checkouts must not wait behind that.
    lookups: Semaphore,
}

/// Look-ups for watchers at a time: half of the connections for reading.
const LOOKUPS: usize = 4;

/// Which stores answered last.
#[derive(Debug, Default)]
struct Health {
    migrated: AtomicBool,
    ledger: AtomicBool,
    live: AtomicBool,
}

/// A definite no. It changed nothing, and asking again answers the same until something else changes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such sale")]
    NoSuchSale,
    #[error("there is no such ticket")]
    NoSuchTicket,
    #[error("there is no such hold")]
    NoSuchHold,
    #[error("there is no such payment")]
    NoSuchPayment,
    #[error("there is no such operator")]
    NoSuchOperator,
    #[error("there is no such key")]
    NoSuchKey,
    #[error("another operator or key has this name")]
    NameTaken,
    #[error("this is the last owner; make another one first")]
    LastOwner,
    #[error(
        "another sale has this slug or had it before; archive that sale to free its slugs, or take another one"
    )]
    SlugTaken,
    #[error("{0}")]
    NotArchivable(&'static str),
    #[error("this sale is closed")]
    SaleClosed,
    #[error("every unit is sold")]
    SoldOut,
    #[error("this sale is not open")]
    NotOpen,
    #[error("the line is as long as it may get")]
    LineFull,
    #[error("a rule of the database refuses this ticket; see the gateway's log")]
    TicketRefused,
    #[error("this ticket holds a unit already")]
    AlreadyAdmitted,
    #[error("this place was moved to another device")]
    Moved,
    #[error("this link was used before, is too old, or is not complete")]
    LinkEnded,
    #[error(
        "this browser has a place of its own in this line; leave the line first, or use another browser"
    )]
    AlreadyInLine,
    #[error("this hold has ended")]
    HoldEnded(HoldState),
    #[error("this hold has ended; the payment reference is kept for an operator")]
    HoldEndedPaid(HoldState),
    #[error("this sale's purchases are confirmed by the shop")]
    ShopConfirms,
    #[error("somebody else changed this sale just now")]
    Stale,
    #[error("fields are at fault")]
    Invalid(Vec<Fault>),
    #[error("this idempotency key came with another request")]
    KeyReused,
    #[error("the first request with this idempotency key is still running")]
    KeyInProgress,
}

/// Why a step did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing was done for want of a store; come back soon.
    #[error("{0} is away")]
    Unavailable(&'static str, #[source] Option<anyhow::Error>),
    /// Nothing was done because another gateway works on the same line; every store answered. Come back soon.
    #[error("{0}")]
    Busy(&'static str),
    /// It may have been done or not: repeat it with the same key.
    #[error("the outcome is not known")]
    Unknown(#[source] anyhow::Error),
    #[error(transparent)]
    Internal(anyhow::Error),
}

impl From<LedgerError> for FlowError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Database(_) | LedgerError::Migrate(_) => {
                Self::Unavailable("postgres", Some(error.into()))
            }
            LedgerError::Schema(_) | LedgerError::Impossible(_) => Self::Internal(error.into()),
        }
    }
}

impl From<std::io::Error> for FlowError {
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable("a store", Some(error.into()))
    }
}

impl From<LiveError> for FlowError {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Away(_) => Self::Unavailable("redis", Some(error.into())),
            LiveError::Fenced => Self::Busy("the line was rebuilt under a later epoch just now"),
            LiveError::Contract { .. } => Self::Internal(error.into()),
        }
    }
}

impl FlowError {
    /// Logs that a step on this sale did not happen. Work of another gateway on the same line is no fault and is
    /// logged for debugging only.
    fn log(&self, sale: SaleId, step: &'static str) {
        let error = format!("{self:#}");
        match self {
            Self::Busy(_) => tracing::debug!(sale.id = %sale, error, "{step}"),
            Self::Refused(_) | Self::Unavailable(..) | Self::Unknown(_) | Self::Internal(_) => {
                tracing::warn!(sale.id = %sale, error, "{step}");
            }
        }
    }
}

/// An answer as it goes out, and as it is stored under an idempotency key.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Gate {
    pub fn new(live: Live, ledger: Ledger, signer: Signer) -> Self {
        Self {
            live,
            ledger,
            clock: Clock::default(),
            signer,
            tasks: Tasks::default(),
            draining: CancellationToken::new(),
            lines: RwLock::default(),
            changed: Notify::new(),
            health: Health::default(),
            selfcheck: health::selfcheck::SelfCheck::default(),
            deferred: AtomicUsize::new(0),
            answers: checkout::idempotency::Answers::default(),
            confirms: checkout::batch::Confirms::default(),
            moves: line::moves::Moves::default(),
            admitted: AtomicU64::new(0),
            exports: tokio::sync::Mutex::default(),
            purchases: checkout::purchases::Purchases::default(),
            heard: Mutex::default(),
            access: people::access::Access::default(),
            hashing: people::password::Hashing::default(),
            reports: Semaphore::new(1),
            reconciliations: Semaphore::new(1),
            past: reports::closed_sales::Past::default(),
            on_time: steering::operate::OnTime::default(),
            lookups: Semaphore::new(LOOKUPS),
        }
    }

    /// What keeps this gateway from serving, by name; empty when it is ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [
            ("postgres", &self.health.ledger),
            ("redis", &self.health.live),
            ("migrations", &self.health.migrated),
        ];
        let mut missing: Vec<_> = parts
            .into_iter()
            .filter(|(_, there)| !there.load(Ordering::Relaxed))
            .map(|(name, _)| name)
            .collect();
        if self.draining.is_cancelled() {
            missing.push("draining");
        }
        missing.extend(self.tasks.down().into_iter().map(Task::missing));
        missing
    }

    /// Shoppers should see soon what just changed.
    pub fn nudge(&self) {
        self.changed.notify_one();
    }

    /// The running sale with this id or slug, or with a slug that it had, as this gateway follows it.
    pub fn line(&self, reference: &str) -> Option<Arc<Line>> {
        let lines = self.lines.read().unwrap_or_else(PoisonError::into_inner);
        match reference.parse::<SaleId>() {
            Ok(id) => lines.get(&id).cloned(),
            Err(_) => {
                let named = |line: &&Arc<Line>| {
                    let view = line.view();
                    view.slug() == reference && view.snapshot.sale.archived_at.is_none()
                };
                let was_named = |line: &&Arc<Line>| {
                    let view = line.view();
                    view.snapshot.sale.former_slugs.iter().any(|slug| slug == reference)
                };
                let found = lines.values().find(named);
                found.or_else(|| lines.values().find(was_named)).cloned()
            }
        }
    }

    /// The same, by id.
    pub fn line_of(&self, sale: SaleId) -> Option<Arc<Line>> {
        self.lines.read().unwrap_or_else(PoisonError::into_inner).get(&sale).cloned()
    }

    /// All running sales that this gateway follows.
    pub fn all_lines(&self) -> Vec<Arc<Line>> {
        self.lines.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One sale with its counts, as Postgres has them now.
    pub async fn snapshot(&self, id: SaleId) -> Result<SaleSnapshot, FlowError> {
        Ok(self.ledger.sale_snapshot(id).await?.ok_or(Refusal::NoSuchSale)?)
    }

    /// A sale as everyone may see it: from memory while it runs.
    pub async fn public_sale(&self, reference: &str) -> Result<Sale, FlowError> {
        match self.line(reference) {
            Some(line) => Ok(line.view().snapshot.sale.clone()),
            None => Ok(self.past(reference).await?.sale.clone()),
        }
    }

    /// The connections on which shoppers of this sale are looked up.
    fn ledger_of(&self, sale: SaleId) -> Ledger {
        if self.line_of(sale).is_some() { self.ledger.clone() } else { self.ledger.apart() }
    }

    /// Any sale by id or slug: from Postgres, which also knows those that are over.
    pub async fn sale(&self, reference: &str) -> Result<Sale, FlowError> {
        if reference.contains('\0') {
            return Err(Refusal::NoSuchSale.into()); // Postgres takes no such text.
        }
        Ok(self.ledger.find_sale(reference).await?.ok_or(Refusal::NoSuchSale)?)
    }
}
