//! Limits for each address and for each API key: told as 429 with the seconds to wait, and only to who calls too fast.

use std::net::SocketAddr;

use reqwest::Method;
use ropeline::web::server::limits::{Rate, Rates};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::support::process::{Running, settings, shop_of};
use crate::support::{ADMIN_KEY, Answer, Place, Shop, all, eventually};

/// Sends calls in groups until one is refused; gives that refusal and how many were not.
async fn until_refused(
    most: usize,
    call: impl Fn(usize) -> reqwest::RequestBuilder,
) -> (usize, Answer) {
    let mut taken = 0;
    while taken < most {
        let calls: Vec<_> = (0..50).map(|i| Answer::of(call(taken + i))).collect();
        let answers = all(calls).await;
        taken += answers.iter().filter(|answer| answer.status != 429).count();
        if let Some(refused) = answers.into_iter().find(|answer| answer.status == 429) {
            return (taken, refused);
        }
    }
    panic!("{most} calls and none refused");
}

#[tokio::test]
async fn joins_of_one_address_are_held_back_and_those_in_line_are_not() {
    let shop = Shop::at(Place::fresh().await, true).await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    // An address that nobody vouches for does not help.
    let forged =
        |i: usize| sale.join_request().header("x-forwarded-for", format!("192.0.2.{}", i % 250));
    let (taken, refused) = until_refused(1_500, forged).await;
    refused.is_problem(429, "too-many-requests");
    assert!(taken >= 450, "a whole office may join at once: {taken}");
    assert_eq!(ana.poll().await.status, 200);
    let again = Answer::of(sale.join_request().bearer_auth(&ana.credential)).await;
    assert_eq!((again.status.as_u16(), &again.body["ticket"]), (200, &json!(ana.ticket)));
    assert_eq!(sale.stats().await["joined"], taken as i64 + 1, "who was refused has no place");
}

#[tokio::test]
async fn guessing_keys_is_held_back_and_the_right_key_still_works() {
    let shop = Shop::at(Place::fresh().await, true).await;
    let guess = |i: usize| {
        shop.request(Method::GET, "/api/v1/admin/sales").bearer_auth(format!("guess {i}"))
    };
    let (taken, refused) = until_refused(200, guess).await;
    refused.is_problem(429, "too-many-requests");
    assert!((1..=50).contains(&taken), "{taken}");
    let right = shop.request(Method::GET, "/api/v1/admin/sales").bearer_auth(ADMIN_KEY);
    assert_eq!(Answer::of(right).await.status, 200);

    let log_in = |i: usize| {
        let form = format!("api_key=guess+{i}");
        let post = shop.request(Method::POST, "/admin/login");
        post.header("content-type", "application/x-www-form-urlencoded").body(form)
    };
    let (_, refused) = until_refused(200, log_in).await;
    assert_ne!(refused.header("retry-after"), "");
}

#[tokio::test]
async fn one_address_that_calls_without_a_pause_is_held_back() {
    let shop = Shop::at(Place::fresh().await, true).await;
    let (taken, refused) =
        until_refused(50_000, |_| shop.request(Method::GET, "/api/v1/sales/none")).await;
    refused.is_problem(429, "too-many-requests");
    assert!(taken >= 1_900, "a thousand shoppers may poll from one address: {taken}");
}

/// A shop whose addresses may do little, and its API keys a bit more.
async fn with_few_calls(place: Place) -> Shop {
    Shop::with(place, |config| {
        config.http.rates = Some(Rates {
            calls: Rate::new(1, 60),
            key_calls: Rate::new(1, 150),
            ..Rates::default()
        });
    })
    .await
}

/// An API key of a shop's backend.
async fn checkout_key(shop: &Shop) -> String {
    let made = shop.tell("/keys", json!({ "name": "till", "role": "checkout" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.body["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_backend_with_a_good_key_is_limited_by_its_key_and_its_confirms_never() {
    let shop = with_few_calls(Place::fresh().await).await;
    let sale = shop.open_sale(2, json!({ "checkout": "shop" })).await;
    let key = checkout_key(&shop).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let holds = [ana.hold().await, ben.hold().await];
    let look = |hold: &str| shop.request(Method::GET, &format!("/api/v1/holds/{hold}"));
    let confirm = |hold: &str| {
        let path = format!("/api/v1/holds/{hold}/confirm");
        shop.request(Method::POST, &path).json(&json!({ "payment_reference": "card" }))
    };
    // Its address is used up by somebody else.
    let (_, refused) = until_refused(200, |_| shop.request(Method::GET, "/healthz")).await;
    assert!(refused.body["detail"].as_str().unwrap().contains("from this address"), "{refused:?}");
    assert_eq!(Answer::of(look(&holds[0]).bearer_auth(&key)).await.body["state"], "active");
    assert_eq!(Answer::of(confirm(&holds[0]).bearer_auth(&key)).await.status, 200);
    // And then the key itself.
    let (taken, refused) = until_refused(500, |_| look(&holds[0]).bearer_auth(&key)).await;
    refused.is_problem(429, "too-many-requests");
    assert!(refused.body["detail"].as_str().unwrap().contains("with this API key"), "{refused:?}");
    assert!((100..300).contains(&taken), "{taken}");
    let others = shop.operator(Method::GET, "/sales");
    assert_eq!(Answer::of(others).await.status, 200, "another key is not held back");
    for _ in 0..200 {
        let paid = Answer::of(confirm(&holds[1]).bearer_auth(&key)).await;
        assert_eq!(paid.status, 200, "{}", paid.text);
    }
    // A guess does not help.
    let guess = format!("rl_{}", "x".repeat(43));
    for guess in [guess.as_str(), "a guess"] {
        until_refused(200, |_| shop.request(Method::GET, "/healthz")).await;
        Answer::of(confirm(&holds[1]).bearer_auth(guess))
            .await
            .is_problem(429, "too-many-requests");
    }

    // A gateway that was just started does not know the key, and finds it.
    let fresh = with_few_calls(shop.place.clone()).await;
    until_refused(200, |_| fresh.request(Method::GET, "/healthz")).await;
    let path = format!("/api/v1/holds/{}/confirm", holds[1]);
    let paid = Answer::of(fresh.request(Method::POST, &path).bearer_auth(&key)).await;
    assert_eq!(paid.status, 200, "{}", paid.text);
}

#[tokio::test]
async fn without_limits_guesses_of_keys_and_passwords_are_held_back_all_the_same() {
    let shop = Shop::open().await;
    for path in ["/api/v1/admin/sales", "/api/v1/holds/6f1b2a60-0000-7000-8000-000000000000"] {
        let guess = |i: usize| shop.request(Method::GET, path).bearer_auth(format!("guess {i}"));
        let (taken, refused) = until_refused(200, guess).await;
        refused.is_problem(429, "too-many-requests");
        assert!(taken <= 50, "{path}: {taken}");
    }
    assert_eq!(shop.ask("/sales").await.status, 200, "the right key works");
    let log_in = |i: usize| {
        let form = format!("name=ana&password=guess+number+{i}");
        let post = shop.request(Method::POST, "/admin/login");
        post.header("content-type", "application/x-www-form-urlencoded").body(form)
    };
    let (taken, _) = until_refused(200, log_in).await;
    assert!(taken <= 80, "{taken}");
    let calls = (0..2_500).map(|_| Answer::of(shop.request(Method::GET, "/healthz")));
    assert!(all(calls).await.iter().all(|answer| answer.status == 200), "calls are not limited");
}

#[tokio::test]
async fn limits_are_what_the_environment_says() {
    let place = Place::fresh().await;
    let mut set = settings(&place);
    set.retain(|(name, _)| *name != "ROPELINE_RATE_LIMITS");
    set.push(("ROPELINE_LIMIT_JOINS_PER_SECOND", "1".into()));
    set.push(("ROPELINE_LIMIT_JOINS_AT_ONCE", "3".into()));
    set.push(("ROPELINE_TRUSTED_PROXIES", "127.0.0.1".into()));
    let running = Running::start(&set).await;
    running.ready().await;
    let shop = shop_of(&running, place).await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let join =
        async |from: &str| Answer::of(sale.join_request().header("x-forwarded-for", from)).await;
    // All of a /64 is one address.
    let joins: Vec<Answer> = all((0..8).map(|n| {
        Answer::of(sale.join_request().header("x-forwarded-for", format!("2001:db8::{n}:1")))
    }))
    .await;
    let taken = joins.iter().filter(|answer| answer.status == 201).count();
    assert!((3..=5).contains(&taken), "{taken}");
    let refused = joins.iter().find(|answer| answer.status == 429).unwrap();
    refused.is_problem(429, "too-many-requests");
    let detail = refused.body["detail"].as_str().unwrap();
    assert_eq!(detail, "too many joins from this address: 1 a second are taken, 3 at once");
    assert_eq!(join("2001:db8:0:1::1").await.status, 201, "another network");
}

#[tokio::test]
async fn every_dialect_of_a_proxy_tells_its_clients_apart() {
    let shop = Shop::with(Place::fresh().await, |config| {
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.http.rates = Some(Rates { joins: Rate::new(1, 1), ..Rates::default() });
    })
    .await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let (mut from, mut clients) = (0, Vec::new());
    for (header, form) in [
        ("x-forwarded-for", "203.0.113.{}"),
        ("x-forwarded-for", "203.0.113.{}:4711"),
        ("x-forwarded-for", "[2001:db8:{}::1]:443"),
        ("x-forwarded-for", "::ffff:203.0.113.{}"),
        ("x-forwarded-for", "6.6.6.6, 203.0.113.{}:80, 127.0.0.9:5000"),
        ("forwarded", "for=203.0.113.{}"),
        ("forwarded", "for=\"[2001:db8:{}::1]:443\";proto=https"),
        ("forwarded", "for=6.6.6.6, for=203.0.113.{};by=127.0.0.1, for=127.0.0.9"),
    ] {
        for _ in 0..5 {
            from += 1;
            clients.push((header, form.replace("{}", &from.to_string())));
        }
    }
    let joins = all(clients
        .iter()
        .map(|(header, value)| Answer::of(sale.join_request().header(*header, value))))
    .await;
    for ((header, value), joined) in clients.iter().zip(joins) {
        assert_eq!(joined.status, 201, "{header}: {value}: {}", joined.text);
    }
    let two_lines = sale.join_request().header("x-forwarded-for", "6.6.6.6");
    let two_lines = two_lines.header("x-forwarded-for", "203.0.113.1:80");
    Answer::of(two_lines).await.is_problem(429, "too-many-requests");
}

/// A bare connection from one of this machine's own addresses.
async fn connect(shop: &Shop, from: [u8; 4]) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(shop.gateway.address).await.unwrap()
}

/// Whether a connection is answered, and not closed at once.
async fn is_answered(mut stream: TcpStream) -> bool {
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut first = [0; 12];
    asked.is_ok() && stream.read_exact(&mut first).await.is_ok() && &first == b"HTTP/1.1 200"
}

#[tokio::test]
async fn one_address_cannot_take_every_connection() {
    let shop = Shop::at(Place::fresh().await, true).await;
    let mut idle = Vec::new();
    // A quarter of the 5,000 that this gateway takes.
    for _ in 0..1_250 {
        idle.push(connect(&shop, [127, 0, 0, 1]).await);
    }
    assert!(!is_answered(connect(&shop, [127, 0, 0, 1]).await).await, "one too many");
    assert!(is_answered(connect(&shop, [127, 0, 0, 2]).await).await, "somebody else");
    drop(idle);
    eventually("its slots are free again", async || {
        is_answered(connect(&shop, [127, 0, 0, 1]).await).await
    })
    .await;
}

#[tokio::test]
async fn a_socket_counts_as_a_connection_for_as_long_as_it_is_open() {
    let shop = Shop::at(Place::fresh().await, true).await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    let bearer = format!("Bearer {}", ana.credential);
    let mut request =
        format!("ws{}{}", &shop.base[4..], ana.path("/live")).into_client_request().unwrap();
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let (mut socket, _) =
        client_async(request, connect(&shop, [127, 0, 0, 3]).await).await.unwrap();
    let mut idle = Vec::new();
    for _ in 1..1_250 {
        idle.push(connect(&shop, [127, 0, 0, 3]).await);
    }
    assert!(!is_answered(connect(&shop, [127, 0, 0, 3]).await).await, "the socket is one of them");
    socket.close(None).await.unwrap();
    drop(socket);
    eventually("its slot is free again", async || {
        is_answered(connect(&shop, [127, 0, 0, 3]).await).await
    })
    .await;
}
