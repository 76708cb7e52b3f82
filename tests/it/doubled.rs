//! A number that two tickets were given: Redis went back while Postgres could not write the first one down.
//! Each finds its own place, on whichever gateway.

use ropeline::ledger::{Ledger, Writing};
use ropeline::sale::{SaleId, Seq, Ticket};
use serde_json::json;

use crate::sockets::Socket;
use crate::support::{Answer, Gateway, Sale, Shop, Shopper, eventually};

/// Somebody who joined while nothing could be journaled, and whose number is a twin's by now.
struct Doubled {
    shopper: Shopper,
    number: i64,
}

/// Joins while the journal is held up, does `meanwhile`, and lets a twin write the number down first.
async fn doubled(sale: &Sale<'_>, meanwhile: impl AsyncFnOnce(&Shopper)) -> Doubled {
    let ledger = Ledger::new(&sale.shop.place.database_url).unwrap();
    let id = SaleId(sale.id.parse().unwrap());
    let mut tx = ledger.begin_line().await.unwrap();
    tx.exclude(id).await.unwrap();
    let joined = sale.try_join().await;
    assert_eq!(joined.status, 201, "the credential is the receipt: {}", joined.text);
    let shopper = Shopper::new(sale.shop, &joined.body);
    let number = joined.body["number"].as_i64().unwrap();
    meanwhile(&shopper).await;
    let twin = [(Ticket::new(), Seq(number))];
    let journaled = tx.journal(id, &twin, Writing::Again).await.unwrap();
    assert_eq!(journaled.doubled, []);
    tx.commit().await.unwrap();
    ledger.close().await;
    Doubled { shopper, number }
}

/// The number and the state of a ticket in the journal.
async fn journaled(shop: &Shop, who: &Shopper) -> Option<(i64, String)> {
    let sql = shop.place.sql().await;
    let row = sqlx::query_as("SELECT seq, state FROM joins WHERE ticket = $1::text::uuid");
    row.bind(&who.ticket).fetch_optional(&sql).await.unwrap()
}

#[tokio::test]
async fn whoever_was_given_a_twins_number_gets_one_without_asking_and_sees_it_everywhere() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let Doubled { shopper, number } = doubled(&sale, async |_| {}).await;
    eventually("it has a row", async || journaled(&shop, &shopper).await.is_some()).await;
    let (own, state) = journaled(&shop, &shopper).await.unwrap();
    assert!(own > number, "{own} is behind {number}");
    assert_eq!(state, "waiting");

    eventually("a poll says so", async || {
        let polled = shopper.poll().await.body;
        (&polled["number"], &polled["position"]) == (&json!(own), &json!(2))
    })
    .await;

    // Another gateway knows nothing of it but what is written down.
    let other = Shop {
        place: shop.place.clone(),
        gateway: Gateway::start(&shop.place, false).await,
        base: String::new(),
        client: shop.client.clone(),
    };
    let other = Shop { base: format!("http://{}", other.gateway.address), ..other };
    eventually("it is ready", async || other.get("/readyz").await.status == 200).await;
    let there = other.request(reqwest::Method::GET, &shopper.path(""));
    let there = Answer::of(there.bearer_auth(&shopper.credential)).await.body;
    assert_eq!((&there["number"], &there["position"]), (&json!(own), &json!(2)));
    let told = Socket::open(&other, &shopper).await.next().await.unwrap();
    assert_eq!((&told["number"], &told["position"]), (&json!(own), &json!(2)));

    sale.seed(1).await;
    assert_eq!(shopper.poll().await.body["state"], "waiting", "the twin goes first");
    sale.seed(1).await;
    shopper.hold().await;
    other.gateway.stop().await;
}

#[tokio::test]
async fn an_open_page_is_told_the_number_of_its_own() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let mut socket = None;
    let Doubled { shopper, number } = doubled(&sale, async |shopper| {
        socket = Some(Socket::open(&shop, shopper).await);
    })
    .await;
    let mut socket = socket.unwrap();
    let told = socket.until(|state| state["number"] != number).await;
    assert_eq!((&told["position"], &told["waiting"]), (&json!(2), &json!(2)), "behind the twin");
    let (own, _) = journaled(&shop, &shopper).await.unwrap();
    assert_eq!(told["number"], own);
}

#[tokio::test]
async fn whoever_was_given_a_twins_number_may_leave_and_stays_away() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    // The gateway that answered ends before it can write the join down.
    let Doubled { shopper, number } = doubled(&sale, async |_| shop.gateway.tell_to_stop()).await;
    drop(sale);
    let shop = Shop::at(shop.place.clone(), false).await;
    let ended = shop.request(reqwest::Method::DELETE, &shopper.path(""));
    let ended = Answer::of(ended.bearer_auth(&shopper.credential)).await;
    assert_eq!(ended.status, 204, "{}", ended.text);
    let (own, state) = journaled(&shop, &shopper).await.unwrap();
    assert!(own > number);
    assert_eq!(state, "left");
    let there = shop.request(reqwest::Method::GET, &shopper.path(""));
    let there = Answer::of(there.bearer_auth(&shopper.credential)).await.body;
    assert_eq!(there["state"], "left");
}
