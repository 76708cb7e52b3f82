//! Every way to say no, as RFC 9457 problem documents, in one table. The cause goes to the log, never to
//! the caller.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rand::RngExt;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::engine::{FlowError, Refusal, Reply};
use crate::model::Fault;

/// A refusal on its way out.
#[derive(Debug)]
pub struct Problem {
    pub code: Code,
    pub detail: String,
    pub faults: Vec<Fault>,
    /// The state of an ended hold, for `hold-ended`.
    pub state: Option<&'static str>,
    /// With `hold-ended`: the payment reference that came is kept for an operator.
    pub is_reference_kept: bool,
    pub retry_after_seconds: Option<u64>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)*) => {
        /// The stable words that a client may match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable word, the status and the title.
            pub fn parts(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Self::$name => ($code, StatusCode::$status, $title)),*
                }
            }
        }
    };
}

codes! {
    BadRequest = "bad-request", BAD_REQUEST, "The request could not be read";
    NotAuthenticated = "not-authenticated", UNAUTHORIZED, "A credential is needed";
    Moved = "moved", UNAUTHORIZED, "This place was moved to another device";
    Forbidden = "forbidden", FORBIDDEN, "This is not yours to do";
    CookiesNeeded = "cookies-needed", FORBIDDEN, "This browser keeps no cookies";
    OriginNotAllowed = "origin-not-allowed", FORBIDDEN, "This came from another site";
    NotFound = "not-found", NOT_FOUND, "There is nothing here";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "This cannot be done here";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    NameTaken = "name-taken", CONFLICT, "Another operator or key has this name";
    LastOwner = "last-owner", CONFLICT, "Somebody must be an owner";
    SlugTaken = "slug-taken", CONFLICT, "Another sale has this slug";
    SaleClosed = "sale-closed", CONFLICT, "This sale is closed";
    SoldOut = "sold-out", CONFLICT, "Every unit is sold";
    NotOpen = "not-open", CONFLICT, "This sale is not open";
    TicketRefused = "ticket-refused", CONFLICT, "This ticket gets no place";
    AlreadyAdmitted = "already-admitted", CONFLICT, "This ticket holds a unit";
    AlreadyInLine = "already-in-line", CONFLICT, "This browser has a place already";
    LinkEnded = "link-ended", GONE, "This link has ended";
    HoldEnded = "hold-ended", CONFLICT, "This hold has ended";
    NotClosed = "not-closed", CONFLICT, "This sale cannot be archived yet";
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "This is not what it was";
    Stale = "stale", CONFLICT, "Somebody else changed this just now";
    IdempotencyInProgress = "idempotency-in-progress", CONFLICT, "The first request is still running";
    BodyTooLarge = "body-too-large", PAYLOAD_TOO_LARGE, "The request is too large";
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "Some fields are at fault";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "This key came with another request";
    UpgradeRequired = "upgrade-required", UPGRADE_REQUIRED, "This is a WebSocket";
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
    LineFull = "line-full", SERVICE_UNAVAILABLE, "The line is as long as it may get";
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Come back in a moment";
    UnknownOutcome = "unknown-outcome", SERVICE_UNAVAILABLE, "The outcome is not known";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong here";
}

/// How long to wait after a refusal that will pass, in seconds; a random second or two on top keeps the
/// refused from coming back together.
const RETRY_AFTER: u64 = 1;

/// The document of a refusal, as `/openapi.json` describes it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemShape {
    /// `/problems/<code>`
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The stable word to match on.
    pub code: String,
    /// Which fields are at fault, where fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FaultShape>,
    /// The state of the hold, with `hold-ended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// True with `hold-ended` where a payment reference came: it is kept and listed for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_kept: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FieldError)]
pub struct FaultShape {
    pub field: String,
    pub detail: String,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let will_pass = matches!(
            code,
            Code::TooManyRequests
                | Code::LineFull
                | Code::Unavailable
                | Code::UnknownOutcome
                | Code::IdempotencyInProgress
        );
        Self {
            code,
            detail: detail.into(),
            faults: Vec::new(),
            state: None,
            is_reference_kept: false,
            retry_after_seconds: will_pass.then(|| RETRY_AFTER + rand::rng().random_range(0..=2)),
        }
    }

    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = faults.iter().map(|f| format!("{} {}", f.field, f.detail)).collect::<Vec<_>>();
        Self { faults, ..Self::new(Code::Invalid, detail.join("; ")) }
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    pub fn status(&self) -> StatusCode {
        self.code.parts().1
    }

    pub fn title(&self) -> &'static str {
        self.code.parts().2
    }

    pub fn body(&self) -> Value {
        let (code, status, title) = self.code.parts();
        let fault = |f: &Fault| FaultShape { field: f.field.clone(), detail: f.detail.clone() };
        json!(ProblemShape {
            r#type: format!("/problems/{code}"),
            title: title.into(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            code: code.into(),
            errors: self.faults.iter().map(fault).collect(),
            state: self.state.map(str::to_owned),
            reference_kept: self.is_reference_kept.then_some(true),
        })
    }

    /// The refusal as it is stored under an idempotency key.
    pub fn reply(&self) -> Reply {
        Reply { status: self.status().as_u16(), body: self.body() }
    }
}

/// Travels with the answer of a refusal, so that a browser can be shown it as a page.
#[derive(Clone)]
pub struct Refused(pub Arc<Problem>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = respond(self.status(), self.body().to_string());
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status() == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Refused(Arc::new(self)));
        response
    }
}

/// A body with its status: a problem document from 400 on.
pub fn respond(status: StatusCode, body: String) -> Response {
    let kind = if status.as_u16() >= 400 { "application/problem+json" } else { "application/json" };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}

/// An answer that is sent piece by piece: a proxy must pass each piece on as it comes. Compressing proxies
/// collect pieces, and `no-transform` forbids that.
pub fn streamed(answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Reply {
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        respond(self.status(), self.body.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let code = match refusal {
            Refusal::NoSuchSale
            | Refusal::NoSuchTicket
            | Refusal::NoSuchHold
            | Refusal::NoSuchPayment
            | Refusal::NoSuchOperator
            | Refusal::NoSuchKey => Code::NotFound,
            Refusal::NameTaken => Code::NameTaken,
            Refusal::LastOwner => Code::LastOwner,
            Refusal::SlugTaken => Code::SlugTaken,
            Refusal::NotArchivable(_) => Code::NotClosed,
            Refusal::SaleClosed => Code::SaleClosed,
            Refusal::SoldOut => Code::SoldOut,
            Refusal::NotOpen => Code::NotOpen,
            Refusal::LineFull => Code::LineFull,
            Refusal::TicketRefused => Code::TicketRefused,
            Refusal::Stale => Code::Stale,
            Refusal::AlreadyAdmitted => Code::AlreadyAdmitted,
            Refusal::Moved => Code::Moved,
            Refusal::LinkEnded => Code::LinkEnded,
            Refusal::AlreadyInLine => Code::AlreadyInLine,
            Refusal::HoldEnded(state) => {
                let detail = format!("this hold was {} before", state.as_str());
                return Self { state: Some(state.as_str()), ..Self::new(Code::HoldEnded, detail) };
            }
            Refusal::HoldEndedPaid(state) => {
                let word = state.as_str();
                let detail = format!(
                    "this hold was {word} before; the payment reference is kept and listed for an operator"
                );
                let problem = Self::new(Code::HoldEnded, detail);
                return Self { state: Some(word), is_reference_kept: true, ..problem };
            }
            Refusal::ShopConfirms => Code::Forbidden,
            Refusal::Invalid(faults) => return Self::invalid(faults),
            Refusal::KeyReused => Code::IdempotencyKeyReused,
            Refusal::KeyInProgress => Code::IdempotencyInProgress,
        };
        Self::new(code, detail)
    }
}

impl From<FlowError> for Problem {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Refused(refusal) => refusal.into(),
            FlowError::Unavailable(what, cause) => {
                let cause = cause.map(|cause| format!("{cause:#}"));
                tracing::warn!(what, cause, "request turned away: a part is away");
                Self::new(Code::Unavailable, format!("{what} does not answer just now"))
            }
            FlowError::Busy(why) => {
                tracing::debug!(why, "request turned away: another gateway works on the same line");
                Self::new(Code::Unavailable, why)
            }
            FlowError::Unknown(cause) => {
                tracing::error!(
                    cause = format!("{cause:#}"),
                    "the outcome of a request is unknown"
                );
                let detail =
                    "it may have been done or not; repeat the same request with the same key";
                Self::new(Code::UnknownOutcome, detail)
            }
            FlowError::Internal(cause) => {
                tracing::error!(cause = format!("{cause:#}"), "request failed");
                Self::new(Code::Internal, "the fault is ours and was written down")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_every_field_and_its_type_is_its_code() {
        let faults =
            vec![Fault::new("slug", "is missing"), Fault::new("count", "must be 1 or more")];
        let body = Problem::invalid(faults).body();
        assert_eq!(body["type"], "/problems/invalid");
        assert_eq!(body["status"], 422);
        assert_eq!(body["errors"][1]["field"], "count");
    }

    #[test]
    fn codes_are_told_apart_and_what_passes_says_when_to_come_back() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.parts().0).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            let (word, status, _) = code.parts();
            let waits =
                Problem::new(*code, "").into_response().headers().contains_key("retry-after");
            assert!(waits || (status != 429 && status != 503), "{word}");
        }
    }
}
