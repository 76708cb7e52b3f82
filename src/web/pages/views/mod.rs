//! Owns the pages: one struct per template, holding plain data. A handler fills it, `render()`
//! makes the HTML.
//!
//! Field names are the words of the API, so the input structs here can be read from the very JSON
//! that the API answers.
//! No handler, no store and no clock lives here.

#[cfg(test)]
mod tests;

use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;

use crate::model::Status;
use crate::web::i18n::Words;
use crate::web::room::told;
use crate::web::room::told::{Joins, Offer};

pub use crate::web::console::payments_view::{PaymentRow, PaymentsPart, RefusedNote};
pub use crate::web::console::report_view::ReportPage;
pub use crate::web::console::status_view::{Readiness, Standing};
pub use crate::web::console::views::{
    AdminForms, AdminSale, AdminSalePage, AdminSalesPage, AdminTicketPage, AuditRow, Flash,
    HoldRow, OrderRow, SaleRow, Stats, StoryLine, Tokens,
};
pub use crate::web::pages::brand::{AdminBrandPage, Look};
pub use crate::web::pages::form::Form;
pub(crate) use crate::web::pages::format as filters;
pub use crate::web::pages::format::{Plain, count, stamp_text};
pub use crate::web::people::views::{
    AccountChangeRow, AccountPage, AdminCarriedPage, AdminLoginPage, CarriedField, KeyRow,
    KeysPage, Me, OperatorRow, OperatorsPage, SessionRow,
};
pub use crate::web::room::ticket_view::{Hold, Order, Seconds, Ticket, TicketState};

/// A sale's status, as the API names it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum SaleStatus {
    Scheduled,
    Open,
    Paused,
    SoldOut,
    Closed,
}

impl SaleStatus {
    /// The word of the API, for scripts to compare with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Open => "open",
            Self::Paused => "paused",
            Self::SoldOut => "sold_out",
            Self::Closed => "closed",
        }
    }

    /// The message that says it to shoppers.
    fn message(self) -> &'static str {
        match self {
            Self::Scheduled => "status-scheduled",
            Self::Open => "status-open",
            Self::Paused => "status-paused",
            Self::SoldOut => "status-sold-out",
            Self::Closed => "status-closed",
        }
    }

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Scheduled => "Not started",
            Self::Open => "Open",
            Self::Paused => "Paused",
            Self::SoldOut => "Sold out",
            Self::Closed => "Closed",
        }
    }

    /// What the status means to an operator.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Scheduled => "Shoppers can join, and wait for the start.",
            Self::Open => "Shoppers join and are let in.",
            Self::Paused => "Nobody is let in. Shoppers can join, and open holds can be bought.",
            Self::SoldOut => "Every unit is sold. Adding units opens the sale again for new joins.",
            Self::Closed => "Nobody joins and nobody is let in. Open holds can still be bought.",
        }
    }

    fn status(self) -> Status {
        match self {
            Self::Scheduled => Status::Scheduled,
            Self::Open => Status::Open,
            Self::Paused => Status::Paused,
            Self::SoldOut => Status::SoldOut,
            Self::Closed => Status::Closed,
        }
    }

    fn shows_stock(self) -> bool {
        match self {
            Self::Scheduled | Self::Open | Self::Paused | Self::SoldOut => true,
            Self::Closed => false,
        }
    }
}

/// The units of a sale, where it does not hide them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Stock {
    pub seeded: u64,
    pub available: u64,
    pub held: u64,
    pub sold: u64,
}

impl Stock {
    fn percent(self, units: u64) -> u64 {
        (units * 100).checked_div(self.seeded).unwrap_or(0)
    }

    fn sold_percent(self) -> u64 {
        self.percent(self.sold)
    }

    fn held_percent(self) -> u64 {
        self.percent(self.held)
    }

    /// Nothing is free, but something may come back: never to be called sold out.
    pub(crate) fn all_held(self) -> bool {
        self.available == 0 && self.held > 0
    }

    /// Nothing is free, and nothing may come back.
    pub(crate) fn is_nothing(self) -> bool {
        self.available == 0 && self.held == 0
    }
}

/// The public facts of a sale.
#[derive(Clone, Debug, Deserialize)]
pub struct Sale {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub status: SaleStatus,
    pub starts_at: Option<Timestamp>,
    pub waiting: u64,
    pub stock: Option<Stock>,
    /// When the first open hold may come back.
    #[serde(default)]
    pub next_return_at: Option<Timestamp>,
    pub offer: Offer,
    pub joins: Joins,
    #[serde(default)]
    pub notice: Option<String>,
}

impl Sale {
    /// Whether this sentence is told now.
    fn tells(&self, id: &str) -> bool {
        let status = self.status.status();
        told::row(status, self.starts_at.is_some(), self.offer, self.joins).contains(&id)
    }

    /// Whether it may be told while the sale keeps its status.
    fn may_tell(&self, id: &str) -> bool {
        let (status, knows_start) = (self.status.status(), self.starts_at.is_some());
        let rows = Offer::ALL.iter().flat_map(|offer| Joins::ALL.map(|joins| (*offer, joins)));
        rows.into_iter()
            .any(|(offer, joins)| told::row(status, knows_start, offer, joins).contains(&id))
    }

    fn row_name(&self) -> String {
        told::name(self.offer, self.joins)
    }

    fn rows(&self) -> String {
        told::rows(self.status.status(), self.starts_at.is_some())
    }
}

/// `GET /s/{sale}`: the waiting room, with the visitor's ticket if there is one.
#[derive(Template)]
#[template(path = "room.html")]
pub struct RoomPage {
    pub nonce: String,
    pub w: Words,
    pub look: Look,
    pub sale: Sale,
    pub ticket: Option<Ticket>,
    /// An unguessable idempotency key for the join form, new on each page.
    pub form_key: String,
    /// The link to another device, on the page that was asked for one.
    pub link: Option<MoveLink>,
    /// Only shown to an operator: with made-up figures, and nothing in it does anything.
    pub is_preview: bool,
}

/// A link that takes a place to another device, once.
pub struct MoveLink {
    pub url: String,
    pub expires_at: Timestamp,
    /// Its QR code: modules on a side with the quiet zone, and the path of the dark ones.
    pub qr_size: usize,
    pub qr_path: String,
}

/// `GET /s/{sale}/move/{code}`: asks on the new device before the link is used.
#[derive(Template)]
#[template(path = "move.html")]
pub struct MovePage {
    pub nonce: String,
    pub w: Words,
    pub look: Look,
    pub sale_name: String,
    pub slug: String,
    pub code: String,
}

impl MovePage {
    /// Below the room's address.
    fn path(&self) -> String {
        format!("/move/{}", self.code)
    }
}

impl RoomPage {
    /// Without JavaScript the page reloads itself, but only while there is something to wait for.
    fn refreshes(&self) -> bool {
        // Loading the page with the link again would take the link away.
        !self.is_preview
            && self.link.is_none()
            && self.ticket.as_ref().is_some_and(|ticket| ticket.state.is_moving())
    }

    fn title(&self) -> String {
        match self.ticket.as_ref().and_then(|ticket| ticket.title(&self.w)) {
            Some(news) => format!("{news} – {}", self.sale.name),
            None => self.sale.name.clone(),
        }
    }
}

/// `GET /s/{sale}/checkout`: the built-in checkout of one active hold.
#[derive(Template)]
#[template(path = "checkout.html")]
pub struct CheckoutPage {
    pub nonce: String,
    pub w: Words,
    pub look: Look,
    pub sale_name: String,
    pub slug: String,
    /// The hold's id.
    pub hold: String,
    pub unit: u64,
    pub seconds_left: u64,
    pub expires_at: Timestamp,
    /// Sent with the confirm; the same on the page that reports an unknown outcome, so that a
    /// second press is safe.
    pub idempotency_key: String,
    /// What was typed, kept when the page comes back.
    pub payment_reference: String,
    pub payment_reference_error: Option<String>,
    /// What went wrong with the last press, in words for the shopper.
    pub problem: Option<String>,
}

impl CheckoutPage {
    fn is_over(&self) -> bool {
        self.seconds_left == 0
    }
}

/// `GET /s/{sale}/receipt`: a confirmed order.
#[derive(Template)]
#[template(path = "receipt.html")]
pub struct ReceiptPage {
    pub nonce: String,
    pub w: Words,
    pub look: Look,
    pub sale_name: String,
    pub slug: String,
    /// The order's id.
    pub order: String,
    pub unit: u64,
    pub confirmed_at: Timestamp,
    pub payment_reference: Option<String>,
}

/// A way out of a problem: a link of our own.
pub struct Way {
    pub href: String,
    pub label: String,
}

/// A field at fault, as in a problem's `errors`.
pub struct FieldError {
    pub field: String,
    pub detail: String,
}

/// Every way to say no, for people.
#[derive(Template)]
#[template(path = "problem.html")]
pub struct ProblemPage {
    pub nonce: String,
    pub w: Words,
    pub status: u16,
    pub title: String,
    pub detail: String,
    pub errors: Vec<FieldError>,
    pub retry_after_seconds: Option<u64>,
    /// The first one is the one to take.
    pub ways: Vec<Way>,
    /// What only an operator can act on, in English.
    pub for_engineers: Option<String>,
}

/// `GET /docs`: the API reference.
#[derive(Template)]
#[template(path = "docs.html")]
pub struct DocsPage {
    pub nonce: String,
    /// Where the files of Swagger UI are.
    pub script: String,
    pub style: String,
}
