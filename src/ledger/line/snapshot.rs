//! What every gateway reads a few times a second: the sales that run, where their units are, and whose
//! holds ended lately.

use std::collections::HashMap;

use jiff::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use crate::ledger::{Counts, Ledger, LedgerError};
use crate::model::{Sale, SaleId, Seq, Stock, Ticket};

/// How far back the list of ended holds reaches behind the last snapshot: longer than any commit takes.
const ENDED_OVERLAP_SECONDS: f64 = 6.0;
/// Most tickets in that list; whoever is cut off asks again within seconds.
const MOST_ENDED: i64 = 5_000;

#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Postgres's time.
    pub now: Timestamp,
    pub sales: Vec<SaleSnapshot>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SaleSnapshot {
    pub sale: Sale,
    /// Postgres's time before it was read: whatever was committed by then is in it.
    pub read_at: Timestamp,
    /// When this gateway asked, by a clock that never goes back: of two readings the later one counts.
    pub asked: Instant,
    pub stock: Stock,
    /// What `stock` and `returned` are taken from, at the same moment.
    pub counts: Counts,
    /// Holds that ended without being bought.
    pub returned: i64,
    /// When the first open hold runs out, grace included.
    pub next_return_at: Option<Timestamp>,
    /// Tickets whose holds ended in the last seconds.
    pub ended: Vec<Ticket>,
    /// From which to which number, both included, a number may be two tickets'.
    pub doubtful: Vec<(Seq, Seq)>,
}

impl SaleSnapshot {
    /// Whether another ticket may have been given this number too.
    pub fn is_doubtful(&self, seq: Seq) -> bool {
        self.doubtful.iter().any(|(first, last)| (*first..=*last).contains(&seq))
    }

    /// Tickets admitted since the sale was made.
    pub fn admitted(&self) -> i64 {
        self.stock.held + self.stock.sold + self.returned
    }

    /// How many changes these counts show. No row that is counted is ever deleted and no state goes back, so this
    /// only rises; a fall tells that Postgres went back in time.
    pub fn changes(&self) -> u64 {
        let ended = self.stock.sold + self.returned;
        let changes = self.stock.seeded + self.stock.withdrawn + self.admitted() + ended;
        changes.unsigned_abs()
    }
}

impl Ledger {
    pub async fn snapshot(&self) -> Result<Snapshot, LedgerError> {
        let own = Self { reads: self.watch.clone(), ..self.clone() };
        let (now, asked) = own.now().await?;
        let sales = own.running_sales().await?;
        Ok(Snapshot { now, sales: own.with_stock(sales, now, asked).await? })
    }

    /// The same for one sale, running or not.
    pub async fn sale_snapshot(&self, id: SaleId) -> Result<Option<SaleSnapshot>, LedgerError> {
        let (now, asked) = self.now().await?;
        let Some(sale) = self.find_sale(&id.to_string()).await? else { return Ok(None) };
        Ok(self.with_stock(vec![sale], now, asked).await?.pop())
    }

    /// The same for several sales, by id or slug. Those that do not exist are left out.
    pub async fn sale_snapshots(
        &self,
        references: &[String],
    ) -> Result<Vec<SaleSnapshot>, LedgerError> {
        let (now, asked) = self.now().await?;
        let sales = self.find_sales(references).await?;
        self.with_stock(sales, now, asked).await
    }

    async fn now(&self) -> Result<(Timestamp, Instant), LedgerError> {
        let asked = Instant::now();
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#);
        Ok((now.fetch_one(&self.reads).await?.to_jiff(), asked))
    }

    async fn with_stock(
        &self,
        sales: Vec<Sale>,
        read_at: Timestamp,
        asked: Instant,
    ) -> Result<Vec<SaleSnapshot>, LedgerError> {
        let ids: Vec<Uuid> = sales.iter().map(|sale| sale.id.0).collect();
        // The stock is read again, by the statement that reads the counters: units that are added and held between
        // two statements would be held and not there. The cost does not depend on how many holds there are.
        // The inner SELECT hides the length of the array from the planner. With the length, Postgres makes a new plan for each
        // call, which takes longer than the statement itself. OFFSET forces a look-up of each sale by its key; without it the
        // plan reads all sales, also those that are closed.
        let counts = sqlx::query!(
            r#"SELECT s.id AS "id!", s.stock AS "stock!",
                      ARRAY[t.joined, t.waiting, t.admitted, t.gone, t.held, t.sold, t.returned, t.sold_ms,
                            t.returned_ms, t.orders, t.withdrawn] AS "counts!",
                      later((SELECT hold_end(h.state, h.admitted_at, h.expires_at, h.due_at) FROM holds h
                             WHERE h.sale_id = s.id AND h.state = 'active'
                             ORDER BY coalesce(h.due_at, h.expires_at) LIMIT 1),
                            s.expiry_grace_seconds * 1000000::bigint) AS next_return_at,
                      ARRAY(SELECT first FROM doubtful_numbers d WHERE d.sale_id = s.id
                            ORDER BY epoch) AS "doubtful_first!",
                      ARRAY(SELECT last FROM doubtful_numbers d WHERE d.sale_id = s.id
                            ORDER BY epoch) AS "doubtful_last!"
               FROM UNNEST((SELECT $1::uuid[])) AS asked (id),
                    LATERAL (SELECT id, stock, expiry_grace_seconds FROM sales
                             WHERE id = asked.id OFFSET 0) s,
                    LATERAL sale_totals(s.id) t"#,
            &ids,
        )
        .fetch_all(&self.reads)
        .await?;
        let mut ended: HashMap<Uuid, Vec<Ticket>> = HashMap::new();
        // The time of the statement: one that changes while it runs cannot be looked up in an index.
        for row in sqlx::query!(
            "SELECT h.sale_id, h.ticket
             FROM UNNEST($1::uuid[]) AS asked (id),
                  LATERAL (SELECT sale_id, ticket FROM holds
                           WHERE sale_id = asked.id AND state <> 'active'
                             AND ended_at > statement_timestamp() - make_interval(secs => $2)
                           ORDER BY ended_at DESC LIMIT $3) h",
            &ids,
            ENDED_OVERLAP_SECONDS,
            MOST_ENDED,
        )
        .fetch_all(&self.reads)
        .await?
        {
            ended.entry(row.sale_id).or_default().push(Ticket(row.ticket));
        }
        let mut counts: HashMap<Uuid, _> = counts.into_iter().map(|row| (row.id, row)).collect();
        let mut snapshots = Vec::with_capacity(sales.len());
        for mut sale in sales {
            let Some(row) = counts.remove(&sale.id.0) else { continue };
            let counts = Counts::from_columns(&row.counts)?;
            sale.stock = row.stock;
            let (first, last) = (row.doubtful_first, row.doubtful_last);
            snapshots.push(SaleSnapshot {
                stock: Stock {
                    seeded: i64::from(sale.stock),
                    held: counts.held,
                    sold: counts.sold,
                    withdrawn: counts.withdrawn,
                },
                counts,
                returned: counts.returned,
                next_return_at: row.next_return_at.map(jiff_sqlx::Timestamp::to_jiff),
                ended: ended.remove(&sale.id.0).unwrap_or_default(),
                doubtful: first.into_iter().map(Seq).zip(last.into_iter().map(Seq)).collect(),
                sale,
                read_at,
                asked,
            });
        }
        Ok(snapshots)
    }

    /// Whether Postgres answers at all.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        sqlx::query!("SELECT 1 AS one").fetch_one(&self.reads).await?;
        Ok(())
    }
}

impl SaleSnapshot {
    pub fn id(&self) -> SaleId {
        self.sale.id
    }
}
