//! Typed ids. Each is a UUID on the wire; mixing two of them up does not compile.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by time of making within this process.
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

id!(/// One flash sale.
    SaleId);
id!(/// One shopper's place in one sale's queue.
    Ticket);
id!(/// A unit kept for one ticket.
    HoldId);
id!(/// A confirmed hold.
    OrderId);
id!(/// A person who may log in.
    OperatorId);
id!(/// A program's way in.
    ApiKeyId);

/// A ticket's rank in the order of joining: the epoch above 40 bits of counter.
///
/// Epoch 1 has plain small numbers; whoever joins after a recovery has a higher epoch and stands
/// behind everyone who joined before. Exact as a double for every epoch Postgres allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Seq(pub i64);

impl Seq {
    const COUNTER_BITS: u32 = 40;

    pub fn new(epoch: i32, counter: u64) -> Self {
        Self(((i64::from(epoch) - 1) << Self::COUNTER_BITS) + counter.cast_signed())
    }
    /// Whether this is a number of the line. The journal keeps a ticket that has none at a number below the
    /// first: it left, or it was told that the sale is sold out, before it could be given one.
    pub fn is_in_line(self) -> bool {
        self.0 > 0
    }
    pub fn epoch(self) -> i32 {
        i32::try_from((self.0 >> Self::COUNTER_BITS) + 1).unwrap_or(i32::MAX)
    }
    pub fn counter(self) -> u64 {
        (self.0 & ((1 << Self::COUNTER_BITS) - 1)).cast_unsigned()
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_splits_into_its_epoch_and_counter_and_a_later_epoch_is_behind() {
        assert_eq!(Seq::new(1, 4711), Seq(4711));
        let late = Seq::new(2, 1);
        assert_eq!((late.epoch(), late.counter()), (2, 1));
        assert!(late > Seq::new(1, (1 << 40) - 1));
        assert!(Seq::new(8191, (1 << 40) - 1).0 < 1 << 53, "exact as a double");
    }
}
