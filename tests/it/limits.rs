//! Limits for each address: told as 429 with the seconds to wait, and only to who calls too fast.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

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
