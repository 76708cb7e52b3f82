//! One shopper: joins when it is due, watches, buys or does not, and comes back when the line breaks.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::checks::Shown;
use super::http::{Answer, Call};
use super::measure::{Doing, count};
use super::plan::{Checkout, Mind, Watch};
use super::state::{Hold, Joined, Stage, State, micros};
use super::watch::{self, Ended};
use super::world::World;

/// Tries of one call, or connections in a row without a state, before a shopper gives up.
pub const TRIES: u32 = 8;
/// Pauses between tries double from here to there, and each is drawn from its upper half.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Who lost a connection comes back within this time, as the waiting room's own page does.
const COME_BACK_WITHIN: Duration = Duration::from_secs(1);
/// Polls are at least this often where a gateway does not say.
const POLL_EVERY: u32 = 5;

/// A shopper with a ticket.
pub struct Shopper {
    pub world: Arc<World>,
    pub index: u64,
    pub mind: Mind,
    /// The ticket's path, and its socket's.
    pub path: String,
    pub live_url: String,
    pub credential: String,
    shown: Shown,
    /// How long the gateway would have it wait after a loss, if it said so.
    come_back_after: Option<Duration>,
    /// Until the first state.
    stands: Option<Standing>,
}

/// One of the standing crowd that the others wait for: it is counted when this is dropped, whether it
/// has seen a state or will not see any.
pub struct Standing(pub Arc<World>);

impl Drop for Standing {
    fn drop(&mut self) {
        count(&self.0.measures.counts.stood);
    }
}

/// Which way a state came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// With the ticket.
    Join,
    /// Asked for: by a poll, or by opening a socket. Its place may have fallen long before.
    Asked,
    /// Told over an open socket or stream.
    Told,
}

/// What a state means for who reads it.
pub enum Seen {
    /// Wait on; and ask again after so many seconds, if asking.
    Waiting(u32),
    Admitted(Hold),
    /// There is nothing to wait for any more.
    Over,
}

/// Somebody who gives up; why is counted already.
pub struct GaveUp;

/// The whole visit. Everything that is worth knowing is counted on the way.
pub async fn visit(world: Arc<World>, index: u64, due: Instant, stands: Option<Standing>) {
    count(&world.measures.counts.arrived);
    if Box::pin(live(&world, index, due, stands)).await.is_err() {
        count(&world.measures.counts.gave_up);
    }
}

async fn live(
    world: &Arc<World>,
    index: u64,
    due: Instant,
    stands: Option<Standing>,
) -> Result<(), GaveUp> {
    let counts = &world.measures.counts;
    let Some(mut shopper) = Box::pin(Shopper::join(world, index, due, stands)).await? else {
        count(&counts.turned_away);
        return Ok(());
    };
    let hold = match shopper.mind.bored_after {
        None => shopper.wait().await?,
        Some(after) => match timeout_at(Instant::now() + after, shopper.wait()).await {
            Ok(hold) => hold?,
            Err(_) if Box::pin(shopper.leave()).await? => {
                count(&counts.left);
                return Ok(());
            }
            // Admitted at that very moment.
            Err(_) => shopper.wait().await?,
        },
    };
    match hold {
        Some(hold) => Box::pin(shopper.check_out(hold)).await,
        None => {
            count(&counts.ended);
            Ok(())
        }
    }
}

impl Shopper {
    async fn join(
        world: &Arc<World>,
        index: u64,
        due: Instant,
        stands: Option<Standing>,
    ) -> Result<Option<Self>, GaveUp> {
        let path = format!("/api/v1/sales/{}/tickets", world.sale.name);
        let keyed = world.plan.shopper.keyed_joins;
        let key = if keyed { ropeline::random_text() } else { String::new() };
        let call = Call { method: "POST", path: &path, bearer: "", key: &key, body: "" };
        let answer = ask(world, index, Doing::Join, due, call).await?;
        if answer.status == 409 {
            return Ok(None);
        }
        let Ok(joined) = serde_json::from_slice::<Joined>(&answer.body) else {
            return Err(unreadable(world, Doing::Join));
        };
        count(&world.measures.counts.joined);
        let mut shopper = Self {
            world: world.clone(),
            index,
            mind: Mind::of(&world.plan, index),
            path: format!("{path}/{}", joined.ticket),
            live_url: joined.live_url.into_owned(),
            credential: joined.credential.into_owned(),
            shown: Shown::default(),
            come_back_after: None,
            stands,
        };
        let state = serde_json::from_slice(&answer.body);
        let state = state.map_err(|_| unreadable(world, Doing::Join))?;
        shopper.see(state, Way::Join);
        Ok(Some(shopper))
    }

    /// Looks at a state, whichever way it came.
    pub fn see(&mut self, state: State, way: Way) -> Seen {
        let world = &self.world;
        let now = world.micros();
        if way != Way::Join {
            count(&world.measures.counts.states);
            let age = now - micros(state.server_time);
            world.measures.age.record_micros(u64::try_from(age).unwrap_or(0));
            self.stands = None;
        }
        let spread = state.reconnect_after_ms.map(|ms| Duration::from_millis(ms.into()));
        self.come_back_after = spread.or(self.come_back_after);
        let poll = Seen::Waiting(state.next_poll_seconds.unwrap_or(POLL_EVERY).clamp(1, 30));
        // A gateway that has not heard the news yet: a client drops what it says.
        if state.version < self.shown.version {
            return poll;
        }
        let shown = Shown {
            version: state.version,
            number: state.number.or(self.shown.number),
            position: state.position,
        };
        match state.state {
            Stage::Scheduled | Stage::Waiting => {
                world.checks.shown(&self.path, &self.shown, &shown);
                if let Some(number) = state.number.filter(|_| self.shown.number.is_none()) {
                    world.lag.joined(number);
                }
                if let (Some(number), Some(before), Some(position)) =
                    (shown.number, self.shown.position, shown.position)
                    && position < before
                    && way == Way::Told
                {
                    world.lag.fell(number, position, now);
                }
                self.shown = shown;
                poll
            }
            Stage::Admitted | Stage::Confirmed | Stage::Expired | Stage::Released => {
                let is_admitted = state.state == Stage::Admitted;
                let Some(hold) = state.hold else { return Seen::Over };
                if let Some(number) = hold.number.filter(|_| self.shown.number.is_none()) {
                    world.lag.joined(number);
                }
                self.shown = shown;
                let admitted_at = micros(hold.admitted_at);
                world.lag.admitted(admitted_at);
                if !is_admitted {
                    return Seen::Over;
                }
                world.measures.told.record_micros(u64::try_from(now - admitted_at).unwrap_or(0));
                count(&world.measures.counts.admitted);
                Seen::Admitted(hold)
            }
            Stage::SoldOut | Stage::Closed | Stage::Left | Stage::Removed => Seen::Over,
        }
    }

    /// The hold, once admitted; none when there is nothing to wait for any more.
    async fn wait(&mut self) -> Result<Option<Hold>, GaveUp> {
        match self.mind.watch {
            Watch::None => Ok(None),
            Watch::Poll => self.poll().await,
            Watch::Websocket | Watch::Sse => self.watch().await,
        }
    }

    async fn poll(&mut self) -> Result<Option<Hold>, GaveUp> {
        let mut due = Instant::now();
        loop {
            sleep_until(due).await;
            let (path, bearer) = (&self.path, &self.credential);
            let call = Call { method: "GET", path, bearer, key: "", body: "" };
            let asking = ask(&self.world, self.index, Doing::Poll, due, call);
            let answer = Box::pin(asking).await?;
            let Ok(state) = serde_json::from_slice(&answer.body) else {
                return Err(unreadable(&self.world, Doing::Poll));
            };
            match self.see(state, Way::Asked) {
                Seen::Admitted(hold) => return Ok(Some(hold)),
                Seen::Over => return Ok(None),
                Seen::Waiting(seconds) => {
                    due += self.world.plan.shopper.poll_every.unwrap_or_else(|| {
                        // As the waiting room does it, so that a crowd does not poll on one beat.
                        let asked = Duration::from_secs(seconds.into());
                        asked.mul_f64(0.85) + within(asked.mul_f64(0.3))
                    });
                }
            }
        }
    }

    async fn watch(&mut self) -> Result<Option<Hold>, GaveUp> {
        let world = self.world.clone();
        let (mut failed, mut turn, mut due) = (0, 0, Instant::now());
        let mut place = Some(world.measures.begin(Doing::FirstPlace, due));
        while failed < TRIES {
            let ended = watch::once(self, &world, turn, due, &mut place).await;
            failed = match (&place, &ended) {
                (None, _) => 0, // It saw a state.
                (Some(_), Ended::Broke) => failed,
                (Some(_), _) => failed + 1,
            };
            due = Instant::now();
            match ended {
                Ended::Over(hold) => return Ok(hold),
                Ended::Broke => due += within(COME_BACK_WITHIN),
                Ended::Lost => {
                    due += self.come_back_after.unwrap_or_else(|| within(COME_BACK_WITHIN));
                    turn += 1;
                }
                Ended::GoingAway => turn += 1,
                Ended::Later(asked) => {
                    turn += 1;
                    due += pause(failed, asked);
                }
                Ended::Refused => break,
            }
            // Whoever is without a place for longer than one connection counts from the first.
            place = place.or_else(|| Some(world.measures.begin(Doing::PlaceAgain, due)));
            sleep_until(due).await;
        }
        if let Some(place) = place {
            place.end();
        }
        Err(GaveUp)
    }

    /// Whether it is out of the line; not when a unit is held for it already.
    async fn leave(&self) -> Result<bool, GaveUp> {
        let (path, bearer) = (&self.path, &self.credential);
        let call = Call { method: "DELETE", path, bearer, key: "", body: "" };
        let answer = ask(&self.world, self.index, Doing::Leave, Instant::now(), call).await?;
        Ok(answer.status != 409)
    }

    async fn check_out(&self, hold: Hold) -> Result<(), GaveUp> {
        let (world, counts) = (&self.world, &self.world.measures.counts);
        let (verb, doing, body) = match self.mind.checkout {
            Checkout::Buy => {
                let body = format!("{{\"payment_reference\":\"stampede-{}\"}}", self.index);
                ("confirm", Doing::Confirm, body)
            }
            Checkout::Release => ("release", Doing::Release, String::new()),
            Checkout::Nothing => {
                count(&counts.unpaid);
                return Ok(());
            }
        };
        let due = Instant::now() + self.mind.think;
        sleep_until(due).await;
        let path = format!("/api/v1/holds/{}/{verb}", hold.id);
        let key = ropeline::random_text();
        // A shop confirms with its own key; where the checkout is ropeline's, the shopper does.
        let shops = world.sale.shops_key.as_deref().filter(|_| doing == Doing::Confirm);
        let bearer = shops.unwrap_or(&self.credential);
        let call = Call { method: "POST", path: &path, bearer, key: &key, body: &body };
        let answer = ask(world, self.index, doing, due, call).await?;
        if answer.status == 409 {
            count(&counts.too_late);
            return Ok(());
        }
        if doing == Doing::Release {
            count(&counts.released);
            return Ok(());
        }
        count(&counts.bought);
        match serde_json::from_slice::<Hold>(&answer.body).ok().and_then(|hold| hold.order) {
            Some(order) if order.unit == hold.unit && !order.id.is_empty() => {
                world.checks.receipt(order.unit, &hold.id);
            }
            Some(order) => world.checks.breaks(format!(
                "hold {} is for unit {} and its order for {}",
                hold.id, hold.unit, order.unit
            )),
            None => world.checks.breaks(format!("hold {}: 200 without an order", hold.id)),
        }
        Ok(())
    }
}

/// One call, again and again until there is an answer to act on: 2xx, or 409 for good. It counts from when
/// it was due to the last byte of that answer, whatever happened between.
async fn ask(
    world: &World,
    index: u64,
    doing: Doing,
    due: Instant,
    call: Call<'_>,
) -> Result<Answer, GaveUp> {
    let mut timing = world.measures.begin(doing, due);
    for failed in 0..TRIES {
        let door = world.net.door(index, failed as usize);
        let asked = match world.net.call(door, call, || timing.send()).await {
            Err(error) => {
                world.measures.error(doing, &error.kind().to_string());
                None
            }
            Ok(answer) if (200..300).contains(&answer.status) => {
                timing.end();
                return Ok(answer);
            }
            Ok(answer) => {
                let code = answer.code();
                if answer.status == 409 && is_answer(doing, &code) {
                    timing.end();
                    return Ok(answer);
                }
                world.measures.error(doing, &format!("{} {code}", answer.status));
                let is_passing = [409, 429].contains(&answer.status) || answer.status >= 500;
                if !is_passing {
                    break;
                }
                answer.retry_after
            }
        };
        sleep(pause(failed, asked)).await;
    }
    timing.end();
    Err(GaveUp)
}

/// Whether a conflict is what a call may well be told.
fn is_answer(doing: Doing, code: &str) -> bool {
    match doing {
        Doing::Join => ["sold-out", "sale-closed"].contains(&code),
        Doing::Leave => code == "already-admitted",
        Doing::Confirm | Doing::Release => code == "hold-ended",
        Doing::Connect | Doing::FirstPlace | Doing::PlaceAgain | Doing::Poll | Doing::Watch => {
            false
        }
    }
}

fn unreadable(world: &World, doing: Doing) -> GaveUp {
    world.measures.error(doing, "an answer that cannot be read");
    GaveUp
}

/// The pause before another try: at least what was asked for, and never the same for everybody.
pub fn pause(failed: u32, asked: Option<Duration>) -> Duration {
    let longest = (FIRST_PAUSE * 2_u32.pow(failed.min(10))).min(LONGEST_PAUSE);
    asked.unwrap_or(longest / 2) + within(longest / 2)
}

fn within(time: Duration) -> Duration {
    time.mul_f64(rand::rng().random())
}
