//! The gateway as the crowd sees it: calls that are repeated until they are answered, and a count of what
//! became of everyone.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Open connections: these, and those which the HTTP client keeps for the next call.
const CONNECTIONS: usize = 360;
const IDLE_CONNECTIONS: usize = 32;
/// Longer than any honest answer of a gateway, so that a dead one is noticed.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Tries of one call, or connections in a row without a state, before a shopper gives up.
pub(crate) const TRIES: u32 = 12;
/// Whatever `Retry-After` says, a demo does not sit still for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The gateway as the crowd sees it.
pub(crate) struct Door {
    http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) slug: String,
    pub(crate) connections: Semaphore,
    pub(crate) over: CancellationToken,
    pub(crate) crowd: Crowd,
}

/// What became of the crowd, in shoppers.
#[derive(Default)]
pub(crate) struct Crowd {
    pub(crate) joined: AtomicU32,
    pub(crate) left: AtomicU32,
    pub(crate) admitted: AtomicU32,
    pub(crate) bought: AtomicU32,
    pub(crate) released: AtomicU32,
    pub(crate) walked_away: AtomicU32,
    pub(crate) too_late: AtomicU32,
    pub(crate) gave_up: AtomicU32,
}

impl Door {
    pub(crate) fn new(base_url: &str, slug: &str) -> Result<Door> {
        ensure!(base_url.starts_with("http://"), "the demo speaks plain http, not {base_url}");
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(CALL_LIMIT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS);
        Ok(Door {
            http: http.build()?,
            base: base_url.trim_end_matches('/').to_owned(),
            slug: slug.to_owned(),
            connections: Semaphore::new(CONNECTIONS),
            over: CancellationToken::new(),
            crowd: Crowd::default(),
        })
    }

    /// One call, repeated until it is answered with more than "try again". The same key goes with
    /// each try, so that it happens once.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let key = crate::random_text();
        let mut last = String::new();
        for attempt in 0..TRIES {
            let mut request = self.http.request(method.clone(), &url);
            if method == Method::POST {
                request = request.header("Idempotency-Key", &key);
            }
            if !bearer.is_empty() {
                request = request.bearer_auth(bearer);
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let permit = self.connections.acquire().await?;
            let outcome = Answer::read(request).await;
            drop(permit);
            let (why, asked) = match outcome {
                Ok(answer) if !answer.asks_to_try_again() => return Ok(answer),
                Ok(answer) => (answer.status.to_string(), answer.retry_after),
                Err(error) => (error.to_string(), None),
            };
            last = why;
            pause(attempt, asked).await;
        }
        bail!("{path}: no answer after {TRIES} tries: {last}")
    }

    pub(crate) async fn sale_status(&self) -> Result<String> {
        let path = format!("/api/v1/sales/{}", self.slug);
        let sale = self.call(Method::GET, &path, "", None).await?;
        Ok(sale.body["status"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn report(&self) {
        let read = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        tracing::info!(
            sale = %self.slug,
            joined = read(&self.crowd.joined),
            left = read(&self.crowd.left),
            admitted = read(&self.crowd.admitted),
            bought = read(&self.crowd.bought),
            released = read(&self.crowd.released),
            walked_away = read(&self.crowd.walked_away),
            too_late = read(&self.crowd.too_late),
            gave_up = read(&self.crowd.gave_up),
            "the demo crowd so far"
        );
    }
}

pub(crate) struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    pub(crate) body: Value,
}

impl Answer {
    async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        // No body, as with 204, or one that is no JSON, as from a balancer: the status tells enough.
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Answer { status, retry_after, body })
    }

    pub(crate) fn is(&self, status: StatusCode, code: &str) -> bool {
        self.status == status && self.body["code"] == code
    }

    fn asks_to_try_again(&self) -> bool {
        let full = self.status == StatusCode::TOO_MANY_REQUESTS;
        full || self.status.is_server_error()
            || self.is(StatusCode::CONFLICT, "idempotency-in-progress")
    }

    pub(crate) fn expect_success(&self, what: &str) -> Result<()> {
        ensure!(self.status.is_success(), "{what}: {} {}", self.status, self.body);
        Ok(())
    }
}

/// As long as was asked for, else ever longer with each attempt; never in step with the others.
pub(crate) async fn pause(attempt: u32, asked: Option<Duration>) {
    let backoff = Duration::from_millis(250) * 2u32.pow(attempt.min(5));
    let (least, spread) = match asked {
        Some(asked) => (asked.min(LONGEST_WAIT), Duration::from_secs(1)),
        None => (Duration::ZERO, backoff),
    };
    sleep(least + spread.mul_f64(rand::random_range(0.1..1.0))).await;
}

pub(crate) fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

pub(crate) fn count(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}
