//! What a sale is and which rules hold for it. Pure: no I/O, no async, no clock.

pub mod admission;
pub mod checkout;
pub mod ids;
pub mod line;
pub mod people;
pub mod settings;

pub use crate::model::checkout::hold::{Hold, HoldState, Order};
pub use crate::model::ids::{ApiKeyId, HoldId, OperatorId, OrderId, SaleId, Seq, Ticket};
pub use crate::model::line::places::Places;
pub use crate::model::people::credential::{Claim, Signer};
pub use crate::model::people::rights::{Right, Role};
pub use crate::model::settings::brand::Brand;
pub use crate::model::settings::{Checkout, Fault, Settings};

use jiff::Timestamp;

/// The life of a sale, as an operator steers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaleState {
    Scheduled,
    Open,
    Paused,
    Closed,
}

impl SaleState {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "scheduled" => Some(Self::Scheduled),
            "open" => Some(Self::Open),
            "paused" => Some(Self::Paused),
            "closed" => Some(Self::Closed),
            _ => None,
        }
    }
}

/// A sale as everyone sees it: its state, or sold out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Scheduled,
    Open,
    Paused,
    SoldOut,
    Closed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
        }
    }
}

/// One sale, as Postgres has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sale {
    pub id: SaleId,
    pub state: SaleState,
    /// Units seeded so far; they are numbered 1…`stock`.
    pub stock: i32,
    /// Raised when Redis is rebuilt; 0 before it was loaded for the first time.
    pub epoch: i32,
    pub settings: Settings,
    pub notice: Option<String>,
    /// Every seeded unit is sold. Tickets up to `sold_out_seq` were told so.
    pub sold_out_at: Option<Timestamp>,
    pub sold_out_seq: Option<Seq>,
    /// Why ropeline stopped the sale by itself.
    pub fault: Option<String>,
    pub created_at: Timestamp,
    pub opened_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    pub archived_at: Option<Timestamp>,
    /// A close is under way; until then it can be taken back.
    pub closes_at: Option<Timestamp>,
    /// Slugs that it had before. They lead to it.
    pub former_slugs: Vec<String>,
}

impl Sale {
    pub fn status(&self) -> Status {
        match self.state {
            SaleState::Closed => Status::Closed,
            SaleState::Scheduled | SaleState::Open | SaleState::Paused
                if self.closes_at.is_some() =>
            {
                Status::Closed
            }
            SaleState::Scheduled => Status::Scheduled,
            SaleState::Open | SaleState::Paused if self.sold_out_at.is_some() => Status::SoldOut,
            SaleState::Open => Status::Open,
            SaleState::Paused => Status::Paused,
        }
    }

    /// How an address names it: by its slug, or by its id once it is archived and the slug is free.
    pub fn reference(&self) -> String {
        match self.archived_at {
            None => self.settings.slug.clone(),
            Some(_) => self.id.to_string(),
        }
    }

    /// Whether this number was told that the sale is sold out; that stays so when units are added.
    pub fn was_told_sold_out(&self, seq: Seq) -> bool {
        self.sold_out_seq.is_some_and(|last| seq <= last)
    }
}

/// Where the seeded units are: `seeded = available + held + sold + withdrawn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stock {
    pub seeded: i64,
    pub held: i64,
    pub sold: i64,
    pub withdrawn: i64,
}

impl Stock {
    pub fn available(&self) -> i64 {
        self.seeded - self.held - self.sold - self.withdrawn
    }

    /// Units that were seeded and not taken back are all sold, and there were some.
    pub fn is_sold_out(&self) -> bool {
        self.sold > 0 && self.sold == self.seeded - self.withdrawn
    }
}
