//! What every page keeps to, whoever fills it.

pub(crate) mod samples;

use askama::Template;
use serde_json::{Value, json};

use crate::web::pages::views::tests::samples::*;
use crate::web::pages::views::*;

/// The start tags of a page, the insides of scripts and styles left out.
fn tags(html: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let end = rest[start..].find('>').unwrap() + start;
        let tag = &rest[start..=end];
        tags.push(tag);
        rest = &rest[end + 1..];
        for (open, close) in [("<script", "</script>"), ("<style", "</style>")] {
            if tag.starts_with(open) {
                rest = &rest[rest.find(close).unwrap()..];
            }
        }
    }
    tags
}

/// The section of the waiting room that is not hidden.
fn shown(html: &str) -> Vec<&str> {
    let sections = html.split("<section data-when=\"").skip(1);
    sections
        .filter(|section| !section[..section.find('>').unwrap()].ends_with(" hidden"))
        .map(|section| &section[..section.find('"').unwrap()])
        .collect()
}

#[test]
fn no_page_breaks_the_content_security_policy() {
    for (name, html) in every_page() {
        for tag in tags(&html) {
            // Attribute values may hold anything, so only names are looked at.
            let names = tag.split('"').step_by(2).flat_map(str::split_ascii_whitespace);
            let inline = |name: &&str| {
                let name = name.trim_end_matches('=');
                name == "style" || (name.starts_with("on") && name.len() > 2)
            };
            assert_eq!(names.skip(1).find(inline), None, "{name}: {tag}");
            if tag.starts_with("<script") || tag.starts_with("<style") {
                assert!(tag.contains(&format!(" nonce=\"{NONCE}\"")), "{name}: {tag}");
            }
            assert!(
                !tag.contains("=\"http") && !tag.contains("=\"//"),
                "{name} names another origin: {tag}"
            );
        }
    }
}

#[test]
fn every_page_has_a_language_a_title_one_heading_and_one_main_part() {
    for (name, html) in every_page() {
        assert!(
            html.contains("<html lang=\"en\">") && html.contains("name=\"viewport\""),
            "{name}"
        );
        assert!(!html.contains("<title></title>"), "{name}");
        assert_eq!(html.matches("<main").count(), 1, "{name}");
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        let ids: Vec<&str> =
            html.split(" id=\"").skip(1).map(|id| &id[..id.find('"').unwrap()]).collect();
        let once: std::collections::BTreeSet<&&str> = ids.iter().collect();
        assert_eq!(once.len(), ids.len(), "{name} repeats an id: {ids:?}");
    }
}

#[test]
fn a_hostile_name_stays_text() {
    let hostile = |value: Value, field| with(value, field, json!(HOSTILE));
    let mut checkout = checkout(572, Some(HOSTILE));
    (checkout.sale_name, checkout.payment_reference, checkout.slug) =
        (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
    let mut console = admin_sale("open");
    (console.sale.name, console.sale.slug) = (HOSTILE.into(), HOSTILE.into());
    console.forms.notice = Form::new("notice", [("text", HOSTILE)]);
    let pages = [
        room(hostile(hostile(sale("open"), "name"), "slug"), None),
        room(hostile(sale("open"), "name"), Some(hostile(waiting(json!({})), "notice"))),
        checkout.render().unwrap(),
        console.render().unwrap(),
    ];
    for html in pages {
        assert!(!html.contains("<script>") && !html.contains("\" onload"), "{html}");
        assert_eq!(html.matches("</title>").count(), 1);
        assert!(html.contains("&#60;script&#62;alert(1)"), "{html}");
    }
}

#[test]
fn a_shops_own_words_stay_text_and_a_preview_does_nothing() {
    let mut page = room_page(sale("open"));
    page.look = Look {
        name: Some(HOSTILE.into()),
        picture: Some("data:image/png;base64,iVBORw0KGgo=".into()),
        colours: Some(("#c2410c".into(), "#ffffff".into())),
        headline: Some(HOSTILE.into()),
        lead: Some(HOSTILE.into()),
        sold_out: None,
    };
    page.is_preview = true;
    let html = page.render().unwrap();
    assert_eq!(html.matches("&#60;script&#62;alert(1)").count(), 3, "{html}");
    assert!(!html.contains("<script") && html.contains("<div inert>"), "{html}");
    assert!(html.contains(":root { --brand: #c2410c; --on-brand: #ffffff; }"), "{html}");
    assert!(html.contains("<img src=\"data:image/png;base64,iVBORw0KGgo=\" alt=\"\">"), "{html}");
}

#[test]
fn a_room_shows_exactly_the_state_of_the_ticket() {
    for (name, html) in rooms() {
        let expected = match name.strip_prefix("ticket_") {
            Some(state) => vec![state.trim_end_matches("_held").trim_end_matches("_bare")],
            None => vec![],
        };
        assert_eq!(shown(&html), expected, "{name}");
    }
}

#[test]
fn a_room_refreshes_itself_only_while_its_state_can_change() {
    for (name, html) in rooms() {
        let moving = ["ticket_scheduled", "ticket_waiting", "ticket_admitted"];
        let expected = moving.iter().any(|state| name.starts_with(state));
        let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>";
        assert_eq!(html.contains(refresh), expected, "{name}");
        assert_eq!(html.contains("http-equiv"), expected, "{name}");
    }
}

#[test]
fn joins_are_offered_while_the_sale_takes_them() {
    for (name, html) in rooms().into_iter().filter(|(name, _)| name.starts_with("sale_")) {
        let expected = !["sale_sold_out", "sale_closed"].contains(&name);
        assert_eq!(html.contains("action=\"/s/winter-drop/join\""), expected, "{name}");
    }
    let rejoin = |name| {
        !page(name).contains(
            "<form data-if=\"rejoin\" method=\"post\" action=\"/s/winter-drop/join\" hidden",
        )
    };
    assert!(rejoin("ticket_expired") && rejoin("ticket_left"));
    assert!(!rejoin("ticket_released") && !rejoin("ticket_sold_out") && !rejoin("ticket_waiting"));
}

/// The sentences before joining that are not hidden.
fn told(html: &str) -> Vec<&str> {
    let parts = html.split(" data-told=\"").skip(1);
    parts
        .filter(|part| !part[..part.find('>').unwrap()].ends_with(" hidden"))
        .map(|part| &part[..part.find('"').unwrap()])
        .collect()
}

#[test]
fn a_room_tells_the_row_of_the_table_and_gives_the_script_all_of_them() {
    for status in ["scheduled", "open", "paused", "sold_out", "closed"] {
        for start in [json!("2026-11-27T12:00:00Z"), Value::Null] {
            for offer in Offer::ALL {
                for joins in Joins::ALL {
                    let mut sale = with(sale(status), "starts_at", start.clone());
                    sale["offer"] = json!(offer);
                    sale["joins"] = json!(joins);
                    let page = room_page(sale);
                    let status = page.sale.status.status();
                    let row = crate::web::room::told::row(status, !start.is_null(), offer, joins);
                    let html = page.render().unwrap();
                    assert_eq!(told(&html), row, "{status:?} {offer:?} {joins:?}");
                    let name = crate::web::room::told::name(offer, joins);
                    assert!(html.contains(&format!("data-row=\"{name}\"")));
                    let rows: Value = serde_json::from_str(&page.sale.rows()).unwrap();
                    assert_eq!(rows[&name], json!(row));
                    // What the script may show is on the page, with its words.
                    for id in
                        rows.as_object().unwrap().values().flat_map(|row| row.as_array().unwrap())
                    {
                        assert!(html.contains(&format!("data-told={id}")), "{status:?}: {id}");
                        let words = page.w.around(id.as_str().unwrap()).0;
                        assert!(html.contains(words.trim()), "{status:?}: {words}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_ticket_is_told_nothing_that_depends_on_a_line_which_may_be_over() {
    for name in ["ticket_admitted", "ticket_expired", "ticket_released", "ticket_left", "checkout"]
    {
        let html = page(name);
        let words = html.split("<script").next().unwrap();
        // What is waited for is another section, and is hidden.
        let waiting = words.split("<section data-when=\"waiting\"").nth(1);
        let waiting = waiting.map_or("", |rest| rest.split("</section>").next().unwrap());
        let words = words.replace(waiting, "");
        assert!(!words.contains("next in line"), "{name}: {words}");
    }
    for (state, more, again) in [
        ("expired", json!({"hold": hold("expired")}), true),
        ("released", json!({"hold": hold("released")}), true),
        ("left", json!({}), true),
        ("moved", json!({}), true),
        ("removed", json!({}), false),
        ("sold_out", json!({}), false),
        ("closed", json!({}), false),
        ("waiting", json!({}), false),
    ] {
        for rejoin in [true, false] {
            let more = with(more.clone(), "rejoin", json!(rejoin));
            let html =
                room(sale("open"), Some(crate::web::pages::views::tests::state(state, more)));
            let form = html.split("<form data-if=\"rejoin\"").nth(1).unwrap();
            let is_hidden = form[..form.find('>').unwrap()].ends_with(" hidden");
            assert_eq!(!is_hidden, again && rejoin, "{state} {rejoin}");
        }
    }
    let nothing = json!({"seeded": 9, "available": 0, "held": 0, "sold": 0});
    for (stock, is_told) in [(nothing, true), (all_held(), false), (Value::Null, false)] {
        let html = room(sale("open"), Some(waiting(json!({"stock": stock}))));
        assert_eq!(html.contains("<p data-if=\"no_units\">"), is_told, "{stock}");
    }
}

#[test]
fn held_is_never_called_sold_out() {
    let html = page("sale_all_held");
    let words = html.split("<script").next().unwrap();
    assert!(
        words.contains("<p data-if=\"all_held\"><strong>All units are being checked out.</strong>")
    );
    assert!(words.contains("12:08\u{202f}PM UTC</time>"));
    assert!(!words.to_lowercase().contains("sold out"));
}

#[test]
fn a_chance_is_told_in_words_and_a_number_and_only_what_is_sure_is_called_so() {
    for (chance, words) in [
        (1.0, "certain – 100%"),
        (0.999, "very likely – over 99%"),
        (0.97, "very likely – 97%"),
        (0.88, "likely – 88%"),
        (0.52, "about even – 52%"),
        (0.2, "unlikely – 20%"),
        (0.03, "very unlikely – 3%"),
        (0.004, "no realistic chance – under 1%"),
        (0.0, "no realistic chance – under 1%"),
    ] {
        let ticket = Ticket::try_from(&waiting(json!({ "chance": chance }))).unwrap();
        assert_eq!(ticket.chance_words(&Words::english()), words);
        let html = room(sale("open"), Some(waiting(json!({ "chance": chance }))));
        assert_eq!(html.contains("data-if=\"hopeless\">"), chance < 0.01, "{chance}");
    }
    let unknown = Ticket::try_from(&waiting(json!({}))).unwrap();
    assert_eq!(unknown.chance_words(&Words::english()), "");
}

#[test]
fn a_page_without_script_says_why_the_wait_may_have_grown() {
    for reason in
        crate::model::line::pace::Reason::ALL.map(crate::model::line::pace::Reason::as_str)
    {
        let html = room(sale("open"), Some(waiting(json!({ "wait_reason": reason }))));
        let told: Vec<&str> = html.split("data-reason=\"").skip(1).collect();
        let shown: Vec<&str> = told
            .iter()
            .filter(|it| !it[..it.find('>').unwrap()].ends_with(" hidden"))
            .map(|it| &it[..it.find('"').unwrap()])
            .collect();
        assert_eq!(shown, [reason]);
        let stopped = waiting(json!({ "wait_reason": reason, "eta_seconds": null }));
        let html = room(sale("open"), Some(stopped));
        assert!(!html.contains(&format!("data-reason=\"{reason}\">")), "no wait, no reason");
    }
}

#[test]
fn a_place_is_shown_with_all_that_is_known_about_it() {
    let html = page("ticket_waiting");
    for field in [
        "position\">4,532<",
        "in_front\">4,531<",
        "behind\">5,467<",
        "eta\">2–5 minutes<",
        "sold\">620<",
    ] {
        assert!(html.contains(&format!("data-f=\"{field}")), "{field}");
    }
    assert!(html.contains("<title>4,532 – Winter drop</title>"));
    assert!(page("ticket_waiting_bare").contains("<div data-if=\"eta\" hidden>"));
    let held = page("ticket_waiting_held");
    assert!(held.contains("<span data-f=\"notice\">We have added 200 units.</span>"));
    assert!(
        held.contains(">likely – 88%<") && held.contains("<p class=\"note\" data-if=\"paused\">")
    );
}

#[test]
fn a_checkout_address_cannot_run_anything() {
    let link = |url: &str| {
        let state = state("admitted", json!({"hold": hold("active"), "checkout_url": url}));
        Ticket::try_from(&state).unwrap().checkout().map(str::to_owned)
    };
    assert_eq!(link("/s/a/checkout").as_deref(), Some("/s/a/checkout"));
    assert_eq!(link("https://shop.example/pay").as_deref(), Some("https://shop.example/pay"));
    assert_eq!(link("javascript:alert(1)"), None);
    assert_eq!(link("//elsewhere.example"), None);
}

#[test]
fn a_countdown_is_there_without_a_script() {
    assert!(page("ticket_admitted").contains("data-f=\"left\">9:32<"));
    assert!(page("ticket_scheduled").contains("data-f=\"left\">1:29:56<"));
    assert!(page("checkout").contains("data-left>9:32<"));
    assert!(page("checkout_over").contains("data-over><strong>Your time is up.</strong>"));
}

#[test]
fn a_refused_form_keeps_its_values_and_says_what_is_wrong_beside_the_field() {
    let html = page("admin_sale_mistyped");
    assert!(html.contains(
        "value=\"winterdrop\" aria-invalid=\"true\" aria-describedby=\"close-slug-error\""
    ));
    assert!(html.contains(
        "<small class=\"error\" id=\"close-slug-error\">This is not the slug of the sale.</small>"
    ));
    assert!(page("checkout_unknown").contains("value=\"card 4711\""));
    assert!(page("checkout_unknown").contains("value=\"confirm-0198c\""));
}

#[test]
fn an_admitted_shopper_without_a_checkout_address_is_told_why_there_is_no_link() {
    let told = "The shop has not told us its checkout address";
    let html = |url: Value| {
        let more = json!({"hold": hold("active"), "checkout_url": url, "pass": null});
        room(sale("open"), Some(state("admitted", more)))
    };
    let part = |html: &str| {
        let part = html.split("<p data-if=\"no_checkout\"").nth(1).unwrap();
        part.split("</p>").next().unwrap().to_owned()
    };
    let without = part(&html(Value::Null));
    assert!(without.starts_with('>') && without.contains(told), "{without}");
    assert!(
        without.contains("data-t=\"expires_at\" datetime=\"2026-11-27T12:10:00Z\""),
        "{without}"
    );
    assert!(part(&html(json!("https://shop.example/pay"))).starts_with(" hidden>"));
}

#[test]
fn the_console_offers_what_the_status_allows() {
    let offers = |name: &str| {
        let html = page(name);
        ["open", "pause", "resume", "close"]
            .map(|act| html.contains(&format!("action=\"/admin/sales/winter-drop/{act}\"")))
    };
    assert_eq!(offers("admin_sale_scheduled"), [true, false, false, true]);
    assert_eq!(offers("admin_sale_open"), [false, true, false, true]);
    assert_eq!(offers("admin_sale_paused"), [false, false, true, true]);
    assert_eq!(offers("admin_sale_closed"), [false, false, false, false]);
}

#[test]
fn the_console_says_whether_the_units_balance() {
    assert!(page("admin_sale_open").contains(
        "<p class=\"balance\" data-balance>Seeded <span data-f=\"seeded\">1,000</span> = "
    ));
    assert!(page("admin_sale_mistyped").contains("<p class=\"balance bad\" data-balance>"));
}

#[test]
fn the_console_tells_what_was_mended_and_what_the_self_check_found() {
    let html = page("admin_sale_open");
    assert!(html.contains("<dt>Free units put back on offer</dt><dd>3, last <time"), "{html}");
    assert!(html.contains("<dt>Strangers taken out of line</dt><dd>0</dd>"), "{html}");
    assert!(html.contains("href=\"/admin#setup\""), "{html}");
    let html = sales_page(1).render().unwrap();
    assert!(
        html.contains("<div class=\"note bad\"><p>Redis may throw away the line.</p>"),
        "{html}"
    );
    assert!(
        html.contains("<code>redis-persistence</code>") && !html.contains("<script>"),
        "{html}"
    );
    let mut well = sales_page(1);
    well.health.findings.clear();
    let html = well.render().unwrap();
    assert!(html.contains("found nothing amiss") && !html.contains("#setup"), "{html}");
}

#[test]
fn no_wait_is_told_while_nobody_can_be_let_in() {
    let tells = |more: Value| {
        let mut state = waiting(json!({"eta_seconds": {"low": 60, "high": 120}}));
        state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Ticket::try_from(&state).unwrap().has_eta()
    };
    let held = json!({"seeded": 9, "available": 0, "held": 2, "sold": 7});
    let free = json!({"seeded": 9, "available": 1, "held": 2, "sold": 6});
    assert!(tells(json!({"stock": free})));
    assert!(tells(json!({"stock": null})));
    assert!(!tells(json!({"stock": held})));
    assert!(!tells(json!({"stock": free, "paused": true})));
}

#[test]
fn a_fault_is_told_in_a_sentence() {
    let lines = ["there is no such sale", "Done.", ""].map(filters::sentence_text);
    assert_eq!(lines, ["There is no such sale.", "Done.", ""]);
}

#[test]
fn counts_are_grouped_in_threes() {
    let counts = [0, 999, 1000, 1_234_567].map(filters::count);
    assert_eq!(counts, ["0", "999", "1,000", "1,234,567"]);
}
