//! The fast half of a sale, in Redis: who is in line, which purchase tokens are on the list, and the
//! one batch in flight. One method per script in `lua/`; it decides nothing about units.
//!
//! Everything here can be rebuilt from Postgres. Every call carries the sale's epoch and is refused
//! as [`LiveError::Fenced`] when another one rules, so a gateway that slept through a rebuild can do no harm.

pub(crate) mod check;
pub(crate) mod keys;
pub(crate) mod link;
pub mod scripts;

use std::sync::Arc;

use redis::{FromRedisValue, ScriptInvocation};

use crate::redis::link::{Lane, Link};

pub use crate::redis::check::{Check, GRANT};
pub use crate::redis::scripts::admit::{Ack, Admitted, Slot, Waiter};
pub use crate::redis::scripts::join::{Joined, MOST_TICKETS};
pub use crate::redis::scripts::load::LOAD_PAGE;
pub use crate::redis::scripts::probe::Probed;
pub use crate::redis::scripts::survey::{Change, FEED_PAGE, Known, Survey};
pub use crate::redis::scripts::swap::Loaded;

/// Most units or tickets that one call carries: Lua's `unpack` gives out near 8,000.
pub const PAGE: usize = 1_000;

/// The scripts' Redis. Cheap to clone; reconnects by itself.
#[derive(Clone)]
pub struct Live {
    link: Link,
    client: redis::Client,
    user: Arc<str>,
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
        Ok(Self { link: Link::new(&client)?, client, user })
    }

    async fn call<T: FromRedisValue>(
        &self,
        invocation: &ScriptInvocation<'_>,
    ) -> Result<T, LiveError> {
        self.link
            .run(Lane::Others, async |mut redis| invocation.invoke_async(&mut redis).await)
            .await
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
