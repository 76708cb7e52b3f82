//! A private Redis and a private Postgres, run as our children: for `ropeline dev` and for tests.
//!
//! Owns their processes, sockets and data. They listen on Unix sockets only, so nothing collides
//! with a server of the machine, and they end with us even when we are killed: each runs under a
//! small shell guard that reads a pipe we hold; a closed pipe is its word to end the store.
//! The processes are plain `std` children, tied to no tokio runtime: tests may share one `Stores`.

use std::{
    ffi::OsString,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead, BufReader},
    os::unix::{
        fs::{DirBuilderExt, MetadataExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

/// A cold start on a busy two-core machine takes seconds; crash recovery may take longer.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Longer than the guard's own steps (3 s politely, 8 s firmly, then SIGKILL).
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// A killed process is gone at once; more means that the kernel is stuck.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// One answer of a store that is starting; a frozen one would never come.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// How often a process or a socket is looked at again.
const POLL: Duration = Duration::from_millis(10);
/// macOS takes 103 bytes of socket path, Linux 107; at most `.pg/.s.PGSQL.5432` follows.
const LONGEST_SOCKET_DIR: usize = 80;
/// Runs at the same time on one directory take `dir`, `dir-2`, … up to this many.
const SIDE_BY_SIDE: u32 = 64;

const INSTALL: &str = "install it with `apt-get install redis-server postgresql` (Debian, Ubuntu) \
                       or `brew install redis postgresql@16` (macOS)";

/// Runs one store: `sh -c GUARD guard <signal> <log> <socket> <command…>`. The first line it writes
/// is the store's process id. A frozen store is continued, or it would never see the signal; and
/// the kernel hangs up on the group of a frozen process when we die, which must not end the guard.
const GUARD: &str = r#"
signal=$1 log=$2 socket=$3; shift 3
trap '' HUP
exec 3<&0 2>/dev/null
"$@" </dev/null >>"$log" 2>&1 3<&- &
store=$!
echo "$store"
exec >/dev/null
end() {
    kill -s "$1" "$store"; kill -s CONT "$store"
    tenths=$2
    while [ "$tenths" -gt 0 ]; do
        kill -0 "$store" || exit 0
        sleep 0.1 3<&-
        tenths=$((tenths - 1))
    done
}
( read -r _ <&3; end "$signal" 30; end QUIT 80; end KILL 1 ) &
watcher=$!
exec 3<&-
wait "$store"
code=$?
kill "$watcher"
rm -f "$socket" "$socket.lock"
rmdir "${socket%/*}"
exit "$code"
"#;

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
    dir: PathBuf,
    /// Of our two directories for sockets, but for the `.redis` or `.pg` at the end.
    sockets: PathBuf,
    redis_dir: PathBuf,
    data: Data,
    account: Account,
    programs: Programs,
    redis: Option<Guarded>,
    postgres: Option<Guarded>,
    // The last field: it is unlocked after the guards have been told.
    _lock: fs::File,
}

impl Stores {
    /// Starts both below `dir`, which is made if missing. While another run is using `dir`, this
    /// one takes `dir-2`, and so on.
    pub async fn start(dir: &Path, data: Data) -> Result<Stores> {
        let programs = Programs::find()?;
        let (dir, lock) = claim(&std::path::absolute(dir)?)?;
        let name = format!("ropeline-{:08x}", short_hash(&dir));
        end_leftovers(&name).await?;
        let sockets = short_path(&name);
        let account = Account::choose(&name, &dir).await?;
        let (redis_dir, redis, postgres) = (dir.join("redis"), None, None);
        let mut stores = Stores {
            dir,
            sockets,
            redis_dir,
            data,
            account,
            programs,
            redis,
            postgres,
            _lock: lock,
        };
        for log in ["redis.log", "postgres.log"] {
            remove_file(&stores.dir.join(log))?;
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

    pub fn redis_dir(&self) -> &Path {
        &self.redis_dir
    }

    /// Starts Redis again on the data it has, and waits until it answers.
    pub async fn start_redis(&mut self) -> Result<()> {
        ensure!(self.redis.is_none(), "Redis is already running");
        fs::create_dir_all(&self.redis_dir)?;
        Account::Ours.make_empty_dir(&self.sockets.with_added_extension("redis"))?;
        let (socket, log) = (self.redis_socket(), self.dir.join("redis.log"));
        let mut command = vec![self.programs.redis_server.clone().into_os_string()];
        command
            .extend(["--port", "0", "--unixsocketperm", "700", "--unixsocket"].map(OsString::from));
        command.extend([socket.clone().into(), "--dir".into(), self.redis_dir.clone().into()]);
        command.extend(["--appendonly", "yes", "--appendfsync", "everysec"].map(OsString::from));
        command.extend(["--save", "", "--maxmemory-policy", "noeviction"].map(OsString::from));
        let redis = Guarded::spawn("Redis", "TERM", &log, &socket, command).await?;
        self.redis = Some(redis.answering(&log, &Question::Ping(socket)).await?);
        Ok(())
    }

    /// Starts Postgres again on the data it has; it recovers from a kill, and the database is made.
    pub async fn start_postgres(&mut self) -> Result<()> {
        ensure!(self.postgres.is_none(), "Postgres is already running");
        self.account.make_empty_dir(&self.postgres_sockets())?;
        let data = self.postgres_dir();
        if !data.exists() {
            self.init_postgres(&data).await?;
        }
        forget_reused_pid(&data.join("postmaster.pid")).await?;
        let (socket, log) =
            (self.postgres_sockets().join(".s.PGSQL.5432"), self.dir.join("postgres.log"));
        let mut command = self.account.run(&self.programs.postgres_bin.join("postgres"));
        command.extend(["-D".into(), data.into(), "-k".into(), self.postgres_sockets().into()]);
        for setting in ["listen_addresses=", "port=5432", "max_connections=200", "fsync=on"] {
            command.extend(["-c".into(), setting.into()]);
        }
        // SIGINT is the fast shutdown; SIGTERM would wait for every client to go.
        let postgres = Guarded::spawn("Postgres", "INT", &log, &socket, command).await?;
        let question = Question::LogIn {
            ours: self.database_url(),
            always_there: self.url_of_database("postgres"),
        };
        self.postgres = Some(postgres.answering(&log, &question).await?);
        Ok(())
    }

    /// Ends Redis by SIGKILL and waits until it is gone.
    pub async fn kill_redis(&mut self) -> Result<()> {
        let mut redis = self.redis.take().context("Redis is not running")?;
        signal("KILL", &[redis.pid]).await?;
        redis.ended(KILL_LIMIT).await
    }

    /// Ends Postgres by SIGKILL, all its processes, and waits until they are gone.
    pub async fn kill_postgres(&mut self) -> Result<()> {
        let mut postgres = self.postgres.take().context("Postgres is not running")?;
        let family = stopped_family(postgres.pid).await?;
        signal("KILL", &family).await?;
        postgres.ended(KILL_LIMIT).await?;
        wait_until_gone(&family).await
    }

    /// Loses everything that Redis had on disk; only while it is killed.
    pub async fn wipe_redis_data(&mut self) -> Result<()> {
        ensure!(self.redis.is_none(), "Redis is running: kill it before its data is wiped");
        Ok(remove_dir(&self.redis_dir)?)
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
        let family = stopped_family(self.postgres.as_ref().context("Postgres is not running")?.pid);
        signal("STOP", &family.await?).await
    }

    pub async fn thaw_postgres(&mut self) -> Result<()> {
        let postmaster = self.postgres.as_ref().context("Postgres is not running")?.pid;
        signal("CONT", &family(postmaster, &processes().await?)).await
    }

    /// Ends both in an orderly way, within seconds.
    pub async fn stop(mut self) -> Result<()> {
        if self.postgres.is_some() {
            self.thaw_postgres().await?;
        }
        let mut guards: Vec<Guarded> =
            [self.redis.take(), self.postgres.take()].into_iter().flatten().collect();
        for guard in &mut guards {
            drop(guard.shell.stdin.take());
        }
        for guard in &mut guards {
            guard.ended(STOP_LIMIT).await?;
        }
        if self.data == Data::Fresh {
            self.wipe()?;
        }
        Ok(())
    }

    fn wipe(&self) -> io::Result<()> {
        remove_dir(&self.redis_dir)?;
        remove_dir(&self.postgres_dir())
    }

    fn redis_socket(&self) -> PathBuf {
        self.sockets.with_added_extension("redis").join("redis.sock")
    }

    fn postgres_sockets(&self) -> PathBuf {
        self.sockets.with_added_extension("pg")
    }

    fn postgres_dir(&self) -> PathBuf {
        match &self.account {
            Account::Ours | Account::Mapped => self.dir.join("postgres"),
            Account::Other { home, .. } => home.join("postgres"),
        }
    }

    fn url_of_database(&self, name: &str) -> String {
        format!(
            "postgres:///{name}?host={}&port=5432&user=postgres",
            self.postgres_sockets().display()
        )
    }

    /// Makes the data under another name first: a half-made cluster is never taken for a whole one.
    async fn init_postgres(&self, data: &Path) -> Result<()> {
        let draft = data.with_extension("new");
        remove_dir(&draft)?;
        let mut command = self.account.run(&self.programs.postgres_bin.join("initdb"));
        command.extend(
            ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"].map(OsString::from),
        );
        // Older macOS knows no C.UTF-8.
        let locale = if cfg!(target_os = "macos") { "C" } else { "C.UTF-8" };
        command.extend([format!("--locale={locale}").into(), "-D".into(), draft.clone().into()]);
        let mut initdb = tokio::process::Command::new(&command[0]);
        output(initdb.args(&command[1..]).current_dir("/")).await.context("initdb failed")?;
        Ok(fs::rename(draft, data)?)
    }
}

/// One store and the shell that guards it.
struct Guarded {
    name: &'static str,
    shell: Child,
    pid: u32,
}

impl Guarded {
    async fn spawn(
        name: &'static str,
        end: &str,
        log: &Path,
        socket: &Path,
        command: Vec<OsString>,
    ) -> Result<Guarded> {
        let mut shell = Command::new("sh");
        shell.args(["-c", GUARD, "guard", end]).args([log, socket]).args(command).current_dir("/");
        // In a process group of its own: Ctrl-C in the terminal reaches us, not the stores.
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut shell = shell.spawn().context("`sh` does not start")?;
        let stdout = shell.stdout.take().context("the guard has no output")?;
        let mut line = String::new();
        // The guard writes its line before anything that could wait.
        BufReader::new(stdout).read_line(&mut line)?;
        let pid = line.trim().parse().with_context(|| format!("{name}'s guard does not start"))?;
        Ok(Guarded { name, shell, pid })
    }

    /// Waits for the answer, and gives up when the store ends or time is over.
    async fn answering(mut self, log: &Path, question: &Question) -> Result<Guarded> {
        let start = Instant::now();
        loop {
            let refused = match timeout(ANSWER_LIMIT, question.ask()).await {
                Ok(Ok(())) => return Ok(self),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer".to_owned(),
            };
            if let Some(status) = self.shell.try_wait()? {
                bail!("{} ended while starting ({status}): {}", self.name, last_lines(log));
            }
            if start.elapsed() > START_LIMIT {
                bail!("{} does not become ready ({refused}): {}", self.name, last_lines(log));
            }
            sleep(POLL).await;
        }
    }

    /// Waits until the guard has seen the store end.
    async fn ended(&mut self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while self.shell.try_wait()?.is_none() {
            ensure!(start.elapsed() < limit, "{} (process {}) does not end", self.name, self.pid);
            sleep(POLL).await;
        }
        Ok(())
    }
}

/// What a store answers as soon as it is ready.
enum Question {
    Ping(PathBuf),
    LogIn { ours: String, always_there: String },
}

impl Question {
    async fn ask(&self) -> Result<()> {
        match self {
            Self::Ping(socket) => ping(socket).await,
            Self::LogIn { ours, always_there } => log_in(ours, always_there).await,
        }
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

/// The programs we start, where they are.
struct Programs {
    redis_server: PathBuf,
    postgres_bin: PathBuf,
}

impl Programs {
    fn find() -> Result<Programs> {
        let redis_server = on_path("redis-server")
            .with_context(|| format!("redis-server is missing: {INSTALL}"))?;
        // Packages keep the server programs off the PATH; what is on it may be something else.
        let homes = [
            ("/usr/lib/postgresql", ""),
            ("/opt/homebrew/opt", "postgresql"),
            ("/usr/local/opt", "postgresql"),
        ];
        let packaged = homes.iter().find_map(|(parent, prefix)| newest(parent, prefix));
        let postgres_bin = packaged
            .or_else(|| on_path("initdb")?.parent().map(Path::to_owned))
            .with_context(|| format!("Postgres (initdb, postgres) is missing: {INSTALL}"))?;
        Ok(Programs { redis_server, postgres_bin })
    }
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// The `bin` of the highest version among `parent/<prefix>[@]<version>`.
fn newest(parent: &str, prefix: &str) -> Option<PathBuf> {
    let installed = fs::read_dir(parent).ok()?.flatten().filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let version = name.strip_prefix(prefix)?.trim_start_matches('@').parse().unwrap_or(0u32);
        let bin = entry.path().join("bin");
        let whole = bin.join("initdb").is_file() && bin.join("postgres").is_file();
        whole.then_some((version, bin))
    });
    installed.max().map(|(_, bin)| bin)
}

/// Whose rights Postgres gets: it refuses to run as root.
enum Account {
    /// We are not root.
    Ours,
    /// Root, seen as user 1000 inside a user namespace: our files stay where and whose they are.
    Mapped,
    /// Root where namespaces are forbidden: another user, with a home that it can reach.
    Other { user: u32, group: u32, home: PathBuf },
}

const MAPPED: [&str; 4] = ["unshare", "--user", "--map-user=1000", "--map-group=1000"];

impl Account {
    async fn choose(name: &str, dir: &Path) -> Result<Account> {
        if id(&["-u"]).await? != 0 {
            return Ok(Account::Ours);
        }
        // Inside the namespace root loses its right to pass through other users' directories.
        let mut probe = tokio::process::Command::new(MAPPED[0]);
        if output(probe.args(&MAPPED[1..]).args(["test", "-w"]).arg(dir)).await.is_ok() {
            return Ok(Account::Mapped);
        }
        for name_of_user in ["postgres", "nobody"] {
            let ids = (id(&["-u", name_of_user]).await, id(&["-g", name_of_user]).await);
            if let (Ok(user), Ok(group)) = ids {
                // The checkout may lie where that user cannot go.
                let home = Path::new("/var/tmp").join(name);
                let account = Account::Other { user, group, home: home.clone() };
                if !home.exists() {
                    account.make_empty_dir(&home)?;
                }
                let owner = fs::symlink_metadata(&home)?.uid();
                ensure!(owner == user, "{} is not {name_of_user}'s", home.display());
                return Ok(account);
            }
        }
        bail!("Postgres does not run as root, and there is no user to run it as: use another user")
    }

    /// Makes a directory that belongs to this account alone, in place of what is there.
    fn make_empty_dir(&self, dir: &Path) -> Result<()> {
        remove_dir(dir)?;
        let made = fs::DirBuilder::new().mode(0o700).create(dir);
        made.with_context(|| format!("{} cannot be made", dir.display()))?;
        if let Account::Other { user, group, .. } = self {
            chown(dir, Some(*user), Some(*group))?;
        }
        Ok(())
    }

    /// The start of a command line that runs `program` with this account's rights.
    fn run(&self, program: &Path) -> Vec<OsString> {
        let program = program.as_os_str().to_owned();
        match self {
            Account::Ours => vec![program],
            Account::Mapped => MAPPED.map(OsString::from).into_iter().chain([program]).collect(),
            Account::Other { user, group, .. } => vec![
                "setpriv".into(),
                format!("--reuid={user}").into(),
                format!("--regid={group}").into(),
                "--clear-groups".into(),
                program,
            ],
        }
    }
}

/// Takes `dir`, or the first of `dir-2`, `dir-3`, … that no living process has.
fn claim(dir: &Path) -> Result<(PathBuf, fs::File)> {
    for n in 1..=SIDE_BY_SIDE {
        let mut name = dir.as_os_str().to_owned();
        if n > 1 {
            name.push(format!("-{n}"));
        }
        let dir = PathBuf::from(name);
        fs::create_dir_all(&dir).with_context(|| format!("{} cannot be made", dir.display()))?;
        let lock = fs::File::create(dir.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => return Ok((dir, lock)),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
    }
    bail!("{SIDE_BY_SIDE} runs are using {} at the same time", dir.display())
}

fn short_hash(dir: &Path) -> u32 {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    hasher.finish() as u32
}

/// A path in the temporary directory, unless that makes it too long for a socket or odd in a URL.
fn short_path(name: &str) -> PathBuf {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let name = format!("{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(&name);
    let fits = path.to_str().is_some_and(|s| s.len() <= LONGEST_SOCKET_DIR && s.chars().all(plain));
    if fits { path } else { Path::new("/tmp").join(name) }
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
            let family = stopped_family(process.pid).await?;
            signal("KILL", &family).await?;
            wait_until_gone(&family).await?;
        }
        sleep(POLL).await;
    }
}

/// Postgres takes any living process with the number in its old file for itself.
async fn forget_reused_pid(file: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(()) };
    let pid = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    let all = processes().await?;
    let reused = all.iter().any(|p| Some(p.pid) == pid && !p.command.contains("postgres"));
    if reused { Ok(remove_file(file)?) } else { Ok(()) }
}

struct Process {
    pid: u32,
    parent: u32,
    /// `T` is stopped, `Z` is dead and not yet reaped.
    state: char,
    command: String,
}

/// Every process of the machine, from /proc, or from `ps` where there is none.
async fn processes() -> Result<Vec<Process>> {
    let Ok(entries) = fs::read_dir("/proc") else {
        let mut ps = tokio::process::Command::new("ps");
        let text = output(ps.args(["-A", "-ww", "-o", "pid=,ppid=,stat=,args="])).await?;
        return Ok(text.lines().filter_map(parse_ps).collect());
    };
    let pids = entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter_map(read_proc).collect())
}

fn parse_ps(line: &str) -> Option<Process> {
    let mut words = line.split_whitespace();
    let (pid, parent) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let state = words.next()?.chars().next()?;
    Some(Process { pid, parent, state, command: words.collect::<Vec<_>>().join(" ") })
}

fn read_proc(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, even a parenthesis.
    let mut words = stat.rsplit_once(')')?.1.split_whitespace();
    let (state, parent) = (words.next()?.chars().next()?, words.next()?.parse().ok()?);
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(Process { pid, parent, state, command })
}

fn family(parent: u32, all: &[Process]) -> Vec<u32> {
    let children = all.iter().filter(|process| process.parent == parent).map(|child| child.pid);
    children.chain([parent]).collect()
}

/// A process, stopped so that it starts no more children, and its children.
async fn stopped_family(parent: u32) -> Result<Vec<u32>> {
    signal("STOP", &[parent]).await?;
    let start = Instant::now();
    loop {
        let all = processes().await?;
        let running = all.iter().any(|p| p.pid == parent && !"TZ".contains(p.state));
        if !running {
            return Ok(family(parent, &all));
        }
        ensure!(start.elapsed() < KILL_LIMIT, "process {parent} cannot be stopped");
        sleep(POLL).await;
    }
}

async fn wait_until_gone(pids: &[u32]) -> Result<()> {
    let start = Instant::now();
    loop {
        let all = processes().await?;
        let Some(left) = all.iter().find(|p| pids.contains(&p.pid) && p.state != 'Z') else {
            return Ok(());
        };
        ensure!(start.elapsed() < KILL_LIMIT, "process {} does not end", left.pid);
        sleep(POLL).await;
    }
}

/// Sends a signal. Who is gone meanwhile is no error: the callers look at what came of it.
async fn signal(name: &str, pids: &[u32]) -> Result<()> {
    let mut kill = tokio::process::Command::new("sh");
    kill.args(["-c", r#"kill -s "$@" || true"#, "kill", name]);
    output(kill.args(pids.iter().map(u32::to_string))).await.map(drop)
}

async fn id(arguments: &[&str]) -> Result<u32> {
    let number = output(tokio::process::Command::new("id").args(arguments)).await?;
    Ok(number.trim().parse()?)
}

/// What a short helper program prints; an error tells what it complained about.
async fn output(command: &mut tokio::process::Command) -> Result<String> {
    let running = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(START_LIMIT, running).await.context("no end in sight")??;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {}", output.status, complaint.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn remove_dir(dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir).or_else(unless_missing)
}

fn remove_file(file: &Path) -> io::Result<()> {
    fs::remove_file(file).or_else(unless_missing)
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(5).collect();
    lines.reverse();
    lines.join("\n")
}
