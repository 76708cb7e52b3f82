//! All orders of a sale as CSV, streamed.

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::Response;
use futures_util::{StreamExt, stream};

use crate::engine::reports::listings;
use crate::model::Order;
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape, streamed};

/// All orders as CSV
///
/// Streamed, newest first: `order,hold,sale,unit,ticket,payment_reference,confirmed_at`. A payment
/// reference that a spreadsheet would take for a formula begins with a quote.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/orders.csv", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = ProblemShape)))]
pub async fn orders_csv(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let sale = app.gate.sale(&sale).await?;
    let head = ["order", "hold", "sale", "unit", "ticket", "payment_reference", "confirmed_at"];
    let head = stream::once(async move { csv_lines([head.map(str::to_owned)]) });
    let rows = listings::all_orders(app.gate.clone(), sale.id).map(|page| match page {
        Ok(orders) => csv_lines(orders.iter().map(csv_row)),
        // The status went out long ago: breaking the stream off is how the reader learns of it.
        Err(error) => Err(std::io::Error::other(error.to_string())),
    });
    let name = format!("attachment; filename=\"orders-{}.csv\"", sale.settings.slug);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok(streamed((headers, Body::from_stream(head.chain(rows)))))
}

pub(in crate::web) fn csv_row(order: &Order) -> [String; 7] {
    [
        order.id.to_string(),
        order.hold.to_string(),
        order.sale.to_string(),
        order.unit.to_string(),
        order.ticket.to_string(),
        no_formula(order.payment_reference.as_deref().unwrap_or_default()),
        order.confirmed_at.to_string(),
    ]
}

/// What a spreadsheet may take for the beginning of a formula, in both widths.
const BEGINS_FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Keeps a spreadsheet from running what a shopper typed. Some skip the spaces in front.
pub(in crate::web) fn no_formula(text: &str) -> String {
    let is_formula = text.trim_start().starts_with(BEGINS_FORMULA);
    if is_formula || text.starts_with(['\t', '\r', '\n']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

pub(in crate::web) fn csv_lines<const N: usize>(
    rows: impl IntoIterator<Item = [String; N]>,
) -> std::io::Result<Bytes> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row)?;
    }
    let bytes = writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spreadsheet_finds_no_formula_in_a_payment_reference() {
        for begins in ["=", "+", "-", "@", " =", "\u{a0}=", "＝", "\t", "\r", "\n"] {
            let text = format!("{begins}HYPERLINK(1)");
            assert_eq!(no_formula(&text), format!("'{text}"));
        }
        assert_eq!(no_formula("pay-1"), "pay-1");
    }
}
