//! The fast half of a sale, in Redis: who is in line, which purchase tokens are on the list, and the
//! one batch in flight. One method per script in `lua/`; it decides nothing about units.
//!
//! Everything here can be rebuilt from Postgres. Every call carries the sale's epoch and is refused
//! as [`LiveError::Fenced`] when another one rules, so a gateway that slept through a rebuild can do no harm.

mod admit;
mod check;
mod clear;
mod drop;
mod free;
mod join;
mod keys;
mod leave;
mod load;
mod page;
mod probe;
mod restore;
mod survey;
mod swap;
mod tokens;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, FromRedisValue, ScriptInvocation};
use tokio::time::timeout;

pub use admit::{Ack, Admitted, Slot, Waiter};
pub use check::{Check, GRANT};
pub use join::{Joined, MOST_TICKETS};
pub use probe::Probed;
pub use survey::{Change, FEED_PAGE, Survey};

/// Longest wait for one script. Each is bounded and takes well under a millisecond; a longer silence is
/// a Redis that is frozen, busy loading or unreachable.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_000);
/// Longest wait for a connection; also how long a command waits for a reconnect under way.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// Redis's words when it turns a connection away and may take the next one.
const TURNED_AWAY: [&str; 5] = ["LOADING", "NOAUTH", "WRONGPASS", "NOPERM", "MASTERDOWN"];
/// Most units or tickets that one call carries: Lua's `unpack` gives out near 8,000.
pub const PAGE: usize = 1_000;

/// The scripts' Redis. Cheap to clone; reconnects by itself.
#[derive(Clone)]
pub struct Live {
    client: redis::Client,
    user: Arc<str>,
    managers: Arc<RwLock<Managers>>,
}

struct Managers {
    /// Joins have a connection of their own, so that a stampede does not delay admissions.
    joins: ConnectionManager,
    others: ConnectionManager,
}

impl Managers {
    fn new(client: &redis::Client) -> Result<Self, LiveError> {
        // Few and short retries: a call fails soon, and the manager heals by itself behind it.
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(100))
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(ANSWER_WITHIN));
        Ok(Self {
            joins: client.get_connection_manager_lazy(config.clone())?,
            others: client.get_connection_manager_lazy(config)?,
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// No answer: what was asked for may have been done or not.
    #[error("redis did not answer")]
    Away(#[source] Option<redis::RedisError>),
    /// Another epoch rules; nothing was done.
    #[error("another epoch rules this sale in redis")]
    Fenced,
    /// The script and its wrapper disagree: a bug, never a shopper's mistake.
    #[error("lua/{script}.lua returned an outcome that its wrapper does not know: {outcome:?}")]
    Contract { script: &'static str, outcome: String },
}

impl From<redis::RedisError> for LiveError {
    fn from(error: redis::RedisError) -> Self {
        Self::Away(Some(error))
    }
}

impl From<std::io::Error> for LiveError {
    fn from(error: std::io::Error) -> Self {
        redis::RedisError::from(error).into()
    }
}

impl Live {
    /// Does not wait for Redis to be there; each call says whether it is.
    ///
    /// # Errors
    /// When `url` is not one that Redis has.
    pub fn new(url: &str) -> Result<Self, LiveError> {
        let client = redis::Client::open(url)?;
        let user = client.get_connection_info().redis_settings().username().unwrap_or("default");
        let user = user.into();
        let managers = Arc::new(RwLock::new(Managers::new(&client)?));
        Ok(Self { client, user, managers })
    }

    fn joins(&self) -> ConnectionManager {
        self.managers.read().unwrap_or_else(PoisonError::into_inner).joins.clone()
    }

    fn others(&self) -> ConnectionManager {
        self.managers.read().unwrap_or_else(PoisonError::into_inner).others.clone()
    }

    async fn call<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T, LiveError> {
        self.heal(within(invocation.invoke_async(&mut self.others())).await)
    }

    /// A manager keeps a connection attempt that Redis itself turned away (a user who is not made yet, data
    /// that is being loaded) as its last word. Each tick calls something, so that new ones try again.
    fn heal<T>(&self, done: Result<T, LiveError>) -> Result<T, LiveError> {
        if let Err(LiveError::Away(Some(error))) = &done
            && (error.kind() == ErrorKind::AuthenticationFailed
                || error.code().is_some_and(|code| TURNED_AWAY.contains(&code)))
        {
            let mut managers = self.managers.write().unwrap_or_else(PoisonError::into_inner);
            *managers = Managers::new(&self.client)?;
        }
        done
    }
}

/// Bounds a call: the manager's own wait for a reconnect is not part of its answer timeout.
async fn within<T>(call: impl Future<Output = redis::RedisResult<T>>) -> Result<T, LiveError> {
    match timeout(ANSWER_WITHIN + CONNECT_WITHIN, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(LiveError::Away(None)),
    }
}

/// Numbers and ids as the scripts take them: text with spaces between.
fn spaced<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(" ")
}

/// Turns an outcome that no arm knows into the error for it.
fn unknown<T>(script: &'static str, outcome: String) -> Result<T, LiveError> {
    if outcome == "epoch" {
        Err(LiveError::Fenced)
    } else {
        Err(LiveError::Contract { script, outcome })
    }
}

/// A script from `lua/`, compiled into the binary; `EVALSHA` first, `EVAL` when Redis forgot it.
macro_rules! script {
    ($name:literal) => {{
        static SCRIPT: std::sync::LazyLock<redis::Script> = std::sync::LazyLock::new(|| {
            redis::Script::new(&crate::faults::script(
                $name,
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lua/", $name, ".lua")),
            ))
        });
        &*SCRIPT
    }};
}
pub(crate) use script;
