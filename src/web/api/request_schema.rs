//! The bodies that come in, as `/openapi.json` describes them. They are read field by field in `operator`
//! and `shopper`, so that every fault is told at once; a test holds the two against each other.

use std::collections::BTreeMap;

use jiff::Timestamp;
use utoipa::ToSchema;

/// A new sale. Everything but `slug` and `name` has a default.
#[derive(ToSchema)]
#[schema(as = NewSale)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct NewSale {
    /// 1 to 63 of a-z, 0-9 and -, and neither begins nor ends with -
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    slug: String,
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    name: String,
    /// When it opens by itself; opened by hand without
    starts_at: Option<Timestamp>,
    /// When it closes by itself
    ends_at: Option<Timestamp>,
    /// Only `fifo` is available yet
    #[schema(nullable = false, pattern = "^fifo$", default = "fifo")]
    order: Option<String>,
    /// Most tickets admitted at a time
    #[schema(nullable = false, minimum = 1, maximum = 100, default = 100)]
    batch_size: Option<i32>,
    /// Least time between two batches
    #[schema(nullable = false, minimum = 10, maximum = 60000, default = 1000)]
    admit_interval_ms: Option<i32>,
    /// Most open holds at a time; no limit without
    #[schema(minimum = 1, maximum = 10000000)]
    max_in_checkout: Option<i32>,
    #[schema(nullable = false, minimum = 1, maximum = 86400, default = 600)]
    checkout_window_seconds: Option<i32>,
    /// How long after the window a confirm still counts
    #[schema(nullable = false, minimum = 0, maximum = 60, default = 5)]
    expiry_grace_seconds: Option<i32>,
    /// Only 1 is available yet
    #[schema(nullable = false, minimum = 1, maximum = 1, default = 1)]
    per_shopper: Option<i32>,
    /// Only `open` is available yet
    #[schema(nullable = false, pattern = "^open$", default = "open")]
    identity: Option<String>,
    /// Who runs the checkout: `shop` (its backend confirms) or `builtin`
    #[schema(nullable = false, pattern = "^(shop|builtin)$", default = "shop")]
    checkout: Option<String>,
    /// Where an admitted shopper goes in a sale with `checkout` `shop`; `hold=<id>` is added to it
    #[schema(
        max_length = 2000,
        pattern = r"^https?://([a-z](-?[a-z0-9])*(\.[a-z](-?[a-z0-9])*)*|([1-9]?[0-9]\.){3}[1-9]?[0-9])(:[1-9][0-9]{0,3})?([/?][!\x22$-\[\]-~]*)?$"
    )]
    checkout_url: Option<String>,
    #[schema(nullable = false, default = false)]
    hide_stock: Option<bool>,
    /// How long the line may get
    #[schema(nullable = false, minimum = 1, maximum = 10000000, default = 1000000)]
    max_waiting: Option<i32>,
    /// The shop's name above the room
    #[schema(
        min_length = 1,
        max_length = 40,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    brand_name: Option<String>,
    /// A PNG, WebP or SVG picture of at most 4,096 bytes
    #[schema(
        pattern = r"^data:image/(png|webp|svg\+xml);base64,([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)$"
    )]
    brand_picture: Option<String>,
    /// The colour of buttons and bars, with a contrast of 3:1 or more against the light and the dark page
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    accent_colour: Option<String>,
    /// The room's only language; null takes the shopper's own
    #[schema(pattern = "^(en|de|fr|es|pt|it|nl|pl|tr|ja|ko|zh-Hans|hi|ar)$")]
    language: Option<String>,
    /// Texts of the sale's own, `headline`, `lead` and `sold_out`, each by its language; `*` is every language
    words: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

/// What to change; what is not named stays. Takes every field of a new sale.
#[derive(ToSchema)]
#[schema(as = ChangedSale)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct ChangedSale {
    #[schema(nullable = false, pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    slug: Option<String>,
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    name: Option<String>,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    #[schema(nullable = false, pattern = "^fifo$")]
    order: Option<String>,
    #[schema(nullable = false, minimum = 1, maximum = 100)]
    batch_size: Option<i32>,
    #[schema(nullable = false, minimum = 10, maximum = 60000)]
    admit_interval_ms: Option<i32>,
    #[schema(minimum = 1, maximum = 10000000)]
    max_in_checkout: Option<i32>,
    #[schema(nullable = false, minimum = 1, maximum = 86400)]
    checkout_window_seconds: Option<i32>,
    #[schema(nullable = false, minimum = 0, maximum = 60)]
    expiry_grace_seconds: Option<i32>,
    #[schema(nullable = false, minimum = 1, maximum = 1)]
    per_shopper: Option<i32>,
    #[schema(nullable = false, pattern = "^open$")]
    identity: Option<String>,
    #[schema(nullable = false, pattern = "^(shop|builtin)$")]
    checkout: Option<String>,
    #[schema(
        max_length = 2000,
        pattern = r"^https?://([a-z](-?[a-z0-9])*(\.[a-z](-?[a-z0-9])*)*|([1-9]?[0-9]\.){3}[1-9]?[0-9])(:[1-9][0-9]{0,3})?([/?][!\x22$-\[\]-~]*)?$"
    )]
    checkout_url: Option<String>,
    #[schema(nullable = false)]
    hide_stock: Option<bool>,
    #[schema(nullable = false, minimum = 1, maximum = 10000000)]
    max_waiting: Option<i32>,
    /// The shop's name above the room
    #[schema(
        min_length = 1,
        max_length = 40,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    brand_name: Option<String>,
    /// A PNG, WebP or SVG picture of at most 4,096 bytes
    #[schema(
        pattern = r"^data:image/(png|webp|svg\+xml);base64,([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)$"
    )]
    brand_picture: Option<String>,
    /// The colour of buttons and bars, with a contrast of 3:1 or more against the light and the dark page
    #[schema(pattern = "^#[0-9A-Fa-f]{6}$")]
    accent_colour: Option<String>,
    /// The room's only language; null takes the shopper's own
    #[schema(pattern = "^(en|de|fr|es|pt|it|nl|pl|tr|ja|ko|zh-Hans|hi|ar)$")]
    language: Option<String>,
    /// Texts of the sale's own, `headline`, `lead` and `sold_out`, each by its language; `*` is every language
    words: Option<BTreeMap<String, BTreeMap<String, String>>>,
}

#[derive(ToSchema)]
#[schema(as = Seed)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct Seed {
    /// How many units
    #[schema(minimum = 1, maximum = 10000000)]
    count: i32,
}

#[derive(ToSchema)]
#[schema(as = Close)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct Close {
    /// For how long the close can be taken back with `…/reopen`; 0 closes for good at once
    #[schema(nullable = false, minimum = 0, maximum = 60, default = 0)]
    undo_seconds: Option<i32>,
}

#[derive(ToSchema)]
#[schema(as = Notice)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct Notice {
    /// Null takes it down
    #[schema(required, min_length = 1, max_length = 500, pattern = r"^[^\x00]*\S[^\x00]*$")]
    text: Option<String>,
}

/// A person who is to log in.
#[derive(ToSchema)]
#[schema(as = NewOperator)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct NewOperator {
    /// Without spaces around it and without control characters; no operator and no key has it
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    name: String,
    #[schema(pattern = "^(viewer|operator|owner)$")]
    role: String,
    #[schema(min_length = 12, max_length = 200)]
    password: String,
}

/// What to change of an operator; what is not named stays.
#[derive(ToSchema)]
#[schema(as = ChangedOperator)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct ChangedOperator {
    #[schema(nullable = false, pattern = "^(viewer|operator|owner)$")]
    role: Option<String>,
    #[schema(nullable = false, min_length = 12, max_length = 200)]
    password: Option<String>,
}

/// A key that is to be made.
#[derive(ToSchema)]
#[schema(as = NewApiKey)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct NewKey {
    /// Without spaces around it and without control characters; no operator and no key has it
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
    )]
    name: String,
    /// What it may do
    #[schema(pattern = "^(checkout|viewer|operator|owner)$")]
    role: String,
    /// When it ends by itself
    expires_at: Option<Timestamp>,
}

#[derive(ToSchema)]
#[schema(as = Confirm)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct Confirm {
    #[schema(max_length = 200, pattern = r"^[^\x00]*$")]
    payment_reference: Option<String>,
}

/// What was done about a payment that fitted no order.
#[derive(ToSchema)]
#[schema(as = Resolution)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "described, never built: fields are read one by one")]
pub struct Resolution {
    #[schema(min_length = 1, max_length = 500, pattern = r"^[^\x00]*[^\x00\s][^\x00]*$")]
    note: String,
}

/// The fields of a ticket state that depend on `state`.
#[derive(ToSchema)]
#[schema(as = TicketStateFields)]
#[expect(dead_code, reason = "described, never built: each state has its own")]
pub struct TicketFields {
    /// With `scheduled`
    starts_at: Option<Timestamp>,
    /// With `scheduled` and `waiting`: fixed rank in the order of joining
    number: Option<i64>,
    /// With `waiting`: how many wait in front, plus 1; only falls
    position: Option<u64>,
    /// With `scheduled` and `waiting`: how many wait in all
    waiting: Option<u64>,
    /// With `waiting`; null where the sale hides it
    stock: Option<crate::web::api::responses::StockShape>,
    /// With `waiting`: when the next held unit may come back; null while units are available
    next_return_at: Option<Timestamp>,
    /// With `waiting`; null while unknown
    eta_seconds: Option<crate::web::api::responses::EtaShape>,
    /// With `waiting`: why the wait may be longer than one that was told before, for some minutes: `paused`,
    /// `all_held`, `checkout_full`, `pace_changed`, `outage` or `slower`; null without a reason
    #[schema(pattern = "^(paused|all_held|checkout_full|pace_changed|outage|slower)$")]
    wait_reason: Option<String>,
    /// With `waiting`: the chance of being offered a unit, 0 to 1; null while unknown
    chance: Option<f64>,
    /// With `waiting`
    paused: Option<bool>,
    /// With `scheduled`, `waiting` and `admitted`: when a client that polls asks again
    next_poll_seconds: Option<u64>,
    /// With `admitted`, `confirmed`, `expired` and `released`
    hold: Option<crate::web::api::responses::HoldShape>,
    /// With `admitted`: where to buy
    checkout_url: Option<String>,
    /// With `admitted`: null until passes exist
    pass: Option<String>,
    /// With `expired`, `released` and `left`: whether a new join is taken
    rejoin: Option<bool>,
}

/// One server-sent event.
#[derive(ToSchema)]
#[schema(as = StateEvent)]
#[expect(dead_code, reason = "described, never built: axum writes events")]
pub struct StateEvent {
    #[schema(pattern = "^state$")]
    event: String,
    /// A `TicketState` as JSON
    #[schema(content_media_type = "application/json")]
    data: String,
}
