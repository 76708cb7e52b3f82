//! A payment reference that is kept besides those of the orders, as it goes out.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::engine::checkout::payments::Payment;
use crate::model::OrderId;

/// A payment reference that is not the first of an order. It is kept for good.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Payment)]
pub struct PaymentShape {
    pub id: String,
    pub reference: String,
    /// `duplicate`: another reference for an order that has one; `reused`: the reference of an earlier order;
    /// `ended`: for a hold that was released or expired; `added`: the first reference of an order that was
    /// confirmed without one, which needs no person
    #[schema(pattern = "^(duplicate|reused|ended|added)$")]
    pub kind: &'static str,
    /// `shop`: sent with an API key or by an operator; `shopper`: typed by a shopper, which proves no payment
    #[schema(pattern = "^(shop|shopper)$")]
    pub source: &'static str,
    /// The name of the key or operator, or `shopper`
    pub seen_by: String,
    pub first_seen_at: Timestamp,
    pub sale: String,
    pub hold: String,
    pub ticket: String,
    pub unit: i32,
    /// Null where the hold ended without one
    pub order: Option<String>,
    /// The reference that the order was confirmed with
    pub order_reference: Option<String>,
    /// Orders that had this reference before, at most 20
    pub used_before: Vec<String>,
    /// Null until a person has dealt with it
    pub resolved_at: Option<Timestamp>,
    pub resolved_by: Option<String>,
    /// What was done
    pub note: Option<String>,
}

impl From<&Payment> for PaymentShape {
    fn from(payment: &Payment) -> Self {
        let resolved = payment.resolved.as_ref();
        Self {
            id: payment.id.to_string(),
            reference: payment.reference.clone(),
            kind: payment.kind.as_str(),
            source: if payment.by_shop { "shop" } else { "shopper" },
            seen_by: payment.seen_by.clone(),
            first_seen_at: payment.first_seen_at,
            sale: payment.sale.to_string(),
            hold: payment.hold.to_string(),
            ticket: payment.ticket.to_string(),
            unit: payment.unit,
            order: payment.order.map(|order| order.to_string()),
            order_reference: payment.order_reference.clone(),
            used_before: payment.used_before.iter().map(OrderId::to_string).collect(),
            resolved_at: resolved.map(|done| done.at),
            resolved_by: resolved.map(|done| done.by.clone()),
            note: resolved.map(|done| done.note.clone()),
        }
    }
}
