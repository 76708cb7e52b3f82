//! Connections, limits, headers, health and metrics: what is true of every request.

pub mod assets;
pub(crate) mod forwarded;
pub mod limits;
pub mod ops;
pub(crate) mod origin;
pub mod serve;
pub mod slots;
pub mod socket;
pub(crate) mod times;
pub(crate) mod traffic;
pub(crate) mod wire;
