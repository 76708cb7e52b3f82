//! Reading a request's body: bounded in size and time, and field by field, so that everything that is
//! wrong with it is said at once.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use futures_util::StreamExt;
use hyper::body::Body as _;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::problem::{Code, Problem};
use crate::sale::Fault;

/// Largest body. The largest honest one, a sale with every setting, is under 4 KiB.
pub const MOST_BYTES: usize = 16 * 1024;
/// Longest time for a body to arrive; shorter than the time in which an answer must begin.
const ARRIVE_WITHIN: Duration = Duration::from_secs(8);

/// Most faults that one refusal names; no honest body has as many, and each costs work.
const MOST_FAULTS: usize = 50;

/// A body as it came, within its bounds.
pub struct Raw(pub Vec<u8>);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request.into_body()).await.map(Self)
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    match timeout(ARRIVE_WITHIN, collect(body)).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(Problem::new(
            Code::BodyTooLarge,
            format!("a body has at most {MOST_BYTES} bytes, and must arrive whole"),
        )),
        Err(_) => Err(Problem::new(Code::RequestTimeout, "the body did not arrive in time")),
    }
}

/// The whole body; none when it is too large or broken. Each piece is copied and let go of: it is a view
/// into a read buffer of 8 KiB, so that a body that drips byte by byte would keep one for each byte.
async fn collect(body: Body) -> Option<Vec<u8>> {
    if body.size_hint().lower() > MOST_BYTES as u64 {
        return None;
    }
    let (mut whole, mut pieces) = (Vec::new(), body.into_data_stream());
    while let Some(piece) = pieces.next().await {
        let piece = piece.ok()?;
        if whole.len() + piece.len() > MOST_BYTES {
            return None;
        }
        whole.extend_from_slice(&piece);
    }
    Some(whole)
}

impl Raw {
    /// A digest of what was said, for idempotency: an empty body and `{}` say the same.
    pub fn fingerprint(&self) -> Vec<u8> {
        let said = serde_json::from_slice::<Value>(&self.0).unwrap_or(Value::Null);
        let mut said = if said.is_null() { Value::Object(Map::new()) } else { said };
        if let Some(fields) = said.as_object_mut() {
            fields.retain(|_, value| !value.is_null()); // It says what a missing one says.
        }
        Sha256::digest(said.to_string()).to_vec()
    }

    /// The fields of a JSON object; none where there is no body.
    pub fn fields(&self) -> Result<Fields, Problem> {
        if self.0.iter().all(u8::is_ascii_whitespace) {
            return Ok(Fields::default());
        }
        match serde_json::from_slice(&self.0) {
            Ok(Value::Object(map)) => Ok(Fields { map, faults: Vec::new() }),
            Ok(_) => Err(Problem::invalid(vec![Fault::new("body", "must be a JSON object")])),
            Err(error) => Err(Problem::new(Code::BadRequest, format!("not JSON: {error}"))),
        }
    }
}

/// The idempotency key that came with a request, if any.
///
/// # Errors
/// Invalid when it is empty, longer than 200 characters or not plain text.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
    let rule = "must have 1 to 200 printable characters";
    key.map(|key| Some(key.to_owned()))
        .ok_or_else(|| Problem::invalid(vec![Fault::new("Idempotency-Key", rule)]))
}

/// Fields still to be read. Each reader takes its field out; what is left at the end is unknown.
#[derive(Debug, Default)]
pub struct Fields {
    map: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Fields {
    fn fault<T>(&mut self, field: &str, detail: &str) -> Option<T> {
        self.faults.push(Fault::new(field, detail));
        None
    }

    /// Whether the field is there, null or not.
    pub fn has(&self, field: &str) -> bool {
        self.map.contains_key(field)
    }

    /// Everything that was said, before it is read.
    pub fn said(&self) -> Value {
        Value::Object(self.map.clone())
    }

    pub fn text(&mut self, field: &str) -> Option<String> {
        match self.map.remove(field)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.fault(field, "must be a string")
            }
        }
    }

    pub fn flag(&mut self, field: &str) -> Option<bool> {
        let flag = self.map.remove(field)?.as_bool();
        flag.or_else(|| self.fault(field, "must be true or false"))
    }

    /// A whole number. One that does not fit 32 bits is at fault here; narrower limits are the caller's.
    pub fn number(&mut self, field: &str) -> Option<i32> {
        let value = self.map.remove(field)?;
        if value.is_null() {
            return None;
        }
        match value.as_i64().and_then(|n| i32::try_from(n).ok()) {
            Some(number) => Some(number),
            None if value.is_number() => self.fault(field, "must be a whole number in range"),
            None => self.fault(field, "must be a whole number"),
        }
    }

    pub fn time(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.text(field)?;
        match text.parse() {
            // Postgres does not go back as far as a time can be written.
            Ok(time) if time >= Timestamp::UNIX_EPOCH => Some(time),
            Ok(_) | Err(_) => self.fault(field, "must be a time such as 2026-11-27T12:00:00Z"),
        }
    }

    /// A field of which only one value is available yet.
    pub fn only(&mut self, field: &str, available: &Value, known: &[&str]) {
        let Some(value) = self.map.remove(field) else { return };
        if value == *available {
            return;
        }
        let is_known = value.as_str().is_some_and(|text| known.contains(&text))
            || (available.is_number() && value.as_i64().is_some_and(|n| n > 1));
        let detail = if is_known {
            format!("{value} is not available yet; only {available} is")
        } else {
            format!("must be {available}")
        };
        self.faults.push(Fault::new(field, detail));
    }

    pub fn demand<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.faults.iter().any(|fault| fault.field == field) {
            self.faults.push(Fault::new(field, "is missing"));
        }
        value
    }

    pub fn add(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            if !self.faults.iter().any(|known| known.field == fault.field) {
                self.faults.push(fault);
            }
        }
    }

    /// Fields that may be left out, but not be null.
    pub fn not_null(&mut self, names: &[&str]) {
        for name in names {
            if self.map.get(*name).is_some_and(Value::is_null) {
                self.map.remove(*name);
                self.faults.push(Fault::new(name, "must not be null"));
            }
        }
    }

    /// All faults so far, unknown fields among them.
    ///
    /// # Errors
    /// Invalid, naming each field.
    pub fn finish(mut self) -> Result<(), Problem> {
        let room = MOST_FAULTS.saturating_sub(self.faults.len());
        for field in self.map.keys().take(room) {
            let shown: String = field.chars().take(100).collect();
            self.faults.push(Fault::new(&shown, "is not known here"));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(json: &str) -> Fields {
        Raw(json.as_bytes().to_vec()).fields().unwrap()
    }

    #[test]
    fn every_fault_is_said_at_once() {
        let mut fields =
            fields(r#"{"name": 5, "count": 1.5, "at": "noon", "more": 1, "on": "yes"}"#);
        assert_eq!(fields.text("name"), None);
        assert_eq!(fields.number("count"), None);
        assert_eq!(fields.time("at"), None);
        assert_eq!(fields.flag("on"), None);
        fields.demand::<()>("slug", None);
        let problem = fields.finish().unwrap_err();
        let named: Vec<_> = problem.faults.iter().map(|f| f.field.as_str()).collect();
        assert_eq!(named, ["name", "count", "at", "on", "slug", "more"]);
    }

    #[test]
    fn what_is_not_json_is_told_apart_from_what_is_not_allowed() {
        assert_eq!(Raw(b"{".to_vec()).fields().unwrap_err().code, Code::BadRequest);
        assert_eq!(Raw(b"{} x".to_vec()).fields().unwrap_err().code, Code::BadRequest);
        assert_eq!(Raw(b"[]".to_vec()).fields().unwrap_err().code, Code::Invalid);
        let deep = "[".repeat(10_000);
        assert_eq!(Raw(deep.into_bytes()).fields().unwrap_err().code, Code::BadRequest);
        assert!(Raw(b" ".to_vec()).fields().unwrap().finish().is_ok());
    }

    #[test]
    fn an_empty_body_and_an_empty_object_have_one_fingerprint() {
        let print = |text: &str| Raw(text.as_bytes().to_vec()).fingerprint();
        assert_eq!(print(""), print("{ }"));
        assert_ne!(print(""), print(r#"{"count":1}"#));
        assert_eq!(print(r#"{"a":1,"b":2}"#), print(r#"{"b": 2, "a": 1}"#));
    }
}
