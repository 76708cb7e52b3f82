//! Joining, the ticket's state, and leaving: what a shopper's browser may rely on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{ADMIN_KEY, Answer, Sale, Shop, Shopper, all, eventually};

/// The fields of an object, sorted.
pub fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

const WAITING: [&str; 17] = [
    "chance",
    "eta_seconds",
    "next_poll_seconds",
    "next_return_at",
    "notice",
    "number",
    "paused",
    "position",
    "reconnect_after_ms",
    "sale",
    "server_time",
    "state",
    "stock",
    "ticket",
    "version",
    "wait_reason",
    "waiting",
];

#[tokio::test]
async fn a_join_answers_the_whole_state_the_credential_and_the_way_to_the_socket() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let joined = sale.try_join().await;
    assert_eq!(joined.status, 201, "{}", joined.text);
    assert_eq!(joined.header("content-type"), "application/json");

    let mut body = joined.body.clone();
    let object = body.as_object_mut().unwrap();
    let ticket = object["ticket"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/sales/{}/tickets/{ticket}", sale.id);
    assert_eq!(object.remove("live_url"), Some(json!(format!("{path}/live"))));
    let credential = object.remove("credential").unwrap();
    assert!(joined.header("set-cookie").contains(credential.as_str().unwrap()));
    for part in ["Path=/", "HttpOnly", "SameSite=Lax"] {
        assert!(joined.header("set-cookie").contains(part), "{part}");
    }
    assert_eq!(names(&body), WAITING);
    assert_eq!(body["sale"], sale.id.as_str());
    assert_eq!(body["state"], "waiting");
    assert_eq!((&body["position"], &body["waiting"]), (&json!(1), &json!(1)));
    let nothing = json!({ "seeded": 0, "available": 0, "held": 0, "sold": 0, "withdrawn": 0 });
    assert_eq!(body["stock"], nothing);
    for unknown in ["eta_seconds", "wait_reason", "chance", "next_return_at", "notice"] {
        assert_eq!(body[unknown], Value::Null, "{unknown}");
    }
    assert_eq!(body["paused"], false);
    assert!(body["server_time"].as_str().unwrap().ends_with('Z'));

    let polled = Shopper::new(&shop, &joined.body).poll().await;
    assert_eq!((polled.status.as_u16(), names(&polled.body)), (200, WAITING.to_vec()));
    assert_eq!(polled.body["number"], body["number"]);
    assert_eq!(polled.header("cache-control"), "no-store");
}

#[tokio::test]
async fn who_joins_again_gets_the_same_ticket_and_a_stranger_gets_a_new_one() {
    let shop = Shop::open().await;
    let (sale, other) =
        (shop.sale_of_nothing(json!({})).await, shop.sale_of_nothing(json!({})).await);
    let first = sale.try_join().await;
    let cookie = first.header("set-cookie").split(';').next().unwrap().to_owned();
    let credential = first.body["credential"].as_str().unwrap().to_owned();

    let by_bearer = sale.join_request().bearer_auth(&credential);
    let by_cookie = sale.join_request().header("cookie", &cookie).json(&json!({}));
    for again in [by_bearer, by_cookie] {
        let again = Answer::of(again).await;
        assert_eq!(again.status, 200, "{}", again.text);
        for same in ["ticket", "number", "credential", "live_url"] {
            assert_eq!(again.body[same], first.body[same], "{same}");
        }
        assert_eq!(names(&again.body), names(&first.body));
        assert!(again.header("set-cookie").starts_with(&cookie));
    }
    assert_eq!(sale.stats().await["joined"], 1);

    let elsewhere = Answer::of(other.join_request().bearer_auth(&credential)).await;
    assert_eq!(elsewhere.status, 201, "a ticket of one sale is none of another");
    let stranger = Answer::of(sale.join_request().bearer_auth("r1.x.y")).await;
    assert_eq!(stranger.status, 201);
    assert_ne!(stranger.body["ticket"], first.body["ticket"]);
    assert!(stranger.body["number"].as_i64() > first.body["number"].as_i64());

    // One browser holds the cookies of both sales.
    let both = format!("a=b; {cookie}; {}", elsewhere.header("set-cookie"));
    for (sale, joined) in [(&sale, &first), (&other, &elsewhere)] {
        let again = Answer::of(sale.join_request().header("cookie", &both)).await;
        assert_eq!((again.status.as_u16(), &again.body["ticket"]), (200, &joined.body["ticket"]));
    }
}

#[tokio::test]
async fn a_join_takes_no_body_or_an_empty_object_and_nothing_else() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let join = async |body: &str| Answer::of(sale.join_request().body(body.to_owned())).await;
    for good in ["", "{}", " {\n} "] {
        assert_eq!(join(good).await.status, 201, "{good:?}");
    }
    for unreadable in ["{", "{} {}", "{}x", "nonsense", "\u{0}", "{\"a\":}"] {
        let refused = join(unreadable).await;
        refused.is_problem(400, "bad-request");
        assert_eq!(refused.body["errors"], Value::Null, "{unreadable:?}");
    }
    join(r#"{"priority": 1, "name": "x"}"#).await.names(&["name", "priority"]);
    for other in ["[]", "7", "null", "\"{}\""] {
        join(other).await.names(&["body"]);
    }
    join(&format!("{{\"a\":\"{}\"}}", "x".repeat(20_000))).await.is_problem(413, "body-too-large");
    assert_eq!(sale.stats().await["joined"], 3, "a refused join joins nobody");
}

#[tokio::test]
async fn what_the_sale_is_decides_whether_it_takes_joins() {
    let shop = Shop::open().await;
    let path = |sale: &str| format!("/api/v1/sales/{sale}/tickets");
    for unknown in ["no-such-sale", "0198c0de-0000-7000-8000-000000000000", "a%00b"] {
        let join = shop.request(Method::POST, &path(unknown));
        Answer::of(join).await.is_problem(404, "not-found");
        shop.get(&format!("/api/v1/sales/{unknown}")).await.is_problem(404, "not-found");
    }
    shop.get("/api/v1/sales/%ff").await.is_problem(400, "bad-request");
    let sale = shop.sale(json!({ "starts_at": "2099-01-01T12:00:00Z" })).await;
    let early = sale.try_join().await;
    assert_eq!((early.status.as_u16(), &early.body["state"]), (201, &json!("scheduled")));
    assert_eq!(early.body["starts_at"], "2099-01-01T12:00:00Z");
    assert_eq!(early.body["waiting"], 1);
    sale.steer("open").await;
    sale.steer("pause").await;
    let paused = sale.try_join().await;
    assert_eq!((paused.status.as_u16(), &paused.body["paused"]), (201, &json!(true)));
    sale.steer("close").await;
    sale.try_join().await.is_problem(409, "sale-closed");
    let waited = Shopper::new(&shop, &paused.body);
    waited.becomes("closed").await;
    // Who was in line is refused as well, and not given a ticket that is over.
    let again = sale.join_request().bearer_auth(&waited.credential);
    Answer::of(again).await.is_problem(409, "sale-closed");
}

#[tokio::test]
async fn a_line_that_is_full_says_so_and_takes_the_next_one_when_somebody_leaves() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({ "max_waiting": 2 })).await;
    let (ana, _ben) = (sale.join().await, sale.join().await);
    sale.try_join().await.is_problem(503, "line-full");
    assert_eq!(ana.leave().await.status, 204);
    assert_eq!(sale.try_join().await.status, 201);
    sale.try_join().await.is_problem(503, "line-full");
    assert_eq!(sale.stats().await["waiting"], 2);
    assert_eq!(shop.change(&sale, json!({ "max_waiting": 3 })).await.status, 200);
    assert_eq!(sale.try_join().await.status, 201);
}

/// Every call about one ticket.
const TICKET_CALLS: [(Method, &str); 4] =
    [(Method::GET, ""), (Method::DELETE, ""), (Method::GET, "/live"), (Method::GET, "/events")];

#[tokio::test]
async fn a_ticket_answers_to_its_owner_alone() {
    let shop = Shop::open().await;
    let (sale, other) =
        (shop.sale_of_nothing(json!({})).await, shop.sale_of_nothing(json!({})).await);
    let (ana, ben) = (sale.join().await, sale.join().await);
    let stranger = other.join().await;
    let mut forged = ana.credential.clone();
    forged.replace_range(20..21, if &forged[20..21] == "A" { "B" } else { "A" });
    let of = |sale: &Sale, ticket: &str| format!("/api/v1/sales/{}/tickets/{ticket}", sale.id);
    let anas = of(&sale, &ana.ticket);
    for (method, rest) in TICKET_CALLS {
        let ask = async |path: &str, credential: Option<&str>| {
            let request = shop.request(method.clone(), &format!("{path}{rest}"));
            Answer::of(match credential {
                Some(credential) => request.bearer_auth(credential),
                None => request,
            })
            .await
        };
        for nobody in [None, Some("garbage"), Some(forged.as_str()), Some(ADMIN_KEY), Some("")] {
            let refused = ask(&anas, nobody).await;
            refused.is_problem(401, "not-authenticated");
            assert_eq!(refused.header("www-authenticate"), "Bearer");
        }
        for somebody_else in [&ben, &stranger] {
            ask(&anas, Some(&somebody_else.credential)).await.is_problem(404, "not-found");
        }
        for wrong in [
            of(&other, &ana.ticket),
            of(&sale, "0198c0de-0000-7000-8000-000000000000"),
            of(&sale, "not-an-id"),
            format!("/api/v1/sales/no-such-sale/tickets/{}", ana.ticket),
        ] {
            ask(&wrong, Some(&ana.credential)).await.is_problem(404, "not-found");
        }
    }
    assert_eq!(ana.poll().await.body["state"], "waiting", "nobody took it out of line");
    let plain = ana.request(Method::GET, &ana.path("/live"));
    Answer::of(plain).await.is_problem(426, "upgrade-required");
    let by_slug = format!("/api/v1/sales/{}/tickets/{}", sale.slug, ana.ticket);
    assert_eq!(Answer::of(ana.request(Method::GET, &by_slug)).await.status, 200);
}

#[tokio::test]
async fn leaving_is_safe_to_repeat_and_those_behind_move_up() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
    eventually("eva is third", async || eva.poll().await.body["position"] == 3).await;
    for _ in 0..2 {
        let left = ana.leave().await;
        assert_eq!((left.status.as_u16(), left.text.as_str()), (204, ""));
        assert_eq!(ana.becomes("left").await["ticket"], ana.ticket.as_str());
    }
    eventually("both moved up", async || {
        ben.poll().await.body["position"] == 1 && eva.poll().await.body["position"] == 2
    })
    .await;
    let stats = sale.stats().await;
    assert_eq!(
        (&stats["joined"], &stats["left"], &stats["waiting"]),
        (&json!(3), &json!(1), &json!(2))
    );

    let again = Answer::of(sale.join_request().bearer_auth(&ana.credential)).await;
    assert_eq!(again.status, 201, "a ticket that left is over");
    assert_ne!(again.body["ticket"], ana.ticket.as_str());
    let evas = eva.poll().await.body["number"].as_i64();
    assert!(again.body["number"].as_i64() > evas, "at the end of the line");
    sale.adds_up().await;
}

#[tokio::test]
async fn who_holds_a_unit_cannot_leave_with_it() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    ana.leave().await.is_problem(409, "already-admitted");
    assert_eq!(ana.poll().await.body["state"], "admitted");
    assert_eq!(ana.confirm(&hold).await.status, 200);
    ana.leave().await.is_problem(409, "already-admitted");
    let again = Answer::of(sale.join_request().bearer_auth(&ana.credential)).await;
    assert_eq!((again.status.as_u16(), &again.body["state"]), (200, &json!("confirmed")));
}

#[tokio::test]
async fn a_cookie_is_as_good_as_a_bearer_token_but_only_from_our_own_pages() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    let cookie = format!("ropeline-ticket-{}={}", sale.id, ana.credential);
    let send = async |method: Method, path: &str, origin: &str| {
        let request = shop.request(method, path).header("cookie", &cookie);
        Answer::of(request.header("origin", origin)).await
    };
    let [confirm, release] =
        ["confirm", "release"].map(|verb| format!("/api/v1/holds/{hold}/{verb}"));
    let join = format!("/api/v1/sales/{}/tickets", sale.id);
    let ticket = ana.path("");
    let changes = [
        (Method::POST, &confirm),
        (Method::POST, &release),
        (Method::POST, &join),
        (Method::DELETE, &ticket),
    ];
    for (method, path) in changes {
        for foreign in ["https://evil.example", "null", &format!("http://evil.{}", &shop.base[7..])]
        {
            send(method.clone(), path, foreign).await.is_problem(403, "origin-not-allowed");
        }
    }
    assert_eq!(ana.poll().await.body["state"], "admitted", "nothing was done");
    assert_eq!(send(Method::GET, &ana.path(""), &shop.base).await.status, 200);
    assert_eq!(send(Method::POST, &confirm, &shop.base).await.status, 200);
    ana.becomes("confirmed").await;
}

#[tokio::test]
async fn polls_come_back_within_a_third_of_the_window() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout_window_seconds": 6 })).await;
    let ana = sale.join().await;
    let admitted = ana.becomes("admitted").await;
    let crowd = all((0..300).map(|_| Answer::of(sale.join_request()))).await;
    let last = crowd.iter().max_by_key(|joined| joined.body["number"].as_i64()).unwrap();
    let last = Shopper::new(&shop, &last.body).becomes("waiting").await;
    assert!(last["position"].as_u64() > Some(250), "far back");
    for state in [admitted, last] {
        let seconds = state["next_poll_seconds"].as_u64().unwrap();
        assert!((1..=2).contains(&seconds), "{seconds}");
    }
}
