//! Measures recovery: Redis comes back empty, and the line of a running sale is rebuilt from Postgres.
//!
//! Beside it, in the same run and on the same rows, the least that it could take: one scan of the journal,
//! and the bare commands that fill a sorted set. Each size has a database of its own, so that nothing
//! else is rebuilt at the same time.

mod baseline;
mod report;
mod round;
mod venue;

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use ropeline::dev::stores::{Data, Stores};
use ropeline::telemetry;

use report::Report;
use venue::Venue;

/// From this size on one round is enough: it takes long, and noise is small beside it.
const LARGE: i64 = 1_000_000;

#[derive(Debug, Args)]
pub struct RecoveryArgs {
    /// How many wait
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    sizes: Vec<i64>,

    /// How often each size is measured, in turn; the largest once
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Where the stores keep their data; it is removed in the end
    #[arg(long, default_value = "target/drill/recovery")]
    dir: PathBuf,
}

/// Measures every size, and prints one table.
///
/// # Errors
/// When a store does not start, or the sale does not come back.
pub async fn run(args: RecoveryArgs) -> anyhow::Result<()> {
    let metrics = telemetry::install_metrics()?;
    let mut stores = Stores::start(&args.dir, Data::Fresh).await?;
    let mut venues = Vec::new();
    for size in &args.sizes {
        let venue = Venue::fill(&mut stores, &metrics, *size).await;
        venues.push(venue.with_context(|| format!("a sale with {size} in line"))?);
        println!("a sale with {size} in line is ready");
    }
    let mut report = Report::default();
    for round in 0..args.rounds {
        for venue in &venues {
            if round > 0 && venue.size >= LARGE {
                continue;
            }
            let measured = round::measure(&mut stores, &metrics, venue).await?;
            println!("{:>9} in line, round {}: {measured}", venue.size, round + 1);
            report.add(venue.size, measured);
        }
    }
    print!("{report}");
    stores.stop().await?;
    Ok(std::fs::remove_dir_all(&args.dir)?)
}
