//! Addresses of shoppers' pages as they were given out: another case, a slash or a space at the end, and slugs
//! that a sale had before. A browser is led to the right address; its query goes along.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::model::SaleId;
use crate::model::settings::is_slug;
use crate::web::App;

const PAGES: &str = "/s/";

/// Leads a browser that asks for a page by another address of it to the right one.
pub async fn lead_on(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_read
        && let Some(path) = request.uri().path().strip_prefix(PAGES)
        && let Some(right) = right_path(&app, path)
    {
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(location) = HeaderValue::from_str(&format!("{PAGES}{right}{query}")) {
            return (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)])
                .into_response();
        }
    }
    next.run(request).await
}

/// The right path of a page, when it is another one; from memory alone.
fn right_path(app: &App, path: &str) -> Option<String> {
    let (name, rest) = tidy(path)?;
    let slug = match name.parse::<SaleId>() {
        Ok(_) => name,
        Err(_) => match app.gate.line(&name) {
            Some(line) => line.view().slug().to_owned(),
            None => name,
        },
    };
    let right = slug + &rest;
    (right != path).then_some(right)
}

/// The slug or id in a path as it is written, and the rest of the path without stray slashes.
fn tidy(path: &str) -> Option<(String, String)> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let name = decoded(parts.next()?)?.trim().to_ascii_lowercase();
    if !is_slug(&name) && name.parse::<SaleId>().is_err() {
        return None;
    }
    let rest = parts.map(|part| format!("/{part}")).collect();
    Some((name, rest))
}

/// A part of a path without its escapes.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(more.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &more[2..];
        } else {
            bytes.push(*first);
            rest = more;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_slashes_and_spaces_do_not_matter() {
        let tidied = |path: &str| tidy(path).map(|(name, rest)| name + &rest);
        for (given, right) in [
            ("drop", "drop"),
            ("DROP", "drop"),
            ("drop/", "drop"),
            ("drop//", "drop"),
            ("drop%20", "drop"),
            ("%20Drop%C2%A0/", "drop"),
            ("Drop/receipt/", "drop/receipt"),
            ("drop/move/AbC", "drop/move/AbC"),
        ] {
            assert_eq!(tidied(given).as_deref(), Some(right), "{given}");
        }
        for bad in ["", "/", "a%2Fb", "%zz", "%", "two%20words", "..", "%2e%2e/x"] {
            assert_eq!(tidied(bad), None, "{bad}");
        }
    }
}
