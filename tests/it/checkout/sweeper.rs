//! The sweeper: the only thing that ends a hold because its time is up.

use std::collections::HashSet;
use std::time::Duration;

use ropeline::ledger::Swept;
use ropeline::model::{HoldState, Settings};

use crate::support::all;
use crate::support::book::Book;

fn units(swept: &Swept) -> Vec<i32> {
    match swept {
        Swept::Ended { units, .. } => units.iter().map(|(_, unit)| *unit).collect(),
        Swept::Elsewhere | Swept::Credited { .. } | Swept::ClockWentBack { .. } => {
            panic!("{swept:?}")
        }
    }
}

#[tokio::test]
async fn due_holds_are_ended_in_pages_each_once_however_many_sweep() {
    let book = Book::open(1_200).await;
    book.hold(1, &(1..=1_200).collect::<Vec<_>>()).await;
    book.make_due(1.0).await;
    let first = book.sweep().await;
    assert!(matches!(&first, Swept::Ended { units, more: true } if units.len() == 500), "a page");

    let sweepers = (0..6).map(|_| {
        let book = book.clone();
        async move {
            let mut ended = Vec::new();
            while book.count("SELECT count(*) FROM holds WHERE state = 'active'").await > 0 {
                match book.ledger.sweep().await.unwrap() {
                    Swept::Ended { units, .. } => ended.extend(units),
                    Swept::Elsewhere => tokio::task::yield_now().await,
                    swept @ (Swept::Credited { .. } | Swept::ClockWentBack { .. }) => {
                        panic!("{swept:?}")
                    }
                }
            }
            ended
        }
    });
    let rest = all(sweepers).await.concat();
    let all: Vec<i32> =
        units(&first).into_iter().chain(rest.iter().map(|(_, unit)| *unit)).collect();
    assert_eq!(all.len(), 1_200, "none twice");
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 1_200);
}

#[tokio::test]
async fn a_hold_that_is_being_settled_is_skipped_and_does_not_hold_up_the_others() {
    let book = Book::open(3).await;
    let holds = book.hold(1, &[1, 2, 3]).await;
    book.make_due(1.0).await;
    let mut settling = book.sql.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM holds WHERE id = $1 FOR UPDATE")
        .bind(holds[1].id.0)
        .execute(&mut *settling)
        .await
        .unwrap();
    let swept: HashSet<i32> = units(&book.sweep().await).into_iter().collect();
    assert_eq!(swept, HashSet::from([1, 3]));
    settling.rollback().await.unwrap();
    assert_eq!(units(&book.sweep().await), [2]);
}

#[tokio::test]
async fn no_hold_ends_before_its_window_and_grace_are_over() {
    let grace = Settings { expiry_grace_seconds: 60, ..Settings::default() };
    let book = Book::with(1, grace).await;
    let hold = book.hold(1, &[1]).await.remove(0);
    let window = hold.expires_at.duration_since(hold.admitted_at);
    assert_eq!(window.as_secs(), 600, "ten minutes unless the sale says otherwise");
    assert_eq!(units(&book.sweep().await), [0; 0]);
    book.make_due(30.0).await;
    assert_eq!(units(&book.sweep().await), [0; 0], "its grace is not over");
    book.make_due(61.0).await;
    assert_eq!(units(&book.sweep().await), [1]);
    let ended = book.ledger.hold(hold.id).await.unwrap().unwrap();
    assert_eq!(ended.state, HoldState::Expired);
    assert!(ended.ended_at.unwrap() >= ended.expires_at);
}

#[tokio::test]
async fn a_gap_in_which_nobody_swept_is_credited_to_every_open_hold() {
    let book = Book::open(3).await;
    let holds = book.hold(1, &[1, 2, 3]).await;
    book.run(
        "ALTER TABLE holds DISABLE TRIGGER holds_guard;
         UPDATE holds SET admitted_at = clock_timestamp() - interval '1 hour',
                          expires_at = clock_timestamp() - interval '10 seconds' WHERE unit_no = 1;
         UPDATE holds SET admitted_at = clock_timestamp() - interval '40 seconds',
                          expires_at = clock_timestamp() + interval '20 seconds' WHERE unit_no = 2;
         UPDATE holds SET state = 'released', ended_at = clock_timestamp() WHERE unit_no = 3;
         ALTER TABLE holds ENABLE TRIGGER holds_guard;
         UPDATE sweeper_heartbeat SET beat_at = clock_timestamp()",
    )
    .await;
    let before = book.holds().await;
    book.run("UPDATE sweeper_heartbeat SET beat_at = clock_timestamp() - interval '100 seconds'")
        .await;
    let Swept::Credited { holds: credited, gap } = book.ledger.sweep().await.unwrap() else {
        panic!("an outage is not credited");
    };
    assert_eq!(credited, 2, "those that are open");
    assert!((100..130).contains(&gap.as_secs()), "{gap:?}");
    let after = book.holds().await;
    let more = |at: usize| after[at].expires_at.duration_since(before[at].expires_at).as_secs();
    assert!((100..130).contains(&more(0)), "all of the gap: {}", more(0));
    assert!((40..70).contains(&more(1)), "as much of the gap as it was there: {}", more(1));
    assert_eq!(more(2), 0, "it had ended");
    assert_eq!(units(&book.ledger.sweep().await.unwrap()), [0; 0], "nobody lost a cart to the gap");
    assert_eq!(holds.len(), 3);
}

#[tokio::test]
async fn a_clock_that_went_back_ends_nothing_and_is_followed_from_there() {
    let book = Book::open(1).await;
    book.hold(1, &[1]).await;
    book.make_due(1.0).await;
    book.run("UPDATE sweeper_heartbeat SET beat_at = clock_timestamp() + interval '1 hour'").await;
    let Swept::ClockWentBack { by } = book.ledger.sweep().await.unwrap() else {
        panic!("the jump was not seen");
    };
    assert!(by > Duration::from_secs(3_000) && by <= Duration::from_secs(3_600), "{by:?}");
    assert_eq!(units(&book.ledger.sweep().await.unwrap()), [1], "the next sweep goes on");
}
