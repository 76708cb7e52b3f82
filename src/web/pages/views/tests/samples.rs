//! Sample data for every page, and every page made from it.

use serde_json::{Value, json};

use crate::web::pages::views::*;

pub const HOSTILE: &str = r#"<script>alert(1)</script>" onload="x' {{ 7 }} </title>"#;
pub const NONCE: &str = "r4nd0m";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn sale(status: &str) -> Value {
    let joins = if ["sold_out", "closed"].contains(&status) { "over" } else { "taken" };
    json!({"id": "0198a", "slug": "winter-drop", "name": "Winter drop", "status": status,
        "starts_at": "2026-11-27T12:00:00Z", "ends_at": null,
        "server_time": "2026-11-27T12:00:03.120Z",
        "waiting": 9999, "stock": {"seeded": 1000, "available": 212, "held": 168, "sold": 620},
        "offer": "units", "joins": joins, "notice": null})
}

pub fn hold(state: &str) -> Value {
    json!({"id": "0198c", "sale": "0198a", "ticket": "0198b", "unit": 1204, "state": state,
        "number": 4711, "admitted_at": "2026-11-27T12:00:00Z",
        "expires_at": "2026-11-27T12:10:00Z", "seconds_left": 572, "ended_at": null,
        "order": null})
}

/// A ticket state with `more` laid over the fields that every state has.
pub fn state(name: &str, more: Value) -> Value {
    let mut state = json!({"ticket": "0198b", "sale": "0198a", "state": name, "version": 17,
        "notice": null, "server_time": "2026-11-27T12:00:03.120Z"});
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    state
}

pub fn waiting(more: Value) -> Value {
    let mut state = state(
        "waiting",
        json!({"number": 4711, "position": 4532, "waiting": 9999, "next_return_at": null,
            "paused": false, "chance": null,
            "stock": {"seeded": 1000, "available": 212, "held": 168, "sold": 620},
            "eta_seconds": {"low": 170, "high": 260}, "next_poll_seconds": 5}),
    );
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    state
}

pub fn confirmed() -> Value {
    let mut hold = hold("confirmed");
    hold["order"] = json!({"id": "0198d", "hold": "0198c", "sale": "0198a", "unit": 1204,
        "payment_reference": null, "confirmed_at": "2026-11-27T12:03:00Z"});
    state("confirmed", json!({"hold": hold}))
}

pub fn room(sale: Value, ticket: Option<Value>) -> String {
    let ticket = ticket.map(|state| Ticket::try_from(&state).unwrap());
    RoomPage { ticket, ..room_page(sale) }.render().unwrap()
}

pub fn room_page(sale: Value) -> RoomPage {
    RoomPage {
        nonce: NONCE.into(),
        w: Words::english(),
        look: Look::default(),
        sale: serde_json::from_value(sale).unwrap(),
        ticket: None,
        form_key: "k3y-0123456789abcdef".into(),
        link: None,
        is_preview: false,
    }
}

pub fn with(mut value: Value, field: &str, to: Value) -> Value {
    value[field] = to;
    value
}

pub fn all_held() -> Value {
    json!({"seeded": 1000, "available": 0, "held": 380, "sold": 620})
}

pub fn rooms() -> Vec<(&'static str, String)> {
    let open = || sale("open");
    let held =
        with(with(open(), "stock", all_held()), "next_return_at", json!("2026-11-27T12:08:41Z"));
    let held = with(held, "offer", json!("all_held"));
    let ended = |name, rejoin: bool| state(name, json!({"hold": hold(name), "rejoin": rejoin}));
    let held_wait = json!({"stock": all_held(), "next_return_at": "2026-11-27T12:08:41Z",
        "chance": 0.88, "notice": "We have added 200 units.", "paused": true});
    let admitted =
        json!({"hold": hold("active"), "checkout_url": "/s/winter-drop/checkout", "pass": null});
    let before = json!({"starts_at": "2026-11-27T13:30:00Z", "waiting": 312});
    vec![
        ("sale_scheduled", room(sale("scheduled"), None)),
        ("sale_unscheduled", room(with(sale("scheduled"), "starts_at", Value::Null), None)),
        ("sale_open", room(open(), None)),
        ("sale_all_held", room(held, None)),
        ("sale_stock_hidden", room(with(open(), "stock", Value::Null), None)),
        ("sale_paused", room(sale("paused"), None)),
        ("sale_sold_out", room(sale("sold_out"), None)),
        ("sale_closed", room(sale("closed"), None)),
        ("ticket_scheduled", room(sale("scheduled"), Some(state("scheduled", before)))),
        ("ticket_waiting", room(open(), Some(waiting(json!({}))))),
        ("ticket_waiting_held", room(open(), Some(waiting(held_wait)))),
        (
            "ticket_waiting_bare",
            room(open(), Some(waiting(json!({"stock": null, "eta_seconds": null})))),
        ),
        ("ticket_admitted", room(open(), Some(state("admitted", admitted)))),
        ("ticket_confirmed", room(open(), Some(confirmed()))),
        ("ticket_expired", room(open(), Some(ended("expired", true)))),
        ("ticket_released", room(open(), Some(ended("released", false)))),
        ("ticket_sold_out", room(sale("sold_out"), Some(state("sold_out", json!({}))))),
        ("ticket_closed", room(sale("closed"), Some(state("closed", json!({}))))),
        ("ticket_left", room(open(), Some(state("left", json!({"rejoin": true}))))),
        ("ticket_removed", room(open(), Some(state("removed", json!({}))))),
    ]
}

pub fn checkout(seconds_left: u64, problem: Option<&str>) -> CheckoutPage {
    CheckoutPage {
        nonce: NONCE.into(),
        w: Words::english(),
        look: Look::default(),
        sale_name: "Winter drop".into(),
        slug: "winter-drop".into(),
        hold: "0198c".into(),
        unit: 1204,
        seconds_left,
        expires_at: at("2026-11-27T12:10:00Z"),
        idempotency_key: "confirm-0198c".into(),
        payment_reference: problem.map(|_| "card 4711").unwrap_or_default().into(),
        payment_reference_error: None,
        problem: problem.map(Into::into),
    }
}

pub fn receipt() -> ReceiptPage {
    ReceiptPage {
        nonce: NONCE.into(),
        w: Words::english(),
        look: Look::default(),
        sale_name: "Winter drop".into(),
        slug: "winter-drop".into(),
        order: "0198d0c4-5a70-7c11-9a55-0f2be1c1c0de".into(),
        unit: 1204,
        confirmed_at: at("2026-11-27T12:03:12Z"),
        payment_reference: Some("card 4711".into()),
    }
}

pub fn problem() -> ProblemPage {
    ProblemPage {
        nonce: NONCE.into(),
        w: Words::english(),
        status: 429,
        title: "Too many requests".into(),
        detail: "Your connection sent more joins than one household needs.".into(),
        errors: Vec::new(),
        retry_after_seconds: Some(60),
        ways: vec![
            Way { href: "/s/winter-drop".into(), label: "Back to the sale".into() },
            Way { href: "/docs".into(), label: "API reference".into() },
        ],
        for_engineers: Some(HOSTILE.into()),
    }
}

pub fn standing(verdict: &str) -> Standing {
    let trouble = json!({"level": "bad", "sale": null, "text": HOSTILE, "advice": HOSTILE});
    let gateway = json!({"name": HOSTILE, "version": "0.1.0", "started_at": "2026-11-27T11:00:00Z",
        "silent": true, "silent_seconds": 9, "sockets": 12, "admissions_per_second": 1.5,
        "missing": ["redis"]});
    serde_json::from_value(json!({"verdict": verdict, "troubles": [trouble],
        "stores": {"postgres": true, "redis": false}, "gateways": [gateway]}))
    .unwrap()
}

/// An owner, or somebody who only looks.
pub fn me(manages: bool) -> Me {
    let role = if manages { "owner" } else { "viewer" };
    Me { name: HOSTILE.into(), role, steers: manages, manages }
}

fn account(has_password: bool) -> AccountPage {
    let session = |agent: &str, is_this| SessionRow {
        agent: agent.into(),
        created_at: at("2026-11-27T10:00:00Z"),
        last_seen_at: at("2026-11-27T12:00:00Z"),
        expires_at: at("2026-11-27T22:00:00Z"),
        is_this,
    };
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36";
    AccountPage {
        nonce: NONCE.into(),
        me: me(false),
        flash: None,
        has_password,
        form: Form::new("password", [("", ""); 0]),
        sessions: vec![session(chrome, true), session(HOSTILE, false), session("", false)],
    }
}

fn operators(count: usize) -> OperatorsPage {
    let row = |n: usize| OperatorRow {
        id: format!("0198-{n}"),
        name: if n == 1 { HOSTILE.into() } else { format!("Ana {n}") },
        role: ["owner", "operator", "viewer"][n % 3],
        created_by: "admin-key".into(),
        last_login_at: (n != 2).then(|| at("2026-11-27T12:00:00Z")),
        is_last_owner: n == 0,
        is_me: n == 0,
    };
    let change = |n: usize| AccountChangeRow {
        at: at("2026-11-27T12:00:00Z"),
        actor: HOSTILE.into(),
        text: format!("added Ana {n} as viewer"),
    };
    OperatorsPage {
        nonce: NONCE.into(),
        me: me(true),
        flash: None,
        form: Form::new("operator", [("role", "operator")]),
        operators: (0..count).map(row).collect(),
        changes: (0..count).map(change).collect(),
    }
}

fn keys(count: usize, made: Option<&str>) -> KeysPage {
    let row = |n: usize| KeyRow {
        id: format!("0198-{n}"),
        name: if n == 1 { HOSTILE.into() } else { format!("till {n}") },
        role: "checkout",
        hint: "rl_abc123".into(),
        created_by: "Ana".into(),
        created_at: at("2026-11-27T12:00:00Z"),
        last_used_at: (n != 2).then(|| at("2026-11-27T12:00:00Z")),
        expires_at: (n == 1).then(|| at("2027-11-27T12:00:00Z")),
        state: ["In force", "Expired", "Revoked"][n % 3],
    };
    KeysPage {
        nonce: NONCE.into(),
        me: me(true),
        flash: None,
        form: Form::new("key", [("role", "checkout")]),
        made: made.map(str::to_owned),
        keys: (0..count).map(row).collect(),
        form_key: "make-key-0123456789".into(),
    }
}

pub fn sales_page(sales: usize) -> AdminSalesPage {
    let row = |n: usize| SaleRow {
        reference: format!("sale-{n}"),
        is_archived: n == 1,
        slug: format!("drop-{n}"),
        name: format!("Drop {n}"),
        status: [SaleStatus::Open, SaleStatus::Scheduled, SaleStatus::SoldOut][n % 3],
        starts_at: Some(at("2026-11-27T12:00:00Z")).filter(|_| n != 2),
        verdict: "well".into(),
        waiting: 12_345,
        available: 0,
        held: 380,
        sold: 620,
    };
    let (nonce, form) = (NONCE.into(), Form::create());
    AdminSalesPage {
        shows_archived: true,
        nonce,
        me: me(true),
        flash: None,
        sales: (0..sales).map(row).collect(),
        next_cursor: None,
        form,
        forecast: vec![HOSTILE.into()],
        standing: standing("bad"),
        health: serde_json::from_value(json!({
            "findings": [
                {"name": "redis-eviction", "weight": "refuse", "text": "Redis may throw away the line"},
                {"name": "redis-persistence", "weight": "warn", "text": HOSTILE},
            ],
            "durability": {"text": "A confirmed purchase is on the disk of one machine."},
        }))
        .unwrap(),
    }
}

pub fn admin_sale(status: &str) -> AdminSalePage {
    let settings = json!({"batch_size": 100, "admit_interval_ms": 1000, "max_in_checkout": null,
        "checkout_window_seconds": 600, "expiry_grace_seconds": 5, "checkout": "builtin",
        "hide_stock": false, "max_waiting": 1_000_000});
    let mut whole = sale(status);
    whole.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let sale: AdminSale = serde_json::from_value(whole).unwrap();
    let stats = json!({"status": status, "waiting": 9999, "joined": 11_020,
        "left": 401, "admitted": 620,
        "tokens": {"seeded": 1000, "available": 0, "held": 380, "sold": 620, "withdrawn": 0},
        "joins_per_second": 812.44, "admissions_per_second": 97.0});
    let order = json!({"id": "0198d", "hold": "0198c", "sale": "0198a", "unit": 1204,
        "ticket": "0198b", "payment_reference": HOSTILE, "confirmed_at": "2026-11-27T12:03:00Z"});
    let audit = json!({"id": 1, "at": "2026-11-27T11:58:00Z", "actor": "key:admin",
        "action": "sale.seed", "sale": "0198a", "detail": {"count": 1000}});
    let forms = AdminForms::new(&sale, Some("Doors open soon."));
    AdminSalePage {
        nonce: NONCE.into(),
        me: me(true),
        flash: Some(Flash { text: "1,000 units were added.".into(), bad: false }),
        charts: "/assets/uplot.js".into(),
        forecast: vec![HOSTILE.into()],
        standing: standing("watch"),
        readiness: (status == "scheduled").then(|| {
            let item = json!({"name": "units", "ok": false, "detail": HOSTILE});
            serde_json::from_value(json!({"ready": false, "items": [item]})).unwrap()
        }),
        asks_to_open: status == "scheduled",
        sale,
        stats: serde_json::from_value(stats).unwrap(),
        forms,
        form_key: "seed-key-0123456789".into(),
        found: vec!["0198b".into()],
        payments: payments(),
        orders: vec![serde_json::from_value(order).unwrap()],
        holds: vec![serde_json::from_value(hold("active")).unwrap()],
        repairs: serde_json::from_value(json!([
            {"name": "token_added", "times": 3, "last_at": "2026-11-27T12:05:00Z"},
            {"name": "waiter_dropped", "times": 0, "last_at": null},
            {"name": "waiter_journaled", "times": 0, "last_at": null},
        ]))
        .unwrap(),
        has_findings: true,
        audit: vec![serde_json::from_value(audit).unwrap()],
    }
}

/// One of each kind, with hostile texts; one note was refused.
fn payments() -> PaymentsPart {
    let row = |id: &str, kind: &str, source: &str, order: Option<&str>, before: &[&str]| {
        serde_json::from_value(json!({
            "id": id, "reference": HOSTILE, "kind": kind, "source": source, "seen_by": HOSTILE,
            "first_seen_at": "2026-11-27T12:05:00Z", "hold": "0198h", "ticket": "0198b", "order": order,
            "order_reference": HOSTILE, "used_before": before,
        }))
        .unwrap()
    };
    PaymentsPart {
        open: 2,
        rows: vec![
            row("1", "duplicate", "shop", Some("0198o"), &[]),
            row("2", "reused", "shop", Some("0198o"), &["0198p", "0198q"]),
            row("3", "ended", "shopper", None, &["0198p"]),
        ],
        refused: Some(RefusedNote {
            payment: "2".into(),
            note: HOSTILE.into(),
            detail: "must say what was done".into(),
        }),
    }
}

pub fn admin_ticket() -> AdminTicketPage {
    AdminTicketPage {
        nonce: NONCE.into(),
        me: me(true),
        flash: None,
        sale_name: HOSTILE.into(),
        slug: "winter-drop".into(),
        ticket: "0198b".into(),
        number: 4711,
        lines: vec![StoryLine { at: at("2026-11-27T12:03:00Z"), text: HOSTILE.into() }],
        shows: vec![HOSTILE.into()],
        can_remove: true,
        form: Form::new("remove", [("", ""); 0]),
    }
}

pub fn docs() -> DocsPage {
    DocsPage { nonce: NONCE.into(), script: "/assets/a.js".into(), style: "/assets/a.css".into() }
}

/// Every page in every state that looks different.
pub fn every_page() -> Vec<(&'static str, String)> {
    let login = |problem: Option<&str>| AdminLoginPage {
        carried: vec![("next".into(), HOSTILE.into())],
        nonce: NONCE.into(),
        name: HOSTILE.into(),
        problem: problem.map(|text| ("name", text.to_owned())),
    };
    let mut refused = sales_page(0);
    refused.form.fail("slug", "This slug is in use.");
    let mut mistyped = admin_sale("open");
    mistyped.forms.close = Form::new("close", [("slug", "winterdrop")]);
    mistyped.forms.close.fail("slug", "This is not the slug of the sale.");
    mistyped.stats.tokens.sold -= 1;
    let mut pages = rooms();
    pages.extend([
        ("checkout", checkout(572, None).render().unwrap()),
        ("checkout_over", checkout(0, None).render().unwrap()),
        ("checkout_unknown", checkout(61, Some("We do not know yet.")).render().unwrap()),
        ("account", account(true).render().unwrap()),
        ("account_of_key", account(false).render().unwrap()),
        ("operators_none", operators(0).render().unwrap()),
        ("operators", operators(3).render().unwrap()),
        ("keys_none", keys(0, None).render().unwrap()),
        ("keys", keys(3, Some("rl_0123456789")).render().unwrap()),
        ("receipt", receipt().render().unwrap()),
        ("problem", problem().render().unwrap()),
        ("admin_login", login(None).render().unwrap()),
        ("admin_login_refused", login(Some("This key is not known.")).render().unwrap()),
        ("admin_sales", sales_page(3).render().unwrap()),
        ("admin_sales_refused", refused.render().unwrap()),
        ("admin_sale_scheduled", admin_sale("scheduled").render().unwrap()),
        ("admin_sale_open", admin_sale("open").render().unwrap()),
        ("admin_sale_paused", admin_sale("paused").render().unwrap()),
        ("admin_sale_closed", admin_sale("closed").render().unwrap()),
        ("admin_sale_mistyped", mistyped.render().unwrap()),
        ("admin_ticket", admin_ticket().render().unwrap()),
        ("docs", docs().render().unwrap()),
    ]);
    pages
}

/// The page called `name`.
pub fn page(name: &str) -> String {
    every_page().into_iter().find(|(other, _)| *other == name).unwrap().1
}
