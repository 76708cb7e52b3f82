//! One shopper by whatever is known of them, and the whole story of one ticket.

use jiff::Timestamp;
use uuid::Uuid;

use crate::ledger::line::joins::Fate;
use crate::ledger::{Ledger, LedgerError, Payment};
use crate::model::{Hold, SaleId, Seq, Ticket};

/// Most tickets that one search finds: a payment reference may be on several orders.
const MOST_FOUND: i64 = 50;

/// All that the ledger knows of one ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Story {
    pub ticket: Ticket,
    pub seq: Seq,
    pub joined_at: Timestamp,
    pub fate: Fate,
    /// When it was admitted, left or was removed.
    pub ended_at: Option<Timestamp>,
    pub hold: Option<Hold>,
    /// Payment references of the hold besides its order's.
    pub payments: Vec<Payment>,
}

impl Ledger {
    /// Tickets of a sale that have this text as their id, their number, the id of their hold or order, or
    /// their payment reference.
    pub async fn find_tickets(&self, sale: SaleId, text: &str) -> Result<Vec<Ticket>, LedgerError> {
        let found = sqlx::query_scalar!(
            r#"SELECT ticket AS "ticket!" FROM joins WHERE sale_id = $1 AND ticket = $2
               UNION SELECT ticket FROM joins WHERE sale_id = $1 AND seq = $3
               UNION SELECT ticket FROM holds WHERE sale_id = $1 AND id = $2
               UNION SELECT ticket FROM orders WHERE sale_id = $1 AND id = $2
               UNION (SELECT ticket FROM orders
                      WHERE sale_id = $1 AND payment_reference = $4 LIMIT $5)
               UNION (SELECT h.ticket FROM payment_references p JOIN holds h ON h.id = p.hold_id
                      WHERE p.sale_id = $1 AND p.reference = $4 LIMIT $5)
               LIMIT $5"#,
            sale.0,
            Uuid::parse_str(text).ok(),
            text.parse::<i64>().ok(),
            text,
            MOST_FOUND,
        );
        Ok(found.fetch_all(&self.reads).await?.into_iter().map(Ticket).collect())
    }

    /// One ticket's story; nothing when the journal does not have it.
    pub async fn story(&self, sale: SaleId, ticket: Ticket) -> Result<Option<Story>, LedgerError> {
        let row = sqlx::query!(
            "SELECT seq, state, joined_at, ended_at FROM joins WHERE sale_id = $1 AND ticket = $2",
            sale.0,
            ticket.0
        );
        let Some(row) = row.fetch_optional(&self.reads).await? else { return Ok(None) };
        let fate = Fate::parse(&row.state)?;
        let hold = if fate == Fate::Admitted { self.hold_of(sale, ticket).await? } else { None };
        let payments = match &hold {
            Some(hold) => self.payments_of(hold.id).await?,
            None => Vec::new(),
        };
        Ok(Some(Story {
            ticket,
            seq: Seq(row.seq),
            joined_at: row.joined_at.to_jiff(),
            fate,
            ended_at: row.ended_at.map(jiff_sqlx::Timestamp::to_jiff),
            hold,
            payments,
        }))
    }
}
