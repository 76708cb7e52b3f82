//! Owns what the waiting room shows of one ticket: the ticket state of the API, read back, and the
//! words made from it.
//! `templates/room.js` makes the same words in the browser, from the same messages; the two change
//! together.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::web::i18n::{NO_CHANCE_BELOW, Words};
use crate::web::pages::views::Stock;

/// Where a ticket is, as the API names it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
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
    /// On another device; this one is told so by the page alone.
    Moved,
}

impl TicketState {
    /// Whether the state can still change without the shopper joining again.
    pub fn is_moving(self) -> bool {
        match self {
            Self::Scheduled | Self::Waiting | Self::Admitted => true,
            Self::Confirmed
            | Self::Expired
            | Self::Released
            | Self::SoldOut
            | Self::Closed
            | Self::Left
            | Self::Removed
            | Self::Moved => false,
        }
    }
}

/// A range of seconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Seconds {
    pub low: u64,
    pub high: u64,
}

/// The part of an order that the waiting room shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Order {
    pub id: String,
}

/// The part of a hold that the waiting room shows.
#[derive(Clone, Debug, Deserialize)]
pub struct Hold {
    pub unit: u64,
    pub expires_at: Timestamp,
    pub seconds_left: u64,
    pub order: Option<Order>,
}

/// One ticket state. Made from the API's JSON, so that page, poll and socket cannot differ.
#[derive(Clone, Debug, Deserialize)]
pub struct Ticket {
    pub state: TicketState,
    #[serde(default)]
    pub position: Option<u64>,
    #[serde(default)]
    pub waiting: Option<u64>,
    #[serde(default)]
    pub stock: Option<Stock>,
    #[serde(default)]
    pub next_return_at: Option<Timestamp>,
    #[serde(default)]
    pub eta_seconds: Option<Seconds>,
    #[serde(default)]
    pub wait_reason: Option<String>,
    #[serde(default)]
    pub chance: Option<f64>,
    #[serde(default)]
    pub paused: bool,
    #[serde(default)]
    pub notice: Option<String>,
    #[serde(default)]
    pub starts_at: Option<Timestamp>,
    pub server_time: Timestamp,
    #[serde(default)]
    pub hold: Option<Hold>,
    #[serde(default)]
    pub checkout_url: Option<String>,
    #[serde(default)]
    pub rejoin: bool,
    /// The state as it came, for the script of the page.
    #[serde(skip)]
    pub json: String,
}

impl TryFrom<&Value> for Ticket {
    type Error = serde_json::Error;

    fn try_from(state: &Value) -> Result<Self, Self::Error> {
        Ok(Self { json: state.to_string(), ..Self::deserialize(state)? })
    }
}

impl Ticket {
    pub(crate) fn title(&self, w: &Words) -> Option<String> {
        match self.state {
            TicketState::Waiting => self.position.map(|position| w.count(position)),
            TicketState::Admitted => {
                Some(format!("{} – {}", w.span(self.seconds_left()), w.t("turn-title")))
            }
            TicketState::Scheduled
            | TicketState::Confirmed
            | TicketState::Expired
            | TicketState::Released
            | TicketState::SoldOut
            | TicketState::Closed
            | TicketState::Left
            | TicketState::Removed
            | TicketState::Moved => None,
        }
    }

    pub(crate) fn in_front(&self) -> Option<u64> {
        self.position.map(|position| position.saturating_sub(1))
    }

    pub(crate) fn behind(&self) -> Option<u64> {
        Some(self.waiting?.saturating_sub(self.position?))
    }

    pub(crate) fn all_held(&self) -> bool {
        self.stock.is_some_and(Stock::all_held)
    }

    pub(crate) fn has_nothing_on_offer(&self) -> bool {
        self.stock.is_some_and(Stock::is_nothing)
    }

    /// The pace so far says nothing about the wait while nobody can be let in.
    pub(crate) fn has_eta(&self) -> bool {
        self.eta_seconds.is_some() && !self.paused && !self.all_held()
    }

    /// The wait in words.
    pub(crate) fn eta(&self, w: &Words) -> String {
        self.eta_seconds.map(|range| w.wait(range.low, range.high)).unwrap_or_default()
    }

    /// Whether this is why the wait may have become longer; told where a wait is.
    pub(crate) fn is_late_by(&self, reason: &str) -> bool {
        self.has_eta() && self.wait_reason.as_deref() == Some(reason)
    }

    /// The chance in words and a number.
    pub(crate) fn chance_words(&self, w: &Words) -> String {
        self.chance.map(|chance| w.chance(chance)).unwrap_or_default()
    }

    pub(crate) fn is_hopeless(&self) -> bool {
        self.chance.is_some_and(|chance| chance < NO_CHANCE_BELOW)
    }

    /// What the countdown of this state starts from, by the server's clock.
    pub(crate) fn seconds_left(&self) -> u64 {
        match (self.state, &self.hold, self.starts_at) {
            (TicketState::Admitted, Some(hold), _) => hold.seconds_left,
            (TicketState::Scheduled, _, Some(start)) => {
                u64::try_from(start.duration_since(self.server_time).as_secs()).unwrap_or(0)
            }
            (_, _, _) => 0,
        }
    }

    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.hold.as_ref().map(|hold| hold.expires_at)
    }

    pub(crate) fn unit(&self) -> Option<u64> {
        self.hold.as_ref().map(|hold| hold.unit)
    }

    pub(crate) fn order(&self) -> &str {
        self.hold.as_ref().and_then(|hold| hold.order.as_ref()).map_or("", |order| &order.id)
    }

    /// Where to check out: a path of ours or a web address, nothing that could run.
    pub(crate) fn checkout(&self) -> Option<&str> {
        self.checkout_url.as_deref().filter(|url| {
            let own = url.starts_with('/') && !url.starts_with("//");
            own || url.starts_with("https://") || url.starts_with("http://")
        })
    }

    pub(crate) fn may_leave(&self) -> bool {
        matches!(self.state, TicketState::Scheduled | TicketState::Waiting)
    }

    /// Whether the place can be taken to another device.
    pub(crate) fn may_move(&self) -> bool {
        self.state.is_moving()
    }

    pub(crate) fn may_rejoin(&self) -> bool {
        match self.state {
            TicketState::Expired
            | TicketState::Released
            | TicketState::Left
            | TicketState::Moved => self.rejoin,
            TicketState::Scheduled
            | TicketState::Waiting
            | TicketState::Admitted
            | TicketState::Confirmed
            | TicketState::SoldOut
            | TicketState::Closed
            | TicketState::Removed => false,
        }
    }
}
