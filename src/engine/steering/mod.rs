//! What an operator changes in a sale.

pub mod operate;
pub mod plan;
pub mod readiness;
