//! Rules of holds and orders.

pub mod hold;
