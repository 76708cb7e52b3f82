//! `ropeline dev` as a program: what it starts ends with it, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::support::{ADMIN_KEY, PATIENCE, eventually};

/// A demo shopper thinks for up to 40 s before the first order; most often it is there in ten.
const FIRST_ORDER: Duration = Duration::from_secs(60);

static NEXT: AtomicU32 = AtomicU32::new(1);

/// A directory for one test, in which all that its runs make has its name.
struct Home(PathBuf);

impl Home {
    fn new() -> Self {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        // Short, for a socket's path may have about 100 bytes.
        let home = PathBuf::from(format!("/tmp/ropeline-test-{}-{n}", std::process::id()));
        fs::create_dir_all(home.join("tmp")).unwrap();
        Self(home)
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    /// `ropeline dev` with these options, not yet started.
    fn dev(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ropeline"));
        command.arg("dev").arg("--dir").arg(self.data()).args(options);
        command.env("TMPDIR", self.0.join("tmp")).env_remove("RUST_LOG");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        // Ctrl-C reaches a whole process group: this one.
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// The directories with sockets that are there.
    fn socket_dirs(&self) -> usize {
        fs::read_dir(self.0.join("tmp")).unwrap().count()
    }

    /// How many processes of the machine have this home in their command line: runs, guards and stores.
    fn processes(&self) -> usize {
        let home = format!("{}/", self.0.display());
        command_lines().iter().filter(|line| line.contains(&home)).count()
    }

    /// After an orderly end: the stores are gone, and a shell that guarded one may take its last breath.
    async fn is_left_empty(&self) {
        assert_eq!(self.socket_dirs(), 0);
        eventually("its processes are gone", async || self.processes() == 0).await;
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

/// From /proc, or from `ps` where there is none.
fn command_lines() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc") else {
        let ps = std::process::Command::new("ps").args(["-A", "-ww", "-o", "args="]).output();
        let text = String::from_utf8_lossy(&ps.unwrap().stdout).into_owned();
        return text.lines().map(str::to_owned).collect();
    };
    let read = |dir: &Path| fs::read(dir.join("cmdline")).unwrap_or_default();
    let texts = entries.map(|entry| read(&entry.unwrap().path()));
    texts.map(|text| String::from_utf8_lossy(&text).replace('\0', " ")).collect()
}

/// A started gateway, as somebody at the terminal sees it.
struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    base: String,
}

impl Run {
    /// Starts it and reads where it is.
    async fn start(home: &Home, options: &[&str]) -> Self {
        let mut child = home.dev(options).arg("--admin-key").arg(ADMIN_KEY).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let base = loop {
            let line = timeout(PATIENCE, lines.next_line()).await.expect("it tells where it is");
            let line = line.unwrap().expect("it runs");
            if let Some((_, address)) = line.split_once("The console") {
                break address.trim().trim_end_matches("/admin").to_owned();
            }
        };
        Self { child, lines, base }
    }

    async fn is_ready(&self) -> bool {
        let answer = reqwest::get(format!("{}/readyz", self.base)).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// As the operator.
    async fn ask(&self, path: &str) -> Value {
        let url = format!("{}/api/v1/admin{path}", self.base);
        let answer = Client::new().get(url).bearer_auth(ADMIN_KEY).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Presses Ctrl-C.
    async fn interrupt(mut self) -> ExitStatus {
        let told = Command::new("sh")
            .args(["-c", &format!("kill -s INT -- -{}", self.child.id().unwrap())])
            .status()
            .await;
        assert!(told.unwrap().success());
        while let Ok(Ok(Some(_))) = timeout(PATIENCE, self.lines.next_line()).await {}
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap()
    }
}

#[tokio::test]
async fn a_killed_run_takes_its_stores_with_it_and_only_those() {
    let home = Home::new();
    let quiet = ["--quiet", "--listen", "127.0.0.1:0"];
    let mut killed = Run::start(&home, &quiet).await;
    // A run, two guards with their watchers, two stores; backends of Postgres go by another name.
    assert!(home.processes() >= 5, "{}", home.processes());
    assert_eq!(home.socket_dirs(), 2);

    killed.child.kill().await.unwrap();
    eventually("its processes are gone", async || home.processes() == 0).await;
    eventually("its sockets are gone", async || home.socket_dirs() == 0).await;

    // What it left behind is in nobody's way.
    let next = Run::start(&home, &quiet).await;
    let beside = Run::start(&home, &quiet).await;
    assert_eq!(home.socket_dirs(), 4);
    assert_ne!(next.base, beside.base);
    drop(beside);
    eventually("its sockets are gone", async || home.socket_dirs() == 2).await;
    assert!(next.is_ready().await);
    assert!(next.interrupt().await.success());
    home.is_left_empty().await;
}

#[tokio::test]
async fn ctrl_c_ends_a_run_and_leaves_nothing_but_its_logs() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = Run::start(&home, &["--quiet", "--listen", &address]).await;
    assert_ne!(run.base, format!("http://{address}"), "somebody listens there already");
    assert!(run.is_ready().await);
    assert_eq!(run.ask("/sales").await["items"].as_array().unwrap().len(), 0, "no demo sale");

    assert_eq!(run.interrupt().await.code(), Some(0));
    home.is_left_empty().await;
    let mut left: Vec<String> = fs::read_dir(home.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["lock", "postgres.log", "redis.log"]);
}

#[tokio::test]
async fn the_demo_crowd_buys_at_the_front_door() {
    let home = Home::new();
    let run = Run::start(&home, &["--listen", "127.0.0.1:0"]).await;
    let room = reqwest::get(format!("{}/s/demo", run.base)).await.unwrap();
    assert_eq!(room.status(), 200);

    let deadline = Instant::now() + FIRST_ORDER;
    while run.ask("/sales/demo/orders").await["items"].as_array().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "nobody buys");
        sleep(Duration::from_millis(200)).await;
    }
    let stats = run.ask("/sales/demo/stats").await;
    assert_eq!(stats["tokens"]["seeded"], 200, "{stats}");
    assert!(stats["tokens"]["sold"].as_u64().unwrap() > 0, "{stats}");
    let said = run.ask("/sales/demo/reconciliation").await;
    assert_eq!(said["consistent"], true, "{said}");

    assert_eq!(run.interrupt().await.code(), Some(0));
    home.is_left_empty().await;
}

#[tokio::test]
async fn a_command_gets_migrated_stores_and_its_exit_code_is_passed_on() {
    let home = Home::new();
    let script = "echo $REDIS_URL; echo $DATABASE_URL; read -r code; exit $code";
    let mut run = home.dev(&["--stores-only", "--", "sh", "-c", script]).spawn().unwrap();
    let mut lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let mut line = async || timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    let (redis_url, database_url) = (line().await, line().await);

    let redis = redis::Client::open(redis_url).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let pong: String = redis::cmd("PING").query_async(&mut redis).await.unwrap();
    assert_eq!(pong, "PONG");
    let mut postgres = PgConnection::connect(&database_url).await.unwrap();
    let sales: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sales").fetch_one(&mut postgres).await.unwrap();
    assert_eq!(sales, 0);

    run.stdin.take().unwrap().write_all(b"7\n").await.unwrap();
    let status = timeout(PATIENCE, run.wait()).await.expect("it ends with the command").unwrap();
    assert_eq!(status.code(), Some(7));
    home.is_left_empty().await;
}

#[tokio::test]
async fn kept_data_is_served_again_and_a_ticket_of_the_last_run_is_good() {
    let home = Home::new();
    let options = ["--keep", "--quiet", "--listen", "127.0.0.1:0"];
    let first = Run::start(&home, &options).await;
    let made = json!({ "slug": "kept", "name": "Kept" });
    let sales = format!("{}/api/v1/admin/sales", first.base);
    let client = Client::new();
    let made = client.post(sales).bearer_auth(ADMIN_KEY).json(&made).send().await.unwrap();
    assert_eq!(made.status(), 201);
    let joined = client.post(format!("{}/api/v1/sales/kept/tickets", first.base)).send().await;
    let joined: Value = serde_json::from_str(&joined.unwrap().text().await.unwrap()).unwrap();
    assert!(first.interrupt().await.success());

    let again = Run::start(&home, &options).await;
    let ticket = joined["ticket"].as_str().unwrap();
    let state = client.get(format!("{}/api/v1/sales/kept/tickets/{ticket}", again.base));
    let state = state.bearer_auth(joined["credential"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(state.status(), 200);
    assert!(again.interrupt().await.success());
}
