//! The whole of ropeline, from outside: one binary, so that it links once.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

// What all stories are told with.
mod support;

mod crowd;
mod sale;
#[cfg(feature = "stampede")]
mod stampede;

// The promises, by capability.
mod browser;
mod checkout;
mod health;
mod line;
mod people;
mod repair;
mod reports;
mod steering;
mod stores;
mod web;
