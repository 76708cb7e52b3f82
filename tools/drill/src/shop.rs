//! The outside: what an operator and a shopper may ask of a gateway, over HTTP.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::gateway::ADMIN_KEY;

/// Longer than any honest answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// Between two tries of a call that was answered "try again", or not at all.
const RETRY: Duration = Duration::from_millis(100);
/// Between two polls.
const POLL: Duration = Duration::from_millis(30);

/// One gateway's front door. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shop {
    pub base: String,
    client: Client,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// A ticket and the credential that shows whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub sale: String,
    pub id: String,
    pub credential: String,
}

impl Shop {
    pub fn new(base: &str) -> Self {
        let client = Client::builder().no_proxy().timeout(ANSWER_WITHIN).build();
        Self { base: base.to_owned(), client: client.unwrap_or_default() }
    }

    /// The same client for another gateway.
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), client: self.client.clone() }
    }

    pub async fn is_ready(&self) -> bool {
        let asked = self.client.get(format!("{}/readyz", self.base)).send().await;
        asked.is_ok_and(|answer| answer.status().is_success())
    }

    /// One call, as it is.
    ///
    /// # Errors
    /// When there was no answer: it may have been done or not.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if !bearer.is_empty() {
            request = request.bearer_auth(bearer);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
        Ok(Answer { status, body })
    }

    /// An operator's change, repeated under one key until it is answered for good.
    ///
    /// # Errors
    /// When it is refused, or not answered within `patience`.
    pub async fn operate(&self, path: &str, body: &Value, patience: Duration) -> Result<Value> {
        let (key, deadline) = (Uuid::now_v7().to_string(), Instant::now() + patience);
        let path = format!("/api/v1/admin{path}");
        loop {
            let said = self.call(Method::POST, &path, ADMIN_KEY, Some(&key), Some(body)).await;
            match said {
                Ok(answer) if answer.status < 300 => return Ok(answer.body),
                Ok(Answer { status: 500.. | 409 | 429, .. }) | Err(_) => {}
                Ok(answer) => anyhow::bail!("{path}: {} {}", answer.status, answer.body),
            }
            ensure!(Instant::now() < deadline, "{path}: never answered");
            sleep(RETRY).await;
        }
    }

    /// What an operator may read.
    ///
    /// # Errors
    /// When it is not answered with 200.
    pub async fn read(&self, path: &str) -> Result<Value> {
        let path = format!("/api/v1/admin{path}");
        let answer = self.call(Method::GET, &path, ADMIN_KEY, None, None).await?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.body);
        Ok(answer.body)
    }

    /// A sale with a quick pace, `more` on top, seeded and open; its id.
    ///
    /// # Errors
    /// When a step is refused or not answered.
    pub async fn open_sale(&self, units: u32, more: &Value) -> Result<String> {
        const PATIENCE: Duration = Duration::from_secs(20);
        let slug = format!("drill-{}", Uuid::now_v7().simple());
        let mut body = json!({ "slug": slug, "name": "A drill", "checkout": "builtin",
                               "admit_interval_ms": 20, "expiry_grace_seconds": 0 });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let made = self.operate("/sales", &body, PATIENCE).await?;
        let id = made["id"].as_str().context("the sale's id")?.to_owned();
        let seeding = json!({ "count": units });
        self.operate(&format!("/sales/{id}/tokens"), &seeding, PATIENCE).await?;
        self.operate(&format!("/sales/{id}/open"), &json!({}), PATIENCE).await?;
        Ok(id)
    }

    /// One try to join, under a key.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn join(&self, sale: &str, key: &str) -> Result<Answer> {
        self.call(Method::POST, &format!("/api/v1/sales/{sale}/tickets"), "", Some(key), None).await
    }

    /// One look at a ticket's state.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn poll(&self, ticket: &Ticket) -> Result<Answer> {
        self.call(Method::GET, &ticket.path(), &ticket.credential, None, None).await
    }

    /// Opens the stream of a ticket's states, for at most so long.
    ///
    /// # Errors
    /// When it is not opened.
    pub async fn events(&self, ticket: &Ticket, lives: Duration) -> Result<reqwest::Response> {
        let url = format!("{}{}/events", self.base, ticket.path());
        let request = self.client.get(url).bearer_auth(&ticket.credential).timeout(lives);
        let response = request.send().await?;
        ensure!(response.status() == 200, "no stream: {}", response.status());
        Ok(response)
    }

    /// What a gateway counts, as Prometheus reads it.
    ///
    /// # Errors
    /// When it is not answered.
    pub async fn metrics(&self) -> Result<String> {
        let response = self.client.get(format!("{}/metrics", self.base)).send().await?;
        Ok(response.error_for_status()?.text().await?)
    }

    /// One try to leave.
    ///
    /// # Errors
    /// When there was no answer.
    pub async fn leave(&self, ticket: &Ticket) -> Result<Answer> {
        self.call(Method::DELETE, &ticket.path(), &ticket.credential, None, None).await
    }

    /// One try to confirm a hold, under a key.
    ///
    /// # Errors
    /// When there was no answer: it may have been done or not.
    pub async fn confirm(&self, ticket: &Ticket, hold: &str, key: &str) -> Result<Answer> {
        let body = json!({ "payment_reference": format!("pay-{key}") });
        let path = format!("/api/v1/holds/{hold}/confirm");
        self.call(Method::POST, &path, &ticket.credential, Some(key), Some(&body)).await
    }

    /// One try to give a hold back, under a key.
    ///
    /// # Errors
    /// When there was no answer: it may have been done or not.
    pub async fn release(&self, ticket: &Ticket, hold: &str, key: &str) -> Result<Answer> {
        let path = format!("/api/v1/holds/{hold}/release");
        self.call(Method::POST, &path, &ticket.credential, Some(key), None).await
    }

    /// Polls until the ticket is in one of these states.
    ///
    /// # Errors
    /// When it is not within `patience`.
    pub async fn becomes(
        &self,
        ticket: &Ticket,
        states: &[&str],
        patience: Duration,
    ) -> Result<Value> {
        let deadline = Instant::now() + patience;
        let mut last = Value::Null;
        while Instant::now() < deadline {
            if let Ok(answer) = self.poll(ticket).await {
                if answer.body["state"].as_str().is_some_and(|state| states.contains(&state)) {
                    return Ok(answer.body);
                }
                last = answer.body;
            }
            sleep(POLL).await;
        }
        anyhow::bail!("never {states:?}: {last}")
    }
}

impl Ticket {
    /// The ticket in the answer to a join.
    pub fn of(joined: &Value) -> Option<Self> {
        let text = |name: &str| Some(joined[name].as_str()?.to_owned());
        Some(Self { sale: text("sale")?, id: text("ticket")?, credential: text("credential")? })
    }

    pub fn path(&self) -> String {
        format!("/api/v1/sales/{}/tickets/{}", self.sale, self.id)
    }
}
