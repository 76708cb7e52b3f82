//! Owns the console's pages of sales: the list of them, and one.

use askama::Template;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::web::console::payments_view::PaymentsPart;
use crate::web::console::status_view::{Readiness, Standing};
use crate::web::pages::form::Form;
use crate::web::pages::format::local_time;
use crate::web::pages::views::{SaleStatus, filters};
use crate::web::people::views::Me;

/// One line about what the last action did.
pub struct Flash {
    pub text: String,
    /// It did not work.
    pub bad: bool,
}

/// A line of the list of sales.
#[derive(Clone, Debug, Deserialize)]
pub struct SaleRow {
    /// How its page is named.
    pub reference: String,
    pub is_archived: bool,
    pub slug: String,
    pub name: String,
    pub status: SaleStatus,
    /// `well`, `watch` or `bad`.
    pub verdict: String,
    pub starts_at: Option<Timestamp>,
    pub waiting: u64,
    pub available: u64,
    pub held: u64,
    pub sold: u64,
}

/// How the gateway and its stores are set up, as `GET /api/v1/admin/health` answers it.
#[derive(Clone, Debug, Deserialize)]
pub struct Health {
    pub findings: Vec<FindingRow>,
    pub durability: Option<DurabilityRow>,
}

/// Something that the self-check found.
#[derive(Clone, Debug, Deserialize)]
pub struct FindingRow {
    pub name: String,
    pub weight: String,
    pub text: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct DurabilityRow {
    pub text: String,
}

/// `GET /admin`: all sales, the form that creates one, and how the gateway is set up.
#[derive(Template)]
#[template(path = "admin_sales.html")]
pub struct AdminSalesPage {
    pub nonce: String,
    pub me: Me,
    pub flash: Option<Flash>,
    pub sales: Vec<SaleRow>,
    pub next_cursor: Option<String>,
    pub form: Form,
    /// Archived sales are in the list.
    pub shows_archived: bool,
    /// What a sale that is made from the form would do, once it was asked.
    pub forecast: Vec<String>,
    pub standing: Standing,
    pub health: Health,
}

/// A sale with its settings.
#[derive(Clone, Debug, Deserialize)]
pub struct AdminSale {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub status: SaleStatus,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub batch_size: u64,
    pub admit_interval_ms: u64,
    pub max_in_checkout: Option<u64>,
    pub checkout_window_seconds: u64,
    pub expiry_grace_seconds: u64,
    pub checkout: String,
    pub checkout_url: Option<String>,
    pub hide_stock: bool,
    pub max_waiting: u64,
    #[serde(default)]
    pub opened_at: Option<Timestamp>,
    /// While a close can be taken back: when it is for good.
    #[serde(default)]
    pub closes_at: Option<Timestamp>,
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    #[serde(default)]
    pub former_slugs: Vec<String>,
}

impl AdminSale {
    /// How its page is named: an archived sale has no slug of its own.
    fn reference(&self) -> &str {
        if self.archived_at.is_some() { &self.id } else { &self.slug }
    }

    /// Whether it may be archived: it is closed for good, or was never opened.
    fn may_be_archived(&self) -> bool {
        let is_over = self.status == SaleStatus::Closed && self.closes_at.is_none();
        let is_unused = self.status == SaleStatus::Scheduled && self.opened_at.is_none();
        self.archived_at.is_none() && (is_over || is_unused)
    }
}

/// Where the units of a sale are.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Tokens {
    pub seeded: u64,
    pub available: u64,
    pub held: u64,
    pub sold: u64,
    pub withdrawn: u64,
}

impl Tokens {
    fn balances(self) -> bool {
        self.seeded == self.available + self.held + self.sold + self.withdrawn
    }
}

/// The numbers of a sale, as `GET /api/v1/admin/sales/{sale}/stats` answers them.
#[derive(Clone, Debug, Deserialize)]
pub struct Stats {
    pub waiting: u64,
    pub joined: u64,
    pub left: u64,
    pub admitted: u64,
    pub tokens: Tokens,
    pub joins_per_second: f64,
    pub admissions_per_second: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct OrderRow {
    pub id: String,
    pub unit: u64,
    pub ticket: String,
    pub payment_reference: Option<String>,
    pub confirmed_at: Timestamp,
}

#[derive(Clone, Debug, Deserialize)]
pub struct HoldRow {
    pub ticket: String,
    pub number: u64,
    pub unit: u64,
    pub state: String,
    pub admitted_at: Timestamp,
    pub expires_at: Timestamp,
}

/// One kind of repair of the auditor's.
#[derive(Clone, Debug, Deserialize)]
pub struct RepairRow {
    pub name: String,
    pub times: u64,
    pub last_at: Option<Timestamp>,
}

impl RepairRow {
    pub(crate) fn label(&self) -> &str {
        match self.name.as_str() {
            "token_added" => "Free units put back on offer",
            "token_dropped" => "Taken units no longer offered",
            "waiter_restored" => "Shoppers put back in line",
            "waiter_dropped" => "Strangers taken out of line",
            "waiter_journaled" => "Tickets in line that were written down",
            other => other,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct AuditRow {
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub detail: Value,
}

impl AuditRow {
    /// Whether there is more to it than that it was done.
    fn says_more(&self) -> bool {
        self.detail.as_object().is_none_or(|detail| !detail.is_empty())
    }
}

/// The forms of a sale's page. After a refusal, one of them is replaced by what was posted and
/// its faults.
pub struct AdminForms {
    pub seed: Form,
    pub withdraw: Form,
    pub pace: Form,
    pub settings: Form,
    pub notice: Form,
    pub close: Form,
    pub archive: Form,
    pub remove: Form,
    pub find: Form,
}

impl AdminForms {
    /// The forms as they open: the pace, the settings and the notice as they are now, the rest empty.
    pub fn new(sale: &AdminSale, notice: Option<&str>) -> Self {
        let most = sale.max_in_checkout.map(|most| most.to_string()).unwrap_or_default();
        let pace = [
            ("batch_size", sale.batch_size.to_string()),
            ("admit_interval_ms", sale.admit_interval_ms.to_string()),
            ("max_in_checkout", most),
        ];
        let settings = [
            ("starts_at", local_time(sale.starts_at)),
            ("ends_at", local_time(sale.ends_at)),
            ("max_waiting", sale.max_waiting.to_string()),
            ("checkout_window_seconds", sale.checkout_window_seconds.to_string()),
            ("hide_stock", sale.hide_stock.to_string()),
            ("checkout", sale.checkout.clone()),
            ("checkout_url", sale.checkout_url.clone().unwrap_or_default()),
        ];
        let empty = |name| Form::new(name, [("", ""); 0]);
        Self {
            seed: empty("seed"),
            withdraw: empty("withdraw"),
            pace: Form::saved("pace", pace),
            settings: Form::saved("settings", settings),
            notice: Form::saved("notice", [("text", notice.unwrap_or_default())]),
            close: empty("close"),
            archive: empty("archive"),
            remove: empty("remove"),
            find: empty("find"),
        }
    }
}

/// `GET /admin/sales/{slug}`: one sale, its numbers and everything an operator does with it.
#[derive(Template)]
#[template(path = "admin_sale.html")]
pub struct AdminSalePage {
    pub nonce: String,
    pub me: Me,
    pub flash: Option<Flash>,
    /// Where the script with the charts is.
    pub charts: String,
    /// What the pace in its form will do.
    pub forecast: Vec<String>,
    pub standing: Standing,
    /// What is set up and what is missing; none once the sale was opened.
    pub readiness: Option<Readiness>,
    /// The sale is not ready, and the page asks whether to open it all the same.
    pub asks_to_open: bool,
    pub sale: AdminSale,
    pub stats: Stats,
    pub forms: AdminForms,
    /// An idempotency key for the form that adds units, new on each page: a double press adds
    /// them once.
    pub form_key: String,
    /// Tickets that a search found, when there are several.
    pub found: Vec<String>,
    pub payments: PaymentsPart,
    pub orders: Vec<OrderRow>,
    pub holds: Vec<HoldRow>,
    pub repairs: Vec<RepairRow>,
    pub audit: Vec<AuditRow>,
    /// The self-check found something.
    pub has_findings: bool,
}

/// One thing that happened to a ticket.
pub struct StoryLine {
    pub at: Timestamp,
    pub text: String,
}

/// `GET /admin/sales/{slug}/tickets/{ticket}`: one shopper.
#[derive(Template)]
#[template(path = "admin_ticket.html")]
pub struct AdminTicketPage {
    pub nonce: String,
    pub me: Me,
    pub flash: Option<Flash>,
    pub sale_name: String,
    pub slug: String,
    pub ticket: String,
    pub number: i64,
    pub lines: Vec<StoryLine>,
    /// What the shopper's own page says.
    pub shows: Vec<String>,
    pub can_remove: bool,
    /// The form that removes it.
    pub form: Form,
}
