//! Joins of one sale on their way to their places: a bounded queue, which the first join begins to be taken from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};

use crate::engine::Refusal;
use crate::model::{Seq, Ticket};

/// Joins that may wait for their group: ten thousand arriving in one instant fit, twice over. Beyond, the
/// caller is asked to come back.
const JOIN_QUEUE: usize = 20_000;
/// A join on its way to its place.
pub(crate) struct Arrival {
    pub(crate) ticket: Ticket,
    pub(crate) answer: oneshot::Sender<Result<Place, Refused>>,
}

/// A place in line. `position` is the place at the moment of joining; a ticket that was known before
/// stands where its number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub seq: Seq,
    pub known: bool,
}

/// Why a whole group or one of it got no place.
#[derive(Debug, Clone)]
pub(crate) enum Refused {
    No(Refusal),
    Away(&'static str),
    Busy(&'static str),
}

/// The queue of one sale's joins.
pub(crate) struct Arrivals {
    queue: mpsc::Sender<Arrival>,
    /// Whether the receiver was taken; read by each join.
    begun: AtomicBool,
    receiver: Mutex<Option<mpsc::Receiver<Arrival>>>,
}

impl Default for Arrivals {
    fn default() -> Self {
        let (queue, receiver) = mpsc::channel(JOIN_QUEUE);
        Self { queue, begun: AtomicBool::new(false), receiver: Mutex::new(Some(receiver)) }
    }
}

impl Arrivals {
    /// Puts a join at the end of the queue; gives it back when the queue is full.
    pub(crate) fn push(&self, arrival: Arrival) -> Result<(), Arrival> {
        self.queue.try_send(arrival).map_err(mpsc::error::TrySendError::into_inner)
    }

    /// The other end of the queue, for the first caller alone.
    pub(crate) fn begin(&self) -> Option<mpsc::Receiver<Arrival>> {
        if self.begun.swap(true, Ordering::Relaxed) {
            return None;
        }
        self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
