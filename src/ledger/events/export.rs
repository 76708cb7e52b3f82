//! Everything that happened in a sale, kind by kind in order of time: the pages that an export is merged from.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::ledger::{Ledger, LedgerError};
use crate::model::SaleId;

/// What kind of thing happened; at the same moment the earlier kind comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// Something an operator, the schedule or the auditor did.
    Action,
    Joined,
    /// Left or was removed.
    Gone,
    Admitted,
    /// A hold was given back or ran out.
    Returned,
    Confirmed,
    /// A payment reference came that is not the first of an order.
    Payment,
}

impl EventKind {
    pub const ALL: [Self; 7] = [
        Self::Action,
        Self::Joined,
        Self::Gone,
        Self::Admitted,
        Self::Returned,
        Self::Confirmed,
        Self::Payment,
    ];
}

/// One thing that happened. What does not belong to its kind is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub at: Timestamp,
    /// Tells events of one kind at one moment apart.
    pub tie: i64,
    /// `joined`, `left`, `removed`, `admitted`, `released`, `expired`, `confirmed`, `payment` or `action`.
    pub event: String,
    pub ticket: Option<Uuid>,
    pub number: Option<i64>,
    pub hold: Option<Uuid>,
    pub unit: Option<i32>,
    pub order: Option<Uuid>,
    pub payment_reference: Option<String>,
    pub actor: Option<String>,
    pub action: Option<String>,
    pub detail: Option<Value>,
}

struct EventRow {
    at: jiff_sqlx::Timestamp,
    tie: i64,
    event: String,
    ticket: Option<Uuid>,
    number: Option<i64>,
    hold: Option<Uuid>,
    unit: Option<i32>,
    order_id: Option<Uuid>,
    payment_reference: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    detail: Option<Value>,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        Self {
            at: row.at.to_jiff(),
            tie: row.tie,
            event: row.event,
            ticket: row.ticket,
            number: row.number,
            hold: row.hold,
            unit: row.unit,
            order: row.order_id,
            payment_reference: row.payment_reference,
            actor: row.actor,
            action: row.action,
            detail: row.detail,
        }
    }
}

/// A query for one kind: its row's time, its tie, its columns, and where they come from.
macro_rules! page {
    ($from:literal, $columns:literal, $at:literal, $tie:literal; $sale:ident, $until:ident, $after:ident, $limit:ident) => {
        sqlx::query_as!(
            EventRow,
            "SELECT "
                + $at
                + r#" AS "at!", "#
                + $tie
                + r#" AS "tie!", "#
                + $columns
                + " FROM "
                + $from
                + " AND "
                + $at
                + " <= $2 AND ("
                + $at
                + ", "
                + $tie
                + ") > ($3, $4)
               ORDER BY "
                + $at
                + ", "
                + $tie
                + " LIMIT $5",
            $sale.0,
            jiff_sqlx::Timestamp::from($until) as jiff_sqlx::Timestamp,
            jiff_sqlx::Timestamp::from($after.0) as jiff_sqlx::Timestamp,
            $after.1,
            $limit,
        )
    };
}

impl Ledger {
    /// A page of one kind of events up to `until`, oldest first, after this time and tie.
    pub async fn events(
        &self,
        sale: SaleId,
        kind: EventKind,
        until: Timestamp,
        after: (Timestamp, i64),
        limit: i64,
    ) -> Result<Vec<Event>, LedgerError> {
        let pool = &self.reads;
        let rows = match kind {
            EventKind::Action => {
                page!("audit WHERE sale_id = $1",
                      r#"'action' AS "event!", NULL::uuid AS ticket, NULL::bigint AS number,
                         NULL::uuid AS hold, NULL::integer AS unit, NULL::uuid AS order_id,
                         NULL::text AS payment_reference, actor AS "actor?", action AS "action?",
                         detail AS "detail?""#,
                      "at", "id"; sale, until, after, limit)
                .fetch_all(pool)
                .await?
            }
            EventKind::Joined => {
                page!("joins WHERE sale_id = $1",
                      r#"'joined' AS "event!", ticket AS "ticket?", seq AS "number?", NULL::uuid AS hold,
                         NULL::integer AS unit, NULL::uuid AS order_id, NULL::text AS payment_reference,
                         NULL::text AS actor, NULL::text AS action, NULL::jsonb AS detail"#,
                      "joined_at", "seq"; sale, until, after, limit)
                .fetch_all(pool)
                .await?
            }
            EventKind::Gone => {
                page!("joins WHERE sale_id = $1 AND state IN ('left', 'removed')",
                      r#"state AS "event!", ticket AS "ticket?", seq AS "number?", NULL::uuid AS hold,
                         NULL::integer AS unit, NULL::uuid AS order_id, NULL::text AS payment_reference,
                         NULL::text AS actor, NULL::text AS action, NULL::jsonb AS detail"#,
                      "ended_at", "seq"; sale, until, after, limit)
                .fetch_all(pool)
                .await?
            }
            EventKind::Admitted => {
                page!("holds WHERE sale_id = $1",
                      r#"'admitted' AS "event!", ticket AS "ticket?", seq AS "number?", id AS "hold?",
                         unit_no AS "unit?", NULL::uuid AS order_id, NULL::text AS payment_reference,
                         NULL::text AS actor, NULL::text AS action, NULL::jsonb AS detail"#,
                      "admitted_at", "seq"; sale, until, after, limit)
                .fetch_all(pool)
                .await?
            }
            EventKind::Returned => {
                page!("holds WHERE sale_id = $1 AND state IN ('released', 'expired')",
                      r#"state AS "event!", ticket AS "ticket?", seq AS "number?", id AS "hold?",
                         unit_no AS "unit?", NULL::uuid AS order_id, NULL::text AS payment_reference,
                         NULL::text AS actor, NULL::text AS action, NULL::jsonb AS detail"#,
                      "ended_at", "seq"; sale, until, after, limit)
                .fetch_all(pool)
                .await?
            }
            EventKind::Confirmed => {
                page!("orders o JOIN holds h ON h.id = o.hold_id WHERE o.sale_id = $1",
                      r#"'confirmed' AS "event!", o.ticket AS "ticket?", h.seq AS "number?",
                         o.hold_id AS "hold?", o.unit_no AS "unit?", o.id AS "order_id?",
                         o.payment_reference, NULL::text AS actor, NULL::text AS action,
                         NULL::jsonb AS detail"#,
                      "o.confirmed_at", "h.seq"; sale, until, after, limit)
                .fetch_all(pool)
                .await?
            }
            EventKind::Payment => self.payment_events(sale, until, after, limit).await?,
        };
        Ok(rows.into_iter().map(Event::from).collect())
    }

    async fn payment_events(
        &self,
        sale: SaleId,
        until: Timestamp,
        after: (Timestamp, i64),
        limit: i64,
    ) -> Result<Vec<EventRow>, LedgerError> {
        let rows =
            page!("payment_references p JOIN holds h ON h.id = p.hold_id WHERE p.sale_id = $1",
              r#"'payment' AS "event!", h.ticket AS "ticket?", h.seq AS "number?",
                 p.hold_id AS "hold?", h.unit_no AS "unit?", p.order_id,
                 p.reference AS "payment_reference?", p.seen_by AS "actor?", p.kind AS "action?",
                 jsonb_build_object('payment', p.id::text, 'used_before', p.used_before)
                     AS "detail?""#,
              "p.first_seen_at", "p.id"; sale, until, after, limit)
            .fetch_all(&self.reads)
            .await?;
        Ok(rows)
    }
}
