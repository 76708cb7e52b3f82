//! ropeline's own admission, through the library: join the line, be admitted with a unit held, confirm.
//!
//! It does more than the others for each order. The join is journaled in Postgres before it is answered, the
//! hold is committed before it is told, and the order is a third commit. Joins and admissions are done in
//! groups, so many buyers share a commit; confirms touch no common row. The first answer is a place in line; a
//! buyer who waits there is not served, and takes no connection.
//!
//! The sale admits as fast as its settings allow: 100 at a time, every 10 ms. Nobody goes through HTTP here, as
//! in the other ways. The shop confirms at once, and nobody walks away. A gateway looks at a quiet line four
//! times a second, so the first order takes a moment, however small the stock is.

mod gateway;

use std::sync::Arc;
use std::time::Duration;

use ::ropeline::engine::checkout::settle::{By, Settle, settle};
use ::ropeline::engine::line::join;
use ::ropeline::engine::line::line_mirror::Line;
use ::ropeline::engine::line::ticket_state::Stage;
use ::ropeline::engine::line::ticket_stream::Follow;
use ::ropeline::engine::{FlowError, Gate, Refusal};
use ::ropeline::model::{Claim, HoldId, Ticket};
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use tokio::sync::RwLock;
use tokio::time::sleep;

use super::Way;
use crate::buyer::{Bought, Buyer};
use crate::ground::Ground;
use gateway::{Gateway, status};

pub const WHY: &str = "Everybody gets a place in the journal first, so the answer is early and the order late: \
                       it is the third commit, and many buyers share the first two.";

/// Before a call is repeated that was not answered.
const REPEAT_AFTER: Duration = Duration::from_millis(50);

/// A gateway's inside with one open sale.
#[derive(Default)]
pub struct Ropeline(RwLock<Option<Gateway>>);

#[async_trait]
impl Way for Ropeline {
    async fn prepare(&self, ground: &Ground, stock: u32) -> Result<()> {
        *self.0.write().await = Some(Gateway::with_sale(ground, stock).await?);
        Ok(())
    }

    async fn buy(&self, buyer: &mut Buyer) -> Result<Bought> {
        let open = self.0.read().await;
        let Gateway { gate, line, .. } = open.as_ref().context("the sale is open")?;
        let ticket = Ticket::new();
        let place = loop {
            match join::join(gate, line, ticket).await {
                Ok(place) => break place,
                Err(FlowError::Refused(Refusal::SoldOut)) => return Ok(Bought::NoStock),
                Err(FlowError::Unavailable(..)) => buyer.retries += 1,
                Err(error) => return Err(error.into()),
            }
            sleep(REPEAT_AFTER).await;
        };
        buyer.hears();
        buyer.steps_aside();
        let claim = Claim { sale: line.id, ticket, seq: place.seq, generation: 0 };
        let Some(hold) = admitted(gate, line, claim).await? else { return Ok(Bought::NoStock) };
        buyer.comes_back().await?;
        loop {
            let confirm = Settle::Confirm { payment_reference: None };
            match settle(
                gate,
                By::Shop { scope: "race".into(), name: "race".into() },
                hold,
                confirm,
                None,
                status,
            )
            .await
            {
                Ok(reply) if reply.status == 200 => return Ok(Bought::Sold(1)),
                Ok(_) => return Ok(Bought::WalkedAway), // The window was over.
                Err(FlowError::Unknown(_)) => buyer.retries += 1,
                Err(error) => return Err(error.into()),
            }
            sleep(REPEAT_AFTER).await;
        }
    }

    async fn ordered(&self, ground: &Ground) -> Result<u64> {
        self.0.read().await.as_ref().context("the sale is open")?.ordered(ground).await
    }

    async fn end(&self) -> Result<()> {
        let gateway = self.0.write().await.take();
        gateway.context("the sale is open")?.close().await
    }
}

/// Waits in line as a shopper's page does; nothing when the sale was over first.
async fn admitted(gate: &Arc<Gate>, line: &Line, claim: Claim) -> Result<Option<HoldId>> {
    let mut follow = Follow::new(gate.clone(), line, claim);
    loop {
        match follow.next().await.context("the sale is let go")?.stage {
            Stage::Admitted { hold, .. } => return Ok(Some(hold.id)),
            Stage::Scheduled { .. } | Stage::Waiting(_) => {}
            Stage::SoldOut | Stage::Closed => return Ok(None),
            Stage::Confirmed { .. }
            | Stage::Expired { .. }
            | Stage::Released { .. }
            | Stage::Left
            | Stage::Removed => bail!("a ticket ended by somebody else's hand"),
        }
    }
}
