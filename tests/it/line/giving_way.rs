//! Connections of one ticket that give way to newer ones, and what a proxy may do to a stream.

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::sockets::{Events, Socket};
use crate::support::{Answer, PATIENCE, Shop};

#[tokio::test]
async fn the_oldest_connections_of_a_ticket_are_told_that_newer_ones_took_their_place() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    sale.join().await.hold().await;
    let ana = sale.join().await;
    let mut stream = Events::open(&ana).await;
    let mut oldest = Socket::open(&shop, &ana).await;
    let mut newer = Vec::new();
    for _ in 0..5 {
        newer.push(Socket::open(&shop, &ana).await);
    }
    let told = async {
        while stream.line().await.expect("it is told before the end") != "event: displaced" {}
        assert_eq!(stream.line().await.unwrap(), r#"data: {"code":"displaced","type":"error"}"#);
        while stream.line().await.is_some() {}
    };
    timeout(PATIENCE, told).await.expect("the stream ends");
    let closed = timeout(PATIENCE, async {
        loop {
            if let Message::Close(frame) = oldest.0.next().await.unwrap().unwrap() {
                return frame.unwrap();
            }
        }
    });
    let frame = closed.await.expect("the socket is closed");
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1008, "displaced"));
    for socket in &mut newer {
        assert_eq!(socket.next().await.unwrap()["state"], "waiting");
    }
}

#[tokio::test]
async fn nothing_on_the_way_may_collect_or_change_a_stream() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    ben.becomes("waiting").await;
    let stream = |who: &crate::support::Shopper| who.request(Method::GET, &who.path("/events"));
    let mut answers = vec![("a live stream", stream(&ben).send().await.unwrap())];
    for list in ["/orders.csv", "/events.csv", "/events.jsonl"] {
        let asked = shop.operator(Method::GET, &sale.path(list)).send().await;
        answers.push((list, asked.unwrap()));
    }
    ana.confirm(&ana.hold().await).await;
    answers.push(("a stream that ends at once", stream(&ana).send().await.unwrap()));
    for (what, answer) in answers {
        assert_eq!(answer.status(), 200, "{what}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("cache-control"), "no-store, no-transform", "{what}");
        assert_eq!(header("x-accel-buffering"), "no", "{what}");
    }
    let page = Answer::of(shop.request(Method::GET, &format!("/s/{}", sale.slug))).await;
    assert_eq!(page.header("cache-control"), "no-store", "a page may be compressed");
}
