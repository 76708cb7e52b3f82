//! Background tasks that die: each is named, starts again, and leaves no caller waiting.
//!
//! A task is ended from outside. The supervisor runs each task in a span of `tracing`, and the subscriber of a test
//! panics when that span is entered, which is in the task's own poll. A test's gateway runs on the test's thread, so
//! no other test is hit.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ropeline::tasks::Task;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::DefaultGuard;
use tracing::{Subscriber, subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;

use crate::support::{Answer, Gateway, Place, Shop, all, eventually};

thread_local! {
    /// How often each task is still to panic.
    static TO_PANIC: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// A caller of a task that is down is answered within this; without a stand-in it takes five seconds.
const SOON: Duration = Duration::from_secs(3);

struct Ends;

/// The task of a span, until it has panicked.
struct TaskOf(String);

impl Visit for TaskOf {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "name" {
            self.0 = value.to_owned();
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ends {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut task = TaskOf(String::new());
        attributes.record(&mut task);
        context.span(id).unwrap().extensions_mut().insert(task);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let task = context.span(id).unwrap().extensions_mut().remove::<TaskOf>();
        let Some(task) = task else { return };
        let ends = TO_PANIC.with_borrow_mut(|left| {
            let left = left.get_mut(&task.0).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        });
        assert!(!ends, "a test ends this task");
        context.span(id).unwrap().extensions_mut().insert(task);
    }
}

/// From now on tasks that start on this thread can be ended.
fn under_watch() -> DefaultGuard {
    subscriber::set_default(tracing_subscriber::registry().with(Ends))
}

/// The next polls of this task panic, one in each run.
fn end(task: Task, times: u32) {
    TO_PANIC.with_borrow_mut(|left| left.insert(task.name().to_owned(), times));
}

#[tokio::test]
async fn every_task_that_panics_is_named_while_it_is_down_and_runs_again() {
    let _watch = under_watch();
    for task in Task::ALL {
        end(*task, 1);
    }
    let (place, any_port) = (Place::fresh().await, SocketAddr::from(([127, 0, 0, 1], 0)));
    let gateway =
        Gateway::start_with(&place, any_port, |config| config.ops_listen = Some(any_port));
    // From before its first task runs.
    let (named, ready) =
        (Arc::new(Mutex::new(BTreeSet::new())), format!("http://{}/readyz", gateway.address));
    let seen = named.clone();
    let looking = tokio::spawn(async move {
        let client = reqwest::Client::new();
        loop {
            let answer = Answer::of(client.get(&ready)).await;
            let missing = answer.body["missing"].as_array().unwrap().clone();
            assert_eq!(answer.status == 503, !missing.is_empty(), "{}", answer.text);
            seen.lock().unwrap().extend(missing.iter().map(|m| m.as_str().unwrap().to_owned()));
            sleep(Duration::from_millis(5)).await;
        }
    });
    let shop = Shop::of(place, gateway).await;
    let sale = shop.open_sale(2, json!({})).await;
    sale.try_join().await; // The task that takes joins starts with the first one.
    let all_restarted = async || {
        let look = shop.ask("/overview").await.body;
        let said = look["troubles"].to_string();
        Task::ALL.iter().all(|task| {
            said.contains(&format!(
                "The background task {} of this gateway was started",
                task.name()
            ))
        })
    };
    eventually("all have ended once and run again", all_restarted).await;
    eventually("it is ready", async || shop.get("/readyz").await.status == 200).await;
    looking.abort();
    let named = named.lock().unwrap().clone();
    for task in Task::ALL {
        assert!(named.contains(task.missing()), "{task:?}: {named:?}");
    }
    let ana = sale.join().await;
    assert_eq!(ana.confirm(&ana.hold().await).await.status, 200);
    let look = shop.ask("/overview").await.body;
    assert_eq!(look["verdict"], "watch", "{look}");
    shop.gateway.stop().await;
}

#[tokio::test]
async fn joins_of_a_task_that_died_are_refused_at_once_and_taken_again_afterwards() {
    let _watch = under_watch();
    let shop = Shop::open().await;
    let sale = shop.sale_of_nothing(json!({})).await;
    let ana = sale.join().await;
    end(Task::Joins, 5);
    // Several at once: whoever waits behind the one that was taken is answered too.
    let begun = Instant::now();
    let refused = all((0..10).map(|_| Answer::of(sale.join_request()))).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    for answer in &refused {
        answer.is_problem(503, "unavailable");
    }
    let ready = shop.get("/readyz").await;
    ready.is_problem(503, "unavailable");
    assert_eq!(ready.body["missing"], json!(["task-joins"]));
    let look = shop.ask("/overview").await.body;
    assert_eq!(look["verdict"], "bad", "{look}");
    assert!(look["troubles"][0]["text"].as_str().unwrap().contains("task joins"), "{look}");
    assert!(shop.get("/metrics").await.text.contains("ropeline_task_running{task=\"joins\"}"));
    assert_eq!(ana.poll().await.status, 200, "places are told");
    eventually("joins are taken again", async || sale.try_join().await.status == 201).await;
    eventually("it is ready", async || shop.get("/readyz").await.status == 200).await;
    assert_eq!(sale.stats().await["waiting"], 2);
}

#[tokio::test]
async fn confirms_go_on_while_the_task_that_groups_them_is_dead() {
    let _watch = under_watch();
    let shop = Shop::open().await;
    let sale = shop.open_sale(12, json!({})).await;
    let mut holds = Vec::new();
    for _ in 0..12 {
        let shopper = sale.join().await;
        holds.push((shopper.hold().await, shopper));
    }
    end(Task::Confirms, 6);
    let (mut holds, begun) = (holds.into_iter(), Instant::now());
    let together: Vec<_> = holds.by_ref().take(8).collect();
    let answers = all(together
        .into_iter()
        .map(|(hold, shopper)| async move { shopper.confirm(&hold).await }))
    .await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!(shop.get("/readyz").await.body["missing"], json!(["task-confirms"]));
    for (hold, shopper) in holds {
        assert_eq!(shopper.confirm(&hold).await.status, 200);
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(sale.stats().await["tokens"]["sold"], 12);
    sale.adds_up().await;
}

#[tokio::test]
async fn a_sale_whose_admission_died_admits_again() {
    let _watch = under_watch();
    let shop = Shop::open().await;
    let sale = shop.open_sale(2, json!({})).await;
    sale.join().await.hold().await;
    end(Task::Admission, 2);
    end(Task::Watch, 2);
    sale.join().await.hold().await;
    eventually("both died", async || TO_PANIC.with_borrow(|left| left.values().all(|n| *n == 0)))
        .await;
    eventually("it is ready", async || shop.get("/readyz").await.status == 200).await;
}
