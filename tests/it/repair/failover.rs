//! Redis fails over to a replica that lags behind. The gateways know one address; it moves, and the old
//! primary ends, is demoted, is cut off or falls silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ropeline::dev::stores::Stores;
use serde_json::json;

use crate::repair::losses::{epoch_is, is_seen_again, stand_in_order};
use crate::repair::outage::{becomes_ready, end, fragile};
use crate::repair::recovery::{in_the_middle, kept, watch_places};
use crate::support::replica::{Address, Redis, ask, connect, free_port, url};
use crate::support::{Answer, Place, Sale, Shop, Shopper, eventually};

/// What becomes of the old primary when the new one takes over.
#[derive(Debug, Clone, Copy)]
enum Old {
    /// It ends, and with it every connection.
    Killed,
    /// It follows the new one: READONLY, or LOADING and MASTERDOWN on the way there.
    Demoted,
    /// It runs on alone, and takes no writes without a replica: NOREPLICAS.
    CutOff,
    /// Its machine is gone: nothing comes back, not even a reset.
    Silent,
}

/// A shop behind an address that leads to the primary, and a replica that has all of it.
struct Pair {
    stores: Stores,
    shop: Shop,
    address: Address,
    replica: Redis,
    primary: u16,
}

impl Pair {
    async fn start() -> Self {
        let (stores, shop) = fragile().await;
        shop.gateway.stop().await;
        let primary = free_port();
        let listen = ["CONFIG", "SET", "port", &primary.to_string()];
        ask::<()>(&stores.redis_url(), &listen).await;
        let replica = Redis::start(&stores.redis_dir().with_added_extension("replica")).await;
        ask::<()>(&url(replica.port), &["REPLICAOF", "127.0.0.1", &primary.to_string()]).await;
        let address = Address::of(primary).await;
        let place = Place { redis_url: url(address.port), database_url: stores.database_url() };
        let shop = Shop::at(place, false).await;
        Self { stores, shop, address, replica, primary }
    }

    /// The replica hears no more of the primary, and will be the next one.
    async fn promote_early(&self) {
        let mut primary = connect(&url(self.primary)).await.unwrap();
        let mut mark = redis::pipe();
        mark.cmd("SET").arg(&["mark", "here"]).ignore().cmd("WAIT").arg(&["1", "20000"]);
        let (replicas,): (i32,) = mark.query_async(&mut primary).await.unwrap();
        assert_eq!(replicas, 1, "it has everything up to here");
        ask::<()>(&url(self.replica.port), &["REPLICAOF", "NO", "ONE"]).await;
    }

    async fn fail_over(&mut self, old: Old) {
        self.address.moves_to(self.replica.port);
        match old {
            Old::Killed => self.stores.kill_redis().await.unwrap(),
            Old::Demoted => {
                let port = self.replica.port.to_string();
                ask::<()>(&self.stores.redis_url(), &["REPLICAOF", "127.0.0.1", &port]).await;
            }
            Old::CutOff => {
                let alone = ["CONFIG", "SET", "min-replicas-to-write", "1"];
                ask::<()>(&self.stores.redis_url(), &alone).await;
            }
            Old::Silent => self.stores.freeze_redis().await.unwrap(),
        }
    }

    async fn end(mut self, old: Old) {
        if matches!(old, Old::Silent) {
            self.stores.thaw_redis().await.unwrap();
        }
        end(self.stores, self.shop).await;
    }
}

async fn a_failover_goes_by(old: Old) {
    let mut pair = Pair::start().await;
    let (sale, mut shoppers) = in_the_middle(&pair.shop).await;
    pair.promote_early().await;
    // The replica hears of none of this: a unit that changes hands, a join, somebody who leaves.
    let hold = shoppers[0].hold().await;
    assert_eq!(shoppers[0].release(&hold).await.status, 200);
    shoppers[2].hold().await;
    shoppers.remove(0);
    shoppers.push(sale.join().await);
    assert_eq!(shoppers.remove(3).leave().await.status, 204);
    let line = &shoppers[2..];
    stand_in_order(&sale, line).await;
    is_seen_again(&pair.shop, &sale).await;
    let before = kept(&shoppers).await;
    let stop = Arc::new(AtomicBool::new(false));
    let watched = watch_places(line, &stop);
    let (id, slug) = (sale.id.clone(), sale.slug.clone());

    pair.fail_over(old).await;
    let sale = Sale { shop: &pair.shop, id, slug };
    epoch_is(&pair.shop, &sale, 2).await;
    becomes_ready(&pair.shop).await;
    assert_eq!(kept(&shoppers).await, before);
    stand_in_order(&sale, line).await;
    let hold = before[0][2].as_str().unwrap();
    assert_eq!(shoppers[0].release(hold).await.status, 200);
    line[0].becomes("admitted").await;
    let mut rest = line[1..].to_vec();
    rest.push(sale.join().await);
    stand_in_order(&sale, &rest).await;
    stop.store(true, Ordering::Relaxed);
    for watched in watched {
        assert!(watched.await.unwrap().unwrap() > 0);
    }
    pair.end(old).await;
}

#[tokio::test]
async fn a_sale_goes_on_after_a_failover_to_a_replica_that_lags() {
    a_failover_goes_by(Old::Killed).await;
}

#[tokio::test]
async fn a_gateway_leaves_a_primary_that_was_demoted_under_it() {
    a_failover_goes_by(Old::Demoted).await;
}

#[tokio::test]
async fn a_gateway_leaves_a_primary_that_was_cut_off_from_its_replicas() {
    a_failover_goes_by(Old::CutOff).await;
}

#[tokio::test]
async fn a_gateway_leaves_a_primary_that_fell_silent() {
    a_failover_goes_by(Old::Silent).await;
}

#[tokio::test]
async fn a_failover_that_lost_nothing_but_the_last_moment_keeps_the_line_as_it_is() {
    let mut pair = Pair::start().await;
    let (sale, shoppers) = in_the_middle(&pair.shop).await;
    let before = kept(&shoppers).await;
    let (id, slug) = (sale.id.clone(), sale.slug.clone());
    pair.promote_early().await;
    pair.fail_over(Old::Demoted).await;
    let sale = Sale { shop: &pair.shop, id, slug };
    let late = sale.join_request().header("idempotency-key", "a key that nobody guesses");
    let late = async || Answer::of(late.try_clone().unwrap()).await;
    eventually("joins are taken", async || late().await.status == 201).await;
    assert_eq!(kept(&shoppers).await, before);
    let mut line = shoppers[2..].to_vec();
    line.push(Shopper::new(&pair.shop, &late().await.body));
    stand_in_order(&sale, &line).await;
    pair.end(Old::Demoted).await;
}

#[tokio::test]
async fn a_redis_without_memory_takes_no_joins_and_loses_nobody() {
    let (stores, shop) = fragile().await;
    let (sale, shoppers) = in_the_middle(&shop).await;
    let before = kept(&shoppers).await;
    ask::<()>(&stores.redis_url(), &["CONFIG", "SET", "maxmemory", "1"]).await;
    sale.try_join().await.is_problem(503, "unavailable");
    let hold = before[0][2].as_str().unwrap();
    assert_eq!(shoppers[0].confirm(hold).await.status, 200);
    let hold = before[1][2].as_str().unwrap();
    assert_eq!(shoppers[1].release(hold).await.status, 200);
    assert_eq!(shoppers[2].poll().await.body["position"], 1, "nobody is let in");
    assert_eq!(kept(&shoppers[2..]).await, before[2..]);
    ask::<()>(&stores.redis_url(), &["CONFIG", "SET", "maxmemory", "0"]).await;
    shoppers[2].becomes("admitted").await;
    stand_in_order(&sale, &shoppers[3..]).await;
    epoch_is(&shop, &sale, 1).await;
    assert_eq!(json!(sale.stats().await["tokens"]["sold"]), 1);
    end(stores, shop).await;
}
