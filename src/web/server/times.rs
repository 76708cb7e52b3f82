//! How long answers take, by route: a histogram each, found without making up its labels anew.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::http::Method;
use metrics::{Histogram, histogram};

use crate::telemetry;

/// The histograms that were asked for so far; there are as many as routes, methods and statuses.
#[derive(Default)]
pub struct Times(RwLock<HashMap<String, Vec<Series>>>);

struct Series {
    method: &'static str,
    status: u16,
    seconds: Histogram,
}

impl Times {
    /// Notes one answer.
    pub fn note(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_route = known.get(route).map_or(&[][..], Vec::as_slice);
        if let Some(series) = of_route.iter().find(|s| s.method == method && s.status == status) {
            return series.seconds.record(took);
        }
        drop(known);
        let seconds = histogram!(
            telemetry::HTTP_SECONDS,
            "method" => method, "route" => route.to_owned(), "status" => status.to_string()
        );
        seconds.record(took);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(route.to_owned()).or_default().push(Series { method, status, seconds });
    }
}

/// A method for a label: a client may make up as many as it likes, and each would be a series for ever.
pub fn named(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PUT" => "PUT",
        _ => "other",
    }
}
