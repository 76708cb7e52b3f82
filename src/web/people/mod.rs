//! Who may call what, as an owner changes it: operators and API keys. Their pages are in `pages`, the log-in
//! and one's own account in `login`.

pub mod carried;
pub mod login;
pub mod pages;
pub(crate) mod views;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::engine::Reply;
use crate::engine::checkout::idempotency;
use crate::engine::people;
use crate::engine::people::{Change, Key, NewApiKey, NewOperator};
use crate::model::{ApiKeyId, Fault, OperatorId, Role};
use crate::web::App;
use crate::web::api::caller::{Caller, Manage, Operator};
use crate::web::api::problem::{Problem, ProblemShape};
use crate::web::api::request_reader::{Fields, Raw, idempotency_key};
use crate::web::api::request_schema::{ChangedOperator, NewKey, NewOperator as NewOperatorBody};
use crate::web::api::responses::Page;
use crate::web::api::responses::accounts::{AccountChangeShape, ApiKeyShape, OperatorShape};
use crate::web::operator::listings::{PageQuery, encode};

/// The role that was named, of those that a person or a program may have.
fn role(fields: &mut Fields, is_good: fn(Role) -> bool, rule: &str) -> Option<Role> {
    let said = fields.text("role")?;
    let role = Role::parse(&said).filter(|role| is_good(*role));
    if role.is_none() {
        fields.add(vec![Fault::new("role", rule)]);
    }
    role
}

const OF_PEOPLE: &str = "must be viewer, operator or owner";
const OF_KEYS: &str = "must be checkout, viewer, operator or owner";

/// A new operator, as a body or a form says it.
fn new_operator(fields: &mut Fields) -> NewOperator {
    let name = fields.text("name");
    let name = fields.demand("name", name).unwrap_or_default();
    let role = role(fields, Role::is_for_people, OF_PEOPLE);
    let role = fields.demand("role", role).unwrap_or(Role::Viewer);
    let password = fields.text("password");
    let password = fields.demand("password", password).unwrap_or_default();
    fields.add(people::name_faults(&name));
    fields.add(people::password_faults(&name, &password));
    NewOperator { name, role, password }
}

fn new_key(fields: &mut Fields) -> NewApiKey {
    let name = fields.text("name");
    let name = fields.demand("name", name).unwrap_or_default();
    let role = role(fields, |_| true, OF_KEYS);
    let role = fields.demand("role", role).unwrap_or(Role::Checkout);
    let expires_at = fields.time("expires_at");
    fields.add(people::name_faults(&name));
    NewApiKey { name, role, expires_at }
}

/// The request's idempotency key. What is kept of the body is made with the gateways' secret: a body may
/// have a password in it, and a plain digest of that could be guessed at.
fn key_of(
    app: &App,
    by: &Caller,
    route: &str,
    (headers, body): (&HeaderMap, &Raw),
) -> Result<Option<Key>, Problem> {
    let said = || app.gate.signer.keyed_print(&body.fingerprint());
    Ok(idempotency_key(headers)?.map(|key| idempotency::key(&by.scope(), route, key, said())))
}

/// All operators, by name
#[utoipa::path(get, path = "/api/v1/admin/operators", tag = "accounts", security(("api_key" = [])),
    responses((status = 200, body = Page<OperatorShape>), (status = 403, body = ProblemShape)))]
pub async fn operators(
    State(app): State<App>,
    _: Operator<Manage>,
) -> Result<Json<Page<OperatorShape>>, Problem> {
    let all = people::operators(&app.gate).await?;
    Ok(Json(Page { items: all.iter().map(OperatorShape::from).collect(), next_cursor: None }))
}

/// Add an operator
///
/// Who logs in with name and password. A name that an operator or a key has is 409 `name-taken`.
#[utoipa::path(post, path = "/api/v1/admin/operators", tag = "accounts", security(("api_key" = [])),
    request_body = NewOperatorBody, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = OperatorShape), (status = 403, body = ProblemShape),
              (status = 409, body = ProblemShape), (status = 422, body = ProblemShape)))]
pub async fn add_operator(
    State(app): State<App>,
    by: Operator<Manage>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let new = new_operator(&mut fields);
    fields.finish()?;
    let key = key_of(&app, &by, "operator-add", (&headers, &body))?;
    let render =
        |made: &people::Operator| Reply { status: 201, body: json!(OperatorShape::from(made)) };
    Ok(people::add(&app.gate, &by.actor, new, key, render).await?)
}

/// Change an operator's role or password
///
/// Every session of that operator ends. The last owner keeps the role: 409 `last-owner`.
#[utoipa::path(patch, path = "/api/v1/admin/operators/{operator}", tag = "accounts",
    security(("api_key" = [])), params(("operator" = String, Path)),
    request_body = Option<ChangedOperator>,
    responses((status = 200, body = OperatorShape), (status = 403, body = ProblemShape),
              (status = 404, body = ProblemShape), (status = 409, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn change_operator(
    State(app): State<App>,
    by: Operator<Manage>,
    Path(operator): Path<String>,
    body: Raw,
) -> Result<Json<OperatorShape>, Problem> {
    let mut fields = body.fields()?;
    fields.not_null(&["role", "password"]);
    let role = role(&mut fields, Role::is_for_people, OF_PEOPLE);
    let change = Change { role, password: fields.text("password") };
    fields.finish()?;
    let changed = people::change(&app.gate, &by.actor, operator_id(&operator)?, change).await?;
    Ok(Json(OperatorShape::from(&changed)))
}

fn operator_id(text: &str) -> Result<OperatorId, Problem> {
    text.parse().map_err(|_| Problem::not_found("operator"))
}

/// Remove an operator
///
/// Every session of that operator ends. The last owner stays: 409 `last-owner`.
#[utoipa::path(delete, path = "/api/v1/admin/operators/{operator}", tag = "accounts",
    security(("api_key" = [])), params(("operator" = String, Path)),
    responses((status = 204, description = "Removed"), (status = 403, body = ProblemShape),
              (status = 404, body = ProblemShape), (status = 409, body = ProblemShape)))]
pub async fn remove_operator(
    State(app): State<App>,
    by: Operator<Manage>,
    Path(operator): Path<String>,
) -> Result<StatusCode, Problem> {
    people::remove(&app.gate, &by.actor, operator_id(&operator)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All API keys, those in force first
///
/// Never the keys themselves: `hint` is how each begins.
#[utoipa::path(get, path = "/api/v1/admin/keys", tag = "accounts", security(("api_key" = [])),
    responses((status = 200, body = Page<ApiKeyShape>), (status = 403, body = ProblemShape)))]
pub async fn keys(
    State(app): State<App>,
    _: Operator<Manage>,
) -> Result<Json<Page<ApiKeyShape>>, Problem> {
    let all = people::keys(&app.gate).await?;
    let items = all.iter().map(|key| ApiKeyShape::new(key, None)).collect();
    Ok(Json(Page { items, next_cursor: None }))
}

/// Make an API key
///
/// `key` is in this answer and nowhere else, ever: it is not kept. So a repeat with the same
/// `Idempotency-Key` answers the same, but for `key`, which is null. `role` is what the key may do:
/// `checkout` looks at holds, confirms and releases them; `viewer` looks at sales; `operator` steers them;
/// `owner` also changes accounts and keys.
#[utoipa::path(post, path = "/api/v1/admin/keys", tag = "accounts", security(("api_key" = [])),
    request_body = NewKey, params(("Idempotency-Key" = Option<String>, Header)),
    responses((status = 201, body = ApiKeyShape), (status = 403, body = ProblemShape),
              (status = 409, body = ProblemShape), (status = 422, body = ProblemShape)))]
pub async fn make_key(
    State(app): State<App>,
    by: Operator<Manage>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Reply, Problem> {
    let mut fields = body.fields()?;
    let new = new_key(&mut fields);
    fields.finish()?;
    let key = key_of(&app, &by, "key-add", (&headers, &body))?;
    Ok(people::make_key(&app.gate, &by.actor, new, key, |made, secret| Reply {
        status: 201,
        body: json!(ApiKeyShape::new(made, secret)),
    })
    .await?)
}

/// Revoke an API key
///
/// It is refused here at once, and by every other gateway within a few seconds. Repeated, the same.
#[utoipa::path(delete, path = "/api/v1/admin/keys/{key}", tag = "accounts",
    security(("api_key" = [])), params(("key" = String, Path)),
    responses((status = 204, description = "Revoked; repeated, the same"),
              (status = 403, body = ProblemShape), (status = 404, body = ProblemShape)))]
pub async fn revoke_key(
    State(app): State<App>,
    by: Operator<Manage>,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    people::revoke_key(&app.gate, &by.actor, key_id(&key)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn key_id(text: &str) -> Result<ApiKeyId, Problem> {
    text.parse().map_err(|_| Problem::not_found("key"))
}

/// Who changed which account or key, newest first
#[utoipa::path(get, path = "/api/v1/admin/audit", tag = "accounts", security(("api_key" = [])),
    params(PageQuery),
    responses((status = 200, body = Page<AccountChangeShape>), (status = 403, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn audit(
    State(app): State<App>,
    _: Operator<Manage>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AccountChangeShape>>, Problem> {
    let (limit, after) = query.read()?;
    let items = people::changes(&app.gate, after, limit).await?;
    let is_full = items.len() as i64 == limit;
    let last = items.last().filter(|_| is_full);
    Ok(Json(Page {
        next_cursor: last.map(|item| encode(item.at, item.id, uuid::Uuid::nil())),
        items: items.iter().map(AccountChangeShape::from).collect(),
    }))
}
