//! Mistakes of the ledger, for the drill alone: what `record` and `confirm` must not do.
//!
//! The schema catches some of them by itself, so the drill takes the constraint in question away as well.

use uuid::Uuid;

use crate::faults::{Mistake, made};
use crate::ledger::{LedgerError, Tx};
use crate::model::{HoldId, SaleId};

/// Units that are free, numbered in their order.
const FREE: &str = "SELECT unit, row_number() OVER (ORDER BY unit) AS place
    FROM UNNEST($5::int[]) AS asked (unit)
    WHERE NOT EXISTS (SELECT FROM holds h WHERE h.sale_id = $1 AND h.unit_no = unit
                      AND h.state IN ('active', 'confirmed'))";
/// The same, with the place at which Redis popped them.
const FREE_AS_POPPED: &str = "SELECT unit, place
    FROM UNNEST($5::int[]) WITH ORDINALITY AS asked (unit, place)
    WHERE NOT EXISTS (SELECT FROM holds h WHERE h.sale_id = $1 AND h.unit_no = unit
                      AND h.state IN ('active', 'confirmed'))";
const ANY_UNIT: &str =
    "SELECT unit, place FROM UNNEST($5::int[]) WITH ORDINALITY AS asked (unit, place)";
const WAITING: &str = "SELECT ticket, seq, row_number() OVER (ORDER BY seq) AS place FROM joins
    WHERE sale_id = $1 AND ticket = ANY ($4) AND state = 'waiting'";
const WHOEVER: &str = "SELECT ticket, seq, row_number() OVER (ORDER BY seq) AS place FROM joins
    WHERE sale_id = $1 AND ticket = ANY ($4)";

impl Tx {
    /// Pairs a batch wrongly, if that is the mistake to be made; says how many holds were made.
    pub(crate) async fn pair_wrongly(
        &mut self,
        sale: SaleId,
        epoch: i32,
        n: i64,
        tickets: &[Uuid],
        units: &[i32],
    ) -> Result<Option<u64>, LedgerError> {
        let (units_are, tickets_are) = if made(Mistake::PairInLua) {
            (FREE_AS_POPPED, WAITING)
        } else if made(Mistake::NoUnitCheck) {
            (ANY_UNIT, WAITING)
        } else if made(Mistake::AdmitTwice) {
            (FREE, WHOEVER)
        } else {
            return Ok(None);
        };
        let statement = format!(
            "WITH unit AS ({units_are}), front AS ({tickets_are}), admitted AS (
                UPDATE joins SET state = 'admitted', ended_at = clock_timestamp()
                WHERE sale_id = $1 AND state = 'waiting'
                  AND ticket IN (SELECT ticket FROM front JOIN unit USING (place)))
             INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
             SELECT gen_random_uuid(), $1, unit, ticket, seq, $2, $3, clock_timestamp(),
                    clock_timestamp() + make_interval(secs =>
                        (SELECT checkout_window_seconds FROM sales WHERE id = $1))
             FROM front JOIN unit USING (place)"
        );
        let done = sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(sale.0)
            .bind(epoch)
            .bind(n)
            .bind(tickets)
            .bind(units)
            .execute(&mut *self.0)
            .await?;
        Ok(Some(done.rows_affected()))
    }

    /// Wakes an ended hold, if that is the mistake to be made.
    pub(crate) async fn forget_the_state(&mut self, id: HoldId) -> Result<(), LedgerError> {
        if made(Mistake::NoStateTest) {
            sqlx::query("UPDATE holds SET state = 'active', ended_at = NULL WHERE id = $1")
                .bind(id.0)
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }

    /// The units of holds whose time is up.
    pub async fn due_units(&mut self) -> Result<Vec<(SaleId, i32)>, LedgerError> {
        let rows: Vec<(Uuid, i32)> = sqlx::query_as(
            "SELECT sale_id, unit_no FROM holds WHERE state = 'active' AND expires_at <= clock_timestamp()",
        )
        .fetch_all(&mut *self.0)
        .await?;
        Ok(rows.into_iter().map(|(sale, unit)| (SaleId(sale), unit)).collect())
    }
}
