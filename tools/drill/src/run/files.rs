//! Copies of the stores' data.

use std::path::Path;

use anyhow::{Result, ensure};
use tokio::process::Command;

/// Puts a copy of `from` in the place of `to`: owners and rights stay as they are.
///
/// # Errors
/// When a file cannot be read or written.
pub async fn replace(from: &Path, to: &Path) -> Result<()> {
    remove(to).await?;
    // Files may come and go while the store runs; what a store needs to start is complete at any time.
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).output().await?;
    let said = String::from_utf8_lossy(&copied.stderr);
    let vanished = said.lines().all(|line| line.contains("No such file"));
    ensure!(copied.status.success() || vanished, "cp: {said}");
    Ok(())
}

/// Removes a directory, if it is there.
///
/// # Errors
/// When it cannot be removed.
pub async fn remove(dir: &Path) -> Result<()> {
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
