//! One gateway as a process: started, killed, frozen, armed with a fault, and started again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ropeline::faults::{Mistake, Point, reached};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::proxy::{Proxy, Wire};

pub const ADMIN_KEY: &str = "an operator's key for the drill";
pub const SECRET: &str = "a secret of more than thirty-two bytes, for the drill";

/// A gateway listens within milliseconds; the rest is a busy machine.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks whether something has happened.
const LOOK: Duration = Duration::from_millis(10);

/// Where a gateway's stores are, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program: the drill itself, which has the faults compiled in.
    pub program: PathBuf,
    /// Where its log and its armed fault are kept.
    pub dir: PathBuf,
    pub name: String,
    pub redis_socket: PathBuf,
    pub postgres_socket: PathBuf,
    pub database: String,
    pub mistake: Option<Mistake>,
    /// How often its auditor looks, when not as usual.
    pub audit_every: Option<Duration>,
}

/// A gateway, running or not, with a wire of its own to each store.
pub struct Gateway {
    pub plan: Plan,
    pub redis: Proxy,
    pub postgres: Proxy,
    /// Where it listens; a new port with each start.
    pub base: String,
    child: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Gateway {
    /// Starts it, and waits until it listens; not until it is ready.
    ///
    /// # Errors
    /// When it ends or does not listen in time.
    pub async fn start(plan: Plan) -> Result<Self> {
        let mut gateway = Self::wire(plan).await?;
        gateway.start_again().await?;
        Ok(gateway)
    }

    /// Lays its wires, and does not start it yet.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn wire(plan: Plan) -> Result<Self> {
        let redis = Proxy::start(Wire::Redis, plan.redis_socket.clone()).await?;
        let postgres = Proxy::start(Wire::Postgres, plan.postgres_socket.clone()).await?;
        let (base, log) = (String::new(), Arc::default());
        Ok(Self { plan, redis, postgres, base, child: None, log })
    }

    /// Starts it, or starts it again after it was killed.
    ///
    /// # Errors
    /// When it runs, ends, or does not listen in time.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs", self.plan.name);
        let mut command = Command::new(&self.plan.program);
        command.arg("gateway").env_clear().stdin(Stdio::piped()).kill_on_drop(true);
        command.envs(self.settings()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().context("the gateway's program")?;
        let mut lines = BufReader::new(child.stderr.take().context("its log")?).lines();
        let file = self.plan.dir.join(format!("{}.log", self.plan.name));
        let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(file).await?;
        self.base = timeout(LISTENS_WITHIN, async {
            while let Some(line) = lines.next_line().await? {
                file.write_all(format!("{line}\n").as_bytes()).await?;
                let said: Value = serde_json::from_str(&line).unwrap_or_default();
                if said["message"] == "listening" {
                    return Ok(format!("http://{}", said["listen"].as_str().unwrap_or_default()));
                }
            }
            anyhow::bail!("{} ended; see its log", self.plan.name)
        })
        .await
        .context("it does not listen")??;
        self.child = Some(child);
        let kept = self.log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = file.write_all(format!("{line}\n").as_bytes()).await;
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Ok(())
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let postgres = format!(
            "postgres://postgres@127.0.0.1:{}/{}?sslmode=disable",
            self.postgres.port, self.plan.database
        );
        let mut settings = vec![
            ("REDIS_URL", format!("redis://127.0.0.1:{}", self.redis.port)),
            ("DATABASE_URL", postgres),
            ("ROPELINE_SECRET", SECRET.into()),
            ("ROPELINE_ADMIN_KEY", ADMIN_KEY.into()),
            ("ROPELINE_LISTEN", "127.0.0.1:0".into()),
            ("ROPELINE_LOG_FORMAT", "json".into()),
            ("ROPELINE_RATE_LIMITS", "off".into()),
            ("ROPELINE_FAULT_FILE", self.fault_file().display().to_string()),
        ];
        if let Some(mistake) = self.plan.mistake {
            settings.push(("ROPELINE_MISTAKE", mistake.as_str().into()));
        }
        if let Some(every) = self.plan.audit_every {
            settings.push(("ROPELINE_AUDIT_MS", every.as_millis().to_string()));
        }
        settings
    }

    fn fault_file(&self) -> PathBuf {
        self.plan.dir.join(format!("{}.fault", self.plan.name))
    }

    /// Arms a point: the next task that gets there does what `order` says (`abort`, `stall <ms>` or `error`).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn arm(&self, point: Point, order: &str) -> Result<()> {
        let (file, draft) = (self.fault_file(), self.plan.dir.join("fault.new"));
        let _ = tokio::fs::remove_file(reached(&file)).await;
        tokio::fs::write(&draft, format!("{} {order}\n", point.as_str())).await?;
        Ok(tokio::fs::rename(draft, file).await?)
    }

    /// Takes back what was armed.
    pub async fn disarm(&self) {
        let _ = tokio::fs::remove_file(self.fault_file()).await;
    }

    /// Whether the armed point was reached.
    pub fn was_reached(&self) -> bool {
        reached(&self.fault_file()).exists()
    }

    /// Waits until the armed point is reached; says whether it was in time.
    pub async fn is_reached(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        while !self.was_reached() {
            if Instant::now() > deadline {
                return false;
            }
            sleep(LOOK).await;
        }
        true
    }

    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// Ends it by SIGKILL, also one that has ended by itself.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().await?;
        }
        Ok(())
    }

    /// Stops it in its tracks: its connections stay, and nothing is answered.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn freeze(&self) -> Result<()> {
        self.signal("-STOP").await
    }

    /// Wakes it.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn thaw(&self) -> Result<()> {
        self.signal("-CONT").await
    }

    async fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.as_ref().and_then(Child::id).context("it does not run")?.to_string();
        let done = Command::new("kill").args([name, &pid]).status().await?;
        ensure!(done.success(), "kill {name} {pid}");
        Ok(())
    }

    /// What it said since it was made, over all its starts.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The program of the drill, which is a gateway when it is told so.
///
/// # Errors
/// When the running program cannot be found.
pub fn this_program() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    ensure!(Path::new(&program).exists(), "the drill's program was replaced while it ran");
    Ok(program)
}
