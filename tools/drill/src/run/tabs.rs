//! One tab: watches its ticket by socket, stream or poll, and goes elsewhere when that breaks. Every state
//! that it is told goes into the history.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::history::{Entry, Op};
use super::plan::Channel;
use super::street::Street;
use crate::shop::Ticket;

/// How long a connection may take to be there.
const CONNECTS_WITHIN: Duration = Duration::from_secs(4);
/// A connection that says nothing for this long is left: its gateway may be frozen. States come at least
/// every second near the front, and comments every 15 s.
const SILENT: Duration = Duration::from_secs(5);
/// The longest that one connection is kept.
const LIVES: Duration = Duration::from_secs(300);

pub struct Tab {
    pub street: Arc<Street>,
    pub process: String,
    pub ticket: Ticket,
    pub channel: Channel,
    pub told: mpsc::UnboundedSender<Value>,
    pub seed: u64,
}

/// Why a connection ended.
#[derive(PartialEq, Eq)]
enum End {
    /// A final state was told.
    Final,
    Broken,
}

impl Tab {
    /// Watches until a final state, until nobody listens, or until everybody goes home.
    pub async fn watch(self) {
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut connection = 0_u32;
        let watching = async {
            loop {
                connection += 1;
                let process = format!("{}/{connection}", self.process);
                let end = match self.channel {
                    Channel::Socket => self.socket(&process, &mut random).await,
                    Channel::Events => self.events(&process, &mut random).await,
                    Channel::Poll => self.poll(&process, &mut random).await,
                };
                if end == End::Final {
                    return;
                }
                sleep(Duration::from_millis(random.random_range(30..600))).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = self.told.closed() => {}
            () = self.street.over.cancelled() => {}
        }
    }

    /// Writes down one state and passes it on; says whether it was final.
    fn tell(&self, process: &str, state: &Value, asked: u64) -> bool {
        let entry = Entry::plain(process, Op::Told, asked, self.street.history.now());
        let mut entry = entry.ticket(&self.ticket.id);
        entry.said = essence(state);
        self.street.history.push(entry);
        let word = state["state"].as_str().unwrap_or_default();
        // Who does not listen any more went home.
        let _ = self.told.send(state.clone());
        !matches!(word, "scheduled" | "waiting" | "admitted")
    }

    async fn socket(&self, process: &str, random: &mut StdRng) -> End {
        let shop = self.street.any(random);
        let url = format!("ws{}{}/live", &shop.base[4..], self.ticket.path());
        let Ok(mut request) = url.into_client_request() else { return End::Broken };
        let Ok(bearer) = format!("Bearer {}", self.ticket.credential).parse() else {
            return End::Broken;
        };
        request.headers_mut().insert("authorization", bearer);
        let asked = self.street.history.now();
        let Ok(Ok((mut socket, _))) = timeout(CONNECTS_WITHIN, connect_async(request)).await else {
            return End::Broken;
        };
        let mut asked_again = false;
        loop {
            match timeout(SILENT, socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    asked_again = false;
                    let Ok(said) = serde_json::from_str::<Value>(&text) else { return End::Broken };
                    if said["state"].is_string() && self.tell(process, &said, asked) {
                        return End::Final;
                    }
                }
                Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return End::Broken,
                Ok(Some(Ok(_))) => {}
                Err(_) if asked_again => return End::Broken,
                Err(_) => {
                    asked_again = true;
                    let ask = json!({ "type": "position" }).to_string();
                    if socket.send(Message::Text(ask.into())).await.is_err() {
                        return End::Broken;
                    }
                }
            }
        }
    }

    async fn events(&self, process: &str, random: &mut StdRng) -> End {
        let asked = self.street.history.now();
        let shop = self.street.any(random);
        let opened = timeout(CONNECTS_WITHIN, shop.events(&self.ticket, LIVES)).await;
        let Ok(Ok(mut response)) = opened else { return End::Broken };
        let mut rest = Vec::new();
        while let Ok(Ok(Some(chunk))) = timeout(4 * SILENT, response.chunk()).await {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let data = line.strip_prefix(b"data:").map(serde_json::from_slice::<Value>);
                if let Some(Ok(said)) = data
                    && self.tell(process, &said, asked)
                {
                    return End::Final;
                }
            }
        }
        End::Broken
    }

    /// One look, and a pause.
    async fn poll(&self, process: &str, random: &mut StdRng) -> End {
        let asked = self.street.history.now();
        if let Ok(answer) = self.street.any(random).poll(&self.ticket).await
            && answer.status == 200
            && self.tell(process, &answer.body, asked)
        {
            return End::Final;
        }
        sleep(Duration::from_millis(random.random_range(1_000..3_500))).await;
        End::Broken
    }
}

/// What the checks need of a state.
pub fn essence(state: &Value) -> Value {
    let hold = &state["hold"];
    let mut kept = json!({ "state": state["state"], "version": state["version"] });
    for name in ["number", "position"] {
        if !state[name].is_null() {
            kept[name] = state[name].clone();
        }
    }
    if hold.is_object() {
        kept["hold"] = json!({
            "id": hold["id"], "unit": hold["unit"], "state": hold["state"],
            "ticket": hold["ticket"], "order": hold["order"]["id"],
        });
    }
    kept
}
