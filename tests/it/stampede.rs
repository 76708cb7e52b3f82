//! The load generator against a real gateway, and against one that lies.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::support::process;
use crate::support::process::{Running, settings};
use crate::support::{ADMIN_KEY, Place, Shop, eventually};

/// A file for a report, of this test alone.
fn file(name: &str) -> PathBuf {
    let name = format!("stampede-{name}-{}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

async fn stampede(flags: &str, key: Option<&str>) -> (ExitStatus, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stampede"));
    command.args(flags.split_whitespace()).env_clear().kill_on_drop(true);
    command.envs(key.map(|key| ("ROPELINE_ADMIN_KEY", key)));
    process::run(command).await
}

/// The report of a run in which no promise was broken, and what it said.
async fn report(name: &str, flags: &str, key: Option<&str>) -> (Value, String) {
    let json = file(name);
    let (status, said) = stampede(&format!("{flags} --json {}", json.display()), key).await;
    assert!(status.success(), "{said}");
    (read(&json), said)
}

fn read(json: &PathBuf) -> Value {
    let report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    std::fs::remove_file(json).unwrap();
    report
}

#[tokio::test]
async fn a_crowd_on_every_way_to_watch_buys_every_unit_and_is_counted_in_full() {
    let shop = Shop::open().await;
    let page = file("page");
    let flags = format!(
        "--target {} --sockets 40 --open-rate 400 --burst 30 --rate 40 --for 2s --units 50 --buy 1 --release 0 \
         --think 50ms --watch websocket=3,sse=2,poll=1 --poll-every 200ms --reconnect 0.2 \
         --admit-interval-ms 300 --batch-size 10 --html {}",
        shop.base,
        page.display()
    );
    let (report, said) = report("crowd", &flags, Some(ADMIN_KEY)).await;
    let count = |name: &str| report["counts"][name].as_u64().unwrap();
    assert_eq!(count("bought"), 50, "{said}");
    assert_eq!(count("arrived"), count("joined") + count("turned_away"), "{said}");
    assert_eq!(count("joined"), count("admitted") + count("ended"), "{said}");
    assert_eq!(report["books"]["stats"]["tokens"]["sold"], 50);
    assert_eq!(report["books"]["reconciliation"]["consistent"], true);
    assert_eq!((count("gave_up"), &report["broken_promises"]), (0, &json!(0)), "{said}");
    for (phase, doing) in [("opening", "join"), ("calls", "join"), ("calls", "confirm")] {
        let timed = &report[phase][doing];
        assert!(timed["due"]["max_ms"].as_f64() >= timed["sent"]["max_ms"].as_f64(), "{said}");
        assert!(timed["sent"]["p50_ms"].as_f64().unwrap() > 0.0, "{said}");
    }
    let plots = std::fs::read_to_string(&page).unwrap();
    std::fs::remove_file(&page).unwrap();
    assert!(plots.matches("<svg").count() >= 7, "{plots}");
    assert!(!plots.contains(ADMIN_KEY), "reports are passed around");
}

#[tokio::test]
async fn who_leaves_and_who_gives_back_is_counted_as_such() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(5, json!({ "checkout": "builtin" })).await;
    let flags = format!(
        "--target {} --sale {} --burst 20 --for 1s --walk-away 1 --bored-after 2s --buy 0 --release 1 --think 0ms \
         --linger 10s",
        shop.base, sale.slug
    );
    let (report, _) = report("leavers", &flags, None).await;
    let count = |name: &str| report["counts"][name].as_u64().unwrap();
    assert_eq!(count("joined"), 20);
    assert_eq!(count("left") + count("released"), 20);
    assert!(count("released") >= 5);
    assert_eq!(report["books"], Value::Null, "without a key nobody asks for the books");
    assert_eq!(report["lag"], Value::Null, "places cannot be counted when people leave");
}

#[tokio::test]
async fn when_a_gateway_dies_its_shoppers_are_back_in_line_at_the_other() {
    let place = Place::fresh().await;
    let set = settings(&place);
    let (stays, dies) = tokio::join!(Running::start(&set), Running::start(&set));
    stays.ready().await;
    dies.ready().await;
    // Everybody is in line and stays there: the units are for nobody to be had before the end.
    let flags = format!(
        "--target {},{} --sockets 40 --open-rate 400 --for 8s --units 1 --max-in-checkout 1 \
         --think 60s --linger 0s",
        stays.base, dies.base
    );
    let run = tokio::spawn(async move { report("death", &flags, Some(ADMIN_KEY)).await });
    let sockets = async |gateway: &Running, kind: &str| {
        let metrics = gateway.get("/metrics").await.text;
        let line = format!("ropeline_sockets{{kind=\"{kind}\"}} ");
        metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse::<u64>().ok()).unwrap_or(0)
    };
    eventually("half of them watch there", async || sockets(&dies, "websocket").await >= 19).await;
    dies.end("-KILL").await;
    eventually("all of them watch here", async || sockets(&stays, "websocket").await >= 39).await;
    let (report, said) = run.await.unwrap();
    let count = |name: &str| report["counts"][name].as_u64().unwrap();
    assert!(count("lost") >= 19, "{said}");
    assert_eq!(count("gave_up"), 0, "{said}");
    let back = |phase: &str| report[phase]["place_again"]["due"]["count"].as_u64().unwrap_or(0);
    assert!(back("opening") + back("calls") >= 19, "{said}");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_the_flag_that_asked_for_it() {
    let shop = Shop::open().await;
    let base = &shop.base;
    for (flags, named) in [
        (format!("--target {base} --sale nothing-here"), "--sale"),
        (format!("--target {base} --sale ../../healthz"), "--sale"),
        (format!("--target {base} --key a-wrong-key-of-an-operator"), "--key"),
        ("--target http://127.0.0.1:1 --sale any".to_owned(), "--target"),
        ("--target http://192.0.2.1 --sale any".to_owned(), "--i-own-this-host 192.0.2.1"),
        ("--gateway /nowhere/ropeline".to_owned(), "--gateway"),
        ("--rate 0".to_owned(), "--rate"),
    ] {
        let (status, said) = stampede(&flags, None).await;
        assert_eq!(status.code(), Some(1), "{flags}: {said}");
        assert!(said.contains(named), "{flags}: {said}");
    }
}

/// A gateway as it must never be: places rise, and each hold gets the same unit.
async fn liar() -> String {
    let tickets = Arc::new(AtomicU64::new(0));
    let looks = Arc::new(AtomicU64::new(0));
    let join = move || {
        let number = tickets.fetch_add(1, Ordering::Relaxed) + 1;
        let mut joined = state(number, 1, json!({ "state": "waiting", "position": 3 }));
        joined["credential"] = json!("credential");
        joined["live_url"] = json!("/none");
        async move { (axum::http::StatusCode::CREATED, Json(joined)) }
    };
    let look = move |Path(ticket): Path<u64>| {
        let version = 2 + looks.fetch_add(1, Ordering::Relaxed);
        let more = match version {
            0..6 => json!({ "state": "waiting", "position": version + 2 }),
            _ => json!({ "state": "admitted", "hold": hold(ticket) }),
        };
        async move { Json(state(ticket, version, more)) }
    };
    let confirm = |Path(id): Path<u64>| async move {
        let mut hold = hold(id);
        hold["order"] = match id {
            1 => Value::Null,
            _ => json!({ "id": format!("order-{id}"), "unit": 7 }),
        };
        Json(hold)
    };
    let facts = get(|| async { Json(json!({ "status": "open", "waiting": 1 })) });
    let routes = Router::new()
        .route("/api/v1/sales/lies", facts)
        .route("/api/v1/sales/lies/tickets", post(join))
        .route("/api/v1/sales/lies/tickets/{ticket}", get(look))
        .route("/api/v1/holds/{hold}/confirm", post(confirm));
    serve(routes).await
}

fn state(ticket: u64, version: u64, more: Value) -> Value {
    let mut state = json!({ "ticket": ticket.to_string(), "version": version, "number": ticket,
                            "server_time": "2026-11-27T12:00:03.120Z", "next_poll_seconds": 1 });
    state.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    state
}

fn hold(id: u64) -> Value {
    json!({ "id": id.to_string(), "unit": 7, "admitted_at": "2026-11-27T12:00:03.120Z", "order": null })
}

async fn serve(routes: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    base
}

#[tokio::test]
async fn a_gateway_that_breaks_its_promises_makes_the_run_fail() {
    let json = file("lies");
    let flags = format!(
        "--target {} --sale lies --burst 3 --for 1s --watch poll --poll-every 50ms --buy 1 --release 0 \
         --think 0ms --linger 10s --json {}",
        liar().await,
        json.display()
    );
    let (status, said) = stampede(&flags, None).await;
    assert_eq!(status.code(), Some(3), "{said}");
    let broken = read(&json)["broken"].to_string();
    for promise in ["while waiting", "200 without an order", "unit 7 was sold twice"] {
        assert!(broken.contains(promise), "{promise}: {broken}");
    }
}

#[tokio::test]
async fn a_gateway_that_answers_one_after_another_looks_fast_only_from_when_it_was_asked() {
    const EACH: Duration = Duration::from_millis(20);
    const CROWD: u32 = 20;
    let (one_at_a_time, tickets) = (Arc::new(Mutex::new(())), Arc::new(AtomicU64::new(0)));
    let join = move || {
        let (turn, number) = (one_at_a_time.clone(), tickets.fetch_add(1, Ordering::Relaxed) + 1);
        async move {
            let _turn = turn.lock().await;
            sleep(EACH).await;
            let mut joined = state(number, 1, json!({ "state": "waiting", "position": 1 }));
            joined["credential"] = json!("credential");
            joined["live_url"] = json!("/none");
            (axum::http::StatusCode::CREATED, Json(joined))
        }
    };
    let facts = get(|| async { Json(json!({ "status": "open", "waiting": 1 })) });
    let routes = Router::new()
        .route("/api/v1/sales/slow", facts)
        .route("/api/v1/sales/slow/tickets", post(join));
    let flags = format!(
        "--target {} --sale slow --burst {CROWD} --for 1s --watch none --connections 1",
        serve(routes).await
    );
    let (report, _) = report("slow", &flags, None).await;
    let join = &report["calls"]["join"];
    assert_eq!((&join["due"]["count"], &join["sent"]["count"]), (&json!(CROWD), &json!(CROWD)));
    // The last in a row waited for all others: no clock runs faster than that.
    assert!(join["due"]["max_ms"].as_f64().unwrap() >= (EACH * CROWD).as_secs_f64() * 1e3);
    assert!(join["due"]["p50_ms"].as_f64() > join["sent"]["p50_ms"].as_f64());
}
