//! A close that can be taken back: nobody is told anything final before its time is over.

use std::time::Duration;

use serde_json::json;

use crate::steering::forms::form_of;
use crate::support::staff::post;
use crate::support::{Shop, eventually};

#[tokio::test]
async fn a_close_is_taken_back_and_nobody_in_line_has_lost_anything() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
    let hold = ana.hold().await;
    let before = [ben.poll().await.body, eva.poll().await.body];
    let close = json!({ "undo_seconds": 60 });
    let closed = shop.tell(&sale.path("/close"), close.clone()).await;
    assert_eq!((closed.status.as_u16(), &closed.body["status"]), (200, &json!("closed")));
    assert_eq!(
        shop.tell(&sale.path("/close"), close).await.body,
        closed.body,
        "the first one counts"
    );
    sale.try_join().await.is_problem(409, "sale-closed");
    for action in ["open", "resume", "pause"] {
        let refused = shop.tell(&sale.path(&format!("/{action}")), json!({})).await;
        refused.is_problem(409, "sale-closed");
    }
    shop.tell(&sale.path("/tokens"), json!({ "count": 5 })).await.is_problem(409, "sale-closed");
    // Nobody is admitted to a unit that comes back, and nobody is told the end.
    assert_eq!(ana.release(&hold).await.status, 200);
    let version = ben.poll().await.body["version"].as_u64().unwrap();
    eventually("some ticks went by", async || {
        ben.poll().await.body["version"].as_u64().unwrap() > version + 1_500 * 64
    })
    .await;
    for (who, before) in [&ben, &eva].into_iter().zip(&before) {
        let now = who.poll().await.body;
        assert_eq!((&now["state"], &now["paused"]), (&json!("waiting"), &json!(true)), "{now}");
        assert_eq!(now["number"], before["number"]);
        assert_eq!(now["position"], before["position"]);
        assert!(now["version"].as_u64() > before["version"].as_u64());
    }
    assert_eq!(sale.stats().await["waiting"], 2);

    let open = shop.tell(&sale.path("/reopen"), json!({})).await;
    assert_eq!(
        (open.status.as_u16(), &open.body["status"]),
        (200, &json!("open")),
        "{}",
        open.text
    );
    assert_eq!(open.body["closes_at"], json!(null));
    assert_eq!(shop.tell(&sale.path("/reopen"), json!({})).await.body, open.body, "safe to repeat");
    let bens = ben.hold().await;
    assert_eq!(eva.poll().await.body["state"], "waiting", "in the order of joining");
    assert_eq!(ben.confirm(&bens).await.status, 200);
    sale.adds_up().await;
    let audit = shop.ask(&sale.path("/audit")).await.body;
    let actions: Vec<_> = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["action"].as_str().unwrap())
        .collect();
    let of_close = actions.iter().filter(|action| ["close", "reopen"].contains(*action)).count();
    assert_eq!(of_close, 2, "{actions:?}");
}

#[tokio::test]
async fn a_close_whose_time_is_over_is_for_good() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    shop.tell(&sale.path("/close"), json!({ "undo_seconds": 2 })).await;
    assert_eq!(ana.poll().await.body["state"], "waiting");
    ana.becomes("closed").await;
    shop.tell(&sale.path("/reopen"), json!({})).await.is_problem(409, "sale-closed");
    let now = shop.ask(&sale.path("")).await.body;
    assert!(now["closed_at"].is_string() && now["closes_at"].is_null(), "{now}");
    assert_eq!(ana.poll().await.body["state"], "closed");

    // Without it a close is for good at once, also one that could still be taken back.
    let sale = shop.sale_of_nothing(json!({})).await;
    let ben = sale.join().await;
    shop.tell(&sale.path("/close"), json!({ "undo_seconds": 60 })).await;
    sale.steer("close").await;
    ben.becomes("closed").await;
    shop.tell(&sale.path("/reopen"), json!({})).await.is_problem(409, "sale-closed");
    for bad in [json!(61), json!(-1), json!("60"), json!(null)] {
        shop.tell(&sale.path("/close"), json!({ "undo_seconds": bad }))
            .await
            .names(&["undo_seconds"]);
    }
}

#[tokio::test]
async fn a_sale_that_has_not_started_goes_back_to_waiting_for_its_start() {
    let shop = Shop::open().await;
    let soon = jiff_in(&shop, 6).await;
    let sale = shop.sale(json!({ "starts_at": soon })).await;
    eventually("its line is loaded", async || sale.try_join().await.status == 201).await;
    let ana = sale.join().await;
    shop.tell(&sale.path("/close"), json!({ "undo_seconds": 60 })).await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(ana.poll().await.body["state"], "scheduled", "the start does not open it meanwhile");
    shop.tell(&sale.path("/reopen"), json!({})).await;
    ana.becomes("waiting").await;
}

pub async fn jiff_in(shop: &Shop, seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(shop.server_time().await + seconds * 1_000).unwrap()
}

#[tokio::test]
async fn the_console_closes_with_a_minute_to_take_it_back() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "max_in_checkout": 1 })).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    ana.hold().await;
    let cookie = shop.log_in_by_key().await;
    let path = format!("/admin/sales/{}", sale.slug);
    let closed = post(&shop, &format!("{path}/close"), &cookie, &[("slug", &sale.slug)]).await;
    assert_eq!(closed.status, 303, "{}", closed.text);
    let page = shop.page(&cookie, &path).await;
    assert!(page.text.contains("Take the close back"), "{}", page.text);
    assert_eq!(ben.poll().await.body["state"], "waiting");
    form_of(&page.text, &format!("{path}/reopen"));
    let back = post(&shop, &format!("{path}/reopen"), &cookie, &[]).await;
    assert_eq!(back.header("location"), format!("{path}?done=reopen"));
    assert_eq!(sale.facts().await["status"], "open");
}
