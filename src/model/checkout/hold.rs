//! A hold: a unit kept for one ticket until it is confirmed, given back or runs out of time.
//!
//! ```text
//!          confirm  ──▶ confirmed
//! active ─ release  ──▶ released      the last three are final
//!          sweep    ──▶ expired
//! ```
//!
//! The arrows are kept by `migrations/0003_holds.sql`; Postgres decides them, by its own clock. A
//! confirm tests the state and never the time: until the sweeper has ended it, the unit is still theirs.

use jiff::Timestamp;

use crate::model::ids::{HoldId, OrderId, SaleId, Seq, Ticket};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    Active,
    Confirmed,
    Released,
    Expired,
}

impl HoldState {
    pub const ALL: [Self; 4] = [Self::Active, Self::Confirmed, Self::Released, Self::Expired];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Confirmed => "confirmed",
            Self::Released => "released",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub id: HoldId,
    pub sale: SaleId,
    pub ticket: Ticket,
    pub seq: Seq,
    pub unit: i32,
    pub state: HoldState,
    pub admitted_at: Timestamp,
    pub expires_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub order: Option<Order>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub hold: HoldId,
    pub sale: SaleId,
    pub unit: i32,
    pub ticket: Ticket,
    pub payment_reference: Option<String>,
    pub confirmed_at: Timestamp,
}
