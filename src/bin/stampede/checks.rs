//! The promises that can be seen from outside. One that is broken makes the run fail.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// As many are described; the others are counted.
const MOST_TOLD: usize = 50;

#[derive(Default)]
pub struct Checks {
    /// The hold that a unit's receipt names.
    sold: Mutex<HashMap<u64, String>>,
    broken: Mutex<Broken>,
}

#[derive(Clone, Default)]
pub struct Broken {
    pub count: u64,
    pub told: Vec<String>,
}

/// What a shopper was shown last, and how that may go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    pub version: u64,
    pub number: Option<u64>,
    pub position: Option<u64>,
}

impl Checks {
    pub fn broken(&self) -> Broken {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn breaks(&self, what: String) {
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.count += 1;
        if broken.told.len() < MOST_TOLD {
            broken.told.push(what);
        }
    }

    /// A newer state of the same ticket: the number stays, and the place never rises.
    pub fn shown(&self, ticket: &str, before: &Shown, now: &Shown) {
        if let (Some(was), Some(is)) = (before.number, now.number) {
            if was != is {
                self.breaks(format!("{ticket}: number {was} became {is}"));
            } else if let (Some(was), Some(is)) = (before.position, now.position)
                && is > was
            {
                self.breaks(format!("{ticket}: place {was} became {is} while waiting"));
            }
        }
    }

    /// A receipt: each unit has one.
    pub fn receipt(&self, unit: u64, hold: &str) {
        let mut sold = self.sold.lock().unwrap_or_else(PoisonError::into_inner);
        let first = sold.entry(unit).or_insert_with(|| hold.to_owned());
        if first != hold {
            let both = format!("unit {unit} was sold twice: to hold {first} and to hold {hold}");
            drop(sold);
            self.breaks(both);
        }
    }

    /// How many units there are receipts for.
    pub fn receipts(&self) -> u64 {
        self.sold.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(number: u64, position: u64) -> Shown {
        Shown { version: 1, number: Some(number), position: Some(position) }
    }

    #[test]
    fn a_place_may_fall_and_must_not_rise() {
        let checks = Checks::default();
        checks.shown("t", &Shown::default(), &shown(7, 5));
        checks.shown("t", &shown(7, 5), &shown(7, 5));
        checks.shown("t", &shown(7, 5), &shown(7, 1));
        assert_eq!(checks.broken().count, 0);
        checks.shown("t", &shown(7, 5), &shown(7, 6));
        checks.shown("t", &shown(7, 5), &shown(8, 5));
        assert_eq!(checks.broken().count, 2);
    }

    #[test]
    fn a_unit_has_one_receipt_however_often_it_is_shown() {
        let checks = Checks::default();
        checks.receipt(1, "a");
        checks.receipt(1, "a");
        checks.receipt(2, "b");
        assert_eq!((checks.broken().count, checks.receipts()), (0, 2));
        checks.receipt(1, "b");
        assert!(checks.broken().told[0].contains("sold twice"));
    }
}
