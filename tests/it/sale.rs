//! A whole sale, as a story.

use serde_json::json;

use crate::support::Shop;

#[tokio::test]
async fn three_shoppers_for_two_units_end_in_two_orders_and_one_honest_no() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;

    let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
    let (anas, bens) = (ana.hold().await, ben.hold().await);
    assert_eq!(eva.poll().await.body["state"], "waiting");
    assert_eq!(eva.poll().await.body["position"], 1);

    assert_eq!(ana.confirm(&anas).await.status, 200);
    ana.becomes("confirmed").await;
    assert_eq!(ben.release(&bens).await.status, 200);
    let evas = eva.hold().await;
    assert_eq!(eva.confirm(&evas).await.status, 200);

    sale.becomes("sold_out").await;
    assert_eq!(sale.try_join().await.refusal(), (409, "sold-out"));
    assert_eq!(ben.becomes("released").await["rejoin"], false);
    sale.adds_up().await;
}
