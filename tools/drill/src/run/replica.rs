//! A second Redis that follows the first one, lags, and takes over; later its data moves back.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use redis::aio::MultiplexedConnection;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::files;
use crate::proxy::{Flow, Proxy, Weather, Wire};
use crate::world::World;

/// A new replica of a small Redis is up to date within a second; the rest is a busy machine.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);
/// It ends at once, or when its first append-only file is written.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

pub struct Replica {
    child: Child,
    dir: PathBuf,
    socket: PathBuf,
    /// From the replica to the first Redis.
    wire: Proxy,
}

impl Replica {
    /// Starts a replica of this Redis; not until it is up to date.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(dir: &Path, world: &World) -> Result<Self> {
        let upstream = world.redis_socket()?;
        // By default it waits five seconds for more replicas to come.
        let mut first = world.redis().await?;
        redis::cmd("CONFIG")
            .arg(&["SET", "repl-diskless-sync-delay", "0"])
            .exec_async(&mut first)
            .await?;
        let dir = std::path::absolute(dir)?.join("replica");
        files::remove(&dir).await?;
        std::fs::create_dir_all(&dir)?;
        // A socket's path has to be short.
        let socket = format!("ropeline-drill-{}-replica.sock", std::process::id());
        let socket = std::env::temp_dir().join(socket);
        let wire = Proxy::start(Wire::Redis, upstream).await?;
        let port = wire.port.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--unixsocket"]).arg(&socket).arg("--dir").arg(&dir);
        command.args(["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"]);
        command.args(["--replicaof", "127.0.0.1", &port]);
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().context("redis-server")?;
        Ok(Self { child, dir, socket, wire })
    }

    /// From now on nothing comes from the first Redis.
    pub async fn lag(&self) -> Result<()> {
        let deadline = Instant::now() + FOLLOWS_WITHIN;
        while !self.follows().await.unwrap_or(false) {
            ensure!(Instant::now() < deadline, "the replica does not follow");
            sleep(LOOK).await;
        }
        self.wire.set(Weather { to_store: Flow::Hold, to_gateway: Flow::Hold, refuses: true });
        Ok(())
    }

    async fn follows(&self) -> Result<bool> {
        let info: String = redis::cmd("INFO")
            .arg("replication")
            .query_async(&mut self.connection().await?)
            .await?;
        Ok(info.contains("master_link_status:up"))
    }

    async fn connection(&self) -> Result<MultiplexedConnection> {
        let client = redis::Client::open(format!("unix://{}", self.socket.display()))?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    /// Every gateway is led to the replica, which rules from now on, and the old one is killed.
    ///
    /// # Errors
    /// When the replica does not answer.
    pub async fn promote(&self, world: &mut World) -> Result<()> {
        redis::cmd("REPLICAOF")
            .arg("NO")
            .arg("ONE")
            .exec_async(&mut self.connection().await?)
            .await?;
        for gateway in &world.gateways {
            gateway.redis.lead_to(self.socket.clone());
        }
        world.stores.kill_redis().await
    }

    /// The replica ends in an orderly way, and the first Redis starts on its data.
    ///
    /// # Errors
    /// When either does not do so.
    pub async fn move_back(mut self, world: &mut World) -> Result<()> {
        let deadline = Instant::now() + ENDS_WITHIN;
        // It ends without an answer; and not while it writes its first append-only file.
        while self.child.try_wait()?.is_none() {
            ensure!(Instant::now() < deadline, "the replica does not end");
            if let Ok(mut replica) = self.connection().await {
                let asked = redis::cmd("SHUTDOWN").arg("NOSAVE").exec_async(&mut replica).await;
                drop(asked);
            }
            sleep(LOOK).await;
        }
        files::replace(&self.dir, &world.stores.redis_dir()).await?;
        world.stores.start_redis().await?;
        let socket = world.redis_socket()?;
        for gateway in &world.gateways {
            gateway.redis.lead_to(socket.clone());
        }
        Ok(())
    }
}
