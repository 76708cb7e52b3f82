//! People who work for a shop, and its programs: with accounts and keys of their own.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{ADMIN_KEY, Answer, Shop};

pub const PASSWORD: &str = "correct horse battery";

/// A form of the console, from the page that has it.
pub async fn post(shop: &Shop, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let form = serde_urlencoded::to_string(fields).unwrap();
    let request = shop.request(Method::POST, path).header("origin", &shop.base);
    let request = request.header("cookie", cookie);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Answer::of(request.body(form)).await
}

/// The cookie that an answer set, as a browser sends it.
pub fn cookie_of(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

impl Shop {
    /// Adds an operator by the admin key; gives the id.
    pub async fn add_operator(&self, name: &str, role: &str) -> String {
        let body = json!({ "name": name, "role": role, "password": PASSWORD });
        let made = self.tell("/operators", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body["id"].as_str().unwrap().to_owned()
    }

    /// Makes an API key by the admin key.
    pub async fn make_key(&self, name: &str, role: &str) -> Value {
        let made = self.tell("/keys", json!({ "name": name, "role": role })).await;
        assert_eq!(made.status, 201, "{}", made.text);
        made.body
    }

    pub async fn try_log_in(&self, name: &str, password: &str) -> Answer {
        post(self, "/admin/login", "", &[("name", name), ("password", password)]).await
    }

    /// Logs an operator in; gives the cookie.
    pub async fn log_in(&self, name: &str) -> String {
        let answer = self.try_log_in(name, PASSWORD).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin"));
        cookie_of(&answer)
    }

    /// Postgres's time as the gateway tells it, in milliseconds.
    pub async fn server_time(&self) -> i64 {
        let sale = self.sale(json!({})).await;
        let now: jiff::Timestamp =
            sale.facts().await["server_time"].as_str().unwrap().parse().unwrap();
        now.as_millisecond()
    }

    /// A call of the API by this key.
    pub fn by_key(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(key)
    }

    /// What the list of sales answers to this key.
    pub async fn looks(&self, key: &str) -> Answer {
        Answer::of(self.by_key(key, Method::GET, "/api/v1/admin/sales")).await
    }

    /// Logs in with the admin key; gives the cookie.
    pub async fn log_in_by_key(&self) -> String {
        cookie_of(&post(self, "/admin/login", "", &[("api_key", ADMIN_KEY)]).await)
    }

    /// What a page of the console answers to this session.
    pub async fn page(&self, cookie: &str, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path).header("cookie", cookie)).await
    }
}

/// The key itself, of the answer that made it.
pub fn key_of(made: &Value) -> String {
    made["key"].as_str().unwrap().to_owned()
}

pub fn id_of(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}
