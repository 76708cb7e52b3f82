//! The line: joining, waiting, moving, leaving.

pub mod doubled;
pub mod giving_way;
pub mod moves;
pub mod scripts;
pub mod streaming;
pub mod tickets;
pub mod waits;
