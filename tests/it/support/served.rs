//! A gateway as it is shipped: the real binary, which may be killed.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use tokio::time::sleep;

use crate::support::{ADMIN_KEY, Place, SECRET};

/// Between two looks at a gateway that does not answer yet.
const RETRY: Duration = Duration::from_millis(100);

/// One gateway: `ropeline serve`, as it is shipped. Killed when dropped.
pub struct Served {
    process: Child,
    pub base: String,
}

impl Served {
    pub async fn start(place: &Place) -> Self {
        // Below the ports that the system gives to outgoing connections: one of those would take the
        // port of a gateway that is to come back. One that is in use makes the next one be tried.
        for _ in 0..5 {
            let port = rand::random_range(20_000..32_000);
            let address = format!("127.0.0.1:{port}");
            let mut served =
                Self { process: spawn(place, &address), base: format!("http://{address}") };
            if served.becomes_ready().await {
                return served;
            }
        }
        panic!("no gateway starts");
    }

    /// Starts it at its old address, after it was killed.
    pub async fn start_again(&mut self, place: &Place) {
        self.process = spawn(place, &self.base["http://".len()..]);
        assert!(self.becomes_ready().await, "its address is free still");
    }

    /// Says false when it ended instead.
    async fn becomes_ready(&mut self) -> bool {
        let client = Client::new();
        loop {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            let ready = client.get(format!("{}/readyz", self.base)).send().await;
            if ready.is_ok_and(|answer| answer.status() == 200) {
                return true;
            }
            sleep(RETRY).await;
        }
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// As SIGKILL does: nothing is finished and nobody is told.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(place: &Place, address: &str) -> Child {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_ropeline"));
    serve.arg("serve").stdout(Stdio::null()).envs([
        ("ROPELINE_LISTEN", address),
        ("REDIS_URL", &place.redis_url),
        ("DATABASE_URL", &place.database_url),
        ("ROPELINE_SECRET", SECRET),
        ("ROPELINE_ADMIN_KEY", ADMIN_KEY),
        ("ROPELINE_RATE_LIMITS", "off"),
        ("RUST_LOG", "error"),
    ]);
    serve.spawn().unwrap()
}
