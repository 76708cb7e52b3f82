//! Places that go to another device: the newest link of each, and which credential is still good.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::{Ledger, LedgerError, Tx};
use crate::model::{Claim, SaleId, Seq, Ticket};

/// A ticket of which only credentials of this generation or a later one are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub sale: SaleId,
    pub ticket: Ticket,
    pub generation: u32,
}

/// How far back the list of moves reaches behind the last reading: longer than any commit takes.
const OVERLAP_SECONDS: f64 = 6.0;

fn generation(of: i32) -> Result<u32, LedgerError> {
    u32::try_from(of).map_err(|_| LedgerError::Impossible("moves.generation"))
}

impl Ledger {
    /// Writes a ticket's newest link and says until when it works; an earlier one stops working. The same
    /// link again is not made to last longer. Nothing when the journal lacks the ticket, or has it on
    /// another device.
    pub async fn link(
        &self,
        claim: Claim,
        link: &[u8],
        seconds: f64,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let row = sqlx::query_scalar!(
            "INSERT INTO moves (sale_id, ticket, link, link_until)
             SELECT sale_id, ticket, $3, clock_timestamp() + make_interval(secs => $4)
             FROM joins WHERE sale_id = $1 AND ticket = $2
             ON CONFLICT (sale_id, ticket) DO UPDATE
             SET link = excluded.link,
                 link_until = CASE WHEN moves.link = excluded.link THEN moves.link_until
                                   ELSE excluded.link_until END,
                 taken_by = CASE WHEN moves.link = excluded.link THEN moves.taken_by END
             WHERE moves.generation <= $5
             RETURNING link_until",
            claim.sale.0,
            claim.ticket.0,
            link,
            seconds,
            i32::try_from(claim.generation).unwrap_or(i32::MAX),
        )
        .fetch_optional(&self.orders)
        .await?;
        Ok(row.map(jiff_sqlx::Timestamp::to_jiff))
    }

    /// Whose place a link leads to, while it works or for who has used it.
    pub async fn linked(&self, link: &[u8], by: &[u8]) -> Result<Option<Claim>, LedgerError> {
        let row = sqlx::query!(
            "SELECT m.sale_id, m.ticket, m.generation, j.seq
             FROM moves m JOIN joins j ON j.sale_id = m.sale_id AND j.ticket = m.ticket
             WHERE m.link = $1 AND m.link_until > clock_timestamp()
               AND (m.taken_by IS NULL OR m.taken_by = $2)",
            link,
            by,
        )
        .fetch_optional(&self.reads)
        .await?;
        row.map(|row| claim(row.sale_id, row.ticket, row.seq, row.generation)).transpose()
    }

    /// Uses a link: from the commit on only the returned claim is good. The same user may ask again and gets
    /// the same; nothing when the link is over.
    pub async fn take(&self, link: &[u8], by: &[u8]) -> Result<Option<Claim>, LedgerError> {
        let row = sqlx::query!(
            "UPDATE moves m
             SET generation = m.generation + 1, taken_by = $2, moved_at = clock_timestamp()
             FROM joins j
             WHERE j.sale_id = m.sale_id AND j.ticket = m.ticket AND m.link = $1
               AND m.link_until > clock_timestamp() AND m.taken_by IS NULL
             RETURNING m.sale_id, m.ticket, m.generation, j.seq",
            link,
            by,
        )
        .fetch_optional(&self.orders)
        .await?;
        match row {
            Some(row) => claim(row.sale_id, row.ticket, row.seq, row.generation).map(Some),
            None => self.linked(link, by).await,
        }
    }

    /// Moves of running sales since then, or all of them.
    pub async fn moves(&self, since: Option<Timestamp>) -> Result<Vec<Moved>, LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT m.sale_id, m.ticket, m.generation
               FROM moves m JOIN sales s ON s.id = m.sale_id
               WHERE s.state <> 'closed'
                 AND m.moved_at > coalesce($1::timestamptz - make_interval(secs => $2), '-infinity')"#,
            since.map(jiff_sqlx::Timestamp::from) as Option<jiff_sqlx::Timestamp>,
            OVERLAP_SECONDS,
        )
        .fetch_all(&self.watch)
        .await?;
        let moved = |sale: Uuid, ticket: Uuid, of: i32| {
            Ok(Moved { sale: SaleId(sale), ticket: Ticket(ticket), generation: generation(of)? })
        };
        rows.into_iter().map(|row| moved(row.sale_id, row.ticket, row.generation)).collect()
    }
}

fn claim(sale: Uuid, ticket: Uuid, seq: i64, of: i32) -> Result<Claim, LedgerError> {
    let generation = generation(of)?;
    Ok(Claim { sale: SaleId(sale), ticket: Ticket(ticket), seq: Seq(seq), generation })
}

impl Tx {
    /// The generation of a ticket's good credentials.
    pub async fn generation(&mut self, sale: SaleId, ticket: Ticket) -> Result<u32, LedgerError> {
        let row = sqlx::query_scalar!(
            "SELECT generation FROM moves WHERE sale_id = $1 AND ticket = $2",
            sale.0,
            ticket.0
        )
        .fetch_optional(&mut *self.0)
        .await?;
        generation(row.unwrap_or(0))
    }
}
