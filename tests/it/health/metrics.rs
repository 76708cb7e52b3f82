//! The metrics of one gateway, as a process of its own: every series is there and equals the rows.

use serde_json::json;

use crate::support::process::{Running, settings, shop_of};
use crate::support::sockets::Socket;
use crate::support::{Answer, Place, eventually};

/// What a Prometheus text says of one series.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text
        .lines()
        .find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Every series that a sale leaves behind.
const SERIES: [&str; 17] = [
    "ropeline_joins_total",
    "ropeline_join_seconds_bucket",
    "ropeline_join_group_size_bucket",
    "ropeline_admitted_total",
    "ropeline_admit_seconds_bucket",
    "ropeline_holds_ended_total",
    "ropeline_confirm_seconds_bucket",
    "ropeline_release_seconds_bucket",
    "ropeline_sweep_seconds_bucket",
    "ropeline_recoveries_total",
    "ropeline_mirror_age_seconds",
    "ropeline_waiting",
    "ropeline_units",
    "ropeline_sockets",
    "ropeline_states_sent_total",
    "ropeline_http_seconds_bucket",
    "ropeline_connections",
];

#[tokio::test]
async fn the_metrics_of_a_sale_are_all_there_and_equal_the_rows() {
    let place = Place::fresh().await;
    let running = Running::start(&settings(&place)).await;
    running.ready().await;
    let shop = shop_of(&running, place).await;
    let sale = shop.open_sale(3, json!({})).await;
    let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
    let (anas, bens, _) = (ana.hold().await, ben.hold().await, eva.hold().await);
    assert_eq!(ana.confirm(&anas).await.status, 200);
    assert_eq!(ben.release(&bens).await.status, 200);
    shop.change(&sale, json!({ "checkout_window_seconds": 1 })).await;
    let dan = sale.join().await;
    dan.becomes("expired").await;
    sale.steer("pause").await;
    let (fay, gil) = (sale.join().await, sale.join().await);
    gil.leave().await;
    let mut socket = Socket::open(&shop, &fay).await;
    socket.next().await.unwrap();

    let metrics = running.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for name in SERIES {
        assert!(
            metrics.text.lines().any(|line| line.starts_with(name)),
            "{name}: {}",
            metrics.text
        );
    }
    for person in [&ana.ticket, &ana.credential, &anas] {
        assert!(!metrics.text.contains(person), "a metric names nobody");
    }
    let stats = sale.stats().await;
    assert_eq!((&stats["joined"], &stats["admitted"]), (&json!(6), &json!(4)));
    let series = |name: &str| format!("{name}{{sale=\"{}\"", sale.slug);
    let mut rows = vec![
        ("ropeline_joins_total{outcome=\"joined\"}".to_owned(), stats["joined"].clone()),
        ("ropeline_admitted_total".to_owned(), stats["admitted"].clone()),
        (series("ropeline_waiting") + "}", stats["waiting"].clone()),
        ("ropeline_sockets{kind=\"websocket\"}".to_owned(), json!(1)),
        ("ropeline_confirm_seconds_count{outcome=\"confirmed\"}".to_owned(), json!(1)),
    ];
    for state in ["available", "held", "sold", "withdrawn"] {
        let units = stats["tokens"][state].clone();
        rows.push((format!("{},state=\"{state}\"}}", series("ropeline_units")), units));
    }
    for state in ["confirmed", "released", "expired"] {
        let page = shop.ask(&sale.path(&format!("/holds?state={state}"))).await.body;
        let count = json!(page["items"].as_array().unwrap().len());
        assert_eq!(count, 1, "{state}");
        rows.push((format!("ropeline_holds_ended_total{{state=\"{state}\"}}"), count));
    }
    for (name, count) in rows {
        eventually(&format!("{name} is {count}"), async || {
            let text = running.get("/metrics").await.text;
            value(&text, &name) == count.as_f64()
        })
        .await;
    }
}

#[tokio::test]
async fn metrics_have_a_door_of_their_own_where_one_is_set() {
    let place = Place::fresh().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut set = settings(&place);
    set.push(("ROPELINE_OPS_LISTEN", free.to_string()));
    let running = Running::start(&set).await;
    running.ready().await;
    running.get("/metrics").await.is_problem(404, "not-found");
    for path in ["/metrics", "/healthz", "/readyz"] {
        let asked = Answer::of(running.client.get(format!("http://{free}{path}"))).await;
        assert_eq!(asked.status, 200, "{path}");
    }
    let sale = Answer::of(running.client.get(format!("http://{free}/admin/login"))).await;
    assert_eq!(sale.status, 404, "nothing else is served there");
}
