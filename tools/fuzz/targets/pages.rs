//! Every page with somebody else's words in it. Whatever a name, a notice, a reference or a form's field
//! says, the page has the tags and attributes that it has with harmless words in the same places.
#![no_main]

use askama::Template;
use jiff::Timestamp;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::web::i18n::Words as Language;
use ropeline::web::pages::views::{
    AdminCarriedPage, AdminForms, AdminLoginPage, AdminSale, AdminSalePage, AdminSalesPage,
    AdminTicketPage, CarriedField, CheckoutPage, FieldError, Flash, Form, Look, Me, MovePage,
    PaymentsPart, ProblemPage, ReceiptPage, RefusedNote, RoomPage, SaleRow, SaleStatus, Standing,
    StoryLine, Ticket,
};
use serde_json::{Value, json};

#[derive(Debug, Clone, Arbitrary)]
struct Words {
    name: String,
    notice: Option<String>,
    reference: Option<String>,
    typed: Vec<(String, String)>,
    fault: String,
    state: u8,
}

impl Words {
    /// As many words, and none that means anything.
    fn harmless(&self) -> Self {
        let plain = |text: &String| "x".repeat(text.chars().count());
        let same = |text: &String| {
            let is_hostile = text.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            if is_hostile { plain(text) } else { text.clone() }
        };
        Self {
            name: plain(&self.name),
            notice: self.notice.as_ref().map(plain),
            reference: self.reference.as_ref().map(plain),
            typed: self.typed.iter().map(|(name, value)| (same(name), same(value))).collect(),
            fault: plain(&self.fault),
            state: self.state,
        }
    }
}

/// The tags of a page with the names of their attributes, as a browser reads them.
fn tags(html: &str) -> Vec<String> {
    let (mut tags, mut rest) = (Vec::new(), html);
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c)) {
            continue;
        }
        let (mut tag, mut quote) = (String::new(), None);
        let end = rest.find(|c: char| {
            match quote {
                Some(open) if c == open => quote = None,
                Some(_) => {}
                None if c == '"' || c == '\'' => quote = Some(c),
                None => tag.push(c),
            }
            quote.is_none() && c == '>'
        });
        rest = &rest[end.expect("every tag ends")..];
        for (open, close) in [("script", "</script"), ("style", "</style")] {
            if tag.starts_with(open) {
                rest = &rest[rest.find(close).expect("it is closed")..];
            }
        }
        tags.push(tag);
    }
    tags
}

fn at() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn sale(words: &Words) -> Value {
    let state = ["scheduled", "open", "paused", "sold_out", "closed"];
    json!({"id": "0198a", "slug": "drop", "name": words.name, "starts_at": null, "ends_at": null,
        "status": state[usize::from(words.state) % state.len()], "waiting": 9, "batch_size": 100,
        "offer": "units", "joins": "taken", "notice": words.notice, "former_slugs": [words.name],
        "admit_interval_ms": 1000, "max_in_checkout": null, "checkout_window_seconds": 600,
        "expiry_grace_seconds": 5, "checkout": "builtin", "hide_stock": false, "max_waiting": 9,
        "stock": {"seeded": 10, "available": 2, "held": 1, "sold": 7}, "server_time": at()})
}

fn ticket(words: &Words) -> Option<Ticket> {
    let (mut hold, stock) = (hold(), json!({"seeded": 9, "available": 9, "held": 0, "sold": 0}));
    let state = match words.state / 5 % 5 {
        0 => return None,
        1 => json!({"state": "waiting", "number": 4, "position": 3, "waiting": 9, "paused": false,
            "next_return_at": null, "chance": null, "stock": stock, "eta_seconds": null,
            "next_poll_seconds": 5}),
        2 => {
            let link = words.reference.as_ref().map(|text| format!("https://shop.example/{text}"));
            json!({"state": "admitted", "hold": hold, "checkout_url": link})
        }
        3 => json!({"state": "expired", "hold": hold, "rejoin": true}),
        _ => {
            hold["order"] = order(words);
            json!({"state": "confirmed", "hold": hold})
        }
    };
    let mut whole = json!({"ticket": "0198b", "sale": "0198a", "version": 17,
        "notice": words.notice, "server_time": at()});
    for (name, value) in state.as_object().into_iter().flatten() {
        whole[name] = value.clone();
    }
    Some(Ticket::try_from(&whole).expect("a state of ours"))
}

fn hold() -> Value {
    json!({"id": "0198c", "sale": "0198a", "ticket": "0198b", "unit": 4, "state": "active",
        "number": 4, "admitted_at": at(), "expires_at": at(), "seconds_left": 5, "ended_at": null,
        "order": null})
}

fn order(words: &Words) -> Value {
    json!({"id": "0198d", "hold": "0198c", "sale": "0198a", "unit": 4, "ticket": "0198b",
        "payment_reference": words.reference, "confirmed_at": at()})
}

fn payments(words: &Words) -> PaymentsPart {
    let text = words.reference.clone().unwrap_or_default();
    let row = json!({"id": "1", "reference": text, "kind": "duplicate", "source": "shopper",
        "seen_by": words.name, "first_seen_at": at(), "hold": "0198c", "ticket": "0198b",
        "order": "0198d", "order_reference": words.notice, "used_before": ["0198e"]});
    let (note, detail) = (words.name.clone(), words.fault.clone());
    let refused = Some(RefusedNote { payment: "1".into(), note, detail });
    PaymentsPart { open: 1, rows: vec![read(row)], refused }
}

fn form(name: &'static str, words: &Words) -> Form {
    let mut form = Form::new(name, words.typed.clone());
    for field in ["slug", "name", "count", "text", "ticket", "batch_size"] {
        form.fail(field, words.fault.clone());
    }
    form
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a shape of ours")
}

/// The look of a sale. Only the words: a picture and a colour are checked before they are kept.
fn look(words: &Words) -> Look {
    Look {
        name: Some(words.name.clone()),
        picture: None,
        colours: None,
        headline: words.notice.clone(),
        lead: Some(words.fault.clone()),
        sold_out: words.reference.clone(),
    }
}

fn me(words: &Words) -> Me {
    Me { name: words.name.clone(), role: "owner", steers: true, manages: true }
}

/// Every page that shows words from outside.
fn pages(words: &Words) -> Vec<String> {
    let nonce = || "nonce".to_owned();
    let w = Language::english;
    let room = RoomPage {
        nonce: nonce(),
        w: w(),
        look: look(words),
        sale: read(sale(words)),
        ticket: ticket(words),
        form_key: "key".into(),
        link: None,
        is_preview: false,
    };
    let moved = MovePage {
        nonce: nonce(),
        w: w(),
        look: look(words),
        sale_name: words.name.clone(),
        slug: "drop".into(),
        code: words.fault.clone(),
    };
    let checkout = CheckoutPage {
        nonce: nonce(),
        w: w(),
        look: look(words),
        sale_name: words.name.clone(),
        slug: "drop".into(),
        hold: "0198c".into(),
        unit: 4,
        seconds_left: 5,
        expires_at: at(),
        idempotency_key: words.fault.clone(),
        payment_reference: words.reference.clone().unwrap_or_default(),
        payment_reference_error: words.notice.clone(),
        problem: words.notice.clone(),
    };
    let receipt = ReceiptPage {
        nonce: nonce(),
        w: w(),
        look: look(words),
        sale_name: words.name.clone(),
        slug: "drop".into(),
        order: "0198d".into(),
        unit: 4,
        confirmed_at: at(),
        payment_reference: words.reference.clone(),
    };
    let error = |(field, detail): &(String, String)| FieldError {
        field: field.clone(),
        detail: detail.clone(),
    };
    let problem = ProblemPage {
        nonce: nonce(),
        w: w(),
        status: 422,
        title: words.name.clone(),
        detail: words.fault.clone(),
        errors: words.typed.iter().map(error).collect(),
        retry_after_seconds: None,
        ways: Vec::new(),
        for_engineers: words.reference.clone(),
    };
    let login = AdminLoginPage {
        nonce: nonce(),
        name: words.name.clone(),
        problem: words.notice.clone().map(|text| ("password", text)),
        carried: words.typed.clone(),
    };
    let carried = |is_hidden, is_long| {
        let field = move |(name, text): &(String, String)| CarriedField {
            name: name.clone(),
            label: name.clone(),
            text: text.clone(),
            is_hidden,
            is_long,
        };
        words.typed.iter().map(field).collect::<Vec<_>>()
    };
    let kept = AdminCarriedPage {
        nonce: nonce(),
        action: words.fault.clone(),
        back: words.name.clone(),
        fields: [carried(true, false), carried(false, true), carried(false, false)]
            .into_iter()
            .flatten()
            .collect(),
        again: carried(false, false),
    };
    [
        room.render(),
        moved.render(),
        checkout.render(),
        receipt.render(),
        problem.render(),
        login.render(),
        kept.render(),
    ]
    .into_iter()
    .map(|page| page.expect("it renders"))
    .chain(console(words))
    .collect()
}

fn standing(words: &Words) -> Standing {
    let trouble = json!({"level": "bad", "text": words.fault, "advice": words.name});
    let gateway = json!({"name": words.name, "version": "1", "started_at": at(), "silent": false,
        "silent_seconds": 0, "sockets": 1, "admissions_per_second": 0.5, "missing": [words.fault]});
    read(json!({"verdict": "bad", "troubles": [trouble],
        "stores": {"postgres": true, "redis": false}, "gateways": [gateway]}))
}

fn console(words: &Words) -> [String; 3] {
    let row = SaleRow {
        reference: "drop".into(),
        is_archived: false,
        slug: "drop".into(),
        name: words.name.clone(),
        status: SaleStatus::Open,
        verdict: "well".into(),
        starts_at: None,
        waiting: 1,
        available: 2,
        held: 3,
        sold: 4,
    };
    let flash = || Some(Flash { text: words.fault.clone(), bad: true });
    let sales = AdminSalesPage {
        nonce: "nonce".into(),
        me: me(words),
        flash: flash(),
        sales: vec![row],
        next_cursor: None,
        form: form("create", words),
        shows_archived: false,
        forecast: vec![words.fault.clone()],
        standing: standing(words),
        health: read(json!({"findings": [{"name": "redis-disk", "weight": "warn",
            "text": words.fault}], "durability": null})),
    };
    let shown: AdminSale = read(sale(words));
    let stats = json!({"waiting": 9, "joined": 9, "left": 1, "admitted": 2,
        "tokens": {"seeded": 9, "available": 9, "held": 0, "sold": 0, "withdrawn": 0},
        "joins_per_second": 1.5, "admissions_per_second": 0.0});
    let audit = json!({"at": at(), "actor": "api-key", "action": "change",
        "detail": {"name": words.name, "typed": words.fault}});
    let mut forms = AdminForms::new(&shown, words.notice.as_deref());
    forms.seed = form("seed", words);
    forms.close = form("close", words);
    forms.remove = form("remove", words);
    let one = AdminSalePage {
        nonce: "nonce".into(),
        me: me(words),
        flash: flash(),
        charts: "/assets/uplot.js".into(),
        forecast: vec![words.fault.clone()],
        standing: standing(words),
        readiness: Some(read(json!({"ready": false, "items": [{"name": "address", "ok": false,
            "detail": words.fault}]}))),
        asks_to_open: true,
        sale: shown,
        stats: read(stats),
        forms,
        form_key: "key".into(),
        found: Vec::new(),
        payments: payments(words),
        orders: vec![read(order(words))],
        holds: vec![read(hold())],
        repairs: Vec::new(),
        has_findings: true,
        audit: vec![read(audit)],
    };
    let ticket = AdminTicketPage {
        nonce: "nonce".into(),
        me: me(words),
        flash: flash(),
        sale_name: words.name.clone(),
        slug: "drop".into(),
        ticket: "ticket".into(),
        number: 1,
        lines: vec![StoryLine { at: at(), text: words.fault.clone() }],
        shows: vec![words.name.clone()],
        can_remove: true,
        form: form("remove", words),
    };
    [sales.render(), one.render(), ticket.render()].map(|page| page.expect("it renders"))
}

fuzz_target!(|words: Words| {
    let plain = pages(&words.harmless());
    for (hostile, plain) in pages(&words).iter().zip(&plain) {
        assert_eq!(tags(hostile), tags(plain), "{hostile}");
    }
});
