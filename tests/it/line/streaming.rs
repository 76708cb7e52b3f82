//! The WebSocket and the event stream: whole states, the same as a poll answers, until the last one.

use futures_util::SinkExt;
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::line::tickets::names;
use crate::support::sockets::{Events, Socket, holds_together, lasting};
use crate::support::{Answer, PATIENCE, Sale, Shop, Shopper, eventually};

#[tokio::test]
async fn poll_socket_and_event_stream_tell_the_same() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    ana.hold().await;
    for (who, state) in [(&ana, "admitted"), (&ben, "waiting")] {
        let same = async || {
            let polled = who.poll().await.body;
            let told = Socket::open(&shop, who).await.next().await.unwrap();
            let streamed = Events::open(who).await.next().await.unwrap();
            assert_eq!((names(&told), names(&streamed)), (names(&polled), names(&polled)));
            assert_eq!(told["state"], state);
            assert_eq!(told.get("type"), None);
            // The estimate moves by itself; a moment comes in which all three were asked.
            lasting(told) == lasting(polled.clone()) && lasting(streamed) == lasting(polled)
        };
        eventually("all three say the same", same).await;
    }
}

#[tokio::test]
async fn a_socket_takes_the_credential_in_three_ways_and_no_other() {
    let shop = Shop::open().await;
    let (sale, other) =
        (shop.sale_of_nothing(json!({})).await, shop.sale_of_nothing(json!({})).await);
    let (ana, ben) = (sale.join().await, sale.join().await);
    let stranger = other.join().await;
    let ways = |credential: &str| {
        [
            ("authorization", format!("Bearer {credential}")),
            ("cookie", format!("ropeline-ticket-{}={credential}", sale.id)),
            ("sec-websocket-protocol", format!("ropeline.v1, {credential}")),
        ]
    };
    for (name, value) in ways(&ana.credential) {
        let (mut socket, protocol) =
            Socket::connect(&shop, &ana, &[(name, &value)]).await.ok().unwrap();
        assert_eq!(socket.next().await.unwrap()["ticket"], ana.ticket.as_str());
        assert_eq!(protocol.as_deref(), name.starts_with("sec").then_some("ropeline.v1"));
    }
    let refused = async |headers: &[(&'static str, &str)]| {
        let (status, body) = Socket::connect(&shop, &ana, headers).await.err().expect("refused");
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    };
    for other in [&ben, &stranger] {
        for (name, value) in ways(&other.credential) {
            assert_eq!(refused(&[(name, &value)]).await, (404, "not-found".into()), "{name}");
        }
    }
    for (name, value) in ways("garbage") {
        assert_eq!(refused(&[(name, &value)]).await, (401, "not-authenticated".into()), "{name}");
    }
    assert_eq!(refused(&[]).await, (401, "not-authenticated".into()));
}

#[tokio::test]
async fn a_socket_opens_for_our_own_pages_only() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    let cookie = format!("ropeline-ticket-{}={}", sale.id, ana.credential);
    let from = |origin: &str| {
        let headers = [("cookie", cookie.clone()), ("origin", origin.to_owned())];
        let (shop, ana) = (&shop, &ana);
        async move {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
            Socket::connect(shop, ana, &headers).await.map(|_| ()).map_err(|refusal| refusal.0)
        }
    };
    assert_eq!(from(&shop.base).await, Ok(()));
    for foreign in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        assert_eq!(from(foreign).await, Err(403), "{foreign}");
    }
}

#[tokio::test]
async fn who_asks_for_the_position_is_answered_at_once_and_nonsense_is_named() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    let mut socket = Socket::open(&shop, &ana).await;
    let first = socket.next().await.unwrap();
    socket.say(r#"{"type":"position"}"#).await;
    // Well before the next state would come by itself.
    let told = socket.next().await.unwrap();
    assert_eq!(lasting(told.clone()), lasting(first.clone()));
    assert!(told["server_time"].as_str() >= first["server_time"].as_str());

    for nonsense in ["", "hello", "{}", "[]", r#"{"type":"buy"}"#, r#"{"type":7}"#] {
        socket.say(nonsense).await;
        let error = socket.until(|told| told.get("type").is_some()).await;
        assert_eq!((names(&error), &error["type"]), (vec!["code", "type"], &json!("error")));
        assert_ne!(error["code"].as_str().unwrap(), "", "{nonsense}");
    }
    socket.say(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.until(|told| told.get("type").is_some()).await["type"], "error");
    // It goes on all the same.
    eventually("the state is told again", async || {
        let mut again = Socket::open(&shop, &ana).await;
        again.say(r#"{"type":"position"}"#).await;
        again.next().await.is_ok() && again.next().await.is_ok()
    })
    .await;

    for _ in 0..20 {
        if socket.0.send("nonsense".into()).await.is_err() {
            break;
        }
    }
    let (told, code) = socket.read_to_end().await;
    assert_eq!(code, Some(1008), "a client that keeps it up");
    assert!(told.iter().all(|told| told["type"] == "error" || told["state"] == "waiting"));
}

#[tokio::test]
async fn a_message_that_is_too_big_closes_the_socket_with_1009() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    let mut socket = Socket::open(&shop, &ana).await;
    socket.next().await.unwrap();
    socket.say("x".repeat(8_000)).await;
    assert_eq!(socket.read_to_end().await.1, Some(1009));
    assert_eq!(ana.poll().await.body["state"], "waiting");
}

#[tokio::test]
async fn a_socket_tells_a_whole_way_through_the_line_and_ends_with_it() {
    let shop = Shop::open().await;
    let one = json!({ "batch_size": 1, "max_in_checkout": 1 });
    let sale = shop.open_sale(6, one).await;
    sale.steer("pause").await;
    let mut ahead = Vec::new();
    for _ in 0..5 {
        ahead.push(sale.join().await);
    }
    let ana = sale.join().await;
    eventually("ana is sixth", async || ana.poll().await.body["position"] == 6).await;
    let mut socket = Socket::open(&shop, &ana).await;
    let mut told = vec![socket.next().await.unwrap()];
    assert_eq!((&told[0]["position"], &told[0]["paused"]), (&json!(6), &json!(true)));
    sale.steer("resume").await;
    for (place, shopper) in (1..=5).rev().zip(&ahead) {
        // One in checkout at a time: each of them is admitted when the one before has bought.
        let hold = shopper.hold().await;
        let moved_up = async {
            while told.last().unwrap()["position"] != place {
                told.push(socket.next().await.unwrap());
            }
        };
        timeout(PATIENCE, moved_up).await.expect("she moves up");
        assert_eq!(shopper.confirm(&hold).await.status, 200);
    }
    let hold = ana.hold().await;
    assert_eq!(ana.confirm(&hold).await.status, 200);
    let (rest, code) = socket.read_to_end().await;
    told.extend(rest);
    assert_eq!(code, Some(1000));
    let mut states: Vec<_> = told.iter().map(|s| s["state"].as_str().unwrap()).collect();
    states.dedup();
    assert_eq!(states, ["waiting", "admitted", "confirmed"]);
    assert_eq!(told.last().unwrap()["hold"]["order"]["hold"], hold);
    assert_eq!(told[0]["number"], told[1]["number"]);
    holds_together(&told);
}

/// Brings a shopper of a fresh sale to an end of one kind.
async fn end(sale: &Sale<'_>, who: &Shopper, state: &str) {
    let shop = sale.shop;
    match state {
        "confirmed" => assert_eq!(who.confirm(&who.hold().await).await.status, 200),
        "released" => assert_eq!(who.release(&who.hold().await).await.status, 200),
        "expired" => {}
        "left" => assert_eq!(who.leave().await.status, 204),
        "removed" => {
            let path = sale.path(&format!("/tickets/{}", who.ticket));
            let removed = Answer::of(shop.operator(Method::DELETE, &path)).await;
            assert_eq!(removed.status, 204);
        }
        "closed" => drop(sale.steer("close").await),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn every_end_of_a_ticket_ends_its_socket_with_1000_and_its_event_stream() {
    let shop = Shop::open().await;
    for state in ["confirmed", "released", "expired", "left", "removed", "closed"] {
        let waits = ["left", "removed", "closed"].contains(&state);
        let window = if state == "expired" { 1 } else { 600 };
        let sale = shop.sale(json!({ "checkout_window_seconds": window })).await;
        if !waits {
            sale.seed(1).await;
        }
        let ana = sale.join().await;
        let (mut socket, mut events) = (Socket::open(&shop, &ana).await, Events::open(&ana).await);
        sale.steer("open").await;
        end(&sale, &ana, state).await;
        let (told, code) = socket.read_to_end().await;
        assert_eq!(code, Some(1000), "{state}");
        assert_eq!(told.last().unwrap()["state"], state);
        holds_together(&told);
        let streamed = events.read_to_end().await;
        assert_eq!(streamed.last().unwrap()["state"], state);
        holds_together(&streamed);
        // Who comes back later is told the same once more.
        let (told, code) = Socket::open(&shop, &ana).await.read_to_end().await;
        assert_eq!((told.len(), code), (1, Some(1000)), "{state}");
        assert_eq!(told[0]["state"], state);
    }
}

#[tokio::test]
async fn the_last_unit_sold_ends_the_socket_of_everyone_in_line() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let mut socket = Socket::open(&shop, &ben).await;
    let hold = ana.hold().await;
    let held = socket.until(|state| state["stock"]["held"] == 1).await;
    assert_eq!((&held["state"], &held["stock"]["available"]), (&json!("waiting"), &json!(0)));
    assert_eq!(ana.confirm(&hold).await.status, 200);
    let (told, code) = socket.read_to_end().await;
    assert_eq!((told.last().unwrap()["state"].as_str(), code), (Some("sold_out"), Some(1000)));
    holds_together(&told);
}

#[tokio::test]
async fn a_notice_and_a_pause_are_told_to_everyone_who_watches() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    let (mut socket, mut events) = (Socket::open(&shop, &ana).await, Events::open(&ana).await);
    let mut told = vec![socket.next().await.unwrap()];
    assert_eq!(told[0]["notice"], Value::Null);
    for text in [json!("Back in \"ten\" minutes\nüñ"), json!("<b>Now</b>"), Value::Null] {
        let noted = shop.tell(&sale.path("/notices"), json!({ "text": text })).await;
        assert_eq!((noted.status.as_u16(), &noted.body["notice"]), (200, &text));
        told.push(socket.until(|state| state["notice"] == text).await);
        let streamed = async { while events.next().await.unwrap()["notice"] != text {} };
        timeout(PATIENCE, streamed).await.expect("the stream says so");
        eventually("a poll says so", async || ana.poll().await.body["notice"] == text).await;
    }
    for (action, paused) in [("pause", true), ("resume", false)] {
        sale.steer(action).await;
        told.push(socket.until(|state| state["paused"] == paused).await);
    }
    holds_together(&told);
}

#[tokio::test]
async fn a_quiet_event_stream_sends_comment_lines() {
    let shop = Shop::open().await;
    // Before the start nothing happens, so that nothing but comments need be sent.
    let sale = shop.sale(json!({ "starts_at": "2099-01-01T12:00:00Z" })).await;
    let ana = sale.join().await;
    let mut events = Events::open(&ana).await;
    assert_eq!(events.next().await.unwrap()["state"], "scheduled");
    let comment = timeout(PATIENCE, async {
        loop {
            let line = events.line().await.unwrap();
            if line.starts_with(':') {
                return;
            }
        }
    });
    comment.await.expect("a comment line");
}

#[tokio::test]
async fn a_client_that_says_farewell_is_answered() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let mut socket = Socket::open(&shop, &sale.join().await).await;
    socket.next().await.unwrap();
    socket.0.close(None).await.unwrap();
    // Without an answer this ends in an error: the connection was reset before the handshake of closing.
    while let Some(heard) = socket.0.next().await {
        heard.unwrap();
    }
}
