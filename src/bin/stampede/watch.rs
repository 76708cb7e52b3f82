//! One socket or stream, from wanting it to its end.

use std::future::pending;
use std::io;
use std::time::Duration;

use rand::rng;
use tokio::time::{Instant, sleep_until, timeout};

use super::frames::{Frame, pong, take_events, take_frame};
use super::http::{Answer, Call, take_opening, upgrade, wrong};
use super::inbox::Inbox;
use super::measure::{Doing, Timing, count};
use super::plan::{Watch, waiting_time};
use super::shopper::{Seen, Shopper, Way};
use super::state::{Hold, State};
use super::world::World;

/// A gateway says something within half this time, if only a ping.
const SILENCE: Duration = Duration::from_secs(60);
/// The codes of a farewell that a shopper acts on.
const GOING_AWAY: u16 = 1001;
const TRY_LATER: u16 = 1013;

/// How one socket or stream ended.
pub enum Ended {
    Over(Option<Hold>),
    /// The run broke it.
    Broke,
    /// Without a word: its gateway, or something between, is gone.
    Lost,
    /// The gateway goes away: at once, elsewhere.
    GoingAway,
    /// It was refused, or could not be opened: later, and not before what it asked for.
    Later(Option<Duration>),
    /// For good.
    Refused,
}

/// Opens one and reads it to its end. `due` is when the shopper wanted it; `place` ends with the first state.
pub async fn once(
    shopper: &mut Shopper,
    world: &World,
    turn: usize,
    due: Instant,
    place: &mut Option<Timing<'_>>,
) -> Ended {
    let mut inbox = match Box::pin(open(shopper, world, turn, due, place)).await {
        Ok(Opened::Open(inbox)) => inbox,
        Ok(Opened::Refused(answer)) => {
            let refusal = format!("{} {}", answer.status, answer.code());
            world.measures.error(Doing::Connect, &refusal);
            let is_passing = answer.status == 429 || answer.status >= 500;
            return if is_passing { Ended::Later(answer.retry_after) } else { Ended::Refused };
        }
        Err(error) => {
            world.measures.error(Doing::Connect, &error.kind().to_string());
            return Ended::Later(None);
        }
    };
    let _open = world.measures.open();
    let breaks = world.plan.shopper.reconnect;
    let break_at = (breaks > 0.0).then(|| Instant::now() + waiting_time(&mut rng(), breaks));
    loop {
        let heard = tokio::select! {
            heard = timeout(SILENCE, listen(shopper.mind.watch, &mut inbox)) => heard,
            () = moment(break_at) => {
                count(&world.measures.counts.breaks);
                return Ended::Broke;
            }
        };
        let frames = match heard.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(frames) => frames,
            Err(error) => {
                count(&world.measures.counts.lost);
                world.measures.error(Doing::Watch, &error.kind().to_string());
                return Ended::Lost;
            }
        };
        for frame in frames {
            match frame {
                Frame::Nothing => {}
                // When it cannot be sent, the next read says so.
                Frame::Ping(payload) => drop(inbox.send(&pong(&payload)).await),
                Frame::State(state) => {
                    let way = if place.is_some() { Way::Asked } else { Way::Told };
                    if let Some(place) = place.take() {
                        place.end();
                    }
                    match shopper.see(state, way) {
                        Seen::Waiting(_) => {}
                        Seen::Admitted(hold) => return Ended::Over(Some(hold)),
                        Seen::Over => return Ended::Over(None),
                    }
                }
                Frame::Close(code) => return closed(world, code),
            }
        }
    }
}

enum Opened {
    Open(Inbox),
    Refused(Answer),
}

/// Connects, and asks for the socket or the stream.
async fn open(
    shopper: &Shopper,
    world: &World,
    turn: usize,
    due: Instant,
    place: &mut Option<Timing<'_>>,
) -> io::Result<Opened> {
    let mut timing = world.measures.begin(Doing::Connect, due);
    let door = world.net.door(shopper.index, turn);
    timing.send();
    if let Some(place) = place {
        place.send();
    }
    let (request, opened) = match shopper.mind.watch {
        Watch::Websocket => (upgrade(&shopper.live_url, &door.host, &shopper.credential), 101),
        Watch::Sse | Watch::Poll | Watch::None => {
            let (path, bearer) = (format!("{}/events", shopper.path), &shopper.credential);
            let call = Call { method: "GET", path: &path, bearer, key: "", body: "" };
            (call.bytes(&door.host), 200)
        }
    };
    let opening = async {
        let mut inbox = world.net.connect(door).await?;
        inbox.send(&request).await?;
        let answer = inbox.next(|bytes| take_opening(bytes, opened)).await?;
        io::Result::Ok((inbox, answer))
    };
    let answered = timeout(world.plan.bounds.patience, opening).await;
    timing.end();
    let (inbox, answer) = answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    Ok(if answer.status == opened { Opened::Open(inbox) } else { Opened::Refused(answer) })
}

/// What it says next.
async fn listen(way: Watch, inbox: &mut Inbox) -> io::Result<Vec<Frame<State>>> {
    match way {
        Watch::Websocket => inbox.next(|bytes| take_frame(bytes, read)).await.map(|one| vec![one]),
        Watch::Sse | Watch::Poll | Watch::None => {
            inbox.next(|bytes| take_events(bytes, read)).await
        }
    }
}

fn read(bytes: &[u8]) -> io::Result<State> {
    serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))
}

/// What follows from a farewell.
fn closed(world: &World, code: u16) -> Ended {
    count(&world.measures.counts.lost);
    world.measures.error(Doing::Watch, &format!("closed with {code}"));
    match code {
        GOING_AWAY => Ended::GoingAway,
        TRY_LATER => Ended::Later(None),
        // A stream has no codes: it ends when its gateway goes away.
        1005 => Ended::Lost,
        _ => Ended::Refused,
    }
}

async fn moment(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
