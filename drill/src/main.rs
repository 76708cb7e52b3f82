//! The command line of the drill.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ropeline_drill::recovery::{self, RecoveryArgs};

/// Breaks everything around ropeline, and checks that every promise still holds.
#[derive(Parser)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure how long a line takes to be back after Redis lost it
    Recovery(RecoveryArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Recovery(args) => recovery::run(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("drill: {error:#}");
            ExitCode::FAILURE
        }
    }
}
