//! The owner's pages: who may log in, and which keys there are.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::Reply;
use crate::engine::checkout::idempotency;
use crate::engine::people;
use crate::engine::people::Change;
use crate::model::{Fault, OperatorId, Role};
use crate::random_text;
use crate::web::App;
use crate::web::api::caller::{Caller, Manage};
use crate::web::api::problem::{Code, Problem};
use crate::web::api::request_reader::{Fields, Raw};
use crate::web::console::{clash_text, failed, mark, operator_of};
use crate::web::pages::views::{
    AccountChangeRow, Flash, Form, KeyRow, KeysPage, Me, OperatorRow, OperatorsPage,
};
use crate::web::pages::{Posted, page, see_other};
use crate::web::people::{key_id, new_key, new_operator, operator_id};

/// Changes of accounts on a page; the API has them all.
const CHANGES: i64 = 20;

/// What the last action did, carried through a redirect by name.
#[derive(Debug, Deserialize)]
pub struct Done {
    done: Option<String>,
}

impl Done {
    pub fn flash(&self) -> Option<Flash> {
        let text = match self.done.as_deref()? {
            "add" => "The operator is added.",
            "role" => "The role is changed. The operator has to log in again.",
            "reset" => "The password is changed. The operator has to log in again.",
            "remove" => "The operator is removed and logged out.",
            "revoke" => "The key is revoked. Every gateway refuses it within a few seconds.",
            "password" => "Your password is changed, and every other session has ended.",
            _ => return None,
        };
        Some(Flash { text: text.into(), bad: false })
    }
}

/// A form's fields, read by the API's own rules.
fn fields(posted: &Posted, names: &[&str]) -> Result<Fields, Problem> {
    let said = |name: &&str| match *name {
        // A password may begin or end with a space.
        "password" => posted.whole(name).to_owned(),
        _ => posted.get(name).to_owned(),
    };
    let given = names.iter().map(|name| (*name, said(name))).filter(|(_, text)| !text.is_empty());
    let given: serde_json::Map<String, Value> =
        given.map(|(name, text)| (name.to_owned(), json!(text))).collect();
    Raw(Value::Object(given).to_string().into_bytes()).fields()
}

/// `GET /admin/operators`
pub async fn operators(
    State(app): State<App>,
    Query(done): Query<Done>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let me = operator_of::<Manage>(&app, &headers).await?;
        operators_page(&app, &me, done.flash(), operator_form()).await
    };
    match shown.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

fn operator_form() -> Form {
    Form::new("operator", [("role", "operator")])
}

async fn operators_page(
    app: &App,
    me: &Caller,
    flash: Option<Flash>,
    form: Form,
) -> Result<OperatorsPage, Problem> {
    let operators = people::operators(&app.gate).await?;
    let changes = people::changes(&app.gate, None, CHANGES).await?;
    let owners = operators.iter().filter(|operator| operator.role == Role::Owner).count();
    let row = |operator: &people::Operator| OperatorRow {
        id: operator.id.to_string(),
        name: operator.name.clone(),
        role: operator.role.as_str(),
        created_by: operator.created_by.clone(),
        last_login_at: operator.last_login_at,
        is_last_owner: owners == 1 && operator.role == Role::Owner,
        is_me: operator.name == me.actor,
    };
    Ok(OperatorsPage {
        nonce: random_text(),
        me: Me::from(me),
        flash,
        form,
        operators: operators.iter().map(row).collect(),
        changes: changes.iter().map(AccountChangeRow::from).collect(),
    })
}

/// The page again, with what was wrong.
async fn operators_again(
    app: &App,
    headers: &HeaderMap,
    me: &Caller,
    problem: &Problem,
    form: Form,
) -> Response {
    let text = if form.has_errors() { problem.title() } else { &problem.detail };
    let flash = Flash { text: text.to_owned(), bad: true };
    match operators_page(app, me, Some(flash), form).await {
        Ok(body) => page(app, headers, problem.status(), &body.nonce.clone(), &body),
        Err(problem) => failed(app, headers, &problem),
    }
}

/// `POST /admin/operators`
pub async fn add_operator(State(app): State<App>, headers: HeaderMap, posted: Posted) -> Response {
    let me = match operator_of::<Manage>(&app, &headers).await {
        Ok(me) => me,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let added = async {
        let mut fields = fields(&posted, &["name", "role", "password"])?;
        let new = new_operator(&mut fields);
        fields.finish()?;
        let done = |_: &people::Operator| Reply { status: 201, body: json!({}) };
        people::add(&app.gate, &me.actor, new, None, done).await?;
        Ok::<_, Problem>(())
    };
    let problem = match added.await {
        Ok(()) => return see_other("/admin/operators?done=add"),
        Err(problem) => problem,
    };
    // The password is not sent back.
    let kept = posted.0.iter().filter(|(name, _)| name != "password").cloned();
    let mut form = Form::new("operator", kept);
    mark(&mut form, &problem, "name");
    operators_again(&app, &headers, &me, &problem, form).await
}

/// `POST /admin/operators/{operator}/{action}`
pub async fn change_operator(
    State(app): State<App>,
    Path((operator, action)): Path<(String, String)>,
    headers: HeaderMap,
    posted: Posted,
) -> Response {
    let me = match operator_of::<Manage>(&app, &headers).await {
        Ok(me) => me,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let changed = async {
        let id = operator_id(&operator)?;
        let change = match action.as_str() {
            "role" => {
                let role = Role::parse(posted.get("role")).filter(|role| role.is_for_people());
                let fault =
                    || Problem::invalid(vec![Fault::new("role", crate::web::people::OF_PEOPLE)]);
                let role = role.ok_or_else(fault)?;
                demand_role_shown(&app, id, role, posted.get("was.role")).await?;
                Change { role: Some(role), password: None }
            }
            "reset" => Change { role: None, password: Some(posted.whole("password").to_owned()) },
            "remove" => return Ok(people::remove(&app.gate, &me.actor, id).await?),
            _ => return Err(Problem::not_found("action")),
        };
        people::change(&app.gate, &me.actor, id, change).await?;
        Ok::<_, Problem>(())
    };
    match changed.await {
        Ok(()) => see_other(&format!("/admin/operators?done={action}")),
        Err(problem) => operators_again(&app, &headers, &me, &problem, operator_form()).await,
    }
}

/// Refuses a change of a role that somebody else changed since the page was made.
async fn demand_role_shown(
    app: &App,
    id: OperatorId,
    typed: Role,
    shown: &str,
) -> Result<(), Problem> {
    let all = people::operators(&app.gate).await?;
    let Some(now) = all.iter().find(|operator| operator.id == id) else { return Ok(()) };
    if shown.is_empty() || shown == now.role.as_str() || now.role == typed {
        return Ok(());
    }
    let changes = people::changes(&app.gate, None, CHANGES).await?;
    let last = changes.iter().find(|change| change.subject == now.name);
    let who = last.map(|change| (change.actor.as_str(), change.at));
    let text = clash_text(typed.as_str(), now.role.as_str(), who);
    Err(Problem::new(Code::Stale, format!("The role of {}: {text}.", now.name)))
}

/// `GET /admin/keys`
pub async fn keys(
    State(app): State<App>,
    Query(done): Query<Done>,
    headers: HeaderMap,
) -> Response {
    let shown = async {
        let me = operator_of::<Manage>(&app, &headers).await?;
        keys_page(&app, &me, done.flash(), key_form(), None).await
    };
    match shown.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

fn key_form() -> Form {
    Form::new("key", [("role", "checkout")])
}

async fn keys_page(
    app: &App,
    me: &Caller,
    flash: Option<Flash>,
    form: Form,
    made: Option<String>,
) -> Result<KeysPage, Problem> {
    let now = app.gate.clock.now();
    let row = |key: &people::ApiKey| KeyRow {
        id: key.id.to_string(),
        name: key.name.clone(),
        role: key.role.as_str(),
        hint: key.hint.clone(),
        created_by: key.created_by.clone(),
        created_at: key.created_at,
        last_used_at: key.last_used_at,
        expires_at: key.expires_at,
        state: match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "Revoked",
            (None, Some(at)) if at <= now => "Expired",
            (None, _) => "In force",
        },
    };
    Ok(KeysPage {
        nonce: random_text(),
        me: Me::from(me),
        flash,
        form,
        made,
        keys: people::keys(&app.gate).await?.iter().map(row).collect(),
        form_key: random_text(),
    })
}

/// `POST /admin/keys`: the one page that shows the key.
pub async fn make_key(State(app): State<App>, headers: HeaderMap, posted: Posted) -> Response {
    let me = match operator_of::<Manage>(&app, &headers).await {
        Ok(me) => me,
        Err(problem) => return failed(&app, &headers, &problem),
    };
    let made = async {
        let mut given = posted.0.clone();
        // A day, as a browser's field has it, ends with that day.
        if let Some((_, day)) = given.iter_mut().find(|(name, _)| name == "expires_at")
            && day.len() == "2026-11-27".len()
        {
            day.push_str("T23:59:59Z");
        }
        let given = Posted(given);
        let mut fields = fields(&given, &["name", "role", "expires_at"])?;
        let new = new_key(&mut fields);
        fields.finish()?;
        let said = Raw(json!({ "name": new.name }).to_string().into_bytes()).fingerprint();
        let key = posted.key().map(|key| idempotency::key(&me.scope(), "page-key-add", key, said));
        people::make_key(&app.gate, &me.actor, new, key, |made, secret| Reply {
            status: 201,
            body: json!({ "name": made.name, "key": secret }),
        })
        .await
        .map_err(Problem::from)
    };
    let (status, flash, form, key) = match made.await {
        Ok(reply) => match reply.body["key"].as_str() {
            Some(key) => (StatusCode::CREATED, None, key_form(), Some(key.to_owned())),
            None => {
                let text = "This key was made and shown already. If nobody kept it, revoke it.";
                (StatusCode::OK, Some(Flash { text: text.into(), bad: true }), key_form(), None)
            }
        },
        Err(problem) => {
            let mut form = Form::new("key", posted.0.clone());
            mark(&mut form, &problem, "name");
            let flash = Flash { text: problem.title().into(), bad: true };
            (problem.status(), Some(flash), form, None)
        }
    };
    match keys_page(&app, &me, flash, form, key).await {
        Ok(body) => page(&app, &headers, status, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

/// `POST /admin/keys/{key}/revoke`
pub async fn revoke_key(
    State(app): State<App>,
    Path(key): Path<String>,
    headers: HeaderMap,
    _: Posted,
) -> Response {
    let revoked = async {
        let me = operator_of::<Manage>(&app, &headers).await?;
        people::revoke_key(&app.gate, &me.actor, key_id(&key)?).await?;
        Ok::<_, Problem>(())
    };
    match revoked.await {
        Ok(()) => see_other("/admin/keys?done=revoke"),
        Err(problem) => failed(&app, &headers, &problem),
    }
}
