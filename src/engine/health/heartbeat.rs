//! Signs of life: every gateway says every two seconds that it is there and what it misses, and reads what
//! the others say. They lie in Postgres, so a lost Redis does not hide a gateway.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use tokio::time::Instant;
use uuid::Uuid;

use crate::engine::{FlowError, Gate};
use crate::ledger::{Beat, Gateway};

/// The version that this program tells of itself.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All gateways as this one read them last.
#[derive(Debug, Clone)]
pub struct Heard {
    pub at: Instant,
    pub gateways: Vec<Gateway>,
}

/// One gateway's own beat.
#[derive(Debug)]
pub struct Heart {
    id: Uuid,
    name: String,
    last: Option<(Instant, u64)>,
    /// What it missed at the last beat.
    missed: Vec<&'static str>,
}

impl Heart {
    pub fn new(name: String) -> Self {
        Self { id: Uuid::now_v7(), name, last: None, missed: Vec::new() }
    }

    /// Says that this gateway is there, and reads who else is.
    ///
    /// # Errors
    /// Unavailable while Postgres is away.
    pub async fn beat(&mut self, gate: &Gate, sockets: usize) -> Result<(), FlowError> {
        let (now, admitted) = (Instant::now(), gate.admitted.load(Ordering::Relaxed));
        let per_second = self.last.map_or(0.0, |(at, before)| {
            let seconds = (now - at).as_secs_f64().max(1.0);
            admitted.saturating_sub(before) as f64 / seconds
        });
        // A store is missing when it is twice: at the start neither was asked yet.
        let missing = gate.missing();
        let missed = std::mem::replace(&mut self.missed, missing.clone());
        let beat = Beat {
            id: self.id,
            name: self.name.clone(),
            sockets: i64::try_from(sockets).unwrap_or(i64::MAX),
            admissions_per_second: per_second,
            missing: missing
                .iter()
                .filter(|it| missed.contains(it))
                .map(ToString::to_string)
                .collect(),
        };
        gate.ledger.beat(&beat, VERSION).await?;
        self.last = Some((now, admitted));
        let gateways = gate.ledger.gateways().await?;
        let heard = Heard { at: Instant::now(), gateways };
        *gate.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
        Ok(())
    }

    /// This gateway stops by itself: nobody is to miss it.
    ///
    /// # Errors
    /// Unavailable while Postgres is away; the others then miss it for a while.
    pub async fn stop(&self, gate: &Gate) -> Result<(), FlowError> {
        Ok(gate.ledger.forget_gateway(self.id).await?)
    }
}
