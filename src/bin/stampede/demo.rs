//! A run's own stores and gateways, when there is no `--target`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ropeline::dev::stores::{Data, Stores};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::plan::Plan;

/// Runs a gateway until its input ends, which it does however this process ends.
const GUARD: &str =
    r#""$0" serve </dev/null & exec 2>/dev/null; read -r nothing; kill -KILL $!; wait"#;
/// Where the stores keep their data; it is wiped in the end.
const PLACE: &str = "target/tmp/stampede";
/// Postgres makes its files first.
const START_WITHIN: Duration = Duration::from_secs(60);
/// Room beyond the sockets and the calls, for whoever looks on.
const MORE_CONNECTIONS: u64 = 200;

pub struct Demo {
    stores: Stores,
    gateways: Vec<Child>,
    pub key: String,
    pub targets: Vec<String>,
}

impl Demo {
    pub async fn start(program: Option<PathBuf>, gateways: usize, plan: &Plan) -> Result<Self> {
        let program = match program {
            Some(program) => program,
            None => std::env::current_exe()?.with_file_name("ropeline"),
        };
        if !program.is_file() {
            let program = program.display();
            bail!("--gateway: {program} is not there; build it, or name a --target");
        }
        let program = program.canonicalize()?;
        let stores = Stores::start(Path::new(PLACE), Data::Fresh).await?;
        let key = ropeline::random_text();
        let mut demo = Self { stores, gateways: Vec::new(), key, targets: Vec::new() };
        for _ in 0..gateways {
            if let Err(error) = demo.start_gateway(&program, plan).await {
                demo.stop().await?;
                return Err(error);
            }
        }
        Ok(demo)
    }

    async fn start_gateway(&mut self, program: &Path, plan: &Plan) -> Result<()> {
        let crowd = &plan.crowd;
        let coming = crowd.rate * crowd.length.as_secs_f64();
        let most = crowd.sockets + crowd.burst + coming as u64 + plan.bounds.connections as u64;
        let mut command = Command::new("sh");
        command
            .args(["-c", GUARD])
            .arg(program)
            .env("REDIS_URL", self.stores.redis_url())
            .env("DATABASE_URL", self.stores.database_url())
            .env("ROPELINE_SECRET", self.stores.secret()?)
            .env("ROPELINE_ADMIN_KEY", &self.key)
            .env("ROPELINE_LISTEN", "127.0.0.1:0")
            .env("ROPELINE_LOG_FORMAT", "json")
            // Everybody comes from a handful of addresses.
            .env("ROPELINE_RATE_LIMITS", "off")
            .env("ROPELINE_MAX_CONNECTIONS", (most + MORE_CONNECTIONS).to_string())
            .env("RUST_LOG", "info")
            // Ctrl-C is for this process: it ends them when the report is made.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let started = command.spawn();
        let mut child = started.with_context(|| format!("--gateway: {}", program.display()))?;
        let mut lines = BufReader::new(child.stderr.take().context("it has no log")?).lines();
        let listening = async {
            while let Some(line) = lines.next_line().await? {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if said["message"] == "listening" {
                    return Ok(said["listen"].as_str().unwrap_or_default().to_owned());
                }
            }
            bail!("--gateway: it ended before it listened")
        };
        let url = format!("http://{}", timeout(START_WITHIN, listening).await??);
        // Its log must be read on, or it would wait for room in the pipe.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("\"WARN\"") || line.contains("\"ERROR\"") {
                    eprintln!("gateway: {line}");
                }
            }
        });
        self.gateways.push(child);
        let ready = async {
            while !reqwest::get(format!("{url}/readyz")).await.is_ok_and(|a| a.status() == 200) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(START_WITHIN, ready).await.context("--gateway: it does not become ready")?;
        self.targets.push(url);
        Ok(())
    }

    pub async fn stop(mut self) -> Result<()> {
        for gateway in &mut self.gateways {
            drop(gateway.stdin.take());
            gateway.wait().await?;
        }
        self.stores.stop().await
    }
}
