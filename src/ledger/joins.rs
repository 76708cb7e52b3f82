//! The journal of the line, and what became of each ticket in it.

use uuid::Uuid;

use super::{Ledger, LedgerError, Tx};
use crate::sale::{Hold, SaleId, SaleState, Seq, Ticket};

/// What became of a ticket, as far as the journal tells. An admitted one has a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Waiting,
    Admitted,
    Left,
    Removed,
}

impl Fate {
    pub(super) fn parse(text: &str) -> Result<Self, LedgerError> {
        match text {
            "waiting" => Ok(Self::Waiting),
            "admitted" => Ok(Self::Admitted),
            "left" => Ok(Self::Left),
            "removed" => Ok(Self::Removed),
            _ => Err(LedgerError::Impossible("joins.state")),
        }
    }
}

/// All that Postgres knows of one ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketFacts {
    pub seq: Seq,
    pub fate: Fate,
    pub hold: Option<Hold>,
    /// Credentials of an earlier one are over: the place went to another device.
    pub generation: u32,
}

/// What the journal made of a group of joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journaled {
    /// The sale's epoch now; where it is not the joins' own, Redis was rebuilt meanwhile.
    pub epoch: i32,
    /// Whether the sale takes joins; where it does not, nothing was written.
    pub state: SaleState,
    pub sold_out: bool,
    /// Tickets whose journal row says something else than "waits at this number".
    pub known: Vec<(Ticket, Seq, Fate)>,
    /// Tickets whose number is another ticket's. They are not in the journal, and they prove that Redis
    /// handed out a number twice: it lost data.
    pub doubled: Vec<Ticket>,
    /// A new ticket has a number of an epoch that is over: a rebuild may not have read it. Nothing was written.
    pub crossed: bool,
}

/// How joins come to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// For the first time, as far as anybody knows. A row that is there all the same fails the transaction
    /// with its constraint. Twice as cheap as looking.
    New,
    /// Perhaps again.
    Again,
    /// Perhaps again, and they were answered: even if the sale is over by now.
    Answered,
}

impl Tx {
    /// Writes joins into the journal, unless the sale is over. The caller shares the sale. Two who write the
    /// same joins at once both succeed unless they are `New`: in the order of the numbers, neither waits for
    /// the other in a circle.
    pub async fn journal(
        &mut self,
        sale: SaleId,
        joins: &[(Ticket, Seq)],
        writing: Writing,
    ) -> Result<Journaled, LedgerError> {
        let even_if_over = writing == Writing::Answered;
        let now = sqlx::query!(
            r#"SELECT epoch, state, sold_out_at IS NOT NULL AS "sold_out!" FROM sales WHERE id = $1"#,
            sale.0
        )
        .fetch_one(&mut *self.0)
        .await?;
        let state = SaleState::parse(&now.state).ok_or(LedgerError::Impossible("sales.state"))?;
        let mut journaled = Journaled {
            epoch: now.epoch,
            state,
            sold_out: now.sold_out,
            known: Vec::new(),
            doubled: Vec::new(),
            crossed: false,
        };
        if (state == SaleState::Closed || now.sold_out) && !even_if_over {
            return Ok(journaled);
        }
        for (ticket, _) in joins.iter().filter(|(_, seq)| seq.epoch() < now.epoch) {
            // Whoever was in line before the rebuild keeps the number.
            if !even_if_over && self.seq_of(sale, *ticket).await?.is_none() {
                journaled.crossed = true;
                return Ok(journaled);
            }
        }
        let (tickets, seqs): (Vec<Uuid>, Vec<i64>) =
            joins.iter().map(|(ticket, seq)| (ticket.0, seq.0)).unzip();
        if writing == Writing::New {
            sqlx::query!(
                "INSERT INTO joins (sale_id, ticket, seq)
                 SELECT $1, ticket, seq FROM UNNEST($2::uuid[], $3::bigint[]) AS j (ticket, seq)
                 ORDER BY seq",
                sale.0,
                &tickets,
                &seqs,
            )
            .execute(&mut *self.0)
            .await?;
            return Ok(journaled);
        }
        let written = sqlx::query!(
            "INSERT INTO joins (sale_id, ticket, seq)
             SELECT $1, ticket, seq FROM UNNEST($2::uuid[], $3::bigint[]) AS j (ticket, seq)
             ORDER BY seq
             ON CONFLICT DO NOTHING",
            sale.0,
            &tickets,
            &seqs,
        )
        .execute(&mut *self.0)
        .await?;
        if written.rows_affected() < joins.len() as u64 {
            self.sort_out(sale, &tickets, &seqs, &mut journaled).await?;
        }
        if even_if_over && !journaled.doubled.is_empty() {
            self.doubt(sale, joins, &journaled.doubled).await?;
        }
        Ok(journaled)
    }

    /// Remembers that these tickets were answered with numbers which are others' as well: from now on nobody's
    /// place is told by such a number alone.
    async fn doubt(
        &mut self,
        sale: SaleId,
        joins: &[(Ticket, Seq)],
        doubled: &[Ticket],
    ) -> Result<(), LedgerError> {
        let numbers = joins.iter().filter(|(ticket, _)| doubled.contains(ticket));
        let (epochs, seqs): (Vec<i32>, Vec<i64>) =
            numbers.map(|(_, seq)| (seq.epoch(), seq.0)).unzip();
        sqlx::query!(
            "INSERT INTO doubtful_numbers AS d (sale_id, epoch, first, last)
             SELECT $1, epoch, min(seq), max(seq)
             FROM UNNEST($2::int[], $3::bigint[]) AS n (epoch, seq) GROUP BY epoch ORDER BY epoch
             ON CONFLICT (sale_id, epoch) DO UPDATE
             SET first = LEAST(d.first, excluded.first), last = GREATEST(d.last, excluded.last)",
            sale.0,
            &epochs,
            &seqs,
        )
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Finds what was there before: rows of these tickets that say something else, and tickets without a row.
    async fn sort_out(
        &mut self,
        sale: SaleId,
        tickets: &[Uuid],
        seqs: &[i64],
        journaled: &mut Journaled,
    ) -> Result<(), LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT a.ticket AS "asked!", a.seq AS "asked_seq!", j.seq AS "seq?", j.state AS "state?"
               FROM UNNEST($2::uuid[], $3::bigint[]) AS a (ticket, seq)
               LEFT JOIN LATERAL (SELECT seq, state FROM joins
                                  WHERE sale_id = $1 AND ticket = a.ticket OFFSET 0) j ON true
               WHERE j.seq IS DISTINCT FROM a.seq OR j.state <> 'waiting'"#,
            sale.0,
            tickets,
            seqs,
        )
        .fetch_all(&mut *self.0)
        .await?;
        for row in rows {
            match row.seq.zip(row.state) {
                Some((seq, state)) => {
                    journaled.known.push((Ticket(row.asked), Seq(seq), Fate::parse(&state)?));
                }
                None => journaled.doubled.push(Ticket(row.asked)),
            }
        }
        Ok(())
    }

    /// Ends a waiting ticket, and writes it into the journal first if it never got there. Returns what
    /// became of it, for admission may have been faster, and whether this changed it; nothing when the
    /// number is another ticket's, and this one has none.
    pub async fn end_ticket(
        &mut self,
        sale: SaleId,
        ticket: Ticket,
        seq: Seq,
        removed: bool,
    ) -> Result<Option<(Fate, bool)>, LedgerError> {
        let journaled = self.journal(sale, &[(ticket, seq)], Writing::Answered).await?;
        if !journaled.doubled.is_empty() {
            return Ok(None);
        }
        let state = if removed { "removed" } else { "left" };
        let changed = sqlx::query!(
            "UPDATE joins SET state = $3, ended_at = clock_timestamp()
             WHERE sale_id = $1 AND ticket = $2 AND state = 'waiting'",
            sale.0,
            ticket.0,
            state,
        )
        .execute(&mut *self.0)
        .await?;
        if changed.rows_affected() == 1 {
            return Ok(Some((Fate::parse(state)?, true)));
        }
        let state = sqlx::query_scalar!(
            "SELECT state FROM joins WHERE sale_id = $1 AND ticket = $2",
            sale.0,
            ticket.0
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok(Some((Fate::parse(&state)?, false)))
    }

    /// Whether the journal has this ticket, and at which number.
    pub async fn seq_of(
        &mut self,
        sale: SaleId,
        ticket: Ticket,
    ) -> Result<Option<Seq>, LedgerError> {
        let seq = sqlx::query_scalar!(
            "SELECT seq FROM joins WHERE sale_id = $1 AND ticket = $2",
            sale.0,
            ticket.0
        )
        .fetch_optional(&mut *self.0)
        .await?;
        Ok(seq.map(Seq))
    }
}

impl Ledger {
    /// What became of one ticket; nothing when it never reached Postgres.
    pub async fn ticket(
        &self,
        sale: SaleId,
        ticket: Ticket,
    ) -> Result<Option<TicketFacts>, LedgerError> {
        let row = sqlx::query!(
            r#"SELECT j.seq, j.state, m.generation AS "generation?"
               FROM joins j LEFT JOIN moves m ON m.sale_id = j.sale_id AND m.ticket = j.ticket
               WHERE j.sale_id = $1 AND j.ticket = $2"#,
            sale.0,
            ticket.0
        )
        .fetch_optional(&self.reads)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let fate = Fate::parse(&row.state)?;
        let hold = if fate == Fate::Admitted { self.hold_of(sale, ticket).await? } else { None };
        let generation = row.generation.unwrap_or(0).unsigned_abs();
        Ok(Some(TicketFacts { seq: Seq(row.seq), fate, hold, generation }))
    }
}
