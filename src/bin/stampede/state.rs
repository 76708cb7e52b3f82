//! What shoppers read of what a gateway says: no more than they need, and nothing copied that they do not.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Scheduled,
    Waiting,
    Admitted,
    Confirmed,
    Expired,
    Released,
    SoldOut,
    Closed,
    Left,
    Removed,
}

/// The ticket state.
#[derive(Debug, Deserialize)]
pub struct State {
    pub state: Stage,
    pub version: u64,
    pub number: Option<u64>,
    pub position: Option<u64>,
    pub server_time: Timestamp,
    pub next_poll_seconds: Option<u32>,
    /// How long to wait before coming back to a gateway that was lost without a word.
    pub reconnect_after_ms: Option<u32>,
    pub hold: Option<Hold>,
}

#[derive(Debug, Deserialize)]
pub struct Hold {
    pub id: String,
    pub number: Option<u64>,
    pub unit: u64,
    pub admitted_at: Timestamp,
    pub order: Option<Order>,
}

#[derive(Debug, Deserialize)]
pub struct Order {
    pub id: String,
    pub unit: u64,
}

/// The answer to a join.
#[derive(Debug, Deserialize)]
pub struct Joined<'a> {
    #[serde(borrow)]
    pub ticket: Cow<'a, str>,
    #[serde(borrow)]
    pub credential: Cow<'a, str>,
    #[serde(borrow)]
    pub live_url: Cow<'a, str>,
}

/// The public facts of a sale.
#[derive(Debug, Deserialize)]
pub struct Facts {
    pub status: String,
    pub waiting: u64,
}

pub fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}
