//! The cookies that prove a browser's tickets: how long each lasts, and how many there may be. A request's head has
//! a limit, and one cookie for each sale that a browser ever joined would fill it.

use axum::http::HeaderMap;
use axum_extra::extract::CookieJar;
use jiff::Timestamp;

use crate::engine::line::ticket_state;
use crate::model::{Claim, SaleId};
use crate::web::App;
use crate::web::api::caller::{TICKET, cookie, cookie_name};

/// From here on the oldest finished ones are taken out. Each has about 170 bytes, and proxies take 8 KiB.
const MOST: usize = 20;
/// Most tickets that are looked up for one answer. A head has room for more, and each costs Postgres two look-ups.
const MOST_LOOKED_AT: usize = 30;
/// Most cookies that one answer takes out: proxies bound the head of an answer as well.
const MOST_TAKEN_OUT: usize = 30;
/// After a sale's end, and after a purchase: time to come back to the receipt.
const AFTER_END_HOURS: i64 = 7 * 24;
/// After the start of a sale without an end.
const AFTER_START_HOURS: i64 = 30 * 24;
/// After a ticket ended without a purchase, and its page was shown.
const FINISHED_HOURS: i64 = 24;
/// Browsers keep none for longer.
const LONGEST_HOURS: i64 = 400 * 24;

/// The `Set-Cookie`s that keep a ticket in a browser. Where it has many, the oldest that are over go; a live place
/// never does.
pub async fn ticket_cookies(
    app: &App,
    headers: &HeaderMap,
    sale: SaleId,
    credential: &str,
) -> Vec<String> {
    let settings = app.gate.line_of(sale).map(|line| line.view().snapshot.sale.settings.clone());
    let (starts_at, ends_at) = settings.map_or((None, None), |it| (it.starts_at, it.ends_at));
    let hours = lasts(app.gate.clock.now(), starts_at, ends_at);
    let mut set = vec![cookie(app, &format!("{TICKET}{sale}"), credential, "Lax", hours)];
    set.extend(too_many(app, headers, sale).await);
    set
}

/// The `Set-Cookie` of a ticket that is over: it stays for a while only. None where the caller brought no cookie.
pub fn finished_cookie(
    app: &App,
    headers: &HeaderMap,
    claim: Claim,
    is_bought: bool,
) -> Option<String> {
    let name = format!("{TICKET}{}", claim.sale);
    CookieJar::from_headers(headers).get(&cookie_name(app, &name))?;
    let hours = if is_bought { AFTER_END_HOURS } else { FINISHED_HOURS };
    Some(cookie(app, &name, &app.gate.signer.sign(claim), "Lax", hours))
}

/// Hours from now until the cookie of a sale goes by itself.
fn lasts(now: Timestamp, starts_at: Option<Timestamp>, ends_at: Option<Timestamp>) -> i64 {
    let (from, after) = match ends_at {
        Some(end) => (end, AFTER_END_HOURS),
        None => (starts_at.unwrap_or(now), AFTER_START_HOURS),
    };
    let until = from.duration_since(now).as_hours().max(0);
    (until + 1 + after).min(LONGEST_HOURS)
}

/// What takes out the tickets that are too many: unreadable ones, then the oldest that are over.
async fn too_many(app: &App, headers: &HeaderMap, but: SaleId) -> Vec<String> {
    let jar = CookieJar::from_headers(headers);
    let prefix = cookie_name(app, TICKET);
    let (mut gone, mut claims) = (Vec::new(), Vec::new());
    for cookie in jar.iter() {
        let Some(name) = cookie.name().strip_prefix(&prefix) else { continue };
        // One credential under many names is one ticket, and is looked up once.
        match app.gate.signer.verify(cookie.value()) {
            Some(claim) if claim.sale.to_string() != name => gone.push(name.to_owned()),
            Some(claim) if claim.sale == but => {}
            Some(claim) => claims.push(claim),
            None => gone.push(name.to_owned()),
        }
    }
    let spare = (claims.len() + 1).saturating_sub(MOST);
    // A sale's id begins with the time at which it was made.
    claims.sort_by_key(|claim| claim.sale);
    let mut found = 0;
    for claim in claims.into_iter().take(if spare > 0 { MOST_LOOKED_AT } else { 0 }) {
        if found == spare {
            break;
        }
        // What cannot be looked up now may be live.
        if app.gate.moves.is_moved(&claim)
            || ticket_state::is_over(&app.gate, claim).await.unwrap_or(false)
        {
            found += 1;
            gone.push(claim.sale.to_string());
        }
    }
    gone.truncate(MOST_TAKEN_OUT);
    gone.iter().map(|sale| cookie(app, &format!("{TICKET}{sale}"), "", "Lax", 0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_lasts_until_after_its_sale() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-27T12:00:00Z");
        let hours = |start, end| lasts(now, start, end);
        assert_eq!(hours(None, None), 30 * 24 + 1);
        assert_eq!(hours(Some(at("2026-11-01T12:00:00Z")), None), 30 * 24 + 1, "it began");
        assert_eq!(hours(Some(at("2027-01-06T12:00:00Z")), None), 70 * 24 + 1, "in forty days");
        assert_eq!(hours(None, Some(at("2026-11-28T12:00:00Z"))), 8 * 24 + 1);
        assert_eq!(hours(None, Some(at("2026-11-01T12:00:00Z"))), 7 * 24 + 1, "it is over");
        assert_eq!(hours(None, Some(at("2099-01-01T00:00:00Z"))), 400 * 24);
    }
}
