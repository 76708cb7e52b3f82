//! A log-in in between: where a browser wanted to go, and what a person had typed when the session was over.
//! Both are kept through the log-in. A form is shown again afterwards and not sent by itself.

use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::random_text;
use crate::web::App;
use crate::web::api::caller::Caller;
use crate::web::pages::views::{AdminCarriedPage, CarriedField};
use crate::web::pages::{Posted, page, see_other};
use crate::web::people::login::show_login;

/// Longest address that is kept.
const LONGEST_PATH: usize = 1_000;
/// Before the names of fields that are carried through the log-in.
const CARRY: &str = "carry.";
/// Before the names of fields that are typed again: they are not carried.
const AGAIN: &str = "again.";
/// Fields with secrets.
const SECRETS: [&str; 3] = ["password", "old_password", "api_key"];
/// The addresses that need no session.
const OPEN: [&str; 2] = ["/admin/login", "/admin/logout"];

/// Where to go after the log-in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// The page that was asked for, or the address that a form was sent to; a path of the console, or empty.
    pub to: String,
    /// The form's fields, when it was a form.
    pub fields: Option<Vec<(String, String)>>,
    /// Fields that the person types again.
    pub again: Vec<String>,
}

impl Carried {
    /// A page that was asked for.
    pub fn page(path: &str) -> Self {
        Self { to: own_path(path).unwrap_or_default(), ..Self::default() }
    }

    /// A form that was sent without a session.
    fn form(path: &str, posted: Posted) -> Self {
        let is_secret = |name: &String| SECRETS.contains(&name.as_str());
        let (secret, kept): (Vec<_>, Vec<_>) =
            posted.0.into_iter().partition(|(name, _)| is_secret(name));
        let again = secret.into_iter().map(|(name, _)| name).collect();
        Self { again, fields: Some(kept), ..Self::page(path) }
    }

    /// What the log-in's own form brought along.
    pub fn of_login(posted: &Posted) -> Self {
        let all = |start: &'static str| {
            posted.0.iter().filter_map(move |(name, text)| {
                Some((name.strip_prefix(start)?.to_owned(), text.clone()))
            })
        };
        let is_form = posted.get("is_form") == "true";
        Self {
            to: own_path(posted.whole("next")).unwrap_or_default(),
            fields: is_form.then(|| all(CARRY).collect()),
            again: all(AGAIN).map(|(name, _)| name).collect(),
        }
    }

    /// The hidden fields of the log-in's form that carry it.
    pub fn hidden(&self) -> Vec<(String, String)> {
        let mut hidden = vec![("next".to_owned(), self.to.clone())];
        if let Some(fields) = &self.fields {
            hidden.push(("is_form".to_owned(), "true".to_owned()));
            hidden
                .extend(fields.iter().map(|(name, text)| (format!("{CARRY}{name}"), text.clone())));
            hidden.extend(self.again.iter().map(|name| (format!("{AGAIN}{name}"), String::new())));
        }
        hidden.retain(|(name, text)| name != "next" || !text.is_empty());
        hidden
    }

    /// Where the browser goes once it is logged in: to the page that it wanted, or to its form.
    pub fn go_on(self, app: &App, headers: &HeaderMap) -> Response {
        let Self { to, fields, again } = self;
        match fields {
            Some(fields) if !to.is_empty() => {
                let body = AdminCarriedPage {
                    nonce: random_text(),
                    back: page_of_form(&to),
                    action: to,
                    fields: fields.into_iter().map(|(name, text)| field(name, text)).collect(),
                    again: again.into_iter().map(|name| field(name, String::new())).collect(),
                };
                page(app, headers, StatusCode::OK, &body.nonce, &body)
            }
            _ if to.is_empty() => see_other("/admin"),
            _ => see_other(&to),
        }
    }
}

fn field(name: String, text: String) -> CarriedField {
    let is_hidden = name.starts_with("was.")
        || ["idempotency_key", "words_for", "state", "lang"].contains(&name.as_str());
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    let label = letters.next().map(|first| first.to_uppercase().chain(letters).collect());
    let is_long = text.contains('\n') || text.len() > 60 || name == "text";
    CarriedField { name, label: label.unwrap_or_default(), text, is_hidden, is_long }
}

/// The page that has the form with this address.
fn page_of_form(action: &str) -> String {
    let parts: Vec<&str> = action.split(['/', '?']).collect();
    match parts[..] {
        ["", "admin", "sales", sale, "tickets", ticket, ..] => {
            format!("/admin/sales/{sale}/tickets/{ticket}")
        }
        ["", "admin", "sales", sale, "brand" | "preview", ..] => {
            format!("/admin/sales/{sale}/brand")
        }
        ["", "admin", "sales", sale, ..] => format!("/admin/sales/{sale}"),
        ["", "admin", section @ ("operators" | "keys" | "account"), ..] => {
            format!("/admin/{section}")
        }
        _ => "/admin".to_owned(),
    }
}

/// A path of the console that may be gone to after the log-in: never to another site, and not to the log-in.
fn own_path(text: &str) -> Option<String> {
    let rest = text.strip_prefix("/admin")?;
    let is_whole = rest.is_empty() || rest.starts_with(['/', '?']);
    let path = text.split('?').next().unwrap_or_default();
    let is_plain = text.len() <= LONGEST_PATH
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#\"<>".contains(&byte))
        && !path.contains("//")
        && !path.split('/').any(|part| part == ".." || part == ".");
    (is_whole && is_plain && !OPEN.contains(&path)).then(|| text.to_owned())
}

/// Around the console's pages: a stranger finds the log-in, and it knows what was wanted.
pub async fn at_the_door(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if !path.starts_with("/admin") || OPEN.contains(&path.as_str()) {
        return next.run(request).await;
    }
    if request.method() == Method::POST {
        return with_form(app, path, request, next).await;
    }
    let wanted = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut response = next.run(request).await;
    let is_turned_away =
        response.headers().get(header::LOCATION) == Some(&HeaderValue::from_static("/admin/login"));
    if let Some(next) = own_path(&wanted).filter(|next| is_turned_away && next != "/admin")
        && let Ok(query) = serde_urlencoded::to_string([("next", next)])
        && let Ok(location) = HeaderValue::from_str(&format!("/admin/login?{query}"))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// A form that comes without a session is kept, and the log-in is shown in its place.
async fn with_form(app: App, path: String, request: Request, next: Next) -> Response {
    let is_stranger = matches!(Caller::of_session(&app, request.headers()).await, Ok(None));
    if !is_stranger || app.demand_origin(request.headers()).is_err() {
        return next.run(request).await;
    }
    let headers = request.headers().clone();
    let posted = Posted::from_request(request, &app).await;
    let carried = match posted {
        Ok(posted) => Carried::form(&path, posted),
        // What cannot be read cannot be kept.
        Err(_) => Carried::page(&page_of_form(&path)),
    };
    let text = "You are not logged in any more. Log in: what you typed is kept and shown again, and nothing was sent yet.";
    let problem = Some(("", text.to_owned()));
    show_login(&app, &headers, StatusCode::FORBIDDEN, "", problem, &carried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_the_console_are_gone_to() {
        for good in ["/admin", "/admin/sales/a?done=x", "/admin/keys", "/admin?cursor=a"] {
            assert_eq!(own_path(good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "/",
            "/s/a",
            "/administrator",
            "//evil.example/admin",
            "https://evil.example/admin",
            "/admin//evil.example",
            "/admin/../s/a",
            "/admin/\\evil",
            "/admin/a b",
            "/admin/login?next=/admin/login",
            "/admin/logout",
            "/admin\r\nx",
            "/admin@evil.example",
        ] {
            assert_eq!(own_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_form_goes_through_the_log_in_without_its_passwords() {
        let field = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let posted = Posted(vec![
            field("name", "ana"),
            field("password", "a secret"),
            field("role", "owner"),
        ]);
        let carried = Carried::form("/admin/operators", posted);
        let hidden = carried.hidden();
        assert!(!format!("{hidden:?}").contains("a secret"), "{hidden:?}");
        let mut login = hidden;
        login.extend([field("name", "olga"), field("password", "another")]);
        assert_eq!(Carried::of_login(&Posted(login)), carried);
        assert_eq!(carried.again, ["password"]);
        assert_eq!(page_of_form("/admin/operators"), "/admin/operators");
        assert_eq!(page_of_form("/admin/sales/drop/notice"), "/admin/sales/drop");
    }
}
