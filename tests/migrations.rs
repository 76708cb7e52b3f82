//! Each migration, on an empty database and on one that is in use.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::path::Path;

use ropeline::dev::stores::{Data, Stores};
use ropeline::ledger::Ledger;
use sqlx::{AssertSqlSafe, PgPool};

/// Rows as they may stand once the migration of that number is done: what the next one has to bear.
const ROWS: &[(i64, &str)] = &[
    (
        1,
        "INSERT INTO sales (id, slug, name, state, stock, epoch, batch_size, admit_interval_ms,
                            checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock, max_waiting)
         VALUES ('11111111-1111-7111-8111-111111111111', 'in-use', 'In use', 'open', 3, 1, 100, 1000,
                 600, 5, 'builtin', false, 1000);
         INSERT INTO withdrawn_units (sale_id, unit_no)
         VALUES ('11111111-1111-7111-8111-111111111111', 3)",
    ),
    (
        2,
        "INSERT INTO joins (sale_id, ticket, seq, state, ended_at) VALUES
            ('11111111-1111-7111-8111-111111111111', gen_random_uuid(), 1, 'waiting', NULL),
            ('11111111-1111-7111-8111-111111111111',
             '22222222-2222-7222-8222-222222222222', 2, 'admitted', now())",
    ),
    (
        3,
        "INSERT INTO batches (sale_id, epoch, n) VALUES ('11111111-1111-7111-8111-111111111111', 1, 1);
         INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
         VALUES ('33333333-3333-7333-8333-333333333333', '11111111-1111-7111-8111-111111111111', 1,
                 '22222222-2222-7222-8222-222222222222', 2, 1, 1, now(), now() + interval '10 minutes')",
    ),
    (
        4,
        "INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, confirmed_at)
         VALUES ('33333333-3333-7333-8333-333333333333', gen_random_uuid(),
                 '11111111-1111-7111-8111-111111111111', 1,
                 '22222222-2222-7222-8222-222222222222', now());
         UPDATE holds SET state = 'confirmed', ended_at = now()",
    ),
    (5, "UPDATE deployment SET secret_print = '\\x01', history = '1/1'"),
    (
        6,
        "INSERT INTO joins (sale_id, ticket, seq)
         SELECT '11111111-1111-7111-8111-111111111111', gen_random_uuid(), n
         FROM generate_series(3, 5) AS n",
    ),
    (
        7,
        "INSERT INTO operators (id, name, role, password_hash, created_by)
         VALUES ('44444444-4444-7444-8444-444444444444', 'ana', 'owner', '$argon2id$', 'command line');
         INSERT INTO api_keys (id, name, role, digest, hint, created_by)
         VALUES (gen_random_uuid(), 'till', 'checkout', decode(repeat('ab', 32), 'hex'), 'rl_abc', 'ana');
         INSERT INTO sessions (digest, id, operator_id, agent, expires_at)
         VALUES (decode(repeat('cd', 32), 'hex'), gen_random_uuid(),
                 '44444444-4444-7444-8444-444444444444', '', now() + interval '1 hour');
         INSERT INTO account_audit (actor, action, subject) VALUES ('ana', 'key-add', 'till')",
    ),
    (8, "UPDATE sales SET brand = '{\"name\": \"A shop\", \"words\": {}}'"),
    (
        9,
        "INSERT INTO sale_history (sale_id, slot, waiting, available, held, sold, joined, admitted)
          VALUES ('11111111-1111-7111-8111-111111111111', 1, 4, 1, 0, 1, 5, 1);
          INSERT INTO gateways (id, name, version, sockets, admissions_per_second, missing)
          VALUES (gen_random_uuid(), 'one', '0.1.0', 3, 0.5, ARRAY['redis'])",
    ),
    (
        10,
        "INSERT INTO moves (sale_id, ticket, generation, link, link_until, taken_by, moved_at)
         VALUES ('11111111-1111-7111-8111-111111111111', '22222222-2222-7222-8222-222222222222', 1,
                 '\\x01', now(), '\\x02', now())",
    ),
    (
        11,
        "INSERT INTO shown (sale_id, slot, place, seq, position, chance)
         VALUES ('11111111-1111-7111-8111-111111111111', 1, 0, 1, 1, 0.5)",
    ),
    (
        12,
        "INSERT INTO doubtful_numbers (sale_id, epoch, first, last)
         VALUES ('11111111-1111-7111-8111-111111111111', 1, 4, 5)",
    ),
    (
        13,
        // A ticket that left while its number was another one's.
        "INSERT INTO joins (sale_id, ticket, seq, state, ended_at)
         VALUES ('11111111-1111-7111-8111-111111111111', gen_random_uuid(), -1, 'left', now())",
    ),
    (
        15,
        "INSERT INTO joins (sale_id, ticket, seq)
         VALUES ('11111111-1111-7111-8111-111111111111', gen_random_uuid(), 6)",
    ),
    (16, "UPDATE sweeper_heartbeat SET outages_us = 1000000"),
    (17, "UPDATE sales SET brand = '{\"name\": \"Another shop\", \"words\": {}}'"),
    (
        18,
        "UPDATE sales SET slug = 'renamed'; UPDATE sales SET slug = 'in-use'; UPDATE sales SET slug = 'again';
         UPDATE sales SET slug = 'in-use'",
    ),
    (
        19,
        "INSERT INTO sales (id, slug, name, state, stock, epoch, batch_size, admit_interval_ms,
                            checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock, max_waiting,
                            closes_at, closing_from)
         VALUES ('55555555-5555-7555-8555-555555555555', 'closing', 'Closing', 'paused', 0, 1, 100, 1000,
                 600, 5, 'builtin', false, 1000, now() + interval '1 minute', 'open')",
    ),
    (
        22,
        "INSERT INTO payment_references (sale_id, hold_id, reference, kind, by_shop, seen_by)
         VALUES ('11111111-1111-7111-8111-111111111111', '33333333-3333-7333-8333-333333333333', 'pay-2', 'ended',
                 true, 'till')",
    ),
];

/// One Postgres, with a database for each test that asks.
struct Cluster {
    stores: Stores,
    admin: PgPool,
}

impl Cluster {
    async fn start(name: &str) -> Self {
        let dir = format!("migrations-{name}-{}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(dir);
        let stores = Stores::start(&dir, Data::Fresh).await.unwrap();
        let admin = PgPool::connect(&stores.database_url()).await.unwrap();
        Self { stores, admin }
    }

    async fn database(&self, name: &str) -> String {
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&self.admin).await.unwrap();
        self.stores.database_url().replace("/ropeline?", &format!("/{name}?"))
    }

    async fn stop(self) {
        self.admin.close().await;
        self.stores.stop().await.unwrap();
    }
}

#[tokio::test]
async fn an_empty_database_is_migrated_once_however_many_gateways_start() {
    let cluster = Cluster::start("empty").await;
    let url = cluster.database("together").await;
    let gateways: Vec<Ledger> = (0..4).map(|_| Ledger::new(&url).unwrap()).collect();
    let started: Vec<_> = gateways
        .into_iter()
        .map(|ledger| {
            tokio::spawn(async move {
                ledger.migrate().await.unwrap();
                ledger.migrate().await.unwrap(); // Again, as after a restart.
                ledger.snapshot().await.unwrap();
                ledger.close().await;
            })
        })
        .collect();
    for gateway in started {
        gateway.await.unwrap();
    }
    let pool = PgPool::connect(&url).await.unwrap();
    let done: i64 = count(&pool, "SELECT count(*) FROM _sqlx_migrations WHERE success").await;
    assert_eq!(done as usize, sqlx::migrate!().iter().count());
    pool.close().await;
    cluster.stop().await;
}

#[tokio::test]
async fn each_migration_is_borne_by_a_database_in_use_and_loses_no_row() {
    let cluster = Cluster::start("in_use").await;
    let url = cluster.database("in_use").await;
    let pool = PgPool::connect(&url).await.unwrap();
    let migrator = sqlx::migrate!();
    let mut before: Vec<(String, i64)> = Vec::new();
    for migration in migrator.iter() {
        let version = migration.version;
        migrator.run_to(version, &pool).await.unwrap();
        for (table, rows) in &before {
            let now = count(&pool, &format!("SELECT count(*) FROM {table}")).await;
            assert_eq!(now, *rows, "{table} after {version} {}", migration.description);
        }
        let (_, rows) = ROWS
            .iter()
            .find(|(of, _)| *of == version)
            .unwrap_or_else(|| panic!("ROWS has none for migration {version}"));
        sqlx::raw_sql(AssertSqlSafe((*rows).to_owned())).execute(&pool).await.unwrap();
        before = tables(&pool).await;
    }
    assert!(before.iter().filter(|(_, rows)| *rows > 0).count() >= 6, "{before:?}");

    // What is there is what this gateway reads.
    let ledger = Ledger::new(&url).unwrap();
    ledger.migrate().await.unwrap();
    let sale = ledger.find_sale("in-use").await.unwrap().unwrap();
    let stock = ledger.sale_snapshot(sale.id).await.unwrap().unwrap().stock;
    assert_eq!((stock.seeded, stock.sold, stock.withdrawn, stock.available()), (3, 1, 1, 1));
    assert_eq!(ledger.all_free(sale.id).await.unwrap(), [2]);
    // The first count found the rows of the version before.
    let verified = ledger.verify(sale.id).await.unwrap();
    assert_eq!(verified.counters, verified.rows);
    assert_eq!((verified.rows.joined, verified.rows.waiting, verified.rows.orders), (7, 5, 1));
    ledger.close().await;
    pool.close().await;
    cluster.stop().await;
}

async fn count(pool: &PgPool, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(pool).await.unwrap()
}

/// Every table of ours, with its rows.
async fn tables(pool: &PgPool) -> Vec<(String, i64)> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables
         WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations' ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut tables = Vec::new();
    for name in names {
        let rows = count(pool, &format!("SELECT count(*) FROM {name}")).await;
        tables.push((name, rows));
    }
    tables
}
