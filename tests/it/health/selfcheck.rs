//! The self-check: each thing that may be wrong with how a process and its stores are set up, provoked on real
//! ones. What breaks a promise keeps a gateway from starting; everything says what to do.

use std::path::{Path, PathBuf};

use reqwest::Method;
use ropeline::dev::stores::{Data, Stores};
use ropeline::engine::Gate;
use ropeline::engine::health::selfcheck;
use ropeline::engine::health::selfcheck::{Standing, Weight};
use ropeline::ledger::Ledger;
use ropeline::model::Signer;
use ropeline::redis::{GRANT, Live};
use ropeline::web::server::limits::Rates;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::support::process::{Running, program, run, settings};
use crate::support::redis_state::key;
use crate::support::{ADMIN_KEY, Answer, Place, SECRET, Shop, all, eventually};

/// Stores that a test may spoil.
struct Own {
    stores: Stores,
    dir: PathBuf,
    place: Place,
}

impl Own {
    async fn start(name: &str) -> Self {
        let name = format!("selfcheck-{name}-{}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let stores = Stores::start(&dir, Data::Fresh).await.unwrap();
        let place = Place { redis_url: stores.redis_url(), database_url: stores.database_url() };
        Self { stores, dir, place }
    }

    async fn redis(&self, command: &str) -> redis::Value {
        redis(&self.place, command).await
    }

    /// One statement; settings of the whole server are read again.
    async fn sql(&self, statement: &str) {
        let pool = self.place.sql().await;
        for statement in [statement, "SELECT pg_reload_conf()"] {
            sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&pool).await.unwrap();
        }
        pool.close().await;
    }

    async fn stop(self) {
        self.stores.stop().await.unwrap();
        std::fs::remove_dir_all(self.dir).unwrap();
    }
}

async fn redis(place: &Place, command: &str) -> redis::Value {
    let mut words = command.split(' ');
    let mut call = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        call.arg(word);
    });
    call.query_async(&mut place.redis().await).await.unwrap()
}

fn gate_with(place: &Place, secret: &str) -> Gate {
    let live = Live::new(&place.redis_url).unwrap();
    let ledger = Ledger::new(&place.database_url).unwrap();
    Gate::new(live, ledger, Signer::new(secret.as_bytes()))
}

/// What a gateway that starts here finds, by name. Each finding says enough to act on.
async fn found(place: &Place) -> Vec<(&'static str, Weight)> {
    let gate = gate_with(place, SECRET);
    let standing = selfcheck::start(&gate).await.unwrap();
    gate.ledger.close().await;
    names(&standing)
}

fn names(standing: &Standing) -> Vec<(&'static str, Weight)> {
    standing.findings.iter().map(|finding| (finding.name, finding.weight)).collect()
}

#[tokio::test]
async fn a_redis_that_may_forget_the_line_is_refused_and_a_weak_one_is_warned_of() {
    let own = Own::start("redis").await;
    let place = own.place.clone();
    assert_eq!(found(&place).await, []);

    own.redis("CONFIG SET maxmemory-policy volatile-ttl").await;
    assert_eq!(found(&place).await, [("redis-eviction", Weight::Refuse)]);
    own.redis("CONFIG SET maxmemory-policy noeviction").await;

    own.redis("REPLICAOF 127.0.0.1 1").await;
    assert_eq!(found(&place).await, [("redis-replica", Weight::Refuse)]);
    own.redis("REPLICAOF NO ONE").await;

    own.redis("CONFIG SET maxmemory 1500kb").await;
    let nearly = found(&place).await;
    own.redis("CONFIG SET maxmemory 0").await;
    assert_eq!(nearly, [("redis-memory", Weight::Warn)]);

    own.redis("CONFIG SET appendonly no").await;
    assert_eq!(found(&place).await, [("redis-persistence", Weight::Warn)]);

    // Whoever asks to follow is a replica.
    let socket = place.redis_url.replace("unix://", "");
    let mut replica = UnixStream::connect(socket).await.unwrap();
    replica.write_all(b"SYNC\r\n").await.unwrap();
    eventually("it is attached", async || {
        found(&place).await
            == [("redis-persistence", Weight::Warn), ("redis-replicas", Weight::Warn)]
    })
    .await;
    own.redis("CONFIG SET min-replicas-to-write 1").await;
    let check = Live::new(&place.redis_url).unwrap().check().await.unwrap().unwrap();
    assert!(check.needs_replicas && check.replicas == 1, "{check:?}");
    own.redis("CONFIG SET min-replicas-to-write 0").await;
    drop(replica);
    eventually("it is gone", async || found(&place).await.len() == 1).await;

    // Its folder is taken away under it.
    std::fs::remove_dir_all(own.dir.join("redis")).unwrap();
    let redis = place.redis().await;
    eventually("the disk is told of", async || {
        // It may be saving for the replica yet.
        let _ = redis::cmd("BGSAVE").exec_async(&mut redis.clone()).await;
        found(&place).await == [("redis-persistence", Weight::Warn), ("redis-disk", Weight::Warn)]
    })
    .await;
    own.stop().await;
}

#[tokio::test]
async fn a_redis_user_without_a_right_is_refused_by_name_and_the_grant_that_is_told_is_enough() {
    let mut own = Own::start("rights").await;
    let as_ada = |own: &Own| Place {
        redis_url: format!("{}?user=ada&pass=pw", own.place.redis_url),
        ..own.place.clone()
    };
    let place = as_ada(&own);
    let refused = async || {
        let gate = gate_with(&place, SECRET);
        let standing = selfcheck::start(&gate).await.unwrap();
        assert_eq!(names(&standing), [("redis-rights", Weight::Refuse)]);
        let text = standing.findings[0].text.clone();
        assert!(text.contains(&format!("ACL SETUSER ada {GRANT}")), "{text}");
        text
    };
    own.redis(&format!("ACL SETUSER ada on >pw {GRANT}")).await;
    assert_eq!(found(&place).await, [], "as much as is told, and nothing more");
    for (right, name) in [
        ("zadd", "ZADD"),
        ("xrevrange", "XREVRANGE"),
        ("zremrangebyrank", "ZREMRANGEBYRANK"),
        ("time", "TIME"),
        ("info", "INFO"),
        ("multi", "MULTI"),
        ("exec", "EXEC"),
        ("expire", "EXPIRE"),
        ("evalsha", "EVALSHA"),
        ("script|load", "SCRIPT LOAD"),
    ] {
        own.redis(&format!("ACL SETUSER ada -{right}")).await;
        let text = refused().await;
        assert!(text.contains(&format!("may not run {name}")), "{right}: {text}");
        own.redis(&format!("ACL SETUSER ada +{right}")).await;
    }
    // The commands without the keys are nothing.
    own.redis("ACL SETUSER ada resetkeys ~elsewhere:*").await;
    assert!(refused().await.contains("ada"));
    own.redis("ACL SETUSER ada resetkeys").await;
    own.redis(&format!("ACL SETUSER ada {GRANT}")).await;

    // A whole sale, and its rebuild, with these rights alone.
    let shop = Shop::at(place.clone(), false).await;
    let sale = shop.open_sale(2, json!({})).await;
    let (ana, ben, eva) = (sale.join().await, sale.join().await, sale.join().await);
    assert_eq!(ana.confirm(&ana.hold().await).await.status, 200);
    own.stores.kill_redis().await.unwrap();
    own.stores.wipe_redis_data().await.unwrap();
    own.stores.start_redis().await.unwrap();
    // Its user is made late: the gateway was turned away by then, and must not take that for the last word.
    let nobody = redis::Value::Array(Vec::new());
    eventually("it is turned away", async || own.redis("ACL LOG").await != nobody).await;
    own.redis(&format!("ACL SETUSER ada on >pw {GRANT}")).await;
    eventually("it is rebuilt", async || {
        shop.ask(&sale.path("/reconciliation")).await.body["consistent"] == true
    })
    .await;
    assert_eq!(ben.release(&ben.hold().await).await.status, 200);
    assert_eq!(eva.confirm(&eva.hold().await).await.status, 200);
    sale.becomes("sold_out").await;
    sale.adds_up().await;
    sale.steer("close").await;
    shop.gateway.stop().await;
    own.stop().await;
}

#[tokio::test]
async fn a_postgres_that_may_lose_a_purchase_or_takes_no_writes_is_refused() {
    let mut own = Own::start("postgres").await;
    let place = own.place.clone();
    for (setting, name) in [
        ("full_page_writes", "postgres-full-page-writes"),
        ("synchronous_commit", "postgres-synchronous-commit"),
    ] {
        own.sql(&format!("ALTER SYSTEM SET {setting} = off")).await;
        eventually(&format!("{name} is found"), async || {
            found(&place).await == [(name, Weight::Refuse)]
        })
        .await;
        own.sql(&format!("ALTER SYSTEM RESET {setting}")).await;
    }
    eventually("all is well again", async || found(&place).await.is_empty()).await;

    own.sql("ALTER DATABASE ropeline SET default_transaction_read_only = on").await;
    assert_eq!(found_without_writing(&place).await, [("postgres-read-only", Weight::Refuse)]);
    let admin = Place {
        database_url: place.database_url.replace("/ropeline?", "/postgres?"),
        ..place.clone()
    };
    let reset = "ALTER DATABASE ropeline RESET default_transaction_read_only";
    sqlx::query(reset).execute(&admin.sql().await).await.unwrap();

    own.sql("ALTER DATABASE ropeline CONNECTION LIMIT 20").await;
    assert_eq!(found(&place).await, [("postgres-connections", Weight::Warn)]);
    own.sql("ALTER DATABASE ropeline CONNECTION LIMIT -1").await;

    // What a purchase survives is shown, whatever it is.
    let level = async |of: &Own| {
        let gate = gate_with(&of.place, SECRET);
        let standing = selfcheck::look(&gate).await.unwrap();
        gate.ledger.close().await;
        standing.durability.clone().unwrap()
    };
    assert!(!level(&own).await.survives_the_machine());
    own.sql("ALTER SYSTEM SET synchronous_standby_names = 'beside'").await;
    eventually("the standby is waited for", async || level(&own).await.survives_the_machine())
        .await;
    own.sql("ALTER SYSTEM RESET synchronous_standby_names").await;

    // The same data, as a standby has it.
    own.stores.kill_postgres().await.unwrap();
    std::fs::write(own.dir.join("postgres/standby.signal"), "").unwrap();
    own.stores.start_postgres().await.unwrap();
    assert_eq!(found_without_writing(&place).await, [("postgres-standby", Weight::Refuse)]);

    // Promoted it has another past, as after a restore; a person says when that was looked into.
    own.sql("SELECT pg_promote()").await;
    let restored = [("postgres-history", Weight::Warn)];
    eventually("it tells of its new timeline", async || found(&place).await == restored).await;
    assert_eq!(found(&place).await, restored, "until somebody has looked");
    own.sql("UPDATE deployment SET history = NULL").await;
    assert_eq!(found(&place).await, []);
    own.stop().await;
}

/// Refused before anything is written.
async fn found_without_writing(place: &Place) -> Vec<(&'static str, Weight)> {
    let gate = gate_with(place, SECRET);
    let standing = selfcheck::look(&gate).await.unwrap();
    gate.ledger.close().await;
    names(&standing)
}

#[tokio::test]
async fn the_program_refuses_with_every_fault_at_once_and_says_what_to_do() {
    let own = Own::start("refused").await;
    own.redis("CONFIG SET maxmemory-policy allkeys-lru").await;
    own.redis(&format!("ACL SETUSER ada on >pw {GRANT} -zadd -xadd")).await;
    own.sql("ALTER SYSTEM SET full_page_writes = off").await;
    let limited = "ALTER DATABASE ropeline SET synchronous_commit = off";
    own.sql(limited).await;
    Ledger::new(&own.place.database_url).unwrap().migrate().await.unwrap();
    own.sql(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of a later version', true, '\\x00', 0)",
    )
    .await;
    let place = Place {
        redis_url: format!("{}?user=ada&pass=pw", own.place.redis_url),
        ..own.place.clone()
    };
    let refused = async || {
        let mut serve = program(&["serve"]);
        serve.envs(settings(&place));
        let (ended, said) = run(serve).await;
        assert!(!ended.success(), "{said}");
        assert!(said.contains("this gateway refuses to serve"), "{said}");
        said
    };
    let said = refused().await;
    for words in [
        "CONFIG SET maxmemory-policy noeviction",
        "may not run XADD, ZADD",
        "ACL SETUSER ada ~ropeline:*",
        "ALTER SYSTEM SET full_page_writes = on",
        "ALTER SYSTEM SET synchronous_commit = on",
        "migration 9999 of a later version",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let mut migrate = program(&["migrate"]);
    migrate.env("DATABASE_URL", &place.database_url);
    let (ended, said) = run(migrate).await;
    assert!(!ended.success() && said.contains("run the later version"), "{said}");

    // One that was changed afterwards is as strange as one that is not known.
    own.sql("DELETE FROM _sqlx_migrations WHERE version = 9999").await;
    own.sql("UPDATE _sqlx_migrations SET checksum = '\\x00' WHERE version = 3").await;
    let said = refused().await;
    assert!(said.contains("migration 3 of the database is not the one"), "{said}");
    own.stop().await;
}

#[tokio::test]
async fn a_role_that_may_not_change_the_schema_is_told_who_can() {
    let own = Own::start("role").await;
    own.sql("CREATE ROLE clerk LOGIN").await;
    let place = Place {
        database_url: own.place.database_url.replace("user=postgres", "user=clerk"),
        ..own.place.clone()
    };
    let gate = gate_with(&place, SECRET);
    let standing = selfcheck::start(&gate).await.unwrap();
    assert_eq!(names(&standing), [("postgres-schema", Weight::Refuse)]);
    let text = &standing.findings[0].text;
    assert!(text.contains("ropeline migrate") && text.contains("GRANT CREATE"), "{text}");
    assert!(gate.missing().contains(&"migrations"));

    // Once the owner has done it, the role only needs to read and write.
    Ledger::new(&own.place.database_url).unwrap().migrate().await.unwrap();
    own.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk").await;
    let standing = selfcheck::start(&gate).await.unwrap();
    assert_eq!(names(&standing), []);
    let known: Option<String> = sqlx::query_scalar("SELECT history FROM deployment")
        .fetch_one(&own.place.sql().await)
        .await
        .unwrap();
    assert!(known.is_some(), "it may ask which Postgres this is");
    gate.ledger.close().await;
    own.stop().await;
}

#[tokio::test]
async fn a_gateway_with_another_secret_is_refused_until_the_old_one_is_given_up() {
    let place = Place::fresh().await;
    let other = "another secret of more than thirty-two bytes";
    let finds = async |secret: &str| {
        let gate = gate_with(&place, secret);
        let standing = selfcheck::start(&gate).await.unwrap();
        gate.ledger.close().await;
        standing.findings.iter().any(|finding| finding.name == "secret")
    };
    assert!(!finds(SECRET).await, "the first one counts");
    assert!(!finds(SECRET).await);
    assert!(finds(other).await);
    let mut serve = program(&["serve"]);
    serve.envs(settings(&place)).env("ROPELINE_SECRET", other);
    let (ended, said) = run(serve).await;
    assert!(!ended.success() && said.contains("give all of them the same"), "{said}");
    assert!(!said.contains(other), "{said}");

    // As the refusal says it.
    let (_, command) = said.split_once("gateways and run: ").unwrap();
    let command = AssertSqlSafe(command.lines().next().unwrap().to_owned());
    sqlx::query(command).execute(&place.sql().await).await.unwrap();
    assert!(!finds(other).await);
    assert!(finds(SECRET).await);
}

#[tokio::test]
async fn a_sale_that_a_later_version_keeps_in_redis_is_left_alone() {
    let shop = Shop::open().await;
    let sale = shop.open_sale(1, json!({})).await;
    let ana = sale.join().await;
    let hold = ana.hold().await;
    let ctl = key(sale.id.parse().unwrap(), "ctl");
    // The next layout writes its epochs in another way, so that every script of this one is fenced.
    redis(&shop.place, &format!("HSET {ctl} epoch 1@2")).await;
    eventually("joins are refused", async || sale.try_join().await.status == 503).await;
    let gate = gate_with(&shop.place, SECRET);
    assert!(
        names(&selfcheck::start(&gate).await.unwrap()).contains(&("redis-layout", Weight::Refuse))
    );
    let mut serve = program(&["serve"]);
    serve.envs(settings(&shop.place));
    let (ended, said) = run(serve).await;
    assert!(!ended.success() && said.contains(&sale.slug), "{said}");
    assert_eq!(ana.confirm(&hold).await.status, 200, "buying needs Postgres alone");

    let epoch: String =
        redis::from_redis_value(redis(&shop.place, &format!("HGET {ctl} epoch")).await).unwrap();
    assert_eq!(epoch, "1@2", "nobody rebuilt it");
    // The way back that the refusal tells of.
    let sale_id = &sale.id;
    for name in ["ctl", "queue", "tokens", "guard", "feed"] {
        redis(&shop.place, &format!("UNLINK ropeline:{{{sale_id}}}:{name}")).await;
    }
    sale.becomes("sold_out").await;
    eventually("it adds up", async || {
        shop.ask(&sale.path("/reconciliation")).await.body["consistent"] == true
    })
    .await;
}

#[tokio::test]
async fn a_redis_in_cluster_mode_is_refused() {
    let own = Own::start("cluster").await;
    let dir = own.dir.join("node");
    std::fs::create_dir_all(&dir).unwrap();
    let socket = dir.join("node.sock");
    // Free a moment ago, both of them.
    let free = async || tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (shoppers, nodes) = (free().await, free().await);
    let ports = [&shoppers, &nodes].map(|on| on.local_addr().unwrap().port().to_string());
    drop((shoppers, nodes));
    let mut node = tokio::process::Command::new("redis-server");
    node.args(["--port", &ports[0], "--cluster-port", &ports[1], "--bind", "127.0.0.1"]);
    node.args(["--cluster-enabled", "yes", "--appendonly", "yes", "--save", ""]);
    node.arg("--unixsocket").arg(&socket).arg("--dir").arg(&dir);
    let _node = node.stdout(std::process::Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let place = Place { redis_url: format!("unix://{}", socket.display()), ..own.place.clone() };
    let gate = gate_with(&place, SECRET);
    eventually("the node answers", async || gate.live.ping().await.is_ok()).await;
    assert_eq!(found(&place).await, [("redis-cluster", Weight::Refuse)]);
    gate.ledger.close().await;
    own.stop().await;
}

#[tokio::test]
async fn open_files_and_public_metrics_are_warned_of_and_the_limit_is_raised_where_it_may_be() {
    let place = Place::fresh().await;
    let serve = |limits: &str, listen: &str| {
        let mut command = tokio::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_ropeline");
        command.args(["-c", &format!("{limits}; exec {program} serve")]);
        command.env_clear().envs(settings(&place)).env("ROPELINE_LISTEN", listen);
        command
    };
    let hard = Running::start_as(serve("ulimit -Sn 600; ulimit -Hn 1200", "0.0.0.0:0")).await;
    hard.ready().await;
    let (ended, log) = hard.end("-TERM").await;
    assert!(ended.success());
    for words in ["may open 1200 files and needs 18064", "ROPELINE_MAX_CONNECTIONS=946"] {
        assert_eq!(log.matches(words).count(), 1, "told once: {log}");
    }
    assert!(log.contains("ROPELINE_OPS_LISTEN"), "{log}");

    let soft = Running::start_as(serve("ulimit -Sn 600", "127.0.0.1:0")).await;
    soft.ready().await;
    let (_, log) = soft.end("-TERM").await;
    assert!(!log.contains("process-files") && !log.contains("process-metrics"), "{log}");
}

#[tokio::test]
async fn a_store_that_changes_under_a_running_gateway_is_told_of_once_and_served_from() {
    let mut own = Own::start("changes").await;
    let running = Running::start(&settings(&own.place)).await;
    running.ready().await;
    let admin = async |path: &str| {
        let call = running.client.get(format!("{}{path}", running.base)).bearer_auth(ADMIN_KEY);
        Answer::of(call).await
    };
    let told = async || -> Vec<String> {
        let health = admin("/api/v1/admin/health").await;
        assert_eq!(health.status, 200, "{}", health.text);
        let findings = health.body["findings"].as_array().unwrap();
        findings.iter().map(|finding| finding["name"].as_str().unwrap().to_owned()).collect()
    };
    assert!(told().await.is_empty());
    let health = admin("/api/v1/admin/health").await.body;
    assert_eq!(health["durability"]["survives_the_machine"], false, "{health}");
    assert!(health["looked_at"].is_string(), "{health}");

    // The Redis after a failover is set up in another way; twice, to see that it is told once.
    own.redis("CONFIG SET maxmemory-policy allkeys-lru").await;
    for _ in 0..2 {
        away_and_back(&mut own, &running).await;
        eventually("it is found", async || told().await == ["redis-eviction"]).await;
    }
    assert_eq!(running.get("/readyz").await.status, 200, "it serves on");
    let metric = "ropeline_finding{finding=\"redis-eviction\",weight=\"refuse\"}";
    let metrics = running.get("/metrics").await.text;
    assert!(metrics.contains(&format!("{metric} 1")), "{metrics}");
    let login = running.client.post(format!("{}/admin/login", running.base));
    let login = login.header("content-type", "application/x-www-form-urlencoded");
    let login = login.body(serde_urlencoded::to_string([("api_key", ADMIN_KEY)]).unwrap());
    let session = Answer::of(login).await;
    let cookie = session.header("set-cookie").split(';').next().unwrap().to_owned();
    let page = running.client.get(format!("{}/admin", running.base)).header("cookie", &cookie);
    let page = Answer::of(page).await.text;
    assert!(page.contains("CONFIG SET maxmemory-policy noeviction"), "{page}");
    assert!(page.contains("on the disk of one machine"), "{page}");

    own.redis("CONFIG SET maxmemory-policy noeviction").await;
    away_and_back(&mut own, &running).await;
    eventually("it is mended", async || told().await.is_empty()).await;
    assert!(running.get("/metrics").await.text.contains(&format!("{metric} 0")));

    // And a Postgres that a failover left as a standby. It is looked at again when it was missed before.
    let is_missed = async || {
        eventually("it is missed", async || running.get("/readyz").await.status == 503).await;
    };
    own.stores.kill_postgres().await.unwrap();
    is_missed().await;
    let standby = own.dir.join("postgres/standby.signal");
    std::fs::write(&standby, "").unwrap();
    own.stores.start_postgres().await.unwrap();
    eventually("the standby is found", async || told().await == ["postgres-standby"]).await;
    own.stores.kill_postgres().await.unwrap();
    is_missed().await;
    std::fs::remove_file(standby).unwrap();
    own.stores.start_postgres().await.unwrap();
    eventually("the primary is back", async || told().await.is_empty()).await;
    running.ready().await;

    let (ended, log) = running.end("-TERM").await;
    assert!(ended.success());
    let told = |level: &str, words: &str| {
        let lines = log.lines().filter(|line| line.contains(words));
        lines.filter(|line| line.contains(&format!("\"level\":\"{level}\""))).count()
    };
    let eviction = "Redis may throw away the line";
    assert_eq!((told("ERROR", eviction), told("INFO", eviction)), (1, 1), "{log}");
    own.stop().await;
}

/// What the self-check of a gateway found, by name.
async fn findings(shop: &Shop) -> String {
    shop.ask("/health").await.body["findings"].to_string()
}

#[tokio::test]
async fn a_header_of_a_trusted_proxy_that_names_no_client_is_found() {
    let shop = Shop::with(Place::fresh().await, |config| {
        config.http.trusted_proxies = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
        config.http.rates = Some(Rates::default());
    })
    .await;
    for value in ["203.0.113.7:port", "unknown"] {
        for _ in 0..10 {
            let call = shop.request(Method::GET, "/healthz").header("x-forwarded-for", value);
            assert_eq!(Answer::of(call).await.status, 200);
        }
    }
    eventually("both are found", async || {
        let found = findings(&shop).await;
        found.contains("proxy-header") && found.contains("proxy-hides")
    })
    .await;
    let found = findings(&shop).await;
    assert!(found.contains("127.0.0.1") && found.contains("203.0.113.7:port"), "{found}");
    let metric = "ropeline_finding{finding=\"proxy-header\",weight=\"warn\"} 1";
    assert!(shop.get("/metrics").await.text.contains(metric));
}

#[tokio::test]
async fn one_address_with_most_of_the_calls_is_found_and_told_what_to_set() {
    let shop = Shop::at(Place::fresh().await, true).await;
    for _ in 0..11 {
        let calls = (0..100).map(|_| Answer::of(shop.request(Method::GET, "/healthz")));
        assert!(all(calls).await.iter().all(|answer| answer.status == 200));
    }
    eventually("it is found", async || findings(&shop).await.contains("proxy-one-address")).await;
    let found = findings(&shop).await;
    assert!(found.contains("127.0.0.1") && found.contains("ROPELINE_TRUSTED_PROXIES"), "{found}");
}

/// Redis does not answer for a while, and then does again.
async fn away_and_back(own: &mut Own, running: &Running) {
    own.stores.freeze_redis().await.unwrap();
    eventually("it is away", async || running.get("/readyz").await.status == 503).await;
    own.stores.thaw_redis().await.unwrap();
    running.ready().await;
}
