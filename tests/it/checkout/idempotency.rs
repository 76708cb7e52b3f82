//! `Idempotency-Key`: the same key and body get the same answer, however often and on whichever gateway.

use reqwest::Method;
use ropeline::engine::checkout::idempotency;
use ropeline::engine::steering::operate::{Command, operate};
use ropeline::engine::{FlowError, Refusal};
use ropeline::model::{SaleId, Settings};
use serde_json::{Value, json};
use sqlx::Connection;

use crate::repair::recovery::gate;
use crate::support::staff::{key_of, post};
use crate::support::{ADMIN_KEY, Answer, Gateway, Place, Sale, Shop, Shopper, all, eventually};

const KEY: &str = "idempotency-key";

async fn join_with(sale: &Sale<'_>, key: &str) -> Answer {
    Answer::of(sale.join_request().header(KEY, key)).await
}

async fn tell_with(shop: &Shop, path: &str, key: &str, body: Value) -> Answer {
    Answer::of(shop.operator(Method::POST, path).header(KEY, key).json(&body)).await
}

async fn confirm_with(who: &Shopper, hold: &str, key: &str, body: Value) -> Answer {
    let request = who.request(Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
    Answer::of(request.header(KEY, key).json(&body)).await
}

/// Asserts that two answers are one.
#[track_caller]
fn same(one: &Answer, other: &Answer) {
    assert_eq!((one.status, &one.body), (other.status, &other.body));
    assert_eq!(one.header("content-type"), other.header("content-type"));
}

#[tokio::test]
async fn a_join_repeated_with_its_key_is_one_ticket_and_one_answer() {
    let shop = Shop::open().await;
    let (sale, other) =
        (shop.sale_of_nothing(json!({})).await, shop.sale_of_nothing(json!({})).await);
    let key = "an unguessable key";
    let first = join_with(&sale, key).await;
    assert_eq!(first.status, 201, "{}", first.text);
    sale.join().await;
    eventually("the second is seen", async || sale.facts().await["waiting"] == 2).await;
    let again = Answer::of(sale.join_request().header(KEY, key).json(&json!({}))).await;
    same(&again, &first);
    assert_eq!(again.header("set-cookie"), first.header("set-cookie"));
    assert_eq!(sale.stats().await["joined"], 2);
    let elsewhere = join_with(&other, key).await;
    assert_eq!(elsewhere.status, 201);
    assert_ne!(elsewhere.body["ticket"], first.body["ticket"]);

    // The credential of the answer is as good as any.
    Shopper::new(&shop, &again.body).becomes("waiting").await;
    // Even once the sale takes no joins any more, the answer is the one there was.
    sale.steer("close").await;
    same(&join_with(&sale, key).await, &first);
    join_with(&sale, "another unguessable key").await.is_problem(409, "sale-closed");
}

#[tokio::test]
async fn a_joins_key_that_can_be_guessed_is_not_honoured() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let fifteen = "x".repeat(15);
    let (one, other) = (join_with(&sale, &fifteen).await, join_with(&sale, &fifteen).await);
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (201, 201));
    assert_ne!(one.body["ticket"], other.body["ticket"]);
    let sixteen = "x".repeat(16);
    same(&join_with(&sale, &sixteen).await, &join_with(&sale, &sixteen).await);
}

#[tokio::test]
async fn joins_at_once_with_one_key_are_one_ticket() {
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let joins = (0..30).map(|_| Answer::of(sale.join_request().header(KEY, "thirty tabs at once")));
    let joined = all(joins).await;
    for answer in &joined {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.body, joined[0].body);
    }
    let stats = sale.stats().await;
    assert_eq!((&stats["joined"], &stats["waiting"]), (&json!(1), &json!(1)));
    sale.adds_up().await;
}

#[tokio::test]
async fn a_key_is_1_to_200_printable_characters() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    for bad in [String::new(), "k".repeat(201), "schlüssel-schlüssel".into()] {
        let field = ["Idempotency-Key"];
        join_with(&sale, &bad).await.names(&field);
        tell_with(&shop, &sale.path("/tokens"), &bad, json!({ "count": 1 })).await.names(&field);
        confirm_with(&ana, &hold, &bad, json!({})).await.names(&field);
    }
    assert_eq!(
        sale.stats().await["tokens"],
        json!({ "seeded": 1, "available": 0, "held": 1, "sold": 0, "withdrawn": 0 })
    );
    let longest = "k".repeat(200);
    assert_eq!(confirm_with(&ana, &hold, &longest, json!({})).await.status, 200);
}

#[tokio::test]
async fn a_confirm_repeated_with_its_key_answers_word_for_word_and_another_body_is_refused() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    let (ana, ben) = (sale.join().await, sale.join().await);
    let (anas, bens) = (ana.hold().await, ben.hold().await);
    let body = json!({ "payment_reference": "card-7" });
    let first = confirm_with(&ana, &anas, "k", body.clone()).await;
    assert_eq!(first.status, 200, "{}", first.text);
    same(&confirm_with(&ana, &anas, "k", body.clone()).await, &first);
    let other = json!({ "payment_reference": "card-8" });
    confirm_with(&ana, &anas, "k", other.clone()).await.is_problem(422, "idempotency-key-reused");
    let fresh = confirm_with(&ana, &anas, "l", other).await;
    assert_eq!((fresh.status.as_u16(), &fresh.body["order"]), (200, &first.body["order"]));

    // The key is the caller's own, for one call about one thing.
    confirm_with(&ben, &anas, "k", body.clone()).await.is_problem(404, "not-found");
    let bought = confirm_with(&ben, &bens, "k", body.clone()).await;
    assert_eq!((bought.status.as_u16(), &bought.body["id"]), (200, &json!(bens)));
    let release = ana.request(Method::POST, &format!("/api/v1/holds/{anas}/release"));
    Answer::of(release.header(KEY, "k")).await.is_problem(409, "hold-ended");
    let by_shop = shop.request(Method::POST, &format!("/api/v1/holds/{anas}/confirm"));
    let by_shop = by_shop.bearer_auth(ADMIN_KEY).header(KEY, "k");
    let by_shop = Answer::of(by_shop.json(&json!({ "payment_reference": "card-9" }))).await;
    assert_eq!((by_shop.status.as_u16(), &by_shop.body["order"]), (200, &first.body["order"]));
}

#[tokio::test]
async fn a_refusal_is_the_answer_under_its_key_too() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    assert_eq!(ana.release(&hold).await.status, 200);
    for round in 0..5 {
        let key = format!("refused-{round}");
        let first = confirm_with(&ana, &hold, &key, json!({})).await;
        first.is_problem(409, "hold-ended");
        same(&confirm_with(&ana, &hold, &key, json!({})).await, &first);
    }
    let draft = shop.sale(json!({})).await;
    for round in 0..10 {
        let key = format!("early-{round}");
        tell_with(&shop, &draft.path("/pause"), &key, json!({})).await.is_problem(409, "not-open");
    }
    draft.steer("open").await;
    let early = tell_with(&shop, &draft.path("/pause"), "early-1", json!({})).await;
    early.is_problem(409, "not-open");
    let later = tell_with(&shop, &draft.path("/pause"), "later", json!({})).await;
    assert_eq!((later.status.as_u16(), &later.body["status"]), (200, &json!("paused")));
}

#[tokio::test]
async fn each_of_an_operators_changes_happens_once_under_its_key() {
    let shop = Shop::open().await;
    let settings = json!({ "slug": "once", "name": "Once" });
    let made = tell_with(&shop, "/sales", "make", settings.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    same(&tell_with(&shop, "/sales", "make", settings.clone()).await, &made);
    let other = json!({ "slug": "twice", "name": "Twice" });
    let reused = tell_with(&shop, "/sales", "make", other).await;
    reused.is_problem(422, "idempotency-key-reused");
    let taken = tell_with(&shop, "/sales", "make again", settings.clone()).await;
    taken.is_problem(409, "slug-taken");

    let path = |rest: &str| format!("/sales/once{rest}");
    let seeded = tell_with(&shop, &path("/tokens"), "seed", json!({ "count": 5 })).await;
    assert_eq!((seeded.status.as_u16(), &seeded.body), (201, &json!({ "seeded": 5 })));
    assert_eq!(
        tell_with(&shop, &path("/tokens"), "more", json!({ "count": 2 })).await.body["seeded"],
        7
    );
    same(&tell_with(&shop, &path("/tokens"), "seed", json!({ "count": 5 })).await, &seeded);
    // By id it is the same sale, and the same key.
    let by_id = format!("/sales/{}/tokens", made.body["id"].as_str().unwrap());
    same(&tell_with(&shop, &by_id, "seed", json!({ "count": 5 })).await, &seeded);
    let reused = tell_with(&shop, &path("/tokens"), "seed", json!({ "count": 6 })).await;
    reused.is_problem(422, "idempotency-key-reused");

    let mut answers = Vec::new();
    for (action, body) in [
        ("/open", json!({})),
        ("/pause", json!({})),
        ("/resume", json!({})),
        ("/notices", json!({ "text": "Hello" })),
        ("/close", json!({})),
    ] {
        // One key may serve different calls: it belongs to the route.
        let told = tell_with(&shop, &path(action), "steer", body.clone()).await;
        assert_eq!(told.status, 200, "{action}: {}", told.text);
        answers.push((action, body, told));
    }
    for (action, body, told) in &answers {
        same(&tell_with(&shop, &path(action), "steer", body.clone()).await, told);
    }
    let now = shop.ask("/sales/once").await.body;
    assert_eq!((&now["status"], &now["seeded"]), (&json!("closed"), &json!(7)));
    let audit = shop.ask("/sales/once/audit").await.body;
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|i| i["action"].clone()).collect();
    assert_eq!(actions, ["close", "notice", "resume", "pause", "open", "seed", "seed", "create"]);
}

#[tokio::test]
async fn seedings_at_once_with_one_key_seed_once() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let path = sale.path("/tokens");
    for round in 1..=5 {
        let seedings = (0..10).map(|_| {
            let call = shop.operator(Method::POST, &path).header(KEY, format!("round {round}"));
            Answer::of(call.json(&json!({ "count": 3 })))
        });
        let mut done = 0;
        for answer in all(seedings).await {
            if answer.status == 409 {
                answer.is_problem(409, "idempotency-in-progress");
                assert_ne!(answer.header("retry-after"), "");
            } else {
                assert_eq!(
                    (answer.status.as_u16(), &answer.body["seeded"]),
                    (201, &json!(3 * round))
                );
                done += 1;
            }
        }
        assert!(done >= 1);
    }
    assert_eq!(sale.stats().await["tokens"]["seeded"], 15);
}

#[tokio::test]
async fn while_the_first_is_still_running_the_second_is_told_so_and_then_answers_the_same() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    // Somebody keeps the hold's row, so that the first confirm cannot finish.
    let mut sql = shop.place.sql().await.acquire().await.unwrap().detach();
    let mut tx = sql.begin().await.unwrap();
    let lock = "SELECT 1 FROM holds WHERE id = $1::uuid FOR UPDATE";
    sqlx::query(lock).bind(&hold).execute(&mut *tx).await.unwrap();
    let first = tokio::spawn({
        let (ana, hold) = (ana.clone(), hold.clone());
        async move { confirm_with(&ana, &hold, "slow", json!({})).await }
    });
    let watch = shop.place.sql().await;
    eventually("the first one waits", async || {
        let waits = "SELECT count(*) FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar::<_, i64>(waits).fetch_one(&watch).await.unwrap() > 0
    })
    .await;
    let second = confirm_with(&ana, &hold, "slow", json!({})).await;
    second.is_problem(409, "idempotency-in-progress");
    assert_ne!(second.header("retry-after"), "");
    tx.rollback().await.unwrap();
    let first = first.await.unwrap();
    assert_eq!(first.status, 200, "{}", first.text);
    same(&confirm_with(&ana, &hold, "slow", json!({})).await, &first);
}

#[tokio::test]
async fn another_gateway_gives_the_same_answer_after_the_first_is_gone() {
    let place = Place::fresh().await;
    let mut shop = Shop::at(place.clone(), false).await;
    let (joined, ana, bought, hold, sale_id) = {
        let sale = shop.open_sale(1, json!({})).await;
        let joined = join_with(&sale, "a key of some length").await;
        let ana = Shopper::new(&shop, &joined.body);
        let hold = ana.hold().await;
        let bought = confirm_with(&ana, &hold, "buy", json!({})).await;
        assert_eq!(bought.status, 200);
        (joined, ana, bought, hold, sale.id)
    };
    let next = Gateway::start(&place, false).await;
    let base = format!("http://{}", next.address);
    std::mem::replace(&mut shop.gateway, next).stop().await;
    shop.base = base;
    eventually("it is ready", async || shop.get("/readyz").await.status == 200).await;

    let path = format!("/api/v1/sales/{sale_id}/tickets");
    let again = shop.request(Method::POST, &path).header(KEY, "a key of some length");
    same(&Answer::of(again).await, &joined);
    let again = shop.request(Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
    let again = again.bearer_auth(&ana.credential).header(KEY, "buy").json(&json!({}));
    same(&Answer::of(again).await, &bought);
}

#[tokio::test]
async fn each_key_of_the_api_has_idempotency_keys_of_its_own() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    let till = key_of(&shop.make_key("till", "checkout").await);
    let desk = key_of(&shop.make_key("desk", "operator").await);
    let confirm = async |key: &str, reference: &str| {
        let call = shop.by_key(key, Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
        let body = json!({ "payment_reference": reference });
        Answer::of(call.header(KEY, "order-4711").json(&body)).await
    };
    let first = confirm(&till, "card-1").await;
    assert_eq!(first.status, 200, "{}", first.text);
    confirm(&till, "card-2").await.is_problem(422, "idempotency-key-reused");
    // The same text of somebody else is another key: neither an answer that was another's, nor a refusal.
    for other in [desk.as_str(), ADMIN_KEY] {
        let answer = confirm(other, "card-3").await;
        assert_eq!((answer.status.as_u16(), &answer.body["order"]), (200, &first.body["order"]));
    }
    let sql = shop.place.sql().await;
    let callers = "SELECT count(DISTINCT caller) FROM idempotency_keys WHERE key = 'order-4711'";
    assert_eq!(sqlx::query_scalar::<_, i64>(callers).fetch_one(&sql).await.unwrap(), 3);
    same(&confirm(&till, "card-1").await, &first);
}

#[tokio::test]
async fn a_step_that_fails_under_its_key_has_given_it_up_before_it_answers() {
    let shop = Shop::open().await;
    let sale = shop.sale(json!({})).await;
    let gate = gate(&shop).await;
    let id: SaleId = sale.id.parse().unwrap();
    let now = gate.sale(&sale.id).await.unwrap().settings;
    let stale = Settings { name: "An older name".into(), ..now.clone() };
    let sql = shop.place.sql().await;
    let held =
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'
                            GROUP BY pid HAVING count(*) > 1)";
    for round in 0..50 {
        let key = idempotency::key("test", "change", format!("stale {round}"), vec![1]);
        let command = Command::Change {
            from: stale.clone(),
            to: Settings { name: format!("Name {round}"), ..now.clone() },
            said: json!({}),
        };
        let render = |_: &Result<ropeline::model::Sale, Refusal>| unreachable!("nothing is stored");
        let refused = operate(&gate, "test", id, command, Some(key), render).await;
        assert!(matches!(refused, Err(FlowError::Refused(Refusal::Stale))), "{refused:?}");
        // The key and the sale, locked in one transaction.
        assert_eq!(sqlx::query_scalar::<_, i64>(held).fetch_one(&sql).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_sale_that_is_made_with_its_units_in_the_console_is_made_once_whatever_is_clicked_twice()
{
    let shop = Shop::open().await;
    let cookie = shop.log_in_by_key().await;
    let page = shop.page(&cookie, "/admin").await.text;
    let field = "name=\"idempotency_key\" value=\"";
    let at = page.find(field).expect("the form has a key") + field.len();
    let key = page[at..].split('"').next().unwrap();
    let form = [
        ("name", "Boots"),
        ("slug", "boots"),
        ("units", "7"),
        ("checkout", "builtin"),
        ("idempotency_key", key),
    ];
    let clicks = (0..3).map(|_| post(&shop, "/admin/sales", &cookie, &form));
    for answer in futures_util::future::join_all(clicks).await {
        assert_eq!(answer.status, 303, "{}", answer.text);
        assert_eq!(answer.header("location"), "/admin/sales/boots?done=create");
    }
    let sale = shop.ask("/sales/boots").await.body;
    assert_eq!(sale["seeded"], 7);
    let audit = shop.ask("/sales/boots/audit").await.body;
    let actions: Vec<_> =
        audit["items"].as_array().unwrap().iter().map(|item| &item["action"]).collect();
    assert_eq!(actions, ["seed", "create"]);
    let sql = shop.place.sql().await;
    let commits = "SELECT count(DISTINCT xmin::text) FROM audit WHERE action IN ('seed', 'create')";
    assert_eq!(sqlx::query_scalar::<_, i64>(commits).fetch_one(&sql).await.unwrap(), 1);
    // Another form with a slug that is taken is refused, and leaves nothing behind.
    let other = [("name", "Boots"), ("slug", "boots"), ("units", "9"), ("checkout", "builtin")];
    assert_eq!(post(&shop, "/admin/sales", &cookie, &other).await.status, 409);
    assert_eq!(shop.ask("/sales/boots").await.body["seeded"], 7);
}
