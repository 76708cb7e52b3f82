//! Joining, leaving, and following the line.

pub mod join;
pub mod leave;
pub mod line_mirror;
pub mod line_view;
pub mod moves;
pub mod ticket_state;
pub mod ticket_stream;
