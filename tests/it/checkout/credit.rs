//! An outage is credited to every open hold, exactly once and by changing one row.

use std::time::Duration;

use jiff::Timestamp;
use ropeline::ledger::Swept;
use ropeline::model::HoldState;
use sqlx::AssertSqlSafe;

use crate::support::all;
use crate::support::book::Book;

/// Open holds beyond what one statement of five seconds could rewrite.
const MANY: i32 = 200_000;

async fn outage(book: &Book, seconds: f64) {
    sqlx::query(
        "UPDATE sweeper_heartbeat SET beat_at = clock_timestamp() - make_interval(secs => $1)",
    )
    .bind(seconds)
    .execute(&book.sql)
    .await
    .unwrap();
}

async fn number(book: &Book, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&book.sql).await.unwrap()
}

/// Open holds that were admitted an hour ago and run out in an hour.
async fn many(book: &Book, holds: i32) {
    let story = format!(
        "INSERT INTO batches (sale_id, epoch, n) VALUES ('{0}', 1, 1);
         INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
         SELECT gen_random_uuid(), '{0}', n, gen_random_uuid(), n, 1, 1,
                now() - interval '1 hour', now() + interval '1 hour' FROM generate_series(1, {holds}) n",
        book.sale
    );
    sqlx::raw_sql(AssertSqlSafe(story)).execute(&book.sql).await.unwrap();
}

#[tokio::test]
async fn two_hundred_thousand_open_holds_are_credited_without_a_change_to_any() {
    let book = Book::open(MANY).await;
    many(&book, MANY).await;
    let some = "SELECT min(id::text)::uuid FROM holds";
    let id = ropeline::model::HoldId(sqlx::query_scalar(some).fetch_one(&book.sql).await.unwrap());
    outage(&book, 0.0).await;
    let before = book.ledger.hold(id).await.unwrap().unwrap().expires_at;
    let versions = "SELECT count(DISTINCT xmin::text) FROM holds";
    assert_eq!(number(&book, versions).await, 1);
    outage(&book, 90.0).await;
    let Swept::Credited { holds, gap } = book.ledger.sweep().await.unwrap() else {
        panic!("not credited")
    };
    assert_eq!(holds, i64::from(MANY));
    assert!((90..120).contains(&gap.as_secs()), "{gap:?}");
    assert_eq!(number(&book, versions).await, 1, "no hold was written");
    let after = book.ledger.hold(id).await.unwrap().unwrap().expires_at;
    assert_eq!(after.duration_since(before).as_micros(), i128::try_from(gap.as_micros()).unwrap());
}

#[tokio::test]
async fn an_outage_is_credited_once_however_many_sweep_while_confirms_go_on() {
    let book = Book::open(40).await;
    let holds = book.hold(1, &(1..=40).collect::<Vec<_>>()).await;
    book.run(
        "ALTER TABLE holds DISABLE TRIGGER USER;
         UPDATE holds SET admitted_at = admitted_at - interval '1 hour';
         ALTER TABLE holds ENABLE TRIGGER USER;
         UPDATE sweeper_heartbeat SET beat_at = clock_timestamp()",
    )
    .await;
    let before: Vec<Timestamp> = book.holds().await.iter().map(|hold| hold.expires_at).collect();
    outage(&book, 30.0).await;
    // One that dies before its commit has credited nothing.
    let mut dying = book.sql.begin().await.unwrap();
    sqlx::query("UPDATE sweeper_heartbeat SET beat_at = clock_timestamp(), outages_us = outages_us + 30000000")
        .execute(&mut *dying)
        .await
        .unwrap();
    assert_eq!(book.ledger.sweep().await.unwrap(), Swept::Elsewhere);
    dying.rollback().await.unwrap();

    let confirms = holds[..10].iter().map(|hold| {
        let (book, id) = (book.clone(), hold.id);
        async move {
            let mut tx = book.ledger.begin().await.unwrap();
            tx.confirm(id, None).await.unwrap();
            tx.commit().await.unwrap();
            Swept::Elsewhere
        }
    });
    let sweeps = (0..8).map(|_| {
        let book = book.clone();
        async move { book.ledger.sweep().await.unwrap() }
    });
    let (swept, _) = tokio::join!(all(sweeps), all(confirms));
    let credited = swept.iter().filter(|swept| matches!(swept, Swept::Credited { .. })).count();
    assert_eq!(credited, 1, "{swept:?}");
    for (hold, before) in book.holds().await.iter().zip(before) {
        let more = hold.expires_at.duration_since(before).as_secs();
        match hold.state {
            HoldState::Active => assert!((29..35).contains(&more), "{more}"),
            HoldState::Confirmed | HoldState::Released | HoldState::Expired => {
                assert!((0..35).contains(&more), "{more}");
            }
        }
    }
    // What ended before the next outage is not moved by it.
    let ended = async || {
        let holds = book.holds().await.into_iter();
        holds
            .filter(|hold| hold.state == HoldState::Confirmed)
            .map(|hold| hold.expires_at)
            .collect::<Vec<_>>()
    };
    let known = ended().await;
    outage(&book, 60.0).await;
    assert!(matches!(book.ledger.sweep().await.unwrap(), Swept::Credited { .. }));
    assert_eq!(ended().await, known);
}

/// A hold that is made while nobody sweeps gets the part of the outage that is left, early in it and late.
#[tokio::test]
async fn a_hold_made_during_an_outage_gets_its_part_and_is_told_so_at_once() {
    let book = Book::open(4).await;
    outage(&book, 2.0).await;
    let early = book.hold(1, &[1]).await.remove(0);
    // The same beat, seen eight seconds later.
    outage(&book, 10.0).await;
    book.run(
        "ALTER TABLE holds DISABLE TRIGGER USER;
         UPDATE holds SET admitted_at = admitted_at - interval '8 seconds',
                          expires_at = expires_at - interval '8 seconds', due_at = due_at - interval '8 seconds';
         ALTER TABLE holds ENABLE TRIGGER USER",
    )
    .await;
    let late = book.hold(2, &[2]).await.remove(0);
    let window = |hold: &ropeline::model::Hold| hold.expires_at.duration_since(hold.admitted_at);
    assert_eq!(window(&late).as_secs(), 600, "no more and no less than its window");
    let Swept::Credited { holds: 2, gap } = book.ledger.sweep().await.unwrap() else {
        panic!("not credited")
    };
    assert!(gap >= Duration::from_secs(10));
    let holds = book.holds().await;
    let of = |ticket| holds.iter().find(|hold| hold.ticket == ticket).unwrap();
    let seconds = "SELECT extract(epoch FROM clock_timestamp())::bigint";
    let now = Timestamp::from_second(number(&book, seconds).await).unwrap();
    for ticket in [early.ticket, late.ticket] {
        let hold = of(ticket);
        // The whole window is left, as if the hold had been made when the outage ended.
        let left = hold.expires_at.duration_since(now).as_secs_f64();
        assert!((595.0..602.0).contains(&left), "{left} of {:?}", window(hold));
    }
}

/// A batch has read how much was credited so far, and is not committed when an outage is credited: the credit waits for
/// it. Else its holds would get an outage that was over when they were made.
#[tokio::test]
async fn a_batch_that_is_under_way_while_an_outage_is_credited_gets_its_window_and_no_more() {
    let book = Book::open(1).await;
    outage(&book, 90.0).await;
    let waiters = book.join(1..2).await;
    let mut batch = book.ledger.share_line(book.sale).await.unwrap();
    let recorded = batch.record(1, 1, &waiters, &[1]).await.unwrap().unwrap();
    assert_eq!(recorded.admitted, 1);
    let ledger = book.ledger.clone();
    let crediting = tokio::spawn(async move { ledger.sweep().await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    batch.commit().await.unwrap();
    let swept = crediting.await.unwrap().unwrap();
    assert!(matches!(swept, Swept::Credited { holds: 1, .. }), "{swept:?}");
    let hold = book.holds().await.remove(0);
    let left = hold.expires_at.duration_since(hold.admitted_at).as_secs();
    assert!((600..605).contains(&left), "{left} s of a window of 600 s");
}

#[tokio::test]
async fn no_hold_ends_before_its_credit_is_over_by_any_hand() {
    let book = Book::open(1).await;
    let hold = book.hold(1, &[1]).await.remove(0);
    book.make_due(1.0).await;
    outage(&book, 20.0).await;
    assert!(matches!(book.ledger.sweep().await.unwrap(), Swept::Credited { .. }));
    assert!(matches!(book.sweep().await, Swept::Ended { units, .. } if units.is_empty()));
    // Not even by a gateway of the version before, which goes by the column alone.
    let done = sqlx::query(
        "UPDATE holds SET state = 'expired', ended_at = clock_timestamp() WHERE expires_at <= clock_timestamp()",
    )
    .execute(&book.sql)
    .await;
    let Err(sqlx::Error::Database(error)) = done else { panic!("{done:?}") };
    assert_eq!(error.constraint(), Some("holds_expired_when_due"));
    // Its own way of crediting moves the end as much.
    let before = book.ledger.hold(hold.id).await.unwrap().unwrap().expires_at;
    book.run("UPDATE holds SET expires_at = expires_at + interval '7 seconds'").await;
    let after = book.ledger.hold(hold.id).await.unwrap().unwrap().expires_at;
    assert_eq!(after.duration_since(before).as_secs(), 7);
}

#[tokio::test]
async fn a_sale_with_many_due_holds_does_not_keep_another_waiting() {
    let book = Book::open(2_000).await;
    many(&book, 2_000).await;
    book.run(
        "INSERT INTO sales (id, slug, name, state, stock, epoch, batch_size, admit_interval_ms,
             checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock, max_waiting)
         SELECT 'ffffffff-0000-7000-8000-000000000000', 'last', name, state, 5, 1, batch_size, admit_interval_ms,
             checkout_window_seconds, expiry_grace_seconds, checkout, hide_stock, max_waiting FROM sales;
         INSERT INTO batches (sale_id, epoch, n) VALUES ('ffffffff-0000-7000-8000-000000000000', 1, 1);
         INSERT INTO holds (id, sale_id, unit_no, ticket, seq, epoch, batch_n, admitted_at, expires_at)
         SELECT gen_random_uuid(), 'ffffffff-0000-7000-8000-000000000000', n, gen_random_uuid(), n, 1, 1,
                now() - interval '1 hour', now() FROM generate_series(1, 5) n;
         UPDATE holds SET expires_at = clock_timestamp() - interval '1 second'",
    )
    .await;
    let Swept::Ended { units, more } = book.sweep().await else { panic!("not swept") };
    assert!(more);
    assert_eq!(units.iter().filter(|(sale, _)| *sale != book.sale).count(), 5, "in the first page");
}
