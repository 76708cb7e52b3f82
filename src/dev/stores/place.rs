//! Where the stores keep their data and their sockets: a directory that is ours alone, and short paths.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// macOS takes 103 bytes of socket path, Linux 107; at most `.pg/.s.PGSQL.5432` follows.
const LONGEST_SOCKET_DIR: usize = 80;
/// Runs at the same time on one directory take `dir`, `dir-2`, … up to this many.
const SIDE_BY_SIDE: u32 = 64;

/// A directory that no other living process has.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    /// Names it among all places of the machine, in a few letters.
    pub(crate) name: String,
    /// Of this process's directories for sockets, but for the `.redis` or `.pg` at the end.
    pub(crate) sockets: PathBuf,
    /// Ours until it is closed, and so also when we are killed.
    _lock: fs::File,
}

impl Place {
    /// Takes `dir`, or the first of `dir-2`, `dir-3`, … that is free.
    pub(crate) fn claim(dir: &Path) -> Result<Place> {
        let asked = std::path::absolute(dir)?;
        for n in 1..=SIDE_BY_SIDE {
            let mut dir = asked.clone().into_os_string();
            if n > 1 {
                dir.push(format!("-{n}"));
            }
            let dir = PathBuf::from(dir);
            fs::create_dir_all(&dir)
                .with_context(|| format!("{} cannot be made", dir.display()))?;
            let lock = fs::File::create(dir.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => {
                    let name = format!("ropeline-{:08x}", short_hash(&dir));
                    let sockets = short_path(&name);
                    return Ok(Place { dir, name, sockets, _lock: lock });
                }
                Err(fs::TryLockError::WouldBlock) => {}
                Err(fs::TryLockError::Error(error)) => return Err(error.into()),
            }
        }
        bail!("{SIDE_BY_SIDE} runs are using {} at the same time", asked.display())
    }
}

/// A path in the temporary directory, unless that makes it too long for a socket or odd in a URL.
fn short_path(name: &str) -> PathBuf {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    let name = format!("{name}-{}", std::process::id());
    let path = std::env::temp_dir().join(&name);
    let fits = path.to_str().is_some_and(|s| s.len() <= LONGEST_SOCKET_DIR && s.chars().all(plain));
    if fits { path } else { Path::new("/tmp").join(name) }
}

fn short_hash(dir: &Path) -> u32 {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    hasher.finish() as u32
}

pub(crate) fn remove_dir(dir: &Path) -> io::Result<()> {
    fs::remove_dir_all(dir).or_else(unless_missing)
}

pub(crate) fn remove_file(file: &Path) -> io::Result<()> {
    fs::remove_file(file).or_else(unless_missing)
}

fn unless_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}
