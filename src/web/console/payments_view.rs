//! Owns the part of a sale's page that lists payments which need a person.

use jiff::Timestamp;
use serde::Deserialize;

/// A payment reference that fits no order, as the API lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct PaymentRow {
    pub id: String,
    pub reference: String,
    pub kind: String,
    pub source: String,
    pub seen_by: String,
    pub first_seen_at: Timestamp,
    pub hold: String,
    pub ticket: String,
    pub order: Option<String>,
    pub order_reference: Option<String>,
    pub used_before: Vec<String>,
}

impl PaymentRow {
    /// What is odd about it, in one or two sentences.
    pub fn says(&self) -> String {
        let before = match self.used_before.as_slice() {
            [] => String::new(),
            [order] => format!(" Order {order} had this reference before."),
            [order, more @ ..] => {
                format!(" Order {order} and {} more had this reference before.", more.len())
            }
        };
        let first = self.order_reference.as_deref().unwrap_or("none");
        let what = match self.kind.as_str() {
            "duplicate" => format!("A second payment for this order, which has {first}."),
            "reused" => "One payment for more than one order.".to_owned(),
            "ended" => "A payment for a hold that had ended without an order.".to_owned(),
            other => other.to_owned(),
        };
        what + &before
    }

    /// Whether a shopper typed it, which proves no payment.
    pub fn is_typed(&self) -> bool {
        self.source == "shopper"
    }
}

/// The payments of a sale that need a person.
#[derive(Clone, Debug, Default)]
pub struct PaymentsPart {
    /// Of the shop's, also those that are not shown.
    pub open: u64,
    pub rows: Vec<PaymentRow>,
    /// The note that was refused, with its entry and what is wrong with it.
    pub refused: Option<RefusedNote>,
}

#[derive(Clone, Debug)]
pub struct RefusedNote {
    pub payment: String,
    pub note: String,
    pub detail: String,
}

impl PaymentsPart {
    pub fn refused(&self, row: &PaymentRow) -> Option<&RefusedNote> {
        self.refused.as_ref().filter(|refused| refused.payment == row.id)
    }
}
