//! A place that goes on on another device: the credential that had it is good for nothing any more.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::redis_state::key;
use crate::support::sockets::{Events, Socket};
use crate::support::{Answer, Gateway, Sale, Shop, Shopper, eventually};

async fn link(shopper: &Shopper) -> Answer {
    let made = Answer::of(shopper.request(Method::POST, &shopper.path("/move"))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made
}

async fn take(shop: &Shop, code: &str, key: &str) -> Answer {
    let request = shop.request(Method::POST, &format!("/api/v1/moves/{code}"));
    Answer::of(request.header("idempotency-key", key)).await
}

/// The shopper on another device.
async fn moved(shop: &Shop, shopper: &Shopper) -> Shopper {
    let link = link(shopper).await;
    let taken = take(shop, link.body["code"].as_str().unwrap(), "a phone of somebody").await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    Shopper::new(shop, &taken.body)
}

#[tokio::test]
async fn a_moved_place_is_the_same_place_and_the_old_credential_is_good_for_nothing() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let first = sale.join().await;
    let held = first.hold().await;
    let ana = sale.join().await;
    let before = ana.poll().await.body;

    let made = link(&ana).await;
    let (code, url) = (made.body["code"].as_str().unwrap(), made.body["url"].as_str().unwrap());
    assert_eq!(url, format!("{}/s/{}/move/{code}", shop.base, sale.slug));
    assert_eq!(ana.poll().await.status, 200, "a link alone moves nothing");

    let phone = moved(&shop, &ana).await;
    assert_eq!(phone.ticket, ana.ticket);
    assert_ne!(phone.credential, ana.credential);
    let after = phone.poll().await.body;
    for same in ["ticket", "number", "position", "state"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    let calls = [
        (Method::GET, ana.path("")),
        (Method::GET, ana.path("/events")),
        (Method::POST, ana.path("/move")),
        (Method::DELETE, ana.path("")),
    ];
    for (method, path) in calls {
        Answer::of(ana.request(method, &path)).await.is_problem(401, "moved");
    }
    assert_eq!(
        phone.poll().await.body["state"],
        "waiting",
        "the old device did not leave the line"
    );

    // Nor may it touch the unit.
    first.release(&held).await;
    let hold = phone.hold().await;
    for action in ["confirm", "release"] {
        let path = format!("/api/v1/holds/{hold}/{action}");
        Answer::of(ana.request(Method::POST, &path)).await.is_problem(401, "moved");
    }
    Answer::of(ana.request(Method::GET, &format!("/api/v1/holds/{hold}")))
        .await
        .is_problem(401, "moved");
    assert_eq!(phone.confirm(&hold).await.body["state"], "confirmed");
    sale.adds_up().await;
}

#[tokio::test]
async fn a_link_works_once_and_the_newest_only_and_a_retry_gets_the_same_place() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let ana = sale.join().await;
    let code = |answer: &Answer| answer.body["code"].as_str().unwrap().to_owned();
    let older = code(&link(&ana).await);
    let newest = code(&link(&ana).await);
    take(&shop, &older, "somebody's phone").await.is_problem(410, "link-ended");
    take(&shop, "AAAAAAAAAAAAAAAAAAAAAA", "somebody's phone").await.is_problem(410, "link-ended");

    let taken = take(&shop, &newest, "somebody's phone").await;
    assert_eq!(taken.status, 200);
    let again = take(&shop, &newest, "somebody's phone").await;
    assert_eq!(again.body["credential"], taken.body["credential"], "its answer may have got lost");
    take(&shop, &newest, "somebody else's phone").await.is_problem(410, "link-ended");

    // And on, and back: only the last device has it.
    let phone = Shopper::new(&shop, &taken.body);
    let tablet = moved(&shop, &phone).await;
    phone.poll().await.is_problem(401, "moved");
    ana.poll().await.is_problem(401, "moved");
    assert_eq!(tablet.poll().await.status, 200);
    let pool = shop.place.sql().await;
    sqlx::query("UPDATE moves SET link_until = clock_timestamp() - interval '1 second'")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_link_that_is_too_old_is_over() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let key = "the same key twice";
    let ask = || ana.request(Method::POST, &ana.path("/move")).header("idempotency-key", key);
    let (made, again) = (Answer::of(ask()).await, Answer::of(ask()).await);
    assert_eq!(
        (made.status.as_u16(), &made.body),
        (201, &again.body),
        "the same key, the same link"
    );
    let pool = shop.place.sql().await;
    sqlx::query("UPDATE moves SET link_until = clock_timestamp()").execute(&pool).await.unwrap();
    let code = made.body["code"].as_str().unwrap();
    take(&shop, code, "somebody's phone").await.is_problem(410, "link-ended");
    assert_eq!(ana.poll().await.status, 200);
    pool.close().await;
}

#[tokio::test]
async fn two_who_use_a_link_at_once_do_not_both_get_the_place() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let code = link(&ana).await.body["code"].as_str().unwrap().to_owned();
    let both = (0..8).map(|n| {
        let (shop, code) = (&shop, &code);
        async move { take(shop, code, &format!("a phone with the number {n}")).await.status }
    });
    let answers = futures_util::future::join_all(both).await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
}

#[tokio::test]
async fn the_old_devices_socket_and_stream_are_told_and_end() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let ana = sale.join().await;
    let mut socket = Socket::open(&shop, &ana).await;
    let mut events = Events::open(&ana).await;
    socket.until(|state| state["position"] == 1).await;
    assert_eq!(events.next().await.unwrap()["position"], 1);
    let phone = moved(&shop, &ana).await;
    let (told, code) = socket.read_to_end().await;
    let last = told.last().expect("it is told");
    assert_eq!((last, code), (&json!({ "type": "error", "code": "moved" }), Some(1008)));
    events.read_to_end().await;
    let mut live = Socket::open(&shop, &phone).await;
    live.until(|state| state["position"] == 1).await;
}

/// A gateway that has not heard of a move yet asks Postgres before anything is done to a unit or a place.
#[tokio::test]
async fn what_counts_is_asked_of_postgres_whatever_a_gateway_has_heard() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let hold = ana.hold().await;
    link(&ana).await;
    link(&ben).await;
    // So long ago that no gateway looks for it again.
    let long_ago = "UPDATE moves SET generation = 1, taken_by = '\\x01',
                                     moved_at = clock_timestamp() - interval '1 hour'";
    let pool = shop.place.sql().await;
    sqlx::query(long_ago).execute(&pool).await.unwrap();
    assert_eq!(ben.poll().await.status, 200, "this gateway has not heard of it");
    Answer::of(ben.request(Method::DELETE, &ben.path(""))).await.is_problem(401, "moved");
    for (method, rest) in
        [(Method::POST, "/confirm"), (Method::POST, "/release"), (Method::GET, "")]
    {
        let path = format!("/api/v1/holds/{hold}{rest}");
        Answer::of(ana.request(method, &path)).await.is_problem(401, "moved");
    }
    ana.poll().await.is_problem(401, "moved");
    assert_eq!(sale.stats().await["tokens"]["held"], 1);
    assert_eq!(sale.stats().await["waiting"], 1);
    let fallen = sqlx::query("UPDATE moves SET generation = 0, moved_at = NULL");
    assert!(fallen.execute(&pool).await.unwrap_err().to_string().contains("only rises"));
    pool.close().await;
}

/// The credential that a join under the same key gets again is the first one, and stays useless.
#[tokio::test]
async fn a_repeated_join_does_not_bring_the_old_device_back_and_a_new_one_is_a_new_ticket() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let join = || sale.join_request().header("idempotency-key", "nobody guesses this one");
    let joined = Answer::of(join()).await;
    let ana = Shopper::new(&shop, &joined.body);
    let phone = moved(&shop, &ana).await;
    let again = Shopper::new(&shop, &Answer::of(join()).await.body);
    again.poll().await.is_problem(401, "moved");
    let anew = Answer::of(sale.join_request().bearer_auth(&ana.credential)).await;
    assert_eq!(anew.status, 201, "{}", anew.text);
    assert_ne!(anew.body["ticket"], json!(ana.ticket));
    let same = Answer::of(sale.join_request().bearer_auth(&phone.credential)).await;
    assert_eq!((same.status.as_u16(), &same.body["ticket"]), (200, &json!(ana.ticket)));
    assert_eq!(same.body["credential"], json!(phone.credential));
}

/// A move is told to every gateway, outlives an empty Redis and a restart, and the end of the sale.
#[tokio::test]
async fn every_gateway_knows_of_a_move_and_none_forgets_it() {
    let mut shop = Shop::open().await;
    let place = shop.place.clone();
    let other = Gateway::start(&place, false).await;
    let elsewhere = format!("http://{}", other.address);
    let (sale_id, ana, phone) = {
        let sale = shop.open_sale(1, json!({})).await;
        sale.join().await.hold().await;
        let ana = sale.join().await;
        let there = ana.at(&elsewhere);
        eventually("the other gateway follows", async || there.poll().await.status == 200).await;
        let phone = moved(&shop, &ana).await;
        eventually("the other gateway knows", async || there.poll().await.status == 401).await;
        assert_eq!(phone.at(&elsewhere).poll().await.status, 200);
        (sale.id.clone(), ana, phone)
    };
    let address = shop.gateway.address;
    shop.gateway.stop().await;
    shop.gateway = Gateway::start_at(&place, false, address).await;
    eventually("it is back", async || shop.get("/readyz").await.status == 200).await;
    eventually("it knows", async || ana.poll().await.status == 401).await;
    let sale = Sale { shop: &shop, id: sale_id, slug: String::new() };
    let mut redis = place.redis().await;
    let keys = ["ctl", "queue", "tokens", "guard", "feed"];
    let keys = keys.map(|name| key(sale.id.parse().unwrap(), name));
    redis::cmd("UNLINK").arg(&keys[..]).exec_async(&mut redis).await.unwrap();
    eventually("the line is rebuilt", async || phone.poll().await.body["position"] == 1).await;
    ana.poll().await.is_problem(401, "moved");

    sale.steer("close").await;
    phone.becomes("closed").await;
    eventually("the sale is let go", async || {
        ana.poll().await.refusal() == (401, "moved") && phone.poll().await.status == 200
    })
    .await;
    other.stop().await;
}

#[tokio::test]
async fn whoever_has_a_place_already_does_not_lose_it_to_a_link() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let code = link(&ana).await.body["code"].as_str().unwrap().to_owned();
    let by_ben = || ben.request(Method::POST, &format!("/api/v1/moves/{code}"));
    Answer::of(by_ben()).await.is_problem(409, "already-in-line");
    assert_eq!(ana.poll().await.status, 200, "nothing has moved");
    ben.leave().await;
    let taken = Answer::of(by_ben()).await;
    assert_eq!(taken.body["ticket"], Value::from(ana.ticket.clone()), "{}", taken.text);
}
