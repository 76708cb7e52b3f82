//! JSON bodies, read as each call reads them. The first byte chooses the call. What is taken keeps the
//! rules, means the same when it is written anew, and takes no field more; what is not taken is refused
//! in words that name the fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropeline::engine::steering::operate::{Command, MOST_UNITS};
use ropeline::model::{Fault, Sale, SaleId, SaleState, Settings};
use ropeline::web::api::problem::Problem;
use ropeline::web::api::request_reader::{Fields, Raw};
use ropeline::web::operator::settings_input;
use ropeline::web::operator::settings_input::AsOf;
use ropeline::web::shopper::reference_faults;
use ropeline_fuzz::is_a_fair_refusal;
use serde_json::{Map, Value, json};

/// What a call understood.
#[derive(Debug, PartialEq)]
enum Meant {
    Nothing,
    Reference(Option<String>),
    Count(i32),
    Notice(Option<String>),
    Settings(Box<Settings>),
}

/// A sale to be changed.
fn sale() -> Sale {
    let settings = Settings { slug: "drop".into(), name: "Drop".into(), ..Settings::default() };
    Sale {
        id: SaleId(uuid::Uuid::from_u128(1)),
        settings,
        state: SaleState::Open,
        epoch: 1,
        stock: 10,
        sold_out_at: None,
        sold_out_seq: None,
        notice: None,
        fault: None,
        created_at: jiff::Timestamp::UNIX_EPOCH,
        opened_at: None,
        closed_at: None,
        archived_at: None,
        closes_at: None,
        former_slugs: Vec::new(),
    }
}

/// Before every time that a body is likely to name.
fn as_of() -> AsOf {
    AsOf { now: jiff::Timestamp::UNIX_EPOCH, opens_at_once: false }
}

fn read(call: u8, raw: &Raw) -> Result<Meant, Problem> {
    let mut fields: Fields = raw.fields()?;
    let meant = match call {
        b'j' => Meant::Nothing,
        b'p' => {
            let text = fields.text("payment_reference").filter(|text| !text.is_empty());
            fields.add(reference_faults(text.as_deref()));
            Meant::Reference(text)
        }
        b's' => Meant::Count(settings_input::seed_count(&mut fields)),
        b'n' => {
            let is_named = fields.has("text");
            fields.demand("text", is_named.then_some(()));
            let text = fields.text("text");
            fields.add(settings_input::notice_faults(text.as_deref()));
            Meant::Notice(text)
        }
        b'c' => Meant::Settings(Box::new(settings_input::new_settings(&mut fields, as_of()))),
        _ => match settings_input::change_command(&mut fields, &sale(), as_of()) {
            Command::Change { to, .. } => Meant::Settings(Box::new(to)),
            other => panic!("{other:?}"),
        },
    };
    fields.finish().map(|()| meant)
}

/// The rules, told a second time.
fn keeps_the_rules(meant: &Meant) {
    match meant {
        Meant::Nothing => {}
        Meant::Reference(text) => {
            assert!(text.as_ref().is_none_or(|text| text.chars().count() <= 200));
            assert!(text.as_ref().is_none_or(|text| !text.is_empty() && !text.contains('\0')));
        }
        Meant::Count(count) => assert!((1..=MOST_UNITS).contains(count)),
        Meant::Notice(text) => assert!(
            text.as_ref().is_none_or(|text| !text.trim().is_empty() && text.chars().count() <= 500)
        ),
        Meant::Settings(settings) => assert_eq!(settings.faults(), Vec::<Fault>::new()),
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((call, body)) = bytes.split_first() else { return };
    let raw = Raw(body.to_vec());
    let meant = match read(*call, &raw) {
        Err(problem) => return is_a_fair_refusal(&problem),
        Ok(meant) => meant,
    };
    keeps_the_rules(&meant);

    // Written anew, it says the same, has the same fingerprint, and takes nothing on top.
    let said: Value = serde_json::from_slice(body).unwrap_or_else(|_| json!({}));
    let Value::Object(fields) = said else { panic!("only an object is taken") };
    let again = Raw(Value::Object(fields.clone()).to_string().into_bytes());
    assert_eq!(read(*call, &again).expect("it was taken before"), meant);
    assert_eq!(again.fingerprint(), raw.fingerprint());
    let more: Map<String, Value> =
        fields.clone().into_iter().chain([("no such field".into(), json!(1))]).collect();
    let more = Raw(Value::Object(more).to_string().into_bytes());
    let refused = read(*call, &more).expect_err("an unknown field is refused");
    assert_eq!(refused.faults.len(), 1);
    assert_ne!(more.fingerprint(), raw.fingerprint());

    // A field that is there twice has no meaning.
    if let Some((name, value)) = fields.iter().next() {
        let mut twice = Value::Object(fields.clone()).to_string();
        twice.pop();
        let twice = format!("{twice},{}:{value}}}", Value::from(name.as_str()));
        is_a_fair_refusal(&read(*call, &Raw(twice.into_bytes())).expect_err("it is there twice"));
    }
});
