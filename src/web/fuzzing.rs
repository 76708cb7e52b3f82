//! What the fuzz targets in `tools/fuzz/` may call of the readers and writers that are private to the front door.
//! Built for them alone.

use std::net::IpAddr;

use axum::body::Bytes;
use axum::extract::ws::Message;
use axum::http::HeaderMap;
use ipnet::IpNet;

use crate::engine::reports::listings::Cursor;
use crate::model::Order;
use crate::web::api::problem::Problem;
use crate::web::operator::{csv, listings};
use crate::web::server::forwarded;
use crate::web::shopper::streaming;
use crate::web::shopper::streaming::Next;

/// The address that a request counts against.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    forwarded::origin(peer, headers, trusted).address
}

/// What a socket does about a message: `now` for the state, the code of a complaint, or what it is called.
pub fn heard(message: Message) -> &'static str {
    match streaming::follows(message.into()) {
        Next::Now => "now",
        Next::Complain(code) => code,
        Next::Nothing => "nothing",
        Next::Bye => "bye",
        Next::Tell(_) | Next::Moved | Next::Ping | Next::Gone | Next::Close(..) => {
            "not what a message asks for"
        }
    }
}

/// Which page a query asks for.
///
/// # Errors
/// Invalid, naming what is wrong with it.
pub fn page(query: &listings::PageQuery) -> Result<(i64, Option<Cursor>), Problem> {
    query.read()
}

/// A cursor as a list writes it.
pub fn cursor(of: &Cursor) -> String {
    listings::encode(of.at, of.number, of.id)
}

/// An order as one line of CSV.
///
/// # Errors
/// When it cannot be written.
pub fn csv_line(order: &Order) -> std::io::Result<Bytes> {
    csv::csv_lines([csv::csv_row(order)])
}
