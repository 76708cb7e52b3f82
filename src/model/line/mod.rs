//! Rules of the waiting line: places, pace and what a shopper may expect.

pub mod outlook;
pub mod pace;
pub mod places;
