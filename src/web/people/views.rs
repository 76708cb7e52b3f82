//! Owns the console's pages of accounts: log in, one's own account, operators, API keys.

use askama::Template;
use jiff::Timestamp;
use serde_json::Value;

use crate::engine::people::AccountChange;
use crate::model::Right;
use crate::web::api::caller::{Caller, Who};
use crate::web::console::views::Flash;
use crate::web::pages::form::Form;
use crate::web::pages::views::filters;

/// Who looks at a page of the console: what it shows depends on it.
#[derive(Clone, Debug)]
pub struct Me {
    pub name: String,
    pub role: &'static str,
    /// Forms that change a sale are shown.
    pub steers: bool,
    /// The pages of accounts and keys are shown.
    pub manages: bool,
}

impl From<&Caller> for Me {
    fn from(caller: &Caller) -> Self {
        Self {
            name: match caller.who {
                Who::AdminKey => "ROPELINE_ADMIN_KEY".into(),
                Who::Key(_) | Who::Operator(_) => caller.actor.clone(),
            },
            role: caller.role.as_str(),
            steers: caller.role.may(Right::Steer),
            manages: caller.role.may(Right::Manage),
        }
    }
}

/// `GET /admin/login`.
#[derive(Template)]
#[template(path = "admin_login.html")]
pub struct AdminLoginPage {
    pub nonce: String,
    /// What was typed, kept when the page comes back.
    pub name: String,
    /// The field that is wrong, and in what way.
    pub problem: Option<(&'static str, String)>,
    /// Hidden fields with what was wanted before the log-in.
    pub carried: Vec<(String, String)>,
}

/// A field of a form that was kept through a log-in.
pub struct CarriedField {
    pub name: String,
    pub label: String,
    pub text: String,
    /// It is sent along and not shown.
    pub is_hidden: bool,
    pub is_long: bool,
}

/// A form that was sent when the session was over, shown after the log-in.
#[derive(Template)]
#[template(path = "admin_carried.html")]
pub struct AdminCarriedPage {
    pub nonce: String,
    /// Where the form is sent.
    pub action: String,
    /// The page that has the form.
    pub back: String,
    pub fields: Vec<CarriedField>,
    /// Passwords, which are typed again.
    pub again: Vec<CarriedField>,
}

impl AdminLoginPage {
    fn is_wrong(&self, field: &str) -> bool {
        self.problem.as_ref().is_some_and(|(name, _)| *name == field)
    }
}

/// A browser that is logged in.
pub struct SessionRow {
    pub agent: String,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    /// The one that looks.
    pub is_this: bool,
}

impl SessionRow {
    /// A browser and its system in two words, as far as its own name says.
    fn browser(&self) -> String {
        let first = |known: &[(&str, &'static str)]| {
            known.iter().find(|(mark, _)| self.agent.contains(mark)).map(|(_, name)| *name)
        };
        let browser = first(&[
            ("Edg/", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ]);
        let system = first(&[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS", "macOS"),
            ("Linux", "Linux"),
        ]);
        match (browser, system) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            (Some(one), None) | (None, Some(one)) => one.into(),
            (None, None) if self.agent.is_empty() => "Unknown browser".into(),
            (None, None) => self.agent.chars().take(60).collect(),
        }
    }
}

/// `GET /admin/account`: one's own password and sessions.
#[derive(Template)]
#[template(path = "admin_account.html")]
pub struct AccountPage {
    pub nonce: String,
    pub me: Me,
    pub flash: Option<Flash>,
    pub has_password: bool,
    pub form: Form,
    pub sessions: Vec<SessionRow>,
}

pub struct OperatorRow {
    pub id: String,
    pub name: String,
    pub role: &'static str,
    pub created_by: String,
    pub last_login_at: Option<Timestamp>,
    /// Can neither be removed nor lose the role.
    pub is_last_owner: bool,
    pub is_me: bool,
}

pub struct AccountChangeRow {
    pub at: Timestamp,
    pub actor: String,
    pub text: String,
}

impl From<&AccountChange> for AccountChangeRow {
    fn from(change: &AccountChange) -> Self {
        let said = |name: &str| change.detail[name].as_str().unwrap_or_default().to_owned();
        let subject = &change.subject;
        let text = match change.action.as_str() {
            "operator-add" => format!("added {subject} as {}", said("role")),
            "operator-role" => {
                format!("changed {subject} from {} to {}", said("from"), said("to"))
            }
            "operator-password" => format!("changed the password of {subject}"),
            "operator-remove" => format!("removed {subject}, who was {}", said("role")),
            "key-add" => match &change.detail["expires_at"] {
                Value::String(at) => {
                    format!("made the key {subject} as {}, until {at}", said("role"))
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => format!("made the key {subject} as {}", said("role")),
            },
            "key-revoke" => format!("revoked the key {subject}"),
            other => format!("{other} {subject}"),
        };
        Self { at: change.at, actor: change.actor.clone(), text }
    }
}

/// `GET /admin/operators`.
#[derive(Template)]
#[template(path = "admin_operators.html")]
pub struct OperatorsPage {
    pub nonce: String,
    pub me: Me,
    pub flash: Option<Flash>,
    pub form: Form,
    pub operators: Vec<OperatorRow>,
    pub changes: Vec<AccountChangeRow>,
}

pub struct KeyRow {
    pub id: String,
    pub name: String,
    pub role: &'static str,
    pub hint: String,
    pub created_by: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub state: &'static str,
}

impl KeyRow {
    fn is_in_force(&self) -> bool {
        self.state == "In force"
    }
}

/// `GET /admin/keys`.
#[derive(Template)]
#[template(path = "admin_keys.html")]
pub struct KeysPage {
    pub nonce: String,
    pub me: Me,
    pub flash: Option<Flash>,
    pub form: Form,
    /// The key that was made just now, shown this once.
    pub made: Option<String>,
    pub keys: Vec<KeyRow>,
    /// A double press makes one key.
    pub form_key: String,
}
