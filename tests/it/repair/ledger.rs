//! Postgres decides: each transition of the ledger, with as many at it at once as there may be.

use std::collections::HashSet;

use ropeline::ledger::{Confirmed, Fate, Key, Stored, Swept, Writing};
use ropeline::model::{HoldState, SaleState, Seq, Settings, Ticket};
use serde_json::json;

use crate::support::book::Book;
use crate::support::{all, eventually};

/// Rounds of a race: enough that either side wins some.
const ROUNDS: i64 = 40;

#[tokio::test]
async fn a_batch_that_is_recorded_by_many_at_once_is_recorded_once() {
    let book = Book::open(300).await;
    for n in 1..=ROUNDS / 2 {
        let waiters = book.join(n * 10 + 1..=n * 10 + 5).await;
        let units: Vec<i32> = (0..5).map(|i| n as i32 * 5 + i).collect();
        let recorders = (0..6).map(|_| {
            let (book, waiters, units) = (book.clone(), waiters.clone(), units.clone());
            async move { book.record(n, &waiters, &units).await }
        });
        let recorded = all(recorders).await;
        assert_eq!(recorded.iter().map(|r| r.admitted).sum::<u64>(), 5);
        for answer in recorded {
            assert_eq!((answer.requeue, answer.spare), (vec![], vec![]), "all used, all were told");
        }
    }
    let holds = book.holds().await;
    let units: HashSet<i32> = holds.iter().map(|hold| hold.unit).collect();
    assert_eq!((holds.len(), units.len()), (ROUNDS as usize / 2 * 5, ROUNDS as usize / 2 * 5));
    assert_eq!(book.count("SELECT count(*) FROM batches").await, ROUNDS / 2);
}

#[tokio::test]
async fn a_batch_that_was_recorded_before_changes_nothing_even_if_it_could() {
    let book = Book::open(1).await;
    let waiters = book.join(1..=2).await;
    assert_eq!(book.record(1, &waiters, &[1]).await.requeue, [waiters[1].0]);
    let mut tx = book.ledger.begin().await.unwrap();
    tx.release(book.holds().await[0].id).await.unwrap();
    tx.commit().await.unwrap();
    // A second admitter comes late with the same batch, when its unit is free again.
    let late = book.record(1, &waiters, &[1]).await;
    assert_eq!((late.admitted, late.requeue, late.spare), (0, vec![waiters[1].0], vec![1]));
}

#[tokio::test]
async fn a_batch_is_paired_in_the_order_of_numbers_and_the_rest_goes_back() {
    let book = Book::open(10).await;
    let waiters = book.join([7, 3, 9, 1, 5]).await;
    let recorded = book.record(1, &waiters, &[8, 2, 6]).await;
    let paired: Vec<(i64, i32)> = book.holds().await.iter().map(|h| (h.seq.0, h.unit)).collect();
    assert_eq!(paired, [(1, 2), (3, 6), (5, 8)]);
    assert_eq!(recorded.requeue, [waiters[0].0, waiters[2].0], "7 and 9 still wait, in order");
    assert_eq!(recorded.spare, Vec::<i32>::new());
}

#[tokio::test]
async fn units_that_are_not_free_are_skipped_and_no_unit_counts_twice() {
    let book = Book::open(6).await;
    book.hold(1, &[1]).await;
    let sold = book.hold(2, &[2]).await.remove(0);
    confirm(&book, sold.id).await;
    book.run("INSERT INTO withdrawn_units (sale_id, unit_no) SELECT id, 3 FROM sales").await;

    let waiters = book.join(101..=108).await;
    let recorded = book.record(3, &waiters, &[1, 2, 3, 7, 0, -4, 5, 5, 5, 4]).await;
    assert_eq!(recorded.admitted, 2);
    let mut holds = book.holds().await;
    holds.retain(|hold| waiters.iter().any(|(ticket, _)| *ticket == hold.ticket));
    let new: Vec<(i64, i32)> = holds.iter().map(|hold| (hold.seq.0, hold.unit)).collect();
    assert_eq!(new, [(101, 4), (102, 5)]);
    assert_eq!(recorded.requeue.len(), 6);
    assert_eq!(recorded.spare, Vec::<i32>::new(), "no stale token goes back on the list");
}

#[tokio::test]
async fn a_ticket_is_admitted_once_and_its_second_unit_goes_to_the_next() {
    let book = Book::open(4).await;
    let waiters = book.join(1..=3).await;
    book.record(1, &waiters[..1], &[1]).await;
    let recorded = book.record(2, &waiters[..2], &[2, 3]).await;
    assert_eq!((recorded.admitted, recorded.spare), (1, vec![3]));
    let holds = book.holds().await;
    assert_eq!(holds.iter().map(|h| (h.seq.0, h.unit)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);

    // Not even after it gave its unit back.
    let mut tx = book.ledger.begin().await.unwrap();
    assert!(tx.release(holds[0].id).await.unwrap().unwrap().1);
    tx.commit().await.unwrap();
    let recorded = book.record(3, &waiters[..1], &[1]).await;
    assert_eq!((recorded.admitted, recorded.requeue, recorded.spare), (0, vec![], vec![1]));
}

#[tokio::test]
async fn a_join_that_was_not_journaled_yet_is_journaled_with_its_admission() {
    let book = Book::open(1).await;
    let stranger = (Ticket::new(), Seq(5));
    assert_eq!(book.record(1, &[stranger], &[1]).await.admitted, 1);
    let facts = book.ledger.ticket(book.sale, stranger.0).await.unwrap().unwrap();
    assert_eq!((facts.fate, facts.seq, facts.hold.unwrap().unit), (Fate::Admitted, Seq(5), 1));
}

#[tokio::test]
async fn nobody_is_admitted_to_a_sale_that_is_not_open_and_everything_goes_back() {
    for state in [SaleState::Scheduled, SaleState::Paused, SaleState::Closed] {
        let book = Book::open(2).await;
        let waiters = book.join(1..=2).await;
        let mut tx = book.ledger.begin_line().await.unwrap();
        tx.set_state(book.sale, state).await.unwrap();
        tx.commit().await.unwrap();
        let recorded = book.record(1, &waiters, &[1, 2]).await;
        assert_eq!((recorded.admitted, recorded.requeue.len()), (0, 2), "{state:?}");
        assert_eq!(recorded.spare, [1, 2]);
    }
}

#[tokio::test]
async fn a_ticket_that_was_told_sold_out_is_never_admitted() {
    let book = Book::open(1).await;
    let late = book.join(5..=5).await;
    let hold = book.hold(1, &[1]).await.remove(0); // number 10000
    confirm(&book, hold.id).await;
    let mut tx = book.ledger.begin_line().await.unwrap();
    assert!(tx.mark_sold_out(book.sale, Seq(10_000)).await.unwrap());
    tx.seed(book.sale, 1).await.unwrap();
    tx.commit().await.unwrap();
    // Redis may still have it in line: a batch in flight puts its waiters back after the line was cleared.
    let recorded = book.record(2, &late, &[2]).await;
    assert_eq!((recorded.admitted, recorded.spare), (0, vec![2]), "sold out was final for it");
    assert_eq!(recorded.requeue, Vec::<Ticket>::new(), "and it does not wait");
}

#[tokio::test]
async fn when_leaving_and_admission_meet_exactly_one_wins() {
    let book = Book::open(ROUNDS as i32).await;
    let mut admitted = 0;
    for n in 1..=ROUNDS {
        let waiters = book.join([n]).await;
        let (ticket, seq) = waiters[0];
        let leaving = {
            let book = book.clone();
            tokio::spawn(async move {
                let mut tx = book.ledger.share_line(book.sale).await.unwrap();
                let (fate, _) = tx.end_ticket(ticket, seq, false).await.unwrap();
                tx.commit().await.unwrap();
                fate
            })
        };
        let recorded = book.record(n, &waiters, &[n as i32]).await;
        let fate = leaving.await.unwrap();
        let facts = book.ledger.ticket(book.sale, ticket).await.unwrap().unwrap();
        assert_eq!(facts.fate, fate, "the leaver was told what is true");
        match fate {
            Fate::Left => assert_eq!((recorded.admitted, recorded.spare), (0, vec![n as i32])),
            Fate::Admitted => assert_eq!((recorded.admitted, facts.hold.is_some()), (1, true)),
            Fate::Waiting | Fate::Removed => panic!("{fate:?}"),
        }
        admitted += i64::from(fate == Fate::Admitted);
    }
    assert_eq!(book.count("SELECT count(*) FROM holds").await, admitted);
}

#[tokio::test]
async fn when_confirm_release_and_sweep_meet_exactly_one_wins_and_there_is_one_order_or_none() {
    let book = Book::open(ROUNDS as i32).await;
    let mut sold = 0;
    for n in 1..=ROUNDS {
        let id = book.hold(n, &[n as i32]).await.remove(0).id;
        book.make_due(1.0).await;
        let confirms = (0..3).map(|_| {
            let book = book.clone();
            tokio::spawn(async move { confirm(&book, id).await })
        });
        let confirms: Vec<_> = confirms.collect();
        let releasing = {
            let book = book.clone();
            tokio::spawn(async move {
                let mut tx = book.ledger.begin().await.unwrap();
                let released = tx.release(id).await.unwrap().unwrap();
                tx.commit().await.unwrap();
                released.1
            })
        };
        let swept = matches!(book.sweep().await, Swept::Ended { units, .. } if !units.is_empty());
        let released = releasing.await.unwrap();
        let mut confirmed = Vec::new();
        for confirm in confirms {
            confirmed.push(confirm.await.unwrap());
        }
        let won = confirmed.iter().filter(|c| matches!(c, Confirmed::Now(_))).count();
        assert_eq!(won + usize::from(released) + usize::from(swept), 1, "{confirmed:?}");
        let hold = book.ledger.hold(id).await.unwrap().unwrap();
        let wanted = match (won, released) {
            (1, _) => HoldState::Confirmed,
            (_, true) => HoldState::Released,
            (_, false) => HoldState::Expired,
        };
        assert_eq!((hold.state, hold.order.is_some()), (wanted, won == 1));
        let orders: HashSet<_> = confirmed
            .iter()
            .filter_map(|confirmed| match confirmed {
                Confirmed::Now(hold) | Confirmed::Before(hold) => hold.order.as_ref(),
                Confirmed::Unknown => panic!("the hold is there"),
            })
            .map(|order| order.id)
            .collect();
        assert_eq!(orders.len(), won, "every caller was told of the same order");
        sold += won as i64;
    }
    assert_eq!(book.count("SELECT count(*) FROM orders").await, sold);
}

#[tokio::test]
async fn a_key_is_one_requests_and_its_answer_stays() {
    let book = Book::open(1).await;
    let key = |caller: &str, route: &str, body: &str| Key {
        caller: caller.into(),
        route: route.into(),
        key: "one-key".into(),
        fingerprint: body.as_bytes().to_vec(),
    };
    let first = key("ana", "confirm", "body");
    let claims = (0..8).map(|_| {
        let (book, key) = (book.clone(), first.clone());
        async move {
            let mut tx = book.ledger.begin().await.unwrap();
            let claimed = tx.claim(&key).await.unwrap();
            if claimed == Stored::Nothing {
                tx.store(&key, 200, &json!({ "said": 1 })).await.unwrap();
                tx.commit().await.unwrap();
            }
            claimed
        }
    });
    let answer = Stored::Answer { status: 200, body: json!({ "said": 1 }) };
    let claimed = all(claims).await;
    assert_eq!(claimed.iter().filter(|claim| **claim == Stored::Nothing).count(), 1, "{claimed:?}");
    assert!(
        claimed
            .iter()
            .all(|claim| { [&Stored::Nothing, &Stored::InProgress, &answer].contains(&claim) })
    );

    eventually("those who came too early let go", async || {
        let mut tx = book.ledger.begin().await.unwrap();
        let claimed = tx.claim(&first).await.unwrap();
        tx.commit().await.unwrap();
        claimed == answer
    })
    .await;
    let mut tx = book.ledger.begin().await.unwrap();
    assert_eq!(tx.claim(&key("ana", "confirm", "other")).await.unwrap(), Stored::Reused);
    assert_eq!(tx.claim(&key("ben", "confirm", "body")).await.unwrap(), Stored::Nothing);
    assert_eq!(tx.claim(&key("ana", "release", "body")).await.unwrap(), Stored::Nothing);
}

#[tokio::test]
async fn a_transaction_that_fails_frees_its_key() {
    let book = Book::open(1).await;
    let key = Key { caller: "a".into(), route: "b".into(), key: "c".into(), fingerprint: vec![1] };
    let mut failing = book.ledger.begin().await.unwrap();
    assert_eq!(failing.claim(&key).await.unwrap(), Stored::Nothing);
    let mut meanwhile = book.ledger.begin().await.unwrap();
    assert_eq!(meanwhile.claim(&key).await.unwrap(), Stored::InProgress);
    drop(meanwhile);
    failing.store(&key, 200, &json!(1)).await.unwrap();
    drop(failing);
    eventually("the key is free", async || {
        let mut tx = book.ledger.begin().await.unwrap();
        tx.claim(&key).await.unwrap() == Stored::Nothing
    })
    .await;
}

#[tokio::test]
async fn a_sale_is_sold_out_when_every_unit_is_sold_and_whoever_was_told_so_stays_told() {
    let book = Book::open(3).await;
    let holds = book.hold(1, &[1, 2]).await;
    book.run("INSERT INTO withdrawn_units (sale_id, unit_no) SELECT id, 3 FROM sales").await;
    confirm(&book, holds[0].id).await;
    assert_eq!(mark(&book, 50).await, 0, "a unit is held: it may come back");
    confirm(&book, holds[1].id).await;
    assert_eq!(mark(&book, 50).await, 4, "safe to repeat");
    let first = book.ledger.find_sale("book").await.unwrap().unwrap().sold_out_at;
    assert_eq!(mark(&book, 40).await, 4);
    let sale = book.ledger.find_sale("book").await.unwrap().unwrap();
    assert_eq!((sale.sold_out_at, sale.sold_out_seq), (first, Some(Seq(50))), "nobody is untold");

    let mut tx = book.ledger.begin_line().await.unwrap();
    assert_eq!(tx.seed(book.sale, 1).await.unwrap(), 4);
    tx.commit().await.unwrap();
    let sale = book.ledger.find_sale("book").await.unwrap().unwrap();
    assert_eq!((sale.sold_out_at, sale.sold_out_seq), (None, Some(Seq(50))), "open for new joins");
    assert!(sale.was_told_sold_out(Seq(50)) && !sale.was_told_sold_out(Seq(51)));

    let nothing = Book::with(0, Settings::default()).await;
    assert_eq!(mark(&nothing, 1).await, 0, "a sale with nothing seeded is not sold out");
}

#[tokio::test]
async fn nothing_of_an_older_epoch_is_recorded_once_the_epoch_rose() {
    let book = Book::open(ROUNDS as i32).await;
    for n in 1..=ROUNDS / 2 {
        let epoch = n as i32;
        let waiters = book.join([n]).await;
        let raising = {
            let book = book.clone();
            tokio::spawn(async move {
                let mut tx = book.ledger.begin_line().await.unwrap();
                tx.exclude(book.sale).await.unwrap();
                tx.raise_epoch(book.sale).await.unwrap();
                tx.commit().await.unwrap();
                assert!(book.ledger.will_serve(book.sale, epoch + 1).await.unwrap());
                // What a rebuild reads now is all that the older epoch will ever have recorded.
                book.ledger.all_free(book.sale).await.unwrap().contains(&(epoch))
            })
        };
        let recorded = book.record_in(epoch, n, &waiters, &[epoch]).await;
        let free_at_rebuild = raising.await.unwrap();
        assert_eq!(recorded.is_none(), free_at_rebuild, "recorded before the rise, or not at all");
        assert_eq!(book.record_in(epoch, n + 1_000, &waiters, &[epoch]).await, None);
        let front = book.ledger.front(book.sale).await.unwrap().unwrap();
        assert_eq!((front.epoch, front.recorded_n), (epoch + 1, 0), "numbers begin anew");
    }
}

#[tokio::test]
async fn a_number_that_is_handed_out_twice_is_found_and_a_repeated_join_is_not() {
    let book = Book::open(1).await;
    let joins = book.join(1..=3).await;
    let (fresh, twice) = ((Ticket::new(), Seq(4)), (Ticket::new(), Seq(2)));
    let journaled = book.journal(&[fresh, twice]).await;
    assert_eq!((journaled.known, journaled.doubled), (vec![], vec![twice.0]));
    assert_eq!(book.count("SELECT count(*) FROM joins").await, 4, "the other one is in line");

    let again = [(joins[0].0, Seq(1)), (joins[1].0, Seq(9)), (Ticket::new(), Seq(10))];
    let journaled = book.journal(&again).await;
    assert_eq!(journaled.known, [(joins[1].0, Seq(2), Fate::Waiting)], "it keeps its number");
    assert_eq!(journaled.doubled, []);
}

#[tokio::test]
async fn a_ticket_that_ends_without_a_number_has_a_row_that_nothing_gives_a_place() {
    let book = Book::open(5).await;
    book.join([1]).await;
    let ticket = Ticket::new();
    for changed in [true, false] {
        let mut tx = book.ledger.share_line(book.sale).await.unwrap();
        let ended = tx.end_ticket(ticket, Seq(1), false).await.unwrap();
        assert_eq!(ended, (Fate::Left, changed));
        tx.commit().await.unwrap();
    }
    let journaled = book.journal(&[(ticket, Seq(2))]).await;
    let [(known, number, Fate::Left)] = journaled.known[..] else { panic!("{journaled:?}") };
    assert!(known == ticket && !number.is_in_line());
    assert_eq!(book.record(1, &[(ticket, Seq(3))], &[1]).await.admitted, 0);
    let page = book.ledger.waiting_page(book.sale, Seq(0), 10).await.unwrap();
    assert_eq!(page.len(), 1, "a rebuild loads the twin alone");
    let admit = "UPDATE joins SET state = 'admitted', ended_at = now() WHERE seq <= 0";
    let refused = sqlx::query(admit).execute(&book.sql).await.unwrap_err();
    let refused = refused.as_database_error().unwrap();
    assert_eq!(refused.constraint(), Some("joins_numberless_not_admitted"));
}

#[tokio::test]
async fn a_join_that_another_rule_refuses_is_one_refusal_and_no_doubled_number() {
    let book = Book::open(5).await;
    book.run("CREATE UNIQUE INDEX one_of_ten ON joins (sale_id, (seq % 10))").await;
    book.join([1, 2]).await;
    let (fine, refused, twice) =
        ((Ticket::new(), Seq(13)), (Ticket::new(), Seq(11)), (Ticket::new(), Seq(2)));
    let journaled = book.journal(&[refused, fine, twice]).await;
    assert_eq!((journaled.doubled, journaled.refused), (vec![twice.0], vec![refused.0]));
    assert_eq!(journaled.written, 1);
    assert_eq!(book.count("SELECT count(*) FROM joins").await, 3);
}

#[tokio::test]
async fn a_batch_reads_its_own_rows_however_long_the_line_is_and_however_many_hold() {
    const BATCHES: i32 = 30;
    let book = Book::open(BATCHES * 100).await;
    // As at the start of a sale: nobody has counted anything, and the planner believes in small tables.
    for table in ["joins", "holds"] {
        let off = format!("ALTER TABLE {table} SET (autovacuum_enabled = off)");
        sqlx::query(sqlx::AssertSqlSafe(off)).execute(&book.sql).await.unwrap();
    }
    let joins = book.join(1..=i64::from(BATCHES) * 100).await;
    for (n, waiters) in (1..).zip(joins.chunks(100)) {
        let units: Vec<i32> = ((n - 1) * 100 + 1..=n * 100).collect();
        assert_eq!(book.record(n.into(), waiters, &units).await.admitted, 100);
    }
    book.ledger.close().await; // A session tells what it read when it ends.
    let reads = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0)::bigint
                 FROM pg_stat_user_tables WHERE relname IN ('joins', 'holds')";
    eventually("every hold is counted", async || {
        let made = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'holds'";
        book.count(made).await == i64::from(BATCHES) * 100
    })
    .await;
    let each = book.count(reads).await / (i64::from(BATCHES) * 100);
    assert!(each < 20, "{each} rows were read for each hold");
}

#[tokio::test]
async fn joins_that_are_taken_for_new_and_are_not_fail_whole_and_say_which_rule() {
    let book = Book::open(1).await;
    let joins = book.join(1..=2).await;
    let write = async |group: [(Ticket, Seq); 2]| {
        let mut tx = book.ledger.share_line(book.sale).await.unwrap();
        let written = tx.journal(&group, Writing::New).await;
        (written.err().and_then(|error| error.constraint().map(str::to_owned)), tx)
    };
    let known = write([(Ticket::new(), Seq(3)), (joins[0].0, Seq(4))]).await;
    assert_eq!(known.0.as_deref(), Some("joins_pkey"));
    let doubled = write([(Ticket::new(), Seq(3)), (Ticket::new(), Seq(2))]).await;
    assert_eq!(doubled.0.as_deref(), Some("joins_seq_unique"));
    drop((known, doubled));
    assert_eq!(book.count("SELECT count(*) FROM joins").await, 2);
    let (refused, tx) = write([(Ticket::new(), Seq(3)), (Ticket::new(), Seq(4))]).await;
    assert_eq!(refused, None);
    tx.commit().await.unwrap();
    assert_eq!(book.count("SELECT count(*) FROM joins").await, 4);
}

#[tokio::test]
async fn a_join_names_a_sale_and_a_sale_that_was_joined_stays() {
    let book = Book::open(1).await;
    let broken = async |sql: &'static str| {
        let error = sqlx::query(sql).execute(&book.sql).await.unwrap_err();
        error.as_database_error().unwrap().constraint().unwrap().to_owned()
    };
    let of_none = "INSERT INTO joins (sale_id, ticket, seq)
                   SELECT gen_random_uuid(), gen_random_uuid(), n FROM generate_series(1, 3) AS n";
    assert_eq!(broken(of_none).await, "joins_guard");
    book.join(1..=2).await;
    assert_eq!(broken("DELETE FROM sales").await, "sales_kept");
}

#[tokio::test]
async fn the_same_joins_written_by_many_at_once_are_written_once() {
    let book = Book::open(1).await;
    let joins: Vec<_> = (1..=200).map(|n| (Ticket::new(), Seq(n))).collect();
    let writers = (0..6).map(|at| {
        let (book, mut joins) = (book.clone(), joins.clone());
        joins.rotate_left(at * 30);
        async move { book.journal(&joins).await }
    });
    for journaled in all(writers).await {
        assert_eq!((journaled.known, journaled.doubled), (vec![], vec![]));
    }
    assert_eq!(book.count("SELECT count(*) FROM joins").await, 200);
}

#[tokio::test]
async fn an_epoch_is_served_by_one_rebuild_and_one_that_failed_is_tried_again_under_it() {
    let book = Book::open(1).await;
    let raise = async || {
        let mut tx = book.ledger.begin_line().await.unwrap();
        tx.exclude(book.sale).await.unwrap();
        let epoch = tx.raise_epoch(book.sale).await.unwrap();
        tx.commit().await.unwrap();
        epoch
    };
    assert_eq!((raise().await, raise().await), (2, 2), "nobody served the first");
    let serving = (0..6).map(|_| {
        let book = book.clone();
        async move { book.ledger.will_serve(book.sale, 2).await.unwrap() }
    });
    assert_eq!(all(serving).await.into_iter().filter(|may| *may).count(), 1);
    assert_eq!(raise().await, 3);
    assert!(!book.ledger.will_serve(book.sale, 2).await.unwrap(), "it was overtaken");
}

async fn confirm(book: &Book, hold: ropeline::model::HoldId) -> Confirmed {
    let mut tx = book.ledger.begin().await.unwrap();
    let confirmed = tx.confirm(hold, Some("card-1")).await.unwrap();
    tx.commit().await.unwrap();
    confirmed
}

/// How many of four who try it at once find the sale sold out.
async fn mark(book: &Book, upto: i64) -> usize {
    let marks = (0..4).map(|_| {
        let book = book.clone();
        async move {
            let mut tx = book.ledger.begin_line().await.unwrap();
            let marked = tx.mark_sold_out(book.sale, Seq(upto)).await.unwrap();
            tx.commit().await.unwrap();
            marked
        }
    });
    all(marks).await.into_iter().filter(|marked| *marked).count()
}
