//! The baseline of live places: the same server tells every socket the same short frame, and nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::crowd::unix_nanos;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::routing::{any, get, post};
use ropeline::web::server::{serve, socket};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

const MOST_CONNECTIONS: usize = 19_000;
/// Counts fall from here, as places do.
const FROM: u64 = 1_000_000;

#[derive(Default)]
struct Hall {
    told: u64,
    sockets: Vec<UnboundedSender<Utf8Bytes>>,
}

type Shared = Arc<Mutex<Hall>>;

/// Serves until it is ended.
pub async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let routes = Router::new()
        .route("/readyz", get(|| async { StatusCode::OK }))
        .route("/socket", any(open))
        .route("/tell", post(tell))
        .with_state(Shared::default());
    let listener = serve::listen(listen)?;
    serve::serve_routes(listener, routes, MOST_CONNECTIONS, CancellationToken::new()).await?;
    Ok(())
}

/// About 60 bytes, as in `docs/performance.md`.
fn frame(told: u64) -> Utf8Bytes {
    format!(r#"{{"count":{},"more":"sixty bytes in all, more or less"}}"#, FROM - told).into()
}

async fn open(State(hall): State<Shared>, upgrade: WebSocketUpgrade) -> axum::response::Response {
    let (teller, told) = mpsc::unbounded_channel();
    let mut hall = hall.lock().unwrap_or_else(PoisonError::into_inner);
    // What it is told first, as a shopper is told the place.
    let first = teller.send(frame(hall.told));
    hall.sockets.push(teller);
    drop((hall, first));
    socket::bounded(upgrade, None).on_upgrade(move |socket| pass_on(socket, told))
}

async fn pass_on(mut socket: axum::extract::ws::WebSocket, mut told: UnboundedReceiver<Utf8Bytes>) {
    loop {
        tokio::select! {
            text = told.recv() => {
                let Some(text) = text else { return };
                if socket.send(Message::Text(text)).await.is_err() {
                    return;
                }
            }
            heard = socket.recv() => if heard.is_none() { return },
        }
    }
}

/// Tells everyone; answers when it began, as Unix nanoseconds.
async fn tell(State(hall): State<Shared>) -> String {
    let begun = unix_nanos();
    let mut hall = hall.lock().unwrap_or_else(PoisonError::into_inner);
    hall.told += 1;
    let text = frame(hall.told);
    hall.sockets.retain(|socket| socket.send(text.clone()).is_ok());
    begun.to_string()
}
