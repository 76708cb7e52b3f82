//! What every JSON call shares: problem documents, readers, schemas, responses and callers.

pub mod caller;
mod examples;
pub(crate) mod openapi;
pub mod problem;
pub mod request_reader;
pub mod request_schema;
pub mod responses;
