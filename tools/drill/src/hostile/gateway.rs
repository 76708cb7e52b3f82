//! One gateway as a process of its own, with what the kernel says about it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use ropeline::dev::stores::Stores;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

pub const ADMIN_KEY: &str = "an operator's key for the drill";
const SECRET: &str = "a secret of more than thirty-two bytes, for the drill";
/// A gateway that migrates first takes a second or two.
const START_WITHIN: Duration = Duration::from_secs(60);
/// The unit of times in `/proc/<pid>/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

/// A gateway that serves; it is killed when this is dropped.
pub struct Gateway {
    child: Child,
    pid: u32,
    pub address: SocketAddr,
}

/// What the kernel says about a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    pub rss_kib: u64,
    pub open_files: u64,
    pub cpu_seconds: f64,
}

impl Gateway {
    pub async fn start(program: &Path, stores: &Stores, max_connections: usize) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .arg("serve")
            .env_clear()
            .env("REDIS_URL", stores.redis_url())
            .env("DATABASE_URL", stores.database_url())
            .env("ROPELINE_SECRET", SECRET)
            .env("ROPELINE_ADMIN_KEY", ADMIN_KEY)
            .env("ROPELINE_LISTEN", "127.0.0.1:0")
            .env("ROPELINE_LOG_FORMAT", "json")
            .env("ROPELINE_MAX_CONNECTIONS", max_connections.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("{} does not start", program.display()))?;
        let pid = child.id().context("it ended at once")?;
        let mut lines = BufReader::new(child.stderr.take().context("it has no log")?).lines();
        let address = timeout(START_WITHIN, async {
            while let Some(line) = lines.next_line().await? {
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if said["message"] == "listening" {
                    return Ok(said["listen"].as_str().unwrap_or_default().parse()?);
                }
                eprintln!("gateway: {line}");
            }
            bail!("it ended before it listened")
        })
        .await??;
        // Its log must be read on, or it would wait for room in the pipe.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("\"ERROR\"") || line.contains("panicked") {
                    eprintln!("gateway: {line}");
                }
            }
        });
        let gateway = Self { child, pid, address };
        gateway.ready().await?;
        Ok(gateway)
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn ready(&self) -> Result<()> {
        let url = format!("{}/readyz", self.base());
        let ready = async {
            while !reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(START_WITHIN, ready).await.context("it does not become ready")
    }

    /// What it uses now.
    pub fn read(&self) -> Result<Reading> {
        let proc = |name: &str| format!("/proc/{}/{name}", self.pid);
        let status = fs::read_to_string(proc("status"))?;
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let rss = rss.and_then(|text| text.trim().split(' ').next()?.parse().ok());
        Ok(Reading {
            rss_kib: rss.context("no VmRSS")?,
            open_files: fs::read_dir(proc("fd"))?.count() as u64,
            cpu_seconds: cpu_seconds(&fs::read_to_string(proc("stat"))?),
        })
    }

    pub async fn end(mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// User and system time of a line of `/proc/…/stat`. The name before them may hold spaces.
pub fn cpu_seconds(stat: &str) -> f64 {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / TICKS_PER_SECOND
}
