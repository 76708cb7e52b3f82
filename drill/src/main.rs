//! The command line of the drill. `gateway` is what it starts of itself, with the faults compiled in.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ropeline::config::ServeArgs;
use ropeline::{gateway, signals, telemetry};
use ropeline_drill::cases;
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
    /// Every crash point, and every reply lost: the cases that chance does not reach
    Cases(cases::Which),
    /// One gateway, as `ropeline serve` runs it, that can be told to fail
    #[command(hide = true)]
    Gateway(Box<ServeArgs>),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Cases(which) => cases::run(which).await,
        Command::Gateway(args) => serve(*args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
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
