//! Places where the drill may end, stall or fail a step, and mistakes that it may put into one.
//!
//! Both work only in a build with the feature `faults`, which only the drill has. In any other build a
//! point is nothing, a mistake is never made, and a test looks into the binary for what is left of them.

#[cfg(feature = "faults")]
pub(crate) mod armed;
#[cfg(feature = "faults")]
pub(crate) mod scripts;

#[cfg(feature = "faults")]
pub use crate::faults::armed::{made, point, reached, script, sooner};

/// A list of names as an enum, with the text of each.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $item:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $item,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$item,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$item => $text,)* }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|item| item.as_str() == text)
            }
        }
    };
}

named! {
    /// A moment in a step at which a gateway may die, be frozen, or lose a store.
    Point {
        /// Redis gave out the numbers.
        JoinNumbered = "join.numbered",
        /// The journal has the group, uncommitted.
        JoinInTx = "join.in_tx",
        JoinCommitted = "join.committed",
        /// Postgres was asked where admission stands, Redis was not asked yet.
        AdmitAsked = "admit.asked",
        /// Redis popped the batch, or showed again the one in flight.
        AdmitPopped = "admit.popped",
        AdmitInTx = "admit.in_tx",
        AdmitCommitted = "admit.committed",
        /// Redis heard that the batch is recorded.
        AdmitAcknowledged = "admit.acknowledged",
        /// A confirm or a release was allowed, and wrote nothing yet.
        SettleAllowed = "settle.allowed",
        SettleInTx = "settle.in_tx",
        SettleCommitted = "settle.committed",
        /// Everyone was told of it but the caller.
        SettleTold = "settle.told",
        /// Holds are expired, their tokens are not back yet.
        SweepFlipped = "sweep.flipped",
        SweepReturned = "sweep.returned",
        /// The auditor knows what differs and mended nothing yet.
        AuditRead = "audit.read",
        RecoverRaised = "recover.raised",
        /// The first page of the line is under its new key.
        RecoverHalfLoaded = "recover.half_loaded",
        RecoverLoaded = "recover.loaded",
        RecoverSwapped = "recover.swapped",
        /// Seeded, opened, paused, withdrawn or closed in Postgres; Redis does not know.
        OperateInTx = "operate.in_tx",
        OperateCommitted = "operate.committed",
        SellOutInTx = "sell_out.in_tx",
        SellOutMarked = "sell_out.marked",
        LeaveCommitted = "leave.committed",
    }
}

named! {
    /// A mistake that somebody might make one day. Each must be caught by a test that is named with it in
    /// `docs/reliability.md`.
    Mistake {
        /// Pairs tickets and units in the order in which Redis popped them.
        PairInLua = "pair-in-lua",
        /// Admits a ticket whatever the journal says of it.
        AdmitTwice = "admit-twice",
        /// Records a batch without looking whether its units are free.
        NoUnitCheck = "no-unit-check",
        /// Acknowledges a batch before it is recorded.
        AckBeforeCommit = "ack-before-commit",
        /// Answers a purchase before it is committed.
        TellBeforeCommit = "tell-before-commit",
        /// Gives tokens back before the holds are expired.
        ReturnBeforeFlip = "return-before-flip",
        /// Gives tokens back when a timer says so, whatever Postgres says.
        ExpireByTimer = "expire-by-timer",
        /// Buys whatever the state of the hold is.
        NoStateTest = "no-state-test",
        /// Buys only while the gateway's clock says that the window is open.
        ExpireByClock = "expire-by-clock",
        /// Pops a new batch although one is in flight.
        NoSlot = "no-slot",
        /// Numbers are the time.
        SeqFromTime = "seq-from-time",
        /// Redis serves callers of any epoch.
        NoEpochFence = "no-epoch-fence",
        /// Redis does not compare its batch with the one that Postgres has.
        NoLostCheck = "no-lost-check",
        /// The auditor takes out of the line who is not in the journal yet.
        DropUnjournaled = "drop-unjournaled",
        /// A leave is answered without a row where the number is another ticket's.
        LeaveWithoutRow = "leave-without-row",
        /// A Redis without the sale is given every unit anew.
        SeedIfMissing = "seed-if-missing",
        /// Rebuilds without raising the epoch first, so that what is in flight is not fenced.
        NoEpochRaise = "no-epoch-raise",
        /// An idempotency key of one shopper answers every other one.
        KeyNotScoped = "key-not-scoped",
        /// Takes a socket from any page.
        NoOriginCheck = "no-origin-check",
        /// Keeps every frame that a slow reader has not read.
        UnboundedWrites = "unbounded-writes",
        /// The auditor adds no missing tokens.
        NoAudit = "no-audit",
        /// The outage is not credited to open holds.
        NoCredit = "no-credit",
    }
}

/// Does nothing in this build.
///
/// # Errors
/// None in this build.
#[cfg(not(feature = "faults"))]
pub async fn point(_: Point) -> std::io::Result<()> {
    Ok(())
}

/// No mistake is made in this build.
#[cfg(not(feature = "faults"))]
pub const fn made(_: Mistake) -> bool {
    false
}

/// The auditor's pace as it is.
#[cfg(not(feature = "faults"))]
pub const fn sooner(usual: std::time::Duration) -> std::time::Duration {
    usual
}

/// A script as it stands in `lua/`.
#[cfg(not(feature = "faults"))]
pub fn script(_: &'static str, text: &'static str) -> std::borrow::Cow<'static, str> {
    text.into()
}
