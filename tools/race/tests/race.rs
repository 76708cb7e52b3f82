//! What the ways are said to do, they are seen to do, on a real Redis and a real Postgres.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;
use std::sync::Arc;

use redis::AsyncCommands;
use ropeline::dev::stores::{Data, Stores};
use ropeline_race::course::{self, Outcome, Size};
use ropeline_race::ground::{Ground, STOCK};
use ropeline_race::ways;
use tokio::sync::{Mutex, OnceCell};

/// Ways that oversell by their nature, each with a stock at which it is seen. All others never may.
const UNSAFE: [(&str, u32); 3] =
    [("unprotected", 1), ("mutex-two-processes", 21), ("redis-lock-stalls", 1)];
/// Ways that turn nobody away while there is stock.
const SELLS_ALL: [&str; 9] = [
    "mutex",
    "redis-lock",
    "lua",
    "lpop",
    "optimistic",
    "pessimistic",
    "conditional-update",
    "skip-locked",
    "ropeline",
];
/// What depends on who is quicker is seen in one of so many rounds; most at once. Two processes oversell only if
/// both look at the last unit, which is one round in three.
const ROUNDS: u32 = 80;

static STORES: OnceCell<Stores> = OnceCell::const_new();
/// One race at a time: they share the stores.
static TURN: Mutex<()> = Mutex::const_new(());

async fn ground(in_flight: usize) -> Arc<Ground> {
    let stores = STORES
        .get_or_init(|| async {
            let dir =
                Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("race-{}", std::process::id()));
            Stores::start(&dir, Data::Fresh).await.expect("redis and postgres start")
        })
        .await;
    Ground::open(stores, in_flight).await.unwrap()
}

async fn run(ground: &Arc<Ground>, name: &str, stock: u32, crowd: u32) -> Outcome {
    let way = ways::all().into_iter().find(|way| way.name == name).expect("there is such a way");
    let outcome = course::run(ground, (way.make)(), Size { stock, crowd }).await.unwrap();
    let words = outcome.orders + outcome.no_stock + outcome.gave_up + outcome.walked_away;
    assert_eq!(words, u64::from(crowd), "{name}: everybody got a last word");
    outcome
}

/// Runs a way until it is seen to do something.
async fn is_seen(
    ground: &Arc<Ground>,
    name: &str,
    stock: u32,
    crowd: u32,
    what: impl Fn(&Outcome) -> bool,
) {
    for _ in 0..ROUNDS {
        if what(&run(ground, name, stock, crowd).await) {
            return;
        }
    }
    panic!("{name}: not seen in {ROUNDS} rounds");
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_that_oversell_are_seen_to() {
    let _turn = TURN.lock().await;
    let ground = ground(150).await;
    for (name, stock) in UNSAFE {
        let oversells = |one: &Outcome| one.oversold(stock) > 0 && one.written > stock.into();
        is_seen(&ground, name, stock, 200, oversells).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_way_ever_oversells() {
    let _turn = TURN.lock().await;
    let ground = ground(150).await;
    let is_unsafe = |name| UNSAFE.iter().any(|(other, _)| *other == name);
    for way in ways::all().iter().filter(|way| !is_unsafe(way.name)) {
        for (stock, crowd) in [(1, 200), (20, 200)] {
            let outcome = run(&ground, way.name, stock, crowd).await;
            assert!(outcome.told <= stock.into(), "{}: {outcome:?}", way.name);
            assert_eq!(outcome.told, outcome.written, "{}: told what is written", way.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ways_without_a_last_retry_leave_nothing_unsold() {
    let _turn = TURN.lock().await;
    let ground = ground(150).await;
    for name in SELLS_ALL {
        let outcome = run(&ground, name, 20, 200).await;
        assert_eq!((outcome.told, outcome.gave_up), (20, 0), "{name}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_with_three_retries_turns_buyers_away_while_stock_is_left() {
    let _turn = TURN.lock().await;
    let ground = ground(200).await;
    for name in ["watch-unit-3-retries", "watch-cart-3-retries", "watch-reservation-3-retries"] {
        let turns_away = |one: &Outcome| one.gave_up > 0 && one.unsold(50) > one.walked_away;
        is_seen(&ground, name, 50, 200, turns_away).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_is_sold_whole_or_not_at_all() {
    let _turn = TURN.lock().await;
    let ground = ground(20).await;
    let outcome = run(&ground, "watch-cart-backoff", 50, 200).await;
    assert_eq!(outcome.told, outcome.written);
    assert!(outcome.orders < outcome.told, "some carts have more than one unit: {outcome:?}");
    let left: u64 = ground.redis().get(STOCK).await.unwrap();
    assert_eq!(left, outcome.unsold(50), "the counter has what no cart has");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_that_runs_out_gives_no_unit_back() {
    let _turn = TURN.lock().await;
    let ground = ground(20).await;
    let outcome = run(&ground, "watch-reservation-backoff", 50, 200).await;
    assert!(outcome.walked_away > 0, "{outcome:?}");
    let mut redis = ground.redis();
    let reserved: Vec<String> = redis.keys("reservation:*").await.unwrap();
    assert_eq!(reserved.len() as u64, outcome.walked_away, "one key for each who walked away");
    let before: i64 = redis.get(STOCK).await.unwrap();
    for key in &reserved {
        let seconds: i64 = redis.ttl(key).await.unwrap();
        assert!((1..=600).contains(&seconds), "ten minutes to pay: {seconds}");
        // A time that is past: Redis lets it run out at once.
        let ran_out: bool = redis.pexpire_at(key, 1).await.unwrap();
        assert!(ran_out);
    }
    let after: i64 = redis.get(STOCK).await.unwrap();
    assert_eq!(before, after, "nobody raised the counter");
    let lost = 50 - outcome.told - u64::try_from(after).unwrap();
    assert_eq!(lost, outcome.walked_away, "these units are in no order and on no counter");
}

#[test]
fn every_way_is_in_the_handbook_with_its_reason() {
    let handbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/race.md");
    let handbook = std::fs::read_to_string(handbook).unwrap();
    for way in ways::all() {
        let line = format!("- `{}`: {}", way.name, way.why);
        assert!(handbook.contains(&line), "docs/race.md: {line}");
        assert!(handbook.contains(&format!("| {} ", way.name)), "{} is in the table", way.name);
    }
}
