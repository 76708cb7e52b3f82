//! `stampede` as a part of a bench: shoppers who come when they are due, whatever the server does, so that a
//! slow answer does not keep the next one from being asked for.

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::rig::beside;

/// What an open loop saw of joins, in milliseconds from when each was due.
pub struct Joins {
    pub count: u64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

/// Joins at a rate, as people come: not evenly.
pub async fn at_rate(
    base: &str,
    sale: &str,
    per_second: f64,
    seconds: u32,
) -> anyhow::Result<Joins> {
    let (rate, length) = (format!("{per_second:.0}"), format!("{seconds}s"));
    run(base, sale, &["--rate", &rate, "--for", &length]).await
}

/// Joins that are all due in the same instant.
pub async fn at_once(base: &str, sale: &str, shoppers: u32) -> anyhow::Result<Joins> {
    run(base, sale, &["--burst", &shoppers.to_string(), "--for", "1s"]).await
}

async fn run(base: &str, sale: &str, crowd: &[&str]) -> anyhow::Result<Joins> {
    let report = std::env::current_dir()?.join("target/bench/stampede.json");
    let mut command = Command::new(beside("stampede")?);
    command.args(["--target", base, "--sale", sale, "--watch", "none", "--linger", "1s", "--json"]);
    command.arg(&report).args(crowd).kill_on_drop(true);
    let done = command.output().await.context("stampede")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "stampede {crowd:?}: {}\n{said}", done.status);
    let report: Value = serde_json::from_slice(&tokio::fs::read(&report).await?)?;
    let joins = &report["calls"]["join"]["due"];
    let figure = |name: &str| joins[name].as_f64().with_context(|| format!("{name} of {joins}"));
    let count = joins["count"].as_u64().context("no joins")?;
    ensure!(report["counts"]["gave_up"] == 0, "somebody gave up: {}", report["errors"]);
    Ok(Joins { count, p99_ms: figure("p99_ms")?, max_ms: figure("max_ms")? })
}
