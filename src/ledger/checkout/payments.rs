//! Payment references besides the one that an order was confirmed with: money that may fit no order. Each is
//! kept in the transaction of its confirm, and listed until a person has dealt with it.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::{Cursor, Ledger, LedgerError, Tx};
use crate::model::{HoldId, OrderId, SaleId, Ticket};

/// References kept of one hold besides its order's, by who sent them. An API key is trusted and counts real
/// payments; a shopper may type any text.
const MOST_BY_SHOP: i64 = 100;
const MOST_BY_SHOPPER: i64 = 5;
/// Orders named as having the same reference: with one reference on all orders, the work for each stays small.
pub(crate) const MOST_ORDERS: usize = 20;

/// Who sent a payment reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payer {
    /// An API key or an operator, and not the shopper.
    pub is_shop: bool,
    /// The name of the key or operator, for a person who looks.
    pub name: String,
}

impl Payer {
    pub fn shopper() -> Self {
        Self { is_shop: false, name: "shopper".into() }
    }

    /// Most references of one hold that are kept besides its order's.
    pub fn most(&self) -> i64 {
        if self.is_shop { MOST_BY_SHOP } else { MOST_BY_SHOPPER }
    }
}

/// Why a reference is kept apart from the orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentKind {
    /// Another reference for an order that has one.
    Duplicate,
    /// The reference of an earlier order.
    Reused,
    /// For a hold that was released or expired.
    Ended,
    /// The first reference of an order that was confirmed without one: it fits.
    Added,
}

impl PaymentKind {
    pub const ALL: [Self; 4] = [Self::Duplicate, Self::Reused, Self::Ended, Self::Added];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Reused => "reused",
            Self::Ended => "ended",
            Self::Added => "added",
        }
    }

    fn parse(text: &str) -> Result<Self, LedgerError> {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or(LedgerError::Impossible("payment_references.kind"))
    }
}

/// What became of the reference that came with a confirm.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Noted {
    /// There was none, or it is the order's own.
    #[default]
    Nothing,
    /// It is kept apart from the orders.
    Kept { kind: PaymentKind, used_before: Vec<OrderId>, is_new: bool },
    /// The hold has as many as are kept; this one is not.
    TooMany(i64),
}

/// A reference to be kept.
pub(crate) struct NewReference<'a> {
    pub hold: HoldId,
    pub reference: &'a str,
    pub payer: &'a Payer,
    pub used_before: Vec<OrderId>,
}

/// A kept reference, with what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub id: i64,
    pub sale: SaleId,
    pub hold: HoldId,
    pub ticket: Ticket,
    pub unit: i32,
    pub order: Option<OrderId>,
    /// The reference that the order was confirmed with.
    pub order_reference: Option<String>,
    pub reference: String,
    pub kind: PaymentKind,
    pub by_shop: bool,
    pub seen_by: String,
    pub used_before: Vec<OrderId>,
    pub first_seen_at: Timestamp,
    pub resolved: Option<Resolved>,
}

/// That a person has dealt with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub at: Timestamp,
    pub by: String,
    pub note: String,
}

struct PaymentRow {
    id: i64,
    sale_id: Uuid,
    hold_id: Uuid,
    ticket: Uuid,
    unit_no: i32,
    order_id: Option<Uuid>,
    order_reference: Option<String>,
    reference: String,
    kind: String,
    by_shop: bool,
    seen_by: String,
    used_before: Vec<Uuid>,
    first_seen_at: jiff_sqlx::Timestamp,
    resolved_at: Option<jiff_sqlx::Timestamp>,
    resolved_by: Option<String>,
    note: Option<String>,
}

impl TryFrom<PaymentRow> for Payment {
    type Error = LedgerError;

    fn try_from(row: PaymentRow) -> Result<Self, LedgerError> {
        let resolved = match (row.resolved_at, row.resolved_by, row.note) {
            (Some(at), Some(by), Some(note)) => Some(Resolved { at: at.to_jiff(), by, note }),
            _ => None,
        };
        Ok(Self {
            id: row.id,
            sale: SaleId(row.sale_id),
            hold: HoldId(row.hold_id),
            ticket: Ticket(row.ticket),
            unit: row.unit_no,
            order: row.order_id.map(OrderId),
            order_reference: row.order_reference,
            reference: row.reference,
            kind: PaymentKind::parse(&row.kind)?,
            by_shop: row.by_shop,
            seen_by: row.seen_by,
            used_before: row.used_before.into_iter().map(OrderId).collect(),
            first_seen_at: row.first_seen_at.to_jiff(),
            resolved,
        })
    }
}

/// A query for kept references with what they belong to.
macro_rules! payments {
    ($rest:literal, $($bind:expr),+) => {
        sqlx::query_as!(
            PaymentRow,
            r#"SELECT p.id, p.sale_id, p.hold_id, h.ticket, h.unit_no, p.order_id,
                      o.payment_reference AS "order_reference?", p.reference, p.kind, p.by_shop, p.seen_by,
                      p.used_before, p.first_seen_at, p.resolved_at, p.resolved_by, p.note
               FROM payment_references p JOIN holds h ON h.id = p.hold_id
                    LEFT JOIN orders o ON o.hold_id = p.hold_id WHERE "# + $rest,
            $($bind),+
        )
    };
}

impl Tx {
    /// Keeps references of holds that this transaction has confirmed or found ended, each hold named once.
    /// Returns what became of each, by its hold. The order of the locks is the order of the ids.
    pub(crate) async fn keep_references(
        &mut self,
        new: &[NewReference<'_>],
    ) -> Result<HashMap<HoldId, Noted>, LedgerError> {
        if new.is_empty() {
            return Ok(HashMap::new());
        }
        let holds: Vec<Uuid> = new.iter().map(|one| one.hold.0).collect();
        let references: Vec<String> = new.iter().map(|one| one.reference.to_owned()).collect();
        let by_shop: Vec<bool> = new.iter().map(|one| one.payer.is_shop).collect();
        let names: Vec<String> = new.iter().map(|one| one.payer.name.clone()).collect();
        let most: Vec<i64> = new.iter().map(|one| one.payer.most()).collect();
        let used_before: Vec<String> = new.iter().map(|one| array(&one.used_before)).collect();
        // Two confirms of one hold go one after another from here on: each sees what the other kept.
        sqlx::query!(
            "SELECT id FROM holds WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE",
            &holds
        )
        .fetch_all(&mut *self.0)
        .await?;
        let written = sqlx::query_scalar!(
            "INSERT INTO payment_references
                 (sale_id, hold_id, order_id, reference, kind, by_shop, seen_by, used_before)
             SELECT h.sale_id, h.id, o.id, a.reference,
                    CASE WHEN o.id IS NULL THEN 'ended'
                         WHEN o.payment_reference = a.reference THEN 'reused'
                         WHEN o.payment_reference IS NOT NULL OR EXISTS (
                              SELECT FROM payment_references p
                              WHERE p.hold_id = h.id AND (p.by_shop OR NOT a.by_shop)) THEN 'duplicate'
                         WHEN a.used_before <> '{}' THEN 'reused'
                         ELSE 'added' END,
                    a.by_shop, a.seen_by, a.used_before::uuid[]
             FROM UNNEST($1::uuid[], $2::text[], $3::boolean[], $4::text[], $5::bigint[], $6::text[])
                      AS a (hold_id, reference, by_shop, seen_by, most, used_before)
                  JOIN holds h ON h.id = a.hold_id LEFT JOIN orders o ON o.hold_id = h.id
             WHERE (SELECT count(*) FROM payment_references p
                    WHERE p.hold_id = h.id AND p.by_shop = a.by_shop) < a.most
             ON CONFLICT (hold_id, reference) DO NOTHING RETURNING hold_id",
            &holds,
            &references,
            &by_shop,
            &names,
            &most,
            &used_before,
        )
        .fetch_all(&mut *self.0)
        .await?;
        let rows = sqlx::query!(
            r#"SELECT p.hold_id, p.kind, p.used_before
               FROM UNNEST($1::uuid[], $2::text[]) AS a (hold_id, reference)
                    JOIN payment_references p USING (hold_id, reference)"#,
            &holds,
            &references,
        )
        .fetch_all(&mut *self.0)
        .await?;
        let mut noted: HashMap<HoldId, Noted> =
            new.iter().map(|one| (one.hold, Noted::TooMany(one.payer.most()))).collect();
        for row in rows {
            let is_new = written.contains(&row.hold_id);
            noted.insert(HoldId(row.hold_id), kept(&row.kind, row.used_before, is_new)?);
        }
        Ok(noted)
    }

    /// Marks a kept reference as dealt with; says whether this did it. One that was dealt with before stays as
    /// it is. Nothing when the sale has no such entry.
    pub async fn resolve_payment(
        &mut self,
        sale: SaleId,
        id: i64,
        actor: &str,
        note: &str,
    ) -> Result<Option<(Payment, bool)>, LedgerError> {
        let done = sqlx::query!(
            "UPDATE payment_references
             SET resolved_at = clock_timestamp(), resolved_by = $3, note = $4
             WHERE sale_id = $1 AND id = $2 AND resolved_at IS NULL",
            sale.0,
            id,
            actor,
            note,
        )
        .execute(&mut *self.0)
        .await?;
        let row = payments!("p.sale_id = $1 AND p.id = $2", sale.0, id);
        let row = row.fetch_optional(&mut *self.0).await?;
        row.map(|row| Ok((Payment::try_from(row)?, done.rows_affected() == 1))).transpose()
    }
}

pub(crate) fn kept(kind: &str, used_before: Vec<Uuid>, is_new: bool) -> Result<Noted, LedgerError> {
    let used_before = used_before.into_iter().map(OrderId).collect();
    Ok(Noted::Kept { kind: PaymentKind::parse(kind)?, used_before, is_new })
}

/// Ids as Postgres writes an array: one for each row of an `UNNEST`.
fn array(ids: &[OrderId]) -> String {
    let ids: Vec<String> = ids.iter().map(OrderId::to_string).collect();
    format!("{{{}}}", ids.join(","))
}

impl Ledger {
    /// A page of a sale's kept references, newest first; all, or those that nobody has dealt with. The
    /// cursor's number is the entry's id.
    pub async fn list_payments(
        &self,
        sale: SaleId,
        only_open: bool,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<Payment>, LedgerError> {
        let after = after.map(|cursor| cursor.number);
        let rows = if only_open {
            payments!(
                "p.sale_id = $1 AND p.resolved_at IS NULL AND p.kind <> 'added'
                 AND ($2::bigint IS NULL OR p.id < $2) ORDER BY p.id DESC LIMIT $3",
                sale.0,
                after,
                limit
            )
            .fetch_all(&self.reads)
            .await?
        } else {
            payments!(
                "p.sale_id = $1 AND ($2::bigint IS NULL OR p.id < $2) ORDER BY p.id DESC LIMIT $3",
                sale.0,
                after,
                limit
            )
            .fetch_all(&self.reads)
            .await?
        };
        rows.into_iter().map(Payment::try_from).collect()
    }

    /// How many references of the shop's nobody has dealt with, and the open ones themselves, the shop's first.
    pub async fn open_payments(
        &self,
        sale: SaleId,
        limit: i64,
    ) -> Result<(i64, Vec<Payment>), LedgerError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM payment_references
               WHERE sale_id = $1 AND resolved_at IS NULL AND kind <> 'added' AND by_shop"#,
            sale.0
        )
        .fetch_one(&self.reads)
        .await?;
        let rows = payments!(
            "p.sale_id = $1 AND p.resolved_at IS NULL AND p.kind <> 'added'
             ORDER BY p.by_shop DESC, p.id DESC LIMIT $2",
            sale.0,
            limit
        )
        .fetch_all(&self.reads)
        .await?;
        Ok((count, rows.into_iter().map(Payment::try_from).collect::<Result<_, _>>()?))
    }

    /// The kept references of one hold, oldest first.
    pub(crate) async fn payments_of(&self, hold: HoldId) -> Result<Vec<Payment>, LedgerError> {
        let rows = payments!("p.hold_id = $1 ORDER BY p.id", hold.0).fetch_all(&self.reads).await?;
        rows.into_iter().map(Payment::try_from).collect()
    }
}
