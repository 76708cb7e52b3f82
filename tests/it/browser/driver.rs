//! A real browser: one chromedriver for the whole run, which ends with it, and a browser of its own for
//! each test, with cookies of its own.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

/// Browsers at a time: each wants a core.
const MOST_BROWSERS: usize = 2;
thread_local! {
    /// Browsers that the test on this thread has open.
    static OPEN: Cell<usize> = const { Cell::new(0) };
}
/// An idle browser ends in a fraction of this.
const ENDED_WITHIN: Duration = Duration::from_secs(5);
/// What a machine without a browser is told.
const INSTALL: &str =
    "the browser tests need Chromium and chromedriver: run `scripts/setup --browser`";

/// Runs chromedriver in a process group of its own, and ends the whole group when the pipe on its standard
/// input closes: that is when the tests end, however they end. No browser outlives them.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
exec >/dev/null
trap '' TERM HUP INT
read -r _ <&3
kill -TERM 0
sleep 1 3<&-
rm -rf "$TMPDIR"
kill -KILL 0
"#;

static DRIVER: OnceCell<Driver> = OnceCell::const_new();
static SLOTS: Semaphore = Semaphore::const_new(MOST_BROWSERS);

struct Driver {
    port: u16,
    /// Its standard input is the guard's word to go on.
    _guard: Child,
}

impl Driver {
    /// Starts chromedriver on a free port.
    fn start() -> Self {
        // Not below the build directory: a browser makes sockets here, whose paths must be short.
        let home = std::env::temp_dir().join(format!("ropeline-browser-{}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "guard", "chromedriver", "--port=0"]);
        shell.env("HOME", &home).env("TMPDIR", &home).env("TZ", "UTC").env("LANG", "C.UTF-8");
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut guard = shell.spawn().unwrap();
        let mut said = BufReader::new(guard.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said.find_map(|line| {
            let rest = line.split_once("started successfully on port ")?.1;
            rest.trim_end_matches('.').parse().ok()
        });
        // It may say more, and must not be stopped by a full pipe.
        std::thread::spawn(move || said.for_each(drop));
        Self {
            port: port.unwrap_or_else(|| panic!("chromedriver does not start; {INSTALL}")),
            _guard: guard,
        }
    }
}

/// A command of the browser's own protocol.
#[derive(Debug)]
struct Cdp {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Cdp {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// One browser with nothing in it: no cookies, no history.
pub struct Session {
    pub client: Client,
    id: String,
    port: u16,
    _slot: Option<SemaphorePermit<'static>>,
}

impl Session {
    pub async fn start() -> Self {
        Self::with_logs(json!({ "browser": "ALL" })).await
    }

    /// A browser that also writes down every request and answer, for [`Session::traffic`].
    pub async fn start_recording() -> Self {
        Self::with_logs(json!({ "browser": "ALL", "performance": "ALL" })).await
    }

    async fn with_logs(logs: Value) -> Self {
        // A test that has a browser does not wait for a second one: two such tests would wait for each other.
        let slot = match OPEN.get() {
            0 => Some(SLOTS.acquire().await.unwrap()),
            _ => SLOTS.try_acquire().ok(),
        };
        let port = DRIVER.get_or_init(async || Driver::start()).await.port;
        let args = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-sync",
            "--disable-component-update",
            "--no-first-run",
            "--lang=en-US",
            "--accept-lang=en-US",
            "--window-size=1280,900",
        ];
        let wanted = json!({
            "browserName": "chrome",
            "goog:loggingPrefs": logs,
            "goog:chromeOptions": { "args": args },
        });
        let Value::Object(wanted) = wanted else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(Capabilities::from_iter(wanted))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap_or_else(|error| panic!("no browser: {error}; {INSTALL}"));
        let id = client.session_id().await.unwrap().unwrap();
        OPEN.set(OPEN.get() + 1);
        Self { client, id, port, _slot: slot }
    }

    /// Asks the browser itself, below the page.
    pub async fn cdp(&self, command: &str, params: Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        let done = self.client.issue_cmd(Cdp { path: "goog/cdp/execute", body }).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// What the browser complained about since it was last asked: scripts, policies, failed requests.
    pub async fn log(&self) -> Vec<Value> {
        self.entries("browser").await
    }

    /// What the browser's own protocol told of the network since it was last asked: method and parameters.
    pub async fn traffic(&self) -> Vec<Value> {
        let entries = self.entries("performance").await;
        let told = entries.iter().filter_map(|entry| {
            serde_json::from_str::<Value>(entry["message"].as_str()?)
                .ok()
                .map(|it| it["message"].clone())
        });
        let is_of_network =
            |it: &Value| it["method"].as_str().is_some_and(|it| it.starts_with("Network."));
        told.filter(is_of_network).collect()
    }

    async fn entries(&self, kind: &str) -> Vec<Value> {
        let body = json!({ "type": kind });
        let log = self.client.issue_cmd(Cdp { path: "se/log", body }).await.unwrap();
        log.as_array().unwrap().clone()
    }
}

impl Drop for Session {
    /// Also when the test has failed: a browser that nobody looks at would slow the others down.
    fn drop(&mut self) {
        OPEN.set(OPEN.get() - 1);
        let end = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            self.id
        );
        if let Ok(mut driver) = TcpStream::connect(("127.0.0.1", self.port))
            && driver.write_all(end.as_bytes()).is_ok()
        {
            // It answers when the browser has ended, and then keeps the connection.
            driver.set_read_timeout(Some(ENDED_WITHIN)).ok();
            driver.read_exact(&mut [0; 64]).ok();
        }
    }
}
