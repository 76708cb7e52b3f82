//! Hostile clients: each is let go of, or costs no more than its bounds, and nobody else notices.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::support::process::{Running, settings};
use crate::support::sockets::Socket;
use crate::support::wire::{Told, Wire, frame};
use crate::support::{PATIENCE, Place, Shop, eventually};

/// Longer than the longest deadline of a connection: two pings that nobody answers, 75 seconds.
const LONG_PATIENCE: Duration = Duration::from_secs(150);

/// Everything that comes until the connection ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let ended = timeout(LONG_PATIENCE, read).await.expect("it is let go of");
    if let Err(error) = ended {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&rest).into_owned()
}

#[tokio::test]
async fn who_never_finishes_a_head_or_never_says_anything_is_let_go_of() {
    let shop = Shop::open().await;
    let mut silent = Wire::connect(shop.gateway.address).await;
    let slow = Wire::connect(shop.gateway.address).await;
    let (mut reader, mut writer) = slow.into_split();
    writer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let dripping = async {
        while writer.write_all(b"x-more: y\r\n").await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    };
    let ended = async {
        let mut said = Vec::new();
        drop(reader.read_to_end(&mut said).await);
        said
    };
    let both = async {
        let (said, ()) = tokio::join!(ended, dripping);
        assert!(!said.starts_with(b"HTTP/1.1 2"), "it never asked");
        assert_eq!(rest(&mut silent).await, "");
    };
    timeout(LONG_PATIENCE, both).await.expect("both are let go of");
}

#[tokio::test]
async fn a_socket_whose_client_is_gone_without_a_word_is_let_go_of() {
    let shop = Shop::open().await;
    let ana = shop.sale_of_nothing(json!({})).await.join().await;
    let mut wire = Wire::open(&shop, &ana).await;
    // It reads, but answers no ping: to the gateway that is a client whose network is gone.
    assert_ne!(rest(&mut wire.0).await, "", "states came meanwhile");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let mut slow = Wire::connect(shop.gateway.address).await;
    let head = format!("POST /api/v1/sales/{}/tickets HTTP/1.1\r\nhost: x\r\n", sale.id);
    slow.write_all(format!("{head}content-length: 100\r\n\r\n{{").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(PATIENCE, slow.read_exact(&mut status)).await.expect("an answer").unwrap();
    assert_eq!(&status, b"HTTP/1.1 408");
    rest(&mut slow).await;
    assert_eq!(sale.stats().await["joined"], 0);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_so_that_its_client_can_read_why() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let mut stream = Wire::connect(shop.gateway.address).await;
    let head = format!("POST /api/v1/sales/{}/tickets HTTP/1.1\r\nhost: x\r\n", sale.id);
    stream.write_all(format!("{head}content-length: 100000\r\n\r\n").as_bytes()).await.unwrap();
    // Sent whole before anything is read: an early reset would throw the answer away.
    stream.write_all(&[b' '; 100_000]).await.unwrap();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_refusal_names_a_bounded_number_of_faults() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let fields: serde_json::Map<_, _> = (0..1_000).map(|i| (format!("f{i}"), json!(0))).collect();
    let refused = crate::support::Answer::of(sale.join_request().json(&fields)).await;
    refused.is_problem(422, "invalid");
    assert_eq!(refused.fields().len(), 50);
}

#[tokio::test]
async fn a_socket_that_asks_and_never_reads_is_dropped_with_bounded_buffers() {
    let shop = Shop::open().await;
    let ana = shop.sale_of_nothing(json!({})).await.join().await;
    let mut wire = Wire::open(&shop, &ana).await;
    let ask = frame(0x81, br#"{"type":"position"}"#);
    let (mut sent, limit) = (0, 8 * 1024 * 1024);
    let asking = async {
        while wire.0.write_all(&ask.repeat(20)).await.is_ok() {
            sent += 20 * ask.len();
            assert!(sent < limit, "it is held back");
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG_PATIENCE, asking).await.expect("it is dropped");
    assert_eq!(ana.poll().await.body["state"], "waiting", "and the place is kept");
}

#[tokio::test]
async fn answers_that_nobody_takes_are_given_up() {
    let shop = Shop::open().await;
    let mut stream = Wire::connect(shop.gateway.address).await;
    let ask = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    let asking = async {
        while stream.write_all(&ask.repeat(10)).await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(LONG_PATIENCE, asking).await.expect("the connection is ended");
}

#[tokio::test]
async fn frames_without_an_end_are_heard_at_a_bounded_pace() {
    let shop = Shop::open().await;
    let ana = shop.sale_of_nothing(json!({})).await.join().await;
    for flood in [frame(0x00, b""), frame(0x8a, b"")] {
        let mut wire = Wire::open(&shop, &ana).await;
        if flood[0] == 0 {
            wire.say(&frame(0x01, b"")).await;
        }
        // Once the kernel's buffers are full, a client that is heard at a pace has to wait.
        let (piece, mut taken) = (flood.repeat(1_000), 0);
        while timeout(Duration::from_secs(2), wire.0.write_all(&piece)).await.is_ok() {
            taken += piece.len();
            assert!(taken < 32 * 1024 * 1024, "it is not held back");
        }
        assert_eq!(ana.poll().await.status, 200);
    }
}

#[tokio::test]
async fn every_other_socket_is_told_while_one_does_not_read() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let mut deaf = Wire::open(&shop, &ana).await;
    deaf.say(&frame(0x81, br#"{"type":"position"}"#).repeat(40)).await;
    let mut socket = Socket::open(&shop, &ben).await;
    for _ in 0..10 {
        socket.say(Message::text(r#"{"type":"position"}"#)).await;
        assert_eq!(socket.next().await.unwrap()["position"], 2);
    }
    socket.0.close(None).await.unwrap();
    deaf.say(&frame(0x88, b"")).await;
    while deaf.next().await != Told::Ended {}
}

#[tokio::test]
async fn when_every_slot_is_taken_by_the_silent_a_newcomer_is_served_all_the_same() {
    let mut settings = settings(&Place::fresh().await);
    settings.push(("ROPELINE_MAX_CONNECTIONS", "20".into()));
    let running = Running::start(&settings).await;
    running.ready().await;
    let address = running.base.strip_prefix("http://").unwrap().parse().unwrap();
    let mut silent = Vec::new();
    for _ in 0..60 {
        silent.push(Wire::connect(address).await);
    }
    let shopper = reqwest::Client::new();
    for _ in 0..5 {
        assert_eq!(
            shopper.get(format!("{}/healthz", running.base)).send().await.unwrap().status(),
            200
        );
        silent.push(Wire::connect(address).await);
    }
    let limited = async || {
        let metrics = running.get("/metrics").await.text;
        metrics.contains(r#"ropeline_limited_total{limit="slots"}"#)
    };
    eventually("it is counted", limited).await;
    running.end("-TERM").await;
}
