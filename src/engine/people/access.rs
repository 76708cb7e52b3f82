//! Whom a secret proves. What was looked up is kept for a short while, so that a confirm with an API key asks
//! Postgres nothing more than one of a shopper does.
//!
//! Everything that is kept is looked up again each second, all in one query: a key that was revoked on
//! another gateway is refused here a second or two later. While Postgres does not answer, what was good
//! goes on for a minute.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::engine::{FlowError, Gate};
pub use crate::ledger::{Holder, Proven};

/// How often what is kept is looked up again.
const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// How long a secret that was good goes on while Postgres cannot be asked.
const GOES_ON: Duration = Duration::from_secs(60);
/// A session that nobody used for so long is not kept.
const KEPT_UNUSED: Duration = Duration::from_secs(60);
/// An API key that nobody used for so long is not kept. There are few, and a confirm with a key that is kept is
/// taken however busy its address is.
const KEY_KEPT_UNUSED: Duration = Duration::from_secs(3600);
/// How often it is written down that a secret was used.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// A session that nobody used for so long is over.
pub const IDLE: Duration = Duration::from_secs(2 * 3600);
/// Most secrets that are kept; one more is looked up each time. Some 200 bytes each.
const MOST_KEPT: usize = 10_000;
/// Look-ups of unknown secrets at a time: guesses must not keep anyone from reading.
const LOOKUPS: usize = 2;
/// Longest look-up.
const LOOK_WITHIN: Duration = Duration::from_secs(3);

/// SHA-256 of a secret; enough, for a secret is 256 random bits.
pub type SecretDigest = [u8; 32];

pub fn digest(secret: &str) -> SecretDigest {
    Sha256::digest(secret.as_bytes()).into()
}

struct Kept {
    proven: Arc<Proven>,
    read_at: Instant,
    used_at: Instant,
    /// When its use was last written down.
    noted_at: Option<Instant>,
}

/// What one gateway knows of secrets.
pub struct Access {
    kept: Mutex<HashMap<SecretDigest, Kept>>,
    lookups: Semaphore,
}

impl Default for Access {
    fn default() -> Self {
        Self { kept: Mutex::default(), lookups: Semaphore::new(LOOKUPS) }
    }
}

impl Access {
    fn kept(&self) -> MutexGuard<'_, HashMap<SecretDigest, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, digest: &SecretDigest, now: Instant) -> Option<Arc<Proven>> {
        let mut kept = self.kept();
        let found = kept.get_mut(digest).filter(|found| now - found.read_at < GOES_ON)?;
        found.used_at = now;
        Some(found.proven.clone())
    }

    fn keep(&self, proven: &Arc<Proven>, read_at: Instant) {
        let mut kept = self.kept();
        if kept.len() < MOST_KEPT {
            let fresh = Kept { proven: proven.clone(), read_at, used_at: read_at, noted_at: None };
            kept.insert(proven.digest, fresh);
        }
    }

    /// Nothing that this holder has is good without another look.
    pub fn forget(&self, holder: &Holder) {
        self.kept().retain(|_, kept| kept.proven.holder != *holder);
    }

    pub fn forget_secret(&self, digest: &SecretDigest) {
        self.kept().remove(digest);
    }

    /// What Postgres says now of these. One that came meanwhile is left alone.
    fn refresh(&self, asked: &[SecretDigest], read_at: Instant, said: Vec<Proven>) {
        let mut said: HashMap<_, _> =
            said.into_iter().map(|proven| (proven.digest, proven)).collect();
        let mut kept = self.kept();
        for digest in asked {
            match said.remove(digest) {
                Some(proven) => {
                    if let Some(found) = kept.get_mut(digest) {
                        found.read_at = read_at;
                        if *found.proven != proven {
                            found.proven = Arc::new(proven);
                        }
                    }
                }
                None => drop(kept.remove(digest)),
            }
        }
    }

    /// Those whose use is to be written down now; each is named once in a while.
    fn to_note(&self, now: Instant) -> Vec<SecretDigest> {
        let mut kept = self.kept();
        let due = kept.iter_mut().filter(|(_, kept)| {
            kept.noted_at.is_none_or(|noted| kept.used_at > noted && now - noted >= NOTED_EVERY)
        });
        due.map(|(digest, kept)| {
            kept.noted_at = Some(now);
            *digest
        })
        .collect()
    }

    fn drop_unused(&self, now: Instant) -> Vec<SecretDigest> {
        let mut kept = self.kept();
        kept.retain(|_, kept| {
            let lasts = match kept.proven.holder {
                Holder::Key(_) => KEY_KEPT_UNUSED,
                Holder::Operator(_) | Holder::AdminKey(_) => KEPT_UNUSED,
            };
            now - kept.used_at < lasts
        });
        kept.keys().copied().collect()
    }
}

/// Whom this secret proves, as far as that is known without asking Postgres.
pub fn known(gate: &Gate, digest: &SecretDigest) -> Option<Arc<Proven>> {
    let proven = gate.access.find(digest, Instant::now())?;
    let is_over = proven.expires_at.is_some_and(|at| at <= gate.clock.now());
    (!is_over).then_some(proven)
}

/// Whom this secret proves; nobody when it is unknown, revoked or over.
///
/// # Errors
/// `Unavailable` when it is not known here and Postgres cannot be asked.
pub async fn prove(gate: &Gate, digest: SecretDigest) -> Result<Option<Arc<Proven>>, FlowError> {
    let is_over = |proven: &Proven| proven.expires_at.is_some_and(|at| at <= gate.clock.now());
    if let Some(proven) = gate.access.find(&digest, Instant::now()) {
        return Ok(Some(proven).filter(|proven| !is_over(proven)));
    }
    let busy = || FlowError::Unavailable("postgres", None);
    let look = async {
        let _one_of_few = gate.access.lookups.acquire().await.map_err(|_| busy())?;
        let asked = Instant::now();
        Ok::<_, FlowError>((asked, gate.ledger.prove(&[digest], IDLE).await?.pop()))
    };
    let (asked, found) = timeout(LOOK_WITHIN, look).await.map_err(|_| busy())??;
    let found = found.map(Arc::new);
    if let Some(proven) = &found {
        gate.access.keep(proven, asked);
    }
    Ok(found)
}

/// Looks up again what is kept, and writes down what was used, for as long as the gateway runs.
pub async fn keep_fresh(gate: &Gate) {
    loop {
        sleep(REFRESH_EVERY).await;
        match timeout(LOOK_WITHIN, refresh(gate)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = format!("{error:#}"), "keys and sessions not looked up");
            }
            Err(_) => tracing::debug!("keys and sessions not looked up in time"),
        }
    }
}

async fn refresh(gate: &Gate) -> Result<(), FlowError> {
    let asked_at = Instant::now();
    let asked = gate.access.drop_unused(asked_at);
    if asked.is_empty() {
        return Ok(());
    }
    let said = gate.ledger.prove(&asked, IDLE).await?;
    gate.access.refresh(&asked, asked_at, said);
    let used = gate.access.to_note(asked_at);
    if !used.is_empty() {
        gate.ledger.note_used(&used).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ApiKeyId, OperatorId, Role};

    fn proven(secret: &str) -> Arc<Proven> {
        let holder = Holder::Key(ApiKeyId::new());
        let (digest, name) = (digest(secret), secret.to_owned());
        Arc::new(Proven { digest, holder, role: Role::Checkout, name, expires_at: None })
    }

    #[test]
    fn what_was_good_goes_on_for_a_minute_without_postgres_and_no_longer() {
        let (access, till, now) = (Access::default(), proven("till"), Instant::now());
        access.keep(&till, now);
        assert!(access.find(&till.digest, now + GOES_ON - Duration::from_millis(1)).is_some());
        assert!(access.find(&till.digest, now + GOES_ON).is_none());
    }

    #[test]
    fn what_postgres_does_not_name_any_more_is_forgotten_at_once() {
        let (access, now) = (Access::default(), Instant::now());
        let (till, desk) = (proven("till"), proven("desk"));
        access.keep(&till, now);
        let asked = access.drop_unused(now);
        access.keep(&desk, now);
        access.refresh(&asked, now, Vec::new());
        assert!(access.find(&till.digest, now).is_none());
        assert!(access.find(&desk.digest, now).is_some(), "it came while Postgres was asked");
    }

    #[test]
    fn a_use_is_noted_once_a_minute_and_the_unused_are_dropped() {
        let (access, begun) = (Access::default(), Instant::now());
        let holder = Holder::Operator(OperatorId::new());
        let till = Arc::new(Proven { holder, ..Proven::clone(&proven("till")) });
        let after = |seconds| begun + Duration::from_secs(seconds);
        access.keep(&till, begun);
        assert_eq!(access.to_note(begun), [till.digest]);
        for second in 1..60 {
            access.refresh(&[till.digest], after(second), vec![Proven::clone(&till)]);
            access.find(&till.digest, after(second)).unwrap();
            assert!(access.to_note(after(second)).is_empty());
        }
        assert_eq!(access.to_note(after(60)), [till.digest]);
        assert!(access.to_note(after(200)).is_empty(), "nobody used it since");
        assert_eq!(access.drop_unused(after(59 + 59)), [till.digest]);
        assert!(access.drop_unused(after(59 + 60)).is_empty());
        access.keep(&proven("shop"), begun);
        assert_eq!(access.drop_unused(after(3_599)).len(), 1, "an API key is kept for an hour");
        assert!(access.drop_unused(after(3_600)).is_empty());
    }
}
