//! Passwords: argon2id, slow on purpose, and so on a thread of its own and a few at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::engine::FlowError;

/// What OWASP asks for: 19 MiB, two passes, one lane.
const PARAMS: Params = match Params::new(19_456, 2, 1, None) {
    Ok(params) => params,
    Err(_) => panic!("these are good"),
};
/// Hashes at a time. Each keeps a core busy and 19 MiB: a flood of log-ins must leave the rest to the line.
const AT_ONCE: usize = 1;
/// Log-ins that may wait for their turn; more are told to come back. About a second's worth.
const MOST_WAITING: usize = 32;
/// Longest wait for a turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);
/// What a name that nobody has is checked against, so that it takes as long as one that somebody has. No
/// password makes it.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMS)
}

/// The hash of a password, with a salt of its own. Takes a while: see [`Hashing`].
pub fn hash(password: &str) -> anyhow::Result<String> {
    let hash: argon2::PasswordHash = argon2()
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow::anyhow!("the password was not hashed: {error}"))?;
    Ok(hash.to_string())
}

fn matches(password: &str, hash: &str) -> bool {
    argon2().verify_password(password.as_bytes(), hash).is_ok()
}

/// The turns of a gateway's hashes.
pub struct Hashing {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), waiting: AtomicUsize::new(0) }
    }
}

impl Hashing {
    pub async fn hash(&self, password: String) -> Result<String, FlowError> {
        self.take_turn(move || hash(&password)).await?.map_err(FlowError::Internal)
    }

    /// Whether the password is the one of this hash; with none, as slowly, that it is not.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, FlowError> {
        self.take_turn(move || matches(&password, hash.as_deref().unwrap_or(NOBODY))).await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, FlowError> {
        let busy = || FlowError::Unavailable("the log-in", None);
        let _waits = Waits::new(&self.waiting).ok_or_else(busy)?;
        let turn = timeout(TURN_WITHIN, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        // The turn goes along: whoever hangs up meanwhile leaves a hash that runs on.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await.map_err(|panic| FlowError::Internal(panic.into()))
    }
}

/// One that waits or is served; it is counted until it is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn new(count: &'a AtomicUsize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waits = Self(count);
        (before < MOST_WAITING + AT_ONCE).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_alone() {
        let made = hash("correct horse battery").unwrap();
        assert!(made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{made}");
        assert!(matches("correct horse battery", &made));
        assert!(!matches("correct horse batterz", &made));
        assert_ne!(made, hash("correct horse battery").unwrap(), "each has its own salt");
        // Read with the same parameters as a real one, so that it takes as long.
        assert!(argon2::PasswordHash::new(NOBODY).is_ok());
        assert!(!matches("", NOBODY));
    }

    #[tokio::test]
    async fn a_flood_is_told_to_come_back_and_the_runtime_goes_on() {
        let hashing = Arc::new(Hashing::default());
        let flood: Vec<_> = (0..200)
            .map(|_| {
                let hashing = hashing.clone();
                tokio::spawn(async move { hashing.verify("a guess".into(), None).await })
            })
            .collect();
        let (mut refused, mut checked) = (0, 0);
        for guess in flood {
            match guess.await.unwrap() {
                Ok(is_right) => {
                    assert!(!is_right);
                    checked += 1;
                }
                Err(FlowError::Unavailable(_, None)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(checked + refused, 200);
        assert!(checked <= MOST_WAITING + AT_ONCE && refused > 0, "{checked} were checked");
        assert!(!hashing.verify("a guess".into(), None).await.unwrap(), "and later ones are taken");
    }
}
