//! The program from outside: its command line, its configuration, its health, and what it says of itself.

use std::path::Path;

use reqwest::Method;
use ropeline::dev::stores::{Data, Stores};
use serde_json::json;
use sqlx::Row;

use crate::support::process::{Running, program, run, settings, shop_of};
use crate::support::sockets::Socket;
use crate::support::{ADMIN_KEY, Answer, Place, SECRET, Shopper, eventually};

/// Every setting of `serve`.
const SETTINGS: [&str; 16] = [
    "REDIS_URL",
    "REDIS_URL_FILE",
    "DATABASE_URL",
    "DATABASE_URL_FILE",
    "ROPELINE_LISTEN",
    "ROPELINE_PUBLIC_URL",
    "ROPELINE_SECRET",
    "ROPELINE_SECRET_FILE",
    "ROPELINE_ADMIN_KEY",
    "ROPELINE_ADMIN_KEY_FILE",
    "ROPELINE_TRUSTED_PROXIES",
    "ROPELINE_OPS_LISTEN",
    "ROPELINE_RATE_LIMITS",
    "ROPELINE_MAX_CONNECTIONS",
    "ROPELINE_LOG_FORMAT",
    "127.0.0.1:8080",
];

#[tokio::test]
async fn help_names_every_command_and_every_setting() {
    let (ended, help) = run(program(&["--help"])).await;
    assert!(ended.success());
    for command in ["serve", "migrate", "dev"] {
        assert!(help.contains(&format!("\n  {command} ")), "{command}: {help}");
    }
    let mut serve = program(&["serve", "--help"]);
    serve.env("ROPELINE_SECRET", SECRET).env("DATABASE_URL", "postgres://u:hunter2@host/db");
    let (ended, help) = run(serve).await;
    assert!(ended.success());
    for setting in SETTINGS {
        assert!(help.contains(setting), "{setting}: {help}");
    }
    assert!(!help.contains(SECRET) && !help.contains("hunter2"), "help shows no secret");
    let (ended, version) = run(program(&["--version"])).await;
    assert!(ended.success() && version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    assert!(!run(program(&["nonsense"])).await.0.success());
}

#[tokio::test]
async fn wrong_configuration_names_every_fault_at_once_and_does_not_start() {
    let mut wrong = program(&["serve"]);
    wrong.envs([
        ("REDIS_URL", "http://me:hunter2@host"),
        ("ROPELINE_SECRET", "too-short-a-secret"),
        ("ROPELINE_ADMIN_KEY_FILE", "/nowhere/key"),
        ("ROPELINE_TRUSTED_PROXIES", "10.0.0.0/8,nobody"),
        ("ROPELINE_PUBLIC_URL", "ftp://queue.example"),
    ]);
    let (ended, said) = run(wrong).await;
    assert!(!ended.success());
    for fault in [
        "REDIS_URL must begin with",
        "DATABASE_URL is not set",
        "ROPELINE_SECRET must have at least 32 bytes",
        "ROPELINE_ADMIN_KEY_FILE: /nowhere/key",
        "ROPELINE_TRUSTED_PROXIES: \"nobody\"",
        "ROPELINE_PUBLIC_URL",
    ] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("too-short-a-secret"), "{said}");
    for (name, value) in [
        ("ROPELINE_LISTEN", "nowhere"),
        ("ROPELINE_RATE_LIMITS", "maybe"),
        ("ROPELINE_LOG_FORMAT", "xml"),
        ("ROPELINE_MAX_CONNECTIONS", "0"),
    ] {
        let mut wrong = program(&["serve"]);
        wrong.env(name, value);
        let (ended, said) = run(wrong).await;
        assert!(!ended.success() && said.contains(value), "{name}: {said}");
    }
}

#[tokio::test]
async fn migrate_brings_an_empty_database_up_to_date_and_may_be_repeated() {
    let place = Place::fresh().await;
    sqlx::query("CREATE DATABASE empty TEMPLATE template0")
        .execute(&place.sql().await)
        .await
        .unwrap();
    let (before, after) = place.database_url.split_once("/test_").unwrap();
    let url = format!("{before}/empty?{}", after.split_once('?').unwrap().1);
    for _ in 0..2 {
        let mut migrate = program(&["migrate"]);
        migrate.env("DATABASE_URL", &url);
        let (ended, said) = run(migrate).await;
        assert!(ended.success(), "{said}");
    }
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    let row =
        sqlx::query("SELECT count(*) FROM sales, holds, orders").fetch_one(&pool).await.unwrap();
    assert_eq!(row.get::<i64, _>(0), 0);
    pool.close().await;
    let (ended, said) = run(program(&["migrate"])).await;
    assert!(!ended.success() && said.contains("DATABASE_URL is not set"), "{said}");
}

#[tokio::test]
async fn sigterm_ends_it_well_and_its_log_is_json_without_secrets() {
    let place = Place::fresh().await;
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("secrets-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // Every secret from a file, as an orchestrator mounts them.
    let mut from_files = Vec::new();
    for (name, value) in settings(&place) {
        let file = match name {
            "REDIS_URL" => "REDIS_URL_FILE",
            "DATABASE_URL" => "DATABASE_URL_FILE",
            "ROPELINE_SECRET" => "ROPELINE_SECRET_FILE",
            "ROPELINE_ADMIN_KEY" => "ROPELINE_ADMIN_KEY_FILE",
            other => {
                from_files.push((other, value));
                continue;
            }
        };
        let path = folder.join(name);
        std::fs::write(&path, value + "\n").unwrap();
        from_files.push((file, path.to_str().unwrap().to_owned()));
    }
    for signal in ["-TERM", "-INT"] {
        let running = Running::start(&from_files).await;
        running.ready().await;
        let shop = shop_of(&running, place.clone()).await;
        let sale = shop.open_sale(1, json!({})).await;
        let (ana, ben) = (sale.join().await, sale.join().await);
        assert_eq!(ana.confirm(&ana.hold().await).await.status, 200);
        ben.becomes("sold_out").await;
        let quiet = shop.sale_of_nothing(json!({})).await;
        let eva = quiet.join().await;
        let mut socket = Socket::open(&shop, &eva).await;
        let (ended, log) = tokio::join!(running.end(signal), async {
            assert_eq!(socket.read_to_end().await.1, Some(1001));
        })
        .0;
        assert!(ended.success(), "{signal}: {ended} {log}");
        for line in log.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
        }
        for secret in [SECRET, ADMIN_KEY, &ana.credential, &eva.credential, "card-1"] {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn it_lives_while_the_stores_are_away_and_is_ready_when_both_are_there() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("away-{}", std::process::id()));
    let mut stores = Stores::start(&dir, Data::Fresh).await.unwrap();
    let place = Place { redis_url: stores.redis_url(), database_url: stores.database_url() };
    stores.kill_redis().await.unwrap();
    stores.kill_postgres().await.unwrap();
    let running = Running::start(&settings(&place)).await;
    let lives = async || assert_eq!(running.get("/healthz").await.status, 200);
    let misses = async |what: &[&str]| {
        eventually(&format!("{what:?} are missing"), async || {
            running.get("/readyz").await.body["missing"] == json!(what)
        })
        .await;
        let missing = running.get("/readyz").await;
        missing.is_problem(503, "unavailable");
        for name in what {
            assert!(missing.body["detail"].as_str().unwrap().contains(name), "{}", missing.text);
        }
    };
    lives().await;
    misses(&["postgres", "redis", "migrations"]).await;
    running.get("/api/v1/sales/any").await.is_problem(503, "unavailable");
    stores.start_postgres().await.unwrap();
    stores.start_redis().await.unwrap();
    running.ready().await;
    stores.kill_redis().await.unwrap();
    misses(&["redis"]).await;
    lives().await;
    stores.start_redis().await.unwrap();
    running.ready().await;
    stores.kill_postgres().await.unwrap();
    misses(&["postgres"]).await;
    lives().await;
    stores.start_postgres().await.unwrap();
    running.ready().await;
    assert!(running.end("-TERM").await.0.success());

    // Stores that may lose a line or a purchase are not served from.
    let mut redis = place.redis().await;
    let evicts =
        redis::cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg("allkeys-lru").to_owned();
    evicts.exec_async(&mut redis).await.unwrap();
    let lazy = "ALTER DATABASE ropeline SET synchronous_commit = off";
    sqlx::query(lazy).execute(&place.sql().await).await.unwrap();
    let mut refused = program(&["serve"]);
    refused.envs(settings(&place));
    let (ended, said) = run(refused).await;
    assert!(!ended.success(), "{said}");
    for fault in ["maxmemory-policy", "synchronous_commit"] {
        assert!(said.contains(fault), "{fault}: {said}");
    }
    stores.stop().await.unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn behind_a_proxy_each_shopper_is_an_address_and_the_public_url_is_the_only_origin() {
    let place = Place::fresh().await;
    let mut set = settings(&place);
    set.retain(|(name, _)| *name != "ROPELINE_RATE_LIMITS");
    set.push(("ROPELINE_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8".into()));
    set.push(("ROPELINE_PUBLIC_URL", "https://queue.example".into()));
    let running = Running::start(&set).await;
    running.ready().await;
    let guess = async |from: &str| {
        let call = running.client.get(format!("{}/api/v1/admin/sales", running.base));
        Answer::of(call.bearer_auth("a guess").header("x-forwarded-for", from)).await
    };
    eventually("one address is held back", async || guess("192.0.2.1").await.status == 429).await;
    // What a shopper writes in front of the proxy's word does not count.
    eventually("and cannot lie about it", async || {
        guess("203.0.113.9, 192.0.2.1, 10.0.0.7").await.status == 429
    })
    .await;
    guess("192.0.2.2").await.is_problem(401, "not-authenticated");

    let shop = shop_of(&running, place).await;
    let sale = shop.open_sale(1, json!({})).await;
    let joined = sale.try_join().await;
    let cookie = joined.header("set-cookie").to_owned();
    assert!(
        cookie.starts_with("__Host-ropeline-ticket-") && cookie.contains("; Secure"),
        "{cookie}"
    );
    let ana = Shopper::new(&shop, &joined.body);
    let path = format!("/api/v1/holds/{}/confirm", ana.hold().await);
    let buy = async |origin: &str| {
        let call = shop.request(Method::POST, &path).header("origin", origin);
        Answer::of(call.header("cookie", cookie.split(';').next().unwrap())).await
    };
    for foreign in [shop.base.as_str(), "http://queue.example", "https://queue.example.evil"] {
        buy(foreign).await.is_problem(403, "origin-not-allowed");
    }
    assert_eq!(buy("https://queue.example").await.status, 200);
}
