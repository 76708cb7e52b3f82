//! pgbench with ropeline's own statements, as its queries were checked at build: what Postgres alone gives.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use ropeline::dev::stores::Stores;
use tokio::process::Command;

/// The statement that has `mark` in it, with `values` in place of its parameters.
pub fn statement(mark: &str, values: &[&str]) -> anyhow::Result<String> {
    for file in std::fs::read_dir(".sqlx")? {
        let text = std::fs::read_to_string(file?.path())?;
        let checked: serde_json::Value = serde_json::from_str(&text)?;
        let query = checked["query"].as_str().context("a query without text")?;
        if query.contains(mark) {
            let mut query = query.replace('\n', " ");
            for (index, value) in values.iter().enumerate().rev() {
                query = query.replace(&format!("${}", index + 1), value);
            }
            return Ok(format!("{query};\n"));
        }
    }
    anyhow::bail!("no checked query has {mark:?}; run from the folder of the project")
}

/// pgbench stands beside the server's own programs, which are in no `PATH` on Debian.
async fn program() -> anyhow::Result<PathBuf> {
    let said = Command::new("scripts/postgres-bin").output().await?;
    ensure!(said.status.success(), "no Postgres; run make setup");
    Ok(PathBuf::from(String::from_utf8(said.stdout)?.trim()).join("pgbench"))
}

/// Transactions a second of this script, each run once for each of `transactions` by so many clients.
pub async fn run(
    stores: &Stores,
    script: &str,
    clients: u32,
    transactions: u32,
) -> anyhow::Result<f64> {
    let file = Path::new("target/bench/pgbench.sql");
    std::fs::create_dir_all("target/bench")?;
    std::fs::write(file, script)?;
    let said = Command::new(program().await?)
        .args(["--no-vacuum", "--client", &clients.to_string(), "--jobs", "1"])
        .args(["--transactions", &(transactions / clients).to_string()])
        .arg("--file")
        .arg(file)
        .arg(stores.database_url())
        .output()
        .await
        .context("pgbench; it comes with Postgres")?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.status.success(), "{text}{}", String::from_utf8_lossy(&said.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "));
    let tps = line.and_then(|line| line.split(' ').next());
    Ok(tps.with_context(|| format!("pgbench said: {text}"))?.parse()?)
}
