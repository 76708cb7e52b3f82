//! Who may call what, told by `/openapi.json` itself: every call, asked by everyone. A call that is
//! described with the wrong callers, or not guarded as it is described, is found here.

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{ADMIN_KEY, Answer, FROM, Sale, Shop, Shopper, elsewhere};

/// The calls that anybody may make; a new one is guarded or joins this list on purpose.
const PUBLIC: [&str; 6] = [
    "GET /api/v1/sales/{sale}",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    // Its code is the credential.
    "POST /api/v1/moves/{code}",
    "POST /api/v1/sales/{sale}/tickets",
];

/// One call of the document.
#[derive(Debug, Clone, PartialEq)]
struct Call {
    method: Method,
    path: String,
    takes_credential: bool,
    takes_key: bool,
}

impl Call {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn changes(&self) -> bool {
        !self.method.is_safe()
    }

    /// Its address for this shopper and hold.
    fn address(&self, of: &Shopper, hold: &str) -> String {
        let path = self.path.replace("{sale}", &of.sale).replace("{ticket}", &of.ticket);
        path.replace("{hold}", hold)
    }
}

async fn calls(shop: &Shop) -> Vec<Call> {
    let document = shop.get("/openapi.json").await.body;
    let mut calls = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, call) in methods.as_object().unwrap() {
            let takes = |scheme: &str| {
                let ways = call["security"].as_array().into_iter().flatten();
                ways.into_iter().any(|way| way.get(scheme).is_some())
            };
            calls.push(Call {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                takes_credential: takes("credential"),
                takes_key: takes("api_key"),
            });
        }
    }
    assert!(calls.len() >= 29);
    // What ends the most comes last: a ticket, then a sale.
    calls.sort_by_key(|call| (call.path.ends_with("/close"), call.method == Method::DELETE));
    calls
}

/// A sale with one who holds a unit and one who waits.
async fn furnished(shop: &Shop) -> (Sale<'_>, Shopper, Shopper, String) {
    let sale = shop.open_sale(3, json!({ "max_in_checkout": 1 })).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    let ben = sale.join().await;
    (sale, ana, ben, hold)
}

/// The status alone: a stream of events has no end to wait for.
async fn ask(shop: &Shop, call: &Call, path: &str, headers: &HeaderMap) -> (StatusCode, HeaderMap) {
    let request = shop.request(call.method.clone(), path).headers(headers.clone());
    let request = request.header(FROM, elsewhere());
    let answer = request.send().await.expect("the gateway answers");
    (answer.status(), answer.headers().clone())
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn bearer(token: &str) -> HeaderMap {
    headers(&[("authorization", &format!("Bearer {token}"))])
}

/// The cookie of a console session.
async fn session(shop: &Shop) -> String {
    let form = format!("api_key={}", ADMIN_KEY.replace(' ', "+"));
    let log_in = shop.request(Method::POST, "/admin/login").header("origin", &shop.base);
    let log_in = log_in.header("content-type", "application/x-www-form-urlencoded").body(form);
    let answer = Answer::of(log_in).await;
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn every_call_is_open_to_those_it_names_and_to_nobody_else() {
    let shop = Shop::behind_a_proxy().await;
    let calls = calls(&shop).await;
    let (_sale, ana, ben, hold) = furnished(&shop).await;
    let public = calls.iter().filter(|call| !call.takes_credential && !call.takes_key);
    let mut public: Vec<String> = public.map(Call::name).collect();
    public.sort();
    assert_eq!(public, PUBLIC);

    let nobody = HeaderMap::new();
    let (garbage, guess) = (bearer("r1.garbage.garbage"), bearer("not the key"));
    let (own, stranger, operator) =
        (bearer(&ana.credential), bearer(&ben.credential), bearer(ADMIN_KEY));
    let console = headers(&[("cookie", &session(&shop).await), ("origin", &shop.base)]);
    // First everyone who must not, so that nothing has ended by then.
    for call in &calls {
        let path = call.address(&ana, &hold);
        let is_guarded = call.takes_credential || call.takes_key;
        for (who, headers, is_good) in [
            ("nobody", &nobody, !is_guarded),
            ("garbage", &garbage, !is_guarded),
            ("a guess", &guess, !is_guarded),
        ] {
            let (status, answer) = ask(&shop, call, &path, headers).await;
            assert_eq!(status != 401, is_good, "{who}: {} is {status}", call.name());
            assert_eq!(answer.contains_key("www-authenticate"), status == 401, "{}", call.name());
        }
        if !is_guarded {
            continue;
        }
        let (status, _) = ask(&shop, call, &path, &stranger).await;
        let expected = if call.takes_credential { 404 } else { 401 };
        assert_eq!(status, expected, "a stranger: {}", call.name());
        if !call.takes_credential {
            let (status, _) = ask(&shop, call, &path, &own).await;
            assert_eq!(status, 401, "a shopper: {}", call.name());
        }
        if !call.takes_key {
            let (status, _) = ask(&shop, call, &path, &operator).await;
            assert_eq!(status, 401, "an operator: {}", call.name());
        }
    }
    assert_eq!(ana.poll().await.body["state"], "admitted", "nothing was done");
    // Then everyone who may.
    for call in &calls {
        let path = call.address(&ana, &hold);
        for (who, headers, may) in [
            ("the shopper", &own, call.takes_credential),
            ("the operator", &operator, call.takes_key),
            ("the console", &console, call.takes_key),
        ] {
            if may {
                let (status, _) = ask(&shop, call, &path, headers).await;
                // There are no accounts and no keys here, so these lead nowhere.
                let leads_nowhere = path.contains("{operator}") || path.contains("{key}");
                let is_refused =
                    [401, 403].contains(&status.as_u16()) || (status == 404) != leads_nowhere;
                assert!(!is_refused, "{who}: {} is {status}", call.name());
                assert!(!status.is_server_error(), "{who}: {} is {status}", call.name());
            }
        }
    }
}

#[tokio::test]
async fn no_page_of_another_site_changes_anything_with_this_browsers_cookies() {
    let shop = Shop::open().await;
    let (sale, ana, _ben, hold) = furnished(&shop).await;
    let session = session(&shop).await;
    let cookies = format!("{session}; ropeline-ticket-{}={}", ana.sale, ana.credential);
    let before = (sale.stats().await, shop.ask(&sale.path("/audit")).await.body);
    let mut changes: Vec<(Method, String)> = calls(&shop)
        .await
        .iter()
        .filter(|call| call.changes())
        .map(|call| (call.method.clone(), call.address(&ana, &hold)))
        .collect();
    for form in ["join", "leave", "checkout/confirm", "checkout/release"] {
        changes.push((Method::POST, format!("/s/{}/{form}", sale.slug)));
    }
    for action in
        ["seed", "withdraw", "open", "pause", "resume", "close", "pace", "notice", "remove"]
    {
        changes.push((Method::POST, format!("/admin/sales/{}/{action}", sale.slug)));
    }
    for path in ["/admin/login", "/admin/logout", "/admin/sales"] {
        changes.push((Method::POST, path.to_owned()));
    }
    let foreign = [
        "https://evil.example".to_owned(),
        "null".into(),
        format!("https://{}", &shop.base[7..]).replace("127.0.0.1", "127.0.0.1.evil.example"),
        format!("http://evil.example#{}", shop.base),
        String::new(),
    ];
    for (method, path) in &changes {
        for origin in &foreign {
            let request = shop.request(method.clone(), path).header("cookie", &cookies);
            let answer = Answer::of(request.header("origin", origin)).await;
            answer.is_problem(403, "origin-not-allowed");
        }
    }
    assert_eq!(ana.poll().await.body["state"], "admitted");
    let after = (sale.stats().await, shop.ask(&sale.path("/audit")).await.body);
    assert_eq!(after.1, before.1, "no command was taken");
    for count in ["joined", "left", "admitted", "tokens"] {
        assert_eq!(after.0[count], before.0[count], "{count}");
    }
}

/// What every page says to the browser that shows it.
const PAGE_HEADERS: [(&str, &str); 4] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

#[tokio::test]
async fn every_answer_carries_the_headers_that_keep_it_to_itself() {
    let shop = Shop::open().await;
    let (sale, ana, ben, hold) = furnished(&shop).await;
    let session = session(&shop).await;
    let own = |who: &Shopper| format!("ropeline-ticket-{}={}", who.sale, who.credential);
    let room = format!("/s/{}", sale.slug);
    let pages = [
        ("/docs".to_owned(), String::new()),
        ("/".into(), String::new()),
        ("/nowhere".into(), String::new()),
        ("/s/nowhere".into(), String::new()),
        ("/admin/login".into(), String::new()),
        ("/admin".into(), session.clone()),
        (format!("/admin/sales/{}", sale.slug), session.clone()),
        ("/admin/sales/nowhere".into(), session),
        (room.clone(), String::new()),
        (room.clone(), own(&ben)),
        (format!("{room}/checkout"), own(&ana)),
    ];
    for (path, cookie) in pages {
        let request = shop.request(Method::GET, &path).header("accept", "text/html");
        is_a_page(&Answer::of(request.header("cookie", cookie)).await, &path);
    }
    ana.confirm(&hold).await;
    let receipt = format!("{room}/receipt");
    let request = shop.request(Method::GET, &receipt).header("cookie", own(&ana));
    is_a_page(&Answer::of(request).await, &receipt);

    let operator = bearer(ADMIN_KEY);
    for call in calls(&shop).await {
        for who in [&HeaderMap::new(), &operator, &bearer(&ana.credential)] {
            let (_, answer) = ask(&shop, &call, &call.address(&ana, &hold), who).await;
            assert_eq!(answer["x-content-type-options"], "nosniff", "{}", call.name());
            let cache = answer.get("cache-control").map(|value| value.to_str().unwrap());
            let may_stream = ["/events", ".csv", ".jsonl"].iter().any(|it| call.path.ends_with(it));
            let is_stream = may_stream && cache == Some("no-store, no-transform");
            assert!(is_stream || cache == Some("no-store"), "{}: {cache:?}", call.name());
        }
    }
}

fn is_a_page(answer: &Answer, path: &str) {
    assert!(answer.header("content-type").starts_with("text/html"), "{path}: {}", answer.text);
    for (name, value) in PAGE_HEADERS {
        assert_eq!(answer.header(name), value, "{path}: {name}");
    }
    let policy = answer.header("content-security-policy");
    for rule in ["default-src 'none'", "script-src 'nonce-", "form-action 'self'"] {
        assert!(policy.contains(rule), "{path}: {policy}");
    }
    for rule in ["base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(rule), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    // A nonce that comes twice is no nonce.
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(nonce.len() >= 22 && answer.text.contains(&format!("nonce=\"{nonce}\"")), "{path}");
}
