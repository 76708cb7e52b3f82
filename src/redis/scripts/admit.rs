use std::time::Duration;

use serde::Deserialize;

use crate::model::{SaleId, Seq, Ticket};
use crate::redis::{Live, LiveError, keys, script, spaced, unknown};

/// One ticket in line, with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    pub ticket: Ticket,
    pub seq: Seq,
}

/// The batch in flight: popped, and not yet known to be recorded. Waiters are in order of their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    pub waiters: Vec<Waiter>,
    pub units: Vec<i32>,
}

/// Says that Postgres has recorded batch `n`, and what of it was not used. `n` is 0 for nothing to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ack {
    /// The epoch that the batch was of; the caller keeps it to itself.
    pub epoch: i32,
    pub n: i64,
    pub requeue: Vec<Ticket>,
    pub spare: Vec<i32>,
}

/// What `lua/admit.lua` decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// Batch `n` is in flight and wants to be recorded.
    Batch { n: i64, slot: Slot },
    /// Nobody waits, no token is left, or nothing was asked for.
    Empty,
    /// The next batch is due in so long.
    Pace(Duration),
    /// Redis knows batch `n`, the caller an earlier one.
    Ahead { n: i64 },
    /// Postgres knows a later batch than Redis, which lost data.
    Lost,
}

impl Live {
    /// Acknowledges the last batch and takes the next, of at most `max`. Safe to repeat: the batch in
    /// flight is returned until it is acknowledged.
    pub async fn admit(
        &self,
        sale: SaleId,
        epoch: i32,
        recorded_n: i64,
        max: i32,
        interval_ms: i32,
        ack: &Ack,
    ) -> Result<Admitted, LiveError> {
        let mut call = script!("admit").key(keys::ctl(sale));
        let call = call
            .key(keys::queue(sale))
            .key(keys::tokens(sale))
            .key(keys::guard(sale))
            .key(keys::feed(sale))
            .arg(epoch)
            .arg(recorded_n)
            .arg(max)
            .arg(interval_ms)
            .arg(ack.n)
            .arg(spaced(&ack.requeue))
            .arg(spaced(&ack.spare));
        let (outcome, n, slot, wait_ms): (String, i64, String, u64) = self.call(call).await?;
        match outcome.as_str() {
            "batch" => Ok(Admitted::Batch { n, slot: parse(&slot)? }),
            "empty" => Ok(Admitted::Empty),
            "pace" => Ok(Admitted::Pace(Duration::from_millis(wait_ms))),
            "ahead" => Ok(Admitted::Ahead { n }),
            "lost" => Ok(Admitted::Lost),
            _ => unknown("admit", outcome),
        }
    }
}

fn parse(slot: &str) -> Result<Slot, LiveError> {
    #[derive(Deserialize)]
    struct Raw {
        waiters: Vec<(String, String)>,
        units: Vec<String>,
    }
    let broken = || LiveError::Contract { script: "admit", outcome: slot.to_owned() };
    let raw: Raw = serde_json::from_str(slot).map_err(|_| broken())?;
    let waiter = |(ticket, seq): (String, String)| {
        Some(Waiter { ticket: ticket.parse().ok()?, seq: Seq(seq.parse().ok()?) })
    };
    let waiters: Option<Vec<Waiter>> = raw.waiters.into_iter().map(waiter).collect();
    let units: Result<Vec<i32>, _> = raw.units.into_iter().map(|unit| unit.parse()).collect();
    Ok(Slot { waiters: waiters.ok_or_else(broken)?, units: units.map_err(|_| broken())? })
}
