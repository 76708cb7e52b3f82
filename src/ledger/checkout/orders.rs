//! Confirming and giving back: each flips one hold, and tests its state, never the clock.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::ledger::admission::holds::HoldRow;
use crate::ledger::checkout::payments::{MOST_ORDERS, NewReference, Noted, Payer, kept};
use crate::ledger::{LedgerError, Tx};
use crate::model::{Hold, HoldId, OrderId};

/// What a confirm did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmed {
    /// The hold was active and is an order now.
    Now(Hold),
    /// It had ended before; this is how. A confirmed one carries its order.
    Before(Hold),
    /// There is no such hold.
    Unknown,
}

/// A confirm among others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purchase<'a> {
    pub hold: HoldId,
    pub payment_reference: Option<&'a str>,
    pub payer: &'a Payer,
}

/// Names the lock space of payment references, apart from those of sales and idempotency keys.
const REFERENCE_SEED: i64 = 0x9a1d;

/// A hold after the flip, and what is known of the reference that came with its confirm.
struct Found {
    hold: Hold,
    noted: Option<Noted>,
    used_before: Vec<OrderId>,
}

impl Found {
    /// Whether the reference is news: not the order's own, or another order's as well.
    fn is_news(&self, reference: &str, is_now: bool) -> bool {
        if self.noted.is_some() {
            return false;
        }
        match &self.hold.order {
            Some(_) if is_now => !self.used_before.is_empty(),
            Some(order) => order.payment_reference.as_deref() != Some(reference),
            None => true,
        }
    }
}

impl Tx {
    /// Confirms several holds, each of them named once; what became of each and of its payment reference, in
    /// their order. In the order of their ids, so that two groups wait for each other in no circle.
    pub async fn confirm_all(
        &mut self,
        purchases: &[Purchase<'_>],
    ) -> Result<Vec<(Confirmed, Noted)>, LedgerError> {
        #[cfg(feature = "faults")]
        for purchase in purchases {
            self.forget_the_state(purchase.hold).await?;
        }
        let flipped = self.flip_all(purchases).await?;
        let mut found = self.find_all(purchases, &flipped).await?;
        let mut news = Vec::new();
        for purchase in purchases {
            let is_now = flipped.contains(&purchase.hold.0);
            if let Some(reference) = purchase.payment_reference
                && let Some(one) = found.get_mut(&purchase.hold.0)
                && one.is_news(reference, is_now)
            {
                let used_before = std::mem::take(&mut one.used_before);
                let (hold, payer) = (purchase.hold, purchase.payer);
                news.push(NewReference { hold, reference, payer, used_before });
            }
        }
        let mut noted = self.keep_references(&news).await?;
        let mut became = |hold: HoldId| match found.remove(&hold.0) {
            None => (Confirmed::Unknown, Noted::Nothing),
            Some(one) => {
                let noted = noted.remove(&hold).or(one.noted).unwrap_or_default();
                let is_now = flipped.contains(&hold.0);
                let hold = one.hold;
                (if is_now { Confirmed::Now(hold) } else { Confirmed::Before(hold) }, noted)
            }
        };
        Ok(purchases.iter().map(|purchase| became(purchase.hold)).collect())
    }

    /// Flips those that are active and writes their orders, in one statement. Confirms with one reference of
    /// the shop's go one after another, so that the later one sees the order of the earlier one. All
    /// references are locked before any hold.
    async fn flip_all(&mut self, purchases: &[Purchase<'_>]) -> Result<HashSet<Uuid>, LedgerError> {
        let ids: Vec<Uuid> = purchases.iter().map(|purchase| purchase.hold.0).collect();
        let orders: Vec<Uuid> = ids.iter().map(|_| OrderId::new().0).collect();
        let of_shop: Vec<Option<String>> = purchases.iter().map(Purchase::of_shop).collect();
        let flipped = sqlx::query_scalar!(
            "WITH locked AS MATERIALIZED (
                SELECT pg_advisory_xact_lock(place)::text FROM (
                    SELECT DISTINCT hashtextextended(reference, $4) AS place
                    FROM UNNEST($5::text[]) AS a (reference)
                    WHERE reference IS NOT NULL ORDER BY place OFFSET 0) places
            ), asked AS MATERIALIZED (
                SELECT a.* FROM (SELECT count(*) FROM locked) all_locked,
                     UNNEST($1::uuid[], $2::uuid[], $3::text[]) AS a (id, order_id, payment_reference)
                ORDER BY a.id
            ), mine AS MATERIALIZED (
                SELECT h.id FROM asked, LATERAL (
                    SELECT id FROM holds WHERE id = asked.id AND state = 'active'
                    OFFSET 0 FOR UPDATE) h
            ), flipped AS (
                UPDATE holds SET state = 'confirmed', ended_at = clock_timestamp()
                FROM mine WHERE holds.id = mine.id AND holds.state = 'active'
                RETURNING holds.id, sale_id, unit_no, ticket, ended_at
            )
            INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, payment_reference, confirmed_at)
            SELECT id, order_id, sale_id, unit_no, ticket, payment_reference, ended_at
            FROM flipped JOIN asked USING (id)
            RETURNING hold_id",
            &ids,
            &orders,
            &references(purchases) as &[Option<String>],
            REFERENCE_SEED,
            &of_shop as &[Option<String>],
        )
        .fetch_all(&mut *self.0)
        .await?;
        Ok(flipped.into_iter().collect())
    }

    /// The holds as they are after the flip, each with what is known of its reference: by a statement of its
    /// own, so that orders are seen that were written while this one waited for its locks.
    async fn find_all(
        &mut self,
        purchases: &[Purchase<'_>],
        flipped: &HashSet<Uuid>,
    ) -> Result<HashMap<Uuid, Found>, LedgerError> {
        let ids: Vec<Uuid> = purchases.iter().map(|purchase| purchase.hold.0).collect();
        let of_shop: Vec<Option<String>> = purchases.iter().map(Purchase::of_shop).collect();
        let flipped: Vec<Uuid> = flipped.iter().copied().collect();
        // Of two orders in one group the later one comes after the other.
        let rows = sqlx::query!(
            r#"SELECT h.id, h.sale_id, h.unit_no, h.ticket, h.seq, h.state, h.admitted_at,
                      hold_end(h.state, h.admitted_at, h.expires_at, h.due_at) AS "expires_at!",
                      h.ended_at, h.order_id AS "order_id?", h.payment_reference AS "payment_reference?",
                      h.confirmed_at AS "confirmed_at?", noted.kind AS "kind?",
                      noted.used_before AS "noted_before?", used.orders AS "orders!"
               FROM UNNEST($1::uuid[], $2::text[], $3::text[]) AS asked (id, reference, of_shop)
               CROSS JOIN LATERAL (
                   SELECT h.*, o.id AS order_id, o.payment_reference, o.confirmed_at
                   FROM holds h LEFT JOIN orders o ON o.hold_id = h.id
                   WHERE h.id = asked.id OFFSET 0) h
               LEFT JOIN LATERAL (
                   SELECT kind, used_before FROM payment_references
                   WHERE hold_id = asked.id AND reference = asked.reference OFFSET 0) noted ON true
               CROSS JOIN LATERAL (SELECT ARRAY(
                   (SELECT o.id FROM orders o
                    WHERE o.payment_reference = asked.of_shop AND o.hold_id <> asked.id
                      AND (o.hold_id <> ALL ($4::uuid[]) OR h.order_id IS NULL
                           OR (o.confirmed_at, o.id) < (h.confirmed_at, h.order_id))
                    LIMIT $5)
                   UNION
                   (SELECT p.order_id FROM payment_references p
                    WHERE p.reference = asked.of_shop AND p.hold_id <> asked.id AND p.by_shop
                      AND p.order_id IS NOT NULL LIMIT $5)) AS orders) used"#,
            &ids,
            &references(purchases) as &[Option<String>],
            &of_shop as &[Option<String>],
            &flipped,
            MOST_ORDERS as i64,
        )
        .fetch_all(&mut *self.0)
        .await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            let noted = match (&row.kind, row.noted_before) {
                (Some(kind), Some(used_before)) => Some(kept(kind, used_before, false)?),
                _ => None,
            };
            let mut used_before: Vec<OrderId> = row.orders.into_iter().map(OrderId).collect();
            used_before.sort_unstable_by_key(|order| order.0); // By time, for so ids are made.
            used_before.truncate(MOST_ORDERS);
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
            found.insert(row.id, Found { hold, noted, used_before });
        }
        Ok(found)
    }

    /// Confirms one hold, as its shopper does.
    pub async fn confirm(
        &mut self,
        id: HoldId,
        payment_reference: Option<&str>,
    ) -> Result<Confirmed, LedgerError> {
        let payer = Payer::shopper();
        let purchase = Purchase { hold: id, payment_reference, payer: &payer };
        let done = self.confirm_all(&[purchase]).await?.into_iter().next();
        done.map(|(confirmed, _)| confirmed)
            .ok_or(LedgerError::Impossible("a purchase without an answer"))
    }

    /// Flips an active hold to released; says whether it was active. The hold is as it is afterwards.
    pub async fn release(&mut self, id: HoldId) -> Result<Option<(Hold, bool)>, LedgerError> {
        let flipped = sqlx::query!(
            "UPDATE holds SET state = 'released', ended_at = clock_timestamp()
             WHERE id = $1 AND state = 'active'",
            id.0
        )
        .execute(&mut *self.0)
        .await?
        .rows_affected()
            == 1;
        Ok(self.hold(id).await?.map(|hold| (hold, flipped)))
    }

    async fn hold(&mut self, id: HoldId) -> Result<Option<Hold>, LedgerError> {
        let row = sqlx::query_as!(
            HoldRow,
            r#"SELECT h.id, h.sale_id, h.unit_no, h.ticket, h.seq, h.state, h.admitted_at,
                      hold_end(h.state, h.admitted_at, h.expires_at, h.due_at) AS "expires_at!",
                      h.ended_at, o.id AS "order_id?", o.payment_reference, o.confirmed_at AS "confirmed_at?"
               FROM holds h LEFT JOIN orders o ON o.hold_id = h.id WHERE h.id = $1"#,
            id.0,
        )
        .fetch_optional(&mut *self.0)
        .await?;
        row.map(Hold::try_from).transpose()
    }
}

impl Purchase<'_> {
    /// The reference, where the shop sent it. Only these are looked for among the orders: a shopper who types
    /// "card" must neither wait for others who did nor learn of their orders.
    fn of_shop(&self) -> Option<String> {
        self.payment_reference.filter(|_| self.payer.is_shop).map(str::to_owned)
    }
}

fn references(purchases: &[Purchase<'_>]) -> Vec<Option<String>> {
    purchases.iter().map(|purchase| purchase.payment_reference.map(str::to_owned)).collect()
}
