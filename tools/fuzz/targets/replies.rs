//! What Redis answers to our scripts, read by the real client over a real connection: replies that are
//! almost right, and replies that are anything. Each is an answer or a clear error, in time.
#![no_main]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::model::{SaleId, Seq, Ticket};
use ropeline::redis::{Ack, Admitted, Known, Live, LiveError, Loaded, Survey};
use ropeline_fuzz::RUNTIME;
use ropeline_fuzz::redis::{Next, Said, serve};
use tokio::task::LocalSet;
use tokio::time::timeout;
use uuid::Uuid;

/// An outcome that some script has, or one that none has.
#[derive(Debug, Arbitrary)]
enum Outcome {
    Known(u8),
    Unknown(String),
}

const KNOWN: [&str; 23] = [
    "absent", "ahead", "batch", "cleared", "dropped", "empty", "epoch", "freed", "joined", "left",
    "lost", "missing", "older", "pace", "read", "restored", "seen", "swapped", "gone", "back",
    "clear", "", "0",
];

/// The batch in flight as JSON, almost right.
#[derive(Debug, Arbitrary)]
struct Slot {
    waiters: Vec<(u128, i64)>,
    units: Vec<i32>,
    bent: Option<String>,
}

/// One part of a reply, of the kinds that our scripts use.
#[derive(Debug, Arbitrary)]
enum Part {
    Number(i64),
    Text(String),
    Slot(Slot),
    Numbers(Vec<i64>),
    Waiters(Vec<(u128, i64)>),
    Entries(Vec<(Outcome, Vec<i64>)>),
    Any(Said),
}

#[derive(Debug, Arbitrary)]
enum Reply {
    Shaped(Outcome, Vec<Part>),
    Any(Said),
}

#[derive(Debug, Arbitrary)]
struct Input {
    script: u8,
    reply: Reply,
}

fn word(outcome: Outcome) -> Said {
    match outcome {
        Outcome::Known(which) => Said::text(KNOWN[usize::from(which) % KNOWN.len()]),
        Outcome::Unknown(text) => Said::Text(text),
    }
}

fn said(part: Part) -> Said {
    match part {
        Part::Number(number) => Said::Number(number),
        Part::Text(text) => Said::Text(text),
        Part::Slot(slot) => Said::Text(slot.bent.unwrap_or_else(|| {
            let waiters: Vec<_> = slot
                .waiters
                .iter()
                .map(|(ticket, seq)| (Uuid::from_u128(*ticket).to_string(), seq.to_string()))
                .collect();
            let units: Vec<String> = slot.units.iter().map(i32::to_string).collect();
            serde_json::json!({ "waiters": waiters, "units": units }).to_string()
        })),
        Part::Numbers(numbers) => Said::List(numbers.into_iter().map(Said::Number).collect()),
        Part::Waiters(waiters) => {
            let pair = |(ticket, seq)| {
                [Said::Text(Uuid::from_u128(ticket).to_string()), Said::Digits(seq)]
            };
            Said::List(waiters.into_iter().flat_map(pair).collect())
        }
        Part::Entries(entries) => {
            let entry = |(kind, seqs): (Outcome, Vec<i64>)| {
                let seqs: Vec<String> = seqs.iter().map(i64::to_string).collect();
                Said::List(vec![word(kind), Said::Text(seqs.join(" "))])
            };
            Said::List(entries.into_iter().map(entry).collect())
        }
        Part::Any(said) => said,
    }
}

struct World {
    live: Live,
    next: Next,
    tasks: LocalSet,
}

thread_local! {
    static WORLD: World = {
        let (next, tasks): (Next, _) = (Rc::new(RefCell::new(Vec::new())), LocalSet::new());
        let url = tasks.block_on(&RUNTIME, serve(next.clone()));
        let live = tasks.block_on(&RUNTIME, async { Live::new(&url).expect("its address") });
        World { live, next, tasks }
    };
}

fuzz_target!(|input: Input| {
    let reply = match input.reply {
        Reply::Any(said) => said,
        Reply::Shaped(outcome, parts) => {
            Said::List([word(outcome)].into_iter().chain(parts.into_iter().map(said)).collect())
        }
    };
    WORLD.with(|world| {
        let mut bytes = Vec::new();
        reply.encode(&mut bytes);
        *world.next.borrow_mut() = bytes;
        let asked = ask(&world.live, input.script);
        let patience = Duration::from_secs(5);
        let answer = world.tasks.block_on(&RUNTIME, async { timeout(patience, asked).await });
        match answer.expect("an answer in time") {
            Ok(()) => {}
            Err(LiveError::Contract { script, outcome }) => {
                assert!(!script.is_empty() && outcome.len() < 1 << 20);
            }
            Err(error @ (LiveError::Away(_) | LiveError::Fenced)) => {
                assert!(!error.to_string().is_empty());
            }
        }
    });
});

async fn ask(live: &Live, script: u8) -> Result<(), LiveError> {
    let (sale, ticket) = (SaleId(Uuid::from_u128(1)), Ticket(Uuid::from_u128(2)));
    match script % 11 {
        0 => match live.admit(sale, 1, 0, 10, 1000, &Ack::default()).await? {
            Admitted::Batch { slot, .. } => drop(slot),
            Admitted::Empty | Admitted::Pace(_) | Admitted::Ahead { .. } | Admitted::Lost => {}
        },
        1 => drop(live.join(sale, 1, 1_000, &[ticket]).await?),
        2 => match live.survey(sale, 1, Known { since: "0-0", seen: 1, ledger: 1 }).await? {
            Survey::Seen { changes, .. } => drop(changes),
            Survey::Lost | Survey::OtherEpoch(_) | Survey::OtherLayout | Survey::Missing => {}
        },
        3 => drop(live.page(sale, 1, Seq(0)).await?),
        4 => drop(live.tokens(sale, 1, 0).await?),
        5 => drop(live.free(sale, 1, &[1]).await?),
        6 => drop(live.drop_tokens(sale, 1, &[1]).await?),
        7 => drop(live.leave(sale, 1, ticket).await?),
        8 => drop(live.clear(sale, 1, Seq(5)).await?),
        9 => drop(live.restore(sale, 1, &[]).await?),
        _ => drop(live.swap(sale, 1, 2, 3, Loaded::default()).await?),
    }
    Ok(())
}
