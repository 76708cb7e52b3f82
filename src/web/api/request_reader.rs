//! Reading a request's body: bounded in size and time, and field by field, so that everything that is
//! wrong with it is said at once.

use std::fmt;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use futures_util::StreamExt;
use hyper::body::Body as _;
use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::model::Fault;
use crate::model::settings::brand::OwnWords;
use crate::web::api::problem::{Code, Problem};

/// Largest body. The largest honest one, a sale with every setting, is under 4 KiB.
pub const MOST_BYTES: usize = 16 * 1024;
/// Longest time for a body to arrive; shorter than the time in which an answer must begin.
const ARRIVE_WITHIN: Duration = Duration::from_secs(8);

/// Most faults that one refusal names; no honest body has as many, and each costs work.
const MOST_FAULTS: usize = 50;
/// The first moment that RFC 3339 can write, the year 0. What we read with goes further back, Postgres does not.
const EARLIEST: Timestamp = Timestamp::constant(-62_167_219_200, 0);

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
            Ok(Value::Object(map)) => {
                let mut repeated = Fields::default();
                repeated.add(self.repeated());
                repeated.finish().map(|()| Fields { map, faults: Vec::new() })
            }
            Ok(_) => Err(Problem::invalid(vec![Fault::new("body", "must be a JSON object")])),
            Err(error) => Err(Problem::new(Code::BadRequest, format!("not JSON: {error}"))),
        }
    }
}

impl Raw {
    /// Fields that are there more than once: readers differ in which one they believe.
    fn repeated(&self) -> Vec<Fault> {
        let Ok(Names(mut names)) = serde_json::from_slice(&self.0) else { return Vec::new() };
        names.sort();
        let mut twice: Vec<_> = names.windows(2).filter(|two| two[0] == two[1]).collect();
        twice.dedup();
        twice.iter().map(|two| Fault::new(&shown(&two[0]), "is there more than once")).collect()
    }
}

/// The names of an object's fields, as they came.
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Names;
            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<Names, M::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = fields.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        from.deserialize_map(Read)
    }
}

/// A whole number that fits 32 bits. To JSON, 5.0 is one as well.
fn whole(value: &Value) -> Option<i32> {
    let number = value.as_f64().filter(|number| number.fract() == 0.0)?;
    let fits = (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&number);
    fits.then_some(number as i32)
}

/// A field's name as it is told: a client may make it as long as a body.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

/// The idempotency key that came with a request, if any.
///
/// # Errors
/// Invalid when it is empty, longer than 200 characters or not plain text.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let is_printable = |key: &&str| key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let key = value.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
    let key = key.filter(is_printable);
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

    /// Texts by their names, each by its language; null is none.
    pub fn words(&mut self, field: &str) -> OwnWords {
        let said = self.map.remove(field).filter(|value| !value.is_null());
        let Some(said) = said else { return OwnWords::new() };
        let words = serde_json::from_value(said).ok();
        let rule = "must be an object such as {\"headline\": {\"*\": \"…\", \"de\": \"…\"}}";
        words.or_else(|| self.fault(field, rule)).unwrap_or_default()
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
        match whole(&value) {
            Some(number) => Some(number),
            None if value.is_number() => self.fault(field, "must be a whole number in range"),
            None => self.fault(field, "must be a whole number"),
        }
    }

    pub fn time(&mut self, field: &str) -> Option<Timestamp> {
        let text = self.text(field)?;
        match text.parse() {
            Ok(time) if time >= EARLIEST => Some(time),
            Ok(_) | Err(_) => self.fault(field, "must be a time such as 2026-11-27T12:00:00Z"),
        }
    }

    /// A field of which only one value is available yet.
    pub fn only(&mut self, field: &str, available: &Value, known: &[&str]) {
        let Some(value) = self.map.remove(field) else { return };
        if value == *available || (available.is_number() && whole(&value) == whole(available)) {
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
        let unknown = self.map.keys().take(room);
        let unknown = unknown.map(|name| Fault::new(&shown(name), "is not known here"));
        self.add(unknown.collect());
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
    fn a_whole_number_may_be_written_with_a_fraction_of_nothing() {
        let read = |text: &str| fields(&format!(r#"{{"n":{text}}}"#)).number("n");
        assert_eq!(
            [read("5"), read("5.0"), read("5e2"), read("-0.0")].map(Option::unwrap),
            [5, 5, 500, 0]
        );
        assert_eq!([read("5.5"), read("2147483648"), read("1e300"), read("null")], [None; 4]);
        let mut one = fields(r#"{"per_shopper":1.0}"#);
        one.only("per_shopper", &Value::from(1), &[]);
        assert!(one.finish().is_ok());
    }

    #[test]
    fn a_time_is_any_that_rfc_3339_can_write() {
        let read = |text: &str| fields(&format!(r#"{{"at":"{text}"}}"#)).time("at");
        for good in ["0000-01-01T00:00:00Z", "1061-07-02T13:31:23z", "2026-11-27T12:00:00.5+02:00"]
        {
            assert!(read(good).is_some(), "{good}");
        }
        for bad in ["-000001-12-31T23:59:59Z", "2026-11-27", "2026-11-27T12:00:00", "noon"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_field_that_is_there_twice_is_named_once() {
        for twice in [r#"{"count":1,"count":2}"#, r#"{"count":1,"co\u0075nt":1,"count":null}"#] {
            let problem = Raw(twice.as_bytes().to_vec()).fields().unwrap_err();
            assert_eq!(problem.faults, [Fault::new("count", "is there more than once")]);
        }
        let long = "x".repeat(150);
        let twice = format!(r#"{{"{long}1":1,"{long}2":1,"{long}2":1,"{long}1":1}}"#);
        let refused = Raw(twice.into_bytes()).fields().unwrap_err();
        assert_eq!(refused.faults.len(), 1, "as it is told, it is one name");
        let refused = fields(&format!(r#"{{"{long}1":1,"{long}2":1}}"#)).finish().unwrap_err();
        assert_eq!(refused.faults.len(), 1, "each name is told once");
    }

    #[test]
    fn a_key_is_printable() {
        let key = |text: &str| {
            let headers =
                HeaderMap::from_iter([("idempotency-key".parse().unwrap(), text.parse().unwrap())]);
            idempotency_key(&headers).ok().flatten()
        };
        assert_eq!(key("a key").as_deref(), Some("a key"));
        assert_eq!(key("a\tkey"), None);
    }

    #[test]
    fn an_empty_body_and_an_empty_object_have_one_fingerprint() {
        let print = |text: &str| Raw(text.as_bytes().to_vec()).fingerprint();
        assert_eq!(print(""), print("{ }"));
        assert_ne!(print(""), print(r#"{"count":1}"#));
        assert_eq!(print(r#"{"a":1,"b":2}"#), print(r#"{"b": 2, "a": 1}"#));
    }
}
