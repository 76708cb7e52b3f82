//! What a person in a browser is told when something is refused: always a page, in their language; and what an
//! operator is told when a wrong set-up is the cause.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use reqwest::{Method, RequestBuilder};
use ropeline::engine::Gate;
use ropeline::ledger::Ledger;
use ropeline::model::Signer;
use ropeline::redis::Live;
use ropeline::web;
use ropeline::web::App;
use serde_json::json;
use tower::ServiceExt;

use crate::support::process::{Running, settings, shop_of};
use crate::support::{ADMIN_KEY, Answer, Place, SECRET, Shop, eventually};

/// As a browser opens an address or sends a form over HTTPS.
fn navigates(request: RequestBuilder) -> RequestBuilder {
    let request = request.header("sec-fetch-mode", "navigate").header("accept-language", "de");
    request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
}

/// The form of the log-in, filled with the admin key.
fn by_key(shop: &Shop) -> RequestBuilder {
    let form = navigates(shop.request(Method::POST, "/admin/login"));
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    form.body(format!("api_key={}", ADMIN_KEY.replace(' ', "+")))
}

#[track_caller]
fn is_page(answer: &Answer, status: u16, words: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{what}");
    assert!(answer.text.contains(words), "{what}: {}", answer.text);
    assert!(!answer.text.contains("application/problem"), "{what}");
}

#[tokio::test]
async fn every_refusal_of_a_browser_is_a_page_in_its_language_and_of_a_program_a_document() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let room = format!("/s/{}", sale.slug);
    let large = "x".repeat(20_000);
    let get = |path: &str| shop.request(Method::GET, path);
    let post = |path: &str| shop.request(Method::POST, path).header("cookie", "ropeline-keeps=1");
    let form = |path: &str, body: &str| {
        let typed = post(path).header("content-type", "application/x-www-form-urlencoded");
        typed.body(body.to_owned())
    };
    let away = "https://shop.example";
    let cases: Vec<(&str, RequestBuilder, u16, &str, &str)> = vec![
        ("no such address", get("/nowhere"), 404, "Hier gibt es nichts", "not-found"),
        ("no such sale", get("/s/nowhere"), 404, "Hier gibt es nichts", ""),
        ("a broken escape", get("/s/%ff"), 400, "Hier gibt es nichts", "bad-request"),
        ("a broken escape below", get("/s/%ff/receipt"), 400, "Hier gibt es nichts", "bad-request"),
        ("a wrong method", post("/openapi.json"), 405, "nicht angenommen", "method-not-allowed"),
        (
            "too large a form",
            form(&format!("{room}/join"), &large),
            413,
            "nicht angenommen",
            "body-too-large",
        ),
        (
            "another site",
            post(&format!("{room}/join")).header("origin", away),
            403,
            "nicht von dieser Website",
            "origin-not-allowed",
        ),
        (
            "a call of the API",
            get("/api/v1/sales/nowhere"),
            404,
            "Hier gibt es nichts",
            "not-found",
        ),
        (
            "a list of operators",
            get("/api/v1/admin/sales"),
            401,
            "A credential is needed",
            "not-authenticated",
        ),
        (
            "the console",
            post("/admin/login").header("origin", away),
            403,
            "ROPELINE_PUBLIC_URL",
            "origin-not-allowed",
        ),
    ];
    for (what, request, status, words, code) in cases {
        let again = request.try_clone().unwrap();
        let page = Answer::of(navigates(request)).await;
        is_page(&page, status, words, what);
        if status == 405 {
            assert_eq!(page.header("allow"), "GET,HEAD", "{what}");
        }
        if !code.is_empty() {
            let called = Answer::of(again.header("sec-fetch-mode", "cors")).await;
            called.is_problem(status, code);
        }
    }
    // A library that wishes for HTML first still gets documents of the API.
    let java = get("/api/v1/sales/nowhere").header("accept", "text/html, image/gif, */*; q=.2");
    Answer::of(java).await.is_problem(404, "not-found");
    // An old browser over HTTP says only what it wishes for.
    let old = get("/s/%ff").header("accept", "text/html").header("accept-language", "fr");
    is_page(&Answer::of(old).await, 400, "Il n’y a rien ici", "an old browser");
}

#[tokio::test]
async fn a_limit_is_told_to_a_browser_as_a_page_that_says_when_to_come_back() {
    let shop = Shop::at(Place::fresh().await, true).await;
    let sale = shop.open_sale(1, json!({})).await;
    let room = format!("/s/{}", sale.slug);
    let mut seen = None;
    for _ in 0..100 {
        let calls = (0..40).map(|_| Answer::of(navigates(shop.request(Method::GET, &room))));
        let answers = futures_util::future::join_all(calls).await;
        if let Some(limited) = answers.into_iter().find(|answer| answer.status == 429) {
            seen = Some(limited);
            break;
        }
    }
    let page = seen.expect("an address is limited");
    is_page(&page, 429, "Zu viele Anfragen", "too many requests");
    assert!(page.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert!(page.text.contains(&format!("href=\"{room}\"")), "the way back: {}", page.text);
}

#[tokio::test]
async fn a_proxy_that_rewrites_the_host_is_named_by_the_log_the_self_check_and_the_answer() {
    let place = Place::fresh().await;
    let running = Running::start(&settings(&place)).await;
    running.ready().await;
    let shop = shop_of(&running, place).await;
    let sale = shop.open_sale(1, json!({})).await;
    let wrong = |path: &str| {
        let request = shop.request(Method::POST, path).header("cookie", "ropeline-keeps=1");
        navigates(
            request.header("origin", "https://queue.example:8443").header("host", "gateway-1:8080"),
        )
    };
    for _ in 0..5 {
        let page = Answer::of(wrong(&format!("/s/{}/join", sale.slug))).await;
        is_page(&page, 403, "https://queue.example:8443", "a join");
        assert!(page.text.contains("ROPELINE_PUBLIC_URL is not set"), "{}", page.text);
        assert!(!page.text.contains("gateway-1"), "strangers are not told names of machines");
    }
    let page = Answer::of(wrong("/admin/login")).await;
    is_page(&page, 403, "ROPELINE_PUBLIC_URL is not set", "a log-in");
    let finding = async || {
        let health = shop.ask("/health").await.body;
        let found = health["findings"].as_array().unwrap().clone();
        found.into_iter().find(|finding| finding["name"] == "public-url")
    };
    eventually("the self-check tells it", async || finding().await.is_some()).await;
    let text = finding().await.unwrap()["text"].as_str().unwrap().to_owned();
    for part in ["https://queue.example:8443", "gateway-1:8080", "ROPELINE_PUBLIC_URL"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What is another site's page by the browser's own word is refused, and no fault of the set-up.
    let before = shop.get("/metrics").await.text;
    assert!(before.contains("ropeline_origin_refused_total 6"), "each is counted");
    let (_, log) = running.end("-TERM").await;
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("queue.example")).collect();
    assert_eq!(lines.len(), 1, "it is logged once: {lines:#?}");
    assert!(lines[0].contains("gateway-1:8080") && lines[0].contains("ROPELINE_PUBLIC_URL"));
}

#[tokio::test]
async fn another_sites_form_is_no_fault_of_the_set_up() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let foreign = shop.request(Method::POST, &format!("/s/{}/join", sale.slug));
    let foreign =
        foreign.header("origin", "https://evil.example").header("sec-fetch-site", "cross-site");
    Answer::of(foreign).await.is_problem(403, "origin-not-allowed");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let health = shop.ask("/health").await;
    assert!(!health.text.contains("evil.example"), "{}", health.text);
}

#[tokio::test]
async fn a_browser_that_keeps_no_cookies_makes_no_ticket_moves_no_place_and_starts_no_session() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(5, json!({})).await;
    let room = format!("/s/{}", sale.slug);
    let opened = Answer::of(navigates(shop.request(Method::GET, &room))).await;
    let kept = crate::support::staff::cookie_of(&opened);
    assert_eq!(kept, "ropeline-keeps=1");
    let join = || navigates(shop.request(Method::POST, &format!("{room}/join")));
    for _ in 0..3 {
        let page = Answer::of(join()).await;
        is_page(&page, 403, "behält keine Cookies", "a join");
        assert_eq!(page.header("set-cookie"), "");
    }
    assert_eq!(sale.stats().await["joined"], 0, "no ticket was made");
    assert_eq!(Answer::of(join().header("cookie", &kept)).await.status, 303);
    assert_eq!(sale.stats().await["joined"], 1);
    let again = shop.request(Method::GET, &room).header("cookie", &kept);
    assert_eq!(Answer::of(navigates(again)).await.header("set-cookie"), "", "it is known by now");

    // A program that joins by the API keeps its credential itself.
    let ana = sale.join().await;
    let made = Answer::of(ana.request(Method::POST, &ana.path("/move"))).await;
    let link = format!("{room}/move/{}", made.body["code"].as_str().unwrap());
    let page = Answer::of(navigates(shop.request(Method::POST, &link))).await;
    is_page(&page, 403, "behält keine Cookies", "a move");
    assert_eq!(ana.poll().await.status, 200, "the place did not leave its device");

    let log_in = || by_key(&shop);
    let page = Answer::of(log_in()).await;
    is_page(&page, 403, "This browser keeps no cookies", "a log-in");
    assert_eq!(page.header("set-cookie"), "");
    assert_eq!(Answer::of(log_in().header("cookie", &kept)).await.status, 303);
}

#[tokio::test]
async fn over_http_while_the_setting_says_https_the_log_in_says_so_and_does_not_go_round() {
    let place = Place::fresh().await;
    let mut settings = settings(&place);
    settings.push(("ROPELINE_PUBLIC_URL", "https://queue.example".into()));
    let running = Running::start(&settings).await;
    running.ready().await;
    let shop = shop_of(&running, place).await;
    let opened = Answer::of(navigates(shop.request(Method::GET, "/admin/login"))).await;
    assert!(
        opened.header("set-cookie").ends_with("; Secure"),
        "a browser keeps it over https only"
    );
    let log_in = by_key(&shop);
    let page = Answer::of(log_in).await;
    is_page(&page, 403, "ROPELINE_PUBLIC_URL is https://queue.example", "a log-in over http");
    let over_http = navigates(shop.request(Method::POST, "/admin/login"));
    let page = Answer::of(over_http.header("origin", "http://queue.example")).await;
    is_page(
        &page,
        403,
        "a page at http://queue.example, but ROPELINE_PUBLIC_URL is https",
        "by origin",
    );
    running.end("-TERM").await;
}

async fn panics() -> &'static str {
    panic!("on purpose, for a test")
}

async fn hangs() {
    std::future::pending().await
}

/// What an address answers, of a gateway whose stores nobody needs.
async fn asked(path: &str, mode: &str) -> (u16, String, String) {
    let live = Live::new("unix:///nowhere/redis.sock").unwrap();
    let ledger = Ledger::new("postgres:///nowhere?host=/nowhere").unwrap();
    let gate = Arc::new(Gate::new(live, ledger, Signer::new(SECRET.as_bytes())));
    let settings = web::Settings {
        admin_key: ADMIN_KEY.into(),
        public_url: None,
        trusted_proxies: Vec::new(),
        rates: None,
        serves_metrics: false,
    };
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle();
    let routes = Router::new().route("/s/boots/panics", get(panics)).route("/hangs", get(hangs));
    let routes = web::around(App::new(gate, settings, metrics), routes);
    let request = axum::http::Request::get(path)
        .header("sec-fetch-mode", mode)
        .header("accept-language", "de")
        .body(Body::empty())
        .unwrap();
    let answer = routes.oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let text = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    (status, kind, String::from_utf8(text.to_vec()).unwrap())
}

#[tokio::test]
async fn a_panic_and_a_time_out_are_pages_for_a_browser_and_documents_for_a_program() {
    let (status, kind, text) = asked("/s/boots/panics", "navigate").await;
    assert_eq!((status, kind.as_str()), (500, "text/html; charset=utf-8"));
    assert!(text.contains("<html lang=\"de\"") && text.contains("href=\"/s/boots\""), "{text}");
    assert!(!text.contains("on purpose"), "the cause is in the log alone");
    let (status, kind, _) = asked("/s/boots/panics", "cors").await;
    assert_eq!((status, kind.as_str()), (500, "application/problem+json"));
    let (status, kind, text) = asked("/hangs", "navigate").await;
    assert_eq!((status, kind.as_str()), (503, "text/html; charset=utf-8"), "{text}");
}
