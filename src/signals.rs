//! When to stop: SIGTERM or Ctrl-C. A second one ends the process at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancelled by the first SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be listened to.
pub fn stop() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if told.is_cancelled() {
                std::process::exit(130);
            }
            tracing::info!("stopping; a second signal ends at once");
            told.cancel();
        }
    });
    Ok(stop)
}
