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
        // A port that was free a moment ago may be taken now: then the next one is tried.
        for _ in 0..5 {
            let port =
                std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let process = Command::new(env!("CARGO_BIN_EXE_ropeline"))
                .arg("serve")
                .env("ROPELINE_LISTEN", format!("127.0.0.1:{port}"))
                .env("REDIS_URL", &place.redis_url)
                .env("DATABASE_URL", &place.database_url)
                .env("ROPELINE_SECRET", SECRET)
                .env("ROPELINE_ADMIN_KEY", ADMIN_KEY)
                .env("ROPELINE_RATE_LIMITS", "off")
                .env("RUST_LOG", "error")
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut served = Self { process, base: format!("http://127.0.0.1:{port}") };
            if served.becomes_ready().await {
                return served;
            }
        }
        panic!("no gateway starts");
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
