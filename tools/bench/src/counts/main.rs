//! Counts what a join, a frame and a confirm cost a gateway, and compares it with what is recorded in
//! `tools/bench/counts.json`. Counts and not times: they are the same on a busy machine.

mod caller;
mod compare;
mod cost;
mod house;
mod operations;

use std::alloc::System;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use ropeline::dev::stores::{Data, Stores};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use compare::Figures;

/// Every allocation of this process is counted.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORD: &str = "tools/bench/counts.json";

/// Counts what a join, a frame and a confirm cost, and compares it with what is recorded.
#[derive(Parser)]
#[command(max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    /// Record what is measured now, in place of what is recorded
    #[arg(long)]
    record: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// One gateway that does one kind of operation so many times, and ends
    #[command(hide = true)]
    Do(operations::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.part {
        Some(Part::Do(args)) => operations::run(args).map(|()| true),
        None => measure(&cli),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("counts: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and records or compares; says whether all is as good as it was.
#[tokio::main(flavor = "current_thread")]
async fn measure(cli: &Cli) -> anyhow::Result<bool> {
    let stores = Stores::start(Path::new("target/bench/counts"), Data::Fresh).await?;
    let measured = cost::all(&stores).await;
    stores.stop().await?;
    let now = measured?;
    if cli.record {
        std::fs::write(RECORD, serde_json::to_string_pretty(&now)? + "\n")?;
        println!("Recorded in {RECORD}.");
        return Ok(true);
    }
    let compared = compare::compare(&recorded()?, &now);
    compare::print(&compared);
    Ok(compare::is_good(&compared))
}

fn recorded() -> anyhow::Result<Figures> {
    let text = std::fs::read_to_string(RECORD)
        .with_context(|| format!("{RECORD}: record it first, with --record"))?;
    serde_json::from_str(&text).with_context(|| format!("{RECORD} is not a record of counts"))
}
