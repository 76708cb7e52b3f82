//! The variants of a run: how much is for sale, who comes for it, and how fast they are let in.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// More people than units, in batches of 100; some units are seeded while the sale runs.
    Demand,
    /// More units than people: nobody may starve.
    Plenty,
    /// Everyone walks away, so every unit comes back.
    Abandon,
    /// One unit.
    Single,
    /// Batches of one, with a cap on open holds.
    OneByOne,
    /// Postgres is put back to an older copy of itself: the sale must stop and say why.
    Restored,
}

/// How a variant is played.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rules {
    pub variant: Variant,
    pub shoppers: u32,
    /// Seeded in all, a part of them while the sale runs.
    pub units: u32,
    pub batch_size: u32,
    pub admit_interval_ms: u32,
    pub window_seconds: u32,
    pub grace_seconds: u32,
    pub max_in_checkout: Option<u32>,
}

impl Variant {
    /// Those that are taken by rotation. Nothing else may go wrong in the last one, so it is asked for.
    pub const MIXED: [Self; 5] =
        [Self::Demand, Self::Plenty, Self::Abandon, Self::Single, Self::OneByOne];

    /// The variant that a seed stands for where none is named.
    pub fn of(seed: u64) -> Self {
        Self::MIXED[(seed % Self::MIXED.len() as u64) as usize]
    }

    pub fn rules(self) -> Rules {
        let usual = Rules {
            variant: self,
            shoppers: 2_000,
            units: 400,
            batch_size: 100,
            admit_interval_ms: 100,
            window_seconds: 3,
            grace_seconds: 1,
            max_in_checkout: None,
        };
        match self {
            Self::Demand => usual,
            Self::Plenty => Rules { shoppers: 1_500, units: 3_000, ..usual },
            Self::Abandon => {
                Rules { shoppers: 1_200, units: 120, window_seconds: 2, grace_seconds: 0, ..usual }
            }
            Self::Single => Rules {
                shoppers: 500,
                units: 1,
                window_seconds: 2,
                grace_seconds: 0,
                admit_interval_ms: 20,
                ..usual
            },
            Self::OneByOne => Rules {
                shoppers: 1_200,
                units: 300,
                batch_size: 1,
                admit_interval_ms: 10,
                window_seconds: 4,
                max_in_checkout: Some(40),
                ..usual
            },
            Self::Restored => {
                Rules { shoppers: 600, units: 400, max_in_checkout: Some(20), ..usual }
            }
        }
    }
}

impl Rules {
    /// The settings of the sale.
    pub fn settings(&self) -> Value {
        let mut settings = json!({
            "batch_size": self.batch_size,
            "admit_interval_ms": self.admit_interval_ms,
            "checkout_window_seconds": self.window_seconds,
            "expiry_grace_seconds": self.grace_seconds,
        });
        if let Some(cap) = self.max_in_checkout {
            settings["max_in_checkout"] = json!(cap);
        }
        settings
    }

    /// What is seeded before the sale opens.
    pub fn first_units(&self) -> u32 {
        match self.variant {
            Variant::Plenty | Variant::Single => self.units,
            Variant::Demand | Variant::Abandon | Variant::OneByOne | Variant::Restored => {
                (self.units / 4).max(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_seeds_in_a_row_are_the_five_mixed_variants() {
        let mut seen: Vec<Variant> = (7..12).map(Variant::of).collect();
        seen.dedup();
        assert_eq!(seen.len(), Variant::MIXED.len());
    }
}
