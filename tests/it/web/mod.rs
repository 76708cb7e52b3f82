//! Requests and answers: limits, frames, cookies, refusals, the OpenAPI document.

pub mod addresses;
pub mod cookies;
pub mod drain;
pub mod frames;
pub mod hostile;
pub mod limits;
pub mod openapi;
pub mod outside;
pub mod refusals;
