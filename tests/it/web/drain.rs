//! Gateways come and go: any of them serves any ticket, and one that is told to stop lets go gently.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::sockets::{Events, Socket};
use crate::support::{Answer, Gateway, PATIENCE, Shop, Shopper, eventually};

/// A call whose body has begun to be read and is not all there.
struct HalfSent {
    stream: TcpStream,
    rest: &'static [u8],
}

impl HalfSent {
    async fn begin(shop: &Shop, path: &str, credential: &str) -> Self {
        let mut stream = TcpStream::connect(shop.gateway.address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {credential}\r\n\
             content-length: 2\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The gateway asks for the body: the call is under way.
        let mut told = [0; 25];
        timeout(PATIENCE, stream.read_exact(&mut told)).await.unwrap().unwrap();
        assert!(told.starts_with(b"HTTP/1.1 100 Continue"), "{}", String::from_utf8_lossy(&told));
        Self { stream, rest: b"{}" }
    }

    /// Sends the rest; the whole answer.
    async fn finish(mut self) -> String {
        self.stream.write_all(self.rest).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, self.stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }
}

#[tokio::test]
async fn a_gateway_that_drains_closes_sockets_with_1001_and_finishes_what_is_under_way() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let hold = ana.hold().await;
    let (mut socket, mut events) = (Socket::open(&shop, &ben).await, Events::open(&ben).await);
    let confirm = format!("/api/v1/holds/{hold}/confirm");
    let buying = HalfSent::begin(&shop, &confirm, &ana.credential).await;
    let join = format!("/api/v1/sales/{}/tickets", sale.id);
    let joining = HalfSent::begin(&shop, &join, "none").await;

    shop.gateway.tell_to_stop();
    let (told, code) = socket.read_to_end().await;
    assert_eq!(code, Some(1001), "come back at once, elsewhere");
    assert!(told.iter().all(|state| state["state"] == "waiting"), "{told:?}");
    events.read_to_end().await;

    let refused = joining.finish().await;
    assert!(refused.starts_with("HTTP/1.1 503"), "no new joins: {refused}");
    assert!(refused.contains("retry-after: "), "{refused}");
    let bought = buying.finish().await;
    assert!(bought.starts_with("HTTP/1.1 200 OK"), "{bought}");
    assert!(bought.contains(r#""state":"confirmed""#), "{bought}");

    let (place, address) = (shop.place.clone(), shop.gateway.address);
    shop.gateway.stop().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    let orders = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM orders");
    assert_eq!(orders.fetch_one(&place.sql().await).await.unwrap(), 1);
}

#[tokio::test]
async fn a_gateway_that_drains_says_so_to_its_load_balancer() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/readyz").await.body, json!({ "status": "ready", "missing": [] }));
    // A connection that is open already is answered during the drain; the first look at it may be early.
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    let mut socket = Socket::open(&shop, &ana).await;
    socket.next().await.unwrap();
    shop.gateway.tell_to_stop();
    let mut told = None;
    while let Ok(answer) = shop.request(Method::GET, "/readyz").send().await {
        if answer.status() == 503 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            told = Some(answer.json::<Value>().await.unwrap());
            break;
        }
    }
    let told = told.expect("it is said before connections are refused");
    assert_eq!((&told["missing"], &told["code"]), (&json!(["draining"]), &json!("unavailable")));
}

/// One more gateway of the same shop.
async fn another(shop: &Shop) -> Shop {
    let gateway = Gateway::start(&shop.place, false).await;
    let base = format!("http://{}", gateway.address);
    let other = Shop { place: shop.place.clone(), gateway, base, client: shop.client.clone() };
    eventually("the other is ready", async || other.get("/readyz").await.status == 200).await;
    other
}

#[tokio::test]
async fn versions_compare_when_they_are_ahead_of_the_clock() {
    let shop = Shop::open().await;
    let other = another(&shop).await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let (ben, ana) = (sale.join().await, sale.join().await);
    let credentials =
        json!({ "sale": sale.id, "ticket": ana.ticket, "credential": ana.credential });
    let elsewhere = Shopper::new(&other, &credentials);
    // As after a rebuild by a Postgres whose clock had jumped.
    let ahead: u64 = 1 << 49;
    let ctl = format!("ropeline:{{{}}}:ctl", sale.id);
    let mut set = redis::cmd("HSET");
    set.arg(ctl).arg("version").arg(ahead);
    set.exec_async(&mut shop.place.redis().await).await.unwrap();
    let is_ahead = |state: &Value| state["version"].as_u64().unwrap() % (1 << 50) >= ahead;
    for side in [&ana, &elsewhere] {
        eventually("the version leapt", async || is_ahead(&side.poll().await.body)).await;
    }
    // One gateway looks again and again, and the line does not move.
    for n in 0..30 {
        shop.tell(&sale.path("/notices"), json!({ "text": format!("{n}") })).await;
    }
    let before = ana.poll().await.body;
    assert_eq!(before["position"], 2);
    assert_eq!(ben.leave().await.status, 204);
    eventually("she is first", async || elsewhere.poll().await.body["position"] == 1).await;
    let after = elsewhere.poll().await.body;
    assert!(after["version"].as_u64() > before["version"].as_u64(), "{before} {after}");
}

#[tokio::test]
async fn any_gateway_serves_any_ticket_and_their_versions_compare() {
    let shop = Shop::open().await;
    let other = another(&shop).await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let mut ahead = Vec::new();
    for _ in 0..6 {
        ahead.push(sale.join().await);
    }
    let ana = sale.join().await;
    let credentials =
        json!({ "sale": sale.id, "ticket": ana.ticket, "credential": ana.credential });
    let elsewhere = Shopper::new(&other, &credentials);
    let mut seen = vec![ana.poll().await.body];
    for shopper in &ahead {
        let place = seen.last().unwrap()["position"].as_u64().unwrap() - 1;
        assert_eq!(shopper.leave().await.status, 204);
        for side in [&elsewhere, &ana] {
            eventually("she moved up", async || side.poll().await.body["position"] == place).await;
            seen.push(side.poll().await.body);
        }
    }
    seen.sort_by_key(|state| state["version"].as_u64());
    let places: Vec<u64> = seen.iter().map(|state| state["position"].as_u64().unwrap()).collect();
    assert!(places.is_sorted_by(|old, new| old >= new), "{places:?}");
    assert!(seen.iter().all(|state| state["number"] == seen[0]["number"]));

    // The rest of her way leads over the other one.
    sale.seed(1).await;
    let hold = elsewhere.hold().await;
    let mut socket = Socket::open(&shop, &ana).await;
    assert_eq!(elsewhere.confirm(&hold).await.status, 200);
    assert_eq!(socket.read_to_end().await.1, Some(1000), "told where it was not done");
    let again = other.request(Method::POST, &format!("/api/v1/sales/{}/tickets", sale.id));
    let again = Answer::of(again.bearer_auth(&ana.credential)).await;
    assert_eq!((again.status.as_u16(), &again.body["state"]), (200, &json!("confirmed")));
    sale.adds_up().await;
}
