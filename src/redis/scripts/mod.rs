//! One wrapper for each script in `lua/`, under the name of the script.

pub(crate) mod admit;
pub(crate) mod clear;
pub(crate) mod drop;
pub(crate) mod free;
pub(crate) mod join;
pub(crate) mod leave;
pub(crate) mod load;
pub(crate) mod page;
pub(crate) mod probe;
pub(crate) mod restore;
pub(crate) mod survey;
pub(crate) mod swap;
pub(crate) mod tokens;
