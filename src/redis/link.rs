//! The connections to Redis. They heal by themselves, and are given up when they lead to a server that does
//! not serve: after a failover the next ones find the new primary behind the same address.
//!
//! The managers below reconnect when a connection breaks. They keep one that works, to a primary that was
//! demoted, and one that is silent, to a machine that is gone.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, RedisResult};
use tokio::time::timeout;

use crate::redis::LiveError;

/// Longest wait for one script. Each is bounded and takes well under a millisecond; a longer silence is
/// a Redis that is frozen, busy loading or unreachable.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_000);
/// Longest wait for a connection; also how long a command waits for a reconnect under way.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
/// What a server says that was demoted, is being filled, was cut off from the replicas that it must have, or
/// turns its caller away. It did nothing, and a manager would keep the last as Redis's last word.
const SERVES_NOT: [&str; 7] =
    ["READONLY", "MASTERDOWN", "LOADING", "NOREPLICAS", "NOAUTH", "WRONGPASS", "NOPERM"];

/// Joins have a connection of their own, so that a stampede does not delay admissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Joins,
    Others,
}

/// Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    client: Client,
    now: RwLock<Pair>,
}

/// Both lanes lead to the same server, and are given up together. The pairs so far are counted, so that of
/// many calls that fail on one, one gives it up.
#[derive(Clone)]
struct Pair {
    n: u64,
    joins: ConnectionManager,
    others: ConnectionManager,
}

impl Pair {
    fn new(n: u64, client: &Client) -> RedisResult<Self> {
        Ok(Self { n, joins: manager(client)?, others: manager(client)? })
    }
}

impl Link {
    pub fn new(client: &Client) -> RedisResult<Self> {
        let now = RwLock::new(Pair::new(0, client)?);
        Ok(Self(Arc::new(Inner { client: client.clone(), now })))
    }

    /// Runs one call.
    pub async fn run<T, C: Future<Output = RedisResult<T>>>(
        &self,
        lane: Lane,
        call: impl FnOnce(ConnectionManager) -> C,
    ) -> Result<T, LiveError> {
        let Pair { n, joins, others } =
            self.0.now.read().unwrap_or_else(PoisonError::into_inner).clone();
        let manager = match lane {
            Lane::Joins => joins,
            Lane::Others => others,
        };
        let answer = within(call(manager)).await;
        match &answer {
            Err(LiveError::Away(None)) => self.give_up(n, "no answer"),
            Err(LiveError::Away(Some(error))) if error.is_timeout() || serves_not(error) => {
                self.give_up(n, &error.to_string());
            }
            Ok(_) | Err(_) => {}
        }
        answer
    }

    fn give_up(&self, n: u64, why: &str) {
        let mut now = self.0.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.n == n
            && let Ok(next) = Pair::new(n + 1, &self.0.client)
        {
            tracing::warn!(why, "gave up the connections to redis");
            *now = next;
        }
    }
}

/// Bounds a call: a manager's own wait for a reconnect is not part of its answer timeout.
pub(crate) async fn within<T>(call: impl Future<Output = RedisResult<T>>) -> Result<T, LiveError> {
    match timeout(ANSWER_WITHIN + CONNECT_WITHIN, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(LiveError::Away(None)),
    }
}

/// Whether the server refused everything: it is not the primary any more, or turned its caller away.
pub(crate) fn serves_not(error: &RedisError) -> bool {
    error.kind() == ErrorKind::AuthenticationFailed
        || error.code().is_some_and(|code| SERVES_NOT.contains(&code))
}

/// Few and short retries: a call fails soon, and the manager heals by itself behind it.
fn manager(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(20))
        .set_max_delay(Duration::from_millis(100))
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    client.get_connection_manager_lazy(config)
}
