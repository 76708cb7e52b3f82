//! What must hold at the end of a case, whatever happened in it: what everybody was told agrees with what
//! Postgres has.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use sqlx::{PgPool, Row};

use super::book::{Pages, Told, Turn};

/// What the rows alone must be like: each query finds what breaks a rule.
const RULES: [(&str, &str); 8] = [
    (
        "S1: a unit has two owners",
        "SELECT unit_no::text FROM holds WHERE sale_id::text = $1 AND state IN ('active', 'confirmed')
         GROUP BY unit_no HAVING count(*) > 1",
    ),
    (
        "S1: a unit is sold that was not for sale",
        "SELECT o.unit_no::text FROM orders o JOIN sales s ON s.id = o.sale_id
         WHERE o.sale_id::text = $1 AND (o.unit_no NOT BETWEEN 1 AND s.stock OR EXISTS
             (SELECT FROM withdrawn_units w WHERE w.sale_id = s.id AND w.unit_no = o.unit_no))",
    ),
    (
        "S2: a confirmed hold and its order differ",
        "SELECT coalesce(h.id, o.hold_id)::text FROM
             (SELECT * FROM holds WHERE sale_id::text = $1 AND state = 'confirmed') h
             FULL JOIN (SELECT * FROM orders WHERE sale_id::text = $1) o ON o.hold_id = h.id
         WHERE (h.unit_no, h.ticket) IS DISTINCT FROM (o.unit_no, o.ticket)",
    ),
    (
        "S3: two had one unit at a time",
        "SELECT a.unit_no::text FROM holds a JOIN holds b
             ON a.sale_id = b.sale_id AND a.unit_no = b.unit_no AND a.id < b.id
         WHERE a.sale_id::text = $1
           AND tstzrange(a.admitted_at, CASE a.state WHEN 'confirmed' THEN NULL ELSE a.ended_at END)
            && tstzrange(b.admitted_at, CASE b.state WHEN 'confirmed' THEN NULL ELSE b.ended_at END)",
    ),
    (
        "S6: somebody was overtaken",
        "SELECT a.ticket::text || ' by ' || b.ticket::text FROM holds a JOIN holds b
             ON a.sale_id = b.sale_id AND a.seq < b.seq AND a.admitted_at > b.admitted_at
         JOIN joins j ON j.sale_id = a.sale_id AND j.ticket = a.ticket
         WHERE a.sale_id::text = $1 AND j.joined_at < b.admitted_at",
    ),
    (
        "S8: a hold ended before its time",
        "SELECT id::text FROM holds WHERE sale_id::text = $1 AND state = 'expired'
         AND ended_at < expires_at",
    ),
    (
        "S9: a ticket has two holds",
        "SELECT ticket::text FROM holds WHERE sale_id::text = $1 GROUP BY ticket HAVING count(*) > 1",
    ),
    ("the sale was stopped", "SELECT fault FROM sales WHERE id::text = $1 AND fault IS NOT NULL"),
];

/// A hold as it is.
struct Row1 {
    ticket: String,
    unit: i64,
    state: String,
    order: String,
}

/// What became of Redis in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redis {
    Kept,
    /// It forgot numbers that it had handed out. Where Postgres did not answer in time either, a number may
    /// have been acknowledged twice on a credential alone; the later ticket got another one then.
    WentBack,
}

/// Everything that is wrong; nothing when all is well.
///
/// # Errors
/// When Postgres does not answer.
pub async fn judge(sql: &PgPool, sale: &str, told: &Pages, redis: Redis) -> Result<Vec<String>> {
    let mut wrong = told.wrong.clone();
    for (rule, query) in RULES {
        let found: Vec<String> = sqlx::query_scalar(query).bind(sale).fetch_all(sql).await?;
        wrong.extend(found.into_iter().map(|what| format!("{rule}: {what}")));
    }
    compare_holds(sql, sale, told, &mut wrong).await?;
    compare_joins(sql, sale, told, redis, &mut wrong).await?;
    compare_changes(sql, sale, told, &mut wrong).await?;
    Ok(wrong)
}

async fn compare_holds(
    sql: &PgPool,
    sale: &str,
    told: &Pages,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let rows = sqlx::query(
        "SELECT h.id::text, h.ticket::text, h.unit_no::bigint, h.state, coalesce(o.id::text, '')
         FROM holds h LEFT JOIN orders o ON o.hold_id = h.id WHERE h.sale_id::text = $1",
    )
    .bind(sale)
    .fetch_all(sql)
    .await?;
    let mut holds: HashMap<String, Row1> = HashMap::new();
    for row in rows {
        let (ticket, unit, state, order) = (row.get(1), row.get(2), row.get(3), row.get(4));
        holds.insert(row.get(0), Row1 { ticket, unit, state, order });
    }
    let is = |told: &Told, hold: &Row1| told.ticket == hold.ticket && told.unit == hold.unit;
    for told in &told.admitted {
        if !holds.get(&told.hold).is_some_and(|hold| is(told, hold)) {
            wrong.push(format!("S10: told of a hold that is not there: {told:?}"));
        }
    }
    for told in &told.bought {
        let same = |hold: &Row1| is(told, hold) && told.order == hold.order;
        if !holds.get(&told.hold).is_some_and(same) {
            wrong.push(format!("S2: told of a purchase that is not there: {told:?}"));
        }
    }
    for (id, state) in &told.refused {
        let hold = holds.get(id);
        if hold.is_none_or(|hold| hold.state != *state || !hold.order.is_empty()) {
            wrong.push(format!("S12: refused as {state}, which is not so: {id}"));
        }
    }
    for id in &told.released {
        if holds.get(id).is_none_or(|hold| hold.state != "released") {
            wrong.push(format!("S2: told that {id} is given back"));
        }
    }
    Ok(())
}

async fn compare_joins(
    sql: &PgPool,
    sale: &str,
    told: &Pages,
    redis: Redis,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let rows = sqlx::query(
        "SELECT j.ticket::text, j.seq, j.state, coalesce(h.state, ''),
                j.seq <= coalesce((SELECT sold_out_seq FROM sales s WHERE s.id = j.sale_id), 0)
         FROM joins j LEFT JOIN holds h ON h.sale_id = j.sale_id AND h.ticket = j.ticket
         WHERE j.sale_id::text = $1",
    )
    .bind(sale)
    .fetch_all(sql)
    .await?;
    let mut joins: HashMap<String, (i64, String, String)> = HashMap::new();
    for row in rows {
        let sold_out: bool = row.get(4);
        let state: String = row.get(2);
        let fate = if state == "waiting" && sold_out { "sold_out".into() } else { state };
        joins.insert(row.get(0), (row.get(1), fate, row.get(3)));
    }
    let numbers: HashSet<i64> = joins.values().map(|(seq, ..)| *seq).collect();
    let is_anothers = |number| redis == Redis::WentBack && numbers.contains(&number);
    for join in &told.joined {
        match joins.get(&join.ticket) {
            None => wrong.push(format!("S6: an acknowledged join is lost: {join:?}")),
            Some((seq, ..))
                if join.number.is_some_and(|number| number != *seq && !is_anothers(number)) =>
            {
                wrong.push(format!("S6: a number changed: {join:?} is {seq}"));
            }
            Some((_, fate, _)) if fate == "waiting" => {
                wrong.push(format!("S5: {join:?} waits though units are free"));
            }
            Some(_) => {}
        }
    }
    // A number that was handed out twice says nothing of the order.
    let kept = |turn: &&Turn| joins.get(&turn.ticket).is_some_and(|(seq, ..)| *seq == turn.number);
    for first in told.turns.iter().filter(kept) {
        let later = |turn: &&Turn| first.answered < turn.asked && first.number > turn.number;
        for second in told.turns.iter().filter(kept).filter(later) {
            wrong.push(format!("S6: {second:?} stands before {first:?}, who had joined"));
        }
    }
    for ticket in &told.left {
        let out = |(_, fate, hold): &(i64, String, String)| {
            fate == "left" || ["released", "expired"].contains(&hold.as_str())
        };
        if !joins.get(ticket).is_some_and(out) {
            wrong.push(format!("S6: told {ticket} that it left"));
        }
    }
    for (ticket, state) in &told.ended {
        let so = |(_, fate, hold): &(i64, String, String)| {
            fate == state || hold == state || state == "closed"
        };
        if !joins.get(ticket).is_some_and(so) {
            wrong.push(format!("S12: told {ticket} that it is {state}"));
        }
    }
    Ok(())
}

/// Each change of the operator was made once.
async fn compare_changes(
    sql: &PgPool,
    sale: &str,
    told: &Pages,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let (stock, withdrawn): (i64, i64) = sqlx::query_as(
        "SELECT stock::bigint, (SELECT count(*) FROM withdrawn_units w WHERE w.sale_id = s.id)
         FROM sales s WHERE id::text = $1",
    )
    .bind(sale)
    .fetch_one(sql)
    .await?;
    if (stock, withdrawn) != (told.seeded, told.withdrawn) {
        let said = (told.seeded, told.withdrawn);
        wrong.push(format!("S4: seeded and withdrawn are {stock} and {withdrawn}, told {said:?}"));
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT action, count(*) FROM audit WHERE sale_id::text = $1 AND actor <> 'ropeline'
         GROUP BY action",
    )
    .bind(sale)
    .fetch_all(sql)
    .await?;
    let done: HashMap<&str, i64> =
        rows.iter().map(|(name, times)| (name.as_str(), *times)).collect();
    let names: HashSet<&str> = told.operated.iter().copied().chain(done.keys().copied()).collect();
    for name in names {
        let said = told.operated.iter().filter(|action| **action == name).count() as i64;
        let is = done.get(name).copied().unwrap_or(0);
        if is != said {
            wrong.push(format!("S7: {name} was answered {said} times and done {is} times"));
        }
    }
    Ok(())
}
