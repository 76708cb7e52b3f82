//! Which programs the stores are, and with whose rights Postgres runs: it refuses to be root.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::dev::stores::place::remove_dir;
use crate::dev::stores::process::output;

const INSTALL: &str = "install it with `apt-get install redis-server postgresql` (Debian, Ubuntu) \
                       or `brew install redis postgresql@16` (macOS)";

/// The programs we start, where they are.
pub(crate) struct Programs {
    pub(crate) redis_server: PathBuf,
    pub(crate) initdb: PathBuf,
    pub(crate) postgres: PathBuf,
}

impl Programs {
    pub(crate) fn find() -> Result<Programs> {
        let redis_server = on_path("redis-server")
            .with_context(|| format!("redis-server is missing: {INSTALL}"))?;
        // Packages keep the server programs off the PATH; what is on it may be something else.
        let homes = [
            ("/usr/lib/postgresql", ""),
            ("/opt/homebrew/opt", "postgresql"),
            ("/usr/local/opt", "postgresql"),
        ];
        let packaged = homes.iter().find_map(|(parent, prefix)| newest(parent, prefix));
        let bin = packaged
            .or_else(|| on_path("initdb")?.parent().map(Path::to_owned))
            .with_context(|| format!("Postgres (initdb, postgres) is missing: {INSTALL}"))?;
        Ok(Programs { redis_server, initdb: bin.join("initdb"), postgres: bin.join("postgres") })
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

/// Whose rights Postgres gets.
pub(crate) enum Account {
    /// We are not root.
    Ours,
    /// Root, seen as user 1000 inside a user namespace: our files stay where and whose they are.
    Mapped,
    /// Root where namespaces are forbidden: another user, with a home that it can reach.
    Other { user: u32, group: u32, home: PathBuf },
}

const MAPPED: [&str; 4] = ["unshare", "--user", "--map-user=1000", "--map-group=1000"];

impl Account {
    pub(crate) async fn choose(name: &str, dir: &Path) -> Result<Account> {
        if id(&["-u"]).await? != 0 {
            return Ok(Account::Ours);
        }
        // Inside the namespace root loses its right to pass through other users' directories.
        let mut probe = Command::new(MAPPED[0]);
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

    /// Where Postgres keeps its data: below `dir` where it can go there.
    pub(crate) fn postgres_dir(&self, dir: &Path) -> PathBuf {
        match self {
            Account::Ours | Account::Mapped => dir.join("postgres"),
            Account::Other { home, .. } => home.join("postgres"),
        }
    }

    /// Makes a directory that belongs to this account alone, in place of what is there.
    pub(crate) fn make_empty_dir(&self, dir: &Path) -> Result<()> {
        remove_dir(dir)?;
        let made = fs::DirBuilder::new().mode(0o700).create(dir);
        made.with_context(|| format!("{} cannot be made", dir.display()))?;
        if let Account::Other { user, group, .. } = self {
            chown(dir, Some(*user), Some(*group))?;
        }
        Ok(())
    }

    /// The start of a command line that runs `program` with this account's rights.
    pub(crate) fn run(&self, program: &Path) -> Vec<OsString> {
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

async fn id(arguments: &[&str]) -> Result<u32> {
    let number = output(Command::new("id").args(arguments)).await?;
    Ok(number.trim().parse()?)
}
