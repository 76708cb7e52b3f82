//! The report of a sale: as a page that prints, as JSON, as CSV.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::engine::FlowError;
use crate::engine::reports::report::report;
use crate::random_text;
use crate::web::App;
use crate::web::api::caller::{Look, Operator};
use crate::web::api::problem::{Problem, ProblemShape};
use crate::web::api::responses::report::ReportShape;
use crate::web::console::{failed, operator_of};
use crate::web::operator::csv::no_formula;
use crate::web::pages::page;
use crate::web::pages::views::{Me, ReportPage};

/// What the sale came to
///
/// Units, waits, conversion, what happened when, and how well the waits and chances that were shown came
/// true. Counted now from Postgres: also while the sale runs (`so_far`), and however often Redis was lost.
/// One report is counted at a time.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/report", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, body = ReportShape), (status = 404, body = ProblemShape)))]
pub async fn report_json(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Json<ReportShape>, Problem> {
    Ok(Json(ReportShape::from(&report(&app.gate, &sale).await?)))
}

/// The same as CSV
///
/// `part,name,value`: one line for each number of the JSON, under the names that it has there.
#[utoipa::path(get, path = "/api/v1/admin/sales/{sale}/report.csv", tag = "operator",
    security(("api_key" = [])), params(("sale" = String, Path)),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404, body = ProblemShape)))]
pub async fn report_csv(
    State(app): State<App>,
    _: Operator<Look>,
    Path(sale): Path<String>,
) -> Result<Response, Problem> {
    let shape = ReportShape::from(&report(&app.gate, &sale).await?);
    let internal = |error: anyhow::Error| Problem::from(FlowError::Internal(error));
    let text = csv(&json!(shape)).map_err(internal)?;
    let name = format!("attachment; filename=\"report-{}.csv\"", shape.slug);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}

fn csv(report: &Value) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["part", "name", "value"])?;
    for (part, value) in report.as_object().into_iter().flatten() {
        let mut lines = Vec::new();
        flatten(String::new(), value, &mut lines);
        for (name, value) in lines {
            writer.write_record([part.as_str(), &name, &no_formula(&value)])?;
        }
    }
    Ok(writer.into_inner()?)
}

/// Every number and text of a value, with the way to it: `3.joined` is in the fourth item.
fn flatten(name: String, value: &Value, lines: &mut Vec<(String, String)>) {
    let below = |part: &str| match name.is_empty() {
        true => part.to_owned(),
        false => format!("{name}.{part}"),
    };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(field, value)| flatten(below(field), value, lines));
        }
        Value::Array(items) => {
            items.iter().zip(0..).for_each(|(v, n)| flatten(below(&n.to_string()), v, lines));
        }
        Value::Null => lines.push((name, String::new())),
        Value::String(text) => lines.push((name, text.clone())),
        Value::Bool(_) | Value::Number(_) => lines.push((name, value.to_string())),
    }
}

/// `GET /admin/sales/{sale}/report`
pub async fn report_page(
    State(app): State<App>,
    Path(sale): Path<String>,
    headers: HeaderMap,
) -> Response {
    let counted = async {
        let me = operator_of::<Look>(&app, &headers).await?;
        let report = ReportShape::from(&report(&app.gate, &sale).await?);
        Ok::<_, Problem>(ReportPage { nonce: random_text(), me: Me::from(&*me), report })
    };
    match counted.await {
        Ok(body) => page(&app, &headers, StatusCode::OK, &body.nonce.clone(), &body),
        Err(problem) => failed(&app, &headers, &problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_line_and_no_text_is_a_formula() {
        let report = json!({ "units": { "sold": 3, "left": null }, "so_far": true,
            "actions": [{ "actor": "=HYPERLINK(1)" }] });
        let text = String::from_utf8(csv(&report).unwrap()).unwrap();
        let expected = "part,name,value\nactions,0.actor,'=HYPERLINK(1)\nso_far,,true\n\
                        units,left,\nunits,sold,3\n";
        let sorted = |text: &str| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines[1..].sort();
            lines
        };
        assert_eq!(sorted(&text), sorted(expected));
    }
}
