//! Owns what one look shows: the verdict, what is wrong, the stores and the gateways. Read from the answer of
//! `GET /api/v1/admin/overview`, so that the page and its script say the same.

use jiff::Timestamp;
use serde::Deserialize;

/// How things stand.
#[derive(Clone, Debug, Deserialize)]
pub struct Standing {
    /// `well`, `watch` or `bad`.
    pub verdict: String,
    pub troubles: Vec<TroubleRow>,
    pub stores: StoreRow,
    pub gateways: Vec<GatewayRow>,
}

impl Standing {
    /// The verdict in words, as `admin.js` says it.
    pub fn words(&self) -> &'static str {
        match self.verdict.as_str() {
            "well" => "All is well",
            "watch" => "Have a look",
            _ => "Something is wrong",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
pub struct TroubleRow {
    pub level: String,
    pub text: String,
    pub advice: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct StoreRow {
    pub postgres: bool,
    pub redis: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct GatewayRow {
    pub name: String,
    pub version: String,
    pub started_at: Timestamp,
    pub silent: bool,
    pub silent_seconds: u64,
    pub sockets: u64,
    pub admissions_per_second: f64,
    pub missing: Vec<String>,
}

impl GatewayRow {
    /// How it is, as `admin.js` says it.
    pub fn state(&self) -> String {
        if self.silent {
            format!("silent for {} s", self.silent_seconds)
        } else if self.missing.is_empty() {
            "serves".to_owned()
        } else {
            format!("misses {}", self.missing.join(", "))
        }
    }
}

/// Whether a sale is ready to open, as `GET /api/v1/admin/sales/{sale}/readiness` answers it.
#[derive(Clone, Debug, Deserialize)]
pub struct Readiness {
    pub ready: bool,
    pub items: Vec<ReadinessRow>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ReadinessRow {
    pub name: String,
    pub ok: bool,
    pub detail: String,
}

impl ReadinessRow {
    pub fn label(&self) -> &str {
        match self.name.as_str() {
            "address" => "Checkout address",
            "units" => "Units",
            "start" => "Start",
            "end" => "End",
            "window" => "Checkout window",
            "public_url" => "Public URL",
            other => other,
        }
    }
}
