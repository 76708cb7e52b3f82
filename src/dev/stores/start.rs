//! How each store is started: its settings, its first data, and the question that it answers when ready.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;

use crate::dev::stores::Stores;
use crate::dev::stores::account::Account;
use crate::dev::stores::guard::{Guarded, Plan};
use crate::dev::stores::place::{remove_dir, remove_file};
use crate::dev::stores::process::{output, processes};

/// On the socket alone, and as durable as a sale needs it.
const REDIS_SETTINGS: [&str; 12] = [
    "--port",
    "0",
    "--unixsocketperm",
    "700",
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--save",
    "",
    "--maxmemory-policy",
    "noeviction",
];
/// On the socket alone; the port is part of its name.
const POSTGRES_SETTINGS: [&str; 8] =
    ["-c", "listen_addresses=", "-c", "port=5432", "-c", "max_connections=200", "-c", "fsync=on"];
/// A superuser whom nobody else can reach: the socket's directory is ours alone.
const INITDB_SETTINGS: [&str; 7] = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"];

/// A clock of Postgres that can be made to jump: libfaketime is loaded before its own library.
#[derive(Clone, Debug)]
pub struct FalseClock {
    pub library: PathBuf,
    /// Holds the offset, such as `+90`; it is read again at each look at the clock.
    pub offset: PathBuf,
}

impl FalseClock {
    /// The start of a command line that runs `program` with this account's rights and under this clock.
    fn before(&self, account: &Account, program: &Path) -> Vec<OsString> {
        let setting = |name: &str, value: &Path| {
            let mut setting = OsString::from(name);
            setting.push("=");
            setting.push(value);
            setting
        };
        let mut command = account.run(Path::new("env"));
        command.push(setting("LD_PRELOAD", &self.library));
        command.push(setting("FAKETIME_TIMESTAMP_FILE", &self.offset));
        // Its timeouts must not jump with it, and a jump must be seen at once.
        command.extend(["FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1"].map(Into::into));
        command.push(program.into());
        command
    }
}

impl Stores {
    /// Starts Redis again on the data it has, and waits until it answers.
    pub async fn start_redis(&mut self) -> Result<()> {
        ensure!(self.redis.is_none(), "Redis is already running");
        let (dir, socket) = (self.redis_dir(), self.redis_socket());
        fs::create_dir_all(&dir)?;
        Account::Ours.make_empty_dir(&self.redis_sockets())?;
        let mut command: Vec<OsString> = vec![self.programs.redis_server.clone().into()];
        command.extend(REDIS_SETTINGS.map(OsString::from));
        command.extend(["--unixsocket".into(), socket.clone().into(), "--dir".into(), dir.into()]);
        let log = self.place.dir.join("redis.log");
        let plan = Plan { name: "Redis", end: "TERM", log: &log, socket: &socket, command };
        self.redis = Some(Guarded::start(plan, async || ping(&socket).await).await?);
        Ok(())
    }

    /// Starts Postgres again on the data it has; it recovers from a kill, and the database is made.
    pub async fn start_postgres(&mut self) -> Result<()> {
        ensure!(self.postgres.is_none(), "Postgres is already running");
        let (dir, sockets) = (self.postgres_dir(), self.postgres_sockets());
        self.account.make_empty_dir(&sockets)?;
        if !dir.exists() {
            self.init_postgres(&dir).await?;
        }
        forget_reused_pid(&dir.join("postmaster.pid")).await?;
        let (log, socket) = (self.place.dir.join("postgres.log"), sockets.join(".s.PGSQL.5432"));
        let mut command = match &self.clock {
            None => self.account.run(&self.programs.postgres),
            Some(clock) => clock.before(&self.account, &self.programs.postgres),
        };
        command.extend(POSTGRES_SETTINGS.map(OsString::from));
        command.extend(["-D".into(), dir.into(), "-k".into(), sockets.into()]);
        // SIGINT is the fast shutdown; SIGTERM would wait for every client to go.
        let plan = Plan { name: "Postgres", end: "INT", log: &log, socket: &socket, command };
        let (ours, always_there) = (self.database_url(), self.url_of_database("postgres"));
        let answers = async || log_in(&ours, &always_there).await;
        self.postgres = Some(Guarded::start(plan, answers).await?);
        Ok(())
    }

    /// Makes the data under another name first: a half-made cluster is never taken for a whole one.
    async fn init_postgres(&self, dir: &Path) -> Result<()> {
        let draft = dir.with_extension("new");
        remove_dir(&draft)?;
        // Older macOS knows no C.UTF-8.
        let locale = if cfg!(target_os = "macos") { "--locale=C" } else { "--locale=C.UTF-8" };
        let command = self.account.run(&self.programs.initdb);
        let mut initdb = Command::new(&command[0]);
        initdb.args(&command[1..]).args(INITDB_SETTINGS).args([locale, "-D"]).arg(&draft);
        output(initdb.current_dir("/")).await.context("initdb failed")?;
        Ok(fs::rename(draft, dir)?)
    }
}

async fn ping(socket: &Path) -> Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await?;
    ensure!(&answer == b"+PONG", "it is loading its data");
    Ok(())
}

/// Logs in to our database, which is made if missing.
async fn log_in(ours: &str, always_there: &str) -> Result<()> {
    match PgConnection::connect(ours).await {
        Ok(connection) => return Ok(connection.close().await?),
        // invalid_catalog_name: there is no such database.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("3D000") => {}
        Err(error) => return Err(error.into()),
    }
    let mut connection = PgConnection::connect(always_there).await?;
    sqlx::query("CREATE DATABASE ropeline").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Postgres takes any living process with the number in its old file for itself.
async fn forget_reused_pid(file: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(()) };
    let pid = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    let all = processes().await?;
    let reused = all.iter().any(|p| Some(p.pid) == pid && !p.command.contains("postgres"));
    if reused { Ok(remove_file(file)?) } else { Ok(()) }
}
