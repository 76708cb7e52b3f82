//! A private Redis and a private Postgres, run as our children: for `ropeline dev` and for tests.
//!
//! Owns their processes, sockets and data. They listen on Unix sockets only, so nothing collides
//! with a server of the machine, and they end with us even when we are killed.
//! The processes are plain `std` children, tied to no tokio runtime: tests may share one `Stores`.

pub(crate) mod account;
pub(crate) mod guard;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod start;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::time::{Instant, sleep};

use crate::dev::stores::account::{Account, Programs};
use crate::dev::stores::guard::{Guarded, STOP_LIMIT};
use crate::dev::stores::place::{Place, remove_dir, remove_file};
use crate::dev::stores::process::{
    POLL, Process, family, kill_family, processes, signal, stopped_family,
};

pub use crate::dev::stores::start::FalseClock;

/// What happens to data that an earlier run left in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// It is wiped before the start, and after a clean stop.
    Fresh,
    /// It is used again.
    Keep,
}

/// A running pair of stores. Dropping it ends them too, a moment later and without a word.
pub struct Stores {
    data: Data,
    account: Account,
    programs: Programs,
    clock: Option<FalseClock>,
    redis: Option<Guarded>,
    postgres: Option<Guarded>,
    // The last field: it is given back after the guards have been told.
    place: Place,
}

impl Stores {
    /// Starts both below `dir`, which is made if missing. While another run is using `dir`, this
    /// one takes `dir-2`, and so on.
    pub async fn start(dir: &Path, data: Data) -> Result<Stores> {
        Self::start_with(dir, data, None).await
    }

    /// The same, with a clock of Postgres that can be made to jump.
    pub async fn start_with(dir: &Path, data: Data, clock: Option<FalseClock>) -> Result<Stores> {
        let programs = Programs::find()?;
        let place = Place::claim(dir)?;
        end_leftovers(&place.name).await?;
        let account = Account::choose(&place.name, &place.dir).await?;
        let mut stores =
            Stores { data, account, programs, clock, redis: None, postgres: None, place };
        for log in ["redis.log", "postgres.log"] {
            remove_file(&stores.place.dir.join(log))?;
        }
        if data == Data::Fresh {
            stores.wipe()?;
        }
        stores.start_redis().await?;
        stores.start_postgres().await?;
        Ok(stores)
    }

    pub fn redis_url(&self) -> String {
        format!("unix://{}", self.redis_socket().display())
    }

    pub fn database_url(&self) -> String {
        self.url_of_database("ropeline")
    }

    /// A secret that lasts as long as the data: made with the first gateway on it.
    pub fn secret(&self) -> io::Result<String> {
        let file = self.secret_file();
        match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secret = crate::random_text() + &crate::random_text();
                let mut made = fs::OpenOptions::new();
                made.write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(file)?
                    .write_all(secret.as_bytes())?;
                Ok(secret)
            }
            read => read,
        }
    }

    /// Ends Redis by SIGKILL and waits until it is gone.
    pub async fn kill_redis(&mut self) -> Result<()> {
        self.redis.take().context("Redis is not running")?.kill().await
    }

    /// Ends Postgres by SIGKILL, all its processes, and waits until they are gone.
    pub async fn kill_postgres(&mut self) -> Result<()> {
        self.postgres.take().context("Postgres is not running")?.kill().await
    }

    /// Loses everything that Redis had on disk; only while it is killed.
    pub async fn wipe_redis_data(&mut self) -> Result<()> {
        ensure!(self.redis.is_none(), "Redis is running: kill it before its data is wiped");
        Ok(remove_dir(&self.redis_dir())?)
    }

    /// Stops Redis in its tracks: connections stay open and nothing is answered.
    pub async fn freeze_redis(&mut self) -> Result<()> {
        signal("STOP", &[self.redis.as_ref().context("Redis is not running")?.pid]).await
    }

    pub async fn thaw_redis(&mut self) -> Result<()> {
        signal("CONT", &[self.redis.as_ref().context("Redis is not running")?.pid]).await
    }

    /// Stops the postmaster and its backends in their tracks.
    pub async fn freeze_postgres(&mut self) -> Result<()> {
        let postmaster = self.postgres.as_ref().context("Postgres is not running")?.pid;
        signal("STOP", &stopped_family(postmaster).await?).await
    }

    pub async fn thaw_postgres(&mut self) -> Result<()> {
        let postmaster = self.postgres.as_ref().context("Postgres is not running")?.pid;
        signal("CONT", &family(postmaster).await?).await
    }

    /// Ends both in an orderly way, within seconds.
    pub async fn stop(mut self) -> Result<()> {
        if self.postgres.is_some() {
            self.thaw_postgres().await?;
        }
        let mut running = [self.redis.take(), self.postgres.take()];
        running.iter_mut().flatten().for_each(Guarded::tell_to_end);
        for store in running.iter_mut().flatten() {
            store.ended(STOP_LIMIT).await?;
        }
        if self.data == Data::Fresh {
            self.wipe()?;
        }
        Ok(())
    }

    fn wipe(&self) -> io::Result<()> {
        remove_file(&self.secret_file())?;
        remove_dir(&self.redis_dir())?;
        remove_dir(&self.postgres_dir())
    }

    fn secret_file(&self) -> PathBuf {
        self.place.dir.join("secret")
    }

    /// Where Redis keeps its data; to be copied, and replaced while it is killed.
    pub fn redis_dir(&self) -> PathBuf {
        self.place.dir.join("redis")
    }

    /// Where Postgres keeps its data; to be copied and replaced while it is killed.
    pub fn postgres_dir(&self) -> PathBuf {
        self.account.postgres_dir(&self.place.dir)
    }

    fn redis_sockets(&self) -> PathBuf {
        self.place.sockets.with_added_extension("redis")
    }

    fn redis_socket(&self) -> PathBuf {
        self.redis_sockets().join("redis.sock")
    }

    fn postgres_sockets(&self) -> PathBuf {
        self.place.sockets.with_added_extension("pg")
    }

    fn url_of_database(&self, name: &str) -> String {
        let sockets = self.postgres_sockets();
        format!("postgres:///{name}?host={}&port=5432&user=postgres", sockets.display())
    }
}

/// Stores of an earlier run on our directory: their guards are ending them, or were killed too.
async fn end_leftovers(name: &str) -> Result<()> {
    let socket = format!("/{name}-");
    let leftover = |process: &&Process| {
        let program = process.command.split_whitespace().next().unwrap_or_default();
        let ours = program.ends_with("redis-server") || program.ends_with("postgres");
        ours && process.command.contains(&socket)
    };
    let start = Instant::now();
    loop {
        let all = processes().await?;
        let Some(process) = all.iter().find(leftover) else { return Ok(()) };
        if start.elapsed() > STOP_LIMIT {
            kill_family(process.pid).await?;
        }
        sleep(POLL).await;
    }
}
