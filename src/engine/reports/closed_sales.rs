//! Sales that this gateway does not follow, for callers without a key: those that are over, and names of no sale.
//! What was read is kept for some seconds, and all that is asked for meanwhile is read by one query: a flood of names
//! costs Postgres a query at a time, on connections of their own.
//!
//! The two maps are bounded and small, and the grouped query needs code of its own in any case; a cache library would
//! add a dependency and save forty lines.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::engine::{FlowError, Gate, Refusal};
use crate::ledger::{Ledger, SaleSnapshot};
use crate::model::SaleId;
use crate::model::settings::is_slug;

/// For how long a closed sale is answered from memory. Little changes in it.
const KEPT: Duration = Duration::from_secs(5);
/// For how long a name of no sale is remembered: a sale that is made meanwhile on another gateway is followed here,
/// and then found, sooner than this.
const UNKNOWN_FOR: Duration = Duration::from_secs(2);
/// Most sales in memory. Each may have a brand of 64 KiB.
const MOST_SALES: usize = 256;
/// Most names of no sale in memory.
const MOST_UNKNOWN: usize = 10_000;
/// Most sales that one query reads.
const GROUP: usize = 500;
/// Longest wait for an answer.
const WITHIN: Duration = Duration::from_secs(3);

/// What is known of sales that this gateway does not follow.
#[derive(Default)]
pub struct Past {
    known: Mutex<Known>,
    /// Taken by the caller that reads for everyone who waits.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    /// By id or slug, as it was asked for; also by a slug that the sale had.
    sales: HashMap<String, (Instant, Arc<SaleSnapshot>)>,
    unknown: HashMap<String, Instant>,
    /// To be read by the next query.
    wanted: HashSet<String>,
}

impl Known {
    /// The sale under this name, or that there is none; nothing when it must be read.
    fn answer(&self, reference: &str) -> Option<Option<Arc<SaleSnapshot>>> {
        if let Some((_, sale)) = self.sales.get(reference).filter(|(at, _)| at.elapsed() < KEPT) {
            return Some(Some(sale.clone()));
        }
        let unknown = self.unknown.get(reference).filter(|at| at.elapsed() < UNKNOWN_FOR);
        unknown.map(|_| None)
    }

    fn learn(&mut self, asked: Vec<String>, found: Vec<SaleSnapshot>) {
        if self.sales.len() + found.len() > MOST_SALES {
            self.sales.retain(|_, (at, _)| at.elapsed() < KEPT);
        }
        if self.sales.len() + found.len() > MOST_SALES {
            self.sales.clear();
        }
        if self.unknown.len() + asked.len() > MOST_UNKNOWN {
            self.unknown.retain(|_, at| at.elapsed() < UNKNOWN_FOR);
        }
        if self.unknown.len() + asked.len() > MOST_UNKNOWN {
            self.unknown.clear();
        }
        let now = Instant::now();
        let found: Vec<_> = found.into_iter().map(Arc::new).collect();
        // The sale that has the name now, the one that had it, or the newest archived one: as `sale_of_slug` has it.
        let named = |reference: &str| {
            if let Ok(id) = reference.parse::<SaleId>() {
                return found.iter().find(|sale| sale.id() == id);
            }
            let has = |sale: &&Arc<SaleSnapshot>| sale.sale.settings.slug == reference;
            let had = |sale: &&Arc<SaleSnapshot>| {
                sale.sale.former_slugs.iter().any(|slug| slug == reference)
            };
            let now = found.iter().filter(has).find(|sale| sale.sale.archived_at.is_none());
            now.or_else(|| found.iter().find(had))
                .or_else(|| found.iter().filter(has).max_by_key(|sale| sale.sale.archived_at))
        };
        for reference in asked {
            match named(&reference) {
                Some(sale) => {
                    self.unknown.remove(&reference);
                    self.sales.insert(reference, (now, sale.clone()));
                }
                None => {
                    self.sales.remove(&reference);
                    self.unknown.insert(reference, now);
                }
            }
        }
    }
}

impl Past {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sale with this id or slug, as it was a few seconds ago at the most.
    async fn find(&self, ledger: &Ledger, reference: &str) -> Result<Arc<SaleSnapshot>, FlowError> {
        if reference.parse::<SaleId>().is_err() && !is_slug(reference) {
            return Err(Refusal::NoSuchSale.into());
        }
        let answer = |known: &Known| known.answer(reference);
        let wanted = {
            let mut known = self.known();
            let answer = answer(&known);
            if answer.is_none() {
                known.wanted.insert(reference.to_owned());
            }
            answer
        };
        if let Some(answer) = wanted {
            return answer.ok_or_else(|| Refusal::NoSuchSale.into());
        }
        let _turn = self.turn.lock().await;
        loop {
            // Whoever had the turn before may have read this one as well.
            if let Some(answer) = answer(&self.known()) {
                return answer.ok_or_else(|| Refusal::NoSuchSale.into());
            }
            let asked: Vec<String> = {
                let mut known = self.known();
                known.wanted.remove(reference);
                let mut asked: Vec<String> = known.wanted.iter().take(GROUP - 1).cloned().collect();
                for other in &asked {
                    known.wanted.remove(other);
                }
                asked.push(reference.to_owned());
                asked
            };
            let found = ledger.apart().sale_snapshots(&asked).await?;
            self.known().learn(asked, found);
        }
    }
}

impl Gate {
    /// A sale that this gateway does not follow, as it was a few seconds ago at the most; for callers without a key.
    ///
    /// # Errors
    /// Refused with `NoSuchSale`; unavailable while Postgres is away.
    pub async fn past(&self, reference: &str) -> Result<Arc<SaleSnapshot>, FlowError> {
        match timeout(WITHIN, self.past.find(&self.ledger, reference)).await {
            Ok(found) => found,
            Err(_) => Err(FlowError::Unavailable("postgres", None)),
        }
    }
}
