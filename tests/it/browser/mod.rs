//! The pages in a real browser: what shoppers and operators see, press and are told.

mod access;
mod accounts;
mod barriers;
mod brand;
mod camera;
mod checkout;
mod console;
mod driver;
mod languages;
mod moves;
mod operator;
mod outage;
mod page;
mod pictures;
mod plain;
mod policy;
mod promise;
mod room;
mod told;
mod verdict;
mod weight;
