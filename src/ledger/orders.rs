//! Confirming and giving back: each flips one hold, and tests its state, never the clock.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::holds::HoldRow;
use super::{LedgerError, Tx};
use crate::sale::{Hold, HoldId, OrderId};

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
}

impl Tx {
    /// Confirms several holds, each of them named once; what became of each, in their order. In the order of
    /// their ids, so that two groups wait for each other in no circle.
    pub async fn confirm_all(
        &mut self,
        purchases: &[Purchase<'_>],
    ) -> Result<Vec<Confirmed>, LedgerError> {
        let ids: Vec<Uuid> = purchases.iter().map(|purchase| purchase.hold.0).collect();
        let orders: Vec<Uuid> = ids.iter().map(|_| OrderId::new().0).collect();
        let references: Vec<Option<String>> = purchases
            .iter()
            .map(|purchase| purchase.payment_reference.map(str::to_owned))
            .collect();
        #[cfg(feature = "faults")]
        for purchase in purchases {
            self.forget_the_state(purchase.hold).await?;
        }
        let flipped: HashSet<Uuid> = sqlx::query_scalar!(
            "WITH asked AS MATERIALIZED (
                SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[])
                    AS a (id, order_id, payment_reference)
                ORDER BY id
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
            &references as &[Option<String>],
        )
        .fetch_all(&mut *self.0)
        .await?
        .into_iter()
        .collect();
        let rows = sqlx::query_as!(
            HoldRow,
            r#"SELECT h.id, h.sale_id, h.unit_no, h.ticket, h.seq, h.state, h.admitted_at,
                      hold_end(h.state, h.admitted_at, h.expires_at, h.due_at) AS "expires_at!",
                      h.ended_at, h.order_id AS "order_id?", h.payment_reference AS "payment_reference?",
                      h.confirmed_at AS "confirmed_at?"
               FROM UNNEST($1::uuid[]) AS asked (id), LATERAL (
                   SELECT h.*, o.id AS order_id, o.payment_reference, o.confirmed_at
                   FROM holds h LEFT JOIN orders o ON o.hold_id = h.id
                   WHERE h.id = asked.id OFFSET 0) h"#,
            &ids,
        )
        .fetch_all(&mut *self.0)
        .await?;
        let holds = rows.into_iter().map(|row| Ok((row.id, Hold::try_from(row)?)));
        let mut holds = holds.collect::<Result<HashMap<Uuid, Hold>, LedgerError>>()?;
        let became = |id: &Uuid| match holds.remove(id) {
            None => Confirmed::Unknown,
            Some(hold) if flipped.contains(id) => Confirmed::Now(hold),
            Some(hold) => Confirmed::Before(hold),
        };
        Ok(ids.iter().map(became).collect())
    }

    /// Flips an active hold to confirmed and writes its order, in one statement.
    pub async fn confirm(
        &mut self,
        id: HoldId,
        payment_reference: Option<&str>,
    ) -> Result<Confirmed, LedgerError> {
        #[cfg(feature = "faults")]
        self.forget_the_state(id).await?;
        let flipped = sqlx::query!(
            "WITH flipped AS (
                UPDATE holds SET state = 'confirmed', ended_at = clock_timestamp()
                WHERE id = $1 AND state = 'active'
                RETURNING id, sale_id, unit_no, ticket, ended_at
            )
            INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, payment_reference, confirmed_at)
            SELECT id, $2, sale_id, unit_no, ticket, $3, ended_at FROM flipped",
            id.0,
            OrderId::new().0,
            payment_reference,
        )
        .execute(&mut *self.0)
        .await?;
        let hold = self.hold(id).await?;
        Ok(match hold {
            None => Confirmed::Unknown,
            Some(hold) if flipped.rows_affected() == 1 => Confirmed::Now(hold),
            Some(hold) => Confirmed::Before(hold),
        })
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
