//! How Redis is set up, as far as it matters, and whether its user may run what a sale needs. Asks only what
//! a managed Redis allows as well: `CONFIG` is not among it.

use redis::{ErrorKind, InfoDict, RedisError, ServerErrorKind};

use crate::redis::link::{Lane, within};
use crate::redis::{Live, LiveError, keys, script};

/// What a Redis user needs: its keys, the commands outside of scripts, and those in them.
pub const GRANT: &str = "~ropeline:* +ping +info +multi +exec +evalsha +script|load +expire +exists \
    +hdel +hget +hincrby +hset +llen +lrange +lrem +ltrim +persist +rename +rpush +sadd +scard +srem +time \
    +unlink +xadd +xrange +xrevrange +zadd +zcard +zcount +zrange +zrangebyscore +zrem +zremrangebyrank +zscore";

/// How Redis is set up. None and empty where it does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    pub version: String,
    /// `noeviction` is the only policy under which a line cannot vanish.
    pub eviction: Option<String>,
    pub append_only: Option<bool>,
    pub is_replica: bool,
    pub is_cluster: bool,
    pub replicas: u32,
    /// It takes no writes while too few replicas follow: `min-replicas-to-write`.
    pub needs_replicas: bool,
    /// What it could not write to its disk the last time: `append-only file` or `snapshot`.
    pub not_on_disk: Vec<&'static str>,
    pub used_memory: u64,
    /// 0 where there is no limit.
    pub max_memory: u64,
}

impl Live {
    /// Whether Redis answers at all.
    pub async fn ping(&self) -> Result<(), LiveError> {
        let ping = redis::cmd("PING");
        self.link.run(Lane::Others, async |mut redis| ping.exec_async(&mut redis).await).await
    }

    /// As whom this gateway logs in to Redis.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Asks Redis how it is set up; None when its user may not.
    pub async fn check(&self) -> Result<Option<Check>, LiveError> {
        let ask = redis::cmd("INFO");
        let asked =
            self.link.run(Lane::Others, async |mut redis| ask.query_async(&mut redis).await).await;
        let info: InfoDict = match asked {
            Err(LiveError::Away(Some(error))) if is_refusal(&error) => return Ok(None),
            asked => asked?,
        };
        let text = |name: &str| info.get::<String>(name);
        let number = |name: &str| info.get::<u64>(name).unwrap_or_default();
        let failed = |name: &str| text(name).is_some_and(|status| status != "ok");
        let writes = [
            ("append-only file", failed("aof_last_write_status")),
            ("snapshot", failed("rdb_last_bgsave_status")),
        ];
        Ok(Some(Check {
            version: text("redis_version").unwrap_or_default(),
            eviction: text("maxmemory_policy"),
            append_only: text("aof_enabled").map(|on| on == "1"),
            is_replica: text("role").is_some_and(|role| role == "slave"),
            is_cluster: number("cluster_enabled") == 1,
            replicas: info.get("connected_slaves").unwrap_or_default(),
            // Redis tells how many are good only when it needs some.
            needs_replicas: text("min_slaves_good_slaves").is_some(),
            not_on_disk: writes.into_iter().filter(|(_, bad)| *bad).map(|(what, _)| what).collect(),
            used_memory: number("used_memory"),
            max_memory: number("maxmemory"),
        }))
    }

    /// What this user may not run outside of scripts. On a connection of its own: a transaction that is left
    /// open would swallow what others ask.
    pub(crate) async fn refused_outside_scripts(&self) -> Result<Vec<(String, String)>, LiveError> {
        let mut redis = within(self.client.get_multiplexed_async_connection()).await?;
        let unlink = redis::cmd("UNLINK").arg(keys::scratch(rand::random())).to_owned();
        let [ping, info, multi, exec] = ["PING", "INFO", "MULTI", "EXEC"].map(redis::cmd);
        let mut denied = Vec::new();
        for (name, command) in
            [("PING", ping), ("INFO", info), ("UNLINK", unlink), ("MULTI", multi), ("EXEC", exec)]
        {
            let done = within(command.query_async::<redis::Value>(&mut redis)).await;
            denied.extend(refusal(name, done.map(drop))?);
            if denied.last().is_some_and(|(name, _)| name == "MULTI") {
                break; // There is nothing to execute.
            }
        }
        let loaded = within(script!("probe").load_async(&mut redis)).await;
        denied.extend(refusal("SCRIPT LOAD", loaded.map(drop))?);
        Ok(denied)
    }
}

/// The refusal of a command, if it was refused for good.
fn refusal(
    command: &str,
    done: Result<(), LiveError>,
) -> Result<Option<(String, String)>, LiveError> {
    match done {
        Err(LiveError::Away(Some(error))) if is_refusal(&error) => {
            Ok(Some((command.to_owned(), error.to_string())))
        }
        done => done.map(|()| None),
    }
}

/// Whether Redis said that this user may not, or that there is no such command: asking again changes
/// nothing. Anything else that it says (loading, busy, a full disk) passes.
pub(crate) fn is_refusal(error: &RedisError) -> bool {
    let says = |words: &str| error.detail().is_some_and(|detail| detail.contains(words));
    let kind = error.kind();
    kind == ErrorKind::Server(ServerErrorKind::NoPerm)
        || (kind == ErrorKind::Server(ServerErrorKind::ExecAbort) && says("NOPERM"))
        || (kind == ErrorKind::Server(ServerErrorKind::ResponseError) && says("unknown command"))
}
