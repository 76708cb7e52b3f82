//! Each script against a model of it, on a real Redis: the same random steps, and the whole of Redis is
//! compared after each. A Redis of its own, because one step is to fill its memory.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Mutex;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use redis::aio::MultiplexedConnection;
use ropeline::dev::stores::{Data, Stores};
use ropeline::model::{SaleId, Seq, Ticket};
use ropeline::redis::{Ack, Admitted, Live, Loaded, MOST_TICKETS, Slot, Waiter};

use crate::support::Place;
use crate::support::model::Pace;
use crate::support::redis_state::{Raw, key};
use crate::support::script_run::Run;

/// Sequences in an ordinary run; `ROPELINE_MODEL_CASES=10000` asks for more.
const CASES: u32 = 200;
/// Most steps of one sequence.
const STEPS: usize = 50;
/// Shoppers and units that a sequence chooses from: few, so that they meet.
pub const TICKETS: usize = 12;
const UNITS: i32 = 16;

/// What a step's caller believes of the epoch.
pub type Stale = bool;

#[derive(Debug, Clone)]
pub enum Step {
    Join {
        tickets: Vec<usize>,
        max_waiting: usize,
        stale: Stale,
    },
    Leave {
        ticket: usize,
        stale: Stale,
    },
    Restore {
        tickets: BTreeSet<usize>,
        stale: Stale,
    },
    /// `recorded` is how far Postgres is from Redis; `ack` the same of the acknowledged batch, if any.
    Admit {
        recorded: i64,
        max: usize,
        pace: Pace,
        ack: Option<i64>,
        back: u16,
        spare: u16,
        stale: Stale,
    },
    Free {
        units: Vec<i32>,
        stale: Stale,
    },
    Drop {
        units: BTreeSet<i32>,
        stale: Stale,
    },
    Clear {
        upto: u64,
        stale: Stale,
    },
    Survey,
    Page,
    Swap {
        by: i32,
        tickets: BTreeSet<usize>,
        units: BTreeSet<i32>,
    },
    ScriptFlush,
    Full(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let stale = || prop::bool::weighted(0.06);
    let pace = prop_oneof![4 => Just(Pace::None), 1 => Just(Pace::Hour)];
    let recorded = prop_oneof![8 => Just(0i64), 1 => Just(-1i64), 1 => Just(1i64)];
    let ack = prop_oneof![
        3 => Just(None), 6 => Just(Some(0i64)), 1 => Just(Some(-1i64)), 1 => Just(Some(1i64))
    ];
    let tickets = || prop::collection::btree_set(0..TICKETS, 0..6);
    prop_oneof![
        8 => (prop::collection::vec(0..TICKETS, 1..6), 1..=TICKETS, stale())
            .prop_map(|(tickets, max_waiting, stale)| Step::Join { tickets, max_waiting, stale }),
        3 => (0..TICKETS, stale()).prop_map(|(ticket, stale)| Step::Leave { ticket, stale }),
        3 => (tickets(), stale()).prop_map(|(tickets, stale)| Step::Restore { tickets, stale }),
        12 => (recorded, 0..6usize, pace, ack, any::<u16>(), any::<u16>(), stale()).prop_map(
            |(recorded, max, pace, ack, back, spare, stale)| Step::Admit {
                recorded, max, pace, ack, back, spare, stale
            }
        ),
        5 => (prop::collection::vec(1..=UNITS, 1..6), stale())
            .prop_map(|(units, stale)| Step::Free { units, stale }),
        2 => (prop::collection::btree_set(1..=UNITS, 1..4), stale())
            .prop_map(|(units, stale)| Step::Drop { units, stale }),
        1 => (0..30u64, stale()).prop_map(|(upto, stale)| Step::Clear { upto, stale }),
        4 => Just(Step::Survey),
        1 => Just(Step::Page),
        2 => (-1..=2i32, tickets(), prop::collection::btree_set(1..=UNITS, 0..8))
            .prop_map(|(by, tickets, units)| Step::Swap { by, tickets, units }),
        1 => Just(Step::ScriptFlush),
        2 => any::<bool>().prop_map(Step::Full),
    ]
}

#[test]
fn every_script_does_what_its_model_does_whatever_is_asked_of_it() {
    let cases = std::env::var("ROPELINE_MODEL_CASES").ok().and_then(|n| n.parse().ok());
    let config =
        Config { cases: cases.unwrap_or(CASES), failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("model-{}", std::process::id()));
    let stores = runtime.block_on(Stores::start(&dir, Data::Fresh)).unwrap();
    let (live, redis) = runtime.block_on(async {
        let client = redis::Client::open(stores.redis_url()).unwrap();
        let redis = client.get_multiplexed_async_connection().await.unwrap();
        (Live::new(&stores.redis_url()).unwrap(), redis)
    });
    let seen = Mutex::new(HashMap::<&'static str, u64>::new());
    let steps = prop::collection::vec(step(), 1..STEPS);
    let outcome = TestRunner::new(config).run(&steps, |steps| {
        let mut run = Run::new(live.clone(), redis.clone());
        let done = runtime.block_on(async {
            run.begin().await;
            for step in &steps {
                run.step(step)
                    .await
                    .map_err(|why| TestCaseError::fail(format!("{step:?}: {why}")))?;
                run.compare()
                    .await
                    .map_err(|why| TestCaseError::fail(format!("{step:?}: {why}")))?;
            }
            Ok(())
        });
        for (what, times) in run.seen {
            *seen.lock().unwrap().entry(what).or_default() += times;
        }
        done
    });
    runtime.block_on(stores.stop()).unwrap();
    outcome.unwrap();
    // The steps met what they are there for; a model that is never asked proves nothing.
    let seen = seen.into_inner().unwrap();
    for what in [
        "batch",
        "again",
        "acknowledged",
        "lost",
        "ahead",
        "pace",
        "empty",
        "fenced",
        "full",
        "wrong ack",
        "joined in flight",
        "swapped",
        "overtaken",
        "torn",
        "line full",
        "mirrored",
    ] {
        assert!(seen.get(what).is_some_and(|times| *times > 0), "never met: {what}; {seen:?}");
    }
}

/// A sale on the shared Redis with four in line and four tokens.
async fn small() -> (Live, MultiplexedConnection, SaleId, Vec<Ticket>) {
    let place = Place::fresh().await;
    let (live, redis) = (Live::new(&place.redis_url).unwrap(), place.redis().await);
    let sale = SaleId::new();
    let tickets: Vec<Ticket> = (0..4).map(|_| Ticket::new()).collect();
    assert!(live.swap(sale, 1, 0, 0, Loaded::default()).await.unwrap());
    assert_eq!(live.free(sale, 1, &[1, 2, 3, 4]).await.unwrap(), 4);
    live.join(sale, 1, 100, &tickets).await.unwrap();
    (live, redis, sale, tickets)
}

#[tokio::test]
async fn a_key_of_a_wrong_type_pops_nothing_and_loses_nothing_once_it_is_mended() {
    for broken in ["queue", "tokens", "guard"] {
        let (live, mut redis, sale, tickets) = small().await;
        let rename = |from: String, to: String| redis::cmd("RENAME").arg(&[from, to]).to_owned();
        rename(key(sale, broken), key(sale, "aside")).exec_async(&mut redis).await.unwrap();
        let set = redis::cmd("SET").arg(key(sale, broken)).arg("no such type").to_owned();
        set.exec_async(&mut redis).await.unwrap();
        live.admit(sale, 1, 0, 2, 0, &Ack::default()).await.unwrap_err();
        assert_eq!(live.free(sale, 1, &[5]).await.is_ok(), broken == "queue", "it needs no queue");

        rename(key(sale, "aside"), key(sale, broken)).exec_async(&mut redis).await.unwrap();
        let (raw, _) = Raw::read(&mut redis, sale).await;
        assert_eq!((raw.ctl["n"].as_str(), raw.slot()), ("0", None), "{broken}");
        let line: Vec<Ticket> = raw.queue.iter().map(|(_, ticket)| *ticket).collect();
        assert_eq!((line, &raw.tokens[..4]), (tickets, &[1, 2, 3, 4][..]), "{broken}");
        raw.holds_together(&BTreeSet::new()).unwrap();
    }
}

#[tokio::test]
async fn a_redis_clock_that_jumped_back_does_not_stop_admissions() {
    let (live, mut redis, sale, tickets) = small().await;
    let hour = 3_600_000;
    let Admitted::Batch { n: 1, slot } =
        live.admit(sale, 1, 0, 1, hour, &Ack::default()).await.unwrap()
    else {
        panic!("the first batch waits for nothing");
    };
    assert_eq!(slot.waiters[0].ticket, tickets[0]);
    let ack = Ack { n: 1, ..Ack::default() };
    assert!(matches!(live.admit(sale, 1, 1, 1, hour, &ack).await.unwrap(), Admitted::Pace(_)));
    let ahead = "99999999999999"; // It was popped in the far future, as this clock has it now.
    let set = redis::cmd("HSET").arg(key(sale, "ctl")).arg(&["popped_ms", ahead]).to_owned();
    set.exec_async(&mut redis).await.unwrap();
    let next = live.admit(sale, 1, 1, 1, hour, &ack).await.unwrap();
    assert!(matches!(next, Admitted::Batch { n: 2, .. }), "{next:?}");
}

#[tokio::test]
async fn the_largest_group_and_the_largest_batch_fit_and_larger_ones_are_refused_whole() {
    let (live, mut redis, sale, _) = small().await;
    let crowd: Vec<Ticket> = (0..=MOST_TICKETS).map(|_| Ticket::new()).collect();
    live.join(sale, 1, 10_000, &crowd).await.unwrap_err();
    assert_eq!(Raw::read(&mut redis, sale).await.0.queue.len(), 4, "none of them is in line");
    let joined = live.join(sale, 1, 10_000, &crowd[..MOST_TICKETS]).await.unwrap();
    assert_eq!((joined.waiting, joined.seqs[999]), (1_004, Some(Seq(1_004))));
    live.free(sale, 1, &(1..=200).collect::<Vec<_>>()).await.unwrap();
    live.admit(sale, 1, 0, 101, 0, &Ack::default()).await.unwrap_err();
    let Admitted::Batch { slot: Slot { waiters, units }, .. } =
        live.admit(sale, 1, 0, 100, 0, &Ack::default()).await.unwrap()
    else {
        panic!("a hundred fit");
    };
    assert_eq!((waiters.len(), units), (100, (1..=100).collect()));
}

/// A whole list of ten million takes Redis 0.2 s for each unit.
#[tokio::test]
async fn a_token_is_looked_for_from_the_end_until_it_is_found_unless_one_is_listed_twice() {
    let (live, mut redis, sale, _) = small().await;
    assert_eq!(live.last_tokens(sale, 1).await.unwrap(), [1, 2, 3, 4]);
    // As many in the guard as on the list, so that nothing tells of the second one.
    redis::cmd("RPUSH").arg(key(sale, "tokens")).arg(1).exec_async(&mut redis).await.unwrap();
    redis::cmd("SADD").arg(key(sale, "guard")).arg(9).exec_async(&mut redis).await.unwrap();
    assert_eq!(live.drop_tokens(sale, 1, &[1]).await.unwrap(), 1);
    assert_eq!(live.last_tokens(sale, 1).await.unwrap(), [1, 2, 3, 4], "the one at the end");
    redis::cmd("RPUSH").arg(key(sale, "tokens")).arg(2).exec_async(&mut redis).await.unwrap();
    assert_eq!(live.drop_tokens(sale, 1, &[2]).await.unwrap(), 2, "all, when the list is longer");
    for page in (100..10_100).collect::<Vec<i32>>().chunks(1_000) {
        assert_eq!(live.free(sale, 1, page).await.unwrap(), 1_000);
    }
    assert_eq!(live.last_tokens(sale, 1).await.unwrap(), (100..10_100).collect::<Vec<i32>>());
}

#[tokio::test]
async fn a_rebuild_that_redis_lost_a_page_of_is_thrown_away_whole() {
    let waiters: Vec<Waiter> =
        (1..=4).map(|n| Waiter { ticket: Ticket::new(), seq: Seq(n) }).collect();
    for lost in ["queue", "tokens", "guard"] {
        let (live, mut redis, sale, tickets) = small().await;
        live.load_waiters(sale, 7, &waiters[..2]).await.unwrap();
        live.load_tokens(sale, 7, &[1, 2]).await.unwrap();
        let unlink = redis::cmd("UNLINK").arg(key(sale, lost) + ":next:00000007").to_owned();
        unlink.exec_async(&mut redis).await.unwrap();
        live.load_waiters(sale, 7, &waiters[2..]).await.unwrap();
        live.load_tokens(sale, 7, &[3]).await.unwrap();

        let loaded = Loaded { waiters: 4, units: 3 };
        assert!(!live.swap(sale, 2, 0, 7, loaded).await.unwrap(), "{lost}");
        let (raw, leftovers) = Raw::read(&mut redis, sale).await;
        let line: Vec<Ticket> = raw.queue.iter().map(|(_, ticket)| *ticket).collect();
        assert_eq!((raw.ctl["epoch"].as_str(), line, leftovers), ("1", tickets, 0), "{lost}");
    }
}
