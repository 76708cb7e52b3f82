//! What a WebSocket client says. It is answered with the state exactly when it is a JSON object whose
//! `type` is `position`; everything else is named.
#![no_main]

use axum::extract::ws::{CloseFrame, Message};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::web::fuzzing::heard;
use serde_json::Value;

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Text(&'a str),
    /// What is not JSON by chance alone.
    Object(Vec<(&'a str, &'a str)>),
    Position(&'a str, &'a str),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, &'a str)>),
}

fn text(said: &str) {
    let expected = match serde_json::from_str::<Value>(said) {
        Err(_) => "not-json",
        Ok(Value::Object(fields)) if fields.get("type") == Some(&Value::from("position")) => "now",
        Ok(_) => "unknown-type",
    };
    assert_eq!(heard(Message::Text(said.into())), expected, "{said}");
}

fuzz_target!(|input: Input| match input {
    Input::Text(said) => text(said),
    Input::Object(fields) => {
        text(&Value::from_iter(fields.iter().map(|(k, v)| (*k, *v))).to_string());
    }
    Input::Position(name, value) => {
        text(&Value::from_iter([("type", "position"), (name, value)]).to_string());
    }
    Input::Binary(bytes) => {
        assert_eq!(heard(Message::Binary(bytes.into())), "binary-not-understood")
    }
    Input::Ping(bytes) => assert_eq!(heard(Message::Ping(bytes.into())), "nothing"),
    Input::Pong(bytes) => assert_eq!(heard(Message::Pong(bytes.into())), "nothing"),
    Input::Close(with) => {
        let frame = with.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
        assert_eq!(heard(Message::Close(frame)), "bye");
    }
});
