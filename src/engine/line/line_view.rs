//! One sale as a gateway saw it last: what Postgres says and who is in line. Whole, and never changed.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::ledger::SaleSnapshot;
use crate::model::line::pace::Reason;
use crate::model::{Places, Seq, Ticket};

/// One sale as this gateway saw it last.
#[derive(Debug, Clone)]
pub struct View {
    pub snapshot: Arc<SaleSnapshot>,
    pub places: Arc<Places>,
    /// Rises with each view; a survey's number also rises from one gateway to another.
    pub version: u64,
    /// The version that `places` came with.
    pub surveyed: u64,
    /// The epoch and counter that `places` reach to.
    pub epoch: i32,
    pub counter: u64,
    pub tokens: u64,
    /// Whether the line was ever read; before, nothing is known of places.
    pub mirrored: bool,
    pub seen: Instant,
    pub joins_per_second: f64,
    pub admissions_per_second: f64,
    /// People per second by which a wait is told; none while nobody can be let in or nothing was measured.
    pub pace: Option<f64>,
    /// Why a wait may be longer than one that was told before.
    pub wait_reason: Option<Reason>,
    /// Since when nobody was let in though somebody could be.
    pub still_since: Option<Instant>,
    /// Tickets whose holds ended in the last seconds.
    pub ended: Arc<HashSet<Ticket>>,
}

/// Versions to a millisecond, as `lua/survey.lua` counts them: room for the views that a gateway makes
/// between two surveys.
const STEPS: u64 = 64;

/// The version of what Postgres alone told at this time, on the same scale as a survey's, so that a gateway
/// which has not seen the line yet does not begin at nothing.
pub(crate) fn version_at(time: Timestamp) -> u64 {
    time.as_millisecond().max(0).unsigned_abs() * STEPS
}

impl View {
    /// What Postgres says alone, before the line was read.
    pub(crate) fn unmirrored(
        snapshot: Arc<SaleSnapshot>,
        ended: Arc<HashSet<Ticket>>,
        clock: &Clock,
    ) -> Self {
        Self {
            places: Arc::default(),
            version: version_at(clock.earlier(snapshot.read_at)),
            surveyed: 0,
            epoch: snapshot.sale.epoch,
            counter: 0,
            tokens: 0,
            mirrored: false,
            seen: Instant::now(),
            joins_per_second: 0.0,
            admissions_per_second: 0.0,
            pace: None,
            wait_reason: None,
            still_since: None,
            ended,
            snapshot,
        }
    }

    /// The version of a view with the same places. It stays below the next survey's, however long this
    /// gateway does not get to look: what another one has seen of the line since is newer.
    pub(crate) fn next_version(&self) -> u64 {
        (self.version + 1).min(self.surveyed + STEPS - 1)
    }

    pub fn slug(&self) -> &str {
        &self.snapshot.sale.settings.slug
    }

    pub fn waiting(&self) -> u64 {
        self.places.waiting()
    }

    /// Whether this view can tell the place of this number. One of a later epoch stands behind everybody
    /// who joined since this view was read, and it does not know how many those are.
    pub fn knows(&self, seq: Seq) -> bool {
        self.mirrored && seq.epoch() <= self.epoch.max(1)
    }

    /// Whether this number is in line. One that is newer than this view was handed out since, and is.
    pub fn is_waiting(&self, seq: Seq) -> bool {
        self.is_newer(seq) || self.places.is_waiting(seq)
    }

    fn is_newer(&self, seq: Seq) -> bool {
        seq > Seq::new(self.epoch.max(1), self.counter)
    }

    /// The place of this number: how many wait in front, plus 1.
    pub fn position(&self, seq: Seq) -> u64 {
        let newer = if self.is_newer(seq) && seq.epoch() == self.epoch {
            seq.counter().saturating_sub(self.counter + 1)
        } else {
            0
        };
        self.places.before(seq) + newer + 1
    }
}
