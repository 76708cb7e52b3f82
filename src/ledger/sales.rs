//! Sales: one query reads them, a few guarded updates change them.

use jiff::Timestamp;
use sqlx::types::Json;
use sqlx::{Executor, Postgres};
use uuid::Uuid;

use super::{Cursor, Ledger, LedgerError, Tx};
use crate::sale::settings::is_slug;
use crate::sale::{Brand, Checkout, Sale, SaleId, SaleState, Seq, Settings};

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
    brand: Json<Brand>,
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
                brand: Box::new(row.brand.0),
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

/// Which sales to read: newest first, or those that run with the open ones first and then the oldest.
#[derive(Default)]
struct Wanted<'a> {
    id: Option<SaleId>,
    slug: Option<&'a str>,
    /// Only those that gateways must watch: not closed, or closed lately, or with open holds.
    running: bool,
    /// Without those that are archived.
    hides_archived: bool,
    after: Option<Cursor>,
    limit: i64,
}

async fn read<'e>(
    executor: impl Executor<'e, Database = Postgres>,
    wanted: Wanted<'_>,
) -> Result<Vec<Sale>, LedgerError> {
    let (after_at, after_id) = wanted.after.map(|c| (c.at, c.id)).unzip();
    let rows = sqlx::query_as!(
        SaleRow,
        r#"SELECT id, slug, name, state, stock, epoch, starts_at, ends_at, batch_size,
                  admit_interval_ms, max_in_checkout, checkout_window_seconds, expiry_grace_seconds,
                  checkout, checkout_url, hide_stock, max_waiting, brand AS "brand: Json<Brand>", notice,
                  sold_out_at, sold_out_seq, fault, created_at, opened_at, closed_at, archived_at, closes_at,
                  ARRAY(SELECT f.slug FROM former_slugs f WHERE f.sale_id = s.id) AS "former_slugs!"
           FROM sales s
           WHERE ($1::uuid IS NULL OR id = $1)
             AND ($2::text IS NULL OR id = (SELECT sale_of_slug($2)))
             AND (NOT $3 OR state <> 'closed' OR closed_at > clock_timestamp() - interval '10 minutes'
                  OR EXISTS (SELECT FROM holds h WHERE h.sale_id = s.id AND h.state = 'active'))
             AND ($4::timestamptz IS NULL OR (created_at, id) < ($4, $5::uuid))
             AND (NOT $7 OR archived_at IS NULL)
           ORDER BY ($3 AND state IN ('open', 'paused')) DESC,
                    CASE WHEN $3 THEN created_at END, created_at DESC, id DESC
           LIMIT $6"#,
        wanted.id.map(|id| id.0),
        wanted.slug,
        wanted.running,
        after_at.map(jiff_sqlx::Timestamp::from) as Option<jiff_sqlx::Timestamp>,
        after_id,
        wanted.limit,
        wanted.hides_archived,
    )
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(Sale::try_from).collect()
}

/// Most sales that gateways watch at a time; further ones wait until others close.
pub(super) const MOST_RUNNING: i64 = 500;

impl Ledger {
    /// The sale with this id or slug, or one that it had.
    pub async fn find_sale(&self, reference: &str) -> Result<Option<Sale>, LedgerError> {
        let wanted = match reference.parse::<SaleId>() {
            Ok(id) => Wanted { id: Some(id), limit: 1, ..Wanted::default() },
            Err(_) if is_slug(reference) => {
                Wanted { slug: Some(reference), limit: 1, ..Wanted::default() }
            }
            Err(_) => return Ok(None),
        };
        Ok(read(&self.reads, wanted).await?.pop())
    }

    /// A page of all sales, newest first; the archived ones among them where asked.
    pub async fn list_sales(
        &self,
        archived: bool,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Sale>, LedgerError> {
        let wanted = Wanted { after, limit, hides_archived: !archived, ..Wanted::default() };
        read(&self.reads, wanted).await
    }

    pub(super) async fn running_sales(&self) -> Result<Vec<Sale>, LedgerError> {
        let wanted = Wanted { running: true, limit: MOST_RUNNING, ..Wanted::default() };
        read(&self.reads, wanted).await
    }
}

/// The name of the advisory lock of one sale: its journal, its batches and its changes of state meet here.
fn lock_of(sale: SaleId) -> i64 {
    let (high, low) = sale.0.as_u64_pair();
    (high ^ low).cast_signed()
}

impl Tx {
    /// Waits until nobody changes the sale's state or epoch, and keeps them from it until the end.
    pub async fn share(&mut self, sale: SaleId) -> Result<(), LedgerError> {
        sqlx::query!("SELECT pg_advisory_xact_lock_shared($1)", lock_of(sale))
            .execute(&mut *self.0)
            .await?;
        Ok(())
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
        let wanted = Wanted { id: Some(id), limit: 1, ..Wanted::default() };
        Ok(read(&mut *self.0, wanted).await?.pop())
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

    /// Takes up to `count` free units out of the sale, the highest numbers first; returns which. The caller
    /// has excluded everyone else, so none of them is being held meanwhile.
    pub async fn withdraw(&mut self, id: SaleId, count: i32) -> Result<Vec<i32>, LedgerError> {
        let units = sqlx::query_scalar!(
            "INSERT INTO withdrawn_units (sale_id, unit_no)
             SELECT $1, unit FROM (
                 SELECT unit FROM generate_series(1, (SELECT stock FROM sales WHERE id = $1)) AS u (unit)
                 EXCEPT SELECT unit_no FROM holds
                 WHERE sale_id = $1 AND state IN ('active', 'confirmed')
                 EXCEPT SELECT unit_no FROM withdrawn_units WHERE sale_id = $1
             ) free
             ORDER BY unit DESC LIMIT $2
             RETURNING unit_no",
            id.0,
            i64::from(count),
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

    /// Marks the sale sold out for everyone up to `upto`, if every seeded unit is sold; says whether it is.
    pub async fn mark_sold_out(&mut self, id: SaleId, upto: Seq) -> Result<bool, LedgerError> {
        let done = sqlx::query!(
            "UPDATE sales s SET sold_out_at = coalesce(sold_out_at, clock_timestamp()),
                    sold_out_seq = greatest(coalesce(sold_out_seq, 0), $2)
             WHERE id = $1 AND state <> 'closed' AND stock > 0
               AND stock = (SELECT count(*) FROM orders o WHERE o.sale_id = s.id)
                         + (SELECT count(*) FROM withdrawn_units w WHERE w.sale_id = s.id)
               AND EXISTS (SELECT FROM orders o WHERE o.sale_id = s.id)",
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
