//! What becomes of the stores right after a point was reached.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{Instant, sleep};

use super::script::Play;
use crate::world::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aftermath {
    Nothing,
    /// Redis has nothing any more.
    Empty,
    /// Redis was killed, and has what it had earlier in the same sale.
    Older,
    /// Postgres was killed and started again on what it had.
    Restarted,
}

impl Aftermath {
    pub const ALL: [Self; 4] = [Self::Nothing, Self::Empty, Self::Older, Self::Restarted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Empty => "redis-empty",
            Self::Older => "redis-older",
            Self::Restarted => "postgres-restarted",
        }
    }
}

/// How long the files of Redis were when the copy was due. Cutting them there is what a machine does that
/// loses the end of a file.
pub struct Copy {
    files: Vec<(PathBuf, u64)>,
    /// The last batch that Redis had then.
    batch: i64,
}

/// A Redis that is busy with its disk writes its file a little later.
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(5);

impl Copy {
    /// Remembers what Redis has now.
    ///
    /// # Errors
    /// When Redis does not answer.
    pub async fn take(world: &World, sale: &str) -> Result<Self> {
        let mut redis = world.redis().await?;
        let deadline = Instant::now() + WRITTEN_WITHIN;
        loop {
            let info: redis::InfoDict =
                redis::cmd("INFO").arg("persistence").query_async(&mut redis).await?;
            if info.get::<u64>("aof_buffer_length").unwrap_or(0) == 0 || Instant::now() > deadline {
                break;
            }
            sleep(LOOK).await;
        }
        let (_, dir): (String, String) =
            redis::cmd("CONFIG").arg("GET").arg("dir").query_async(&mut redis).await?;
        let mut files = Vec::new();
        for entry in std::fs::read_dir(PathBuf::from(dir).join("appendonlydir"))? {
            let path = entry?.path();
            let length = path.metadata()?.len();
            files.push((path, length));
        }
        let ctl = format!("ropeline:{{{sale}}}:ctl");
        let batch = redis::cmd("HGET").arg(ctl).arg("n").query_async(&mut redis).await?;
        Ok(Self { files, batch })
    }

    async fn put_back(&self, world: &mut World) -> Result<()> {
        world.stores.kill_redis().await?;
        for (path, length) in &self.files {
            let file = std::fs::OpenOptions::new().write(true).open(path);
            file.context("a file of Redis")?.set_len(*length)?;
        }
        world.stores.start_redis().await
    }
}

/// Does it; `copy` is needed for an older Redis. Says whether gateways must notice a loss and rebuild: nothing
/// is left, or Postgres has a batch that Redis forgot.
///
/// # Errors
/// When a store does not do as it is told.
pub async fn apply(
    aftermath: Aftermath,
    world: &mut World,
    play: &Play,
    copy: Option<&Copy>,
) -> Result<bool> {
    match aftermath {
        Aftermath::Nothing => Ok(false),
        Aftermath::Empty => {
            redis::cmd("FLUSHALL").exec_async(&mut world.redis().await?).await?;
            Ok(!play.is_closed)
        }
        Aftermath::Older => {
            let copy = copy.context("a copy")?;
            copy.put_back(world).await?;
            Ok(!play.is_closed && play.last_batch().await? > copy.batch)
        }
        Aftermath::Restarted => {
            world.stores.kill_postgres().await?;
            world.stores.start_postgres().await?;
            Ok(false)
        }
    }
}
