//! Those who misbehave: rubbish where JSON belongs, forged credentials, noise on sockets.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

use super::history::{Entry, Op};
use super::street::Street;
use crate::shop::{Shop, Ticket};

/// What each of them tries.
const TRIES: u32 = 12;
/// Longest talk on a socket.
const TALKS: Duration = Duration::from_secs(5);

/// Tries one rude thing after the other. None of them may be answered as if it were well.
pub async fn misbehave(street: &Street, name: &str, random: &mut StdRng) {
    for _ in 0..TRIES {
        let shop = street.any(random);
        if random.random_range(0..6) == 0 {
            chatter(street, name, &shop, random).await;
        } else {
            rudeness(street, name, &shop, random).await;
        }
        sleep(Duration::from_millis(random.random_range(100..900))).await;
        if street.over.is_cancelled() {
            return;
        }
    }
}

async fn rudeness(street: &Street, name: &str, shop: &Shop, random: &mut StdRng) {
    let sale = &street.sale;
    let (ticket, hold) = (Uuid::from_u128(random.random()), Uuid::from_u128(random.random()));
    let forged = forged(sale, random);
    let tickets = format!("/api/v1/sales/{sale}/tickets");
    let confirm = format!("/api/v1/holds/{hold}/confirm");
    let key = Some("a key that is long enough");
    let unknown = json!({ "quantity": random.random_range(2..100) });
    let nested = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let (method, path, bearer, key, body) = match random.random_range(0..8) {
        0 => (Method::POST, tickets, "", None, Some(unknown)),
        1 => (Method::POST, tickets, "", key, Some(nested)),
        2 => (Method::GET, format!("{tickets}/{ticket}"), &*forged.credential, None, None),
        3 => (Method::DELETE, format!("{tickets}/{ticket}"), &*forged.credential, None, None),
        4 => (Method::POST, confirm, &*forged.credential, key, None),
        5 => (Method::GET, format!("{tickets}/%00"), "r1.é.", None, None),
        6 => (
            Method::POST,
            format!("/api/v1/admin/sales/{sale}/tokens"),
            &*forged.credential,
            key,
            Some(json!({ "count": 1_000 })),
        ),
        _ => (Method::POST, format!("/api/v1/sales/{ticket}/tickets"), "", None, None),
    };
    let asked = street.history.now();
    let answer = shop.call(method.clone(), &path, bearer, key, body.as_ref()).await;
    let mut entry = Entry::plain(name, Op::Rubbish, asked, street.history.now()).answer(&answer);
    entry.asks = json!({ "method": method.as_str(), "path": path });
    street.history.push(entry);
}

/// A credential that looks well and that nobody signed.
fn forged(sale: &str, random: &mut StdRng) -> Ticket {
    let text = |length: usize, random: &mut StdRng| -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..length).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
    };
    let credential = format!("r1.{}.{}", text(54, random), text(43, random));
    Ticket { sale: sale.to_owned(), id: Uuid::from_u128(random.random()).to_string(), credential }
}

/// Noise on a socket that was opened with a forged credential, which must not be taken at all.
async fn chatter(street: &Street, name: &str, shop: &Shop, random: &mut StdRng) {
    let forged = forged(&street.sale, random);
    let url = format!("ws{}{}/live", &shop.base[4..], forged.path());
    let Ok(mut request) = url.into_client_request() else { return };
    let Ok(offer) = format!("ropeline.v1, {}", forged.credential).parse() else { return };
    request.headers_mut().insert("sec-websocket-protocol", offer);
    let asked = street.history.now();
    let talk = async {
        let Ok((mut socket, _)) = connect_async(request).await else { return false };
        let _ = socket.send(Message::Text("{".repeat(2_000).into())).await;
        socket.next().await.is_some_and(|said| said.is_ok())
    };
    let heard = timeout(TALKS, talk).await.unwrap_or(false);
    let mut entry = Entry::plain(name, Op::Rubbish, asked, street.history.now());
    entry.asks = json!({ "method": "socket", "path": forged.path() });
    // It must not be heard: this is how a success would look.
    entry.status = if heard { 101 } else { 401 };
    entry.outcome =
        if heard { super::history::Outcome::Ok } else { super::history::Outcome::Refused };
    street.history.push(entry);
}
