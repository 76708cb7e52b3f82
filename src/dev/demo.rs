//! The demo crowd: simulated shoppers who use a gateway from outside, over HTTP and WebSocket.
//!
//! Owns one sale of its own and nothing else. It knows the gateway by its public API alone, so it
//! works against any gateway whose admin key it is given, and a fault of ours looks to it as it
//! would to a shopper: something to retry, never a reason to panic.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{interval, sleep, timeout},
};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};
use tokio_util::sync::CancellationToken;

/// Enough to see a queue and a sell-out within minutes.
const UNITS: u32 = 200;
/// The first wave, and the time over which it arrives.
const WAVE: u32 = 300;
const WAVE_TIME: Duration = Duration::from_secs(90);
/// Units come back after the wave; somebody has to want them. One latecomer in each such time.
const LATE_GAP: Duration = Duration::from_secs(2);
/// A sale that has not sold out by then never will.
const MOST_SHOPPERS: u32 = 1200;
/// Open connections: these, and those which the HTTP client keeps for the next call.
const CONNECTIONS: usize = 360;
const IDLE_CONNECTIONS: usize = 32;
/// Longer than any honest answer of a gateway, so that a dead one is noticed.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// A gateway sends on an idle socket well within this time.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// Tries of one call, or connections in a row without a state, before a shopper gives up.
const TRIES: u32 = 12;
/// Whatever `Retry-After` says, a demo does not sit still for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A state is below 2 kB; nothing that is much larger is for us.
const LARGEST_MESSAGE: usize = 64 * 1024;
const SUMMARY_GAP: Duration = Duration::from_secs(10);
/// Time for the shoppers in line to be told that all is sold.
const FAREWELL: Duration = Duration::from_secs(5);

/// Creates a sale and sends the crowd, until it is sold out or `stop` is cancelled.
pub async fn run(base_url: &str, admin_key: &str, stop: CancellationToken) -> Result<()> {
    let slug = match stop.run_until_cancelled(create_sale(base_url, admin_key)).await {
        Some(created) => created?,
        None => return Ok(()),
    };
    crowd(base_url, &slug, stop).await
}

/// Creates a sale named `demo`, or `demo-2` and so on, with its units, and opens it.
pub async fn create_sale(base_url: &str, admin_key: &str) -> Result<String> {
    let door = Door::new(base_url, "")?;
    let post =
        async |path: &str, body: Value| door.call(Method::POST, path, admin_key, Some(&body)).await;
    for n in 1..100 {
        let slug = if n == 1 { "demo".to_owned() } else { format!("demo-{n}") };
        // A short checkout window shows what happens to units that nobody pays for.
        let settings = json!({
            "slug": slug, "name": "Demo sale", "checkout": "builtin", "checkout_window_seconds": 120,
            "batch_size": 5, "admit_interval_ms": 2000, "max_in_checkout": 40,
        });
        let created = post("/api/v1/admin/sales", settings).await?;
        if created.is(StatusCode::CONFLICT, "slug-taken") {
            continue;
        }
        created.expect_success("creating the sale")?;
        let sale = format!("/api/v1/admin/sales/{slug}");
        let seeded = post(&format!("{sale}/tokens"), json!({ "count": UNITS })).await?;
        seeded.expect_success("seeding the sale")?;
        let opened = door.call(Method::POST, &format!("{sale}/open"), admin_key, None).await?;
        opened.expect_success("opening the sale")?;
        return Ok(slug);
    }
    bail!("there are 99 demo sales already")
}

/// Sends shoppers to the sale `slug` until it is sold out or `stop` is cancelled.
pub async fn crowd(base_url: &str, slug: &str, stop: CancellationToken) -> Result<()> {
    let door = Arc::new(Door::new(base_url, slug)?);
    let mut shoppers = JoinSet::new();
    let visit = async {
        let arrivals = arrive(&door, &mut shoppers);
        tokio::join!(arrivals, report_until_over(&door));
    };
    if stop.run_until_cancelled(visit).await.is_some() {
        let goodbye = async { while shoppers.join_next().await.is_some() {} };
        // Who walked away is long gone; who has not heard by then is cut off.
        stop.run_until_cancelled(timeout(FAREWELL, goodbye)).await;
        door.report();
    }
    shoppers.shutdown().await;
    Ok(())
}

/// Lets shoppers in at the door: a wave, then latecomers, until the sale is over.
async fn arrive(door: &Arc<Door>, shoppers: &mut JoinSet<()>) {
    for n in 1..=MOST_SHOPPERS {
        let gap = if n <= WAVE { WAVE_TIME / WAVE } else { LATE_GAP };
        // Between none and twice the gap: people do not arrive on a beat.
        let gap = gap.mul_f64(rand::random_range(0.0..2.0));
        if door.over.run_until_cancelled(sleep(gap)).await.is_none() {
            return;
        }
        let door = Arc::clone(door);
        shoppers.spawn(async move {
            if let Err(error) = Shopper::visit(&door, n).await {
                count(&door.crowd.gave_up);
                tracing::debug!(shopper = n, %error, "a demo shopper gave up");
            }
        });
        while shoppers.try_join_next().is_some() {}
    }
    door.over.cancel();
}

async fn report_until_over(door: &Door) {
    let mut beat = interval(SUMMARY_GAP);
    beat.tick().await;
    while door.over.run_until_cancelled(beat.tick()).await.is_some() {
        door.report();
        // A gateway that is away for a moment is asked again with the next line.
        let status = door.sale_status().await.unwrap_or_default();
        if status == "sold_out" || status == "closed" {
            tracing::info!(sale = %door.slug, status, "the demo sale is over");
            door.over.cancel();
        }
    }
}

/// The gateway as the crowd sees it.
struct Door {
    http: reqwest::Client,
    base: String,
    slug: String,
    connections: Semaphore,
    over: CancellationToken,
    crowd: Crowd,
}

/// What became of the crowd, in shoppers.
#[derive(Default)]
struct Crowd {
    joined: AtomicU32,
    left: AtomicU32,
    admitted: AtomicU32,
    bought: AtomicU32,
    released: AtomicU32,
    walked_away: AtomicU32,
    too_late: AtomicU32,
    gave_up: AtomicU32,
}

impl Door {
    fn new(base_url: &str, slug: &str) -> Result<Door> {
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
    async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.base);
        let key = unguessable();
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
            let asked = match outcome {
                Ok(answer) if !answer.asks_to_try_again() => return Ok(answer),
                Ok(answer) => {
                    last = answer.status.to_string();
                    answer.retry_after
                }
                Err(error) => {
                    last = error.to_string();
                    None
                }
            };
            pause(attempt, asked).await;
        }
        bail!("{path}: no answer after {TRIES} tries: {last}")
    }

    async fn sale_status(&self) -> Result<String> {
        let path = format!("/api/v1/sales/{}", self.slug);
        let sale = self.call(Method::GET, &path, "", None).await?;
        Ok(sale.body["status"].as_str().unwrap_or_default().to_owned())
    }

    fn report(&self) {
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

struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Value,
}

impl Answer {
    async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        // No body, as with 204, or one that is no JSON, as from a balancer: the status tells enough.
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Answer { status, retry_after, body })
    }

    fn is(&self, status: StatusCode, code: &str) -> bool {
        self.status == status && self.body["code"] == code
    }

    fn asks_to_try_again(&self) -> bool {
        let full = self.status == StatusCode::TOO_MANY_REQUESTS;
        full || self.status.is_server_error()
            || self.is(StatusCode::CONFLICT, "idempotency-in-progress")
    }

    fn expect_success(&self, what: &str) -> Result<()> {
        ensure!(self.status.is_success(), "{what}: {} {}", self.status, self.body);
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Scheduled,
    Waiting,
    Admitted,
    Confirmed,
    Expired,
    Released,
    SoldOut,
    Closed,
    Left,
    Removed,
}

/// As much of the ticket state as a shopper needs.
#[derive(Deserialize)]
struct Ticket {
    state: State,
    hold: Option<Hold>,
    next_poll_seconds: Option<u32>,
}

#[derive(Deserialize)]
struct Hold {
    id: String,
}

#[derive(Deserialize)]
struct Joined {
    ticket: String,
    credential: String,
    live_url: String,
}

/// One simulated person.
struct Shopper<'a> {
    door: &'a Door,
    n: u32,
    me: Joined,
}

impl Shopper<'_> {
    async fn visit(door: &Door, n: u32) -> Result<()> {
        let path = format!("/api/v1/sales/{}/tickets", door.slug);
        let answer = door.call(Method::POST, &path, "", Some(&json!({}))).await?;
        if answer.is(StatusCode::CONFLICT, "sold-out")
            || answer.is(StatusCode::CONFLICT, "sale-closed")
        {
            return Ok(());
        }
        answer.expect_success("joining")?;
        count(&door.crowd.joined);
        let shopper = Shopper { door, n, me: serde_json::from_value(answer.body)? };
        // A few lose patience and leave the line; the rest would wait all day.
        if rand::random_bool(0.05) {
            let patience = Duration::from_secs(rand::random_range(5..40));
            match timeout(patience, shopper.wait()).await {
                Ok(hold) => return shopper.check_out(hold?).await,
                Err(_) if shopper.leave().await? => return Ok(()),
                // Admitted at that very moment.
                Err(_) => {}
            }
        }
        let hold = shopper.wait().await?;
        shopper.check_out(hold).await
    }

    /// The hold, once admitted; none when the line has ended for us. Some poll, most watch.
    async fn wait(&self) -> Result<Option<Hold>> {
        if self.n.is_multiple_of(5) { self.poll().await } else { self.watch().await }
    }

    async fn poll(&self) -> Result<Option<Hold>> {
        loop {
            let answer = self.call(Method::GET, &self.path(), None).await?;
            answer.expect_success("polling")?;
            let ticket: Ticket = serde_json::from_value(answer.body)?;
            let again = ticket.next_poll_seconds.unwrap_or(5).clamp(1, 30);
            if let Some(end) = end_of_waiting(ticket) {
                return Ok(end);
            }
            sleep(Duration::from_secs(again.into())).await;
        }
    }

    async fn watch(&self) -> Result<Option<Hold>> {
        let mut failures = 0;
        while failures < TRIES {
            let permit = self.door.connections.acquire().await?;
            let watched = self.watch_once(&mut failures).await;
            drop(permit);
            let asked = match watched {
                Ok(Watched::End(end)) => return Ok(end),
                Ok(Watched::TryLater(asked)) => asked,
                Err(error) => {
                    tracing::debug!(shopper = self.n, %error, "a demo socket ended");
                    None
                }
            };
            pause(failures, asked).await;
            failures += 1;
        }
        bail!("no state after {TRIES} connections")
    }

    /// Reads one socket to its end. A state that arrives clears the count of failures.
    async fn watch_once(&self, failures: &mut u32) -> Result<Watched> {
        let url = format!("{}{}", self.door.base.replacen("http", "ws", 1), self.me.live_url);
        let mut request = url.into_client_request()?;
        let bearer = format!("Bearer {}", self.me.credential).parse()?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, "ropeline.v1".parse()?);
        let limits = WebSocketConfig::default().max_message_size(Some(LARGEST_MESSAGE));
        let connected =
            timeout(CALL_LIMIT, connect_async_with_config(request, Some(limits), false)).await?;
        let (mut socket, _) = match connected {
            Ok(connected) => connected,
            Err(tokio_tungstenite::tungstenite::Error::Http(refusal)) => {
                return Ok(Watched::TryLater(retry_after(refusal.headers())));
            }
            Err(error) => return Err(error.into()),
        };
        while let Some(message) = timeout(SILENCE_LIMIT, socket.next()).await? {
            if let Message::Text(text) = message? {
                *failures = 0;
                if let Some(end) = end_of_waiting(serde_json::from_str(&text)?) {
                    return Ok(Watched::End(end));
                }
            }
        }
        Ok(Watched::TryLater(None))
    }

    /// Whether we are out of the line; not when a unit is held for us already.
    async fn leave(&self) -> Result<bool> {
        let answer = self.call(Method::DELETE, &self.path(), None).await?;
        if answer.is(StatusCode::CONFLICT, "already-admitted") {
            return Ok(false);
        }
        answer.expect_success("leaving")?;
        count(&self.door.crowd.left);
        Ok(true)
    }

    /// Thinks it over, then buys, gives the unit back, or closes the page without a word.
    async fn check_out(&self, hold: Option<Hold>) -> Result<()> {
        let Some(hold) = hold else { return Ok(()) };
        count(&self.door.crowd.admitted);
        sleep(Duration::from_secs_f64(rand::random_range(3.0..40.0))).await;
        let (verb, body, counter) = match rand::random_range(0..6u32) {
            0 => {
                count(&self.door.crowd.walked_away);
                return Ok(());
            }
            1 => ("release", None, &self.door.crowd.released),
            2.. => {
                let body = json!({ "payment_reference": format!("demo-{}", self.n) });
                ("confirm", Some(body), &self.door.crowd.bought)
            }
        };
        let path = format!("/api/v1/holds/{}/{verb}", hold.id);
        let answer = self.call(Method::POST, &path, body.as_ref()).await?;
        if answer.is(StatusCode::CONFLICT, "hold-ended") {
            count(&self.door.crowd.too_late);
            return Ok(());
        }
        answer.expect_success(verb)?;
        count(counter);
        Ok(())
    }

    fn path(&self) -> String {
        format!("/api/v1/sales/{}/tickets/{}", self.door.slug, self.me.ticket)
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.door.call(method, path, &self.me.credential, body).await
    }
}

/// How one socket ended.
enum Watched {
    End(Option<Hold>),
    TryLater(Option<Duration>),
}

/// The hold when admitted, `Some(None)` when there is nothing to wait for any more.
fn end_of_waiting(ticket: Ticket) -> Option<Option<Hold>> {
    match ticket.state {
        State::Scheduled | State::Waiting => None,
        State::Admitted => Some(ticket.hold),
        State::Confirmed
        | State::Expired
        | State::Released
        | State::SoldOut
        | State::Closed
        | State::Left
        | State::Removed => Some(None),
    }
}

/// As long as was asked for, else ever longer with each attempt; never in step with the others.
async fn pause(attempt: u32, asked: Option<Duration>) {
    let backoff = Duration::from_millis(250) * 2u32.pow(attempt.min(5));
    let (least, spread) = match asked {
        Some(asked) => (asked.min(LONGEST_WAIT), Duration::from_secs(1)),
        None => (Duration::ZERO, backoff),
    };
    sleep(least + spread.mul_f64(rand::random_range(0.1..1.0))).await;
}

fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn unguessable() -> String {
    format!("{:032x}", rand::random::<u128>())
}

fn count(counter: &AtomicU32) {
    counter.fetch_add(1, Ordering::Relaxed);
}
