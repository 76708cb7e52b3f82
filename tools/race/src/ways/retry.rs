//! How often a WATCH that lost tries again, and how long it waits before.

use std::time::Duration;

use rand::RngExt;
use tokio::time::sleep;

use crate::buyer::Buyer;

#[derive(Debug, Clone, Copy)]
pub struct Retry {
    times: u32,
    backs_off: bool,
}

/// At once, three times: what examples of WATCH do.
pub const THREE: Retry = Retry { times: 3, backs_off: false };
/// Ten times, each wait twice as long as the one before, and at random up to that.
pub const BACKOFF: Retry = Retry { times: 10, backs_off: true };

/// The first wait is up to this long, and none is longer than the last.
const FIRST_MS: u64 = 2;
const LAST_MS: u64 = 512;

impl Retry {
    /// Whether to try again, after a wait; counts it.
    pub async fn again(self, buyer: &mut Buyer, tried: u32) -> bool {
        if tried >= self.times {
            return false;
        }
        buyer.retries += 1;
        if self.backs_off {
            let most = (FIRST_MS << tried).min(LAST_MS);
            let wait = rand::rng().random_range(0..=most * 1_000);
            sleep(Duration::from_micros(wait)).await;
        }
        true
    }
}
