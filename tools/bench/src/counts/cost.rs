//! What one operation costs: runs of another process of this program, and the differences between them.

use std::process::Stdio;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use ropeline::dev::stores::Stores;
use tokio::process::Command;

use crate::compare::{Counts, Figures};
use crate::operations::Kind;

/// Operations of one run.
const JOINS: usize = 300;
const CONFIRMS: usize = 300;
const MOVES: usize = 100;
/// Sockets of two runs; a frame is the difference, so that the move itself is not in it.
const FEW: usize = 20;
const MANY: usize = 80;
/// Counts every operation.
pub async fn all(stores: &Stores) -> anyhow::Result<Figures> {
    let join = run(stores, Kind::Join, JOINS, 0).await?;
    let confirm = run(stores, Kind::Confirm, CONFIRMS, 0).await?;
    let many = run(stores, Kind::Move, MOVES, MANY).await?;
    let few = run(stores, Kind::Move, MOVES, FEW).await?;
    let more = (MANY - FEW) as f64;
    let of_one = |(name, many): (&String, &f64)| (name.clone(), (many - few[name]) / more);
    let frame = many.iter().map(of_one).collect();
    let named = [("join", join), ("frame", frame), ("confirm", confirm)];
    Ok(named.into_iter().map(|(what, counts)| (what.to_owned(), rounded(counts))).collect())
}

/// One run, to its end; what each of its operations allocated.
async fn run(stores: &Stores, kind: Kind, times: usize, sockets: usize) -> anyhow::Result<Counts> {
    let name = kind.to_possible_value().context("a kind without a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("do").arg(name.get_name());
    command.args(["--times", &times.to_string(), "--sockets", &sockets.to_string()]);
    command.env("REDIS_URL", stores.redis_url());
    command.env("DATABASE_URL", stores.database_url());
    command.stdout(Stdio::piped()).kill_on_drop(true);
    let done = command.spawn()?.wait_with_output().await?;
    ensure!(done.status.success(), "{}: {}", name.get_name(), done.status);
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// To a tenth: more says nothing.
fn rounded(mut counts: Counts) -> Counts {
    for count in counts.values_mut() {
        *count = (*count * 10.0).round() / 10.0;
    }
    counts
}
