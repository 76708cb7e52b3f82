//! The journal of the line, and what became of each ticket in it.

use uuid::Uuid;

use crate::faults::{Mistake, made};
use crate::ledger::{Ledger, LedgerError, Shared, Tx};
use crate::model::{Hold, SaleId, SaleState, Seq, Ticket};

/// What became of a ticket, as far as the journal tells. An admitted one has a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Waiting,
    Admitted,
    Left,
    Removed,
}

impl Fate {
    fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Admitted => "admitted",
            Self::Left => "left",
            Self::Removed => "removed",
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, LedgerError> {
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
    /// Rows that are new.
    pub written: u64,
    /// Tickets whose journal row says something else than "waits at this number".
    pub known: Vec<(Ticket, Seq, Fate)>,
    /// Tickets whose number is in the journal as another ticket's. They are not in the journal, and they prove
    /// that Redis handed out a number twice: it lost data.
    pub doubled: Vec<Ticket>,
    /// Tickets that a constraint kept out of the journal although no other ticket has their number. This says
    /// nothing of Redis: each is refused, and nothing else follows.
    pub refused: Vec<Ticket>,
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

impl Shared {
    /// Writes joins into the journal, unless the sale is over. Two who write the same joins at once both
    /// succeed unless they are `New`: in the order of the numbers, neither waits for the other in a circle.
    pub async fn journal(
        &mut self,
        joins: &[(Ticket, Seq)],
        writing: Writing,
    ) -> Result<Journaled, LedgerError> {
        let sale = self.sale;
        let even_if_over = writing == Writing::Answered;
        let now = sqlx::query!(
            r#"SELECT epoch, state, sold_out_at IS NOT NULL AS "sold_out!" FROM sales WHERE id = $1"#,
            sale.0
        )
        .fetch_one(&mut *self.tx.0)
        .await?;
        let state = SaleState::parse(&now.state).ok_or(LedgerError::Impossible("sales.state"))?;
        let mut journaled = Journaled {
            epoch: now.epoch,
            state,
            sold_out: now.sold_out,
            written: 0,
            known: Vec::new(),
            doubled: Vec::new(),
            refused: Vec::new(),
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
            .execute(&mut *self.tx.0)
            .await?;
            journaled.written = joins.len() as u64;
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
        .execute(&mut *self.tx.0)
        .await?;
        journaled.written = written.rows_affected();
        if journaled.written < joins.len() as u64 {
            self.sort_out(&tickets, &seqs, &mut journaled).await?;
        }
        if even_if_over && !journaled.doubled.is_empty() {
            self.doubt(joins, &journaled.doubled).await?;
        }
        Ok(journaled)
    }

    /// Remembers that these tickets were answered with numbers which are others' as well: from now on nobody's
    /// place is told by such a number alone.
    async fn doubt(
        &mut self,
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
            self.sale.0,
            &epochs,
            &seqs,
        )
        .execute(&mut *self.tx.0)
        .await?;
        Ok(())
    }

    /// Finds what was there before: rows of these tickets that say something else, and tickets without a row.
    /// A ticket without a row is doubled only if the row with its number is read.
    async fn sort_out(
        &mut self,
        tickets: &[Uuid],
        seqs: &[i64],
        journaled: &mut Journaled,
    ) -> Result<(), LedgerError> {
        let rows = sqlx::query!(
            r#"SELECT a.ticket AS "asked!", j.seq AS "seq?", j.state AS "state?",
                      (SELECT true FROM joins WHERE sale_id = $1 AND seq = a.seq LIMIT 1) AS is_taken
               FROM UNNEST($2::uuid[], $3::bigint[]) AS a (ticket, seq)
               LEFT JOIN LATERAL (SELECT seq, state FROM joins
                                  WHERE sale_id = $1 AND ticket = a.ticket OFFSET 0) j ON true
               WHERE j.seq IS DISTINCT FROM a.seq OR j.state <> 'waiting'"#,
            self.sale.0,
            tickets,
            seqs,
        )
        .fetch_all(&mut *self.tx.0)
        .await?;
        for row in rows {
            let ticket = Ticket(row.asked);
            match row.seq.zip(row.state) {
                Some((seq, state)) => {
                    journaled.known.push((ticket, Seq(seq), Fate::parse(&state)?));
                }
                None if row.is_taken == Some(true) => journaled.doubled.push(ticket),
                None => journaled.refused.push(ticket),
            }
        }
        Ok(())
    }

    /// Ends a waiting ticket, and writes it into the journal first if it never got there: at its number, or
    /// without one when that is another ticket's. From the commit on the journal has a row of this ticket, so
    /// that nothing can give it a place again. Returns what became of the ticket, for admission may have been
    /// faster, and whether this changed it.
    pub async fn end_ticket(
        &mut self,
        ticket: Ticket,
        seq: Seq,
        removed: bool,
    ) -> Result<(Fate, bool), LedgerError> {
        let journaled = self.journal(&[(ticket, seq)], Writing::Answered).await?;
        let fate = if removed { Fate::Removed } else { Fate::Left };
        if journaled.doubled.contains(&ticket) && made(Mistake::LeaveWithoutRow) {
            return Ok((fate, true));
        }
        if (journaled.doubled.contains(&ticket) || journaled.refused.contains(&ticket))
            && self.write_numberless(ticket, fate).await?
        {
            return Ok((fate, true));
        }
        let changed = sqlx::query!(
            "UPDATE joins SET state = $3, ended_at = clock_timestamp()
             WHERE sale_id = $1 AND ticket = $2 AND state = 'waiting'",
            self.sale.0,
            ticket.0,
            fate.as_str(),
        )
        .execute(&mut *self.tx.0)
        .await?;
        if changed.rows_affected() == 1 {
            return Ok((fate, true));
        }
        let state = sqlx::query_scalar!(
            "SELECT state FROM joins WHERE sale_id = $1 AND ticket = $2",
            self.sale.0,
            ticket.0
        )
        .fetch_one(&mut *self.tx.0)
        .await?;
        Ok((Fate::parse(&state)?, false))
    }

    /// Tells a ticket that has no place for good that the sale is sold out, if it is: its number is another
    /// ticket's, or no other could be given to it. False when the sale has not been sold out, or when
    /// the ticket has a row.
    pub async fn end_sold_out(&mut self, ticket: Ticket) -> Result<bool, LedgerError> {
        let is_sold_out = sqlx::query_scalar!(
            r#"SELECT sold_out_at IS NOT NULL AS "sold_out!" FROM sales WHERE id = $1"#,
            self.sale.0
        )
        .fetch_one(&mut *self.tx.0)
        .await?;
        Ok(is_sold_out && self.write_numberless(ticket, Fate::Waiting).await?)
    }

    /// Writes a ticket down without a number: with one that nobody is given, below the first. No rebuild
    /// loads it and no batch pairs it; `joins_numberless_not_admitted` keeps it so. One that `Waiting` was
    /// written for was told that the sale is sold out, as everyone up to `sold_out_seq`. False when the ticket
    /// has a row.
    async fn write_numberless(&mut self, ticket: Ticket, fate: Fate) -> Result<bool, LedgerError> {
        let written = sqlx::query!(
            "INSERT INTO joins (sale_id, ticket, seq, state, ended_at)
             VALUES ($1, $2, -floor(random() * 2^52)::bigint, $3,
                     CASE WHEN $3 <> 'waiting' THEN clock_timestamp() END)
             ON CONFLICT (sale_id, ticket) DO NOTHING",
            self.sale.0,
            ticket.0,
            fate.as_str(),
        )
        .execute(&mut *self.tx.0)
        .await?;
        Ok(written.rows_affected() == 1)
    }
}

impl Tx {
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
