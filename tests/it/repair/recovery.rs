//! Redis loses a sale, a gateway ends between two steps, a hand meddles: the sale goes on by itself.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::MultiplexedConnection;
use ropeline::engine::Gate;
use ropeline::engine::line::line_mirror;
use ropeline::engine::loops::tick;
use ropeline::engine::repair::audit::{Repairs, repair};
use ropeline::ledger::{Ledger, Writing};
use ropeline::model::{SaleId, Signer, Ticket};
use ropeline::redis::{Ack, Admitted, Live};
use serde_json::{Value, json};

use crate::support::{SECRET, Sale, Shop, Shopper, all, eventually};

/// Keys that Redis has of a sale.
const KEYS: [&str; 5] = ["ctl", "queue", "tokens", "guard", "feed"];

pub fn key(sale: &Sale<'_>, name: &str) -> String {
    format!("ropeline:{{{}}}:{name}", sale.id)
}

async fn unlink(redis: &mut MultiplexedConnection, sale: &Sale<'_>, names: &[&str]) {
    let mut unlink = redis::cmd("UNLINK");
    for name in names {
        unlink.arg(key(sale, name));
    }
    let gone: i64 = unlink.query_async(redis).await.unwrap();
    assert!(gone > 0);
}

/// A sale in the middle: two units held, four shoppers in line; all six in the order of joining.
pub async fn in_the_middle(shop: &Shop) -> (Sale<'_>, Vec<Shopper>) {
    let sale = shop.open_sale(2, json!({})).await;
    let mut shoppers = Vec::new();
    for _ in 0..6 {
        shoppers.push(sale.join().await);
    }
    for shopper in &shoppers[..2] {
        shopper.hold().await;
    }
    for (at, shopper) in shoppers[2..].iter().enumerate() {
        eventually("those in line move up", async || {
            shopper.poll().await.body["position"] == at as u64 + 1
        })
        .await;
    }
    (sale, shoppers)
}

/// The states that must come through a loss unchanged.
pub async fn kept(shoppers: &[Shopper]) -> Vec<Value> {
    let mut all = Vec::new();
    for shopper in shoppers {
        let now = shopper.poll().await;
        assert_eq!(now.status, 200, "a good credential is never refused: {}", now.text);
        let of = |name: &str| now.body[name].clone();
        all.push(json!([
            of("state"),
            of("number"),
            now.body["hold"]["id"],
            now.body["hold"]["unit"]
        ]));
    }
    all
}

/// Polls in the background until told to stop; says if anyone's place ever rose or version ever fell.
pub fn watch_places(
    shoppers: &[Shopper],
    stop: &Arc<AtomicBool>,
) -> Vec<tokio::task::JoinHandle<Result<usize, String>>> {
    let watched = shoppers.iter().cloned().map(|shopper| {
        let stop = stop.clone();
        tokio::spawn(async move {
            let (mut polls, mut place, mut version) = (0, u64::MAX, 0);
            while !stop.load(Ordering::Relaxed) {
                let now = shopper.poll().await;
                if now.status != 200 {
                    return Err(format!("refused: {}", now.text));
                }
                let newer = now.body["version"].as_u64().unwrap();
                let front = now.body["position"].as_u64().unwrap_or(0);
                if front > place || newer < version {
                    return Err(format!("{place} at {version} became {}", now.text));
                }
                (polls, place, version) = (polls + 1, front, newer);
            }
            Ok(polls)
        })
    });
    watched.collect()
}

#[tokio::test]
async fn a_sale_that_redis_forgot_goes_on_with_the_same_order_numbers_and_holds() {
    for lost in [&KEYS[..], &["ctl"], &["ctl", "tokens", "guard"]] {
        let shop = Shop::open().await;
        let (sale, shoppers) = in_the_middle(&shop).await;
        let before = kept(&shoppers).await;
        let stop = Arc::new(AtomicBool::new(false));
        let watched = watch_places(&shoppers[2..], &stop);

        let mut redis = shop.place.redis().await;
        unlink(&mut redis, &sale, lost).await;
        eventually("the line is there again", async || {
            let line: i64 = redis::cmd("ZCARD")
                .arg(key(&sale, "queue"))
                .query_async(&mut redis.clone())
                .await
                .unwrap();
            let epoch: Option<i64> = redis::cmd("HGET")
                .arg(&[key(&sale, "ctl"), "epoch".into()])
                .query_async(&mut redis.clone())
                .await
                .unwrap();
            (line, epoch) == (4, Some(2))
        })
        .await;
        assert_eq!(kept(&shoppers).await, before, "after {lost:?} was lost");
        let late = sale.join().await;
        let number = |body: &Value| body["number"].as_u64().unwrap();
        let last = number(&shoppers[5].poll().await.body);
        assert!(number(&late.poll().await.body) > last, "who joins now is behind");
        assert_eq!(late.poll().await.body["position"], 5);

        // A unit comes back, and the one who was first in line before is first still.
        let hold = before[1][2].as_str().unwrap();
        assert_eq!(shoppers[1].release(hold).await.status, 200);
        let next = shoppers[2].becomes("admitted").await;
        assert_eq!(next["hold"]["unit"], before[1][3]);
        assert_eq!(shoppers[3].poll().await.body["state"], "waiting");
        stop.store(true, Ordering::Relaxed);
        for watched in watched {
            assert!(watched.await.unwrap().unwrap() > 0);
        }
        sale.adds_up().await;
    }
}

#[tokio::test]
async fn a_redis_that_went_back_in_time_is_found_out_by_its_numbers_and_nobody_is_lost() {
    let shop = Shop::open().await;
    let (sale, mut shoppers) = in_the_middle(&shop).await;
    sale.steer("pause").await; // No batch gives it away: only the numbers can.
    let mut redis = shop.place.redis().await;
    let mut copies: HashMap<&str, Vec<u8>> = HashMap::new();
    for name in KEYS {
        let copy = redis::cmd("DUMP").arg(key(&sale, name)).query_async(&mut redis).await.unwrap();
        if let Some(copy) = copy {
            copies.insert(name, copy);
        }
    }
    shoppers.extend([sale.join().await, sale.join().await]);
    let before = kept(&shoppers).await;
    let mut restore = redis::pipe();
    restore.atomic();
    for (name, copy) in &copies {
        restore.cmd("RESTORE").arg(key(&sale, name)).arg(0).arg(copy).arg("REPLACE").ignore();
    }
    restore.exec_async(&mut redis).await.unwrap();

    shoppers.extend([sale.join().await, sale.join().await, sale.join().await]);
    let mut after = kept(&shoppers).await;
    let numbers: HashSet<String> = after.iter().map(|state| state[1].to_string()).collect();
    assert_eq!(numbers.len(), 11 - 2 + 1, "each its own; the two admitted show none");
    after.truncate(before.len());
    assert_eq!(after, before);
    for (at, shopper) in shoppers[2..].iter().enumerate() {
        eventually("everyone stands where they joined", async || {
            shopper.poll().await.body["position"] == at as u64 + 1
        })
        .await;
    }
    sale.steer("resume").await;
    sale.adds_up().await;
}

#[tokio::test]
async fn a_batch_that_was_popped_by_a_gateway_that_died_is_recorded_by_the_next() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    sale.seed(3).await;
    sale.steer("open").await;
    sale.steer("pause").await;
    let shoppers = [sale.join().await, sale.join().await, sale.join().await, sale.join().await];
    let (id, ids) = (sale.id.clone(), shoppers.each_ref().map(|s| s.ticket.clone()));
    let (place, numbers) = (shop.place.clone(), kept(&shoppers).await);
    shop.gateway.stop().await;
    let sql = place.sql().await;
    sqlx::query("UPDATE sales SET state = 'open'").execute(&sql).await.unwrap();

    // It pops, and is gone before Postgres hears of it.
    let live = Live::new(&place.redis_url).unwrap();
    let sale: SaleId = id.parse().unwrap();
    let popped = live.admit(sale, 1, 0, 2, 20, &Ack::default()).await.unwrap();
    let Admitted::Batch { n: 1, slot } = popped else { panic!("{popped:?}") };
    drop(live);

    let shop = Shop::at(place, false).await;
    let joined =
        |at: usize| json!({ "sale": id, "ticket": ids[at], "credential": shoppers[at].credential });
    let again: Vec<Shopper> = (0..4).map(|at| Shopper::new(&shop, &joined(at))).collect();
    for (at, shopper) in again[..3].iter().enumerate() {
        let state = shopper.becomes("admitted").await;
        if at < 2 {
            assert_eq!(slot.waiters[at].ticket.to_string(), ids[at]);
            assert_eq!(state["hold"]["unit"], slot.units[at], "paired in the order of numbers");
        }
    }
    assert_eq!(again[3].poll().await.body["number"], numbers[3][1]);
    let holds: i64 =
        sqlx::query_scalar("SELECT count(*) FROM holds").fetch_one(&sql).await.unwrap();
    assert_eq!(holds, 3);
    let said = shop.ask(&format!("/sales/{id}/reconciliation")).await;
    assert_eq!(said.body["consistent"], true, "{}", said.text);
}

#[tokio::test]
async fn the_auditor_mends_what_a_hand_did_to_the_line_and_to_the_tokens() {
    let shop = Shop::open().await;
    let (sale, shoppers) = in_the_middle(&shop).await;
    sale.steer("pause").await;
    sale.seed(2).await;
    let hold = kept(&shoppers).await[0][2].as_str().unwrap().to_owned();
    assert_eq!(shoppers[0].confirm(&hold).await.status, 200);

    // A token vanishes, one of a sold unit appears; a waiter vanishes, a stranger appears.
    let mut redis = shop.place.redis().await;
    let left: String =
        redis::cmd("LPOP").arg(key(&sale, "tokens")).query_async(&mut redis).await.unwrap();
    let number = shoppers[2].poll().await.body["number"].as_i64().unwrap();
    let mut meddle = redis::pipe();
    meddle.cmd("SREM").arg(key(&sale, "guard")).arg(&left).ignore();
    meddle.cmd("RPUSH").arg(key(&sale, "tokens")).arg(1).ignore();
    meddle.cmd("SADD").arg(key(&sale, "guard")).arg(1).ignore();
    meddle.cmd("ZREM").arg(key(&sale, "queue")).arg(&shoppers[2].ticket).ignore();
    let stranger = uuid::Uuid::now_v7().to_string();
    meddle.cmd("ZADD").arg(key(&sale, "queue")).arg(3_000).arg(&stranger).ignore();
    meddle.exec_async(&mut redis).await.unwrap();
    let said = shop.ask(&sale.path("/reconciliation")).await;
    let wrong = said.body["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
    assert_eq!(
        (said.body["consistent"].clone(), wrong.count()),
        (json!(false), 4),
        "{}",
        said.text
    );

    let gate = gate(&shop).await;
    let line = gate.line(&sale.id).unwrap();
    let done = repair(&gate, &line).await.unwrap();
    let expected = Repairs {
        tokens_added: 1,
        tokens_dropped: 1,
        waiters_restored: 1,
        waiters_dropped: 1,
        waiters_journaled: 0,
    };
    assert_eq!(done, expected);
    let score: Option<f64> = redis::cmd("ZSCORE")
        .arg(&[key(&sale, "queue"), shoppers[2].ticket.clone()])
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(score.map(|score| score as i64), Some(number), "back at its own number");
    assert_eq!(repair(&gate, &line).await.unwrap(), Repairs::default(), "nothing is left to mend");
    sale.adds_up().await;

    // Each repair is counted, is the same seen from every gateway, and outlives the one that did it.
    let metrics = shop.get("/metrics").await.text;
    let elsewhere = Shop::at(shop.place.clone(), false).await;
    let repairs = elsewhere.ask(&sale.path("/reconciliation")).await.body["repairs"].clone();
    let kinds = ["token_added", "token_dropped", "waiter_restored", "waiter_dropped"];
    assert_eq!(repairs.as_array().unwrap().len(), kinds.len() + 1, "{repairs}");
    assert_eq!(repairs[4]["name"], "waiter_journaled");
    for (repair, kind) in repairs.as_array().unwrap().iter().zip(kinds) {
        assert_eq!((&repair["name"], &repair["times"]), (&json!(kind), &json!(1)), "{repairs}");
        repair["last_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let series = format!("ropeline_audit_repairs_total{{repair=\"{kind}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        assert!(line.unwrap().parse::<u64>().unwrap() >= 1, "{metrics}");
    }
    let audit = shop.ask(&sale.path("/audit")).await.body;
    let written = &audit["items"][0];
    assert_eq!((&written["actor"], &written["action"]), (&json!("ropeline"), &json!("repair")));
    assert_eq!(written["detail"].as_object().unwrap().len(), kinds.len(), "{audit}");

    // The next one adds up with the first; what needed no repair keeps its time.
    let stranger = uuid::Uuid::now_v7().to_string();
    let meddle = redis::cmd("ZADD").arg(key(&sale, "queue")).arg(&["3001", &stranger]).to_owned();
    meddle.exec_async(&mut redis).await.unwrap();
    assert_eq!(repair(&gate, &line).await.unwrap().waiters_dropped, 1);
    let again = shop.ask(&sale.path("/reconciliation")).await.body["repairs"].clone();
    assert_eq!((&again[3]["times"], &again[0]), (&json!(2), &repairs[0]), "{again}");
    assert!(again[3]["last_at"].as_str() > repairs[3]["last_at"].as_str(), "{again}");
    elsewhere.gateway.stop().await;
}

/// What the drill found: a gateway that stood still between the numbers and the journal. Its tickets must not leave
/// the line meanwhile, or everyone behind them sees the place rise when it goes on.
#[tokio::test]
async fn whoever_is_in_line_and_not_journaled_yet_is_written_down_and_keeps_the_place() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let id: SaleId = sale.id.parse().unwrap();
    sale.join().await;
    let live = Live::new(&shop.place.redis_url).unwrap();
    let tickets = [Ticket::new(), Ticket::new(), Ticket::new()];
    let numbered = live.join(id, 1, 1_000_000, &tickets).await.unwrap().seqs;
    let behind = sale.join().await;
    eventually("three stand in between", async || behind.poll().await.body["position"] == 5).await;

    let gate = gate(&shop).await;
    let line = gate.line(&sale.id).unwrap();
    let done = repair(&gate, &line).await.unwrap();
    assert_eq!(done, Repairs { waiters_journaled: 3, ..Repairs::default() });
    tick::tick(&gate).await;
    assert_eq!(line.view().waiting(), 5);
    assert_eq!(behind.poll().await.body["position"], 5, "nobody in front was taken out");

    // The gateway goes on: it finds the rows that it would have written.
    let joins: Vec<_> = tickets.into_iter().zip(numbered.into_iter().flatten()).collect();
    let mut tx = gate.ledger.share_line(id).await.unwrap();
    assert!(tx.journal(&joins, Writing::New).await.is_err());
    tx.rollback().await.unwrap();
    let mut tx = gate.ledger.share_line(id).await.unwrap();
    let journaled = tx.journal(&joins, Writing::Again).await.unwrap();
    assert_eq!((journaled.known, journaled.doubled), (vec![], vec![]));
    tx.commit().await.unwrap();
    assert_eq!(repair(&gate, &line).await.unwrap(), Repairs::default());
    assert_eq!(behind.poll().await.body["position"], 5);
}

/// A gateway that has not read the line yet must not count places in a journal that lacks joins of others.
#[tokio::test]
async fn a_place_is_not_counted_in_the_journal_while_the_line_can_be_read() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let id: SaleId = sale.id.parse().unwrap();
    let live = Live::new(&shop.place.redis_url).unwrap();
    live.join(id, 1, 1_000_000, &[Ticket::new(), Ticket::new()]).await.unwrap();
    let behind = sale.join().await;
    let gate = gate(&shop).await;
    let unread = line_mirror::past_view(&gate, id).await.unwrap();
    assert!(!unread.mirrored);
    let claim = gate.signer.verify(&behind.credential).unwrap();
    let told = ropeline::engine::line::ticket_state::of(&gate, &unread, claim).await.unwrap();
    let ropeline::engine::line::ticket_state::Stage::Waiting(waiting) = told.stage else {
        panic!("{told:?}")
    };
    assert_eq!(waiting.position, 3, "the journal has nobody in front of it");
}

/// A look-up may wait for a connection for seconds. What it counts then is newer than what others show meanwhile.
#[tokio::test]
async fn a_place_that_the_journal_counts_has_the_version_of_its_count() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let id: SaleId = sale.id.parse().unwrap();
    let shopper = sale.join().await;
    let gate = gate(&shop).await;
    let claim = gate.signer.verify(&shopper.credential).unwrap();
    let old = line_mirror::past_view(&gate, id).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    // A gateway that does not follow the sale has no line to read.
    let other = Arc::new(Gate::new(
        Live::new(&shop.place.redis_url).unwrap(),
        Ledger::new(&shop.place.database_url).unwrap(),
        Signer::new(SECRET.as_bytes()),
    ));
    let told = ropeline::engine::line::ticket_state::of(&other, &old, claim).await.unwrap();
    let rank = 1 << 50; // Waiting.
    let later = told.version - rank - old.version;
    assert!(later >= 200 * 64, "64 to a millisecond: {later}");
}

#[tokio::test]
async fn a_join_that_another_rule_refuses_rebuilds_nothing() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let sql = shop.place.sql().await;
    let rule = "CREATE UNIQUE INDEX one_of_three ON joins (sale_id, (seq % 3)) WHERE seq % 3 = 1";
    sqlx::query(rule).execute(&sql).await.unwrap();
    let joined: Vec<_> =
        [sale.try_join().await, sale.try_join().await, sale.try_join().await].into();
    assert!(joined.iter().all(|answer| answer.status == 201));
    for _ in 0..3 {
        let refused = sale.try_join().await; // Numbers 4, 7 and 10.
        refused.is_problem(409, "ticket-refused");
        assert_eq!(sale.try_join().await.status, 201);
        assert_eq!(sale.try_join().await.status, 201);
    }
    let epoch: i32 = sqlx::query_scalar("SELECT epoch FROM sales").fetch_one(&sql).await.unwrap();
    assert_eq!(epoch, 1, "nothing was rebuilt");
    eventually("it adds up", async || {
        shop.ask(&sale.path("/reconciliation")).await.body["consistent"] == true
    })
    .await;
}

#[tokio::test]
async fn a_line_that_lacks_more_than_the_auditor_mends_is_rebuilt() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let first = sale.join().await;
    let sql = shop.place.sql().await;
    sqlx::query(
        "INSERT INTO joins (sale_id, ticket, seq)
         SELECT id, gen_random_uuid(), n FROM sales, generate_series(2, 60000) AS n",
    )
    .execute(&sql)
    .await
    .unwrap();
    let gate = gate(&shop).await;
    let line = gate.line(&sale.id).unwrap();
    let done = repair(&gate, &line).await.unwrap();
    assert_eq!(done, Repairs::default(), "not one by one");
    eventually("the whole line is shown", async || {
        let now = first.poll().await.body;
        (&now["position"], &now["waiting"]) == (&json!(1), &json!(60_000))
    })
    .await;
    assert_eq!(line.view().snapshot.sale.epoch, 2, "under the next epoch");
}

#[tokio::test]
async fn a_postgres_that_is_behind_redis_stops_the_sale_and_nobody_is_admitted() {
    // One batch that redis knows to be recorded is enough.
    for by in ["1", "5"] {
        postgres_is_behind_by(by).await;
    }
}

async fn postgres_is_behind_by(batches: &str) {
    let shop = Shop::open().await;
    let (sale, shoppers) = in_the_middle(&shop).await;
    let mut redis = shop.place.redis().await;
    let bump = redis::cmd("HINCRBY").arg(key(&sale, "ctl")).arg(&["n", batches]).to_owned();
    bump.exec_async(&mut redis).await.unwrap();
    sale.becomes("paused").await;
    let audit = shop.ask(&sale.path("/audit")).await;
    let stops: Vec<&Value> = audit.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["action"] == "stop")
        .collect();
    assert_eq!(stops.len(), 1, "told once: {}", audit.text);
    assert!(stops[0]["detail"]["fault"].as_str().unwrap().contains("postgres"), "{}", audit.text);
    let said = shop.ask(&sale.path("/reconciliation")).await;
    assert_eq!(said.body["consistent"], false, "{}", said.text);

    // A unit that comes back is given to nobody, until a person has looked.
    let hold = kept(&shoppers).await[0][2].as_str().unwrap().to_owned();
    assert_eq!(shoppers[0].release(&hold).await.status, 200);
    eventually("the token is back", async || {
        let tokens: i64 = redis::cmd("LLEN")
            .arg(key(&sale, "tokens"))
            .query_async(&mut redis.clone())
            .await
            .unwrap();
        tokens == 1
    })
    .await;
    assert_eq!(shoppers[2].poll().await.body["state"], "waiting");
    assert_eq!(sale.stats().await["admitted"], 2);
}

#[tokio::test]
async fn a_sell_out_that_many_gateways_see_at_once_is_written_down_once() {
    let shop = Shop::open().await;
    let hold = {
        let sale = shop.open_sale(1, json!({})).await;
        sale.join().await.hold().await
    };
    let mut gates = Vec::new();
    for _ in 0..5 {
        gates.push(gate(&shop).await);
    }
    let sql = shop.place.sql().await;
    shop.gateway.stop().await;
    let mut tx = gates[0].ledger.begin().await.unwrap();
    tx.confirm(hold.parse().unwrap(), None).await.unwrap();
    tx.commit().await.unwrap();
    all(gates.into_iter().map(|gate| async move { tick::tick(&gate).await })).await;
    let told = "SELECT count(*), (SELECT count(*) FROM sales WHERE sold_out_at IS NOT NULL)
                FROM audit WHERE action = 'sold_out'";
    // A tick does not wait for it.
    eventually("it is written down", async || {
        sqlx::query_as::<_, (i64, i64)>(told).fetch_one(&sql).await.unwrap() == (1, 1)
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let told: (i64, i64) = sqlx::query_as(told).fetch_one(&sql).await.unwrap();
    assert_eq!(told, (1, 1), "once");
}

/// A gateway's inside without its loops, which has looked around once.
pub async fn gate(shop: &Shop) -> Arc<Gate> {
    let live = Live::new(&shop.place.redis_url).unwrap();
    let ledger = Ledger::new(&shop.place.database_url).unwrap();
    let gate = Arc::new(Gate::new(live, ledger, Signer::new(SECRET.as_bytes())));
    tick::tick(&gate).await;
    gate
}
