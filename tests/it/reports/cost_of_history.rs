//! What a gateway does all the time costs the same after a long sale as after none. The tests count the rows that
//! Postgres read, and no time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use ropeline::engine::Gate;
use ropeline::engine::loops::tick;
use ropeline::engine::repair::audit::{Compared, Repairs, look};
use ropeline::ledger::{Ledger, Swept};
use ropeline::model::{SaleId, SaleState, Seq, Settings, Signer};
use ropeline::redis::Live;
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::book::Book;
use crate::support::{SECRET, all, eventually};

/// Rows and index entries that one gateway's work may read, however long a sale's history is.
const FEW: i64 = 60;

/// Joins, ended holds and open holds of a sale with a history. Ended a day ago, so that nobody is told of them now.
const HISTORY: &str = "
    UPDATE sales SET stock = 9000 WHERE id = $sale;
    INSERT INTO joins (sale_id, ticket, seq, state, ended_at)
    SELECT $sale, gen_random_uuid(), n, CASE WHEN n > 8000 THEN 'waiting' ELSE 'admitted' END,
           CASE WHEN n > 8000 THEN NULL ELSE now() END FROM generate_series(1, 12000) n;
    INSERT INTO batches (sale_id, epoch, n) VALUES ($sale, 1, 1) ON CONFLICT DO NOTHING;
    INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
    SELECT gen_random_uuid(), $sale, seq, ticket, seq, 1, 1, now() - interval '1 day', now() + interval '1 hour'
    FROM joins WHERE sale_id = $sale AND state = 'admitted';
    UPDATE holds SET state = 'released', ended_at = now() - interval '23 hours'
    WHERE sale_id = $sale AND unit_no <= 3000;
    UPDATE holds SET state = 'confirmed', ended_at = now() - interval '23 hours'
    WHERE sale_id = $sale AND unit_no BETWEEN 3001 AND 5000;
    INSERT INTO orders (hold_id, id, sale_id, unit_no, ticket, confirmed_at)
    SELECT id, gen_random_uuid(), sale_id, unit_no, ticket, ended_at FROM holds
    WHERE sale_id = $sale AND state = 'confirmed';
    INSERT INTO withdrawn_units (sale_id, unit_no) SELECT $sale, n FROM generate_series(8501, 9000) n";

async fn write_history(book: &Book) {
    let story = HISTORY.replace("$sale", &format!("'{}'", book.sale));
    sqlx::raw_sql(AssertSqlSafe(story)).execute(&book.sql).await.unwrap();
    // An index entry of a hold that ended is passed once more, by whoever comes first. That is not what is counted.
    sqlx::query("VACUUM ANALYZE").execute(&book.sql).await.unwrap();
}

/// Sales that were over long ago, each with a brand and a hold.
async fn write_past(book: &Book, sales: i32) {
    let story = format!(
        "INSERT INTO sales (id, slug, name, state, stock, epoch, batch_size, admit_interval_ms,
                            checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock, max_waiting, closed_at)
         SELECT gen_random_uuid(), 'past-' || n, 'Past', 'closed', 1, 1, 10, 1000, 600, 0, 'builtin', false, 1000,
                now() - interval '1 day' FROM generate_series(1, {sales}) n;
         ANALYZE sales"
    );
    sqlx::raw_sql(AssertSqlSafe(story)).execute(&book.sql).await.unwrap();
}

/// Rows and index entries read since the database was made, by sessions that have ended.
async fn rows_read(book: &Book) -> i64 {
    sqlx::query_scalar(
        "SELECT (SELECT coalesce(sum(seq_tup_read), 0) FROM pg_stat_user_tables)::bigint
              + (SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes)::bigint",
    )
    .fetch_one(&book.sql)
    .await
    .unwrap()
}

/// What this work reads. It has sessions of its own, for a session's numbers are whole when it has ended.
async fn reads(book: &Book, work: impl AsyncFn(&Ledger)) -> i64 {
    // Earlier statements of the tests' own sessions are counted before.
    let flush = "SELECT pg_stat_force_next_flush()";
    for _ in 0..8 {
        sqlx::query(flush).execute(&book.sql).await.unwrap();
    }
    book.ledger.close().await;
    ended(book).await;
    let before = rows_read(book).await;
    let ledger = Ledger::new(&book.place.database_url).unwrap();
    work(&ledger).await;
    ledger.close().await;
    ended(book).await;
    rows_read(book).await - before
}

async fn ended(book: &Book) {
    eventually("every gateway's session has ended", async || {
        book.count(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'ropeline'",
        )
        .await
            == 0
    })
    .await;
}

/// An empty sale and one with a history, in databases of their own.
async fn two(settings: Settings) -> (Book, Book) {
    let (empty, long) = (Book::with(10, settings.clone()).await, Book::with(10, settings).await);
    write_history(&long).await;
    (empty, long)
}

async fn costs_the_same(
    what: &str,
    empty: &Book,
    long: &Book,
    work: impl AsyncFn(&Ledger, SaleId),
) {
    let before = reads(empty, async |ledger| work(ledger, empty.sale).await).await;
    let after = reads(long, async |ledger| work(ledger, long.sale).await).await;
    assert!(
        after <= before + FEW,
        "{what}: {before} rows in an empty sale, {after} after a long one"
    );
}

#[tokio::test]
async fn a_tick_and_the_counts_read_no_history() {
    let (empty, long) = two(Settings::default()).await;
    write_past(&long, 300).await;
    costs_the_same("a tick", &empty, &long, async |ledger, _| {
        assert_eq!(ledger.snapshot().await.unwrap().sales.len(), 1);
    })
    .await;
    costs_the_same("the stats and the plan", &empty, &long, async |ledger, sale| {
        ledger.sale_snapshot(sale).await.unwrap().unwrap();
    })
    .await;
    costs_the_same("a list", &empty, &long, async |ledger, sale| {
        ledger.stocks(&[sale]).await.unwrap();
    })
    .await;
    let ledger = Ledger::new(&long.place.database_url).unwrap();
    let snapshot = ledger.sale_snapshot(long.sale).await.unwrap().unwrap();
    let (counts, stock) = (snapshot.counts, snapshot.stock);
    assert_eq!((counts.joined, counts.admitted, counts.waiting), (12_000, 8_000, 4_000));
    assert_eq!(
        (stock.held, stock.sold, snapshot.returned, stock.withdrawn),
        (3_000, 2_000, 3_000, 500)
    );
    assert_eq!(stock.available(), 9_000 - 3_000 - 2_000 - 500);
    assert_eq!((counts.orders, counts.sold_ms / counts.sold), (2_000, 3_600_000));
    let verified = ledger.verify(long.sale).await.unwrap();
    assert_eq!(verified.counters, verified.rows);
}

/// To plan this statement takes longer than to run it.
#[tokio::test]
async fn the_counts_of_a_sale_are_not_planned_anew_with_each_call() {
    let book = Book::open(10).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let checked = std::fs::read_dir(folder).unwrap().map(|file| {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let query: serde_json::Value = serde_json::from_str(&text).unwrap();
        query["query"].as_str().unwrap().to_owned()
    });
    let counts: Vec<String> = checked.filter(|query| query.contains("AS next_return_at")).collect();
    assert_eq!(counts.len(), 1, "the statement of `with_stock`");
    let mut session = book.sql.acquire().await.unwrap();
    let prepare = AssertSqlSafe(format!("PREPARE counts (uuid[]) AS {}", counts[0]));
    sqlx::raw_sql(prepare).execute(&mut *session).await.unwrap();
    for _ in 0..9 {
        let execute = AssertSqlSafe(format!("EXECUTE counts (ARRAY['{}'::uuid])", book.sale));
        sqlx::raw_sql(execute).execute(&mut *session).await.unwrap();
    }
    let planned: (i64, i64) = sqlx::query_as(
        "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE name = 'counts'",
    )
    .fetch_one(&mut *session)
    .await
    .unwrap();
    assert_eq!(
        planned,
        (5, 4),
        "five times with its values, as Postgres always does, and then once for all"
    );
}

#[tokio::test]
async fn an_admission_step_with_a_cap_reads_no_holds() {
    let capped = Settings { max_in_checkout: Some(5_000), ..Settings::default() };
    let (empty, long) = two(capped).await;
    costs_the_same("the front of the line", &empty, &long, async |ledger, sale| {
        ledger.front(sale).await.unwrap().unwrap();
    })
    .await;
    let ledger = Ledger::new(&long.place.database_url).unwrap();
    assert_eq!(ledger.front(long.sale).await.unwrap().unwrap().active, 3_000);
}

#[tokio::test]
async fn a_sweep_that_finds_nothing_reads_no_open_holds() {
    let (empty, long) = two(Settings::default()).await;
    for book in [&empty, &long] {
        book.run("UPDATE sweeper_heartbeat SET beat_at = clock_timestamp() + interval '1 second'")
            .await;
    }
    costs_the_same("a sweep", &empty, &long, async |ledger, _| {
        assert!(
            matches!(ledger.sweep().await.unwrap(), Swept::Ended { units, .. } if units.is_empty())
        );
    })
    .await;
}

#[tokio::test]
async fn a_brand_is_read_when_it_changed_and_not_with_each_tick() {
    let book = Book::open(1).await;
    let name =
        async || book.ledger.snapshot().await.unwrap().sales[0].sale.settings.brand.name.clone();
    assert_eq!(name().await, None);
    // Written without the trigger that counts versions, it is not noticed: nobody read it.
    book.run(
        "ALTER TABLE sales DISABLE TRIGGER USER;
         UPDATE sales SET brand = '{\"name\": \"unseen\"}'; ALTER TABLE sales ENABLE TRIGGER USER",
    )
    .await;
    assert_eq!(name().await, None);
    book.run("UPDATE sales SET brand = '{\"name\": \"seen\"}'").await;
    assert_eq!(name().await.as_deref(), Some("seen"));
}

#[tokio::test]
async fn a_withdrawal_of_few_units_does_not_look_at_ten_million() {
    let book = Book::open(10_000_000).await;
    // All of the top is sold but one unit, and one below is withdrawn.
    let story = "INSERT INTO batches (sale_id, epoch, n) VALUES ($sale, 1, 1);
        INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
        SELECT gen_random_uuid(), $sale, n, gen_random_uuid(), n, 1, 1, now(), now() + interval '1 hour'
        FROM generate_series(9997001, 10000000) n WHERE n <> 9999000;
        INSERT INTO withdrawn_units (sale_id, unit_no) VALUES ($sale, 9997000)";
    let story = story.replace("$sale", &format!("'{}'", book.sale));
    sqlx::raw_sql(AssertSqlSafe(story)).execute(&book.sql).await.unwrap();
    let mut tx = book.ledger.begin().await.unwrap();
    tx.exclude(book.sale).await.unwrap();
    let mut taken = tx.withdraw(book.sale, 4, &[]).await.unwrap();
    tx.commit().await.unwrap();
    taken.sort_unstable();
    assert_eq!(taken, [9_996_997, 9_996_998, 9_996_999, 9_999_000], "the highest that are free");
    let ledger = &book.ledger;
    let stock = ledger.sale_snapshot(book.sale).await.unwrap().unwrap().stock;
    assert_eq!((stock.withdrawn, stock.held), (5, 2_999));
}

/// The last free units of a sale that is nearly held lie anywhere.
#[tokio::test]
async fn a_withdrawal_finds_the_last_free_units_by_what_redis_offers() {
    let book = Book::open(60_000).await;
    let story = "INSERT INTO batches (sale_id, epoch, n) VALUES ($sale, 1, 1);
        INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
        SELECT gen_random_uuid(), $sale, n, gen_random_uuid(), n, 1, 1, now(), now() + interval '1 hour'
        FROM generate_series(1, 60000) n WHERE n NOT BETWEEN 3 AND 7";
    let story = story.replace("$sale", &format!("'{}'", book.sale));
    sqlx::raw_sql(AssertSqlSafe(story)).execute(&book.sql).await.unwrap();
    sqlx::query("VACUUM ANALYZE").execute(&book.sql).await.unwrap();
    let withdraw = async |ledger: &Ledger, count, offered: &[i32]| {
        let mut tx = ledger.begin().await.unwrap();
        tx.exclude(book.sale).await.unwrap();
        let mut taken = tx.withdraw(book.sale, count, offered).await.unwrap();
        tx.commit().await.unwrap();
        taken.sort_unstable();
        taken
    };
    let read = reads(&book, async |ledger| {
        // Redis may be behind: 2 is held, and 60,001 was never there.
        let taken = withdraw(ledger, 4, &[2, 3, 4, 5, 5, 6, 7, 60_001]).await;
        assert_eq!(taken, [4, 5, 6, 7], "the highest of those that are free");
    })
    .await;
    assert!(read < 5_000, "{read} rows for four units");
    let ledger = Ledger::new(&book.place.database_url).unwrap();
    assert_eq!(withdraw(&ledger, 1, &[4, 5]).await, [3], "found without an offer as well");
    let stock = ledger.sale_snapshot(book.sale).await.unwrap().unwrap().stock;
    assert_eq!((stock.withdrawn, stock.available()), (5, 0));
}

#[tokio::test]
async fn an_audit_reads_everything_now_and_then_and_the_front_of_the_line_in_between() {
    let book = Book::open(4_000).await;
    let story = "INSERT INTO joins (sale_id, ticket, seq, state, ended_at)
        SELECT $sale, gen_random_uuid(), n * 100, 'left', now() FROM generate_series(1, 3000) n;
        INSERT INTO joins (sale_id, ticket, seq) SELECT $sale, gen_random_uuid(), 400000 + n FROM generate_series(1, 50) n;
        INSERT INTO withdrawn_units (sale_id, unit_no) SELECT $sale, n FROM generate_series(1001, 4000) n";
    let story = story.replace("$sale", &format!("'{}'", book.sale));
    sqlx::raw_sql(AssertSqlSafe(story)).execute(&book.sql).await.unwrap();
    sqlx::query("VACUUM ANALYZE").execute(&book.sql).await.unwrap();
    let gate_of = async |ledger: &Ledger| {
        let live = Live::new(&book.place.redis_url).unwrap();
        let gate = Arc::new(Gate::new(live, ledger.clone(), Signer::new(SECRET.as_bytes())));
        eventually("the line is read", async || {
            tick::tick(&gate).await;
            gate.line(&book.sale.to_string()).is_some_and(|line| line.view().waiting() == 50)
        })
        .await;
        let line = gate.line(&book.sale.to_string()).unwrap();
        (gate, line)
    };
    gate_of(&book.ledger).await; // Redis is loaded now.
    let audits = async |count: usize| {
        reads(&book, async |ledger| {
            let (gate, line) = gate_of(ledger).await;
            let mut compared = Compared::default();
            for _ in 0..count {
                let done = look(&gate, &line, &mut compared).await.unwrap();
                assert_eq!(done, Repairs::default());
            }
        })
        .await
    };
    let first = audits(1).await;
    assert!(first > 6_000, "{first} rows: the whole sale");
    let later = audits(4).await - first;
    assert!(later < 3 * 50 + 10 * FEW, "{later} rows for three more");

    // What the counts and the front show is mended at once.
    let ledger = Ledger::new(&book.place.database_url).unwrap();
    let (gate, line) = gate_of(&ledger).await;
    let mut compared = Compared::default();
    look(&gate, &line, &mut compared).await.unwrap();
    let mut redis = book.place.redis().await;
    let key = |name: &str| format!("ropeline:{{{}}}:{name}", book.sale);
    let unit: String = redis::cmd("LPOP").arg(key("tokens")).query_async(&mut redis).await.unwrap();
    redis::cmd("SREM").arg(key("guard")).arg(&unit).exec_async(&mut redis).await.unwrap();
    let done = look(&gate, &line, &mut compared).await.unwrap();
    assert_eq!(done, Repairs { tokens_added: 1, ..Repairs::default() });
    redis::cmd("ZPOPMIN").arg(key("queue")).exec_async(&mut redis).await.unwrap();
    let done = look(&gate, &line, &mut compared).await.unwrap();
    assert_eq!(done, Repairs { waiters_restored: 1, ..Repairs::default() });
}

#[tokio::test]
async fn a_withdrawal_of_more_than_there_is_takes_what_there_is() {
    let book = Book::open(3_000).await;
    book.hold(1, &[2, 2_999]).await;
    let mut tx = book.ledger.begin().await.unwrap();
    let taken = tx.withdraw(book.sale, 3_000, &[]).await.unwrap();
    assert_eq!(taken.len(), 2_998);
    tx.commit().await.unwrap();
    let mut tx = book.ledger.begin().await.unwrap();
    assert_eq!(tx.withdraw(book.sale, 1, &[]).await.unwrap(), [0; 0]);
}

#[tokio::test]
async fn a_sale_is_sold_out_by_its_rows_and_not_by_its_counters_alone() {
    let book = Book::open(2).await;
    let hold = book.hold(1, &[1]).await.remove(0);
    let mark = async || {
        let mut tx = book.ledger.begin_line().await.unwrap();
        tx.exclude(book.sale).await.unwrap();
        let done = tx.mark_sold_out(book.sale, Seq(90_000)).await.unwrap();
        tx.commit().await.unwrap();
        done
    };
    let mut tx = book.ledger.begin().await.unwrap();
    tx.confirm(hold.id, None).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!mark().await, "a unit is free");
    book.run("SELECT add_counts(id, orders => 1) FROM sales").await;
    assert!(!mark().await, "the counter is wrong");
    book.run("SELECT recount_sale(id) FROM sales").await;
    let waiting = book.join(60_000..60_005).await;
    let late = book.hold(9, &[2]).await.remove(0);
    let mut tx = book.ledger.begin().await.unwrap();
    tx.confirm(late.id, None).await.unwrap();
    tx.commit().await.unwrap();
    assert!(mark().await);
    // Who was told so does not wait any more, and who joins later does.
    let counts = async || book.ledger.sale_snapshot(book.sale).await.unwrap().unwrap().counts;
    assert_eq!((counts().await.joined, counts().await.waiting), (7, 0));
    book.run("UPDATE sales SET stock = 3, sold_out_at = NULL").await;
    book.join([95_000]).await;
    let mut tx = book.ledger.share_line(book.sale).await.unwrap();
    tx.end_ticket(waiting[0].0, waiting[0].1, false).await.unwrap();
    tx.commit().await.unwrap();
    let verified = book.ledger.verify(book.sale).await.unwrap();
    assert_eq!(verified.counters, verified.rows);
    assert_eq!((counts().await.waiting, counts().await.left), (1, 1));
}

/// Everything that is counted, by many at once and in two sales, with transactions that end both ways.
#[tokio::test]
async fn counters_say_what_the_rows_say_whatever_runs_at_once() {
    let book = Book::open(400).await;
    let other = Book { sale: SaleId::new(), ..book.clone() };
    let mut tx = book.ledger.begin_line().await.unwrap();
    let settings = Settings { slug: "other".into(), name: "Other".into(), ..Settings::default() };
    tx.create_sale(other.sale, &settings).await.unwrap();
    tx.raise_epoch(other.sale).await.unwrap();
    tx.seed(other.sale, 400).await.unwrap();
    tx.set_state(other.sale, SaleState::Open).await.unwrap();
    tx.commit().await.unwrap();
    let changes = Arc::new(AtomicI64::new(0));
    let workers = (0..8_i64).map(|worker| {
        let book = if worker % 2 == 0 { book.clone() } else { other.clone() };
        let changes = changes.clone();
        async move {
            for round in 0..12_i64 {
                let n = 1 + worker * 100 + round;
                let units: Vec<i32> =
                    (0..3).map(|i| (worker / 2 * 36 + round * 3 + i + 1) as i32).collect();
                let joins = book.join(n * 1_000..n * 1_000 + 5).await;
                book.record(n, &joins[..3], &units).await;
                let mut tx = book.ledger.share_line(book.sale).await.unwrap();
                tx.end_ticket(joins[4].0, joins[4].1, true).await.unwrap();
                tx.commit().await.unwrap();
                let mut holds = book.holds().await;
                holds.retain(|hold| joins.iter().any(|(ticket, _)| *ticket == hold.ticket));
                let mut tx = book.ledger.begin().await.unwrap();
                tx.confirm(holds[0].id, None).await.unwrap();
                if round % 3 == 0 {
                    tx.rollback().await.unwrap()
                } else {
                    tx.commit().await.unwrap()
                }
                let mut tx = book.ledger.begin().await.unwrap();
                tx.release(holds[1].id).await.unwrap();
                tx.commit().await.unwrap();
                let snapshot = book.ledger.sale_snapshot(book.sale).await.unwrap().unwrap();
                assert!(snapshot.stock.available() >= 0, "{:?}", snapshot.stock);
                if worker == 0 {
                    let seen = i64::try_from(snapshot.changes()).unwrap();
                    assert!(seen >= changes.swap(seen, Ordering::Relaxed), "it only rises");
                }
            }
        }
    });
    all(workers).await;
    for book in [&book, &other] {
        let verified = book.ledger.verify(book.sale).await.unwrap();
        assert_eq!(verified.counters, verified.rows);
        assert_eq!((verified.rows.joined, verified.rows.admitted), (240, 144));
        assert_eq!((verified.mismatched, verified.beyond_stock), (0, 0));
    }
    let rows = book.count("SELECT count(*) FROM sale_counts").await;
    assert!((2..=40).contains(&rows), "{rows} rows: about one for each transaction at a time");
}

/// A counter is never waited for: a transaction that keeps one keeps nobody from confirming.
#[tokio::test]
async fn a_transaction_that_stays_open_keeps_nobody_from_a_counter() {
    let book = Book::open(3).await;
    let holds = book.hold(1, &[1, 2, 3]).await;
    let mut slow = book.ledger.begin().await.unwrap();
    slow.confirm(holds[0].id, None).await.unwrap();
    let mut quick = book.ledger.begin().await.unwrap();
    quick.confirm(holds[1].id, None).await.unwrap();
    quick.commit().await.unwrap();
    let sold = async || book.ledger.sale_snapshot(book.sale).await.unwrap().unwrap().stock.sold;
    assert_eq!(sold().await, 1);
    slow.commit().await.unwrap();
    assert_eq!(sold().await, 2);
}

#[tokio::test]
async fn a_confirm_writes_no_outbox_and_old_rows_are_forgotten_in_pages() {
    let book = Book::open(1).await;
    let hold = book.hold(1, &[1]).await.remove(0);
    let mut tx = book.ledger.begin().await.unwrap();
    tx.confirm(hold.id, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(outbox(&book.sql).await, 0);
    book.run(
        "INSERT INTO outbox (sale_id, topic, payload, created_at)
         SELECT id, 'order.confirmed', '{}', now() - interval '25 hours' FROM sales, generate_series(1, 4500);
         INSERT INTO outbox (sale_id, topic, payload) SELECT id, 'order.confirmed', '{}' FROM sales",
    )
    .await;
    let mut pages = Vec::new();
    loop {
        match book.ledger.forget_outbox().await.unwrap() {
            0 => break,
            page => pages.push(page),
        }
    }
    assert_eq!(pages, [2_000, 2_000, 500]);
    assert_eq!(outbox(&book.sql).await, 1, "what is younger than a day stays");
}

async fn outbox(sql: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(sql).await.unwrap()
}
