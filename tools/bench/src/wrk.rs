//! wrk, a closed loop of keep-alive connections: as many requests as a server answers.

use std::path::Path;

use anyhow::{Context, ensure};
use tokio::process::Command;

const SCRIPT: &str = "target/bench/wrk.lua";

/// What one run counted.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    pub per_second: f64,
    pub p99_ms: f64,
}

/// Posts to `url` over so many connections for so many seconds.
///
/// # Errors
/// When wrk is not there, or when an answer was no success.
pub async fn post(url: &str, connections: u32, seconds: u32) -> anyhow::Result<Counted> {
    write_script()?;
    let said = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--timeout", "10s", "--script", SCRIPT])
        .args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")])
        .arg(url)
        .output()
        .await
        .context("wrk; install it with your system's packages")?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let figure = |name: &str| -> anyhow::Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.with_context(|| format!("wrk said: {text}"))?.trim().parse()?)
    };
    ensure!(figure("bad ")? == 0.0, "some answers were no success: {text}");
    Ok(Counted { per_second: figure("rate ")?, p99_ms: figure("p99 ")? / 1_000.0 })
}

/// wrk tells its figures to this script in full; what it prints by itself is rounded.
fn write_script() -> std::io::Result<()> {
    let text = r#"
wrk.method = "POST"
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("rate %f\np99 %f\nbad %d\n",
    summary.requests / summary.duration * 1e6, latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"#;
    if let Some(folder) = Path::new(SCRIPT).parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(SCRIPT, text)
}
