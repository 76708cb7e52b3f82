//! The baseline of the front door: ropeline's own accept loop with a handler that does nothing.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use ropeline::web::server::serve;
use tokio_util::sync::CancellationToken;

/// As many as a gateway takes by default.
const MOST_CONNECTIONS: usize = 15_000;
/// As long as the answer to a join.
const BODY: &str = concat!(
    r#"{"ticket":"0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","sale":"0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b","#,
    r#""state":"waiting","version":1000000000000000,"number":4711,"position":4532,"waiting":9999,"#,
    r#""estimated_wait_seconds":{"low":0,"high":0},"paused":false,"server_time":"2026-01-01T00:00:00Z","#,
    r#""credential":"AZihssPUfl-KmwwdLj9KWwGYobLD1H5fipsMHS4_SlsAAAAAAAASZ0AAAAAAAAAAAAAAAAAAAAAAAAAA","#,
    r#""live_url":"/api/v1/sales/0198a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b/tickets/0198a1b2-c3d4/live"}"#
);

/// What a crowd wants to know before it comes.
const FACTS: &str = r#"{"status":"open","waiting":0}"#;

/// Serves until it is ended.
pub async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let json = [(header::CONTENT_TYPE, "application/json")];
    let routes = Router::new()
        .route("/readyz", get(|| async { StatusCode::OK }))
        .route("/api/v1/sales/{sale}", get(async move || (json.clone(), FACTS)))
        .route(
            "/api/v1/sales/{sale}/tickets",
            post(|| async {
                (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], BODY)
            }),
        );
    let listener = serve::listen(listen)?;
    serve::serve_routes(listener, routes, MOST_CONNECTIONS, CancellationToken::new()).await?;
    Ok(())
}
