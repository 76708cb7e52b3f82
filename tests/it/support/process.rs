//! The real program as an operator runs it, for tests that look from outside.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use reqwest::Client;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::support::{ADMIN_KEY, Answer, PATIENCE, Place, SECRET, Shop, eventually};

/// The program with these arguments and nothing else in its environment.
pub fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ropeline"));
    command.args(args).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end: how it ended, and everything it said.
pub async fn run(mut command: Command) -> (ExitStatus, String) {
    let output = timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8(said).unwrap())
}

/// The settings of a gateway at this place, on a port of its own choice.
pub fn settings(place: &Place) -> Vec<(&'static str, String)> {
    vec![
        ("REDIS_URL", place.redis_url.clone()),
        ("DATABASE_URL", place.database_url.clone()),
        ("ROPELINE_SECRET", SECRET.into()),
        ("ROPELINE_ADMIN_KEY", ADMIN_KEY.into()),
        ("ROPELINE_LISTEN", "127.0.0.1:0".into()),
        ("ROPELINE_LOG_FORMAT", "json".into()),
        ("ROPELINE_RATE_LIMITS", "off".into()),
    ]
}

/// A gateway that runs as a process.
pub struct Running {
    child: Child,
    pub base: String,
    pub client: Client,
    log: Arc<Mutex<String>>,
}

impl Running {
    /// Starts it, and waits until it listens.
    pub async fn start(settings: &[(&'static str, String)]) -> Self {
        let mut command = program(&["serve"]);
        command.envs(settings.iter().cloned());
        Self::start_as(command).await
    }

    /// The same of a command that runs it.
    pub async fn start_as(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::piped()).stdin(Stdio::null());
        command.kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let (log, mut line) = (Arc::new(Mutex::new(String::new())), String::new());
        let base = loop {
            line.clear();
            let read = timeout(PATIENCE, lines.read_line(&mut line)).await.expect("it says so");
            assert_ne!(read.unwrap(), 0, "it ended: {}", log.lock().unwrap());
            log.lock().unwrap().push_str(&line);
            let said: Value = serde_json::from_str(&line).expect("a line of JSON");
            if said["message"] == "listening" {
                break format!("http://{}", said["listen"].as_str().unwrap());
            }
        };
        let kept = log.clone();
        tokio::spawn(async move {
            let mut line = String::new();
            while lines.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                kept.lock().unwrap().push_str(&line);
                line.clear();
            }
            drop(lines.read_to_string(&mut line).await);
        });
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { child, base, client, log }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.client.get(format!("{}{path}", self.base))).await
    }

    pub async fn ready(&self) {
        eventually("it is ready", async || self.get("/readyz").await.status == 200).await;
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Sends a signal, and waits for the end.
    pub async fn end(mut self, signal: &str) -> (ExitStatus, String) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
        let ended = timeout(PATIENCE * 2, self.child.wait()).await.expect("it ends").unwrap();
        (ended, self.log())
    }
}

/// A shop whose calls go to a gateway that runs as a process, alone at its place.
pub async fn shop_of(running: &Running, place: Place) -> Shop {
    // The gateway that comes with it serves another database.
    Shop { base: running.base.clone(), place, ..Shop::open().await }
}
