//! The forecast beside a small simulation of single shoppers, and at its edges.

use std::collections::VecDeque;

use crate::model::admission::plan::*;

/// Games of which the mean is taken.
const GAMES: u64 = 8;

fn outset() -> Outset {
    Outset {
        waiting: 5_000.0,
        available: 1_000.0,
        held: 0.0,
        joins_per_second: 0.0,
        batch_size: 10,
        admit_interval_ms: 1_000,
        max_in_checkout: None,
        hold_seconds: 605.0,
        conversion: 0.7,
        buys_after_seconds: 90.0,
        returns_after_seconds: 300.0,
    }
}

/// What came of single shoppers: when sold out, when the last was let in, the most in one minute and at a time.
struct Played {
    sold_out: Option<f64>,
    last: Option<f64>,
    most_per_minute: usize,
    most_in_checkout: usize,
}

/// Lets shoppers in one by one, batch after batch, each with a fate of its own.
fn play(from: &Outset, seed: u64) -> Played {
    let mut state = seed;
    // Numerical Recipes' generator: enough to toss coins with.
    let mut toss = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let (mut waiting, mut free) = (from.waiting as usize, from.available as usize);
    let mut open: VecDeque<(f64, bool)> = VecDeque::new();
    let mut admitted: Vec<f64> = Vec::new();
    let (mut played, mut at) =
        (Played { sold_out: None, last: None, most_per_minute: 0, most_in_checkout: 0 }, 0.0);
    while at < HORIZON_SECONDS {
        open.retain(|(ends, buys)| {
            let over = *ends <= at;
            free += usize::from(over && !*buys);
            !over
        });
        let room = from.max_in_checkout.map_or(usize::MAX, |cap| cap as usize - open.len());
        let batch = waiting.min(free).min(room).min(from.batch_size as usize);
        for _ in 0..batch {
            let buys = toss() < from.conversion;
            let stays = if buys { from.buys_after_seconds } else { from.returns_after_seconds };
            open.push_back((at + stays, buys));
            admitted.push(at);
        }
        (waiting, free) = (waiting - batch, free - batch);
        played.most_in_checkout = played.most_in_checkout.max(open.len());
        if waiting == 0 && played.last.is_none() {
            played.last = Some(at);
        }
        if free == 0 && open.is_empty() {
            played.sold_out = Some(at);
            break;
        }
        if waiting == 0 && open.is_empty() {
            break;
        }
        at += f64::from(from.admit_interval_ms) / 1_000.0;
    }
    let in_minute =
        |start: f64| admitted.iter().filter(|t| (start..start + 60.0).contains(*t)).count();
    played.most_per_minute = admitted.iter().map(|start| in_minute(*start)).max().unwrap_or(0);
    played
}

fn near(told: f64, played: f64, part: f64, slack: f64) -> bool {
    (told - played).abs() <= played * part + slack
}

#[test]
fn it_comes_out_as_single_shoppers_do() {
    let cases = [
        outset(),
        Outset { batch_size: 100, ..outset() },
        Outset { max_in_checkout: Some(100), ..outset() },
        Outset { conversion: 0.3, ..outset() },
        Outset { conversion: 0.95, available: 300.0, ..outset() },
        Outset { waiting: 600.0, ..outset() },
        Outset { waiting: 1_200.0, conversion: 0.5, ..outset() },
        Outset { batch_size: 1, admit_interval_ms: 5_000, waiting: 400.0, ..outset() },
        Outset { buys_after_seconds: 20.0, returns_after_seconds: 605.0, ..outset() },
    ];
    for case in cases {
        let told = forecast(&case);
        let games: Vec<Played> = (0..GAMES).map(|seed| play(&case, seed)).collect();
        let played = &games[0];
        assert_eq!(told.sold_out_in.is_some(), played.sold_out.is_some(), "{case:?}: {told:?}");
        assert_eq!(told.last_waits.is_some(), played.last.is_some(), "{case:?}: {told:?}");
        // The very last units go back and forth by luck: of some games the mean is looked at.
        let mean = |of: fn(&Played) -> Option<f64>| {
            games.iter().filter_map(of).sum::<f64>() / GAMES as f64
        };
        if let Some(told) = told.last_waits {
            let played = mean(|game| game.last);
            assert!(near(told, played, 0.05, 10.0), "{case:?}: last {told} for {played}");
        }
        if let Some(told) = told.sold_out_in {
            let played = mean(|game| game.sold_out);
            assert!(
                near(told, played, 0.1, case.returns_after_seconds / 2.0),
                "{case:?}: sold out {told} for {played}"
            );
        }
        let most = played.most_per_minute as f64;
        assert!(near(told.most_per_minute, most, 0.1, 12.0), "{case:?}: {told:?}, {most}");
        let open = played.most_in_checkout as f64;
        assert!(near(told.most_in_checkout, open, 0.1, 5.0), "{case:?}: {told:?}, {open}");
    }
}

#[test]
fn it_says_what_holds_the_line_back() {
    let enough = Outset { available: 10_000.0, ..outset() };
    assert_eq!(forecast(&enough).limit, Limit::Pace);
    assert_eq!(forecast(&Outset { max_in_checkout: Some(20), ..enough }).limit, Limit::Checkout);
    assert_eq!(forecast(&Outset { available: 50.0, ..outset() }).limit, Limit::Stock);
}

#[test]
fn the_line_is_served_before_units_run_out_or_it_is_not() {
    let enough = forecast(&Outset { waiting: 100.0, ..outset() });
    assert_eq!(enough.sold_out_in, None);
    assert!((enough.left_over - 930.0).abs() < 1.0, "{enough:?}");
    assert!((enough.let_in - 100.0).abs() < 1.0);
    assert!(near(enough.last_waits.unwrap(), 10.0, 0.1, 0.5), "{enough:?}");
    let scarce = forecast(&outset());
    assert_eq!(scarce.last_waits, None);
    assert!(near(scarce.let_in, 1_000.0 / 0.7, 0.02, 1.0), "{scarce:?}");
    assert!(scarce.left_over.abs() < f64::EPSILON);
}

#[test]
fn a_quicker_pace_never_sells_later_and_a_cap_is_kept() {
    let mut last = f64::INFINITY;
    for batch_size in [1, 5, 20, 100] {
        let told = forecast(&Outset { batch_size, ..outset() }).sold_out_in.unwrap();
        assert!(told <= last * 1.02, "{batch_size}: {told} after {last}");
        last = told;
        let capped = Outset { batch_size, max_in_checkout: Some(40), ..outset() };
        assert!(forecast(&capped).most_in_checkout <= 40.5);
    }
}

#[test]
fn nothing_to_sell_nobody_in_line_and_odd_numbers_are_borne() {
    let nobody = forecast(&Outset { waiting: 0.0, ..outset() });
    assert_eq!((nobody.last_waits, nobody.sold_out_in), (Some(0.0), None));
    let nothing = forecast(&Outset { available: 0.0, ..outset() });
    assert_eq!(nothing.last_waits, None);
    let unsold = forecast(&Outset { conversion: 0.0, waiting: 10.0, ..outset() });
    assert_eq!(unsold.sold_out_in, None);
    assert!((unsold.left_over - 1_000.0).abs() < 1.0);
    let slow = Outset { batch_size: 1, admit_interval_ms: 60_000, ..outset() };
    assert_eq!(forecast(&slow).last_waits, None, "beyond a day nothing is told");
    let growing = Outset { joins_per_second: 5.0, waiting: 10.0, ..outset() };
    assert!(forecast(&growing).sold_out_in.is_some(), "who joins later buys, too");
}
