//! Owns what the waiting room shows of one ticket: the ticket state of the API, read back, and the
//! words made from it.
//! `templates/room.js` makes the same words in the browser; the two change together.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::Stock;
use super::format::{count, span_text};

/// From here on a wait is told in hours: nobody reads "150–190 minutes".
const HOURS_FROM_SECONDS: u64 = 5400;

/// From which chance on each of the words is said; below the last one there is no realistic chance.
const CHANCES: [f64; 6] = [1.0, 0.9, 0.65, 0.4, 0.1, 0.01];
/// The words, for the script too.
const CHANCE_WORDS: &str =
    "certain|very likely|likely|about even|unlikely|very unlikely|no realistic chance";

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
    pub(super) fn title(&self) -> Option<String> {
        match self.state {
            TicketState::Waiting => self.position.map(count),
            TicketState::Admitted => {
                Some(format!("{} – Your turn", span_text(self.seconds_left())))
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

    pub(super) fn in_front(&self) -> Option<u64> {
        self.position.map(|position| position.saturating_sub(1))
    }

    pub(super) fn behind(&self) -> Option<u64> {
        Some(self.waiting?.saturating_sub(self.position?))
    }

    pub(super) fn all_held(&self) -> bool {
        self.stock.is_some_and(Stock::all_held)
    }

    /// The pace so far says nothing about the wait while nobody can be let in.
    pub(super) fn has_eta(&self) -> bool {
        self.eta_seconds.is_some() && !self.paused && !self.all_held()
    }

    /// The wait in words, rounded outwards: a promise that holds.
    pub(super) fn eta(&self) -> String {
        let Some(Seconds { low, high }) = self.eta_seconds else { return String::new() };
        let (unit, size) = if high < HOURS_FROM_SECONDS { ("minute", 60) } else { ("hour", 3600) };
        let (low, high) = ((low / size).max(1), high.div_ceil(size));
        match (unit, low, high) {
            ("minute", _, 0 | 1) => "less than a minute".to_owned(),
            (_, low, high) if low < high => format!("{low}–{high} {unit}s"),
            (_, _, 1) => format!("1 {unit}"),
            (_, _, high) => format!("{high} {unit}s"),
        }
    }

    /// Whether this is why the wait may have become longer; told where a wait is.
    pub(super) fn is_late_by(&self, reason: &str) -> bool {
        self.has_eta() && self.wait_reason.as_deref() == Some(reason)
    }

    /// The chance in words and a number. Only what is sure is called so: what is rounded to it is not.
    pub(super) fn chance_words(&self) -> String {
        let Some(chance) = self.chance else { return String::new() };
        let at = CHANCES.iter().position(|least| chance >= *least).unwrap_or(CHANCES.len());
        let number = match chance {
            1.0.. => "100%".to_owned(),
            0.99.. => "over 99%".to_owned(),
            0.01.. => format!("{:.0}%", chance * 100.0),
            _ => "under 1%".to_owned(),
        };
        let word = CHANCE_WORDS.split('|').nth(at).unwrap_or_default();
        format!("{word} – {number}")
    }

    /// The words of a chance, for the script of the page.
    pub(super) fn chance_choices(&self) -> &'static str {
        CHANCE_WORDS
    }

    pub(super) fn is_hopeless(&self) -> bool {
        self.chance.is_some_and(|chance| chance < CHANCES[5])
    }

    /// What the countdown of this state starts from, by the server's clock.
    pub(super) fn seconds_left(&self) -> u64 {
        match (self.state, &self.hold, self.starts_at) {
            (TicketState::Admitted, Some(hold), _) => hold.seconds_left,
            (TicketState::Scheduled, _, Some(start)) => {
                u64::try_from(start.duration_since(self.server_time).as_secs()).unwrap_or(0)
            }
            (_, _, _) => 0,
        }
    }

    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        self.hold.as_ref().map(|hold| hold.expires_at)
    }

    pub(super) fn unit(&self) -> String {
        self.hold.as_ref().map(|hold| count(hold.unit)).unwrap_or_default()
    }

    pub(super) fn order(&self) -> &str {
        self.hold.as_ref().and_then(|hold| hold.order.as_ref()).map_or("", |order| &order.id)
    }

    /// Where to check out: a path of ours or a web address, nothing that could run.
    pub(super) fn checkout(&self) -> Option<&str> {
        self.checkout_url.as_deref().filter(|url| {
            let own = url.starts_with('/') && !url.starts_with("//");
            own || url.starts_with("https://") || url.starts_with("http://")
        })
    }

    pub(super) fn may_leave(&self) -> bool {
        matches!(self.state, TicketState::Scheduled | TicketState::Waiting)
    }

    /// Whether the place can be taken to another device.
    pub(super) fn may_move(&self) -> bool {
        self.state.is_moving()
    }

    pub(super) fn may_rejoin(&self) -> bool {
        match self.state {
            TicketState::Expired | TicketState::Released => self.rejoin,
            TicketState::Left | TicketState::Moved => true,
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
