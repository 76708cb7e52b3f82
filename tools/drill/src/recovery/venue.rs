//! One sale with a long line in a database of its own, and a gateway that serves it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::{Client, Method, RequestBuilder};
use ropeline::dev::stores::Stores;
use ropeline::gateway::config::{Config, Stores as StoreUrls};
use ropeline::ledger::Ledger;
use ropeline::telemetry::LogFormat;
use ropeline::web::Settings;
use ropeline::{gateway, random_text};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const ADMIN_KEY: &str = "the drill's operator";
const SECRET: &str = "a secret of more than thirty-two bytes, for the drill";
/// Units to sell: their tokens are rebuilt, too.
const UNITS: i32 = 10_000;
/// Between two looks at something that is waited for.
pub const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Longest wait for anything: many times what a million takes on a small machine.
const PATIENCE: Duration = Duration::from_secs(300);

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

/// A sale, who waits in it, and one of them whom we follow.
pub struct Venue {
    pub size: i64,
    pub urls: StoreUrls,
    pub sql: PgPool,
    pub sale: String,
    /// The path and the credential of the shopper at the end of the line.
    pub ticket: String,
    pub credential: String,
}

impl Venue {
    /// Makes the sale and its line, most of it by SQL, and has it loaded into Redis.
    pub async fn fill(
        stores: &mut Stores,
        metrics: &PrometheusHandle,
        size: i64,
    ) -> anyhow::Result<Self> {
        let urls = own_database(stores, &format!("line_{size}")).await?;
        let sql = PgPoolOptions::new().max_connections(4).connect(&urls.database_url).await?;
        let served = Served::start(&urls, metrics).await?;
        // One at a time and slowly, so that the line keeps its length.
        let made = served
            .operator(
                "",
                json!({ "slug": "line", "name": "A line", "batch_size": 1,
                        "admit_interval_ms": 200, "max_waiting": 10_000_000 }),
            )
            .await?;
        let sale = made["id"].as_str().context("no sale")?.to_owned();
        served.operator(&format!("/{sale}/tokens"), json!({ "count": UNITS })).await?;
        sqlx::query(
            "INSERT INTO joins (sale_id, ticket, seq)
             SELECT id, gen_random_uuid(), n FROM sales, generate_series(1, $1) AS n",
        )
        .bind(size)
        .execute(&sql)
        .await?;
        sqlx::query("ANALYZE joins").execute(&sql).await?;
        lose_redis(stores).await?;
        let redis = connect(stores).await?;
        until("the line is loaded", async || {
            line(&mut redis.clone(), &sale).await.filter(|found| found.waiting >= size)
        })
        .await?;
        let path = format!("/api/v1/sales/{sale}/tickets");
        let joined = until("joins are taken", async || {
            served.send(served.request(Method::POST, &path)).await.ok()
        })
        .await?;
        let text = |name: &str| joined[name].as_str().map(str::to_owned).context("no ticket");
        let (ticket, credential) = (format!("{path}/{}", text("ticket")?), text("credential")?);
        served.operator(&format!("/{sale}/open"), json!({})).await?;
        served.stop().await?;
        Ok(Self { size, urls, sql, sale, ticket, credential })
    }
}

/// Redis loses everything, and comes back empty. Returns how long it was away.
pub async fn lose_redis(stores: &mut Stores) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    stores.kill_redis().await?;
    stores.wipe_redis_data().await?;
    stores.start_redis().await?;
    Ok(begun.elapsed())
}

async fn own_database(stores: &Stores, name: &str) -> anyhow::Result<StoreUrls> {
    let pool = PgPool::connect(&stores.database_url()).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await?;
    pool.close().await;
    let database_url = stores.database_url().replace("/ropeline?", &format!("/{name}?"));
    let ledger = Ledger::new(&database_url)?;
    ledger.migrate().await?;
    ledger.close().await;
    Ok(StoreUrls { redis_url: stores.redis_url(), database_url })
}

/// A connection of our own that waits as long as it takes.
pub async fn connect(stores: &Stores) -> anyhow::Result<redis::aio::MultiplexedConnection> {
    let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let client = redis::Client::open(stores.redis_url())?;
    Ok(client.get_multiplexed_async_connection_with_config(&patient).await?)
}

/// What Redis serves of a sale.
pub struct Line {
    pub epoch: i32,
    pub waiting: i64,
}

pub async fn line(redis: &mut redis::aio::MultiplexedConnection, sale: &str) -> Option<Line> {
    let key = |name: &str| format!("ropeline:{{{sale}}}:{name}");
    let (epoch, waiting): (Option<i32>, i64) = redis::pipe()
        .cmd("HGET")
        .arg(key("ctl"))
        .arg("epoch")
        .cmd("ZCARD")
        .arg(key("queue"))
        .query_async(redis)
        .await
        .ok()?;
    Some(Line { epoch: epoch?, waiting })
}

/// A gateway in this process.
pub struct Served {
    base: String,
    client: Client,
    stop: CancellationToken,
    running: JoinHandle<anyhow::Result<()>>,
}

impl Served {
    pub async fn start(urls: &StoreUrls, metrics: &PrometheusHandle) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let listen = listener.local_addr()?;
        let config = Config {
            stores: urls.clone(),
            listen,
            ops_listen: None,
            secret: SECRET.into(),
            max_connections: 1_000,
            log_format: LogFormat::Text,
            http: Settings {
                admin_key: ADMIN_KEY.into(),
                public_url: None,
                trusted_proxies: Vec::new(),
                rates: None,
                serves_metrics: true,
            },
        };
        let stop = CancellationToken::new();
        let running = tokio::spawn(gateway::run(config, listener, metrics.clone(), stop.clone()));
        let client = Client::builder().timeout(PATIENCE).build()?;
        let served = Self { base: format!("http://{listen}"), client, stop, running };
        until("the gateway is ready", async || {
            served.send(served.request(Method::GET, "/readyz")).await.ok()
        })
        .await?;
        Ok(served)
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// The answer's body, if it is a success.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let text = request.send().await?.error_for_status()?.text().await?;
        Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn operator(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, &format!("/api/v1/admin/sales{path}"));
        let key = ("idempotency-key", random_text());
        self.send(request.bearer_auth(ADMIN_KEY).header(key.0, key.1).json(&body)).await
    }

    pub async fn reconciliation(&self, sale: &str) -> anyhow::Result<Value> {
        let path = format!("/api/v1/admin/sales/{sale}/reconciliation");
        self.send(self.request(Method::GET, &path).bearer_auth(ADMIN_KEY)).await
    }

    /// Seconds since this gateway last saw the line, by its own count.
    pub async fn mirror_age(&self) -> Option<f64> {
        let metrics = self.send(self.request(Method::GET, "/metrics")).await.ok()?;
        let name = "ropeline_mirror_age_seconds{";
        let line = metrics.as_str()?.lines().find(|line| line.starts_with(name))?.to_owned();
        line.rsplit(' ').next()?.parse().ok()
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.running.await?
    }
}
