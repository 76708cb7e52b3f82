//! The switches. A point is armed by a line in the file that `ROPELINE_FAULT_FILE` names, such as
//! `admit.in_tx abort`, `admit.in_tx stall 3000` or `admit.in_tx error`; the first task that gets there
//! takes the file away and does what it says. A mistake is named by `ROPELINE_MISTAKE`, and
//! `ROPELINE_AUDIT_MS` says how often the auditor looks, so that nobody waits for a quarter of a minute.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use std::{env, fs, io, process};

use tokio::time::sleep;

use crate::faults::{Mistake, Point, scripts};

static FILE: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| env::var_os("ROPELINE_FAULT_FILE").map(PathBuf::from));
static MISTAKE: LazyLock<Option<Mistake>> = LazyLock::new(|| {
    let name = env::var("ROPELINE_MISTAKE").ok()?;
    Some(Mistake::parse(&name).unwrap_or_else(|| panic!("ROPELINE_MISTAKE: no mistake {name}")))
});
static AUDIT_EVERY: LazyLock<Option<Duration>> = LazyLock::new(|| {
    let text = env::var("ROPELINE_AUDIT_MS").ok()?;
    Some(Duration::from_millis(text.parse().expect("ROPELINE_AUDIT_MS: milliseconds")))
});

/// Ends the process, stalls or fails here, if this point is armed.
///
/// # Errors
/// When it is armed to fail: as if a store's connection had broken here.
pub async fn point(point: Point) -> io::Result<()> {
    let Some(order) = take(point) else { return Ok(()) };
    tracing::warn!(point = point.as_str(), order, "a fault for the drill");
    match order.split_whitespace().collect::<Vec<_>>()[..] {
        ["abort"] => process::abort(),
        ["stall", ms] => {
            sleep(Duration::from_millis(ms.parse().expect("milliseconds"))).await;
            Ok(())
        }
        ["error"] => Err(io::Error::new(io::ErrorKind::ConnectionReset, "a fault for the drill")),
        _ => panic!("no such fault: {order}"),
    }
}

/// Where the order that was taken is put, so that the drill sees that its point was reached.
pub fn reached(armed: &std::path::Path) -> PathBuf {
    armed.with_extension("reached")
}

fn take(point: Point) -> Option<String> {
    let file = FILE.as_ref()?;
    let order = fs::read_to_string(file).ok()?;
    let rest = order.trim().strip_prefix(point.as_str())?.strip_prefix(' ')?.to_owned();
    // Of several tasks that get here at once, one takes the file away.
    fs::rename(file, reached(file)).ok()?;
    Some(rest)
}

/// Whether this mistake is to be made.
pub fn made(mistake: Mistake) -> bool {
    *MISTAKE == Some(mistake)
}

/// How often the auditor looks: as the drill says, or as usual.
pub fn sooner(usual: Duration) -> Duration {
    AUDIT_EVERY.unwrap_or(usual)
}

/// A script with the mistake that is to be made in it, if it is one of scripts.
pub fn script(name: &'static str, text: &'static str) -> Cow<'static, str> {
    match *MISTAKE {
        Some(mistake) => scripts::with(mistake, name, text),
        None => text.into(),
    }
}
