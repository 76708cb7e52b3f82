//! What the fuzz targets share: a front door that asks no store.

use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusBuilder;
use ropeline::engine::Gate;
use ropeline::ledger::Ledger;
use ropeline::model::Signer;
use ropeline::redis::Live;
use ropeline::web::api::problem::Problem;
use ropeline::web::{App, Settings};
use tokio::runtime::{Builder, Runtime};

pub mod redis;

pub const SECRET: &[u8] = b"a secret of more than thirty-two bytes, for fuzzing";
pub const ADMIN_KEY: &str = "an operator's key, for fuzzing";

/// One thread, so that coverage is that of the input at hand.
pub static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_all().build().expect("a runtime"));

/// A front door whose stores are never asked.
pub fn app(public_url: Option<&str>, trusted_proxies: Vec<IpNet>) -> App {
    let _inside = RUNTIME.enter();
    let live = Live::new("unix:///nowhere/redis.sock").expect("it does not connect yet");
    let ledger = Ledger::new("postgres:///nowhere?host=/nowhere").expect("it does not connect yet");
    let settings = Settings {
        admin_key: ADMIN_KEY.into(),
        public_url: public_url.map(str::to_owned),
        trusted_proxies,
        rates: None,
        serves_metrics: false,
    };
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    App::new(Arc::new(Gate::new(live, ledger, Signer::new(SECRET))), settings, metrics)
}

/// Asserts that a refusal is one a client can act on: 400 or 422, and 422 names what is at fault.
pub fn is_a_fair_refusal(problem: &Problem) {
    let body = problem.body();
    let faults = body["errors"].as_array().map_or(0, Vec::len);
    match body["status"].as_u64() {
        Some(400) => assert_eq!(faults, 0, "{body}"),
        Some(422) => assert!(faults > 0, "{body}"),
        _ => panic!("{body}"),
    }
    assert_ne!(body["detail"], "", "{body}");
    let names: Vec<_> =
        body["errors"].as_array().into_iter().flatten().map(|fault| &fault["field"]).collect();
    let mut once = names.clone();
    once.sort_by_key(|name| name.as_str());
    once.dedup();
    assert_eq!(once.len(), names.len(), "each field once: {body}");
}
