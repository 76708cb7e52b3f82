//! Into the console and out of it, and what everyone changes of the own account.

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;

use crate::engine::people::login;
use crate::engine::people::login::{NewToken, SessionOf};
use crate::random_text;
use crate::web::App;
use crate::web::api::caller;
use crate::web::api::caller::{Caller, Look, Who};
use crate::web::api::problem::{Code, Problem};
use crate::web::console::{failed, mark, operator_of};
use crate::web::pages::views::{AccountPage, AdminLoginPage, Flash, Form, Me, SessionRow};
use crate::web::pages::{Posted, is_for_a_person, page, problem_page, see_other, with_cookie};
use crate::web::server::limits::Address;

use crate::web::people::carried::Carried;
use crate::web::people::pages::Done;

/// What a browser calls itself.
fn agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default()
}

/// `GET /admin/login`
pub async fn login_page(
    State(app): State<App>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let carried = Carried::page(wanted.next.as_deref().unwrap_or_default());
    show_login(&app, &headers, StatusCode::OK, "", None, &carried)
}

/// Where to go after the log-in.
#[derive(Debug, Deserialize)]
pub struct Wanted {
    next: Option<String>,
}

pub(crate) fn show_login(
    app: &App,
    headers: &HeaderMap,
    status: StatusCode,
    name: &str,
    problem: Option<(&'static str, String)>,
    carried: &Carried,
) -> Response {
    let (name, carried) = (name.to_owned(), carried.hidden());
    let body = AdminLoginPage { nonce: random_text(), name, problem, carried };
    with_cookie(page(app, headers, status, &body.nonce.clone(), &body), &app.keeps_cookie())
}

/// `POST /admin/login`: with name and password, or with `ROPELINE_ADMIN_KEY`.
pub async fn login(
    State(app): State<App>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    // A session that a browser does not keep would lead back to the log-in, for ever.
    if is_for_a_person(&headers, "/admin/login")
        && let Err(problem) = app.demand_cookies(&headers)
    {
        return problem_page(&app, &headers, &problem, &[("/admin/login", "Back to the log-in")]);
    }
    let name = posted.get("name");
    let carried = Carried::of_login(&posted);
    let is_by_key = name.is_empty() && !posted.get("api_key").is_empty();
    let is_known_key = is_by_key && app.admin_key.matches(posted.get("api_key"));
    if !is_known_key
        && let Err(problem) = app
            .limits
            .count_login(address)
            .and_then(|()| if is_by_key { Ok(()) } else { app.limits.count_name(name) })
    {
        return not_now(&app, &headers, name, &problem, &carried);
    }
    let begun = if is_known_key {
        login::log_in_by_key(&app.gate, &app.admin_key.mark(), agent(&headers)).await.map(Some)
    } else if is_by_key {
        Ok(None)
    } else {
        // A password may begin or end with a space.
        login::log_in(&app.gate, name, posted.whole("password"), agent(&headers)).await
    };
    match begun {
        Ok(Some(token)) => entered(&app, &headers, &token, carried).await,
        Ok(None) => {
            let wrong = if is_by_key {
                ("api_key", "This is not an operator's API key.")
            } else {
                ("name", "This name and password do not belong together.")
            };
            let wrong = Some((wrong.0, wrong.1.to_owned()));
            show_login(&app, &headers, StatusCode::FORBIDDEN, name, wrong, &carried)
        }
        Err(error) => not_now(&app, &headers, name, &error.into(), &carried),
    }
}

/// A log-in that cannot be tried now. What was typed before is kept.
fn not_now(
    app: &App,
    headers: &HeaderMap,
    name: &str,
    problem: &Problem,
    carried: &Carried,
) -> Response {
    if carried.fields.is_none() {
        return problem_page(app, headers, problem, &[("/admin/login", "Back to the log-in")]);
    }
    let text = format!("{}: {}. Try again in a moment.", problem.title(), problem.detail);
    let mut response = show_login(app, headers, problem.status(), name, Some(("", text)), carried);
    if let Some(seconds) = problem.retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Into the console. A session that this browser had before is over.
async fn entered(app: &App, headers: &HeaderMap, token: &NewToken, carried: Carried) -> Response {
    if let Some(before) = caller::session_digest(app, headers)
        && let Err(error) = login::log_out(&app.gate, before).await
    {
        tracing::warn!(error = format!("{error:#}"), "a session before this one was not ended");
    }
    with_cookie(carried.go_on(app, headers), &caller::session_cookie(app, token))
}

/// `POST /admin/logout`
pub async fn logout(State(app): State<App>, headers: HeaderMap, _: Posted) -> Response {
    let ended = match caller::session_digest(&app, &headers) {
        Some(digest) => login::log_out(&app.gate, digest).await,
        None => Ok(()),
    };
    match ended {
        Ok(()) => with_cookie(see_other("/admin/login"), &caller::no_session_cookie(&app)),
        // The browser keeps its cookie, so that the session can still be ended from there.
        Err(error) => failed(&app, &headers, &error.into()),
    }
}

/// Whose sessions these are.
fn sessions_of(app: &App, me: &Caller) -> Option<SessionOf> {
    match me.who {
        Who::Operator(id) => Some(SessionOf::Operator(id)),
        Who::AdminKey => Some(SessionOf::AdminKey(app.admin_key.mark())),
        Who::Key(_) => None,
    }
}

/// `GET /admin/account`
pub async fn account(
    State(app): State<App>,
    Query(done): Query<Done>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let me = operator_of::<Look>(&app, &headers).await?;
        account_page(&app, &me, done.flash(), empty_form()).await
    };
    match shown.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

fn empty_form() -> Form {
    Form::new("password", [("", ""); 0])
}

async fn account_page(
    app: &App,
    me: &Caller,
    flash: Option<Flash>,
    form: Form,
) -> Result<AccountPage, Problem> {
    let sessions = match sessions_of(app, me) {
        Some(of) => login::sessions(&app.gate, &of).await?,
        None => Vec::new(),
    };
    let row = |session: &login::Session| SessionRow {
        agent: session.agent.clone(),
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        expires_at: session.expires_at,
        is_this: Some(session.digest) == me.session,
    };
    Ok(AccountPage {
        nonce: random_text(),
        me: Me::from(me),
        flash,
        has_password: matches!(me.who, Who::Operator(_)),
        form,
        sessions: sessions.iter().map(row).collect(),
    })
}

/// `POST /admin/account/password`
pub async fn password(State(app): State<App>, headers: HeaderMap, posted: Posted) -> Response {
    let me = match operator_of::<Look>(&app, &headers).await {
        Ok(me) => me,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let problem: Problem = match change(&app, &me, &headers, &posted).await {
        Ok(token) => {
            let cookie = caller::session_cookie(&app, &token);
            return with_cookie(see_other("/admin/account?done=password"), &cookie);
        }
        Err(problem) => problem,
    };
    let mut form = empty_form();
    mark(&mut form, &problem, "password");
    let flash = Flash { text: problem.title().into(), bad: true };
    match account_page(&app, &me, Some(flash), form).await {
        Ok(body) => page(&app, &headers, problem.status(), &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

async fn change(
    app: &App,
    me: &Caller,
    headers: &HeaderMap,
    posted: &Posted,
) -> Result<NewToken, Problem> {
    let Who::Operator(id) = me.who else {
        return Err(Problem::new(Code::Forbidden, "ROPELINE_ADMIN_KEY has no password"));
    };
    app.limits.count_name(&me.actor)?; // Whoever finds a browser open must not guess here either.
    let said = (posted.whole("old_password"), posted.whole("password"));
    let changed = login::change_own_password(&app.gate, id, &me.actor, said, agent(headers)).await;
    Ok(changed?)
}

/// `POST /admin/account/logout-everywhere`
pub async fn everywhere(State(app): State<App>, headers: HeaderMap, _: Posted) -> Response {
    let ended = async {
        let me = operator_of::<Look>(&app, &headers).await?;
        if let Some(of) = sessions_of(&app, &me) {
            login::log_out_everywhere(&app.gate, &of).await?;
        }
        Ok::<_, Problem>(())
    };
    match ended.await {
        Ok(()) => with_cookie(see_other("/admin/login"), &caller::no_session_cookie(&app)),
        Err(problem) => failed(&app, &headers, &problem),
    }
}
