//! Private stores, gateways as processes of their own, and an operator who makes sales.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Client, Method};
use ropeline::dev::stores::{Data, Stores};
use ropeline::random_text;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

pub const ADMIN_KEY: &str = "the operator of the benches";
const SECRET: &str = "a secret of more than thirty-two bytes, for the benches";
/// Longest wait for anything to come about.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until there is an answer.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        ensure!(begun.elapsed() < PATIENCE, "never: {what}");
        sleep(LOOK_EVERY).await;
    }
}

/// A server in a process of its own; it ends with us.
pub struct Server {
    pub address: SocketAddr,
    pub base: String,
    child: Child,
}

impl Server {
    async fn start(program: &Path, args: &[&str], env: &[(&str, String)]) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
        let mut command = Command::new(program);
        command.args(args).arg("--listen").arg(address.to_string());
        command.envs(env.iter().cloned()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().with_context(|| program.display().to_string())?;
        let server = Self { address, base: format!("http://{address}"), child };
        let client = Client::new();
        until("the server is ready", async || {
            let asked = client.get(format!("{}/readyz", server.base)).send().await;
            asked.ok().filter(|answer| answer.status().is_success())
        })
        .await?;
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

/// The baseline of the front door.
pub async fn noop() -> anyhow::Result<Server> {
    Server::start(&std::env::current_exe()?, &["noop"], &[]).await
}

/// The baseline of live places.
pub async fn fanout() -> anyhow::Result<Server> {
    Server::start(&std::env::current_exe()?, &["fanout"], &[]).await
}

/// What a process has in memory, in KiB.
pub fn resident_kib(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.context("no VmRSS")?.parse()?)
}

/// Private stores and who may ask them.
pub struct Rig {
    pub stores: Stores,
    client: Client,
}

impl Rig {
    pub async fn new() -> anyhow::Result<Self> {
        let stores = Stores::start(Path::new("target/bench/stores"), Data::Fresh).await?;
        Ok(Self { stores, client: Client::builder().timeout(PATIENCE).build()? })
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.stores.stop().await
    }

    /// One gateway, as it is released.
    pub async fn gateway(&self) -> anyhow::Result<Server> {
        let env = [
            ("REDIS_URL", self.stores.redis_url()),
            ("DATABASE_URL", self.stores.database_url()),
            ("ROPELINE_SECRET", SECRET.to_owned()),
            ("ROPELINE_ADMIN_KEY", ADMIN_KEY.to_owned()),
            // The whole crowd comes from one address.
            ("ROPELINE_RATE_LIMITS", "off".to_owned()),
            ("ROPELINE_MAX_CONNECTIONS", "19000".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        Server::start(&beside("ropeline")?, &["serve"], &env).await
    }

    /// One of the operator's calls; the answer's body.
    pub async fn operate(
        &self,
        server: &Server,
        method: Method,
        path: &str,
        body: Value,
    ) -> anyhow::Result<Value> {
        let request = self.client.request(method, format!("{}/api/v1/admin{path}", server.base));
        let request = request.bearer_auth(ADMIN_KEY).header("idempotency-key", random_text());
        let answer = request.json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Makes a sale; its id.
    pub async fn sale(&self, server: &Server, settings: Value) -> anyhow::Result<String> {
        let made = self.operate(server, Method::POST, "/sales", settings).await?;
        made["id"].as_str().map(str::to_owned).context("a sale without an id")
    }
}

/// A program that was built together with this one.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(program.exists(), "{} is not built; run make bench", program.display());
    Ok(program)
}
