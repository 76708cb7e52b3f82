//! What stands in an address or a header: `limit`, `cursor` and `state`, ids, and `Idempotency-Key`. The
//! first byte chooses.
#![no_main]

use axum::http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use ropeline::model::{HoldId, HoldState, Ticket};
use ropeline::web::api::request_reader::idempotency_key;
use ropeline::web::console::Shown;
use ropeline::web::fuzzing;
use ropeline::web::operator::listings::{PageQuery, StateQuery};
use ropeline_fuzz::is_a_fair_refusal;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else { return };
    match which {
        b'q' => query(rest),
        b'c' => cursor(&String::from_utf8_lossy(rest)),
        b'i' => id(&String::from_utf8_lossy(rest)),
        _ => key(rest),
    }
});

fn query(text: &[u8]) {
    if let Ok(query) = serde_urlencoded::from_bytes::<PageQuery>(text) {
        match fuzzing::page(&query) {
            Ok((limit, _)) => assert!((1..=1000).contains(&limit)),
            Err(problem) => is_a_fair_refusal(&problem),
        }
    }
    drop(serde_urlencoded::from_bytes::<StateQuery>(text));
    drop(serde_urlencoded::from_bytes::<Shown>(text));
    let word = String::from_utf8_lossy(text);
    assert!(HoldState::parse(&word).is_none_or(|state| state.as_str() == word));
}

fn cursor(text: &str) {
    match PageQuery::after(Some(text)) {
        Ok(None) => panic!("a cursor was given"),
        Ok(Some(cursor)) => {
            assert!(cursor.at >= jiff::Timestamp::UNIX_EPOCH);
            let again = PageQuery::after(Some(&fuzzing::cursor(&cursor))).expect("its own cursor");
            assert_eq!(again, Some(cursor));
        }
        Err(problem) => is_a_fair_refusal(&problem),
    }
}

fn id(text: &str) {
    if let Ok(ticket) = text.parse::<Ticket>() {
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
        assert_eq!(text.parse::<HoldId>().map(|hold| hold.0), Ok(ticket.0));
    }
}

fn key(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    assert!(idempotency_key(&headers).is_ok_and(|key| key.is_none()));
    headers.insert("idempotency-key", value);
    let is_printable = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    match idempotency_key(&headers) {
        Ok(key) => {
            assert_eq!(key.as_deref().map(str::as_bytes), Some(bytes));
            assert!(is_printable && (1..=200).contains(&bytes.len()));
        }
        Err(problem) => {
            is_a_fair_refusal(&problem);
            assert!(!is_printable || !(1..=200).contains(&bytes.len()));
        }
    }
}
