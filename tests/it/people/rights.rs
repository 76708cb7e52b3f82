//! Every call and every page of an operator, asked by every role, held against one table.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::support::staff::{key_of, post};
use crate::support::{Answer, Sale, Shop, Shopper};

/// The least role of each call: what the document lists and this does not, fails.
const CALLS: &str = "
    viewer   GET    /api/v1/admin/health
    viewer   GET    /api/v1/admin/sales
    viewer   GET    /api/v1/admin/sales/{sale}
    viewer   GET    /api/v1/admin/sales/{sale}/audit
    viewer   GET    /api/v1/admin/sales/{sale}/holds
    viewer   GET    /api/v1/admin/sales/{sale}/orders
    viewer   GET    /api/v1/admin/sales/{sale}/orders.csv
    viewer   GET    /api/v1/admin/sales/{sale}/payments
    viewer   GET    /api/v1/admin/sales/{sale}/reconciliation
    viewer   GET    /api/v1/admin/sales/{sale}/report
    viewer   GET    /api/v1/admin/sales/{sale}/report.csv
    viewer   GET    /api/v1/admin/sales/{sale}/stats
    viewer   GET    /api/v1/admin/overview
    viewer   GET    /api/v1/admin/plan
    viewer   GET    /api/v1/admin/sales/{sale}/plan
    viewer   GET    /api/v1/admin/sales/{sale}/readiness
    viewer   GET    /api/v1/admin/sales/{sale}/history
    viewer   GET    /api/v1/admin/sales/{sale}/events.csv
    viewer   GET    /api/v1/admin/sales/{sale}/events.jsonl
    viewer   GET    /api/v1/admin/sales/{sale}/tickets
    viewer   GET    /api/v1/admin/sales/{sale}/tickets/{ticket}
    operator POST   /api/v1/admin/sales
    operator PATCH  /api/v1/admin/sales/{sale}
    operator POST   /api/v1/admin/sales/{sale}/tokens
    operator POST   /api/v1/admin/sales/{sale}/withdrawals
    operator POST   /api/v1/admin/sales/{sale}/open
    operator POST   /api/v1/admin/sales/{sale}/pause
    operator POST   /api/v1/admin/sales/{sale}/resume
    operator POST   /api/v1/admin/sales/{sale}/notices
    operator POST   /api/v1/admin/sales/{sale}/reopen
    operator POST   /api/v1/admin/sales/{sale}/archive
    operator POST   /api/v1/admin/sales/{sale}/close
    operator POST   /api/v1/admin/sales/{sale}/payments/{payment}/resolve
    operator DELETE /api/v1/admin/sales/{sale}/tickets/{ticket}
    owner    GET    /api/v1/admin/operators
    owner    POST   /api/v1/admin/operators
    owner    PATCH  /api/v1/admin/operators/{operator}
    owner    DELETE /api/v1/admin/operators/{operator}
    owner    GET    /api/v1/admin/keys
    owner    POST   /api/v1/admin/keys
    owner    DELETE /api/v1/admin/keys/{key}
    owner    GET    /api/v1/admin/audit";

/// The same of the console's pages and forms.
const PAGES: &str = "
    viewer   GET  /admin
    viewer   GET  /admin/sales/{sale}
    viewer   GET  /admin/sales/{sale}/report
    viewer   GET  /admin/sales/{sale}/find
    viewer   GET  /admin/sales/{sale}/tickets/{ticket}
    viewer   GET  /admin/account
    viewer   POST /admin/account/password
    operator POST /admin/sales
    operator GET  /admin/sales/{sale}/brand
    operator POST /admin/sales/{sale}/brand
    operator GET  /admin/sales/{sale}/preview
    operator POST /admin/sales/{sale}/preview
    operator POST /admin/plan
    operator POST /admin/sales/{sale}/plan
    operator POST /admin/sales/{sale}/settings
    operator POST /admin/sales/{sale}/tickets/{ticket}/remove
    operator POST /admin/sales/{sale}/payments/{payment}/resolve
    operator POST /admin/sales/{sale}/seed
    operator POST /admin/sales/{sale}/withdraw
    operator POST /admin/sales/{sale}/open
    operator POST /admin/sales/{sale}/pause
    operator POST /admin/sales/{sale}/resume
    operator POST /admin/sales/{sale}/pace
    operator POST /admin/sales/{sale}/notice
    operator POST /admin/sales/{sale}/remove
    operator POST /admin/sales/{sale}/close
    operator POST /admin/sales/{sale}/reopen
    operator POST /admin/sales/{sale}/archive
    owner    GET  /admin/operators
    owner    POST /admin/operators
    owner    POST /admin/operators/{operator}/role
    owner    POST /admin/operators/{operator}/reset
    owner    POST /admin/operators/{operator}/remove
    owner    GET  /admin/keys
    owner    POST /admin/keys
    owner    POST /admin/keys/{key}/revoke";

const ROLES: [&str; 4] = ["checkout", "viewer", "operator", "owner"];

fn rank(role: &str) -> usize {
    ROLES.iter().position(|known| *known == role).unwrap()
}

fn table(text: &'static str) -> Vec<(&'static str, Method, &'static str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let (role, method) = (words.next().unwrap(), words.next().unwrap());
            (role, method.parse().unwrap(), words.next().unwrap())
        })
        .collect()
}

/// An address that leads somewhere, but for accounts and keys, which there are none of.
fn address(path: &str, sale: &Sale<'_>, who: &Shopper) -> String {
    let nobody = "00000000-0000-7000-8000-000000000000";
    let path = path.replace("{sale}", &sale.id).replace("{ticket}", &who.ticket);
    path.replace("{operator}", nobody).replace("{key}", nobody).replace("{payment}", "0")
}

#[tokio::test]
async fn each_role_calls_what_the_table_says_and_no_call_is_left_out_of_it() {
    let shop = Shop::open().await;
    let document = shop.get("/openapi.json").await.body;
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            if path.starts_with("/api/v1/admin") {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    let table = table(CALLS);
    let known: BTreeSet<_> = table.iter().map(|(_, m, path)| format!("{m} {path}")).collect();
    assert_eq!(described, known, "every call of an operator is in the table");

    let sale = shop.sale(json!({})).await;
    let ana = sale.join().await;
    let mut asked: BTreeMap<&str, Vec<(String, RequestBuilder)>> = BTreeMap::new();
    for role in ROLES {
        let key = key_of(&shop.make_key(&format!("a {role}"), role).await);
        let cookie = match role {
            "checkout" => None,
            _ => {
                shop.add_operator(role, role).await;
                Some(shop.log_in(role).await)
            }
        };
        for (least, method, path) in &table {
            let path = address(path, &sale, &ana);
            let line = format!("{role}: {method} {path} for {least}");
            let request = shop.by_key(&key, method.clone(), &path).body("{\"none\": 1}");
            asked.entry(role).or_default().push((line.clone(), request));
            if let Some(cookie) = &cookie {
                let request = shop.request(method.clone(), &path).header("cookie", cookie);
                let request = request.header("origin", &shop.base).body("{\"none\": 1}");
                asked.entry(role).or_default().push((format!("session of {line}"), request));
            }
        }
    }
    for (role, requests) in asked {
        for (line, request) in requests {
            let answer = Answer::of(request).await;
            let least = line.rsplit(' ').next().unwrap();
            if rank(role) < rank(least) {
                answer.is_problem(403, "forbidden");
            } else {
                assert!(![401, 403].contains(&answer.status.as_u16()), "{line}: {}", answer.text);
                assert!(!answer.status.is_server_error(), "{line}: {}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn each_role_sees_the_pages_that_the_table_says_and_no_button_that_it_may_not_press() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(3, json!({})).await;
    let ana = sale.join().await;
    for role in &ROLES[1..] {
        shop.add_operator(role, role).await;
        let cookie = shop.log_in(role).await;
        let mut forms = BTreeSet::new();
        for (least, method, path) in table(PAGES) {
            let path = address(path, &sale, &ana);
            let answer = match method {
                Method::GET => shop.page(&cookie, &path).await,
                _ => post(&shop, &path, &cookie, &[]).await,
            };
            let may = rank(role) >= rank(least);
            assert_eq!(answer.status == 403, !may, "{role}: {method} {path}: {}", answer.status);
            assert!(answer.status != 401 && !answer.status.is_server_error(), "{role}: {path}");
            if method == Method::GET && may {
                let actions = answer.text.split("method=\"post\" action=\"").skip(1);
                forms.extend(actions.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
        let changes =
            |path: &String| path != "/admin/logout" && !path.starts_with("/admin/account");
        let shown = forms.iter().filter(|path| changes(path)).count();
        assert_eq!(shown == 0, *role == "viewer", "{role}: {forms:?}");
        let of_accounts =
            forms.iter().any(|path| path.contains("operators") || path.contains("keys"));
        assert_eq!(of_accounts, *role == "owner", "{role}: {forms:?}");
    }
    // A stranger finds the log-in, whatever was asked for.
    for (_, method, path) in table(PAGES) {
        let path = address(path, &sale, &ana);
        let answer = match method {
            Method::GET => shop.page("", &path).await,
            _ => post(&shop, &path, "", &[]).await,
        };
        match method {
            Method::GET => {
                let location = answer.header("location");
                assert_eq!(location.split('?').next(), Some("/admin/login"), "{path}: {location}");
            }
            _ => {
                assert_eq!(answer.status, 403, "{path}");
                assert!(answer.text.contains("action=\"/admin/login\""), "{path}: {}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn a_checkout_key_settles_holds_and_a_viewer_only_looks_at_them() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(4, json!({ "checkout": "shop" })).await;
    for role in ROLES {
        let key = key_of(&shop.make_key(&format!("a {role}"), role).await);
        let ana = sale.join().await;
        let hold = format!("/api/v1/holds/{}", ana.hold().await);
        let seen = Answer::of(shop.by_key(&key, Method::GET, &hold)).await;
        assert_eq!(seen.status, 200, "{role}: {}", seen.text);
        for verb in ["confirm", "release"] {
            let path = format!("{hold}/{verb}");
            let answer = Answer::of(shop.by_key(&key, Method::POST, &path)).await;
            match (role, verb) {
                ("viewer", _) => answer.is_problem(403, "forbidden"),
                (_, "confirm") => assert_eq!(answer.body["state"], "confirmed", "{}", answer.text),
                _ => answer.is_problem(409, "hold-ended"),
            }
        }
    }
    // A viewer who is a shopper in the same browser is that shopper.
    shop.add_operator("vera", "viewer").await;
    let cookie = shop.log_in("vera").await;
    let sale = shop.open_sale(1, json!({})).await;
    let vera = sale.join().await;
    let confirm = format!("/api/v1/holds/{}/confirm", vera.hold().await);
    let as_browser = |cookies: String| {
        let request = shop.request(Method::POST, &confirm).header("origin", &shop.base);
        Answer::of(request.header("cookie", cookies))
    };
    as_browser(cookie.clone()).await.is_problem(403, "forbidden");
    let both = format!("{cookie}; ropeline-ticket-{}={}", vera.sale, vera.credential);
    assert_eq!(as_browser(both).await.body["state"], "confirmed");
}
