//! What an operator reads: pages of sales, holds, orders and the audit, newest first.

use axum::Json;
use axum::extract::{Path, Query, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::engine::reports::listings;
use crate::engine::reports::listings::{AuditItem, Cursor};
use crate::model::{Fault, Hold, HoldState, Order, Sale};
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape};
use crate::web::api::responses::{AuditShape, HoldShape, OrderShape, Page, SaleShape};

/// Items on a page unless asked otherwise, and at the most.
const PAGE_DEFAULT: i64 = 100;
const PAGE_MOST: i64 = 1_000;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// 1…1000, 100 unless given
    #[param(value_type = Option<i32>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// `next_cursor` of the page before
    cursor: Option<String>,
}

/// Which holds of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StateQuery {
    /// Only holds in this state
    #[param(pattern = "^(active|confirmed|released|expired)$")]
    state: Option<String>,
}

/// Whether archived sales are listed, too.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ArchivedQuery {
    /// `true` lists archived sales, too
    #[param(pattern = "^(true|false)$")]
    pub archived: Option<String>,
}

impl ArchivedQuery {
    pub fn read(&self) -> Result<bool, Problem> {
        match self.archived.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::invalid(vec![Fault::new("archived", "must be true or false")])),
        }
    }
}

impl PageQuery {
    pub(in crate::web) fn read(&self) -> Result<(i64, Option<Cursor>), Problem> {
        let mut faults = Vec::new();
        let limit = match self.limit.as_deref().map(str::parse::<i64>) {
            None => PAGE_DEFAULT,
            Some(Ok(limit)) if (1..=PAGE_MOST).contains(&limit) => limit,
            Some(_) => {
                faults.push(Fault::new("limit", format!("must be from 1 to {PAGE_MOST}")));
                PAGE_DEFAULT
            }
        };
        match Self::after(self.cursor.as_deref()) {
            Ok(after) if faults.is_empty() => Ok((limit, after)),
            Ok(_) => Err(Problem::invalid(faults)),
            Err(problem) => {
                faults.extend(problem.faults);
                Err(Problem::invalid(faults))
            }
        }
    }

    /// Where a page begins.
    ///
    /// # Errors
    /// Invalid when the cursor is not one that a page gave.
    pub fn after(cursor: Option<&str>) -> Result<Option<Cursor>, Problem> {
        let fault = || Fault::new("cursor", "must be the next_cursor of a page");
        match cursor.map(decode) {
            None => Ok(None),
            Some(Some(cursor)) => Ok(Some(cursor)),
            Some(None) => Err(Problem::invalid(vec![fault()])),
        }
    }
}

/// Where the next page of sales begins.
pub fn sale_cursor(sale: &Sale) -> String {
    encode(sale.created_at, 0, sale.id.0)
}

pub(in crate::web) fn encode(at: Timestamp, number: i64, id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {number} {}", at.as_microsecond(), id.simple()))
}

fn decode(cursor: &str) -> Option<Cursor> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split(' ');
    let at = Timestamp::from_microsecond(parts.next()?.parse().ok()?).ok()?;
    if at < Timestamp::UNIX_EPOCH {
        return None; // Postgres does not go back as far as a forged one may.
    }
    Some(Cursor {
        at,
        number: parts.next()?.parse().ok()?,
        id: Uuid::parse_str(parts.next()?).ok()?,
    })
}

/// Shapes one page; the last item says where the next one begins.
pub(crate) fn page<T, S>(
    items: &[T],
    limit: i64,
    shape: impl Fn(&T) -> S,
    cursor: impl Fn(&T) -> String,
) -> Json<Page<S>> {
    let is_full = items.len() as i64 == limit;
    Json(Page {
        next_cursor: items.last().filter(|_| is_full).map(cursor),
        items: items.iter().map(shape).collect(),
    })
}

/// All sales, newest first
///
/// Without archived ones, unless asked for.
#[utoipa::path(get, path = "/api/v1/admin/sales", tag = "operator", security(("api_key" = [])),
    params(PageQuery, ArchivedQuery), responses((status = 200, body = Page<SaleShape>), (status = 422, body = ProblemShape)))]
pub async fn sales(
    State(app): State<App>,
    _: Operator<Look>,
    Query(query): Query<PageQuery>,
    Query(archived): Query<ArchivedQuery>,
) -> Result<Json<Page<SaleShape>>, Problem> {
    let (limit, after) = query.read()?;
    let sales = listings::sales(&app.gate, archived.read()?, after, limit).await?;
    Ok(page(&sales, limit, |sale| SaleShape::from(sale), sale_cursor))
}

/// Holds, newest first
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/holds", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), PageQuery, StateQuery),
    responses((status = 200, body = Page<HoldShape>), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn holds(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
    Query(query): Query<PageQuery>,
    Query(only): Query<StateQuery>,
) -> Result<Json<Page<HoldShape>>, Problem> {
    let (limit, after) = query.read()?;
    let state = match only.state.as_deref().map(HoldState::parse) {
        Some(None) => {
            let rule = "must be active, confirmed, released or expired";
            return Err(Problem::invalid(vec![Fault::new("state", rule)]));
        }
        other => other.flatten(),
    };
    let sale = app.gate.sale(&sale).await?;
    let holds = listings::holds(&app.gate, sale.id, state, after, limit).await?;
    let now = app.gate.clock.now();
    let cursor = |hold: &Hold| encode(hold.admitted_at, hold.seq.0, hold.id.0);
    Ok(page(&holds, limit, |hold| HoldShape::new(hold, now), cursor))
}

/// Orders, newest first
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/orders", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), PageQuery),
    responses((status = 200, body = Page<OrderShape>), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn orders(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<OrderShape>>, Problem> {
    let (limit, after) = query.read()?;
    let sale = app.gate.sale(&sale).await?;
    let orders = listings::orders(&app.gate, sale.id, after, limit).await?;
    let cursor = |order: &Order| encode(order.confirmed_at, 0, order.id.0);
    Ok(page(&orders, limit, OrderShape::with_ticket, cursor))
}

/// Who changed what, newest first
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/audit", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path), PageQuery),
    responses((status = 200, body = Page<AuditShape>), (status = 404, body = ProblemShape),
              (status = 422, body = ProblemShape)))]
pub async fn audit_trail(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<AuditShape>>, Problem> {
    let (limit, after) = query.read()?;
    let sale = app.gate.sale(&sale).await?;
    let items = listings::audit(&app.gate, sale.id, after, limit).await?;
    let cursor = |item: &AuditItem| encode(item.at, item.id, Uuid::nil());
    Ok(page(&items, limit, |item| AuditShape::new(&sale, item), cursor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_round_trip_and_nonsense_is_no_cursor() {
        let at: Timestamp = "2026-11-27T12:00:03.123456Z".parse().unwrap();
        let id = Uuid::now_v7();
        assert_eq!(decode(&encode(at, 7, id)), Some(Cursor { at, number: 7, id }));
        for bad in ["", "x", "AAAA", "bm90IGEgY3Vyc29y"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
