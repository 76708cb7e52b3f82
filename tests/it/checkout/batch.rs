//! Confirms that arrive together: one transaction for many, and to each an answer of its own.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::support::{ADMIN_KEY, Answer, Gateway, Sale, Shop, eventually};

/// More than one group holds.
const MANY: u32 = 80;

/// One confirm as the shop sends it.
struct Call {
    hold: String,
    key: String,
    body: String,
}

impl Call {
    fn new(hold: &str, key: &str) -> Self {
        let body = json!({ "payment_reference": format!("paid-{key}") }).to_string();
        Self { hold: hold.to_owned(), key: format!("key-of-{key}"), body }
    }

    async fn send(&self, shop: &Shop) -> Answer {
        let path = format!("/api/v1/holds/{}/confirm", self.hold);
        let request = shop.request(Method::POST, &path).bearer_auth(ADMIN_KEY);
        let request = request.header("idempotency-key", &self.key).body(self.body.clone());
        Answer::of(request).await
    }
}

async fn holds(sale: &Sale<'_>) -> Vec<String> {
    let shoppers = join_all((0..MANY).map(|_| sale.join())).await;
    join_all(shoppers.iter().map(|shopper| shopper.hold())).await
}

/// Sends everything while nobody can write an order, so that it waits together; then lets go.
async fn at_once(shop: &Shop, calls: &[Call]) -> Vec<Answer> {
    let sql = shop.place.sql().await;
    let mut held = sql.begin().await.unwrap();
    sqlx::query("LOCK TABLE orders IN SHARE MODE").execute(&mut *held).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let (answers, ()) = tokio::join!(join_all(calls.iter().map(|call| call.send(shop))), async {
        eventually("somebody waits", async || {
            sqlx::query_scalar::<_, i64>(waiting).fetch_one(&sql).await.unwrap() > 0
        })
        .await;
        held.rollback().await.unwrap();
    });
    answers
}

#[tokio::test]
async fn confirms_that_arrive_together_share_transactions_and_each_has_its_own_order() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(MANY, json!({})).await;
    let holds = holds(&sale).await;
    let calls: Vec<Call> = holds.iter().map(|hold| Call::new(hold, hold)).collect();
    let answers = at_once(&shop, &calls).await;
    for (call, answer) in calls.iter().zip(&answers) {
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["id"], call.hold.as_str());
        let paid = format!("paid-{}", call.hold);
        assert_eq!(answer.body["order"]["payment_reference"], paid.as_str());
    }
    let sql = shop.place.sql().await;
    let commits = "SELECT count(DISTINCT xmin::text) FROM orders";
    let commits: i64 = sqlx::query_scalar(commits).fetch_one(&sql).await.unwrap();
    assert!(commits < i64::from(MANY / 4), "{commits} transactions for {MANY} orders");
    // The same again under the same keys: word for word.
    let again = at_once(&shop, &calls).await;
    for (first, again) in answers.iter().zip(&again) {
        assert_eq!((again.status, &again.text), (first.status, &first.text));
    }
    sale.adds_up().await;
}

#[tokio::test]
async fn in_a_group_nobodys_refusal_is_anybody_elses() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(MANY, json!({})).await;
    let holds = holds(&sale).await;
    let release = shop.request(Method::POST, &format!("/api/v1/holds/{}/release", holds[0]));
    assert_eq!(Answer::of(release.bearer_auth(ADMIN_KEY)).await.status, 200);
    let used = Call::new(&holds[1], "used");
    assert_eq!(used.send(&shop).await.status, 200);

    let nobodys = "0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
    let mut calls = vec![
        Call::new(&holds[0], "late"),
        Call { body: "{}".into(), ..Call::new(&holds[1], "used") },
        Call::new(nobodys, "nobody"),
        Call::new(&holds[2], "one"),
        Call::new(&holds[2], "two"),
    ];
    calls.extend(holds[3..].iter().map(|hold| Call::new(hold, hold)));
    let answers = at_once(&shop, &calls).await;
    answers[0].is_problem(409, "hold-ended");
    answers[1].is_problem(422, "idempotency-key-reused");
    answers[2].is_problem(404, "not-found");
    assert_eq!((answers[3].status.as_u16(), answers[4].status.as_u16()), (200, 200));
    assert_eq!(answers[3].body["order"]["id"], answers[4].body["order"]["id"], "bought once");
    for answer in &answers[5..] {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let again = calls[0].send(&shop).await;
    assert_eq!(again.text, answers[0].text, "a refusal is the answer under its key, too");
    sale.adds_up().await;
}

#[tokio::test]
async fn two_confirms_with_one_key_that_arrive_together_get_one_answer() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(MANY, json!({})).await;
    let holds = holds(&sale).await;
    let calls: Vec<Call> =
        holds[..40].iter().chain(&holds[..40]).map(|hold| Call::new(hold, hold)).collect();
    let answers = at_once(&shop, &calls).await;
    let (firsts, seconds) = answers.split_at(40);
    for (first, second) in firsts.iter().zip(seconds) {
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200), "{}", second.text);
        assert_eq!(first.text, second.text);
    }
    // On two gateways, which share no group.
    let gateway = Gateway::start(&shop.place, false).await;
    let base = format!("http://{}", gateway.address);
    let other = Shop { base, gateway, place: shop.place.clone(), client: shop.client.clone() };
    eventually("it is ready", async || other.get("/readyz").await.status == 200).await;
    for hold in &holds[40..] {
        let call = Call::new(hold, hold);
        let (here, there) = tokio::join!(call.send(&shop), call.send(&other));
        assert_eq!((here.status.as_u16(), there.status.as_u16()), (200, 200), "{}", there.text);
        assert_eq!(here.text, there.text);
    }
    other.gateway.stop().await;
}
