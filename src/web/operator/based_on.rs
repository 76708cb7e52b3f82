//! `ETag` and `If-Match`: a change that says which state of a sale it is based on.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::engine::reports::listings;
use crate::model::{Fault, Sale};
use crate::web::App;
use crate::web::api::problem::{Code, Problem};
use crate::web::api::responses::SaleShape;

/// Names a sale as it stands, settings and status.
pub fn etag(sale: &Value) -> String {
    let digest = Sha256::digest(sale.to_string().as_bytes());
    let hex: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// Adds the `ETag` of a sale to an answer; a refusal has none.
pub fn with_etag(etag: &str, mut response: Response) -> Response {
    if response.status().is_success()
        && let Ok(etag) = HeaderValue::from_str(etag)
    {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// Refuses a change that is based on another state of the sale than the one that it has.
pub async fn demand_base(app: &App, sale: &Sale, headers: &HeaderMap) -> Result<(), Problem> {
    let mut wanted = Vec::new();
    for value in headers.get_all(header::IF_MATCH) {
        let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
        wanted.extend(tags.map(str::to_owned));
    }
    if wanted.is_empty() || wanted.iter().any(|tag| tag == "*") {
        return Ok(());
    }
    let is_tag = |tag: &String| tag.trim_start_matches("W/").starts_with('"') && tag.ends_with('"');
    if !wanted.iter().all(is_tag) {
        let rule = "must be the ETag of the sale, in its quotes, or *";
        return Err(Problem::invalid(vec![Fault::new("If-Match", rule)]));
    }
    let now = etag(&json!(SaleShape::from(sale)));
    if wanted.contains(&now) {
        return Ok(());
    }
    let last = listings::audit(&app.gate, sale.id, None, 1).await?;
    let told = last.first().map_or_else(String::new, |item| {
        format!("; the last change is {} by {} at {}", item.action, item.actor, item.at)
    });
    let detail = format!("the sale is not as this change has it{told}; read the sale again");
    Err(Problem::new(Code::PreconditionFailed, detail))
}
