//! Joining, leaving, and following the line.

pub(crate) mod arrivals;
pub mod join;
pub mod leave;
pub mod line_mirror;
pub mod line_view;
pub(crate) mod loss;
pub mod moves;
pub(crate) mod returning;
pub mod ticket_state;
pub mod ticket_stream;
