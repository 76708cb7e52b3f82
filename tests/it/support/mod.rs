//! A shop for each test: a gateway of its own over a database of its own, on one real Redis and one real
//! Postgres for the whole run. Tests speak to it over HTTP and sockets, as everybody does.

pub mod book;
pub mod member;
pub mod model;
pub mod process;
pub mod redis_state;
pub mod replica;
pub mod script_run;
pub mod served;
pub mod sockets;
pub mod staff;
pub mod wire;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::{Client, Method, StatusCode};
use ropeline::dev::stores::{Data, Stores};
use ropeline::gateway::config::{Config, Stores as StoreUrls};
use ropeline::ledger::Ledger;
use ropeline::web::Settings;
use ropeline::web::server::limits::Rates;
use ropeline::web::server::serve;
use ropeline::{gateway, telemetry};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub const ADMIN_KEY: &str = "an operator's key for tests";
pub const SECRET: &str = "a secret of more than thirty-two bytes, for tests";

/// How long a test waits for something that takes a fraction of it: machines are noisy.
pub const PATIENCE: Duration = Duration::from_secs(20);

static STORES: OnceCell<Stores> = OnceCell::const_new();
static METRICS: LazyLock<PrometheusHandle> =
    LazyLock::new(|| telemetry::install_metrics().unwrap());
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The stores that all tests of this run share. They end with the process.
async fn shared() -> &'static Stores {
    STORES
        .get_or_init(|| async {
            let dir =
                Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("it-{}", std::process::id()));
            let stores = Stores::start(&dir, Data::Fresh).await.expect("redis and postgres start");
            // Every test's database is a copy of this one.
            let ledger = Ledger::new(&stores.database_url()).unwrap();
            ledger.migrate().await.unwrap();
            ledger.close().await;
            stores
        })
        .await
}

/// A store pair and a fresh, migrated database in it.
#[derive(Clone)]
pub struct Place {
    pub redis_url: String,
    pub database_url: String,
}

impl Place {
    /// A database of its own on the shared stores.
    pub async fn fresh() -> Self {
        let stores = shared().await;
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = stores.database_url().replace("/ropeline?", "/postgres?");
        let pool = sqlx::PgPool::connect(&admin).await.unwrap();
        let create = format!("CREATE DATABASE {name} TEMPLATE ropeline");
        for attempt in 0.. {
            // The template must be idle for a moment; another test may be copying it.
            match sqlx::query(sqlx::AssertSqlSafe(create.clone())).execute(&pool).await {
                Ok(_) => break,
                Err(error) if attempt > 100 => panic!("{error}"),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
        pool.close().await;
        let database_url = stores.database_url().replace("/ropeline?", &format!("/{name}?"));
        Self { redis_url: stores.redis_url(), database_url }
    }

    /// Postgres, for looking and for tampering.
    pub async fn sql(&self) -> sqlx::PgPool {
        sqlx::postgres::PgPoolOptions::new()
            .max_connections(8)
            .connect(&self.database_url)
            .await
            .unwrap()
    }

    /// Redis, for looking and for tampering.
    pub async fn redis(&self) -> redis::aio::MultiplexedConnection {
        // It waits as long as a busy machine takes.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let client = redis::Client::open(self.redis_url.as_str()).unwrap();
        client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }
}

/// The header in which a proxy names the client.
pub const FROM: &str = "x-forwarded-for";

/// An address that no call came from yet, for guesses that are not to be held back.
pub fn elsewhere() -> String {
    std::net::Ipv4Addr::from(0xcb00_0000 + NEXT.fetch_add(1, Ordering::Relaxed)).to_string()
}

/// One running gateway in this process.
pub struct Gateway {
    pub address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    pub async fn start(place: &Place, limits: bool) -> Self {
        Self::start_at(place, limits, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts it at an address that another one has left.
    pub async fn start_at(place: &Place, limits: bool, address: SocketAddr) -> Self {
        Self::start_with(place, address, |config| {
            config.http.rates = limits.then(Rates::default);
        })
    }

    /// Starts it with settings of its own.
    pub fn start_with(
        place: &Place,
        address: SocketAddr,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let listener = serve::listen(address).unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Config {
            stores: StoreUrls {
                redis_url: place.redis_url.clone(),
                database_url: place.database_url.clone(),
            },
            listen: address,
            ops_listen: None,
            secret: SECRET.into(),
            max_connections: 5_000,
            log_format: telemetry::LogFormat::Text,
            http: Settings {
                admin_key: ADMIN_KEY.into(),
                public_url: None,
                trusted_proxies: Vec::new(),
                rates: None,
                serves_metrics: true,
            },
        };
        change(&mut config);
        let stop = CancellationToken::new();
        let running = tokio::spawn(gateway::run(config, listener, METRICS.clone(), stop.clone()));
        Self { address, stop, running }
    }

    /// Drains it, as SIGTERM does.
    pub async fn stop(self) {
        self.stop.cancel();
        self.running.await.unwrap().unwrap();
    }

    /// Tells it to stop, without waiting.
    pub fn tell_to_stop(&self) {
        self.stop.cancel();
    }
}

/// A gateway with its database: the world of one test.
pub struct Shop {
    pub place: Place,
    pub gateway: Gateway,
    pub base: String,
    pub client: Client,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
    /// Null when it is not JSON.
    pub body: Value,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the gateway answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { status, headers, text, body }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer's status and the stable word of its problem.
    pub fn refusal(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or(""))
    }

    /// The fields that a 422 names.
    pub fn fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array();
        errors.into_iter().flatten().map(|error| error["field"].as_str().unwrap()).collect()
    }
}

impl Shop {
    /// A ready gateway without limits for each address, which all tests share.
    pub async fn open() -> Self {
        Self::at(Place::fresh().await, false).await
    }

    pub async fn at(place: Place, limits: bool) -> Self {
        let gateway = Gateway::start(&place, limits).await;
        Self::of(place, gateway).await
    }

    /// A ready gateway with settings of its own.
    pub async fn with(place: Place, change: impl FnOnce(&mut Config)) -> Self {
        let gateway = Gateway::start_with(&place, SocketAddr::from(([127, 0, 0, 1], 0)), change);
        Self::of(place, gateway).await
    }

    /// A ready gateway behind a proxy on this machine: each call may name its own address in `FROM`.
    pub async fn behind_a_proxy() -> Self {
        Self::with(Place::fresh().await, |config| {
            config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        })
        .await
    }

    pub async fn of(place: Place, gateway: Gateway) -> Self {
        let base = format!("http://{}", gateway.address);
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let shop = Self { place, gateway, base, client };
        eventually("the gateway is ready", async || shop.get("/readyz").await.status == 200).await;
        shop
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub fn operator(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, &format!("/api/v1/admin{path}")).bearer_auth(ADMIN_KEY)
    }

    pub async fn ask(&self, path: &str) -> Answer {
        Answer::of(self.operator(Method::GET, path)).await
    }

    pub async fn tell(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.operator(Method::POST, path).json(&body)).await
    }

    /// A sale of its own: a quick pace, builtin checkout, and `more` on top. Not seeded, not open.
    pub async fn sale(&self, more: Value) -> Sale<'_> {
        let slug = format!("sale-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut body = json!({ "slug": slug, "name": "A sale", "checkout": "builtin",
                               "admit_interval_ms": 20, "expiry_grace_seconds": 0 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.tell("/sales", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        Sale { shop: self, id: made.body["id"].as_str().unwrap().to_owned(), slug }
    }

    /// A sale that is seeded and open.
    pub async fn open_sale(&self, units: u32, more: Value) -> Sale<'_> {
        let sale = self.sale(more).await;
        sale.seed(units).await;
        sale.steer("open").await;
        sale
    }
}

/// One sale in a shop.
pub struct Sale<'a> {
    pub shop: &'a Shop,
    pub id: String,
    pub slug: String,
}

impl Sale<'_> {
    pub async fn seed(&self, units: u32) -> Answer {
        let answer = self.shop.tell(&self.path("/tokens"), json!({ "count": units })).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    /// `open`, `pause`, `resume` or `close`.
    pub async fn steer(&self, action: &str) -> Answer {
        let answer = self.shop.tell(&self.path(&format!("/{action}")), json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer
    }

    /// A path below this sale, for the operator.
    pub fn path(&self, rest: &str) -> String {
        format!("/sales/{}{rest}", self.id)
    }

    pub async fn stats(&self) -> Value {
        let answer = self.shop.ask(&self.path("/stats")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body
    }

    pub async fn facts(&self) -> Value {
        self.shop.get(&format!("/api/v1/sales/{}", self.id)).await.body
    }

    pub fn join_request(&self) -> reqwest::RequestBuilder {
        self.shop.request(Method::POST, &format!("/api/v1/sales/{}/tickets", self.id))
    }

    pub async fn try_join(&self) -> Answer {
        Answer::of(self.join_request()).await
    }

    pub async fn join(&self) -> Shopper {
        let joined = self.try_join().await;
        assert_eq!(joined.status, 201, "{}", joined.text);
        Shopper::new(self.shop, &joined.body)
    }

    /// The status, once it is this.
    pub async fn becomes(&self, status: &str) {
        eventually(&format!("the sale is {status}"), async || {
            self.facts().await["status"] == status
        })
        .await;
    }

    /// What must hold at any moment: every unit is in one place, and both stores say the same.
    pub async fn adds_up(&self) {
        let stats = self.stats().await;
        let tokens = &stats["tokens"];
        let sum: i64 = ["available", "held", "sold", "withdrawn"]
            .iter()
            .map(|part| tokens[part].as_i64().unwrap())
            .sum();
        assert_eq!(tokens["seeded"].as_i64(), Some(sum), "{stats}");
        let said = self.shop.ask(&self.path("/reconciliation")).await;
        assert_eq!(said.body["consistent"], true, "{}", said.text);
    }
}

/// One shopper with a ticket.
#[derive(Clone)]
pub struct Shopper {
    base: String,
    client: Client,
    pub sale: String,
    pub ticket: String,
    pub credential: String,
}

impl Shopper {
    pub fn new(shop: &Shop, joined: &Value) -> Self {
        let text = |name: &str| joined[name].as_str().unwrap().to_owned();
        Self {
            base: shop.base.clone(),
            client: shop.client.clone(),
            sale: text("sale"),
            ticket: text("ticket"),
            credential: text("credential"),
        }
    }

    /// The same shopper at another gateway.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/sales/{}/tickets/{}{rest}", self.sale, self.ticket)
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.credential)
    }

    pub async fn poll(&self) -> Answer {
        Answer::of(self.request(Method::GET, &self.path(""))).await
    }

    /// The state, once it is this.
    pub async fn becomes(&self, state: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.poll().await;
            if now.body["state"] == state {
                return now.body;
            }
            assert!(Instant::now() < deadline, "never {state}: {}", now.text);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The id of this shopper's hold, once admitted.
    pub async fn hold(&self) -> String {
        self.becomes("admitted").await["hold"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn leave(&self) -> Answer {
        Answer::of(self.request(Method::DELETE, &self.path(""))).await
    }

    pub async fn confirm(&self, hold: &str) -> Answer {
        let request = self.request(Method::POST, &format!("/api/v1/holds/{hold}/confirm"));
        Answer::of(request.json(&json!({ "payment_reference": "card-1" }))).await
    }

    pub async fn release(&self, hold: &str) -> Answer {
        Answer::of(self.request(Method::POST, &format!("/api/v1/holds/{hold}/release"))).await
    }
}

/// Waits until something is so.
pub async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Runs the same for many at once.
pub async fn all<T: Send + 'static>(
    runs: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = runs.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

impl Answer {
    /// Asserts that this is a whole problem document with this status and code.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.refusal(), (status, code), "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        assert_eq!(self.body["status"], status);
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        for words in ["title", "detail"] {
            assert_ne!(self.body[words].as_str().unwrap_or_default(), "", "{}", self.text);
        }
        if [429, 503].contains(&status) {
            let seconds: u64 = self.header("retry-after").parse().expect("seconds to wait");
            assert!((1..=60).contains(&seconds), "{seconds}");
        }
    }

    /// Asserts a 422 that names exactly these fields.
    #[track_caller]
    pub fn names(&self, fields: &[&str]) {
        self.is_problem(422, "invalid");
        assert_eq!(self.fields(), fields, "{}", self.text);
    }
}

impl Shop {
    /// A sale that is open and has nothing seeded: everyone waits.
    pub async fn sale_of_nothing(&self, more: Value) -> Sale<'_> {
        let sale = self.sale(more).await;
        sale.steer("open").await;
        sale
    }

    /// Changes a sale's settings.
    pub async fn change(&self, sale: &Sale<'_>, to: Value) -> Answer {
        Answer::of(self.operator(Method::PATCH, &sale.path("")).json(&to)).await
    }
}
