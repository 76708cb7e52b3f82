//! The operator's side of a run: makes the sale, opens it, and asks in the end whether the books are right.

use std::io;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::http::{Answer, Call};
use super::net::Net;
use super::plan::Own;
use super::state::Facts;
use super::world::Sale;

/// Asks through the first gateway that answers.
pub struct Operator<'a> {
    pub net: &'a Net,
    pub key: Option<&'a str>,
}

impl Operator<'_> {
    async fn ask(&self, method: &str, path: &str, body: &str) -> Result<Answer> {
        let key = if method == "POST" { ropeline::random_text() } else { String::new() };
        let bearer = self.key.unwrap_or_default();
        let call = Call { method, path, bearer, key: &key, body };
        let answered = self.net.call(self.net.door(0, 0), call, || {}).await;
        answered.map_err(|error: io::Error| {
            anyhow::anyhow!("--target: {} does not answer: {error}", self.net.door(0, 0).host)
        })
    }

    async fn tell(&self, path: &str, body: &Value) -> Result<Value> {
        let path = format!("/api/v1/admin/sales{path}");
        let answer = self.ask("POST", &path, &body.to_string()).await?;
        read(&answer, "--key").with_context(|| format!("POST {path}"))
    }

    /// A sale as the plan wants it, seeded; it opens later.
    pub async fn make(&self, own: &Own) -> Result<Sale> {
        let slug = format!("stampede-{:08x}", rand::random::<u32>());
        let settings = json!({
            "slug": slug, "name": "Stampede", "checkout": "builtin", "batch_size": own.batch_size,
            "admit_interval_ms": own.admit_interval_ms, "max_in_checkout": own.max_in_checkout,
            "checkout_window_seconds": own.checkout_window_seconds,
        });
        self.tell("", &settings).await?;
        self.tell(&format!("/{slug}/tokens"), &json!({ "count": own.units })).await?;
        Ok(Sale { name: slug, shops_key: None, is_own: true })
    }

    pub async fn open(&self, sale: &Sale) -> Result<()> {
        self.tell(&format!("/{}/open", sale.name), &json!({})).await.map(drop)
    }

    /// A sale that is there already.
    pub async fn find(&self, name: &str) -> Result<Sale> {
        ensure!(
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "--sale: {name} is no slug and no id"
        );
        let found = self.facts(name).await?;
        if found.status == "closed" || found.status == "sold_out" {
            bail!("--sale: {name} is {}", found.status);
        }
        let mut sale = Sale { name: name.to_owned(), shops_key: None, is_own: false };
        if let Some(key) = self.key {
            let answer = self.ask("GET", &format!("/api/v1/admin/sales/{name}"), "").await?;
            let settings = read(&answer, "--key").context("reading the sale")?;
            sale.shops_key = (settings["checkout"] == "shop").then(|| key.to_owned());
        }
        Ok(sale)
    }

    pub async fn facts(&self, name: &str) -> Result<Facts> {
        let answer = self.ask("GET", &format!("/api/v1/sales/{name}"), "").await?;
        let facts = read(&answer, "--sale").with_context(|| format!("--sale: {name}"))?;
        Ok(serde_json::from_value(facts)?)
    }

    /// What the gateway says of the sale: its stats, and its reconciliation.
    pub async fn books(&self, sale: &Sale) -> Result<Value> {
        let path = format!("/api/v1/admin/sales/{}", sale.name);
        let stats = self.ask("GET", &format!("{path}/stats"), "").await?;
        let books = self.ask("GET", &format!("{path}/reconciliation"), "").await?;
        Ok(json!({ "stats": read(&stats, "--key")?, "reconciliation": read(&books, "--key")? }))
    }
}

/// The body of a good answer; of a bad one what it says, with the flag that a wrong key or name came by.
fn read(answer: &Answer, flag: &str) -> Result<Value> {
    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if (200..300).contains(&answer.status) {
        return Ok(said);
    }
    let detail = said["detail"].as_str().unwrap_or("no gateway of ropeline answers like this");
    let fields = said["errors"].as_array().map(|_| format!(" {}", said["errors"]));
    let named = if [401, 403, 404].contains(&answer.status) { flag } else { "refused" };
    bail!("{named}: {} {detail}{}", answer.status, fields.unwrap_or_default());
}
