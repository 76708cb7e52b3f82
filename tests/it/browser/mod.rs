//! The pages in a real browser: what shoppers and operators see, press and are told.

pub(crate) mod access;
pub(crate) mod accounts;
pub(crate) mod barriers;
pub(crate) mod brand;
pub(crate) mod camera;
pub(crate) mod checkout;
pub(crate) mod console;
pub(crate) mod driver;
pub(crate) mod languages;
pub(crate) mod moves;
pub(crate) mod operator;
pub(crate) mod outage;
pub(crate) mod page;
pub(crate) mod pictures;
pub(crate) mod plain;
pub(crate) mod policy;
pub(crate) mod promise;
mod reference;
pub(crate) mod room;
pub(crate) mod told;
pub(crate) mod verdict;
pub(crate) mod weight;
