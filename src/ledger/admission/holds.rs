//! Holds: recording a batch, and reading them.
//!
//! A batch is looked up row by row, each by its key: `LATERAL … OFFSET 0` and `(SELECT … LIMIT 1)` leave the
//! planner no other way. Free to choose, it goes by statistics, and at the start of a sale there are none:
//! it read the whole line and every hold of the sale for each batch.

use uuid::Uuid;

use crate::ledger::{Ledger, LedgerError, Shared, Tx, Writing};
use crate::model::{Hold, HoldId, HoldState, Order, OrderId, SaleId, SaleState, Seq, Ticket};

/// Where a sale's admission stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Front {
    pub epoch: i32,
    pub state: SaleState,
    /// The last batch recorded in this epoch.
    pub recorded_n: i64,
    /// Open holds.
    pub active: i64,
}

/// What was made of a batch. What was not used goes back to Redis with the acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Holds made now; none for a replay.
    pub admitted: u64,
    /// Tickets of the batch that still wait.
    pub requeue: Vec<Ticket>,
    /// Units of the batch that are free.
    pub spare: Vec<i32>,
}

/// A hold with its order, as one row.
pub(crate) struct HoldRow {
    pub id: Uuid,
    pub sale_id: Uuid,
    pub unit_no: i32,
    pub ticket: Uuid,
    pub seq: i64,
    pub state: String,
    pub admitted_at: jiff_sqlx::Timestamp,
    pub expires_at: jiff_sqlx::Timestamp,
    pub ended_at: Option<jiff_sqlx::Timestamp>,
    pub order_id: Option<Uuid>,
    pub payment_reference: Option<String>,
    pub confirmed_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<HoldRow> for Hold {
    type Error = LedgerError;

    fn try_from(row: HoldRow) -> Result<Self, LedgerError> {
        let (id, sale, ticket) = (HoldId(row.id), SaleId(row.sale_id), Ticket(row.ticket));
        let order = row.order_id.zip(row.confirmed_at).map(|(order_id, confirmed_at)| Order {
            id: OrderId(order_id),
            hold: id,
            sale,
            unit: row.unit_no,
            ticket,
            payment_reference: row.payment_reference,
            confirmed_at: confirmed_at.to_jiff(),
        });
        let state = HoldState::parse(&row.state).ok_or(LedgerError::Impossible("holds.state"))?;
        if (state == HoldState::Confirmed) != order.is_some() {
            return Err(LedgerError::Impossible("a confirmed hold without its order"));
        }
        Ok(Self {
            id,
            sale,
            ticket,
            seq: Seq(row.seq),
            unit: row.unit_no,
            state,
            admitted_at: row.admitted_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            ended_at: row.ended_at.map(jiff_sqlx::Timestamp::to_jiff),
            order,
        })
    }
}

impl Ledger {
    /// Where admission stands: read before a batch is taken, so that `active` can only have fallen since. `active` is
    /// the counter, which changes in the transaction of the holds: this statement sees it as of the same commits as
    /// `recorded_n`.
    pub async fn front(&self, sale: SaleId) -> Result<Option<Front>, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT s.epoch, s.state,
                      coalesce((SELECT max(n) FROM batches b
                                WHERE b.sale_id = s.id AND b.epoch = s.epoch), 0) AS "recorded_n!",
                      CASE WHEN s.max_in_checkout IS NULL THEN 0
                           ELSE (SELECT t.held FROM sale_totals(s.id) t) END AS "active!"
               FROM sales s WHERE s.id = $1"#,
            sale.0
        )
        .fetch_optional(&self.line)
        .await?;
        row.map(|row| {
            Ok(Front {
                epoch: row.epoch,
                state: SaleState::parse(&row.state)
                    .ok_or(LedgerError::Impossible("sales.state"))?,
                recorded_n: row.recorded_n,
                active: row.active,
            })
        })
        .transpose()
    }

    /// One hold by id, with its order; on the connections for checkouts.
    pub async fn hold(&self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        Ok(self.hold_and_generation(id).await?.map(|(hold, _)| hold))
    }

    /// The same, with the generation of its ticket's good credentials.
    pub async fn hold_and_generation(
        &self,
        id: HoldId,
    ) -> Result<Option<(Hold, u32)>, LedgerError> {
        self.one_hold(Some(id), None).await
    }

    pub(crate) async fn hold_of(
        &self,
        sale: SaleId,
        ticket: Ticket,
    ) -> Result<Option<Hold>, LedgerError> {
        Ok(self.one_hold(None, Some((sale, ticket))).await?.map(|(hold, _)| hold))
    }

    async fn one_hold(
        &self,
        id: Option<HoldId>,
        of: Option<(SaleId, Ticket)>,
    ) -> Result<Option<(Hold, u32)>, LedgerError> {
        let (sale, ticket) = of.map(|(sale, ticket)| (sale.0, ticket.0)).unzip();
        let row = sqlx::query!(
            r#"SELECT h.id, h.sale_id, h.unit_no, h.ticket, h.seq, h.state, h.admitted_at,
                      hold_end(h.state, h.admitted_at, h.expires_at, h.due_at) AS "expires_at!",
                      h.ended_at, o.id AS "order_id?", o.payment_reference, o.confirmed_at AS "confirmed_at?",
                      m.generation AS "generation?"
               FROM holds h LEFT JOIN orders o ON o.hold_id = h.id
                    LEFT JOIN moves m ON m.sale_id = h.sale_id AND m.ticket = h.ticket
               WHERE h.id = $1 OR (h.sale_id = $2 AND h.ticket = $3)"#,
            id.map(|id| id.0),
            sale,
            ticket,
        )
        .fetch_optional(if id.is_some() { &self.orders } else { &self.reads })
        .await?;
        let Some(row) = row else { return Ok(None) };
        let generation = row.generation.unwrap_or(0).unsigned_abs();
        let hold = Hold::try_from(HoldRow {
            id: row.id,
            sale_id: row.sale_id,
            unit_no: row.unit_no,
            ticket: row.ticket,
            seq: row.seq,
            state: row.state,
            admitted_at: row.admitted_at,
            expires_at: row.expires_at,
            ended_at: row.ended_at,
            order_id: row.order_id,
            payment_reference: row.payment_reference,
            confirmed_at: row.confirmed_at,
        })?;
        Ok(Some((hold, generation)))
    }
}

impl Shared {
    /// Records batch `n`: pairs its waiting tickets with its free units in the order of their numbers. A
    /// batch that was recorded before changes nothing.
    ///
    /// Returns nothing when another epoch rules. While the sale is not open no hold is made and everything
    /// goes back.
    pub async fn record(
        &mut self,
        epoch: i32,
        n: i64,
        waiters: &[(Ticket, Seq)],
        units: &[i32],
    ) -> Result<Option<Recorded>, LedgerError> {
        let sale = self.sale;
        let now = sqlx::query!("SELECT epoch, state FROM sales WHERE id = $1", sale.0)
            .fetch_one(&mut *self.tx.0)
            .await?;
        if now.epoch != epoch {
            return Ok(None);
        }
        let fresh = sqlx::query!(
            "INSERT INTO batches (sale_id, epoch, n) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            sale.0,
            epoch,
            n,
        )
        .execute(&mut *self.tx.0)
        .await?
        .rows_affected()
            == 1;
        let tickets: Vec<Uuid> = waiters.iter().map(|(ticket, _)| ticket.0).collect();
        let mut recorded = Recorded::default();
        if fresh {
            // A join that was answered while Postgres was away may be admitted before it was journaled.
            self.journal(waiters, Writing::Answered).await?;
            if now.state == "open" {
                self.before_any_credit().await?;
                recorded.admitted = self.pair(sale, epoch, n, &tickets, units).await?;
            }
        }
        recorded.requeue = self.still_waiting(sale, &tickets).await?;
        recorded.spare = self.still_free(sale, units).await?;
        Ok(Some(recorded))
    }
}

impl Tx {
    async fn pair(
        &mut self,
        sale: SaleId,
        epoch: i32,
        n: i64,
        tickets: &[Uuid],
        units: &[i32],
    ) -> Result<u64, LedgerError> {
        #[cfg(feature = "faults")]
        if let Some(made) = self.pair_wrongly(sale, epoch, n, tickets, units).await? {
            return Ok(made);
        }
        let made = sqlx::query!(
            "WITH this AS MATERIALIZED (
                SELECT stock, now, now + make_interval(secs => checkout_window_seconds) AS expires_at,
                       outages_us() AS outages
                FROM sales, (SELECT clock_timestamp() AS now OFFSET 0) AS moment WHERE id = $1
            ), free AS (
                SELECT unit, row_number() OVER (ORDER BY unit) AS place
                FROM (SELECT DISTINCT unit FROM UNNEST($5::int[]) AS asked (unit)) asked, this
                WHERE unit BETWEEN 1 AND stock
                  AND (SELECT true FROM holds h WHERE h.sale_id = $1 AND h.unit_no = unit
                       AND h.state IN ('active', 'confirmed') LIMIT 1) IS NULL
                  AND (SELECT true FROM withdrawn_units w
                       WHERE w.sale_id = $1 AND w.unit_no = unit LIMIT 1) IS NULL
            ), front AS (
                SELECT j.ticket, j.seq
                FROM (SELECT DISTINCT ticket FROM UNNEST($4::uuid[]) AS asked (ticket)) asked,
                     LATERAL (SELECT ticket, seq FROM joins
                              WHERE sale_id = $1 AND ticket = asked.ticket AND state = 'waiting'
                              OFFSET 0 FOR UPDATE) j
                WHERE j.seq > coalesce((SELECT sold_out_seq FROM sales WHERE id = $1), 0)
                ORDER BY j.seq LIMIT (SELECT count(*) FROM free)
            ), admitted AS (
                UPDATE joins j SET state = 'admitted', ended_at = this.now
                FROM front, this
                WHERE j.sale_id = $1 AND j.ticket = front.ticket
                RETURNING j.ticket, j.seq
            ), placed AS (
                SELECT ticket, seq, row_number() OVER (ORDER BY seq) AS place FROM admitted
            )
            INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at, due_at)
            SELECT gen_random_uuid(), $1, unit, ticket, seq, $2, $3, now, expires_at,
                   later(expires_at, -outages)
            FROM placed JOIN free USING (place), this",
            sale.0,
            epoch,
            n,
            tickets,
            units,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(made.rows_affected())
    }

    /// Those of these tickets that still wait, in the order of their numbers.
    pub async fn still_waiting(
        &mut self,
        sale: SaleId,
        tickets: &[Uuid],
    ) -> Result<Vec<Ticket>, LedgerError> {
        let rows = sqlx::query_scalar!(
            "SELECT j.ticket
             FROM UNNEST($2::uuid[]) AS asked (ticket),
                  LATERAL (SELECT ticket, seq FROM joins
                           WHERE sale_id = $1 AND ticket = asked.ticket AND state = 'waiting'
                           OFFSET 0) j
             WHERE j.seq > coalesce((SELECT sold_out_seq FROM sales WHERE id = $1), 0)
             ORDER BY j.seq",
            sale.0,
            tickets,
        )
        .fetch_all(&mut *self.0)
        .await?;
        Ok(rows.into_iter().map(Ticket).collect())
    }

    async fn still_free(&mut self, sale: SaleId, units: &[i32]) -> Result<Vec<i32>, LedgerError> {
        let rows = sqlx::query_scalar!(
            r#"SELECT DISTINCT unit AS "unit!" FROM UNNEST($2::int[]) AS asked (unit)
               WHERE unit BETWEEN 1 AND (SELECT stock FROM sales WHERE id = $1)
                 AND (SELECT true FROM holds h WHERE h.sale_id = $1 AND h.unit_no = unit
                      AND h.state IN ('active', 'confirmed') LIMIT 1) IS NULL
                 AND (SELECT true FROM withdrawn_units w
                      WHERE w.sale_id = $1 AND w.unit_no = unit LIMIT 1) IS NULL"#,
            sale.0,
            units,
        )
        .fetch_all(&mut *self.0)
        .await?;
        Ok(rows)
    }
}
