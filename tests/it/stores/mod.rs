//! The stores of `ropeline dev` and of these tests: started, killed, frozen, side by side.

pub(crate) mod run;

use std::path::{Path, PathBuf};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig};
use ropeline::dev::stores::{Data, Stores};
use sqlx::{Connection, PgConnection};
use tokio::time::timeout;

/// A frozen store never answers; one that is not frozen does so in a fraction of this.
const NO_ANSWER: Duration = Duration::from_millis(500);

/// A directory for one test.
fn directory(name: &str) -> PathBuf {
    let name = format!("stores-{name}-{}", std::process::id());
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

async fn redis(stores: &Stores) -> MultiplexedConnection {
    let client = redis::Client::open(stores.redis_url()).unwrap();
    // A frozen Redis is waited for.
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
}

async fn postgres(stores: &Stores) -> PgConnection {
    PgConnection::connect(&stores.database_url()).await.unwrap()
}

/// Leaves a word in both stores, on disk.
async fn write(stores: &Stores, word: &str) {
    let mut redis = redis(stores).await;
    // By default a kill may lose a second of it.
    let always = redis::cmd("CONFIG").arg(&["SET", "appendfsync", "always"]).to_owned();
    always.exec_async(&mut redis).await.unwrap();
    redis.set::<_, _, ()>("word", word).await.unwrap();
    let mut postgres = postgres(stores).await;
    sqlx::query("CREATE TABLE words AS SELECT $1::text AS word")
        .bind(word)
        .execute(&mut postgres)
        .await
        .unwrap();
}

async fn in_redis(stores: &Stores) -> Option<String> {
    redis(stores).await.get("word").await.unwrap()
}

async fn in_postgres(stores: &Stores) -> Option<String> {
    let mut postgres = postgres(stores).await;
    let made = sqlx::query_scalar::<_, bool>("SELECT to_regclass('words') IS NOT NULL")
        .fetch_one(&mut postgres)
        .await
        .unwrap();
    let words = sqlx::query_scalar("SELECT word FROM words");
    if made { words.fetch_optional(&mut postgres).await.unwrap() } else { None }
}

async fn in_both(stores: &Stores) -> (Option<String>, Option<String>) {
    (in_redis(stores).await, in_postgres(stores).await)
}

fn both(word: &str) -> (Option<String>, Option<String>) {
    (Some(word.to_owned()), Some(word.to_owned()))
}

#[tokio::test]
async fn a_killed_store_is_gone_and_comes_back_with_its_data_unless_that_is_wiped() {
    let dir = directory("kill");
    let mut stores = Stores::start(&dir, Data::Fresh).await.unwrap();
    write(&stores, "here").await;
    assert!(stores.start_redis().await.is_err(), "it runs already");
    assert!(stores.wipe_redis_data().await.is_err(), "it is using its data");

    stores.kill_redis().await.unwrap();
    let socket = stores.redis_url().replace("unix://", "");
    assert!(!Path::new(&socket).parent().unwrap().exists(), "its socket goes with it");
    assert_eq!(in_postgres(&stores).await.as_deref(), Some("here"), "the other one runs on");
    stores.start_redis().await.unwrap();
    assert_eq!(in_both(&stores).await, both("here"));

    let mut before = postgres(&stores).await;
    stores.kill_postgres().await.unwrap();
    assert!(before.ping().await.is_err());
    assert!(PgConnection::connect(&stores.database_url()).await.is_err());
    stores.start_postgres().await.unwrap();
    assert_eq!(in_both(&stores).await, both("here"));

    stores.kill_redis().await.unwrap();
    stores.wipe_redis_data().await.unwrap();
    stores.start_redis().await.unwrap();
    assert_eq!(in_redis(&stores).await, None);
    assert!(dir.join("postgres").exists());

    stores.stop().await.unwrap();
    assert!(!dir.join("redis").exists() && !dir.join("postgres").exists());
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_frozen_store_keeps_its_connections_and_answers_once_thawed() {
    let dir = directory("freeze");
    let mut stores = Stores::start(&dir, Data::Fresh).await.unwrap();
    let (mut redis, mut postgres) = (redis(&stores).await, postgres(&stores).await);

    stores.freeze_redis().await.unwrap();
    stores.freeze_postgres().await.unwrap();
    let mut redis_pings = tokio::spawn(async move { redis.ping::<String>().await });
    let mut postgres_pings = tokio::spawn(async move { postgres.ping().await });
    assert!(timeout(NO_ANSWER, &mut redis_pings).await.is_err(), "Redis answers");
    assert!(timeout(NO_ANSWER, &mut postgres_pings).await.is_err(), "Postgres answers");

    stores.thaw_redis().await.unwrap();
    stores.thaw_postgres().await.unwrap();
    redis_pings.await.unwrap().unwrap();
    postgres_pings.await.unwrap().unwrap();

    // Nor can it hold up the end.
    stores.freeze_redis().await.unwrap();
    stores.freeze_postgres().await.unwrap();
    stores.stop().await.unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn two_pairs_share_a_directory_and_each_keeps_to_itself() {
    let dir = directory("side");
    let (one, two) = tokio::join!(Stores::start(&dir, Data::Keep), Stores::start(&dir, Data::Keep));
    let (one, two) = (one.unwrap(), two.unwrap());
    write(&one, "one").await;
    write(&two, "two").await;
    assert_eq!(in_both(&one).await, both("one"));

    one.stop().await.unwrap();
    assert_eq!(in_both(&two).await, both("two"), "the other one runs on");

    // The first place is free again, with what was kept there.
    let again = Stores::start(&dir, Data::Keep).await.unwrap();
    assert_eq!(in_both(&again).await, both("one"));
    again.stop().await.unwrap();
    let fresh = Stores::start(&dir, Data::Fresh).await.unwrap();
    assert_eq!(in_both(&fresh).await, (None, None));

    fresh.stop().await.unwrap();
    two.stop().await.unwrap();
    std::fs::remove_dir_all(format!("{}-2", dir.display())).unwrap();
    std::fs::remove_dir_all(dir).unwrap();
}
