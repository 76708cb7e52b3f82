//! The command line of the drill.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ropeline_drill::{echo, hostile};

/// Breaks everything around ropeline, and checks that every promise still holds.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Honest shoppers next to hostile clients, one kind of attack after the other
    Hostile(hostile::Args),
    /// Echoes WebSocket messages behind the gateway's own accept loop and bounds
    #[command(hide = true)]
    Echo(echo::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Hostile(args) => hostile::run(args).await,
        Command::Echo(args) => echo::run(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}
