//! The ledger by itself: a sale in a database of its own, and no gateway that would interfere.

use ropeline::ledger::{Journaled, Ledger, Recorded, Swept, Writing};
use ropeline::model::{Hold, SaleId, SaleState, Seq, Settings, Ticket};
use sqlx::PgPool;

use crate::support::Place;

/// One open sale in epoch 1, with a checkout window of ten minutes and no grace.
#[derive(Clone)]
pub struct Book {
    pub ledger: Ledger,
    pub sql: PgPool,
    pub sale: SaleId,
    pub place: Place,
}

impl Book {
    pub async fn open(units: i32) -> Self {
        Self::with(units, Settings { expiry_grace_seconds: 0, ..Settings::default() }).await
    }

    pub async fn with(units: i32, settings: Settings) -> Self {
        let place = Place::fresh().await;
        let ledger = Ledger::new(&place.database_url).unwrap();
        let sale = SaleId::new();
        let settings =
            Settings { slug: "book".into(), name: "A sale in the books".into(), ..settings };
        let mut tx = ledger.begin_line().await.unwrap();
        tx.create_sale(sale, &settings).await.unwrap();
        assert_eq!(tx.raise_epoch(sale).await.unwrap(), 1);
        tx.seed(sale, units).await.unwrap();
        tx.set_state(sale, SaleState::Open).await.unwrap();
        tx.commit().await.unwrap();
        assert!(ledger.will_serve(sale, 1).await.unwrap());
        let sql = place.sql().await;
        // Nobody sweeps here, and that is no outage.
        sqlx::query("UPDATE sweeper_heartbeat SET beat_at = clock_timestamp()")
            .execute(&sql)
            .await
            .unwrap();
        Self { ledger, sql, sale, place }
    }

    /// Journals new tickets with these numbers.
    pub async fn join(&self, numbers: impl IntoIterator<Item = i64>) -> Vec<(Ticket, Seq)> {
        let joins: Vec<_> = numbers.into_iter().map(|n| (Ticket::new(), Seq(n))).collect();
        self.journal(&joins).await;
        joins
    }

    pub async fn journal(&self, joins: &[(Ticket, Seq)]) -> Journaled {
        let mut tx = self.ledger.share_line(self.sale).await.unwrap();
        let journaled = tx.journal(joins, Writing::Again).await.unwrap();
        tx.commit().await.unwrap();
        journaled
    }

    /// Records batch `n` as an admitter of this epoch does.
    pub async fn record_in(
        &self,
        epoch: i32,
        n: i64,
        waiters: &[(Ticket, Seq)],
        units: &[i32],
    ) -> Option<Recorded> {
        let mut tx = self.ledger.share_line(self.sale).await.unwrap();
        let recorded = tx.record(epoch, n, waiters, units).await.unwrap();
        tx.commit().await.unwrap();
        recorded
    }

    pub async fn record(&self, n: i64, waiters: &[(Ticket, Seq)], units: &[i32]) -> Recorded {
        self.record_in(1, n, waiters, units).await.expect("epoch 1 rules")
    }

    /// As many new holds as there are `units`, in batch `n`.
    pub async fn hold(&self, n: i64, units: &[i32]) -> Vec<Hold> {
        let first = n * 10_000;
        let waiters = self.join(first..first + units.len() as i64).await;
        let recorded = self.record(n, &waiters, units).await;
        assert_eq!(recorded.admitted, units.len() as u64, "{recorded:?}");
        let mut holds = self.holds().await;
        holds.retain(|hold| waiters.iter().any(|(ticket, _)| *ticket == hold.ticket));
        holds
    }

    /// All holds, in the order of their numbers.
    pub async fn holds(&self) -> Vec<Hold> {
        let mut holds = self.ledger.list_holds(self.sale, None, None, 10_000).await.unwrap();
        holds.sort_by_key(|hold| hold.seq);
        holds
    }

    /// Makes active holds run out so many seconds ago.
    pub async fn make_due(&self, seconds: f64) {
        self.run(
            "ALTER TABLE holds DISABLE TRIGGER holds_guard;
             UPDATE holds SET admitted_at = admitted_at - interval '1 day' WHERE state = 'active';
             ALTER TABLE holds ENABLE TRIGGER holds_guard",
        )
        .await;
        sqlx::query(
            "UPDATE holds SET expires_at = clock_timestamp() - make_interval(secs => $1)
             WHERE state = 'active'",
        )
        .bind(seconds)
        .execute(&self.sql)
        .await
        .unwrap();
    }

    /// Sweeps as if nobody had slept.
    pub async fn sweep(&self) -> Swept {
        self.run("UPDATE sweeper_heartbeat SET beat_at = clock_timestamp()").await;
        self.ledger.sweep().await.unwrap()
    }

    pub async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.sql).await.unwrap();
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.sql).await.unwrap()
    }
}
