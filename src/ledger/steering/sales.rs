//! Sales: one query reads them, a few guarded updates change them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sqlx::types::Json;
use sqlx::{Executor, Postgres};
use uuid::Uuid;

use crate::ledger::{Cursor, Ledger, LedgerError, Shared, Tx};
use crate::model::settings::is_slug;
use crate::model::{Brand, Checkout, Sale, SaleId, SaleState, Seq, Settings};

/// A row of `sales`, as it is stored.
struct SaleRow {
    id: Uuid,
    slug: String,
    name: String,
    state: String,
    stock: i32,
    epoch: i32,
    starts_at: Option<jiff_sqlx::Timestamp>,
    ends_at: Option<jiff_sqlx::Timestamp>,
    batch_size: i32,
    admit_interval_ms: i32,
    max_in_checkout: Option<i32>,
    checkout_window_seconds: i32,
    expiry_grace_seconds: i32,
    checkout: String,
    checkout_url: Option<String>,
    hide_stock: bool,
    max_waiting: i32,
    /// Nothing when the caller has this version of it.
    brand: Option<Json<Brand>>,
    brand_version: i64,
    notice: Option<String>,
    sold_out_at: Option<jiff_sqlx::Timestamp>,
    sold_out_seq: Option<i64>,
    fault: Option<String>,
    created_at: jiff_sqlx::Timestamp,
    opened_at: Option<jiff_sqlx::Timestamp>,
    closed_at: Option<jiff_sqlx::Timestamp>,
    archived_at: Option<jiff_sqlx::Timestamp>,
    closes_at: Option<jiff_sqlx::Timestamp>,
    former_slugs: Vec<String>,
}

impl TryFrom<SaleRow> for Sale {
    type Error = LedgerError;

    fn try_from(row: SaleRow) -> Result<Self, LedgerError> {
        let time = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        Ok(Self {
            id: SaleId(row.id),
            state: SaleState::parse(&row.state).ok_or(LedgerError::Impossible("sales.state"))?,
            stock: row.stock,
            epoch: row.epoch,
            settings: Settings {
                slug: row.slug,
                name: row.name,
                starts_at: time(row.starts_at),
                ends_at: time(row.ends_at),
                batch_size: row.batch_size,
                admit_interval_ms: row.admit_interval_ms,
                max_in_checkout: row.max_in_checkout,
                checkout_window_seconds: row.checkout_window_seconds,
                expiry_grace_seconds: row.expiry_grace_seconds,
                checkout: Checkout::parse(&row.checkout)
                    .ok_or(LedgerError::Impossible("sales.checkout"))?,
                checkout_url: row.checkout_url,
                hide_stock: row.hide_stock,
                max_waiting: row.max_waiting,
                brand: Box::new(row.brand.ok_or(LedgerError::Impossible("sales.brand"))?.0),
            },
            notice: row.notice,
            sold_out_at: time(row.sold_out_at),
            sold_out_seq: row.sold_out_seq.map(Seq),
            fault: row.fault,
            created_at: row.created_at.to_jiff(),
            opened_at: time(row.opened_at),
            closed_at: time(row.closed_at),
            archived_at: time(row.archived_at),
            closes_at: time(row.closes_at),
            former_slugs: row.former_slugs,
        })
    }
}

/// A query for sales: how it reads the brand, and the rest of it.
macro_rules! sales {
    ($brand:literal, $rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            SaleRow,
            "SELECT s.id, s.slug, s.name, s.state, s.stock, s.epoch, s.starts_at, s.ends_at, s.batch_size,
                    s.admit_interval_ms, s.max_in_checkout, s.checkout_window_seconds,
                    s.expiry_grace_seconds, s.checkout, s.checkout_url, s.hide_stock, s.max_waiting, "
                + $brand
                + r#" AS "brand?: Json<Brand>", s.brand_version, s.notice, s.sold_out_at, s.sold_out_seq,
                    s.fault, s.created_at, s.opened_at, s.closed_at, s.archived_at, s.closes_at,
                    ARRAY(SELECT f.slug FROM former_slugs f WHERE f.sale_id = s.id) AS "former_slugs!" "#
                + $rest
            $(, $argument)*
        )
    };
}

async fn one_sale<'e>(
    executor: impl Executor<'e, Database = Postgres>,
    id: SaleId,
) -> Result<Option<Sale>, LedgerError> {
    let row = sales!("s.brand", "FROM sales s WHERE s.id = $1", id.0);
    row.fetch_optional(executor).await?.map(Sale::try_from).transpose()
}

/// Most sales that gateways watch at a time; further ones wait until others close.
pub(crate) const MOST_RUNNING: i64 = 500;

/// The brands of the running sales by their version. A brand has up to 64 KiB, and a gateway reads each one once.
#[derive(Clone, Default)]
pub(crate) struct Brands(Arc<Mutex<HashMap<Uuid, (i64, Brand)>>>);

impl Brands {
    /// The sales and versions that are known.
    fn known(&self) -> (Vec<Uuid>, Vec<i64>) {
        let brands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        brands.iter().map(|(id, (version, _))| (*id, *version)).unzip()
    }

    /// Keeps what was read and completes the rest; forgets the brands of all other sales.
    fn complete(&self, rows: &mut [SaleRow]) {
        let mut brands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *brands);
        for row in rows {
            let known = before.remove(&row.id).map(|(_, brand)| brand);
            if let Some(brand) = row.brand.take().map(|json| json.0).or(known) {
                row.brand = Some(Json(brand.clone()));
                brands.insert(row.id, (row.brand_version, brand));
            }
        }
    }
}

impl Ledger {
    /// The sale with this id or slug, or one that it had.
    pub async fn find_sale(&self, reference: &str) -> Result<Option<Sale>, LedgerError> {
        match reference.parse::<SaleId>() {
            Ok(id) => one_sale(&self.reads, id).await,
            Err(_) if is_slug(reference) => {
                let row = sales!(
                    "s.brand",
                    "FROM sales s WHERE s.id = (SELECT sale_of_slug($1))",
                    reference
                );
                row.fetch_optional(&self.reads).await?.map(Sale::try_from).transpose()
            }
            Err(_) => Ok(None),
        }
    }

    /// The sales with these ids or slugs, in no order.
    pub(crate) async fn find_sales(&self, references: &[String]) -> Result<Vec<Sale>, LedgerError> {
        let id = |reference: &String| reference.parse::<SaleId>().ok().map(|id| id.0);
        let ids: Vec<Uuid> = references.iter().filter_map(id).collect();
        let is_name = |reference: &&String| id(reference).is_none() && is_slug(reference);
        let slugs: Vec<String> = references.iter().filter(is_name).cloned().collect();
        let rows = sales!(
            "s.brand",
            "FROM (SELECT a.id FROM UNNEST($1::uuid[]) AS a (id)
                   UNION SELECT sale_of_slug(a.slug) FROM UNNEST($2::text[]) AS a (slug)) asked
             JOIN sales s ON s.id = asked.id",
            &ids,
            &slugs
        );
        rows.fetch_all(&self.reads).await?.into_iter().map(Sale::try_from).collect()
    }

    /// A page of all sales, newest first; the archived ones among them where asked.
    pub async fn list_sales(
        &self,
        archived: bool,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Sale>, LedgerError> {
        let (after_at, after_id) = after.map(|c| (c.at, c.id)).unzip();
        let rows = sales!(
            "s.brand",
            "FROM sales s
             WHERE ($1::timestamptz IS NULL OR (s.created_at, s.id) < ($1, $2::uuid))
               AND ($4 OR s.archived_at IS NULL)
             ORDER BY s.created_at DESC, s.id DESC LIMIT $3",
            after_at.map(jiff_sqlx::Timestamp::from) as Option<jiff_sqlx::Timestamp>,
            after_id,
            limit,
            archived
        );
        rows.fetch_all(&self.reads).await?.into_iter().map(Sale::try_from).collect()
    }

    /// The sales that gateways must watch: not closed, closed lately, or with open holds. Those that are open come
    /// first, then the oldest. Each is found by an index, so that sales of the past cost nothing.
    pub(crate) async fn running_sales(&self) -> Result<Vec<Sale>, LedgerError> {
        let (known, versions) = self.brands.known();
        let mut rows = sales!(
            "CASE WHEN k.version IS DISTINCT FROM s.brand_version THEN s.brand END",
            "FROM (SELECT id FROM sales WHERE state <> 'closed'
                   UNION
                   SELECT id FROM sales WHERE state = 'closed'
                      AND closed_at > statement_timestamp() - interval '10 minutes'
                   UNION
                   SELECT * FROM sales_with_holds()) running,
                  LATERAL (SELECT * FROM sales WHERE sales.id = running.id OFFSET 0) s
                  LEFT JOIN UNNEST($2::uuid[], $3::bigint[]) AS k (sale, version) ON k.sale = s.id
             ORDER BY s.state IN ('open', 'paused') DESC, s.created_at, s.id DESC LIMIT $1",
            MOST_RUNNING,
            &known,
            &versions
        )
        .fetch_all(&self.reads)
        .await?;
        self.brands.complete(&mut rows);
        rows.into_iter().map(Sale::try_from).collect()
    }
}

/// The name of the advisory lock of one sale: its journal, its batches and its changes of state meet here.
fn lock_of(sale: SaleId) -> i64 {
    let (high, low) = sale.0.as_u64_pair();
    (high ^ low).cast_signed()
}

/// Unit numbers that a withdrawal looks at first, and at most in one statement.
const FIRST_LOOK: i32 = 1_000;
const MOST_LOOK: i32 = 250_000;

impl Tx {
    /// Waits until nobody changes the sale's state or epoch, and keeps them from it until the end.
    pub async fn share(mut self, sale: SaleId) -> Result<Shared, LedgerError> {
        sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", lock_of(sale))
            .execute(&mut *self.0)
            .await?;
        Ok(Shared { tx: self, sale })
    }

    /// Waits until nobody journals or records for the sale, and keeps them from it until the end.
    pub async fn exclude(&mut self, sale: SaleId) -> Result<(), LedgerError> {
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", lock_of(sale))
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Whether no one else is at `work` for this sale; taken until the end. It saves work only.
    pub async fn single_out(&mut self, sale: SaleId, work: i64) -> Result<bool, LedgerError> {
        let taken = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock($1) AS "taken!""#,
            lock_of(sale) ^ work
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(taken)
    }

    pub async fn sale(&mut self, id: SaleId) -> Result<Option<Sale>, LedgerError> {
        one_sale(&mut *self.0, id).await
    }

    pub async fn create_sale(&mut self, id: SaleId, s: &Settings) -> Result<(), LedgerError> {
        sqlx::query!(
            "INSERT INTO sales (id, slug, name, starts_at, ends_at, batch_size, admit_interval_ms,
                                max_in_checkout, checkout_window_seconds, expiry_grace_seconds,
                                checkout, checkout_url, hide_stock, max_waiting, brand)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
            id.0,
            s.slug,
            s.name,
            stored(s.starts_at) as Option<jiff_sqlx::Timestamp>,
            stored(s.ends_at) as Option<jiff_sqlx::Timestamp>,
            s.batch_size,
            s.admit_interval_ms,
            s.max_in_checkout,
            s.checkout_window_seconds,
            s.expiry_grace_seconds,
            s.checkout.as_str(),
            s.checkout_url,
            s.hide_stock,
            s.max_waiting,
            Json(&*s.brand) as Json<&Brand>,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    pub async fn change_settings(&mut self, id: SaleId, s: &Settings) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE sales SET slug = $2, name = $3, starts_at = $4, ends_at = $5, batch_size = $6,
                    admit_interval_ms = $7, max_in_checkout = $8, checkout_window_seconds = $9,
                    expiry_grace_seconds = $10, checkout = $11, checkout_url = $12, hide_stock = $13,
                    max_waiting = $14, brand = $15
             WHERE id = $1",
            id.0,
            s.slug,
            s.name,
            stored(s.starts_at) as Option<jiff_sqlx::Timestamp>,
            stored(s.ends_at) as Option<jiff_sqlx::Timestamp>,
            s.batch_size,
            s.admit_interval_ms,
            s.max_in_checkout,
            s.checkout_window_seconds,
            s.expiry_grace_seconds,
            s.checkout.as_str(),
            s.checkout_url,
            s.hide_stock,
            s.max_waiting,
            Json(&*s.brand) as Json<&Brand>,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Moves a sale on. The caller has excluded everyone else and knows where it stands.
    pub async fn set_state(&mut self, id: SaleId, to: SaleState) -> Result<(), LedgerError> {
        let state = match to {
            SaleState::Scheduled => "scheduled",
            SaleState::Open => "open",
            SaleState::Paused => "paused",
            SaleState::Closed => "closed",
        };
        sqlx::query!(
            "UPDATE sales SET state = $2,
                    opened_at = CASE WHEN $2 = 'open' THEN coalesce(opened_at, clock_timestamp())
                                     ELSE opened_at END,
                    closed_at = CASE WHEN $2 = 'closed' THEN clock_timestamp() END,
                    closes_at = NULL, closing_from = NULL,
                    fault = CASE WHEN $2 = 'open' THEN NULL ELSE fault END
             WHERE id = $1",
            id.0,
            state,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Begins a close that can be taken back for so long. Nobody is admitted meanwhile.
    pub async fn begin_close(&mut self, id: SaleId, seconds: i32) -> Result<(), LedgerError> {
        sqlx::query!(
            "UPDATE sales SET closes_at = clock_timestamp() + make_interval(secs => $2),
                    closing_from = state,
                    state = CASE WHEN state = 'open' THEN 'paused' ELSE state END
             WHERE id = $1",
            id.0,
            f64::from(seconds),
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Takes a close back, unless its time is over; says whether it did. A sale that ropeline stopped
    /// meanwhile stays paused.
    pub async fn take_close_back(&mut self, id: SaleId) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE sales SET state = CASE WHEN fault IS NULL THEN closing_from ELSE state END,
                    closes_at = NULL, closing_from = NULL
             WHERE id = $1 AND state <> 'closed' AND closes_at > clock_timestamp()",
            id.0,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Archives a closed sale; its slug is free then.
    pub async fn archive(&mut self, id: SaleId) -> Result<(), LedgerError> {
        sqlx::query!("UPDATE sales SET archived_at = clock_timestamp() WHERE id = $1", id.0)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Whether somebody may still buy a unit of this sale.
    pub async fn has_open_holds(&mut self, id: SaleId) -> Result<bool, LedgerError> {
        let is_there = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM holds WHERE sale_id = $1 AND state = 'active') AS "is_there!""#,
            id.0,
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(is_there)
    }

    /// Adds units. A sale that was sold out takes joins again. Returns how many are seeded in all.
    pub async fn seed(&mut self, id: SaleId, count: i32) -> Result<i32, LedgerError> {
        let stock = sqlx::query_scalar!(
            "UPDATE sales SET stock = stock + $2, sold_out_at = NULL WHERE id = $1 RETURNING stock",
            id.0,
            count,
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(stock)
    }

    /// Takes up to `count` free units out of the sale; returns which. The caller has excluded everyone else, so none
    /// of them is being held meanwhile. Looks at the highest numbers first, where they are before anyone was admitted;
    /// then among those that are `offered`, as Redis lists them, which may be wrong; and then at all others, from the
    /// top, until enough of them are free.
    pub async fn withdraw(
        &mut self,
        id: SaleId,
        count: i32,
        offered: &[i32],
    ) -> Result<Vec<i32>, LedgerError> {
        let sale = sqlx::query!(
            r#"SELECT s.stock, s.stock - t.held - t.sold - t.withdrawn AS "available!"
               FROM sales s, LATERAL sale_totals(s.id) t WHERE s.id = $1"#,
            id.0,
        )
        .fetch_one(&mut *self.0)
        .await?;
        let wanted = i64::from(count).min(sale.available);
        let (mut units, mut top, mut width) = (Vec::new(), sale.stock, FIRST_LOOK.max(count));
        while (units.len() as i64) < wanted && top > 0 {
            let low = top.saturating_sub(width).max(0);
            let missing = wanted - units.len() as i64;
            units.extend(self.withdraw_between(id, low + 1, top, missing).await?);
            if top == sale.stock && (units.len() as i64) < wanted && !offered.is_empty() {
                let missing = wanted - units.len() as i64;
                units.extend(self.withdraw_offered(id, offered, low, missing).await?);
            }
            (top, width) = (low, width.saturating_mul(2).min(MOST_LOOK));
        }
        Ok(units)
    }

    /// The same among these, as far as they are not above `high`. Each is looked up, until enough of them are free.
    async fn withdraw_offered(
        &mut self,
        id: SaleId,
        offered: &[i32],
        high: i32,
        most: i64,
    ) -> Result<Vec<i32>, LedgerError> {
        let units = sqlx::query_scalar!(
            "INSERT INTO withdrawn_units (sale_id, unit_no)
             SELECT $1, unit
             FROM (SELECT DISTINCT unit FROM UNNEST($2::int[]) AS u (unit)
                   WHERE unit BETWEEN 1 AND $3 ORDER BY unit DESC OFFSET 0) offered
             WHERE (SELECT true FROM holds h WHERE h.sale_id = $1 AND h.unit_no = unit
                       AND h.state IN ('active', 'confirmed') LIMIT 1) IS NULL
               AND (SELECT true FROM withdrawn_units w WHERE w.sale_id = $1 AND w.unit_no = unit) IS NULL
             LIMIT $4
             RETURNING unit_no",
            id.0,
            offered,
            high,
            most,
        )
        .fetch_all(&mut *self.0)
        .await?;
        Ok(units)
    }

    /// The same among these unit numbers, both included.
    async fn withdraw_between(
        &mut self,
        id: SaleId,
        low: i32,
        high: i32,
        most: i64,
    ) -> Result<Vec<i32>, LedgerError> {
        let units = sqlx::query_scalar!(
            "INSERT INTO withdrawn_units (sale_id, unit_no)
             SELECT $1, unit FROM (
                 SELECT unit FROM generate_series($2::int, $3::int) AS u (unit)
                 EXCEPT SELECT unit_no FROM holds
                 WHERE sale_id = $1 AND unit_no BETWEEN $2 AND $3 AND state IN ('active', 'confirmed')
                 EXCEPT SELECT unit_no FROM withdrawn_units
                 WHERE sale_id = $1 AND unit_no BETWEEN $2 AND $3
             ) free
             ORDER BY unit DESC LIMIT $4
             RETURNING unit_no",
            id.0,
            low,
            high,
            most,
        )
        .fetch_all(&mut *self.0)
        .await?;
        Ok(units)
    }

    pub async fn set_notice(&mut self, id: SaleId, text: Option<&str>) -> Result<(), LedgerError> {
        sqlx::query!("UPDATE sales SET notice = $2 WHERE id = $1", id.0, text)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Marks the sale sold out for everyone up to `upto`, if every seeded unit is sold; says whether it is. The
    /// counters say so first; then, once, the rows are counted, because a sale that is told sold out is so for good.
    pub async fn mark_sold_out(&mut self, id: SaleId, upto: Seq) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE sales s SET sold_out_at = coalesce(sold_out_at, clock_timestamp()),
                    sold_out_seq = greatest(coalesce(sold_out_seq, 0), $2)
             WHERE id = $1 AND state <> 'closed' AND stock > 0
               AND CASE WHEN (SELECT t.orders = 0 OR t.orders + t.withdrawn <> s.stock
                              FROM sale_totals(s.id) t) THEN false
                        WHEN sold_out_at IS NOT NULL THEN true
                        ELSE stock = (SELECT count(*) FROM orders o WHERE o.sale_id = s.id)
                                   + (SELECT count(*) FROM withdrawn_units w WHERE w.sale_id = s.id)
                   END",
            id.0,
            upto.0,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Pauses the sale and says why. Only a person may resume it.
    pub async fn stop(&mut self, id: SaleId, fault: &str) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE sales SET fault = $2, state = CASE WHEN state = 'open' THEN 'paused' ELSE state END
             WHERE id = $1 AND fault IS NULL AND state <> 'closed'",
            id.0,
            fault,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn stored(at: Option<Timestamp>) -> Option<jiff_sqlx::Timestamp> {
    at.map(jiff_sqlx::Timestamp::from)
}
