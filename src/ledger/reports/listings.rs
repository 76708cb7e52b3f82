//! Pages for the operator: holds and orders, newest first.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::admission::holds::HoldRow;
use crate::ledger::{Ledger, LedgerError};
use crate::model::{Hold, HoldId, HoldState, Order, OrderId, SaleId, Ticket};

/// The place after which a page begins. Lists in order of time break ties by `number` or `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub at: Timestamp,
    pub number: i64,
    pub id: Uuid,
}

impl Ledger {
    /// A page of holds, newest first, all or those in one state.
    pub async fn list_holds(
        &self,
        sale: SaleId,
        state: Option<HoldState>,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Hold>, LedgerError> {
        let (after_at, after_seq) = after.map(|c| (c.at, c.number)).unzip();
        let rows = sqlx::query_as!(
            HoldRow,
            r#"SELECT h.id, h.sale_id, h.unit_no, h.ticket, h.seq, h.state, h.admitted_at,
                      hold_end(h.state, h.admitted_at, h.expires_at, h.due_at) AS "expires_at!",
                      h.ended_at, o.id AS "order_id?", o.payment_reference, o.confirmed_at AS "confirmed_at?"
               FROM holds h LEFT JOIN orders o ON o.hold_id = h.id
               WHERE h.sale_id = $1 AND ($2::text IS NULL OR h.state = $2)
                 AND ($3::timestamptz IS NULL OR (h.admitted_at, h.seq) < ($3, $4::bigint))
               ORDER BY h.admitted_at DESC, h.seq DESC LIMIT $5"#,
            sale.0,
            state.map(HoldState::as_str),
            after_at.map(jiff_sqlx::Timestamp::from) as Option<jiff_sqlx::Timestamp>,
            after_seq,
            limit,
        )
        .fetch_all(&self.reads)
        .await?;
        rows.into_iter().map(Hold::try_from).collect()
    }

    /// A page of orders, newest first.
    pub async fn list_orders(
        &self,
        sale: SaleId,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Order>, LedgerError> {
        let (after_at, after_id) = after.map(|c| (c.at, c.id)).unzip();
        let rows = sqlx::query!(
            "SELECT id, hold_id, sale_id, unit_no, ticket, payment_reference, confirmed_at
             FROM orders
             WHERE sale_id = $1
               AND ($2::timestamptz IS NULL OR (confirmed_at, id) < ($2, $3::uuid))
             ORDER BY confirmed_at DESC, id DESC LIMIT $4",
            sale.0,
            after_at.map(jiff_sqlx::Timestamp::from) as Option<jiff_sqlx::Timestamp>,
            after_id,
            limit,
        )
        .fetch_all(&self.reads)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Order {
                id: OrderId(row.id),
                hold: HoldId(row.hold_id),
                sale: SaleId(row.sale_id),
                unit: row.unit_no,
                ticket: Ticket(row.ticket),
                payment_reference: row.payment_reference,
                confirmed_at: row.confirmed_at.to_jiff(),
            })
            .collect())
    }
}
