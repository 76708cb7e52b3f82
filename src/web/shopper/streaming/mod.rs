//! Live states: the WebSocket and its fallback, server-sent events. Both tell what a poll would answer.

#[cfg(feature = "faults")]
pub(crate) mod mistakes;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Path, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use futures_util::{StreamExt, stream};
use metrics::{counter, gauge};
use rand::RngExt;
use serde_json::json;
use tokio::time::{Instant, interval_at, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::engine::line::ticket_state::TicketState;
use crate::engine::line::ticket_stream::Follow;
use crate::engine::{FlowError, Refusal};
use crate::model::Ticket;
use crate::telemetry;
use crate::web::App;
use crate::web::api::problem::{Code, Problem, ProblemShape, streamed};
use crate::web::api::request_schema::StateEvent;
use crate::web::api::responses;
use crate::web::api::responses::TicketShape;
use crate::web::server::slots::Slot;
use crate::web::server::socket;
use crate::web::server::socket::{Broken, GOING_AWAY, Heard, NORMAL, POLICY, Socket, TRY_AGAIN};
use crate::web::shopper::{claimed, ticket_state};

/// A ping goes out this often; two without any answer end the socket.
const PING_EVERY: Duration = Duration::from_secs(25);
/// Messages that were not understood, or came too fast, before the socket is closed.
const MOST_NONSENSE: u32 = 10;
/// When the gateway goes away its sockets are closed over this time, so that their shoppers do not reach
/// the other gateways all at once.
pub const CLOSE_SPREAD: Duration = Duration::from_secs(3);
/// Sockets that other gateways may have to take in a second when this one ends without a word.
const RECONNECTS_PER_SECOND: u64 = 5_000;
/// Shortest and longest time over which they are spread.
const RECONNECT_SPREAD_MS: (u64, u64) = (200, 10_000);
/// Sockets and streams of one ticket; the newest win, so that a shopper's new tab always works.
const MOST_PER_TICKET: usize = 5;
/// What a connection is told when newer ones of its ticket take its place.
const DISPLACED: &str = "displaced";
/// A comment line keeps a stream's proxies from giving it up.
const COMMENT_EVERY: Duration = Duration::from_secs(10);

/// Open sockets and streams by ticket.
#[derive(Default)]
pub struct Watchers(Mutex<HashMap<Ticket, Vec<CancellationToken>>>);

/// One open socket or stream; it is counted until it is dropped.
struct Watching {
    watchers: Arc<Watchers>,
    ticket: Ticket,
    /// Cancelled when newer ones take its place.
    displaced: CancellationToken,
    kind: &'static str,
}

impl Watching {
    fn begin(watchers: &Arc<Watchers>, ticket: Ticket, kind: &'static str) -> Self {
        let displaced = CancellationToken::new();
        let mut all = watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = all.entry(ticket).or_default();
        mine.retain(|token| !token.is_cancelled());
        if mine.len() >= MOST_PER_TICKET {
            mine.remove(0).cancel();
        }
        mine.push(displaced.clone());
        drop(all);
        gauge!(telemetry::SOCKETS, "kind" => kind).increment(1);
        Self { watchers: watchers.clone(), ticket, displaced, kind }
    }
}

impl App {
    /// When whoever watches this ticket should come back if this gateway ends without a word: each ticket has
    /// a part of its own of the time that all of them need.
    pub fn reconnect_after_ms(&self, ticket: Ticket) -> u64 {
        let sockets = u64::try_from(self.sockets.len()).unwrap_or(u64::MAX);
        spread(ticket, sockets)
    }
}

fn spread(ticket: Ticket, sockets: u64) -> u64 {
    let (least, most) = RECONNECT_SPREAD_MS;
    let time = (sockets.saturating_mul(1_000) / RECONNECTS_PER_SECOND).clamp(least, most);
    // The last half of a ticket is random, however it was made.
    let (_, random) = ticket.0.as_u64_pair();
    random % time
}

impl Drop for Watching {
    fn drop(&mut self) {
        gauge!(telemetry::SOCKETS, "kind" => self.kind).decrement(1);
        self.displaced.cancel();
        let mut all = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = all.get_mut(&self.ticket) {
            mine.retain(|token| !token.is_cancelled());
            if mine.is_empty() {
                all.remove(&self.ticket);
            }
        }
    }
}

/// The WebSocket
///
/// Credential as bearer token, as cookie, or as the second subprotocol:
/// `Sec-WebSocket-Protocol: ropeline.v1, <credential>`. Send `{"type":"position"}` to be told at once.
/// Anything else is answered with `{"type":"error","code":"…"}`: `not-json`, `unknown-type` or
/// `binary-not-understood`. When the place goes to another device the socket is told `moved` and closed
/// with 1008. A ticket has at most five connections: the oldest is closed with 1008 and the reason `displaced`
/// when a sixth comes; its client polls, and does not connect again at once.
#[utoipa::path(get, path = "/api/v1/sales/{sale}/tickets/{ticket}/live", tag = "shopper",
    params(("sale" = String, Path), ("ticket" = String, Path)), security(("credential" = [])),
    responses((status = 101, description = "States follow, each as a text frame"),
              (status = 401, body = ProblemShape), (status = 403, body = ProblemShape),
              (status = 404, body = ProblemShape), (status = 426, body = ProblemShape)))]
pub async fn socket(
    State(app): State<App>,
    Path((sale, ticket)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let slot = parts.extensions.get::<Slot>().cloned();
    app.check_origin(&Method::GET, &parts.headers)?;
    let (claim, line) = claimed(&app, &sale, &ticket, &parts.headers).await?;
    let upgrade =
        WebSocketUpgrade::from_request_parts(&mut parts, &app).await.map_err(|error| {
            Problem::new(Code::UpgradeRequired, format!("connect with a WebSocket client: {error}"))
        })?;
    let upgrade = socket::bounded(upgrade.protocols(["ropeline.v1"]), slot.as_ref());
    let Some(line) = line else {
        // The sale is long over: its ticket has one last state.
        let state = ticket_state(&app, &sale, &ticket, &parts.headers).await?;
        return Ok(upgrade.on_upgrade(move |socket| async move {
            let mut socket = Socket::new(socket);
            if tell(&app, &mut socket, &state).await.is_ok() {
                socket.close(NORMAL, "final").await;
            }
            drop(slot);
        }));
    };
    let open = Box::new(Open {
        follow: Follow::new(app.gate.clone(), &line, claim),
        watching: Watching::begin(&app.watchers, claim.ticket, "websocket"),
        _counted: (app.sockets.token(), slot),
        app,
    });
    Ok(upgrade.on_upgrade(move |socket| async move {
        #[cfg(feature = "faults")]
        let Some(socket) = mistakes::without_bounds(&open.app, socket, &claim).await else {
            return;
        };
        run(open, Box::new(Socket::new(socket))).await;
    }))
}

/// What an open socket needs. In a box, as the socket is: a future keeps a place for whatever is moved into it
/// and another one for where it goes on, and there are thousands of these.
struct Open {
    app: App,
    follow: Follow,
    watching: Watching,
    _counted: (TaskTrackerToken, Option<Slot>),
}

async fn run(mut open: Box<Open>, mut socket: Box<Socket>) {
    let Open { app, follow, watching, _counted } = &mut *open;
    let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    let (mut unanswered, mut nonsense) = (0_u32, 0_u32);
    loop {
        let next = tokio::select! {
            state = follow.next() => match state {
                Some(state) => Next::Tell(Box::new(state)),
                None if follow.is_moved() => Next::Moved,
                None => Next::Close(GOING_AWAY, "the sale is over here"),
            },
            heard = socket.hear() => {
                unanswered = 0; // Whatever it said, the client is there.
                follows(heard)
            }
            _ = ping.tick() => {
                unanswered += 1;
                if unanswered > 2 { Next::Gone } else { Next::Ping }
            }
            () = watching.displaced.cancelled() => {
                Next::Close(POLICY, DISPLACED)
            }
            () = app.gate.draining.cancelled() => {
                let spread = CLOSE_SPREAD.mul_f64(rand::rng().random());
                sleep(spread).await;
                Next::Close(GOING_AWAY, "this gateway is going away")
            }
        };
        let sent = match next {
            Next::Tell(state) => {
                tell(app, &mut socket, &state).await.map(|()| state.stage.is_final())
            }
            Next::Now => match follow.now().await {
                Ok(state) => tell(app, &mut socket, &state).await.map(|()| state.stage.is_final()),
                Err(FlowError::Refused(Refusal::Moved)) => return moved(&mut socket).await,
                Err(_) => return socket.close(TRY_AGAIN, "come back in a moment").await,
            },
            Next::Moved => return moved(&mut socket).await,
            Next::Complain(code) => {
                nonsense += 1;
                if nonsense > MOST_NONSENSE {
                    return socket.close(POLICY, "too many messages not understood").await;
                }
                let error = json!({ "type": "error", "code": code }).to_string();
                socket.send(Message::Text(error.into())).await.map(|()| false)
            }
            Next::Ping => socket.send(Message::Ping(Vec::new().into())).await.map(|()| false),
            Next::Nothing => Ok(false),
            Next::Bye => return socket.farewell().await,
            Next::Gone => Err(Broken),
            Next::Close(code, why) => return socket.close(code, why).await,
        };
        match sent {
            Ok(false) => {}
            Ok(true) => return socket.close(NORMAL, "final").await,
            Err(Broken) => return,
        }
    }
}

/// What to do next on a socket.
pub(crate) enum Next {
    Tell(Box<TicketState>),
    /// The client asked for the state.
    Now,
    /// The place is on another device by now.
    Moved,
    Complain(&'static str),
    Ping,
    Nothing,
    /// The client closes the socket.
    Bye,
    /// The client is not there any more.
    Gone,
    Close(u16, &'static str),
}

/// What follows from what a client did.
pub(crate) fn follows(heard: Heard) -> Next {
    match heard {
        Heard::Text(text) => read(&text),
        Heard::Binary(_) => Next::Complain("binary-not-understood"),
        Heard::Control => Next::Nothing,
        Heard::Bye => Next::Bye,
        Heard::Gone => Next::Gone,
        Heard::Wrong(code, why) => Next::Close(code, why),
    }
}

/// Reads what a client said.
fn read(text: &str) -> Next {
    let said: Result<serde_json::Value, _> = serde_json::from_str(text);
    let Ok(said) = said else { return Next::Complain("not-json") };
    if said.get("type").and_then(serde_json::Value::as_str) != Some("position") {
        return Next::Complain("unknown-type");
    }
    Next::Now
}

/// The last word to a device whose place went to another one.
async fn moved(socket: &mut Socket) {
    let error = json!({ "type": "error", "code": Code::Moved.parts().0 }).to_string();
    if socket.send(Message::Text(error.into())).await.is_ok() {
        socket.close(POLICY, Code::Moved.parts().0).await;
    }
}

async fn tell(app: &App, socket: &mut Socket, state: &TicketState) -> Result<(), Broken> {
    counter!(telemetry::STATES_SENT, "kind" => "websocket").increment(1);
    socket.send(Message::Text(text_of(app, state).into())).await
}

/// The same states as server-sent events
///
/// Event `state`, its data the JSON. The stream ends after a final state. Event `displaced`: five newer
/// connections of this ticket are open, so this one ends; poll, and do not connect again at once.
#[utoipa::path(get, path = "/api/v1/sales/{sale}/tickets/{ticket}/events", tag = "shopper",
    params(("sale" = String, Path), ("ticket" = String, Path)), security(("credential" = [])),
    responses((status = 200, content_type = "text/event-stream", body = StateEvent),
              (status = 401, body = ProblemShape), (status = 404, body = ProblemShape)))]
pub async fn events(
    State(app): State<App>,
    Path((sale, ticket)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (claim, line) = claimed(&app, &sale, &ticket, &headers).await?;
    let Some(line) = line else {
        let state = ticket_state(&app, &sale, &ticket, &headers).await?;
        let last = Ok::<_, Infallible>(event(&app, &state));
        return Ok(streamed(Sse::new(stream::iter([last]))));
    };
    let follow = Follow::new(app.gate.clone(), &line, claim);
    let watching = Watching::begin(&app.watchers, claim.ticket, "sse");
    let comments = interval_at(Instant::now() + COMMENT_EVERY, COMMENT_EVERY);
    let begun = Some((app.clone(), follow, watching, comments));
    let retry = Duration::from_millis(app.reconnect_after_ms(claim.ticket));
    let spread = stream::iter([Ok::<_, Infallible>(Event::default().retry(retry))]);
    let states = stream::unfold(begun, |open| async {
        let (app, mut follow, watching, mut comments) = open?;
        let state = tokio::select! {
            state = follow.next() => state?,
            _ = comments.tick() => {
                let comment = Ok::<_, Infallible>(Event::default().comment(""));
                return Some((comment, Some((app, follow, watching, comments))));
            }
            () = watching.displaced.cancelled() => {
                let error = json!({ "type": "error", "code": DISPLACED }).to_string();
                let last = Ok(Event::default().event(DISPLACED).data(error));
                return Some((last, None));
            }
            () = app.gate.draining.cancelled() => return None,
        };
        counter!(telemetry::STATES_SENT, "kind" => "sse").increment(1);
        let event = event(&app, &state);
        let more = (!state.stage.is_final()).then_some((app, follow, watching, comments));
        Some((Ok(event), more))
    });
    Ok(streamed(Sse::new(spread.chain(states))))
}

fn event(app: &App, state: &TicketState) -> Event {
    Event::default().event("state").data(text_of(app, state))
}

/// A state as it is told, on every way.
fn text_of(app: &App, state: &TicketState) -> String {
    responses::text_of(&TicketShape::new(app, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_comes_back_over_the_time_that_it_takes_and_not_at_once() {
        let tickets: Vec<Ticket> = (0..10_000).map(|_| Ticket::new()).collect();
        let mut when: Vec<u64> = tickets.iter().map(|ticket| spread(*ticket, 10_000)).collect();
        assert_eq!(when[0], spread(tickets[0], 10_000), "it stays the same");
        when.sort_unstable();
        assert!(when[0] < 50 && when[9_999] < 2_000 && when[9_999] > 1_950);
        assert!((900..1_100).contains(&when[5_000]), "evenly: {}", when[5_000]);
        let few: Vec<u64> = tickets.iter().map(|ticket| spread(*ticket, 3)).collect();
        assert!(few.iter().all(|ms| *ms < 200) && few.iter().any(|ms| *ms > 100));
        assert!(tickets.iter().all(|ticket| spread(*ticket, u64::MAX) < 10_000));
    }
}
