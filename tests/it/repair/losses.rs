//! Each way in which a store can lose something, with real stores: the sale goes on by itself, or stops
//! and says why.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::aio::MultiplexedConnection;
use ropeline::dev::stores::Stores;
use ropeline::ledger::Ledger;
use ropeline::model::{SaleId, Seq, Ticket};
use ropeline::redis::{Ack, Admitted, Live, LiveError};
use serde_json::json;
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::repair::outage::{becomes_ready, end, fragile};
use crate::repair::recovery::{in_the_middle, kept, key, watch_places};
use crate::support::{Sale, Shop, Shopper, eventually};

/// A copy of a store's data, to be put back later.
struct Copy {
    data: PathBuf,
    aside: PathBuf,
}

impl Copy {
    async fn of(data: PathBuf) -> Self {
        let aside = data.with_added_extension("copy");
        copy(&data, &aside).await;
        Self { data, aside }
    }

    async fn put_back(self) {
        std::fs::remove_dir_all(&self.data).unwrap();
        copy(&self.aside, &self.data).await;
        std::fs::remove_dir_all(&self.aside).unwrap();
    }
}

async fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().await.unwrap();
    assert!(done.success());
}

/// Postgres's data of now. It must not run meanwhile.
async fn copy_of_postgres(stores: &mut Stores, shop: &Shop) -> Copy {
    stores.kill_postgres().await.unwrap();
    let copy = Copy::of(stores.postgres_dir()).await;
    stores.start_postgres().await.unwrap();
    becomes_ready(shop).await;
    copy
}

async fn restore_postgres(stores: &mut Stores, shop: &Shop, copy: Copy) {
    stores.kill_postgres().await.unwrap();
    copy.put_back().await;
    stores.start_postgres().await.unwrap();
    becomes_ready(shop).await;
}

pub async fn epoch_is(shop: &Shop, sale: &Sale<'_>, epoch: i32) {
    eventually(&format!("epoch {epoch} rules"), async || {
        // A new connection each time: Redis may have been away.
        let client = redis::Client::open(shop.place.redis_url.as_str()).unwrap();
        let Ok(mut redis) = client.get_multiplexed_async_connection().await else { return false };
        let ask = redis::cmd("HGET").arg(&[key(sale, "ctl"), "epoch".into()]).to_owned();
        ask.query_async::<Option<i32>>(&mut redis).await.is_ok_and(|found| found == Some(epoch))
    })
    .await;
}

/// A gateway has looked at the line once more.
pub async fn is_seen_again(shop: &Shop, sale: &Sale<'_>) {
    let redis = shop.place.redis().await;
    let version = async || -> i64 {
        let ask = redis::cmd("HGET").arg(&[key(sale, "ctl"), "version".into()]).to_owned();
        ask.query_async(&mut redis.clone()).await.unwrap()
    };
    for _ in 0..2 {
        let before = version().await;
        eventually("it is seen again", async || version().await > before).await;
    }
}

/// Everyone in this order from the front, and nobody else.
pub async fn stand_in_order(sale: &Sale<'_>, line: &[Shopper]) {
    for (at, shopper) in line.iter().enumerate() {
        eventually("everyone stands where they stood", async || {
            let now = shopper.poll().await.body;
            now["position"] == at as u64 + 1 && now["waiting"] == line.len()
        })
        .await;
    }
    eventually("it adds up", async || {
        sale.shop.ask(&sale.path("/reconciliation")).await.body["consistent"] == true
    })
    .await;
    sale.adds_up().await;
}

async fn all_well(watched: Vec<JoinHandle<Result<usize, String>>>, stop: &AtomicBool) {
    stop.store(true, Ordering::Relaxed);
    for watched in watched {
        assert!(watched.await.unwrap().unwrap() > 0);
    }
}

/// What happened after the copy was made that came back.
#[derive(Debug, Clone, Copy)]
enum Since {
    Nothing,
    Batch,
    Joins,
    Leave,
}

#[tokio::test]
async fn an_older_copy_of_redis_costs_nobody_the_place_whatever_happened_since() {
    for since in [Since::Nothing, Since::Batch, Since::Joins, Since::Leave] {
        let (mut stores, shop) = fragile().await;
        let (sale, mut shoppers) = in_the_middle(&shop).await;
        let copy = Copy::of(stores.redis_dir()).await;
        match since {
            Since::Nothing => {}
            Since::Batch => {
                let hold = shoppers[0].hold().await;
                assert_eq!(shoppers[0].release(&hold).await.status, 200);
                shoppers[2].hold().await;
                shoppers.remove(0);
            }
            Since::Joins => shoppers.extend([sale.join().await, sale.join().await]),
            Since::Leave => assert_eq!(shoppers.remove(3).leave().await.status, 204),
        }
        let line = &shoppers[2..];
        stand_in_order(&sale, line).await;
        is_seen_again(&shop, &sale).await;
        let before = kept(&shoppers).await;
        let stop = Arc::new(AtomicBool::new(false));
        let watched = watch_places(line, &stop);

        stores.kill_redis().await.unwrap();
        copy.put_back().await;
        stores.start_redis().await.unwrap();
        // Whatever is missing, the last surveys are: the gateway knows that it made them.
        epoch_is(&shop, &sale, 2).await;
        becomes_ready(&shop).await;
        assert_eq!(kept(&shoppers).await, before, "{since:?}");
        stand_in_order(&sale, line).await;

        let hold = before[1][2].as_str().unwrap();
        assert_eq!(shoppers[1].release(hold).await.status, 200);
        let next = line[0].becomes("admitted").await;
        assert_eq!(next["hold"]["unit"], before[1][3], "{since:?}");
        let mut rest = line[1..].to_vec();
        rest.push(sale.join().await);
        stand_in_order(&sale, &rest).await;
        all_well(watched, &stop).await;
        end(stores, shop).await;
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_with_its_data_needs_no_rebuild() {
    let (mut stores, shop) = fragile().await;
    let (sale, shoppers) = in_the_middle(&shop).await;
    let before = kept(&shoppers).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watched = watch_places(&shoppers[2..], &stop);
    for _ in 0..2 {
        stores.kill_redis().await.unwrap();
        stores.start_redis().await.unwrap();
        becomes_ready(&shop).await;
        stand_in_order(&sale, &shoppers[2..]).await;
    }
    assert_eq!(kept(&shoppers).await, before);
    epoch_is(&shop, &sale, 1).await;
    all_well(watched, &stop).await;
    end(stores, shop).await;
}

async fn flush(redis: &MultiplexedConnection) {
    redis::cmd("FLUSHALL").exec_async(&mut redis.clone()).await.unwrap();
}

#[tokio::test]
async fn a_flush_between_popping_and_recording_fences_whoever_had_the_batch() {
    let (stores, shop) = fragile().await;
    let sale = shop.sale(json!({})).await;
    sale.seed(2).await;
    sale.steer("open").await;
    sale.steer("pause").await;
    let shoppers = [sale.join().await, sale.join().await, sale.join().await];
    let ids = shoppers.each_ref().map(|shopper| shopper.ticket.clone());
    let (place, id) = (shop.place.clone(), sale.id.clone());
    shop.gateway.stop().await;
    let sql = place.sql().await;
    sqlx::query("UPDATE sales SET state = 'open'").execute(&sql).await.unwrap();

    let (live, ledger) =
        (Live::new(&place.redis_url).unwrap(), Ledger::new(&place.database_url).unwrap());
    let of: SaleId = id.parse().unwrap();
    let popped = live.admit(of, 1, 0, 2, 20, &Ack::default()).await.unwrap();
    let Admitted::Batch { n: 1, slot } = popped else { panic!("{popped:?}") };
    flush(&place.redis().await).await;

    let shop = Shop::at(place, false).await;
    let again = |at: usize| {
        let joined =
            json!({ "sale": id, "ticket": ids[at], "credential": shoppers[at].credential });
        Shopper::new(&shop, &joined)
    };
    let units = [again(0), again(1)]
        .map(|shopper| async move { shopper.becomes("admitted").await["hold"]["unit"].clone() });
    let [first, second] = units;
    assert_eq!([first.await, second.await], [json!(1), json!(2)], "in the order of joining");

    // Whoever popped it before the flush comes too late, with either store.
    let waiters: Vec<(Ticket, Seq)> = slot.waiters.iter().map(|w| (w.ticket, w.seq)).collect();
    let mut tx = ledger.share_line(of).await.unwrap();
    assert_eq!(tx.record(1, 1, &waiters, &slot.units).await.unwrap(), None);
    tx.rollback().await.unwrap();
    let ack = Ack { n: 1, spare: slot.units, ..Ack::default() };
    let late = live.admit(of, 1, 0, 2, 20, &ack).await;
    assert!(matches!(late, Err(LiveError::Fenced)), "{late:?}");
    assert_eq!(again(2).poll().await.body["position"], 1);
    let said = shop.ask(&format!("/sales/{id}/reconciliation")).await;
    assert_eq!(said.body["consistent"], true, "{}", said.text);
    sql.close().await;
    ledger.close().await;
    end(stores, shop).await;
}

#[tokio::test]
async fn flushes_while_batches_are_in_flight_admit_everyone_once_and_in_order() {
    let (stores, shop) = fragile().await;
    let sale = shop.sale(json!({ "batch_size": 3, "admit_interval_ms": 10 })).await;
    sale.seed(60).await;
    let mut shoppers = Vec::new();
    for _ in 0..60 {
        shoppers.push(sale.join().await);
    }
    let (redis, sql) = (shop.place.redis().await, shop.place.sql().await);
    let holds = async || -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM holds").fetch_one(&sql).await.unwrap()
    };
    sale.steer("open").await;
    for _ in 0..5 {
        // A hold that is new to Postgres is one that Redis was not told of yet.
        let before = holds().await;
        eventually("another batch is recorded", async || holds().await > before).await;
        flush(&redis).await;
    }
    for shopper in &shoppers {
        shopper.becomes("admitted").await;
    }
    let numbers: Vec<i64> =
        sqlx::query_scalar("SELECT seq FROM holds ORDER BY epoch, batch_n, unit_no")
            .fetch_all(&sql)
            .await
            .unwrap();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    stand_in_order(&sale, &[]).await;
    sql.close().await;
    end(stores, shop).await;
}

#[tokio::test]
async fn a_rebuild_that_is_flushed_half_way_is_done_again_and_never_served_in_part() {
    /// Some pages of a rebuild.
    const WAITING: i64 = 30_000;
    let (stores, shop) = fragile().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let first = sale.join().await;
    let (redis, sql) = (shop.place.redis().await, shop.place.sql().await);
    sqlx::query("INSERT INTO joins (sale_id, ticket, seq) SELECT id, gen_random_uuid(), n + 1 FROM sales, generate_series(1, $1) n")
        .bind(WAITING - 1)
        .execute(&sql)
        .await
        .unwrap();
    let queue = key(&sale, "queue");
    let waiting = async || -> i64 {
        redis::cmd("ZCARD").arg(&queue).query_async(&mut redis.clone()).await.unwrap()
    };
    flush(&redis).await;
    let mut flushed = 0;
    while flushed < 3 {
        let half: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{queue}:next:*"))
            .query_async(&mut redis.clone())
            .await
            .unwrap();
        if !half.is_empty() {
            flush(&redis).await;
            flushed += 1;
        }
        let there = waiting().await;
        assert!([0, WAITING].contains(&there), "{there} of {WAITING} are served");
        if there == WAITING {
            flush(&redis).await; // It was too quick to be seen.
        }
    }
    eventually("the whole line is there", async || {
        let there = waiting().await;
        assert!([0, WAITING].contains(&there), "{there} of {WAITING} are served");
        there == WAITING
    })
    .await;
    eventually("and shown", async || {
        let now = first.poll().await.body;
        (&now["position"], &now["waiting"]) == (&json!(1), &json!(WAITING))
    })
    .await;
    sql.close().await;
    end(stores, shop).await;
}

/// The sale is stopped and its audit says why, once.
async fn is_stopped_for(shop: &Shop, sale: &Sale<'_>, why: &str) {
    sale.becomes("paused").await;
    let audit = shop.ask(&sale.path("/audit")).await;
    let stops: Vec<&str> = (audit.body["items"].as_array().unwrap().iter())
        .filter(|item| item["action"] == "stop")
        .map(|item| item["detail"]["fault"].as_str().unwrap())
        .collect();
    assert_eq!(stops, [format!("postgres lost commits: {why}")], "{}", audit.text);
}

#[tokio::test]
async fn a_postgres_that_lost_a_batch_stops_the_sale_and_nobody_is_let_in() {
    let (mut stores, shop) = fragile().await;
    let (sale, shoppers) = in_the_middle(&shop).await;
    let copy = copy_of_postgres(&mut stores, &shop).await;
    let hold = shoppers[0].hold().await;
    assert_eq!(shoppers[0].release(&hold).await.status, 200);
    shoppers[2].hold().await;
    restore_postgres(&mut stores, &shop, copy).await;
    sale.becomes("paused").await;
    let said = shop.ask(&sale.path("/reconciliation")).await;
    assert_eq!(said.body["consistent"], false, "{}", said.text);
    let admitted = sale.stats().await["admitted"].clone();
    sale.seed(3).await;
    for shopper in &shoppers[3..] {
        assert_eq!(shopper.poll().await.body["state"], "waiting");
    }
    assert_eq!(sale.stats().await["admitted"], admitted, "nobody is let in meanwhile");
    end(stores, shop).await;
}

#[tokio::test]
async fn a_postgres_that_lost_a_purchase_stops_the_sale_until_a_person_has_looked() {
    let (mut stores, shop) = fragile().await;
    let (sale, shoppers) = in_the_middle(&shop).await;
    let copy = copy_of_postgres(&mut stores, &shop).await;
    let hold = shoppers[0].hold().await;
    assert_eq!(shoppers[0].confirm(&hold).await.status, 200);
    // Every gateway that looks at the line tells Redis what it has seen.
    let redis = shop.place.redis().await;
    let ledger = async || -> i64 {
        let ask = redis::cmd("HGET").arg(&[key(&sale, "ctl"), "ledger".into()]).to_owned();
        ask.query_async(&mut redis.clone()).await.unwrap()
    };
    eventually("redis was told", async || ledger().await == 2 + 2 + 1).await;
    restore_postgres(&mut stores, &shop, copy).await;
    is_stopped_for(&shop, &sale, "redis was told of later changes").await;

    // A person enters what is missing, empties Redis for this sale, and lets it go on.
    assert_eq!(shoppers[0].confirm(&hold).await.status, 200);
    flush(&redis).await;
    epoch_is(&shop, &sale, 2).await;
    sale.steer("resume").await;
    stand_in_order(&sale, &shoppers[2..]).await;
    assert_eq!(sale.facts().await["status"], "open");
    end(stores, shop).await;
}

#[tokio::test]
async fn a_postgres_that_lost_an_epoch_stops_the_sale() {
    let (mut stores, shop) = fragile().await;
    let (sale, _) = in_the_middle(&shop).await;
    let copy = copy_of_postgres(&mut stores, &shop).await;
    flush(&shop.place.redis().await).await;
    epoch_is(&shop, &sale, 2).await;
    restore_postgres(&mut stores, &shop, copy).await;
    is_stopped_for(&shop, &sale, "redis has a later epoch").await;
    end(stores, shop).await;
}

#[tokio::test]
async fn joins_that_postgres_lost_are_written_down_again_from_their_receipts() {
    let (mut stores, shop) = fragile().await;
    let (sale, mut shoppers) = in_the_middle(&shop).await;
    let copy = copy_of_postgres(&mut stores, &shop).await;
    shoppers.extend([sale.join().await, sale.join().await]);
    let before = kept(&shoppers).await;
    restore_postgres(&mut stores, &shop, copy).await;
    let late = sale.join().await;
    shoppers.push(late);
    for at in [6, 7] {
        // The auditor takes out whom the journal does not know; whoever comes back is known again.
        let redis = &mut shop.place.redis().await;
        let gone =
            redis::cmd("ZREM").arg(&[key(&sale, "queue"), shoppers[at].ticket.clone()]).to_owned();
        gone.exec_async(redis).await.unwrap();
    }
    eventually("they are in the journal", async || {
        for shopper in &shoppers {
            shopper.poll().await;
        }
        sale.stats().await["joined"] == shoppers.len()
    })
    .await;
    stand_in_order(&sale, &shoppers[2..]).await;
    assert_eq!(kept(&shoppers[..8]).await, before);
    assert_eq!(sale.facts().await["status"], "open");
    end(stores, shop).await;
}
