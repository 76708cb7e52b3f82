//! How a page goes out: rendered, with a nonce and the headers that keep it to itself; and how a form
//! comes in.

pub(crate) mod brand;
pub(crate) mod form;
pub(crate) mod format;
pub mod views;

use askama::Template;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::model::Fault;
use crate::random_text;
use crate::web::App;
use crate::web::api::problem::{Code, Problem, Refused};
use crate::web::api::request_reader::Raw;
use crate::web::i18n::{Asked, Words};
use crate::web::pages::views::{FieldError, ProblemPage, Way};

/// Renders a page with the nonce it was given. Nothing but ropeline itself may be asked by it.
pub fn page(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    nonce: &str,
    page: &impl Template,
) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(error = %error, "page not rendered");
            return Problem::new(Code::Internal, "the page could not be made").into_response();
        }
    };
    let host = app.host(headers);
    // Not every browser in use counts its own socket as 'self'.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         img-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    let mut response = (status, Html(html)).into_response();
    let fixed = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The messages that tell shoppers of a refusal. What the API says of it is for engineers.
fn said_to_shoppers(code: Code) -> (&'static str, &'static str) {
    match code {
        Code::NotFound => ("nothing-here", "nothing-here-help"),
        Code::TooManyRequests => ("too-many", "too-many-help"),
        Code::LineFull => ("line-full", "line-full-help"),
        Code::Unavailable => ("away", "away-help"),
        Code::UnknownOutcome | Code::IdempotencyInProgress => ("not-known", "not-known-help"),
        Code::Internal => ("our-fault", "our-fault-help"),
        Code::Moved => ("moved", "moved-help"),
        Code::LinkEnded => ("link-ended", "link-ended-help"),
        Code::AlreadyInLine => ("already-in-line", "already-in-line-help"),
        Code::CookiesNeeded => ("cookies-off", "cookies-off-help"),
        Code::OriginNotAllowed => ("other-site", "other-site-help"),
        Code::SaleClosed
        | Code::SoldOut
        | Code::NotOpen
        | Code::TicketRefused
        | Code::AlreadyAdmitted
        | Code::HoldEnded
        | Code::NotClosed
        | Code::PreconditionFailed
        | Code::Stale => ("changed", "changed-help"),
        Code::BadRequest
        | Code::NotAuthenticated
        | Code::Forbidden
        | Code::MethodNotAllowed
        | Code::RequestTimeout
        | Code::SlugTaken
        | Code::NameTaken
        | Code::LastOwner
        | Code::BodyTooLarge
        | Code::Invalid
        | Code::IdempotencyKeyReused
        | Code::UpgradeRequired => ("not-taken", "not-taken-help"),
    }
}

/// A problem as a page for shoppers, in their language, with the way back to the room if there is one.
pub fn shopper_problem(
    app: &App,
    headers: &HeaderMap,
    problem: &Problem,
    room: Option<&str>,
) -> Response {
    let asked = Asked::new(headers, None);
    let w = asked.words(None);
    let (title, detail) = said_to_shoppers(problem.code);
    let back = room.filter(|_| problem.code != Code::NotFound);
    let body = ProblemPage {
        nonce: random_text(),
        status: problem.status().as_u16(),
        title: w.t(title),
        detail: w.t(detail),
        errors: Vec::new(),
        retry_after_seconds: problem.retry_after_seconds,
        ways: back.map(|href| Way { href: href.into(), label: w.t("back") }).into_iter().collect(),
        // A wrong set-up shows in the room first, and only its operator can mend it.
        for_engineers: (problem.code == Code::OriginNotAllowed).then(|| problem.detail.clone()),
        w,
    };
    let response = show_problem(app, headers, problem, &body);
    asked.sign(&body.w, response)
}

/// A problem as a page for operators and engineers, with ways forward.
pub fn problem_page(
    app: &App,
    headers: &HeaderMap,
    problem: &Problem,
    ways: &[(&str, &str)],
) -> Response {
    let error =
        |fault: &Fault| FieldError { field: fault.field.clone(), detail: fault.detail.clone() };
    let way = |(href, label): &(&str, &str)| Way { href: (*href).into(), label: (*label).into() };
    let body = ProblemPage {
        nonce: random_text(),
        w: Words::english(),
        status: problem.status().as_u16(),
        title: problem.title().into(),
        detail: problem.detail.clone(),
        errors: problem.faults.iter().map(error).collect(),
        retry_after_seconds: problem.retry_after_seconds,
        ways: ways.iter().map(way).collect(),
        for_engineers: None,
    };
    show_problem(app, headers, problem, &body)
}

fn show_problem(app: &App, headers: &HeaderMap, problem: &Problem, body: &ProblemPage) -> Response {
    let mut response = page(app, headers, problem.status(), &body.nonce, body);
    if let Some(seconds) = problem.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Whether a person in a browser will see the answer: it opens an address or sends a form. Browsers say so
/// themselves over HTTPS; over HTTP the wish for HTML says it, but not of a call of the API, for some libraries
/// wish for HTML first.
pub fn is_for_a_person(headers: &HeaderMap, path: &str) -> bool {
    if let Some(mode) = headers.get("sec-fetch-mode") {
        return mode == "navigate";
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html")) && !path.starts_with("/api/")
}

/// A person in a browser, as the request tells of them. What is refused anywhere is shown to them as a page in
/// their language: this is the one place that decides it.
pub struct Visitor {
    path: String,
    is_safe: bool,
    headers: HeaderMap,
}

/// Headers of a refusal that a page has as well.
const KEPT: [HeaderName; 2] = [header::ALLOW, header::SET_COOKIE];

impl Visitor {
    /// None of a program that calls.
    pub fn of(request: &Request) -> Option<Self> {
        let path = request.uri().path();
        is_for_a_person(request.headers(), path).then(|| Self {
            path: path.to_owned(),
            is_safe: request.method().is_safe(),
            headers: request.headers().clone(),
        })
    }

    /// The answer as this person is shown it: a refusal becomes a page.
    pub fn shown(&self, app: &App, mut response: Response) -> Response {
        let Some(Refused(problem)) = response.extensions_mut().remove() else { return response };
        let mut page = self.page(app, &problem);
        for name in KEPT {
            for value in response.headers().get_all(&name) {
                page.headers_mut().append(name.clone(), value.clone());
            }
        }
        page
    }

    fn page(&self, app: &App, problem: &Problem) -> Response {
        if is_below(&self.path, "/admin") || is_below(&self.path, "/api/v1/admin") {
            let way = if self.path == "/admin/login" || problem.code == Code::NotAuthenticated {
                ("/admin/login", "Log in")
            } else {
                ("/admin", "All sales")
            };
            return problem_page(app, &self.headers, problem, &[way]);
        }
        // An address that cannot be read leads nowhere; nothing was sent that could be sent again.
        if self.is_safe && problem.code == Code::BadRequest {
            let nowhere = Problem { code: Code::NotFound, ..Problem::new(Code::BadRequest, "") };
            let mut page = shopper_problem(app, &self.headers, &nowhere, None);
            *page.status_mut() = problem.status();
            return page;
        }
        shopper_problem(app, &self.headers, problem, self.room().as_deref())
    }

    /// The room that an address belongs to.
    fn room(&self) -> Option<String> {
        let sale = self.path.strip_prefix("/s/")?.split('/').next()?;
        let is_plain =
            !sale.is_empty() && sale.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_plain.then(|| format!("/s/{sale}"))
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// To another page of ours, by GET.
pub fn see_other(path: &str) -> Response {
    let location = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// Adds a `Set-Cookie` to an answer.
pub fn with_cookie(mut response: Response, cookie: &str) -> Response {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// The same of several.
pub fn with_cookies(response: Response, cookies: &[String]) -> Response {
    cookies.iter().fold(response, |response, cookie| with_cookie(response, cookie))
}

/// The fields of a form that a page of ours posted.
pub struct Posted(pub Vec<(String, String)>);

impl FromRequest<App> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        app.demand_origin(request.headers())?;
        let raw = Raw::from_request(request, app).await?;
        serde_urlencoded::from_bytes(&raw.0)
            .map(Self)
            .map_err(|_| Problem::new(Code::BadRequest, "this is not a form"))
    }
}

impl Posted {
    /// A field, without spaces around it; empty when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.whole(name).trim()
    }

    /// A field to the letter; empty when it is not there.
    pub fn whole(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, text)| text)
    }

    /// The form's own idempotency key, if it has a good one.
    pub fn key(&self) -> Option<String> {
        let key = self.get("idempotency_key");
        (16..=200).contains(&key.len()).then(|| key.to_owned())
    }
}
