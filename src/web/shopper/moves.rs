//! Taking a place to another device: the link and its QR code on the one, the question and the button on the
//! other.
//!
//! Opening a link changes nothing, for messengers open what is sent through them; the button does.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use qrcode::{Color, EcLevel, QrCode};

use crate::engine::Refusal;
use crate::engine::line::moves;
use crate::engine::line::moves::Link;
use crate::engine::line::{line_mirror, ticket_state};
use crate::model::Claim;
use crate::random_text;
use crate::web::App;
use crate::web::api::caller;
use crate::web::api::caller::Shopper;
use crate::web::api::problem::{Code, Problem, ProblemShape, respond};
use crate::web::api::request_reader::{Raw, idempotency_key};
use crate::web::api::responses;
use crate::web::api::responses::{JoinedShape, LinkShape};
use crate::web::i18n::Asked;
use crate::web::pages::views::{MoveLink, MovePage};
use crate::web::pages::{Posted, page, see_other, with_cookie, with_cookies};
use crate::web::room::{dress, failed, show, visit};
use crate::web::shopper::claimed;

/// Light modules around a QR code, as the standard asks for.
const QUIET_ZONE: usize = 4;

fn url(app: &App, headers: &HeaderMap, slug: &str, link: &Link) -> String {
    format!("{}/s/{slug}/move/{}", app.origin(headers), link.code)
}

/// Make a link to another device
///
/// The link works once and for five minutes, and the newest one of a ticket only. Opened in a browser it asks
/// before it takes the place; then this credential is good for nothing any more: calls with it answer 401
/// `moved`, and its sockets are closed with 1008. The same `Idempotency-Key` makes the same link.
#[utoipa::path(post, path = "/api/v1/sales/{sale}/tickets/{ticket}/move", tag = "shopper",
    params(("sale" = String, Path), ("ticket" = String, Path),
           ("Idempotency-Key" = Option<String>, Header)),
    security(("credential" = [])),
    responses((status = 201, body = LinkShape), (status = 401, body = ProblemShape),
              (status = 403, body = ProblemShape), (status = 404, body = ProblemShape),
              (status = 503, body = ProblemShape)))]
pub async fn make(
    State(app): State<App>,
    Path((sale, ticket)): Path<(String, String)>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, Problem> {
    app.check_origin(&Method::POST, &headers)?;
    body.fields()?.finish()?;
    let (claim, _) = claimed(&app, &sale, &ticket, &headers).await?;
    let key = idempotency_key(&headers)?.unwrap_or_else(random_text);
    let slug = app.gate.public_sale(&sale).await?.settings.slug;
    let link = moves::link(&app.gate, claim, &key).await?;
    let url = url(&app, &headers, &slug, &link);
    let shape = LinkShape { code: link.code, url, expires_at: link.expires_at };
    Ok((StatusCode::CREATED, Json(shape)).into_response())
}

/// Take a place over from another device
///
/// Answers with the ticket state and a new credential. The device that had the place has it no more. Repeated
/// with the same `Idempotency-Key`, the same place again, as it is by then. 409 `already-in-line` when the
/// caller's cookie is of another live place in the same sale; 410 `link-ended` when the link was used, is too
/// old, or never was one.
#[utoipa::path(post, path = "/api/v1/moves/{code}", tag = "shopper",
    params(("code" = String, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses((status = 200, body = JoinedShape), (status = 403, body = ProblemShape),
              (status = 409, body = ProblemShape), (status = 410, body = ProblemShape),
              (status = 503, body = ProblemShape)))]
pub async fn take(
    State(app): State<App>,
    Path(code): Path<String>,
    headers: HeaderMap,
    body: Raw,
) -> Result<Response, Problem> {
    app.check_origin(&Method::POST, &headers)?;
    body.fields()?.finish()?;
    let key = idempotency_key(&headers)?.unwrap_or_else(random_text);
    let claim = taken(&app, &code, &key, &headers).await?;
    let view = match app.gate.line_of(claim.sale) {
        Some(line) => line.view(),
        None => line_mirror::past_view(&app.gate, claim.sale).await?,
    };
    let state = ticket_state::of(&app.gate, &view, claim).await?;
    let shape = JoinedShape::new(&app, &state);
    let response = respond(StatusCode::OK, responses::text_of(&shape));
    let cookies = caller::ticket_cookies(&app, &headers, claim.sale, &shape.credential).await;
    Ok(with_cookies(response, &cookies))
}

async fn taken(app: &App, code: &str, key: &str, headers: &HeaderMap) -> Result<Claim, Problem> {
    let shopper = Shopper::new(app, headers);
    Ok(moves::take(&app.gate, code, key, |sale| shopper.of_sale(sale)).await?)
}

/// `POST /s/{sale}/move`: the room, with a link and its QR code. It stays live meanwhile.
pub async fn make_on_page(
    State(app): State<App>,
    Path(sale): Path<String>,
    asked: Asked,
    headers: HeaderMap,
    _: Posted,
) -> Response {
    let made = async {
        let visit = visit(&app, &sale, &headers).await?;
        let Some((claim, _)) = &visit.ticket else { return Ok((visit, None)) };
        let link = moves::link(&app.gate, *claim, &random_text()).await?;
        let url = url(&app, &headers, &sale, &link);
        let (qr_size, qr_path) = qr(&url)?;
        Ok((visit, Some(MoveLink { url, expires_at: link.expires_at, qr_size, qr_path })))
    };
    match made.await {
        Ok((visit, link)) => show(&app, &asked, &headers, visit, link),
        Err(problem) => failed(&app, &headers, &sale, &problem),
    }
}

/// `GET /s/{sale}/move`: somebody came back to where a link was made.
pub async fn back(Path(sale): Path<String>) -> Response {
    see_other(&format!("/s/{sale}"))
}

/// `GET /s/{sale}/move/{code}`: asks, and changes nothing. The cookie is what makes pressing twice safe.
pub async fn ask(
    State(app): State<App>,
    Path((sale, code)): Path<(String, String)>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let key = caller::mover(&app, &headers);
    let found = async {
        let claim = moves::linked(&app.gate, &code, key.as_deref().unwrap_or_default()).await?;
        let of = app.gate.public_sale(&sale).await?;
        // Nobody is to be asked about another sale than the one that the place is in.
        if of.id == claim.sale { Ok(of) } else { Err(Problem::from(Refusal::LinkEnded)) }
    };
    match found.await {
        Ok(of) => {
            let (w, look) = dress(&asked, &of);
            let body = MovePage {
                nonce: random_text(),
                w,
                look,
                sale_name: of.settings.name,
                slug: of.settings.slug,
                code,
            };
            let page = page(&app, &headers, StatusCode::OK, &body.nonce, &body);
            let page = asked.sign(&body.w, page);
            with_cookie(page, &caller::mover_cookie(&app, &key.unwrap_or_else(random_text)))
        }
        Err(problem) => failed(&app, &headers, &sale, &problem),
    }
}

/// `POST /s/{sale}/move/{code}`: the button was pressed.
pub async fn take_on_page(
    State(app): State<App>,
    Path((sale, code)): Path<(String, String)>,
    headers: HeaderMap,
    _: Posted,
) -> Response {
    // Without a cookie the place would leave the one device and not come to the other.
    if let Err(problem) = app.demand_cookies(&headers) {
        return failed(&app, &headers, &sale, &problem);
    }
    let key = caller::mover(&app, &headers).unwrap_or_else(random_text);
    match taken(&app, &code, &key, &headers).await {
        Ok(claim) => {
            let credential = app.gate.signer.sign(claim);
            let line = app.gate.line_of(claim.sale);
            let slug = line.map_or(sale, |line| line.view().slug().to_owned());
            let back = see_other(&format!("/s/{slug}"));
            let cookies = caller::ticket_cookies(&app, &headers, claim.sale, &credential).await;
            with_cookies(back, &cookies)
        }
        Err(problem) => failed(&app, &headers, &sale, &problem),
    }
}

/// A QR code as the path of its dark modules, one rectangle for each run, and its size.
fn qr(text: &str) -> Result<(usize, String), Problem> {
    let too_long = |_| Problem::new(Code::Internal, "the link does not fit a QR code");
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(too_long)?;
    let (width, modules) = (code.width(), code.to_colors());
    let mut path = String::new();
    for (y, row) in modules.chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = row[x..].iter().take_while(|module| **module == Color::Dark).count();
            if run > 0 {
                let (left, top) = (x + QUIET_ZONE, y + QUIET_ZONE);
                path.push_str(&format!("M{left} {top}h{run}v1h-{run}z"));
            }
            x += run.max(1);
        }
    }
    Ok((width + 2 * QUIET_ZONE, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_qr_code_covers_its_dark_modules_and_nothing_else() {
        let text = "https://example.com/s/winter-boots/move/0123456789abcdefABCDEF";
        let (size, path) = qr(text).unwrap();
        let code = QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        let mut dark = vec![vec![false; size]; size];
        for run in path.split('M').skip(1) {
            let (at, rest) = run.split_once('h').unwrap();
            let (x, y) = at.split_once(' ').unwrap();
            let length: usize = rest.split('v').next().unwrap().parse().unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            dark[y][x..x + length].fill(true);
        }
        assert_eq!(size, code.width() + 2 * QUIET_ZONE);
        for (y, row) in dark.iter().enumerate() {
            for (x, is_dark) in row.iter().enumerate() {
                let inside = (QUIET_ZONE..size - QUIET_ZONE).contains(&x)
                    && (QUIET_ZONE..size - QUIET_ZONE).contains(&y);
                let want = inside && code[(x - QUIET_ZONE, y - QUIET_ZONE)] == Color::Dark;
                assert_eq!(*is_dark, want, "{x} {y}");
            }
        }
    }
}
