//! What an operator changes in a sale.

pub mod closing;
pub mod forms;
pub mod operator;
pub mod schedule;
pub mod settings;
