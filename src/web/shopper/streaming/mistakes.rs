//! Mistakes of a socket, for the drill alone.

use axum::extract::ws::{Message, WebSocket};
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;

use crate::engine::line::ticket_state;
use crate::faults::{Mistake, made};
use crate::model::Claim;
use crate::telemetry;
use crate::web::App;
use crate::web::shopper::streaming::text_of;

/// Keeps every state that the client asked for until it reads it, if that is the mistake to be made.
pub(crate) async fn without_bounds(
    app: &App,
    socket: WebSocket,
    claim: &Claim,
) -> Option<WebSocket> {
    if !made(Mistake::UnboundedWrites) {
        return Some(socket);
    }
    let (mut sink, mut said) = socket.split();
    let (queue, mut queued) = mpsc::unbounded_channel::<String>();
    tokio::spawn(async move {
        while let Some(text) = queued.recv().await {
            if sink.send(Message::Text(text.into())).await.is_err() {
                return;
            }
        }
    });
    while let Some(Ok(_)) = said.next().await {
        let line = app.gate.line_of(claim.sale)?;
        let state = ticket_state::of(&app.gate, &line.view(), *claim).await.ok()?;
        metrics::counter!(telemetry::STATES_SENT, "kind" => "websocket").increment(1);
        queue.send(text_of(app, &state)).ok()?;
    }
    None
}
