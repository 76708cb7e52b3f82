//! One simulated person: joins, waits on a socket or by polling, thinks it over, buys or does not.

use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use crate::dev::demo::door::{Answer, CALL_LIMIT, Door, TRIES, count, pause, retry_after};

/// A gateway sends on an idle socket well within this time.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// A state is below 2 kB; nothing that is much larger is for us.
const LARGEST_MESSAGE: usize = 64 * 1024;

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
pub(crate) struct Shopper<'a> {
    door: &'a Door,
    n: u32,
    me: Joined,
}

impl Shopper<'_> {
    pub(crate) async fn visit(door: &Door, n: u32) -> Result<()> {
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
            Err(SocketError::Http(refusal)) => {
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
