//! Measures ropeline against what the machine itself gives, in the same run: each figure is a ratio to a
//! baseline that took turns with it.

mod crowd;
mod fanout;
mod history;
mod holds;
mod http;
mod joins;
mod noop;
mod open_loop;
mod pgbench;
mod places;
mod rig;
mod sales;
mod scale;
mod table;
mod usage;
mod wrk;

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use serde_json::Map;

use rig::Rig;

/// Measures ropeline, each figure beside a baseline of the same run.
#[derive(Parser)]
#[command(max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    /// What to measure; everything but `fresh`, `history` and `scale` when none is named
    sections: Vec<Section>,
    /// Rounds of each; they take turns with their baseline
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Sockets of `fresh`
    #[arg(long, default_value_t = 100_000)]
    sockets: usize,
    /// Gateways of `fresh`; a process may have 20,000 open files on many machines
    #[arg(long, default_value_t = 7)]
    gateways: usize,
    /// How much of its filling `history` gets; 0.01 to try it out
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Joins over HTTP
    Joins,
    /// Joins behind a long line, and what a waiter takes up
    Line,
    /// Sockets: how fast they are told, and what they cost
    Places,
    /// Admissions, confirms and expiries
    Holds,
    /// What it costs that a sale runs, by itself
    Sales,
    /// A hundred thousand sockets while the line moves
    Fresh,
    /// A sale in which a million joined, beside an empty one
    History,
    /// No measurement: a simulation of where each part gives out, from the figures of the last run
    Scale,
}

/// Programs that a section starts beside itself.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    Crowd(crowd::Args),
    #[command(hide = true)]
    Fanout {
        #[arg(long)]
        listen: SocketAddr,
    },
    #[command(hide = true)]
    Noop {
        #[arg(long)]
        listen: SocketAddr,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.part {
        Some(Part::Crowd(args)) => crowd::run(args).await,
        Some(Part::Fanout { listen }) => fanout::serve(listen).await,
        Some(Part::Noop { listen }) => noop::serve(listen).await,
        None => measure(&cli).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(cli: &Cli) -> anyhow::Result<()> {
    anyhow::ensure!(cli.rounds > 0, "--rounds: one at the least");
    let all = [Section::Joins, Section::Line, Section::Places, Section::Holds, Section::Sales];
    if cli.sections == [Section::Scale] {
        return scale::run();
    }
    let sections = if cli.sections.is_empty() { &all[..] } else { &cli.sections };
    let mut report = Map::new();
    for section in sections {
        // Stores of its own for each: what one leaves behind must not slow the next.
        let rig = Rig::new().await?;
        let (title, rows) = match section {
            Section::Joins => ("Joins", joins::run(&rig, cli.rounds).await?),
            Section::Line => ("A long line", joins::behind_a_long_line(&rig, cli.rounds).await?),
            Section::Places => ("Live places", places::run(&rig, cli.rounds).await?),
            Section::Holds => {
                ("Admissions, confirms, expiries", holds::run(&rig, cli.rounds).await?)
            }
            Section::Sales => ("Sales", sales::run(&rig, cli.rounds).await?),
            Section::Scale => anyhow::bail!("scale: name it alone; it measures nothing"),
            Section::History => {
                ("A long history", history::run(&rig, cli.rounds, cli.scale).await?)
            }
            Section::Fresh => {
                ("A crowd that watches", places::fresh(&rig, cli.sockets, cli.gateways).await?)
            }
        };
        rig.stop().await?;
        table::print(title, &rows);
        report.insert(title.to_owned(), table::json(&rows));
    }
    std::fs::write("target/bench/report.json", serde_json::to_string_pretty(&report)?)?;
    println!("\nAlso as target/bench/report.json.");
    Ok(())
}
