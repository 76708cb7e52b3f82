//! The pages in a real browser: what shoppers and operators see, press and are told.

mod accounts;
mod access;
mod barriers;
mod camera;
mod checkout;
mod console;
mod driver;
mod moves;
mod operator;
mod outage;
mod page;
mod pictures;
mod plain;
mod policy;
mod promise;
mod room;
mod verdict;
mod weight;
