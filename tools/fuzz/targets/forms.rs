//! Forms of the waiting room and the console, as bytes. They are read by the rules of the API, and a
//! form that is taken means what the same fields mean as JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropeline::model::{Fault, Settings};
use ropeline::web::api::request_reader::Raw;
use ropeline::web::operator::settings_input;
use ropeline::web::operator::settings_input::AsOf;
use ropeline::web::pages::Posted;
use ropeline::web::pages::views::Form;
use ropeline::web::shopper::reference_faults;
use ropeline_fuzz::is_a_fair_refusal;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(pairs) = serde_urlencoded::from_bytes::<Vec<(String, String)>>(bytes) else { return };
    let posted = Posted(pairs);
    if let Some(key) = posted.key() {
        assert!((16..=200).contains(&key.len()) && key.trim() == key);
    }
    let reference = posted.get("payment_reference");
    let is_long = reference.chars().count() > 200 || reference.contains('\0');
    assert_eq!(reference_faults(Some(reference)).is_empty(), !is_long);
    drop(settings_input::notice_faults(Some(posted.get("text"))));

    let value = settings_input::form_fields(&posted.0);
    let Value::Object(ref said) = value else { panic!("{value}") };
    for (name, text) in &posted.0 {
        // An empty field says nothing; any other one comes through.
        assert!(said.contains_key(name));
        let last = posted.0.iter().rev().find(|(other, _)| other == name);
        assert_eq!(said[name].is_null(), last.is_some_and(|(_, text)| text.is_empty()), "{text}");
    }
    let raw = Raw(value.to_string().into_bytes());
    let mut fields = raw.fields().expect("an object of our own");
    let as_of = AsOf { now: jiff::Timestamp::UNIX_EPOCH, opens_at_once: false };
    let settings: Settings = settings_input::new_settings(&mut fields, as_of);
    match fields.finish() {
        Ok(()) => assert_eq!(settings.faults(), Vec::<Fault>::new()),
        Err(problem) => {
            is_a_fair_refusal(&problem);
            let mut form = Form::new("create", posted.0.clone());
            for fault in &problem.faults {
                form.fail(fault.field.clone(), fault.detail.clone());
            }
        }
    }
    let mut fields = raw.fields().expect("an object of our own");
    let count = settings_input::seed_count(&mut fields);
    if fields.finish().is_ok() {
        let typed = posted.get("count").parse::<i64>();
        assert_eq!(typed, Ok(i64::from(count)), "a form's number is the one that was typed");
    }
});
