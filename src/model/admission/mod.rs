//! Rules of letting shoppers in.

pub mod plan;
