//! The whole of ropeline, from outside: one binary, so that it links once.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

// What everybody tells stories with.
mod book;
mod member;
mod model;
mod process;
mod redis_state;
mod replica;
mod script_run;
mod served;
mod staff;
mod support;

// The promises, from the shopper inwards.
mod accounts;
mod addresses;
mod alarms;
mod browser;
mod closing;
mod cookies;
mod credit;
mod crowd;
mod described;
mod doubled;
mod drain;
mod endings;
mod exports;
mod failover;
mod forms;
mod frames;
mod giving_way;
mod history;
mod holds;
mod hostile;
mod keys;
mod ledger;
mod limits;
mod lists;
mod live;
mod logs;
mod losses;
mod metrics;
mod moves;
mod operator;
mod outage;
mod outside;
mod past;
mod payments;
mod recovery;
mod refusals;
mod report;
mod rights;
mod roles;
mod sale;
mod schedule;
mod scripts;
mod secrets;
mod selfcheck;
mod settings;
mod shopper;
mod sockets;
#[cfg(feature = "stampede")]
mod stampede;
mod standing;
mod stores;
mod sweeper;
mod tamper;
mod tampering;
mod tasks;
mod together;
mod waits;
mod wire;
