//! The command line of the race.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use clap::Parser;
use ropeline::dev::stores::{Data, Stores};
use ropeline_race::course::{self, Outcome, Size};
use ropeline_race::ground::Ground;
use ropeline_race::report::{Heat, Lane, Report};
use ropeline_race::ways::{self, Entry};

/// Most units, and most buyers: what a small machine serves in every way before a run is cut off.
const MOST: i64 = 20_000;
/// Those who are served go in step, so a number that divides a stock would hide what goes wrong at its end: the
/// last step then takes what is left, and no more.
const IN_FLIGHT: u64 = 400;
/// Most buyers served at a time; each has a connection to Redis, which takes ten thousand.
const MOST_IN_FLIGHT: u64 = 5_000;

/// A round that does not count: connections have their statements prepared, as in a shop that runs.
const WARMING_UP: Size = Size { stock: 100, crowd: 200 };

/// Sells the last units of a small stock to a crowd in every known way, side by side.
#[derive(Parser)]
#[command(name = "race", max_term_width = 100)]
struct Options {
    /// Only ways with one of these in their name
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,

    /// Units to sell; else 1, 100 and 1,000 in turn
    #[arg(long, requires = "crowd", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    stock: Option<u32>,

    /// Buyers who want one; else 1,000, 500 and 10,000
    #[arg(long, requires = "stock", value_parser = clap::value_parser!(u32).range(1..=MOST))]
    crowd: Option<u32>,

    /// How often each way runs at each size; the ways take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Buyers served at a time; all others have arrived and wait
    #[arg(long, default_value_t = IN_FLIGHT, value_parser = clap::value_parser!(u64).range(1..=MOST_IN_FLIGHT))]
    in_flight: u64,

    /// Where race.html, race.svg and race.json are written
    #[arg(long, default_value = "target/race")]
    out: PathBuf,
}

impl Options {
    fn sizes(&self) -> Vec<Size> {
        if let (Some(stock), Some(crowd)) = (self.stock, self.crowd) {
            return vec![Size { stock, crowd }];
        }
        [(1, 1_000), (100, 500), (1_000, 10_000)]
            .map(|(stock, crowd)| Size { stock, crowd })
            .to_vec()
    }

    fn ways(&self) -> Vec<Entry> {
        let wanted =
            |way: &Entry| self.only.is_empty() || self.only.iter().any(|it| way.name.contains(it));
        ways::all().into_iter().filter(wanted).collect()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match race(Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("race: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn race(options: Options) -> Result<()> {
    let ways = options.ways();
    ensure!(!ways.is_empty(), "no way has such a name");
    let stores = Stores::start(&options.out.join("stores"), Data::Fresh).await?;
    let in_flight = usize::try_from(options.in_flight)?;
    let ground = Ground::open(&stores, in_flight).await?;
    let cores = std::thread::available_parallelism()?.get();
    for way in &ways {
        course::run(&ground, (way.make)(), WARMING_UP).await?;
    }
    let mut report = Report { in_flight, cores, heats: Vec::new() };
    for size in options.sizes() {
        println!("{}", size.words());
        report.heats.push(heat(&ground, &ways, size, options.rounds).await?);
    }
    println!("\n{}\n\n{}\n{}", report.setting(), report.markdown(), report.reasons());
    report.write(&options.out)?;
    println!("The same with a plot: {}", options.out.join("race.html").display());
    stores.stop().await
}

/// Every way in turn, again and again, so that a noisy minute of the machine hits all of them.
async fn heat(ground: &Arc<Ground>, ways: &[Entry], size: Size, rounds: u32) -> Result<Heat> {
    let lane = |way: &Entry| Lane {
        way: way.name,
        written: way.written.word(),
        why: way.why,
        rounds: Vec::new(),
    };
    let mut lanes: Vec<Lane> = ways.iter().map(lane).collect();
    for round in 1..=rounds {
        for (way, lane) in ways.iter().zip(&mut lanes) {
            let outcome = course::run(ground, (way.make)(), size).await?;
            println!("  round {round}  {:<28} {}", way.name, said(&outcome, size.stock));
            lane.rounds.push(outcome);
        }
    }
    Ok(Heat { size, lanes })
}

fn said(outcome: &Outcome, stock: u32) -> String {
    format!(
        "oversold {:>4}   unsold {:>4}   gave up {:>5}   {:>7.0} orders/s   {:>6.2} s in all",
        outcome.oversold(stock),
        outcome.unsold(stock),
        outcome.gave_up,
        outcome.orders_per_second(),
        outcome.whole_seconds,
    )
}
