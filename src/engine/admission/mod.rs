//! Admitting shoppers from the front of the line.

pub mod admit;
