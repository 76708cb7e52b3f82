//! What is true of a sale, in Postgres: the journal of the line, holds, orders, and who changed what.
//! It decides; its constraints keep every promise about units. It knows nothing of Redis.

pub mod admission;
pub mod checkout;
pub mod events;
pub mod health;
pub mod line;
#[cfg(feature = "faults")]
pub(crate) mod mistakes;
pub mod people;
pub mod repair;
pub mod reports;
pub mod steering;

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};

use crate::model::SaleId;

pub use crate::ledger::admission::holds::{Front, Recorded};
pub use crate::ledger::checkout::idempotency::{Key, Stored};
pub use crate::ledger::checkout::orders::{Confirmed, Purchase};
pub use crate::ledger::checkout::payments::{Noted, Payer, Payment, PaymentKind};
pub use crate::ledger::checkout::sweep::Swept;
pub use crate::ledger::events::audit::{AuditItem, Repaired};
pub use crate::ledger::events::export::{Event, EventKind};
pub use crate::ledger::events::history::Moment;
pub use crate::ledger::health::gateways::{Beat, Gateway};
pub use crate::ledger::health::setup::{Durability, History, Room, Schema, Setup};
pub use crate::ledger::line::counts::{Counts, Verified};
pub use crate::ledger::line::joins::{Fate, Journaled, TicketFacts, Writing};
pub use crate::ledger::line::moves::Moved;
pub use crate::ledger::line::snapshot::{SaleSnapshot, Snapshot};
pub use crate::ledger::people::api_keys::{ApiKey, NewApiKey};
pub use crate::ledger::people::operators::{AccountChange, Operator, Removed};
pub use crate::ledger::people::sessions::{Holder, NewSession, Proven, Session, SessionOf};
pub use crate::ledger::reports::listings::Cursor;
pub use crate::ledger::reports::report::{
    Action, CameTrue, Chances, Counted, Holds, Percentiles, Point, Ranges, Shown, Tickets,
};
pub use crate::ledger::reports::ticket_search::Story;
use crate::ledger::steering::sales::Brands;

/// Connections for confirming and giving back. Each call holds one for a single round trip or two.
const ORDER_CONNECTIONS: u32 = 10;
/// Connections for the journal, for recording batches and for the sweeper.
const LINE_CONNECTIONS: u32 = 6;
/// Connections for look-ups, lists and the operator's changes.
const READ_CONNECTIONS: u32 = 8;
/// Connections for starting and for following the running sales. Before that everyone who asks is answered
/// from Postgres; hundreds of them at once must not keep a gateway from getting so far.
const WATCH_CONNECTIONS: u32 = 2;
/// Rebuilds of Redis under way at a time. Each keeps its lock on a connection of its own while it works
/// through another one, so they must not come from one pool.
const REBUILD_CONNECTIONS: u32 = 2;
/// Connections for what joins store under their idempotency keys: a stampede of those must not keep anyone
/// from buying.
const KEY_CONNECTIONS: u32 = 2;
/// Connections for anonymous reads of sales that are over, and of sales that never were: a flood of them must not
/// keep API keys from being proved.
const PAST_CONNECTIONS: u32 = 2;
/// Connections for what reads a sale's whole history: audits, reconciliations and reports.
const AUDIT_CONNECTIONS: u32 = 2;
/// Longest statement of those. A reconciliation of ten million joins takes several seconds.
const AUDIT_STATEMENT: &str = "60s";
/// All of them together: what one gateway may ask of Postgres.
const CONNECTIONS: u32 = ORDER_CONNECTIONS
    + LINE_CONNECTIONS
    + READ_CONNECTIONS
    + WATCH_CONNECTIONS
    + REBUILD_CONNECTIONS
    + KEY_CONNECTIONS
    + PAST_CONNECTIONS
    + AUDIT_CONNECTIONS;
/// What each connection asks for. A statement, a lock or a transaction that takes longer is given up, so that
/// nobody waits behind it for ever; steps rely on the isolation, for they read again after a lock.
const SESSION: [(&str, &str); 4] = [
    ("statement_timeout", "5s"),
    ("lock_timeout", "2s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("default_transaction_isolation", "read committed"),
];
/// How long a call waits for a free connection before it gives up: shed early rather than pile up.
const ACQUIRE_WITHIN: Duration = Duration::from_millis(2_000);

/// The pools, one for each kind of work, so that none starves another. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    orders: PgPool,
    line: PgPool,
    reads: PgPool,
    watch: PgPool,
    rebuilds: PgPool,
    keys: PgPool,
    past: PgPool,
    audits: PgPool,
    brands: Brands,
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("postgres did not answer")]
    Database(#[from] sqlx::Error),
    #[error("the schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The schema is not for this program to use; says what to do.
    #[error("{0}")]
    Schema(String),
    /// A row that the constraints should have refused.
    #[error("the ledger holds an impossible row: {0}")]
    Impossible(&'static str),
}

impl From<std::io::Error> for LedgerError {
    fn from(error: std::io::Error) -> Self {
        Self::Database(error.into())
    }
}

impl LedgerError {
    /// The name of the constraint that refused the change, if one did.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Database(sqlx::Error::Database(error)) => error.constraint(),
            Self::Database(_) | Self::Migrate(_) | Self::Schema(_) | Self::Impossible(_) => None,
        }
    }
}

/// A transaction: nothing in it is true until [`Tx::commit`] returns. Dropping it takes it back.
pub struct Tx(Transaction<'static, Postgres>);

/// A transaction that shares its sale: nobody changes the sale's state or epoch before it ends. The journal is
/// written through this alone, so no writer of the journal can forget to share the sale.
pub struct Shared {
    tx: Tx,
    sale: SaleId,
}

impl Deref for Shared {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl DerefMut for Shared {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}

impl Shared {
    pub async fn commit(self) -> Result<(), LedgerError> {
        self.tx.commit().await
    }

    pub async fn rollback(self) -> Result<(), LedgerError> {
        self.tx.rollback().await
    }
}

impl Ledger {
    /// Does not wait for Postgres to be there; each call says whether it is.
    ///
    /// # Errors
    /// When `url` is not one that Postgres has.
    pub fn new(url: &str) -> Result<Self, LedgerError> {
        let options =
            PgConnectOptions::from_str(url)?.application_name("ropeline").options(SESSION);
        let pool_with = |connections, options: &PgConnectOptions| {
            PgPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_WITHIN)
                .connect_lazy_with(options.clone())
        };
        let pool = |connections| pool_with(connections, &options);
        let patient = options.clone().options([("statement_timeout", AUDIT_STATEMENT)]);
        Ok(Self {
            orders: pool(ORDER_CONNECTIONS),
            line: pool(LINE_CONNECTIONS),
            reads: pool(READ_CONNECTIONS),
            watch: pool(WATCH_CONNECTIONS),
            keys: pool(KEY_CONNECTIONS),
            rebuilds: pool(REBUILD_CONNECTIONS),
            past: pool(PAST_CONNECTIONS),
            audits: pool_with(AUDIT_CONNECTIONS, &patient),
            brands: Brands::default(),
        })
    }

    /// Begins an operator's or a shopper's change.
    pub async fn begin(&self) -> Result<Tx, LedgerError> {
        Ok(Tx(self.orders.begin().await?))
    }

    /// Begins the transaction that marks a rebuild as under way.
    pub async fn begin_rebuild(&self) -> Result<Tx, LedgerError> {
        Ok(Tx(self.rebuilds.begin().await?))
    }

    /// Begins a change of the line: the journal, a batch, an epoch.
    pub async fn begin_line(&self) -> Result<Tx, LedgerError> {
        Ok(Tx(self.line.begin().await?))
    }

    /// Begins a change of one sale's line that shares the sale.
    pub async fn share_line(&self, sale: SaleId) -> Result<Shared, LedgerError> {
        self.begin_line().await?.share(sale).await
    }

    /// Ends every connection; calls under way finish first.
    pub async fn close(&self) {
        futures_util::future::join_all(self.pools().map(PgPool::close)).await;
    }

    /// The same ledger with its reads on the connections for sales that are over.
    pub fn apart(&self) -> Self {
        Self { reads: self.past.clone(), ..self.clone() }
    }

    /// The same ledger with its reads and pages of the line on the connections for audits.
    pub fn audits(&self) -> Self {
        Self { reads: self.audits.clone(), line: self.audits.clone(), ..self.clone() }
    }

    fn pools(&self) -> [&PgPool; 8] {
        [
            &self.orders,
            &self.line,
            &self.reads,
            &self.watch,
            &self.rebuilds,
            &self.keys,
            &self.past,
            &self.audits,
        ]
    }
}

impl Tx {
    pub async fn commit(self) -> Result<(), LedgerError> {
        Ok(self.0.commit().await?)
    }

    /// Gives up what was written and every lock, before this returns. Dropping does so some time later.
    pub async fn rollback(self) -> Result<(), LedgerError> {
        Ok(self.0.rollback().await?)
    }
}
