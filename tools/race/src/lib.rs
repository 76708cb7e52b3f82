//! The race: the last units of a small stock, sold to a crowd in every known way, side by side, against the
//! same real Redis and the same real Postgres.
//!
//! [`ways`] is what to read: each way is one short file. [`ground`] is what they all stand on, [`buyer`] is
//! what each is given, [`course`] lets a crowd loose on one of them and counts from outside, and [`report`]
//! shows what came of it.

pub mod buyer;
pub mod course;
pub mod ground;
pub mod report;
pub mod ways;
