//! The JSON that goes out: one shape for each thing, the same wherever it appears.

pub mod accounts;
pub mod payments;
pub mod report;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::engine::checkout::settle::Settled;
use crate::engine::health::selfcheck::Standing;
use crate::engine::line::ticket_state::{Stage, TicketState};
use crate::engine::repair::audit::{CheckLine, RepairLine};
use crate::engine::reports::listings::{AuditItem, Facts, Stats};
use crate::model::line::pace::Reason;
use crate::model::settings::brand::OwnWords;
use crate::model::{Checkout, Hold, Order, OrderId, Sale, Stock};
use crate::web::App;
pub use crate::web::api::responses::payments::PaymentShape;
use crate::web::room::told::{Joins, Offer};

/// Where the seeded units are.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Stock)]
pub struct StockShape {
    pub seeded: i64,
    pub available: i64,
    pub held: i64,
    pub sold: i64,
    pub withdrawn: i64,
}

impl From<Stock> for StockShape {
    fn from(stock: Stock) -> Self {
        Self {
            seeded: stock.seeded,
            available: stock.available(),
            held: stock.held,
            sold: stock.sold,
            withdrawn: stock.withdrawn,
        }
    }
}

/// A sale as the public sees it.
#[derive(Serialize, ToSchema)]
#[schema(as = SaleFacts)]
pub struct FactsShape {
    pub id: String,
    pub slug: String,
    pub name: String,
    /// `scheduled`, `open`, `paused`, `sold_out` or `closed`
    #[schema(pattern = "^(scheduled|open|paused|sold_out|closed)$")]
    pub status: &'static str,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    pub server_time: Timestamp,
    pub waiting: u64,
    /// Null where the sale hides it.
    pub stock: Option<StockShape>,
    /// When the next held unit may come back, while none is available.
    pub next_return_at: Option<Timestamp>,
    /// What can be had: `units`; `all_held`, so that some may come back; or `nothing`, because none is added yet
    /// or all are withdrawn or sold. Where the sale hides its stock, `units` covers held ones too.
    #[schema(pattern = "^(units|all_held|nothing)$")]
    pub offer: &'static str,
    /// Whether a join is `taken`, refused while the line is as long as it may get (`line_full`), or `over`
    #[schema(pattern = "^(taken|line_full|over)$")]
    pub joins: &'static str,
    /// What the seller has to say.
    pub notice: Option<String>,
}

impl FactsShape {
    pub fn new(app: &App, facts: &Facts) -> Self {
        let settings = &facts.sale.settings;
        Self {
            id: facts.sale.id.to_string(),
            slug: settings.slug.clone(),
            name: settings.name.clone(),
            status: facts.sale.status().as_str(),
            starts_at: settings.starts_at,
            ends_at: settings.ends_at,
            server_time: app.gate.clock.now(),
            waiting: facts.waiting,
            stock: (!settings.hide_stock).then(|| facts.stock.into()),
            next_return_at: facts
                .next_return_at
                .filter(|_| !settings.hide_stock && facts.stock.available() == 0),
            offer: Offer::of(facts.stock, settings.hide_stock).as_str(),
            joins: Joins::of(facts.sale.status(), facts.waiting, settings.max_waiting).as_str(),
            notice: facts.sale.notice.clone(),
        }
    }
}

/// A sale as its operator sees it: every setting, and where it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Sale)]
pub struct SaleShape {
    pub id: String,
    pub slug: String,
    pub name: String,
    /// `scheduled`, `open`, `paused`, `sold_out` or `closed`
    #[schema(pattern = "^(scheduled|open|paused|sold_out|closed)$")]
    pub status: &'static str,
    pub starts_at: Option<Timestamp>,
    pub ends_at: Option<Timestamp>,
    /// `fifo`; `draw` is not available yet
    pub order: &'static str,
    pub batch_size: i32,
    pub admit_interval_ms: i32,
    pub max_in_checkout: Option<i32>,
    pub checkout_window_seconds: i32,
    pub expiry_grace_seconds: i32,
    /// Units each shopper may buy; more than 1 is not available yet.
    pub per_shopper: i32,
    /// `open`; `verified` is not available yet
    pub identity: &'static str,
    /// `shop` or `builtin`
    pub checkout: &'static str,
    pub checkout_url: Option<String>,
    pub hide_stock: bool,
    pub max_waiting: i32,
    /// The shop's name above the room.
    pub brand_name: Option<String>,
    /// A small picture above the room, as a `data:` address.
    pub brand_picture: Option<String>,
    /// The colour of buttons and bars, as `#rrggbb`.
    pub accent_colour: Option<String>,
    /// The room's only language; null when the shopper's own is taken.
    pub language: Option<String>,
    /// The sale's own texts, each by its language; `*` is every language.
    #[schema(value_type = std::collections::BTreeMap<String, std::collections::BTreeMap<String, String>>)]
    pub words: OwnWords,
    pub seeded: i32,
    pub notice: Option<String>,
    /// Why ropeline stopped the sale by itself; null while all is well.
    pub fault: Option<String>,
    pub created_at: Timestamp,
    pub opened_at: Option<Timestamp>,
    pub closed_at: Option<Timestamp>,
    /// While a close can be taken back: when it is for good. `status` is `closed` already.
    pub closes_at: Option<Timestamp>,
    pub archived_at: Option<Timestamp>,
    /// Slugs that the sale had before. They lead to it.
    pub former_slugs: Vec<String>,
    pub sold_out_at: Option<Timestamp>,
    /// The path of the waiting room.
    pub room_url: String,
}

impl From<&Sale> for SaleShape {
    fn from(sale: &Sale) -> Self {
        let s = &sale.settings;
        Self {
            id: sale.id.to_string(),
            slug: s.slug.clone(),
            name: s.name.clone(),
            status: sale.status().as_str(),
            starts_at: s.starts_at,
            ends_at: s.ends_at,
            order: "fifo",
            batch_size: s.batch_size,
            admit_interval_ms: s.admit_interval_ms,
            max_in_checkout: s.max_in_checkout,
            checkout_window_seconds: s.checkout_window_seconds,
            expiry_grace_seconds: s.expiry_grace_seconds,
            per_shopper: 1,
            identity: "open",
            checkout: s.checkout.as_str(),
            checkout_url: s.checkout_url.clone(),
            hide_stock: s.hide_stock,
            max_waiting: s.max_waiting,
            brand_name: s.brand.name.clone(),
            brand_picture: s.brand.picture.clone(),
            accent_colour: s.brand.colour.clone(),
            language: s.brand.language.clone(),
            words: s.brand.words.clone(),
            seeded: sale.stock,
            notice: sale.notice.clone(),
            fault: sale.fault.clone(),
            created_at: sale.created_at,
            opened_at: sale.opened_at,
            closed_at: sale.closed_at,
            closes_at: sale.closes_at,
            archived_at: sale.archived_at,
            former_slugs: sale.former_slugs.clone(),
            sold_out_at: sale.sold_out_at,
            room_url: format!("/s/{}", sale.reference()),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderShape {
    pub id: String,
    pub hold: String,
    pub sale: String,
    pub unit: i32,
    pub payment_reference: Option<String>,
    pub confirmed_at: Timestamp,
    /// Only in the operator's list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl From<&Order> for OrderShape {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.to_string(),
            hold: order.hold.to_string(),
            sale: order.sale.to_string(),
            unit: order.unit,
            payment_reference: order.payment_reference.clone(),
            confirmed_at: order.confirmed_at,
            ticket: None,
        }
    }
}

impl OrderShape {
    pub fn with_ticket(order: &Order) -> Self {
        Self { ticket: Some(order.ticket.to_string()), ..Self::from(order) }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Hold)]
pub struct HoldShape {
    pub id: String,
    pub sale: String,
    pub ticket: String,
    pub number: i64,
    pub unit: i32,
    /// `active`, `confirmed`, `released` or `expired`
    #[schema(pattern = "^(active|confirmed|released|expired)$")]
    pub state: &'static str,
    pub admitted_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whole seconds until `expires_at`; 0 from then on and when the hold has ended.
    pub seconds_left: i64,
    pub ended_at: Option<Timestamp>,
    pub order: Option<OrderShape>,
}

impl HoldShape {
    pub fn new(hold: &Hold, now: Timestamp) -> Self {
        let left = hold.expires_at.duration_since(now).as_secs().max(0);
        Self {
            id: hold.id.to_string(),
            sale: hold.sale.to_string(),
            ticket: hold.ticket.to_string(),
            number: hold.seq.0,
            unit: hold.unit,
            state: hold.state.as_str(),
            admitted_at: hold.admitted_at,
            expires_at: hold.expires_at,
            seconds_left: if hold.ended_at.is_some() { 0 } else { left },
            ended_at: hold.ended_at,
            order: hold.order.as_ref().map(OrderShape::from),
        }
    }
}

/// A settled hold, with what became of the payment reference that came.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SettledHold)]
pub struct ConfirmedShape {
    #[serde(flatten)]
    pub hold: HoldShape,
    /// Only where it is true: the order has another payment reference, and this one is kept beside it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub duplicate_payment: bool,
    /// Only where there are any, for an API key or an operator: orders that had this payment reference
    /// before, at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reference_used_before: Vec<String>,
}

impl ConfirmedShape {
    pub fn new(settled: &Settled) -> Self {
        let hold = &settled.hold;
        Self {
            hold: HoldShape::new(hold, hold.ended_at.unwrap_or(hold.expires_at)),
            duplicate_payment: settled.is_duplicate,
            reference_used_before: settled.used_before.iter().map(OrderId::to_string).collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Eta)]
pub struct EtaShape {
    pub low: u64,
    pub high: u64,
}

/// The whole truth about one ticket at one moment. Which fields are there depends on `state`.
///
/// One is written for each change of each shopper's place: none of it is copied into a JSON tree first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TicketState)]
pub struct TicketShape {
    #[schema(value_type = String)]
    pub ticket: Uuid,
    #[schema(value_type = String)]
    pub sale: Uuid,
    /// `scheduled`, `waiting`, `admitted`, `confirmed`, `expired`, `released`, `sold_out`, `closed`,
    /// `left` or `removed`
    pub state: &'static str,
    /// Rises with each change of what is shown; drop what is older than what you have shown.
    pub version: u64,
    pub server_time: Timestamp,
    pub notice: Option<String>,
    /// While the state may change: how long to wait before the first try to connect again, after a loss that
    /// was not announced. A gateway spreads those who watch it, so that they do not come back in one wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reconnect_after_ms: Option<u64>,
    #[serde(flatten)]
    #[schema(value_type = crate::web::api::request_schema::TicketFields)]
    pub more: StageShape,
}

/// What a state carries besides what all have.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum StageShape {
    Scheduled {
        starts_at: Option<Timestamp>,
        waiting: u64,
        number: i64,
        next_poll_seconds: u64,
    },
    Waiting {
        number: i64,
        position: u64,
        waiting: u64,
        stock: Option<StockShape>,
        next_return_at: Option<Timestamp>,
        eta_seconds: Option<EtaShape>,
        wait_reason: Option<&'static str>,
        chance: Option<f64>,
        paused: bool,
        next_poll_seconds: u64,
    },
    Admitted {
        hold: Box<HoldShape>,
        checkout_url: Option<String>,
        /// Null until passes exist.
        pass: Option<String>,
        next_poll_seconds: i64,
    },
    Confirmed {
        hold: Box<HoldShape>,
    },
    Ended {
        hold: Box<HoldShape>,
        rejoin: bool,
    },
    Left {
        rejoin: bool,
    },
    Over {},
}

impl TicketShape {
    pub fn new(app: &App, state: &TicketState) -> Self {
        let (word, more) = stage(app, state);
        Self {
            ticket: state.claim.ticket.0,
            sale: state.claim.sale.0,
            state: word,
            version: state.version,
            server_time: state.server_time,
            notice: state.notice.clone(),
            reconnect_after_ms: (!state.stage.is_final())
                .then(|| app.reconnect_after_ms(state.claim.ticket)),
            more,
        }
    }
}

fn stage(app: &App, state: &TicketState) -> (&'static str, StageShape) {
    let hold_of = |hold: &Hold| Box::new(HoldShape::new(hold, state.server_time));
    let number = state.claim.seq.0;
    match &state.stage {
        Stage::Scheduled { starts_at, waiting, next_poll_seconds } => {
            let (starts_at, waiting, next_poll_seconds) =
                (*starts_at, *waiting, *next_poll_seconds);
            ("scheduled", StageShape::Scheduled { starts_at, waiting, number, next_poll_seconds })
        }
        Stage::Waiting(w) => (
            "waiting",
            StageShape::Waiting {
                number,
                position: w.position,
                waiting: w.waiting,
                stock: w.stock.map(StockShape::from),
                next_return_at: w.next_return_at,
                eta_seconds: w.eta.map(|eta| EtaShape { low: eta.low, high: eta.high }),
                wait_reason: w.wait_reason.map(Reason::as_str),
                chance: w.chance,
                paused: w.paused,
                next_poll_seconds: w.next_poll_seconds,
            },
        ),
        Stage::Admitted { hold, checkout_url } => {
            let url = app.checkout_link(state.claim.sale, hold.id, checkout_url.as_deref());
            let hold = hold_of(hold);
            let next_poll_seconds = (hold.seconds_left / 3).clamp(1, 30);
            let (checkout_url, pass) = (url, None);
            ("admitted", StageShape::Admitted { hold, checkout_url, pass, next_poll_seconds })
        }
        Stage::Confirmed { hold } => ("confirmed", StageShape::Confirmed { hold: hold_of(hold) }),
        Stage::Expired { hold, rejoin } => {
            ("expired", StageShape::Ended { hold: hold_of(hold), rejoin: *rejoin })
        }
        Stage::Released { hold, rejoin } => {
            ("released", StageShape::Ended { hold: hold_of(hold), rejoin: *rejoin })
        }
        Stage::SoldOut => ("sold_out", StageShape::Over {}),
        Stage::Closed => ("closed", StageShape::Over {}),
        Stage::Left => ("left", StageShape::Left { rejoin: app.takes_joins(state.claim.sale) }),
        Stage::Removed => ("removed", StageShape::Over {}),
    }
}

/// Room for a state as text; most have about 500 bytes.
const STATE_BYTES: usize = 768;

/// A shape as JSON text.
pub fn text_of(shape: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(STATE_BYTES);
    serde_json::to_writer(&mut text, shape).expect("every key of a shape is text");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// A join's answer: the ticket state, and how to come back to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Joined)]
pub struct JoinedShape {
    #[serde(flatten)]
    pub state: TicketShape,
    /// Proves whose ticket this is; keep it to yourself.
    pub credential: String,
    /// The path of the WebSocket.
    pub live_url: String,
}

/// A link that takes a place to another device, once.
#[derive(Serialize, ToSchema)]
#[schema(as = MoveLink)]
pub struct LinkShape {
    /// For `POST /api/v1/moves/{code}`; whoever has it can take the place.
    pub code: String,
    /// Where a browser is asked whether it takes the place.
    pub url: String,
    pub expires_at: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub struct StatsShape {
    #[schema(pattern = "^(scheduled|open|paused|sold_out|closed)$")]
    pub status: &'static str,
    pub waiting: i64,
    /// Tickets since the sale was made.
    pub joined: i64,
    /// Removed ones are among them.
    pub left: i64,
    pub admitted: i64,
    pub tokens: StockShape,
    pub joins_per_second: f64,
    pub admissions_per_second: f64,
}

impl JoinedShape {
    pub fn new(app: &App, state: &TicketState) -> Self {
        let claim = state.claim;
        Self {
            state: TicketShape::new(app, state),
            credential: app.gate.signer.sign(claim),
            live_url: format!("/api/v1/sales/{}/tickets/{}/live", claim.sale, claim.ticket),
        }
    }
}

impl From<Stats> for StatsShape {
    fn from(stats: Stats) -> Self {
        let round = |rate: f64| (rate * 10.0).round() / 10.0;
        Self {
            status: stats.status.as_str(),
            waiting: stats.waiting,
            joined: stats.counts.joined,
            left: stats.counts.left,
            admitted: stats.counts.admitted,
            tokens: stats.stock.into(),
            joins_per_second: round(stats.joins_per_second),
            admissions_per_second: round(stats.admissions_per_second),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditItem)]
pub struct AuditShape {
    pub id: String,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub sale: String,
    #[schema(value_type = Object)]
    pub detail: Value,
}

impl AuditShape {
    pub fn new(sale: &Sale, item: &AuditItem) -> Self {
        Self {
            id: item.id.to_string(),
            at: item.at,
            actor: item.actor.clone(),
            action: item.action.clone(),
            sale: sale.id.to_string(),
            detail: item.detail.clone(),
        }
    }
}

/// A page of a list, newest first. `next_cursor` is null on the last one.
#[derive(Serialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub struct ReconciliationShape {
    /// Whether both stores and all counts agree. `payments` is not part of it: money that waits for a person
    /// does not make the books wrong.
    pub consistent: bool,
    pub checks: Vec<CheckShape>,
    /// What the auditor has mended since the sale was made, whichever gateway did it
    pub repairs: Vec<RepairShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Check)]
pub struct CheckShape {
    pub name: String,
    pub expected: i64,
    pub actual: i64,
    pub ok: bool,
    /// With `payments`: the references that wait for a person, the shop's first, at most 100. Those that a
    /// shopper typed are listed and not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<PaymentShape>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Repair)]
pub struct RepairShape {
    /// `token_added`, `token_dropped`, `waiter_restored`, `waiter_dropped` or `waiter_journaled`
    pub name: String,
    pub times: i64,
    /// Null while there was none
    pub last_at: Option<Timestamp>,
}

impl RepairShape {
    pub fn new(line: &RepairLine) -> Self {
        Self { name: line.name.to_owned(), times: line.times, last_at: line.last_at }
    }
}

impl ReconciliationShape {
    pub fn new(lines: &[CheckLine], repairs: &[RepairLine]) -> Self {
        let check = |line: &CheckLine| CheckShape {
            name: line.name.to_owned(),
            expected: line.expected,
            actual: line.actual,
            ok: line.ok(),
            references: line.payments.iter().map(PaymentShape::from).collect(),
        };
        Self {
            consistent: lines.iter().all(|line| line.ok() || line.is_for_people()),
            checks: lines.iter().map(check).collect(),
            repairs: repairs.iter().map(RepairShape::new).collect(),
        }
    }
}

/// How a gateway and its stores are set up.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthShape {
    /// When the gateway looked the last time; null before the first time
    pub looked_at: Option<Timestamp>,
    pub findings: Vec<FindingShape>,
    /// What a confirmed purchase survives; null while Postgres was not asked
    pub durability: Option<DurabilityShape>,
}

/// Something that is not set up as it should be.
#[derive(Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingShape {
    pub name: String,
    /// `refuse`: a gateway does not start with it; `warn`
    pub weight: String,
    /// What it is, what it endangers and what to do
    pub text: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Durability)]
pub struct DurabilityShape {
    pub synchronous_commit: String,
    pub synchronous_standby_names: String,
    /// Whether a commit waits for the disk of another machine
    pub survives_the_machine: bool,
    pub text: String,
}

impl From<&Standing> for HealthShape {
    fn from(standing: &Standing) -> Self {
        let findings = standing.findings.iter().map(|finding| FindingShape {
            name: finding.name.to_owned(),
            weight: finding.weight.as_str().to_owned(),
            text: finding.text.clone(),
        });
        Self {
            looked_at: standing.looked_at,
            findings: findings.collect(),
            durability: standing.durability.as_ref().map(|level| DurabilityShape {
                synchronous_commit: level.synchronous_commit.clone(),
                synchronous_standby_names: level.synchronous_standby_names.clone(),
                survives_the_machine: level.survives_the_machine(),
                text: level.words().to_owned(),
            }),
        }
    }
}

/// How many units are seeded in all.
#[derive(Serialize, ToSchema)]
#[schema(as = Seeded)]
pub struct SeededShape {
    pub seeded: i32,
}

/// Whether this sale's shoppers check out on ropeline's own page.
pub fn is_builtin(sale: &Sale) -> bool {
    sale.settings.checkout == Checkout::Builtin
}
