//! The command line of the drill. `gateway` is what it starts of itself, with the faults compiled in.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};
use ropeline::gateway::config::ServeArgs;
use ropeline::{gateway, signals, telemetry};
use ropeline_drill as drill;
use ropeline_drill::recovery::{self, RecoveryArgs};
use ropeline_drill::{cases, echo, hostile, run};
use tokio::net::TcpListener;

/// Breaks everything around ropeline, and checks that every promise still holds.
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Faults by a seed while a crowd shops; then checks S1 to S14
    Run(run::Options),
    /// Every crash point, and every reply lost: the cases that chance does not reach
    Cases(cases::Which),
    /// Make every known mistake on purpose, and see each of them
    Mistakes {
        /// Only those with this in their name or in the name of what sees them
        #[arg(long)]
        only: Option<String>,
    },
    /// Honest shoppers next to hostile clients, one kind of attack after the other
    Hostile(hostile::Args),
    /// Measure how long a line takes to be back after Redis lost it
    Recovery(RecoveryArgs),
    /// Echoes WebSocket messages behind the gateway's own accept loop and bounds
    #[command(hide = true)]
    Echo(echo::Args),
    /// One gateway, as `ropeline serve` runs it, that can be told to fail
    #[command(hide = true)]
    Gateway(Box<ServeArgs>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => run::run(options).await,
        Command::Cases(which) => cases::run(which).await.map(|()| true),
        Command::Mistakes { only } => mistakes(only.as_deref()).await.map(|()| true),
        Command::Hostile(args) => hostile::run(args).await.map(|()| true),
        Command::Recovery(args) => recovery::run(args).await.map(|()| true),
        Command::Echo(args) => echo::run(args).await.map(|()| true),
        Command::Gateway(args) => serve(*args).await.map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn mistakes(only: Option<&str>) -> anyhow::Result<()> {
    let dir = place("mistakes")?;
    drill::mistakes::run(&dir, drill::gateway::this_program()?, only).await
}

/// A directory for the data and the logs of this run, beside the program.
fn place(name: &str) -> anyhow::Result<PathBuf> {
    let program = drill::gateway::this_program()?;
    let build = program.parent().context("the program is in a directory")?;
    Ok(build.join("drill-data").join(format!("{name}-{}", std::process::id())))
}

async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.check()?;
    telemetry::start_logging(config.log_format);
    let metrics = telemetry::install_metrics()?;
    let listener = TcpListener::bind(config.listen).await?;
    std::thread::spawn(end_with_the_drill);
    gateway::run(config, listener, metrics, signals::stop()?).await
}

/// The drill holds the other end of our input, and so ends us also when it is killed.
fn end_with_the_drill() {
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    std::process::exit(1);
}
