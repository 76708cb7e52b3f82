//! A second Redis that follows the first, and an address that can be moved from one to the other.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, RwLock};

use redis::aio::MultiplexedConnection;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::support::eventually;

/// A Redis of its own on a TCP port, which ends with this process.
pub struct Redis {
    pub port: u16,
    /// A shell that ends Redis when its standard input is closed, and so also when we are killed.
    _guard: Child,
}

impl Redis {
    pub async fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let port = free_port();
        let mut guard = Command::new("sh");
        guard.args(["-c", r#""$@" >/dev/null & redis=$!; read -r _; kill -9 $redis"#, "guard"]);
        guard.args(["redis-server", "--save", "", "--port", &port.to_string()]);
        guard.args(["--bind", "127.0.0.1", "--dir", dir.to_str().unwrap()]);
        guard.args(["--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"]);
        let guard = guard.stdin(Stdio::piped()).spawn().unwrap();
        let started = Self { port, _guard: guard };
        eventually("redis answers", async || connect(&url(port)).await.is_some()).await;
        started
    }
}

pub fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

pub async fn connect(url: &str) -> Option<MultiplexedConnection> {
    // As long as it takes: to wait for a replica takes seconds.
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection_with_config(&patient).await.ok()
}

/// Asks one Redis something that it must not refuse.
pub async fn ask<T: redis::FromRedisValue>(url: &str, words: &[&str]) -> T {
    let mut redis = connect(url).await.expect("it answers");
    let command = redis::cmd(words[0]).arg(&words[1..]).to_owned();
    command.query_async(&mut redis).await.unwrap()
}

/// Below the ports that the system gives to outgoing connections: one of those could take it meanwhile.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(20_000..32_000);
        if std::net::TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// An address that leads to one Redis, and later to another. Connections that are open stay where they are,
/// as they do when a name or a virtual address moves.
pub struct Address {
    pub port: u16,
    leads_to: Arc<RwLock<u16>>,
}

impl Address {
    pub async fn of(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = Self {
            port: listener.local_addr().unwrap().port(),
            leads_to: RwLock::new(port).into(),
        };
        let leads_to = address.leads_to.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let port = *leads_to.read().unwrap();
                tokio::spawn(async move {
                    if let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await {
                        let _ = copy_bidirectional(&mut client, &mut server).await;
                    }
                });
            }
        });
        address
    }

    pub fn moves_to(&self, port: u16) {
        *self.leads_to.write().unwrap() = port;
    }
}
