//! Operators, sessions and API keys: who is let in, for how long, and what ends it.

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::repair::outage::{end, fragile};
use crate::support::process::{program, run};
use crate::support::staff::{PASSWORD, cookie_of, id_of, key_of, post};
use crate::support::{Answer, FROM, Gateway, Place, Shop, all, elsewhere, eventually};

/// The same shop through another gateway.
async fn another_door(shop: &Shop) -> Shop {
    let gateway = Gateway::start(&shop.place, false).await;
    let base = format!("http://{}", gateway.address);
    let other = Shop { base, gateway, place: shop.place.clone(), client: shop.client.clone() };
    eventually("it is ready", async || other.get("/readyz").await.status == 200).await;
    other
}

#[tokio::test]
async fn an_operator_is_in_with_name_and_password_and_the_audit_names_her() {
    let shop = Shop::open().await;
    shop.add_operator("Ana Ruiz", "operator").await;
    for (name, password) in [
        ("Ana Ruiz", "correct horse batterz"),
        ("Ana Ruiz", ""),
        ("Nobody", PASSWORD),
        ("", PASSWORD),
        ("Ana\0Ruiz", PASSWORD),
        (&"x".repeat(300), PASSWORD),
    ] {
        let answer = shop.try_log_in(name, password).await;
        assert_eq!(answer.status, 403, "{name}");
        let set = answer.header("set-cookie");
        assert!(!set.contains("ropeline-console"), "{name}: {set}");
        assert!(answer.text.contains("do not belong together"), "{name}: the same for all");
        assert!(!answer.text.contains("horse"), "what was typed is not sent back");
    }
    let answer = shop.try_log_in("ana ruiz", PASSWORD).await;
    let set = answer.header("set-cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{part}: {set}");
    }
    let cookie = cookie_of(&answer);
    let made = post(&shop, "/admin/sales", &cookie, &[("name", "Boots"), ("slug", "boots")]).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let key = key_of(&shop.make_key("till", "operator").await);
    let seed = shop.by_key(&key, Method::POST, "/api/v1/admin/sales/boots/tokens");
    assert_eq!(Answer::of(seed.json(&json!({ "count": 3 }))).await.status, 201);
    let audit = shop.ask("/sales/boots/audit").await.body;
    let who: Vec<_> = audit["items"].as_array().unwrap().iter().map(|i| &i["actor"]).collect();
    assert_eq!(who, ["till", "Ana Ruiz"]);
    let changes = shop.ask("/audit").await.body;
    let said: Vec<_> = changes["items"].as_array().unwrap().iter().map(|i| &i["action"]).collect();
    assert_eq!(said, ["key-add", "operator-add"]);
    assert_eq!(changes["items"][1]["actor"], "admin-key");
    let listed = shop.ask("/operators").await;
    assert_ne!(listed.body["items"][0]["last_login_at"], json!(null));
    assert!(!listed.text.contains("argon2"), "{}", listed.text);
}

#[tokio::test]
async fn no_secret_is_in_the_database() {
    let shop = Shop::open().await;
    shop.add_operator("ana", "owner").await;
    let cookie = shop.log_in("ana").await;
    let body = json!({ "name": "till", "role": "checkout" });
    let make = || shop.operator(Method::POST, "/keys").header("idempotency-key", "make-till-1");
    let made = Answer::of(make().json(&body)).await;
    let key = key_of(&made.body);
    assert!(key.starts_with("rl_") && key.len() == 46, "{key}");
    let again = Answer::of(make().json(&body)).await;
    assert_eq!((again.status.as_u16(), &again.body["key"]), (201, &json!(null)), "shown once");
    assert_eq!(again.body["id"], made.body["id"], "and made once");
    assert_eq!(shop.looks(&key).await.refusal(), (403, "forbidden"), "it is the key");
    let with_key = shop.operator(Method::POST, "/operators").header("idempotency-key", "add-ben-1");
    let ben = json!({ "name": "ben", "role": "viewer", "password": "a sentence to guess at" });
    assert_eq!(Answer::of(with_key.json(&ben)).await.status, 201);

    let pool = shop.place.sql().await;
    let mut all = String::new();
    for table in ["operators", "api_keys", "sessions", "account_audit", "idempotency_keys"] {
        let rows = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let rows: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(rows)).fetch_one(&pool).await.unwrap();
        assert_ne!(rows, "", "{table}");
        all.push_str(&rows);
    }
    pool.close().await;
    let token = cookie.split_once('=').unwrap().1;
    for secret in [PASSWORD, "a sentence to guess at", &key, &key[3..], token] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert!(all.contains("$argon2id$v=19$m=19456,t=2,p=1$"), "as OWASP asks");
}

#[tokio::test]
async fn a_session_ends_with_its_password_its_role_its_account_and_everywhere_at_once() {
    let shop = Shop::open().await;
    shop.add_operator("boss", "owner").await;
    let other = another_door(&shop).await;
    let is_in = async |cookie: &str| {
        let answers = [shop.page(cookie, "/admin").await, other.page(cookie, "/admin").await];
        answers.map(|answer| answer.status == 200)
    };
    let is_out = async |what: &str, cookie: &str| {
        let here = shop.page(cookie, "/admin").await;
        assert_eq!(here.header("location"), "/admin/login", "{what}: at once where it was done");
        eventually(what, async || other.page(cookie, "/admin").await.status == 303).await;
    };
    for (n, how) in ["password", "role", "remove", "own", "everywhere", "logout"].iter().enumerate()
    {
        let name = format!("ana {n}");
        let id = shop.add_operator(&name, "operator").await;
        let (phone, desk) = (shop.log_in(&name).await, shop.log_in(&name).await);
        for cookie in [&phone, &desk] {
            assert_eq!(is_in(cookie).await, [true; 2], "{how}");
        }
        let account = format!("/operators/{id}");
        let patch = |body| Answer::of(shop.operator(Method::PATCH, &account).json(&body));
        match *how {
            "password" => {
                let done = patch(json!({ "password": "another password" })).await;
                assert_eq!(done.status, 200, "{}", done.text);
                assert_eq!(shop.try_log_in(&name, PASSWORD).await.status, 403);
                assert_eq!(shop.try_log_in(&name, "another password").await.status, 303);
            }
            "role" => assert_eq!(patch(json!({ "role": "viewer" })).await.body["role"], "viewer"),
            "remove" => {
                let gone = Answer::of(shop.operator(Method::DELETE, &account)).await;
                assert_eq!(gone.status, 204, "{}", gone.text);
                assert_eq!(shop.try_log_in(&name, PASSWORD).await.status, 403);
            }
            "own" => {
                let fields = [("old_password", PASSWORD), ("password", "another password")];
                let wrong = [("old_password", "not my password"), fields[1]];
                let path = "/admin/account/password";
                assert_eq!(post(&shop, path, &desk, &wrong).await.status, 422);
                assert_eq!(is_in(&phone).await, [true; 2], "nothing was changed");
                let done = post(&shop, path, &desk, &fields).await;
                assert_eq!(done.header("location"), "/admin/account?done=password");
                assert_eq!(is_in(&cookie_of(&done)).await, [true; 2], "this browser goes on");
            }
            "everywhere" => {
                post(&shop, "/admin/account/logout-everywhere", &desk, &[]).await;
            }
            _ => {
                post(&shop, "/admin/logout", &desk, &[]).await;
                assert_eq!(is_in(&phone).await, [true; 2], "the other browser goes on");
                post(&shop, "/admin/logout", &phone, &[]).await;
            }
        }
        is_out(how, &phone).await;
        is_out(how, &desk).await;
    }
}

#[tokio::test]
async fn an_idle_session_and_an_old_one_are_over() {
    let shop = Shop::open().await;
    shop.add_operator("ana", "viewer").await;
    let pool = shop.place.sql().await;
    for change in [
        "last_seen_at = clock_timestamp() - interval '121 minutes'",
        "expires_at = clock_timestamp() - interval '1 second'",
    ] {
        let cookie = shop.log_in("ana").await;
        assert_eq!(shop.page(&cookie, "/admin").await.status, 200);
        let sql = format!("UPDATE sessions SET {change}");
        eventually(change, async || {
            // The gateway may write meanwhile that the session was used.
            sqlx::query(sqlx::AssertSqlSafe(sql.clone())).execute(&pool).await.unwrap();
            shop.page(&cookie, "/admin").await.status == 303
        })
        .await;
    }
    pool.close().await;
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_every_gateway_and_an_expired_one_too() {
    let shop = Shop::open().await;
    let other = another_door(&shop).await;
    let made = shop.make_key("till", "viewer").await;
    let (id, key) = (id_of(&made), key_of(&made));
    assert_eq!(shop.looks(&key).await.status, 200);
    assert_eq!(other.looks(&key).await.status, 200);
    eventually("its use is noted", async || {
        shop.ask("/keys").await.body["items"][0]["last_used_at"] != json!(null)
    })
    .await;
    for _ in 0..2 {
        let revoked = Answer::of(shop.operator(Method::DELETE, &format!("/keys/{id}"))).await;
        assert_eq!(revoked.status, 204, "{}", revoked.text);
    }
    shop.looks(&key).await.is_problem(401, "not-authenticated");
    eventually("the other gateway refuses it", async || other.looks(&key).await.status == 401)
        .await;
    let changes = shop.ask("/audit").await.body;
    let said: Vec<_> = changes["items"].as_array().unwrap().iter().map(|i| &i["action"]).collect();
    assert_eq!(said, ["key-revoke", "key-add"], "revoked once");
    // The name is free again; the old key stays what it is.
    assert_ne!(id_of(&shop.make_key("till", "viewer").await), id);
    shop.looks(&key).await.is_problem(401, "not-authenticated");

    let soon = jiff::Timestamp::from_millisecond(shop.server_time().await + 1_500).unwrap();
    let body = json!({ "name": "short", "role": "viewer", "expires_at": soon });
    let short = key_of(&shop.tell("/keys", body).await.body);
    assert_eq!(shop.looks(&short).await.status, 200);
    eventually("it ends by itself", async || shop.looks(&short).await.status == 401).await;
    let past = json!({ "name": "past", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z" });
    assert_eq!(shop.tell("/keys", past).await.fields(), ["expires_at"]);
}

#[tokio::test]
async fn without_postgres_who_was_known_goes_on_and_nobody_gets_401_wrongly() {
    let (mut stores, shop) = fragile().await;
    shop.add_operator("ana", "viewer").await;
    let cookie = shop.log_in("ana").await;
    let (known, fresh) =
        (shop.make_key("known", "viewer").await, shop.make_key("new", "viewer").await);
    let health =
        async |key: &str| Answer::of(shop.by_key(key, Method::GET, "/api/v1/admin/health")).await;
    assert_eq!(health(&key_of(&known)).await.status, 200);
    assert_eq!(shop.page(&cookie, "/admin/login").await.status, 200);
    let by_session = async |cookie: &str| {
        let call = shop.request(Method::GET, "/api/v1/admin/health").header("cookie", cookie);
        Answer::of(call).await
    };
    assert_eq!(by_session(&cookie).await.status, 200);
    stores.kill_postgres().await.unwrap();
    assert_eq!(health(&key_of(&known)).await.status, 200, "it was seen a moment ago");
    assert_eq!(by_session(&cookie).await.status, 200);
    health(&key_of(&fresh)).await.is_problem(503, "unavailable");
    let unknown = format!("{}={}", cookie.split_once('=').unwrap().0, "A".repeat(43));
    by_session(&unknown).await.is_problem(503, "unavailable");
    assert_eq!(shop.try_log_in("ana", PASSWORD).await.status, 503);
    health("not a key at all").await.is_problem(401, "not-authenticated");
    assert_eq!(shop.ask("/health").await.status, 200, "ROPELINE_ADMIN_KEY needs no store");
    stores.start_postgres().await.unwrap();
    eventually("it is seen now", async || health(&key_of(&fresh)).await.status == 200).await;
    end(stores, shop).await;
}

#[tokio::test]
async fn a_gateway_that_starts_again_knows_sessions_and_keys() {
    let shop = Shop::open().await;
    shop.add_operator("ana", "viewer").await;
    let (cookie, key) = (shop.log_in("ana").await, key_of(&shop.make_key("till", "viewer").await));
    let place = shop.place.clone();
    shop.gateway.stop().await;
    let shop = Shop::at(place, false).await;
    assert_eq!(shop.page(&cookie, "/admin").await.status, 200);
    assert_eq!(shop.looks(&key).await.status, 200);
}

#[tokio::test]
async fn there_is_always_an_owner_and_a_name_is_one_persons() {
    let shop = Shop::open().await;
    let boss = shop.add_operator("boss", "owner").await;
    let account = format!("/operators/{boss}");
    let remove = || Answer::of(shop.operator(Method::DELETE, &account));
    let demote =
        || Answer::of(shop.operator(Method::PATCH, &account).json(&json!({ "role": "viewer" })));
    remove().await.is_problem(409, "last-owner");
    demote().await.is_problem(409, "last-owner");
    shop.make_key("till", "checkout").await;
    for name in ["Boss", "TILL"] {
        let body = json!({ "name": name, "role": "owner", "password": PASSWORD });
        shop.tell("/operators", body).await.is_problem(409, "name-taken");
        let body = json!({ "name": name, "role": "checkout" });
        shop.tell("/keys", body).await.is_problem(409, "name-taken");
    }
    // Two owners who remove each other at once: one is left.
    let deputy = shop.add_operator("deputy", "owner").await;
    let removals = [&boss, &deputy]
        .map(|id| Answer::of(shop.operator(Method::DELETE, &format!("/operators/{id}"))));
    let statuses = all(removals).await.into_iter().map(|answer| answer.status.as_u16());
    let mut statuses: Vec<_> = statuses.collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    assert_eq!(shop.ask("/operators").await.body["items"].as_array().unwrap().len(), 1);

    for (body, fields) in [
        (json!({}), vec!["name", "role", "password"]),
        (
            json!({ "name": " a", "role": "checkout", "password": "short" }),
            vec!["role", "name", "password"],
        ),
        (json!({ "name": "admin-key", "role": "owner", "password": PASSWORD }), vec!["name"]),
        (json!({ "name": PASSWORD, "role": "owner", "password": PASSWORD }), vec!["password"]),
        (json!({ "name": "a\0b", "role": "owner", "password": PASSWORD }), vec!["name"]),
    ] {
        assert_eq!(shop.tell("/operators", body).await.fields(), fields);
    }
    let nobody = shop.operator(Method::DELETE, "/operators/not-an-id");
    Answer::of(nobody).await.is_problem(404, "not-found");
}

/// A flood of log-ins costs a core and 19 MiB at most: everyone else is served meanwhile.
#[tokio::test]
async fn a_flood_of_log_ins_is_held_back_and_holds_nobody_else_back() {
    let shop = Shop::behind_a_proxy().await;
    let sale = shop.open_sale(1, json!({})).await;
    let flood: Vec<_> = (0..150)
        .map(|n| {
            let form = format!("name=ana+{n}&password=guess");
            let request = shop.request(Method::POST, "/admin/login").body(form);
            let request = request.header(FROM, elsewhere());
            Answer::of(request.header("content-type", "application/x-www-form-urlencoded"))
        })
        .collect();
    let flood = tokio::spawn(all(flood));
    let begun = Instant::now();
    let ana = sale.join().await;
    assert_eq!(ana.confirm(&ana.hold().await).await.status, 200);
    let answered = begun.elapsed();
    let answers = flood.await.unwrap();
    let of = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(of(403) + of(503), 150);
    assert!(of(503) > 0, "more than wait for a turn are told to come back");
    println!("{} checked, {} told to come back, a purchase in {answered:?}", of(403), of(503));

    // With limits on, one name is held back wherever the guesses come from, and so is one address.
    let shop = Shop::at(Place::fresh().await, true).await;
    shop.add_operator("ana", "viewer").await;
    let mut refused = None;
    for _ in 0..60 {
        let answer = shop.try_log_in("ana", "a guess").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("guesses are held back");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn the_command_line_makes_the_first_owner_and_resets_a_lost_password() {
    let shop = Shop::open().await;
    let operator = async |args: &[&str], typed: &str| {
        let mut command = program(args);
        command.env("DATABASE_URL", &shop.place.database_url);
        command.stdin(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may end before it reads.
        drop(stdin.write_all(typed.as_bytes()).await);
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let add = ["operator", "add", "--name", "ana", "--role", "owner"];
    let (ok, said) = operator(&add, "short\n").await;
    assert!(!ok && said.contains("password must have 12"), "{said}");
    let (ok, said) = operator(&add, &format!("{PASSWORD}\n")).await;
    assert!(ok && said.contains("ana may log in as owner."), "{said}");
    let (ok, said) = operator(&add, &format!("{PASSWORD}\n")).await;
    assert!(!ok && said.contains("has this name"), "{said}");
    let cookie = shop.log_in("ana").await;
    assert_eq!(shop.page(&cookie, "/admin/operators").await.status, 200);
    let (ok, said) =
        operator(&["operator", "password", "--name", "ana"], "a later sentence\n").await;
    assert!(ok && !said.contains("a later sentence"), "{said}");
    assert_eq!(shop.try_log_in("ana", PASSWORD).await.status, 403);
    assert_eq!(shop.try_log_in("ana", "a later sentence").await.status, 303);
    let (ok, said) = operator(&["operator", "password", "--name", "ben"], PASSWORD).await;
    assert!(!ok && said.contains("no operator"), "{said}");
    // A password is no argument: every user of the machine could see it.
    let (ended, said) = run(program(&["operator", "add", "--help"])).await;
    assert!(ended.success() && !said.contains("--password"), "{said}");
}

/// An API key on the way of a purchase asks Postgres nothing more than a shopper's credential does.
#[tokio::test]
async fn a_known_key_is_not_looked_up_for_each_purchase() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({ "checkout": "shop" })).await;
    let hold = sale.join().await.hold().await;
    let key = key_of(&shop.make_key("till", "checkout").await);
    let fresh = key_of(&shop.make_key("fresh", "checkout").await);
    let path = format!("/api/v1/holds/{hold}");
    let see = |key: &str| Answer::of(shop.by_key(key, Method::GET, &path));
    assert_eq!(see(&key).await.status, 200);
    // From here on nobody can look a key up.
    let pool = shop.place.sql().await;
    let mut lock = pool.begin().await.unwrap();
    sqlx::query("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    for answer in all((0..100).map(|_| see(&key)).collect::<Vec<_>>()).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let confirm = shop.by_key(&key, Method::POST, &format!("{path}/confirm"));
    assert_eq!(Answer::of(confirm).await.body["state"], "confirmed");
    see(&fresh).await.is_problem(503, "unavailable");
    lock.rollback().await.unwrap();
    eventually("the other key is seen", async || see(&fresh).await.status == 200).await;
    pool.close().await;
}
