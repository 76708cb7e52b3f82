//! The end of a hold by its shopper or shop: bought, or given back. Needs Postgres alone.
//!
//! There are three answers: done, refused for good, or unknown; after an unknown one the same call tells
//! what happened. Each runs in a task of its own, so that a client who hangs up cannot cancel it.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, histogram};
use tokio::time::{Instant, timeout};

use crate::engine::checkout::batch;
use crate::engine::checkout::idempotency;
use crate::engine::checkout::idempotency::Kept;
use crate::engine::{FlowError, Gate, Refusal, Reply};
use crate::faults::{Point, point};
use crate::ledger::{Confirmed, Key, LedgerError, Noted, Payer, PaymentKind, Purchase, Tx};
use crate::model::{Checkout, Claim, Fault, Hold, HoldId, HoldState, OrderId};
use crate::telemetry;

/// Longest wait for Postgres before the outcome is called unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Who settles a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A shopper, with the credentials that came along; one of them must be the hold's.
    Shopper(Vec<Claim>),
    /// The shop's backend, or an operator, with an API key or a session; whose idempotency keys come with it, and
    /// the name for a person who looks.
    Shop { scope: String, name: String },
}

impl By {
    /// `generation` is the one of the good credentials of the hold's ticket.
    ///
    /// # Errors
    /// Refused with `NoSuchHold` for somebody else's, `Moved` when the place is on another device by now.
    pub fn may_see(&self, hold: &Hold, generation: u32) -> Result<(), Refusal> {
        let claims = match self {
            Self::Shop { .. } => return Ok(()),
            Self::Shopper(claims) => claims,
        };
        let own = claims.iter().filter(|it| it.sale == hold.sale && it.ticket == hold.ticket);
        match own.map(|claim| claim.generation).max() {
            None => Err(Refusal::NoSuchHold),
            Some(newest) if newest < generation => Err(Refusal::Moved),
            Some(_) => Ok(()),
        }
    }

    /// Whose idempotency keys these are. A shopper's are for the holds of one ticket; each hold is in the route.
    pub fn scope(&self) -> &str {
        match self {
            Self::Shop { scope, .. } => scope,
            Self::Shopper(_) => "shopper",
        }
    }

    /// Who sent the payment reference.
    fn payer(self) -> Payer {
        match self {
            Self::Shop { name, .. } => Payer { is_shop: true, name },
            Self::Shopper(_) => Payer::shopper(),
        }
    }
}

/// How a hold is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settle {
    Confirm { payment_reference: Option<String> },
    Release,
}

impl Settle {
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Confirm { .. } => "confirm",
            Self::Release => "release",
        }
    }
}

/// A hold that has ended as was asked, and what its answer says of the payment reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub hold: Hold,
    /// The order has another payment reference already; this one is kept beside it.
    pub is_duplicate: bool,
    /// Orders that had the same payment reference before.
    pub used_before: Vec<OrderId>,
}

impl Settled {
    fn plain(hold: Hold) -> Self {
        Self { hold, is_duplicate: false, used_before: Vec::new() }
    }
}

/// Turns what happened into the answer that goes out and is stored.
pub type Render = fn(&Result<Settled, Refusal>) -> Reply;

/// Confirms or releases a hold.
///
/// # Errors
/// Refused with `NoSuchHold` for an unknown one or somebody else's, `Moved`, `ShopConfirms` where the shopper may
/// not confirm. `Unknown` when Postgres did not answer: it may have happened.
pub async fn settle(
    gate: &Arc<Gate>,
    by: By,
    id: HoldId,
    settle: Settle,
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    let started = Instant::now();
    let (metric, done) = match settle {
        Settle::Confirm { .. } => (telemetry::CONFIRM_SECONDS, "confirmed"),
        Settle::Release => (telemetry::RELEASE_SECONDS, "released"),
    };
    let work = tokio::spawn(run(gate.clone(), by, id, settle, key, render));
    let outcome = match timeout(ANSWER_WITHIN, work).await {
        Ok(Ok(Err(FlowError::Unavailable(_, cause)))) => {
            Err(FlowError::Unknown(cause.unwrap_or_else(|| anyhow::anyhow!("postgres is away"))))
        }
        Ok(Ok(Err(FlowError::Busy(why)))) => Err(FlowError::Unknown(anyhow::anyhow!(why))),
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(FlowError::Internal(panic.into())),
        Err(late) => Err(FlowError::Unknown(late.into())),
    };
    let label = match &outcome {
        Ok(reply) if reply.status == 200 => done,
        Ok(_) | Err(FlowError::Refused(_)) => "refused",
        Err(
            FlowError::Unavailable(..)
            | FlowError::Busy(_)
            | FlowError::Unknown(_)
            | FlowError::Internal(_),
        ) => "unknown",
    };
    histogram!(metric, "outcome" => label).record(started.elapsed());
    outcome
}

async fn run(
    gate: Arc<Gate>,
    by: By,
    id: HoldId,
    settle: Settle,
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    is_allowed(&gate, &by, id, &settle).await?;
    #[cfg(feature = "faults")]
    crate::engine::mistakes::ask_the_clock(&gate, id).await?;
    point(Point::SettleAllowed).await?;
    match settle {
        Settle::Confirm { payment_reference } => {
            let payer = by.payer();
            batch::confirm(&gate, id, (payment_reference, payer), key, render).await
        }
        Settle::Release => alone(&gate, id, End::Release, key, render).await,
    }
}

/// Ends a hold in a transaction of its own.
pub(crate) async fn alone(
    gate: &Arc<Gate>,
    id: HoldId,
    how: End<'_>,
    key: Option<Key>,
    render: Render,
) -> Result<Reply, FlowError> {
    let step = async |tx: &mut Tx| {
        let (ended, changed) = flip(tx, id, how).await?;
        Ok((render(&ended), (ended, changed)))
    };
    let (tx, reply, (ended, changed)) =
        match idempotency::under_key(gate, key.as_ref(), step).await? {
            Kept::Now(tx, reply, done) => (tx, reply, done),
            Kept::Before(reply) => return Ok(reply),
        };
    #[cfg(feature = "faults")]
    let tx = match crate::engine::mistakes::answer_early(tx, reply.clone()) {
        Ok(early) => return Ok(early),
        Err(tx) => tx,
    };
    if let Err(error) = point(Point::SettleInTx).await {
        idempotency::take_back(tx).await;
        return Err(error.into());
    }
    tx.commit().await?;
    point(Point::SettleCommitted).await?;
    if let (Ok(Settled { hold, .. }), true) = (&ended, changed) {
        counter!(telemetry::HOLDS_ENDED, "state" => hold.state.as_str()).increment(1);
        if hold.state == HoldState::Released {
            crate::engine::checkout::expire::give_back(gate, hold.sale, &[hold.unit]).await;
        } else if let Some(line) = gate.line_of(hold.sale) {
            crate::engine::steering::operate::after_purchase(gate, &line).await;
        }
        gate.nudge();
    }
    point(Point::SettleTold).await?;
    Ok(reply)
}

/// A shopper settles only the hold of the ticket, and confirms only where the sale says so.
async fn is_allowed(gate: &Gate, by: &By, id: HoldId, settle: &Settle) -> Result<(), FlowError> {
    if matches!(by, By::Shop { .. }) {
        return Ok(());
    }
    let found = gate.ledger.hold_and_generation(id).await?;
    let (hold, generation) = found.ok_or(Refusal::NoSuchHold)?;
    by.may_see(&hold, generation)?;
    if *settle == Settle::Release {
        return Ok(());
    }
    let checkout = match gate.line_of(hold.sale) {
        Some(line) => line.view().snapshot.sale.settings.checkout,
        None => gate.sale(&hold.sale.to_string()).await?.settings.checkout,
    };
    match checkout {
        Checkout::Builtin => Ok(()),
        Checkout::Shop => Err(Refusal::ShopConfirms.into()),
    }
}

/// One hold's end, for a transaction of its own.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    Confirm(Purchase<'a>),
    Release,
}

/// Ends the hold; says how it stands and whether this changed it. Repeating what was done is no refusal.
async fn flip(
    tx: &mut Tx,
    id: HoldId,
    how: End<'_>,
) -> Result<(Result<Settled, Refusal>, bool), FlowError> {
    match how {
        End::Confirm(purchase) => {
            let done = tx.confirm_all(&[purchase]).await?.into_iter().next();
            let (confirmed, noted) =
                done.ok_or(LedgerError::Impossible("a purchase without an answer"))?;
            let is_now = matches!(confirmed, Confirmed::Now(_));
            match outcome(confirmed, noted) {
                Err(Refusal::NoSuchHold) => Err(Refusal::NoSuchHold.into()),
                done => Ok((done, is_now)),
            }
        }
        End::Release => {
            let (hold, changed) = tx.release(id).await?.ok_or(Refusal::NoSuchHold)?;
            let is_released = hold.state == HoldState::Released;
            let refusal = Refusal::HoldEnded(hold.state);
            Ok((if is_released { Ok(Settled::plain(hold)) } else { Err(refusal) }, changed))
        }
    }
}

/// What a confirm is answered with, its payment reference included.
pub(crate) fn outcome(confirmed: Confirmed, noted: Noted) -> Result<Settled, Refusal> {
    let hold = match confirmed {
        Confirmed::Unknown => return Err(Refusal::NoSuchHold),
        Confirmed::Now(hold) | Confirmed::Before(hold) => hold,
    };
    let is_sold = hold.state == HoldState::Confirmed;
    match noted {
        Noted::TooMany(most) => {
            let detail = format!(
                "this hold has {most} payment references besides its order's, the most that are kept; this one was not \
                 kept"
            );
            Err(Refusal::Invalid(vec![Fault::new("payment_reference", detail)]))
        }
        Noted::Kept { kind, used_before, .. } if is_sold => {
            Ok(Settled { hold, is_duplicate: kind == PaymentKind::Duplicate, used_before })
        }
        Noted::Kept { .. } => Err(Refusal::HoldEndedPaid(hold.state)),
        Noted::Nothing if is_sold => Ok(Settled::plain(hold)),
        Noted::Nothing => Err(Refusal::HoldEnded(hold.state)),
    }
}
