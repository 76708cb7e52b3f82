//! Stories of what a shopper is told, and by whom it may be heard.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::SinkExt;
use ropeline::faults::Point;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{PATIENCE, admitted, joins, sale, steer};
use crate::shop::Ticket;
use crate::world::World;

pub(super) async fn a_purchase_that_was_answered_exists(world: &mut World) -> Result<()> {
    let (shop, sale, look) = sale(world, 1, json!({})).await?;
    let first = joins(&shop, &sale).await?;
    let hold = admitted(&shop, &first).await?;
    world.gateways[0].arm(Point::SettleInTx, "stall 4000").await?;
    // The answer, if there is one before the gateway dies.
    let asked = timeout(Duration::from_secs(2), shop.confirm(&first, &hold, "a key")).await;
    ensure!(world.gateways[0].was_reached(), "nothing was to be committed");
    world.gateways[0].kill().await?;
    let orders: i64 =
        sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&look.sql).await?;
    let was_told = matches!(&asked, Ok(Ok(answer)) if answer.status == 200);
    ensure!(!was_told || orders == 1, "told of an order that does not exist");
    ensure!(orders == 0, "the gateway died before the commit");
    Ok(())
}

pub(super) async fn a_key_answers_for_its_own_hold(world: &mut World) -> Result<()> {
    let (shop, sale, _) = sale(world, 2, json!({})).await?;
    for _ in 0..2 {
        let ticket = joins(&shop, &sale).await?;
        let hold = admitted(&shop, &ticket).await?;
        let bought = shop.confirm(&ticket, &hold, "the same key").await?;
        let named = bought.body["hold"].as_str().or(bought.body["id"].as_str());
        ensure!(named == Some(&hold), "hold {hold} was answered with {}", bought.body);
    }
    Ok(())
}

/// The request of a ticket's socket.
fn socket_request(
    base: &str,
    ticket: &Ticket,
) -> Result<tokio_tungstenite::tungstenite::http::Request<()>> {
    let host = base.strip_prefix("http").context("a gateway speaks http")?;
    Ok(format!("ws{host}{}/live", ticket.path()).into_client_request()?)
}

pub(super) async fn a_socket_of_another_page_is_refused(world: &mut World) -> Result<()> {
    let (shop, sale, _) = sale(world, 1, json!({})).await?;
    let ticket = joins(&shop, &sale).await?;
    let cookie = format!("ropeline-ticket-{sale}={}", ticket.credential);
    for (origin, may) in [(shop.base.as_str(), true), ("https://elsewhere.example", false)] {
        let mut request = socket_request(&shop.base, &ticket)?;
        request.headers_mut().insert("cookie", HeaderValue::from_str(&cookie)?);
        request.headers_mut().insert("origin", HeaderValue::from_str(origin)?);
        match connect_async(request).await {
            Ok(_) => ensure!(may, "a page of {origin} has this shopper's socket"),
            Err(Error::Http(refused)) if !may => ensure!(refused.status() == 403, "{refused:?}"),
            Err(error) => bail!("{origin}: {error}"),
        }
    }
    Ok(())
}

pub(super) async fn who_does_not_read_is_told_little(world: &mut World) -> Result<()> {
    /// Far more than the pace of answers allows, and than the buffers on the way take.
    const ASKED: usize = 20_000;
    /// What the pace allows in the time of this story, many times over.
    const MOST_TOLD: f64 = 1_000.0;
    let (shop, sale, _) = sale(world, 1, json!({})).await?;
    steer(&shop, &sale, "pause").await?;
    let ticket = joins(&shop, &sale).await?;
    let mut request = socket_request(&shop.base, &ticket)?;
    let bearer = format!("Bearer {}", ticket.credential);
    request.headers_mut().insert("authorization", HeaderValue::from_str(&bearer)?);
    let (mut socket, _) = connect_async(request).await?;
    let asking = async {
        for _ in 0..ASKED {
            socket.feed(Message::text(r#"{"type":"position"}"#)).await?;
        }
        socket.flush().await
    };
    // Whoever is not read from cannot ask on; then this stops here.
    let _ = timeout(PATIENCE / 3, asking).await;
    sleep(Duration::from_secs(2)).await;
    let metrics = reqwest::get(format!("{}/metrics", shop.base)).await?.text().await?;
    let told = metrics
        .lines()
        .find(|line| line.starts_with("ropeline_states_sent_total{kind=\"websocket\"}"))
        .and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .context("a count of states")?;
    ensure!(told < MOST_TOLD, "{told} states are kept for one who does not read");
    Ok(())
}
