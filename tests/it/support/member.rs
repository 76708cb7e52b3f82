//! One of a crowd: waits in line over a socket or by polling, and buys or walks away.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::crowd::{ANSWER_WITHIN, Crowd, End, RETRY};

/// One shopper with a ticket.
pub struct Member {
    pub crowd: Arc<Crowd>,
    pub at: usize,
    pub ticket: String,
    pub credential: String,
}

impl Member {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/sales/{}/tickets/{}{rest}", self.crowd.sale, self.ticket)
    }

    /// Waits in line until there is something other to tell than a place. Places never rise.
    pub async fn turn(&self) -> Value {
        let mut shown = Shown::default();
        loop {
            if self.crowd.plan.sockets {
                if let Some(state) = self.watch(&mut shown).await {
                    return state;
                }
            } else {
                let path = self.path("");
                let polled = self
                    .crowd
                    .send(self.at, Method::GET, &path, Some(&self.credential), None)
                    .await;
                if let Some(answer) = polled.filter(|answer| answer.status == 200) {
                    if shown.take(&answer.body) {
                        return answer.body;
                    }
                    let seconds = answer.body["next_poll_seconds"].as_u64().unwrap_or(1);
                    sleep(Duration::from_secs(seconds)).await;
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Follows one socket; nothing when it broke, and another is to be opened.
    async fn watch(&self, shown: &mut Shown) -> Option<Value> {
        let mut socket = self.connect().await?;
        while let Ok(Some(message)) = timeout(ANSWER_WITHIN, socket.next()).await {
            match message {
                Ok(Message::Text(text)) => {
                    let state: Value = serde_json::from_str(&text).unwrap();
                    if shown.take(&state) {
                        return Some(state);
                    }
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
        None
    }

    async fn connect(&self) -> Option<WebSocketStream<MaybeTlsStream<TcpStream>>> {
        for base in self.crowd.nearest(self.at) {
            let url = format!("{}{}", base.replace("http://", "ws://"), self.path("/live"));
            let mut request = url.into_client_request().unwrap();
            let protocols = format!("ropeline.v1, {}", self.credential);
            request.headers_mut().insert("Sec-WebSocket-Protocol", protocols.parse().unwrap());
            let Ok(opened) = timeout(ANSWER_WITHIN, connect_async(request)).await else { continue };
            match opened {
                Ok((socket, answer)) => {
                    assert_eq!(answer.headers()["sec-websocket-protocol"], "ropeline.v1");
                    return Some(socket);
                }
                Err(Error::Http(refused)) => {
                    assert_eq!(refused.status(), 503, "a good credential is never refused");
                }
                Err(_) => {}
            }
        }
        None
    }

    /// Any other gateway shows the same order. Until it has heard of it, what it shows is older than what
    /// was shown at the `admitted` one.
    async fn has_receipt(&self, order: &Value, admitted: &Value) {
        let path = self.path("");
        loop {
            let elsewhere = self.at + 1;
            let shown =
                self.crowd.send(elsewhere, Method::GET, &path, Some(&self.credential), None).await;
            if let Some(answer) = shown.filter(|answer| answer.status == 200) {
                if answer.body["state"] == "confirmed" {
                    assert_eq!(answer.body["hold"]["order"], *order);
                    return;
                }
                let version = |state: &Value| state["version"].as_u64().unwrap();
                assert!(version(&answer.body) < version(admitted), "{}", answer.text);
            }
            sleep(RETRY).await;
        }
    }

    pub async fn check_out(&self, state: &Value) -> End {
        let every = self.crowd.plan.walks_away;
        if self.crowd.admitted.fetch_add(1, Ordering::Relaxed) % every == every - 1 {
            return End::WalkedAway;
        }
        let path = format!("/api/v1/holds/{}/confirm", state["hold"]["id"].as_str().unwrap());
        loop {
            let answer = self
                .crowd
                .send(self.at, Method::POST, &path, Some(&self.credential), Some(&self.ticket))
                .await;
            match answer {
                Some(answer) if answer.status == 200 => {
                    assert_eq!(answer.body["state"], "confirmed");
                    self.crowd.bought.fetch_add(1, Ordering::Relaxed);
                    if self.crowd.plan.asks_elsewhere {
                        self.has_receipt(&answer.body["order"], state).await;
                    }
                    return End::Bought(answer.body["order"]["id"].as_str().unwrap().to_owned());
                }
                Some(answer) if answer.refusal() == (409, "hold-ended") => return End::TooLate,
                // Unknown, or the first one is still running somewhere: the retry tells.
                Some(answer) if [409, 503].contains(&answer.status.as_u16()) => {}
                Some(other) => panic!("confirm: {}", other.text),
                None => {}
            }
            sleep(RETRY).await;
        }
    }
}

/// What one shopper was shown so far.
#[derive(Default)]
struct Shown {
    version: u64,
    /// Number and position.
    place: Option<(u64, u64)>,
}

impl Shown {
    /// Says whether this is the end of waiting.
    fn take(&mut self, state: &Value) -> bool {
        let version = state["version"].as_u64().unwrap();
        if version < self.version {
            return false; // Older than what is shown: a client drops it.
        }
        self.version = version;
        if state["state"] != "waiting" {
            return true;
        }
        let now = (state["number"].as_u64().unwrap(), state["position"].as_u64().unwrap());
        let before = self.place.replace(now).unwrap_or(now);
        assert!(now.0 == before.0 && now.1 <= before.1, "{before:?} became {state}");
        false
    }
}
