//! What a page loads besides itself: the one vendored script, under a name with a hash of its content, so
//! that a browser keeps it for ever and never an old one.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::web::api::problem::Problem;

/// Charts for the console; `templates/vendor/README.md` says what it is.
const UPLOT: &str = include_str!("../../../templates/vendor/uplot/uPlot.iife.min.js");
/// Bytes of the hash in a name: enough that two contents never share one.
const HASH_BYTES: usize = 8;
/// A content never changes under its name.
const KEPT: &str = "public, max-age=31536000, immutable";

static UPLOT_NAME: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::digest(UPLOT.as_bytes());
    let mut name = "uplot-".to_owned();
    for byte in &digest[..HASH_BYTES] {
        write!(name, "{byte:02x}").expect("a string takes all");
    }
    name + ".js"
});

/// Where a page finds the charts.
pub fn uplot_path() -> String {
    format!("/assets/{}", *UPLOT_NAME)
}

/// `GET /assets/{name}`
pub async fn asset(Path(name): Path<String>) -> Response {
    if name != *UPLOT_NAME {
        return Problem::not_found("file").into_response();
    }
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, KEPT),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, UPLOT).into_response()
}
