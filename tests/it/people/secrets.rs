//! What a gateway writes down at log level debug: never a secret, and never more than a line for a line.

use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::support::process::{Running, program, settings, shop_of};
use crate::support::sockets::Socket;
use crate::support::staff::{PASSWORD, cookie_of, post};
use crate::support::{ADMIN_KEY, Answer, Place, SECRET, Shop, Shopper, eventually};

/// Secrets of callers, and where each was used; none may be in the log.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 7, "{secret} could be in any log");
        self.0.push((what, secret.to_owned()));
    }

    /// A credential and its parts: the signature alone would do.
    fn add_credential(&mut self, credential: &str) {
        self.add("a credential", credential);
        for part in credential.split('.').skip(1) {
            self.add("a part of a credential", part);
        }
    }

    fn are_not_in(&self, log: &str) {
        for (what, secret) in &self.0 {
            let line = log.lines().find(|line| line.contains(secret.as_str()));
            assert_eq!(line, None, "{what} is in the log: {secret}");
        }
    }
}

/// A gateway that says all that an operator asks for when something is wrong. Below it, at trace, libraries
/// write whole messages.
async fn talkative(place: &Place) -> Running {
    let mut set = settings(place);
    set.push(("RUST_LOG", "debug".into()));
    Running::start(&set).await
}

#[tokio::test]
async fn no_secret_is_in_the_log_of_a_gateway_that_says_all() {
    let place = Place::fresh().await;
    let running = talkative(&place).await;
    running.ready().await;
    let shop = shop_of(&running, place).await;
    let mut secrets = Secrets::default();
    secrets.add("the secret", SECRET);
    secrets.add("the operator's key", ADMIN_KEY);
    let sale = shop.open_sale(2, json!({ "max_in_checkout": 1 })).await;
    buys(&shop, &sale, &mut secrets).await;
    let ben = sale.join().await;
    secrets.add_credential(&ben.credential);
    watches(&shop, &ben).await;
    is_refused(&shop, &ben, &mut secrets).await;
    logs_in(&shop, &mut secrets).await;
    has_an_account(&shop, &mut secrets).await;
    ben.leave().await;
    let (ended, log) = running.end("-TERM").await;
    assert!(ended.success());
    assert!(log.contains("\"level\":\"DEBUG\"") && log.contains("answered"), "it was talkative");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
    }
    secrets.are_not_in(&log);
}

/// A join and a confirm with keys, by bearer token and by cookie.
async fn buys(shop: &Shop, sale: &crate::support::Sale<'_>, secrets: &mut Secrets) {
    let key = "join-key-0123456789-nobody-guesses";
    let joined = Answer::of(sale.join_request().header("idempotency-key", key)).await;
    assert_eq!(joined.status, 201, "{}", joined.text);
    secrets.add("a join's key", key);
    let ana = Shopper::new(shop, &joined.body);
    secrets.add_credential(&ana.credential);
    let confirm = format!("/api/v1/holds/{}/confirm", ana.hold().await);
    let key = "confirm-key-0123456789-nobody-guesses";
    secrets.add("a confirm's key", key);
    secrets.add("a payment reference", "card-4711-4711");
    let cookie = format!("ropeline-ticket-{}={}", ana.sale, ana.credential);
    for _ in 0..2 {
        let request = shop.request(Method::POST, &confirm).header("idempotency-key", key);
        let request = request.header("cookie", &cookie).header("origin", &shop.base);
        let bought = Answer::of(request.json(&json!({ "payment_reference": "card-4711-4711" })));
        assert_eq!(bought.await.status, 200);
    }
}

/// By the second subprotocol, as a browser may.
async fn watches(shop: &Shop, who: &Shopper) {
    let offer = format!("ropeline.v1, {}", who.credential);
    let (mut socket, _) =
        Socket::connect(shop, who, &[("sec-websocket-protocol", &offer)]).await.ok().unwrap();
    socket.next().await.unwrap();
    socket.say(r#"{"type":"position","extra":"said-to-a-socket-0123"}"#).await;
    socket.next().await.unwrap();
}

/// Requests that are wrong in every way, each with a secret in it.
async fn is_refused(shop: &Shop, who: &Shopper, secrets: &mut Secrets) {
    let forged = format!("{}forged", who.credential);
    secrets.add("a forged credential", &forged);
    secrets.add("a guessed key", "guessed-key-0123456789");
    secrets.add("a body that is wrong", "wrong-body-0123456789");
    secrets.add("what a socket was told", "said-to-a-socket-0123");
    let path = who.path("");
    for token in [&forged, "guessed-key-0123456789", "bad\ttoken \"quoted\""] {
        shop.request(Method::GET, &path).bearer_auth(token).send().await.unwrap();
        shop.request(Method::GET, "/api/v1/admin/sales").bearer_auth(token).send().await.unwrap();
    }
    for body in [r#"{"wrong-body-0123456789": 1}"#, "wrong-body-0123456789 is not JSON"] {
        let request = shop.operator(Method::POST, "/sales").body(body);
        assert!(Answer::of(request).await.status.is_client_error());
    }
    let sealed = shop.request(Method::GET, "/admin");
    sealed.header("cookie", "ropeline-console=guessed-key-0123456789.x").send().await.unwrap();
}

/// Into the console, with a wrong key first.
async fn logs_in(shop: &Shop, secrets: &mut Secrets) {
    for (key, status) in
        [("guessed-key-0123456789", StatusCode::FORBIDDEN), (ADMIN_KEY, StatusCode::SEE_OTHER)]
    {
        let request = shop.request(Method::POST, "/admin/login").header("origin", &shop.base);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let form = format!("api_key={}", key.replace(' ', "+"));
        secrets.add("a key in a form", &form);
        let answer = Answer::of(request.body(form)).await;
        assert_eq!(answer.status.as_u16(), status.as_u16());
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        let session = cookie.strip_prefix("ropeline-console=");
        assert_eq!(session.is_some(), status.is_redirection(), "{cookie}");
        if let Some(sealed) = session {
            secrets.add("a console session", sealed);
            let page = shop.request(Method::GET, "/admin").header("cookie", &cookie);
            assert_eq!(Answer::of(page).await.status, 200);
        }
    }
}

/// Passwords, right and wrong, a session, and keys that are made, used and guessed.
async fn has_an_account(shop: &Shop, secrets: &mut Secrets) {
    secrets.add("a password", PASSWORD);
    secrets.add("a password in a form", &PASSWORD.replace(' ', "+"));
    secrets.add("a wrong password", "wrong-password-0123456789");
    secrets.add("a key that nobody made", &format!("rl_{}", "G".repeat(43)));
    shop.add_operator("ana", "owner").await;
    assert_eq!(shop.try_log_in("ana", "wrong-password-0123456789").await.status, 403);
    let cookie = shop.log_in("ana").await;
    secrets.add("a session", cookie.split_once('=').unwrap().1);
    assert_eq!(shop.page(&cookie, "/admin/operators").await.status, 200);
    let fields = [("name", "till"), ("role", "operator")];
    let made = post(shop, "/admin/keys", &cookie, &fields).await;
    let key = made.text.split("id=\"secret\">").nth(1).unwrap().split('<').next().unwrap();
    assert!(key.starts_with("rl_") && key.len() == 46, "{key}");
    secrets.add("a key", &key[9..]);
    assert_eq!(shop.looks(key).await.status, 200);
    assert_eq!(shop.looks(&format!("rl_{}", "G".repeat(43))).await.status, 401);
    let fields = [("old_password", PASSWORD), ("password", "a later sentence of hers")];
    secrets.add("a new password", fields[1].1);
    let changed = post(shop, "/admin/account/password", &cookie, &fields).await;
    assert_eq!(changed.status, 303, "{}", changed.text);
    secrets.add("a later session", cookie_of(&changed).split_once('=').unwrap().1);
}

#[tokio::test]
async fn the_passwords_of_stores_that_do_not_answer_are_not_in_the_log() {
    let place = Place {
        redis_url: "redis://:hunter2-redis@127.0.0.1:1".into(),
        database_url: "postgres://me:hunter2-postgres@127.0.0.1:1/ropeline".into(),
    };
    let running = talkative(&place).await;
    eventually("it waits for them", async || running.log().contains("waiting for the stores"))
        .await;
    running.get("/api/v1/sales/any").await.is_problem(503, "unavailable");
    let (_, log) = running.end("-TERM").await;
    assert!(!log.contains("hunter2"), "{log}");

    for (name, url) in [
        ("REDIS_URL", "redis://:hunter2@:not a port:/x"),
        ("DATABASE_URL", "postgres://me:hunter2@host:not-a-port/ropeline"),
    ] {
        let mut refused = program(&["serve"]);
        let set = settings(&place).into_iter().filter(|(other, _)| *other != name);
        refused.envs(set).env(name, url).env("RUST_LOG", "debug");
        let (ended, said) = crate::support::process::run(refused).await;
        assert!(!ended.success(), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
