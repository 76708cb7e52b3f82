//! How holds and sales end: out of time, in their grace, sold out and open again, closed.

use reqwest::Method;
use serde_json::json;

use crate::checkout::holds::time;
use crate::support::{Answer, Shop, Shopper, eventually};

#[tokio::test]
async fn a_hold_that_runs_out_expires_and_its_unit_goes_to_the_next_in_line() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout_window_seconds": 3 })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let anas = ana.hold().await;
    let waiting = ben.becomes("waiting").await;
    assert_eq!(waiting["stock"]["held"], 1);
    let returns = time(&waiting["next_return_at"]);

    let bens = ben.becomes("admitted").await["hold"].clone();
    let expired = ana.becomes("expired").await;
    let hold = &expired["hold"];
    assert_eq!((&hold["id"], &hold["state"]), (&json!(anas), &json!("expired")));
    assert_eq!((&hold["unit"], &hold["seconds_left"]), (&bens["unit"], &json!(0)));
    assert!(time(&hold["ended_at"]) >= time(&hold["expires_at"]), "not before its time");
    assert!(time(&bens["admitted_at"]) >= time(&hold["ended_at"]), "one after the other");
    assert_eq!(returns, time(&hold["expires_at"]));
    assert_eq!(expired["rejoin"], true);

    let again = Answer::of(sale.join_request().bearer_auth(&ana.credential)).await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_ne!(again.body["ticket"], ana.ticket.as_str());
    assert!(again.body["number"].as_i64() > bens["number"].as_i64());
    ana.becomes("expired").await;
    sale.adds_up().await;
}

#[tokio::test]
async fn in_its_grace_a_hold_that_is_due_still_buys() {
    let shop = Shop::open().await;
    let late = json!({ "checkout_window_seconds": 1, "expiry_grace_seconds": 60 });
    let sale = shop.open_sale(1, late).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let hold = ana.hold().await;
    let path = format!("/api/v1/holds/{hold}");
    let is_late = async || {
        let now = ana.poll().await.body;
        assert_eq!(now["state"], "admitted");
        let over = time(&now["server_time"]).duration_since(time(&now["hold"]["expires_at"]));
        over.as_millis() > 1_500 // so long after, without a grace, a sweep has ended it
    };
    eventually("the window is over", is_late).await;
    let due = Answer::of(ana.request(Method::GET, &path)).await.body;
    assert_eq!((&due["state"], &due["seconds_left"]), (&json!("active"), &json!(0)));
    assert_eq!(ben.poll().await.body["state"], "waiting");
    let bought = ana.confirm(&hold).await;
    assert_eq!(bought.status, 200, "{}", bought.text);
    let order = &bought.body["order"];
    assert!(time(&order["confirmed_at"]) > time(&due["expires_at"]));
    ben.becomes("sold_out").await;
}

#[tokio::test]
async fn units_added_after_a_sell_out_are_for_new_joins_and_a_told_ticket_stays_told() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    assert_eq!(ana.confirm(&ana.hold().await).await.status, 200);
    ben.becomes("sold_out").await;
    sale.becomes("sold_out").await;
    sale.try_join().await.is_problem(409, "sold-out");
    let again = || Answer::of(sale.join_request().bearer_auth(&ben.credential));
    again().await.is_problem(409, "sold-out");

    assert_eq!(sale.seed(1).await.body, json!({ "seeded": 2 }));
    sale.becomes("open").await;
    let joined = again().await;
    assert_eq!(joined.status, 201, "{}", joined.text);
    let bens = Shopper::new(&shop, &joined.body);
    let hold = bens.becomes("admitted").await["hold"].clone();
    assert_eq!(hold["unit"], 2);
    assert_eq!(ben.poll().await.body["state"], "sold_out");
    assert_eq!(ana.poll().await.body["state"], "confirmed");
    sale.steer("close").await;
    sale.becomes("closed").await;
    assert_eq!(ben.poll().await.body["state"], "sold_out", "final is final");
    sale.adds_up().await;
}

#[tokio::test]
async fn a_closed_sale_admits_nobody_and_lets_open_holds_end_as_they_like() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
    let (anas, bens) = (ana.hold().await, ben.hold().await);
    assert_eq!(sale.steer("close").await.body["status"], "closed");
    eva.becomes("closed").await;
    sale.try_join().await.is_problem(409, "sale-closed");
    assert_eq!(ana.poll().await.body["state"], "admitted");
    assert_eq!(ben.release(&bens).await.status, 200);
    assert_eq!(ben.becomes("released").await["rejoin"], false);
    assert_eq!(ana.confirm(&anas).await.status, 200);
    ana.becomes("confirmed").await;
    assert_eq!(eva.poll().await.body["state"], "closed");
    let stats = sale.stats().await;
    assert_eq!((&stats["status"], &stats["waiting"]), (&json!("closed"), &json!(0)));
    assert_eq!(stats["admitted"], 2);
    assert_eq!(sale.facts().await["status"], "closed");
    sale.adds_up().await;
}
