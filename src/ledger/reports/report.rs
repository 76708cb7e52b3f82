//! What a sale came to, counted from its rows, all at one moment; and what was shown to a few who waited.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgConnection;

use crate::ledger::{Ledger, LedgerError};
use crate::model::SaleId;

/// Longest statement of a report: it may read a million rows, and is asked for by hand.
const STATEMENT: &str = "SET LOCAL statement_timeout = '9s'";
/// Room to sort in, so that the waits of a million shoppers are not sorted on disk.
const SORT: &str = "SET LOCAL work_mem = '64MB'";
/// Points of the chart at the most.
const MOST_POINTS: f64 = 60.0;
/// Widths of a point in seconds: those that people read times by.
const WIDTHS: [i32; 12] = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 21_600, 86_400, 604_800];
/// Actions in a report; the audit has them all.
const MOST_ACTIONS: i64 = 500;

/// Seconds by percentile, of so many.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Percentiles {
    pub count: i64,
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Percentiles {
    fn new(count: i64, values: Option<Vec<f64>>) -> Option<Self> {
        let [p10, p50, p90, p99, max] = values?.try_into().ok()?;
        Some(Self { count, p10, p50, p90, p99, max })
    }
}

/// Tickets of a sale by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tickets {
    pub joined: i64,
    pub admitted: i64,
    pub waiting: i64,
    pub left: i64,
    pub removed: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Holds {
    pub active: i64,
    pub confirmed: i64,
    pub released: i64,
    pub expired: i64,
    /// Open at a time, on average from the first to the last, and at the most.
    pub average: f64,
    pub peak: i64,
}

/// What happened between `at` and the next point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    pub at: Timestamp,
    pub joined: i64,
    pub admitted: i64,
    pub bought: i64,
    pub returned: i64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub detail: Value,
}

/// How the shown waits came true, of those who were admitted later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ranges {
    pub shown: i64,
    pub within: i64,
    /// Admitted before the range began.
    pub sooner: i64,
    /// Admitted after it ended.
    pub later: i64,
}

/// Chances that were shown from `tenth` to the next one, and how many of them were offered a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chances {
    /// From 0, "under 10%", to 9, "90% and more".
    pub tenth: i32,
    pub shown: i64,
    /// The mean of what was shown.
    pub said: f64,
    pub offered: i64,
}

/// What became of those to whom something was shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CameTrue {
    pub samples: i64,
    /// Left or were removed: nobody knows what would have become of them.
    pub gone: i64,
    /// Still in line.
    pub undecided: i64,
    pub ranges: Ranges,
    pub chances: Vec<Chances>,
}

/// Everything of a report that must be counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    pub at: Timestamp,
    pub tickets: Tickets,
    /// From the join, or from the start for who joined before it, to the admission.
    pub waits: Option<Percentiles>,
    /// The same to the leaving, of those who left by themselves.
    pub waits_of_left: Option<Percentiles>,
    pub holds: Holds,
    /// How many units were held so many times.
    pub rounds: Vec<(i64, i64)>,
    pub buying: Option<Percentiles>,
    pub width_seconds: i32,
    pub points: Vec<Point>,
    pub actions: Vec<Action>,
    pub came_true: CameTrue,
}

/// What one place of a line was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    pub place: i16,
    pub seq: i64,
    pub position: i64,
    pub eta: Option<(i64, i64)>,
    pub chance: Option<f64>,
}

impl Ledger {
    /// Writes down what was shown now, unless another gateway has for this moment.
    pub async fn note_shown(&self, sale: SaleId, shown: &[Shown]) -> Result<(), LedgerError> {
        let column = |of: fn(&Shown) -> i64| shown.iter().map(of).collect::<Vec<_>>();
        let places: Vec<i16> = shown.iter().map(|one| one.place).collect();
        let etas = |of: fn((i64, i64)) -> i64| shown.iter().map(|one| one.eta.map(of)).collect();
        let (low, high): (Vec<Option<i64>>, Vec<Option<i64>>) =
            (etas(|eta| eta.0), etas(|eta| eta.1));
        let chances: Vec<Option<f64>> = shown.iter().map(|one| one.chance).collect();
        sqlx::query!(
            "INSERT INTO shown (sale_id, slot, place, seq, position, eta_low, eta_high, chance)
             SELECT $1, floor(extract(epoch FROM now()) / 10)::bigint, s.*
             FROM UNNEST($2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                         $7::double precision[]) AS s
             ON CONFLICT DO NOTHING",
            sale.0,
            &places,
            &column(|one| one.seq),
            &column(|one| one.position),
            &low as &[Option<i64>],
            &high as &[Option<i64>],
            &chances as &[Option<f64>],
        )
        .execute(&self.reads)
        .await?;
        Ok(())
    }

    /// Counts a sale, every part of it at the same moment.
    pub async fn count_for_report(&self, sale: SaleId) -> Result<Counted, LedgerError> {
        let mut tx = self.audits.begin().await?;
        for set in ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", STATEMENT, SORT] {
            sqlx::query(set).execute(&mut *tx).await?;
        }
        let at = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *tx).await?;
        let Line { tickets, waits, waits_of_left, joined } = line(&mut tx, sale).await?;
        let (holds, buying) = holds(&mut tx, sale).await?;
        let rounds = rounds(&mut tx, sale).await?;
        let (width_seconds, points) = points(&mut tx, sale, joined).await?;
        let actions = actions(&mut tx, sale).await?;
        let came_true = came_true(&mut tx, sale).await?;
        tx.rollback().await?;
        Ok(Counted {
            at: at.to_jiff(),
            tickets,
            waits,
            waits_of_left,
            holds,
            rounds,
            buying,
            width_seconds,
            points,
            actions,
            came_true,
        })
    }
}

type Waits = Option<Percentiles>;

/// What the journal of the line says.
#[derive(Default)]
struct Line {
    tickets: Tickets,
    waits: Waits,
    waits_of_left: Waits,
    /// When the first and the last joined.
    joined: Option<(Timestamp, Timestamp)>,
}

async fn line(tx: &mut PgConnection, sale: SaleId) -> Result<Line, LedgerError> {
    let rows = sqlx::query!(
        r#"SELECT j.state AS "state!", count(*) AS "count!",
                  percentile_disc(ARRAY[0.1, 0.5, 0.9, 0.99, 1.0]) WITHIN GROUP (ORDER BY
                      greatest(date_part('epoch', j.ended_at - greatest(j.joined_at, s.opened_at)), 0))
                      FILTER (WHERE s.opened_at IS NOT NULL AND j.state <> 'waiting')
                      AS "waits: Vec<f64>",
                  min(j.joined_at) AS "first!", max(j.joined_at) AS "last!"
           FROM joins j JOIN sales s ON s.id = j.sale_id
           WHERE j.sale_id = $1 GROUP BY j.state"#,
        sale.0,
    )
    .fetch_all(tx)
    .await?;
    let mut line = Line::default();
    for row in rows {
        line.tickets.joined += row.count;
        let (first, last) = (row.first.to_jiff(), row.last.to_jiff());
        let before = line.joined.unwrap_or((first, last));
        line.joined = Some((before.0.min(first), before.1.max(last)));
        let percentiles = Percentiles::new(row.count, row.waits);
        match row.state.as_str() {
            "admitted" => (line.tickets.admitted, line.waits) = (row.count, percentiles),
            "left" => (line.tickets.left, line.waits_of_left) = (row.count, percentiles),
            "removed" => line.tickets.removed = row.count,
            "waiting" => line.tickets.waiting = row.count,
            _ => return Err(LedgerError::Impossible("a ticket's state")),
        }
    }
    Ok(line)
}

async fn holds(tx: &mut PgConnection, sale: SaleId) -> Result<(Holds, Waits), LedgerError> {
    let row = sqlx::query!(
        r#"WITH h AS (SELECT state, admitted_at, coalesce(ended_at, now()) AS until
                      FROM holds WHERE sale_id = $1),
           steps AS (SELECT sum(step) OVER (ORDER BY at, step ROWS UNBOUNDED PRECEDING) AS open
                     FROM (SELECT admitted_at AS at, 1 AS step FROM h
                           UNION ALL SELECT until, -1 FROM h) AS moves)
           SELECT count(*) FILTER (WHERE state = 'active') AS "active!",
                  count(*) FILTER (WHERE state = 'confirmed') AS "confirmed!",
                  count(*) FILTER (WHERE state = 'released') AS "released!",
                  count(*) FILTER (WHERE state = 'expired') AS "expired!",
                  coalesce(sum(date_part('epoch', until - admitted_at))
                      / nullif(date_part('epoch', max(until) - min(admitted_at)), 0), 0)
                      AS "average!",
                  coalesce((SELECT max(open) FROM steps), 0)::bigint AS "peak!",
                  percentile_disc(ARRAY[0.1, 0.5, 0.9, 0.99, 1.0]) WITHIN GROUP (ORDER BY
                      date_part('epoch', until - admitted_at))
                      FILTER (WHERE state = 'confirmed') AS "buying: Vec<f64>"
           FROM h"#,
        sale.0,
    )
    .fetch_one(tx)
    .await?;
    let holds = Holds {
        active: row.active,
        confirmed: row.confirmed,
        released: row.released,
        expired: row.expired,
        average: row.average,
        peak: row.peak,
    };
    Ok((holds, Percentiles::new(row.confirmed, row.buying)))
}

async fn rounds(tx: &mut PgConnection, sale: SaleId) -> Result<Vec<(i64, i64)>, LedgerError> {
    let rows = sqlx::query!(
        r#"SELECT times AS "times!", count(*) AS "units!"
           FROM (SELECT count(*) AS times FROM holds WHERE sale_id = $1 GROUP BY unit_no) AS u
           GROUP BY times ORDER BY times"#,
        sale.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.times, row.units)).collect())
}

/// `joined` is when the first and the last joined.
async fn points(
    tx: &mut PgConnection,
    sale: SaleId,
    joined: Option<(Timestamp, Timestamp)>,
) -> Result<(i32, Vec<Point>), LedgerError> {
    let Some((first, last_join)) = joined else { return Ok((WIDTHS[0], Vec::new())) };
    let last = sqlx::query_scalar!(
        r#"SELECT greatest(max(admitted_at), max(ended_at)) FROM holds WHERE sale_id = $1"#,
        sale.0,
    )
    .fetch_one(&mut *tx)
    .await?;
    let last = last.map_or(last_join, |last| last.to_jiff().max(last_join));
    let span = last.duration_since(first).as_secs_f64();
    let fits = |width: &&i32| span / f64::from(**width) < MOST_POINTS;
    let width = WIDTHS.iter().find(fits).copied().unwrap_or(WIDTHS[WIDTHS.len() - 1]);
    let rows = sqlx::query!(
        r#"WITH events AS (
               SELECT date_bin(make_interval(secs => $2), joined_at, $3) AS bin, 1 AS kind, count(*) AS n
               FROM joins WHERE sale_id = $1 GROUP BY 1
               UNION ALL
               SELECT date_bin(make_interval(secs => $2), admitted_at, $3), 2, count(*)
               FROM holds WHERE sale_id = $1 GROUP BY 1
               UNION ALL
               SELECT date_bin(make_interval(secs => $2), ended_at, $3),
                      CASE state WHEN 'confirmed' THEN 3 ELSE 4 END, count(*)
               FROM holds WHERE sale_id = $1 AND state <> 'active' GROUP BY 1, 2)
           SELECT bin AS "at!",
                  coalesce(sum(n) FILTER (WHERE kind = 1), 0)::bigint AS "joined!",
                  coalesce(sum(n) FILTER (WHERE kind = 2), 0)::bigint AS "admitted!",
                  coalesce(sum(n) FILTER (WHERE kind = 3), 0)::bigint AS "bought!",
                  coalesce(sum(n) FILTER (WHERE kind = 4), 0)::bigint AS "returned!"
           FROM events GROUP BY bin ORDER BY bin LIMIT 1000"#,
        sale.0,
        f64::from(width),
        jiff_sqlx::Timestamp::from(first) as jiff_sqlx::Timestamp,
    )
    .fetch_all(tx)
    .await?;
    let point = |at: Timestamp, joined, admitted, bought, returned| Point {
        at,
        joined,
        admitted,
        bought,
        returned,
    };
    let points = rows
        .into_iter()
        .map(|row| point(row.at.to_jiff(), row.joined, row.admitted, row.bought, row.returned));
    Ok((width, points.collect()))
}

/// What was done to the sale by hand or by the clock, oldest first; repairs are not.
async fn actions(tx: &mut PgConnection, sale: SaleId) -> Result<Vec<Action>, LedgerError> {
    let rows = sqlx::query!(
        "SELECT at, actor, action, detail FROM audit
         WHERE sale_id = $1 AND action <> 'repair' ORDER BY id LIMIT $2",
        sale.0,
        MOST_ACTIONS,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Action {
            at: row.at.to_jiff(),
            actor: row.actor,
            action: row.action,
            detail: row.detail,
        })
        .collect())
}

/// Whoever was shown something and still waits is out of luck once the sale is closed, or when it was told
/// that all is sold; before that nobody knows.
async fn came_true(tx: &mut PgConnection, sale: SaleId) -> Result<CameTrue, LedgerError> {
    let rows = sqlx::query!(
        r#"WITH met AS (
               SELECT w.chance, w.eta_low, w.eta_high,
                      j.state = 'admitted' AS offered, j.state IN ('left', 'removed') AS gone,
                      j.state = 'waiting' AND s.state <> 'closed'
                          AND j.seq > coalesce(s.sold_out_seq, 0) AS undecided,
                      date_part('epoch', j.ended_at - w.at) AS waited
               FROM shown w
               JOIN sales s ON s.id = w.sale_id
               JOIN joins j ON j.sale_id = w.sale_id AND j.seq = w.seq
               WHERE w.sale_id = $1)
           SELECT CASE WHEN chance IS NOT NULL THEN least(floor(chance * 10), 9)::int END AS tenth,
                  count(*) AS "samples!",
                  count(*) FILTER (WHERE gone) AS "gone!",
                  count(*) FILTER (WHERE undecided) AS "undecided!",
                  count(*) FILTER (WHERE NOT gone AND NOT undecided) AS "decided!",
                  coalesce(avg(chance) FILTER (WHERE NOT gone AND NOT undecided), 0) AS "said!",
                  count(*) FILTER (WHERE offered) AS "offered!",
                  count(*) FILTER (WHERE offered AND eta_low IS NOT NULL) AS "timed!",
                  count(*) FILTER (WHERE offered AND waited < eta_low) AS "sooner!",
                  count(*) FILTER (WHERE offered AND waited > eta_high) AS "later!"
           FROM met GROUP BY 1 ORDER BY 1 DESC NULLS LAST"#,
        sale.0,
    )
    .fetch_all(tx)
    .await?;
    let mut all = CameTrue::default();
    for row in rows {
        all.samples += row.samples;
        all.gone += row.gone;
        all.undecided += row.undecided;
        all.ranges.shown += row.timed;
        all.ranges.sooner += row.sooner;
        all.ranges.later += row.later;
        all.ranges.within += row.timed - row.sooner - row.later;
        if let Some(tenth) = row.tenth.filter(|_| row.decided > 0) {
            let (shown, said, offered) = (row.decided, row.said, row.offered);
            all.chances.push(Chances { tenth, shown, said, offered });
        }
    }
    Ok(all)
}
