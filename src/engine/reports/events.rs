//! The event log of a sale: seven lists of the ledger, each in order of time, merged into one as they are read.
//! A page of each is in memory, however long the sale was.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::{Stream, stream};
use jiff::Timestamp;

use crate::engine::{FlowError, Gate};
use crate::ledger::EventKind;
use crate::model::SaleId;

pub use crate::ledger::Event;

/// Events read at a time of each kind. A page of joins costs a look at all of them, which have no index
/// by time: large pages are few. Of a million it takes half a second, whatever the page.
const READ_PAGE: i64 = 20_000;
/// Events given out at a time.
const GIVE_PAGE: usize = 1_000;

struct Source {
    kind: EventKind,
    read: VecDeque<Event>,
    after: (Timestamp, i64),
    is_done: bool,
}

struct Merge {
    gate: Arc<Gate>,
    sale: SaleId,
    until: Timestamp,
    sources: [Source; 7],
}

impl Merge {
    /// Sees to it that each source shows its next event.
    async fn fill(&mut self) -> Result<(), FlowError> {
        for source in &mut self.sources {
            if !source.read.is_empty() || source.is_done {
                continue;
            }
            // One read of all exports at a time: shoppers' look-ups use the same connections.
            let _turn = self.gate.exports.lock().await;
            let page = self.gate.ledger.events(
                self.sale,
                source.kind,
                self.until,
                source.after,
                READ_PAGE,
            );
            let page = page.await?;
            source.is_done = (page.len() as i64) < READ_PAGE;
            if let Some(last) = page.last() {
                source.after = (last.at, last.tie);
            }
            source.read = page.into();
        }
        Ok(())
    }

    async fn page(&mut self) -> Result<Vec<Event>, FlowError> {
        let mut page = Vec::new();
        while page.len() < GIVE_PAGE {
            self.fill().await?;
            let heads = self.sources.iter_mut().filter(|source| !source.read.is_empty());
            let first =
                heads.min_by_key(|source| (source.read[0].at, source.kind, source.read[0].tie));
            let Some(event) = first.and_then(|source| source.read.pop_front()) else { break };
            page.push(event);
        }
        Ok(page)
    }
}

/// Everything that happened in a sale up to now, oldest first, in pages.
///
/// # Errors
/// Unavailable while Postgres is away, also in the middle.
pub async fn events(
    gate: Arc<Gate>,
    sale: SaleId,
) -> Result<impl Stream<Item = Result<Vec<Event>, FlowError>> + Send, FlowError> {
    let until = gate.snapshot(sale).await?.read_at;
    let sources = EventKind::ALL.map(|kind| Source {
        kind,
        read: VecDeque::new(),
        after: (Timestamp::UNIX_EPOCH, 0),
        is_done: false,
    });
    let merge = Merge { gate, sale, until, sources };
    Ok(stream::try_unfold(merge, |mut merge| async move {
        let page = merge.page().await?;
        Ok((!page.is_empty()).then_some((page, merge)))
    }))
}
