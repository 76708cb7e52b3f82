//! Sockets and event streams as a browser has them, for tests that watch.

use std::collections::VecDeque;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{PATIENCE, Shop, Shopper};

/// A shopper's open socket.
pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects as `who` with these headers; or the status and body of the refusal.
    pub async fn connect(
        shop: &Shop,
        who: &Shopper,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Option<String>), (u16, Value)> {
        let url = format!("ws{}{}", &shop.base[4..], who.path("/live"));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                Ok((Self(socket), protocol.map(|name| name.to_str().unwrap().to_owned())))
            }
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub async fn open(shop: &Shop, who: &Shopper) -> Self {
        let bearer = format!("Bearer {}", who.credential);
        Self::connect(shop, who, &[("authorization", &bearer)]).await.unwrap().0
    }

    /// The next text; none when the socket was closed, and why.
    pub async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("a message in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|CloseFrame { code, .. }| code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next state that satisfies a condition.
    pub async fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let state = self.next().await.expect("open until then");
                if is_so(&state) {
                    return state;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("such a state in time")
    }

    /// Everything until it is closed, and the code.
    pub async fn read_to_end(&mut self) -> (Vec<Value>, Option<u16>) {
        let mut told = Vec::new();
        let code = timeout(PATIENCE, async {
            loop {
                match self.next().await {
                    Ok(state) => told.push(state),
                    Err(code) => return code,
                }
            }
        });
        let code = code.await.expect("closed in time");
        (told, code)
    }

    pub async fn say(&mut self, text: impl Into<Message>) {
        self.0.send(text.into()).await.unwrap();
    }
}

/// An open event stream.
pub struct Events {
    response: Response,
    lines: VecDeque<String>,
    rest: String,
}

impl Events {
    pub async fn open(who: &Shopper) -> Self {
        let response = who.request(Method::GET, &who.path("/events")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, lines: VecDeque::new(), rest: String::new() }
    }

    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("a line in time");
            self.rest.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
            while let Some((line, rest)) = self.rest.split_once('\n') {
                self.lines.push_back(line.to_owned());
                self.rest = rest.to_owned();
            }
        }
    }

    /// The next state; none when the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        let mut name = None;
        loop {
            let line = self.line().await?;
            if let Some(event) = line.strip_prefix("event:") {
                name = Some(event.trim().to_owned());
            } else if let Some(data) = line.strip_prefix("data:") {
                assert_eq!(name.as_deref(), Some("state"));
                return Some(serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Every state until the stream ends.
    pub async fn read_to_end(&mut self) -> Vec<Value> {
        let mut told = Vec::new();
        let all = async {
            while let Some(state) = self.next().await {
                told.push(state);
            }
        };
        timeout(PATIENCE, all).await.expect("it ends in time");
        told
    }
}

/// A state without what depends on the moment of asking.
pub fn lasting(mut state: Value) -> Value {
    for moment in ["version", "server_time"] {
        assert!(state.as_object_mut().unwrap().remove(moment).is_some(), "{moment}");
    }
    if let Some(hold) = state["hold"].as_object_mut() {
        hold.remove("seconds_left");
    }
    state
}

/// What must hold of the states that one socket told, in their order.
pub fn holds_together(told: &[Value]) {
    for pair in told.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        let version = |state: &Value| state["version"].as_u64().unwrap();
        assert!(version(old) <= version(new), "{old} {new}");
        if lasting(old.clone()) != lasting(new.clone()) {
            assert!(version(old) < version(new), "changed under one version: {old} {new}");
        }
        if let (Some(old), Some(new)) = (old["position"].as_u64(), new["position"].as_u64()) {
            assert!(new <= old, "a place rose from {old} to {new}");
        }
        if let (Some(old), Some(new)) = (old["number"].as_i64(), new["number"].as_i64()) {
            assert_eq!(old, new, "the number is fixed");
        }
    }
}
