//! The reconciliation tells the truth: whatever is made to differ by hand is named, with both numbers.

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};

use crate::line::tickets::names;
use crate::support::{Sale, Shop, Shopper, eventually};

/// A sale that stands still: one unit held, one sold, two free, two shoppers in line.
struct Still<'a> {
    sale: Sale<'a>,
    redis: MultiplexedConnection,
    waiting: [Shopper; 2],
    /// The units that are held and sold.
    held: i64,
    sold: i64,
    free: i64,
}

impl<'a> Still<'a> {
    async fn new(shop: &'a Shop) -> Self {
        let sale = shop.open_sale(4, json!({})).await;
        let (ana, ben) = (sale.join().await, sale.join().await);
        let (anas, bens) = (ana.hold().await, ben.hold().await);
        assert_eq!(ana.confirm(&anas).await.status, 200);
        let unit = async |who: &Shopper| who.poll().await.body["hold"]["unit"].as_i64().unwrap();
        let (sold, held) = (unit(&ana).await, unit(&ben).await);
        sale.steer("pause").await;
        let waiting = [sale.join().await, sale.join().await];
        let free = (1..=4).find(|unit| *unit != sold && *unit != held).unwrap();
        assert_eq!(bens, ben.hold().await);
        let redis = shop.place.redis().await;
        let still = Self { sale, redis, waiting, held, sold, free };
        let said = still.reconciliation().await;
        assert_eq!(said["consistent"], true, "{said}");
        still
    }

    async fn reconciliation(&self) -> Value {
        let said = self.sale.shop.ask(&self.sale.path("/reconciliation")).await;
        assert_eq!(said.status, 200, "{}", said.text);
        said.body
    }

    /// Tampers, and asserts that exactly this check says so. The auditor may mend it in between; then it
    /// is done once more.
    async fn tells(
        mut self,
        name: &str,
        expected: i64,
        actual: i64,
        tamper: impl AsyncFn(&mut Self),
    ) {
        for _ in 0..5 {
            tamper(&mut self).await;
            let said = self.reconciliation().await;
            if said["consistent"] == true {
                continue;
            }
            let checks = said["checks"].as_array().unwrap();
            let off: Vec<&Value> = checks.iter().filter(|check| check["ok"] != true).collect();
            let one = json!({ "name": name, "expected": expected, "actual": actual, "ok": false });
            assert_eq!(off, [&one], "{said}");
            return;
        }
        panic!("the reconciliation never said that {name} are off");
    }

    fn key(&self, part: &str) -> String {
        format!("ropeline:{{{}}}:{part}", self.sale.id)
    }

    async fn push(&mut self, unit: i64) {
        let (tokens, guard) = (self.key("tokens"), self.key("guard"));
        let _: i64 = self.redis.lrem(&tokens, 0, unit).await.unwrap();
        let _: i64 = self.redis.sadd(guard, unit).await.unwrap();
        let _: i64 = self.redis.rpush(tokens, unit).await.unwrap();
    }

    async fn sql(&self, statement: &str) {
        let sql = self.sale.shop.place.sql().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned())).execute(&sql).await.unwrap();
    }
}

#[tokio::test]
async fn a_reconciliation_compares_both_stores_and_says_how() {
    let shop = Shop::open().await;
    let still = Still::new(&shop).await;
    let said = still.reconciliation().await;
    assert_eq!(names(&said), ["checks", "consistent", "repairs"]);
    let checks = said["checks"].as_array().unwrap();
    assert!(checks.len() >= 8, "{said}");
    for check in checks {
        assert_eq!(names(check), ["actual", "expected", "name", "ok"]);
        assert_eq!(check["expected"], check["actual"]);
    }
}

#[tokio::test]
async fn a_lost_token_is_told() {
    let shop = Shop::open().await;
    let still = Still::new(&shop).await;
    let tamper = async |still: &mut Still<'_>| {
        let (tokens, guard) = (still.key("tokens"), still.key("guard"));
        let _: i64 = still.redis.lrem(tokens, 0, still.free).await.unwrap();
        let _: i64 = still.redis.srem(guard, still.free).await.unwrap();
    };
    still.tells("free units offered", 2, 1, tamper).await;
}

#[tokio::test]
async fn a_token_of_a_unit_that_is_held_or_sold_or_was_never_seeded_is_told() {
    let shop = Shop::open().await;
    for which in ["held", "sold", "unseeded"] {
        let still = Still::new(&shop).await;
        let tamper = async |still: &mut Still<'_>| {
            let unit = match which {
                "held" => still.held,
                "sold" => still.sold,
                _ => 5,
            };
            still.push(unit).await;
        };
        still.tells("tokens of units that are not free", 0, 1, tamper).await;
    }
}

#[tokio::test]
async fn a_waiter_who_fell_out_of_the_line_is_told() {
    let shop = Shop::open().await;
    let still = Still::new(&shop).await;
    let tamper = async |still: &mut Still<'_>| {
        let queue = still.key("queue");
        let _: i64 = still.redis.zrem(queue, &still.waiting[0].ticket).await.unwrap();
    };
    still.tells("waiting tickets in line", 2, 1, tamper).await;
}

#[tokio::test]
async fn a_stranger_in_the_line_is_told() {
    let shop = Shop::open().await;
    let still = Still::new(&shop).await;
    let tamper = async |still: &mut Still<'_>| {
        let (queue, stray) = (still.key("queue"), "0198c0de-0000-7000-8000-000000000000");
        let _: i64 = still.redis.zadd(queue, stray, 7_000).await.unwrap();
    };
    still.tells("tickets in line that do not wait", 0, 1, tamper).await;
}

/// A number that would take all memory to mirror, and a counter that would take all day to follow.
#[tokio::test]
async fn a_number_and_a_counter_out_of_all_bounds_are_survived() {
    let shop = Shop::open().await;
    let mut still = Still::new(&shop).await;
    let (ctl, queue) = (still.key("ctl"), still.key("queue"));
    let counter: i64 = still.redis.hget(&ctl, "counter").await.unwrap();
    let _: i64 = still.redis.hset(&ctl, "counter", 1_i64 << 38).await.unwrap();
    let far = "0198c0de-0000-7000-8000-000000000000";
    let _: i64 = still.redis.zadd(&queue, far, 1_i64 << 39).await.unwrap();
    eventually("the stranger is out and everyone else has the place", async || {
        let said = still.reconciliation().await;
        let ana = still.waiting[0].poll().await;
        said["consistent"] == true && ana.body["position"] == 1
    })
    .await;
    // The line is read again without the stranger.
    let age = format!("ropeline_mirror_age_seconds{{sale=\"{}\"}} ", still.sale.slug);
    eventually("the line is read", async || {
        let text = shop.get("/metrics").await.text;
        let age = text.lines().find_map(|line| line.strip_prefix(&age)).unwrap();
        age.parse::<f64>().unwrap() < 0.5
    })
    .await;
    let ben = still.sale.join().await;
    assert_eq!(ben.poll().await.body["position"], 3, "behind both, after number {counter}");
}

#[tokio::test]
async fn a_join_that_was_deleted_from_the_journal_is_told() {
    let shop = Shop::open().await;
    let still = Still::new(&shop).await;
    let tamper = async |still: &mut Still<'_>| {
        let ticket = &still.waiting[1].ticket;
        still.sql(&format!("DELETE FROM joins WHERE ticket = '{ticket}'")).await;
        let queue = still.key("queue");
        let _: i64 = still.redis.zadd(queue, ticket, 4).await.unwrap();
    };
    still.tells("tickets in line that do not wait", 0, 1, tamper).await;
}

#[tokio::test]
async fn a_counter_that_differs_from_its_rows_is_told_and_a_recount_mends_it() {
    let shop = Shop::open().await;
    let still = Still::new(&shop).await;
    let id = still.sale.id.clone();
    let tamper = async |still: &mut Still<'_>| {
        still
            .sql(&format!("SELECT recount_sale('{id}'); SELECT add_counts('{id}', returned => 7)"))
            .await;
    };
    still.tells("counter: holds returned", 0, 7, tamper).await;
    let still = Still::new(&shop).await;
    still
        .sql(&format!(
            "SELECT add_counts('{0}', waiting => 3); SELECT recount_sale('{0}')",
            still.sale.id
        ))
        .await;
    assert_eq!(still.reconciliation().await["consistent"], true);
}

#[tokio::test]
async fn an_order_that_was_deleted_is_told_by_its_hold_and_by_the_count() {
    let shop = Shop::open().await;
    let still = Still::new(&shop).await;
    still
        .sql(
            "ALTER TABLE orders DISABLE TRIGGER USER; DELETE FROM orders;
             ALTER TABLE orders ENABLE TRIGGER USER",
        )
        .await;
    let said = still.reconciliation().await;
    assert_eq!(said["consistent"], false, "{said}");
    let checks = said["checks"].as_array().unwrap().iter();
    let off: Vec<_> = checks
        .filter(|check| check["ok"] == false)
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(off, ["confirmed holds without their order", "orders", "counter: orders"]);
}
