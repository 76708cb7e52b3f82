//! A number that two tickets were given: Redis went back while Postgres could not write the first one down.
//! Each finds its own place, on whichever gateway.

use ropeline::ledger::{Ledger, Writing};
use ropeline::model::{Claim, SaleId, Seq, Signer, Ticket};
use serde_json::json;

use crate::repair::recovery::gate;
use crate::support::sockets::Socket;
use crate::support::{ADMIN_KEY, Answer, Gateway, SECRET, Sale, Shop, Shopper, eventually};

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
    let mut tx = tx.share(id).await.unwrap();
    let journaled = tx.journal(&twin, Writing::Again).await.unwrap();
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
    assert!(own <= 0 && number > 0, "it has no number of the line: {own}");
    assert_eq!(state, "left");
    let there = shop.request(reqwest::Method::GET, &shopper.path(""));
    let there = Answer::of(there.bearer_auth(&shopper.credential)).await.body;
    assert_eq!(there["state"], "left");
}

/// Somebody without a row, whose number is a twin's, in a sale whose only unit is bought before another
/// gateway hears of it.
async fn doubled_in_a_sale_that_sells_out() -> (Shop, String, Shopper) {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let buyer = sale.join().await;
    let hold = buyer.hold().await;
    // The gateway that answered ends before it can write the join down.
    let Doubled { shopper, .. } = doubled(&sale, async |_| shop.gateway.tell_to_stop()).await;
    let id = sale.id.clone();
    drop(sale);
    let next = Shop::at(shop.place.clone(), false).await;
    let confirm = next.request(reqwest::Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
    assert_eq!(Answer::of(confirm.bearer_auth(ADMIN_KEY).json(&json!({}))).await.status, 200);
    let path = format!("/sales/{id}");
    eventually("it is sold out", async || next.ask(&path).await.body["status"] == "sold_out").await;
    assert_eq!(journaled(&next, &shopper).await, None);
    let shopper = shopper.at(&next.base);
    (next, id, shopper)
}

/// More units, and long enough that whoever waits is let in.
async fn more_units_come(shop: &Shop, id: &str, shopper: &Shopper, state: &str) {
    let seeded = shop.tell(&format!("/sales/{id}/tokens"), json!({ "count": 5 })).await;
    assert_eq!(seeded.status, 201, "{}", seeded.text);
    for _ in 0..10 {
        assert_eq!(shopper.poll().await.body["state"], state);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let sql = shop.place.sql().await;
    let holds = "SELECT count(*) FROM holds WHERE ticket = $1::text::uuid";
    let holds: i64 = sqlx::query_scalar(holds).bind(&shopper.ticket).fetch_one(&sql).await.unwrap();
    assert_eq!(holds, 0);
}

#[tokio::test]
async fn whoever_left_a_sold_out_sale_without_a_number_stays_away_when_units_are_added() {
    let (shop, id, shopper) = doubled_in_a_sale_that_sells_out().await;
    assert_eq!(shopper.leave().await.status, 204);
    let row = journaled(&shop, &shopper).await;
    assert!(matches!(&row, Some((..=0, state)) if state == "left"), "{row:?}");
    more_units_come(&shop, &id, &shopper, "left").await;
    assert_eq!(shopper.leave().await.status, 204, "repeated, the same");
}

#[tokio::test]
async fn whoever_was_told_sold_out_without_a_number_is_not_told_of_a_place_when_units_are_added() {
    let (shop, id, shopper) = doubled_in_a_sale_that_sells_out().await;
    assert_eq!(shopper.poll().await.body["state"], "sold_out");
    let row = journaled(&shop, &shopper).await;
    assert!(matches!(&row, Some((..=0, state)) if state == "waiting"), "{row:?}");
    more_units_come(&shop, &id, &shopper, "sold_out").await;
}

/// What the drill found (seed 70001): Redis failed over to a copy that lagged by many numbers while Postgres stood
/// still. The leaver's number was a twin's, the next one that Redis gave was a twin's too, and neither could be
/// written down in time: the leave was answered, and nothing was written that would have kept the ticket out.
#[tokio::test]
async fn whoever_left_while_every_number_was_a_twins_is_not_let_in_later() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let id = SaleId(sale.id.parse().unwrap());
    let first = sale.join().await;
    first.hold().await;
    let seq = Seq(first.poll().await.body["number"].as_i64().unwrap_or(1));
    let claim = Claim { sale: id, ticket: Ticket::new(), seq, generation: 0 };
    let credential = Signer::new(SECRET.as_bytes()).sign(claim);
    let joined =
        json!({ "sale": sale.id, "ticket": claim.ticket.to_string(), "credential": credential });
    let shopper = Shopper::new(&shop, &joined);
    let book = Ledger::new(&shop.place.database_url).unwrap();
    let mut tx = book.share_line(id).await.unwrap();
    let twins: Vec<_> = (2..=20).map(|n| (Ticket::new(), Seq(n))).collect();
    assert_eq!(tx.journal(&twins, Writing::Again).await.unwrap().written, 19);
    tx.commit().await.unwrap();

    let mut still = book.begin_line().await.unwrap();
    still.exclude(id).await.unwrap();
    let (left, ()) = tokio::join!(shopper.leave(), async {
        tokio::time::sleep(std::time::Duration::from_millis(900)).await;
        still.commit().await.unwrap();
    });
    assert_eq!(left.status, 204, "{}", left.text);
    let row = journaled(&shop, &shopper).await;
    assert!(matches!(&row, Some((_, state)) if state == "left"), "{row:?}");

    // A join that another gateway makes for the ticket comes too late.
    let gate = gate(&shop).await;
    let line = gate.line_of(id).unwrap();
    let place = ropeline::engine::line::join::join(&gate, &line, claim.ticket).await.unwrap();
    assert!(place.known, "it finds the row");
    assert_eq!(journaled(&shop, &shopper).await, row);
    more_units_come(&shop, &sale.id, &shopper, "left").await;
    book.close().await;
}
