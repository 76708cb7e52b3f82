//! S8: no hold expires before its window is over, or long after.

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use super::super::facts::{Of, Step};
use super::{Case, FINE, Verdict};

/// After its grace a hold ends with the next sweep, at most a second later; the rest is a busy machine.
const SWEPT_WITHIN: f64 = 5.0;
/// Postgres standing still for longer than this is an outage, and is credited.
const CREDITED_AFTER: f64 = 5.0;

/// S8. What was credited for an outage or a jump of the clock is in the trail's `expires_at`, and both bounds hold on
/// top of it: the first by a clock that never jumps, the second where nothing was broken meanwhile.
pub fn windows_are_kept(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S8", "no hold expires before its window, nor long after");
    let window = f64::from(case.facts.sale.window_seconds);
    let grace = f64::from(case.facts.sale.grace_seconds);
    let mut credits: HashMap<Uuid, Vec<&Step>> = HashMap::new();
    for step in case.facts.trail.iter().filter(|step| step.of == Of::Credit) {
        credits.entry(step.row).or_default().push(step);
    }
    for (hold, steps) in case.steps_of_holds() {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { continue };
        if last.state != "expired" {
            continue;
        }
        // The window begins when Postgres reads its clock for the batch. It may stand still between that and the hold's
        // row; for less than an outage this is not credited, to this hold as to any other.
        let began = first.at - (first.expires_at - window);
        let stood_still = Some(began).filter(|time| (0.0..CREDITED_AFTER).contains(time));
        let lasted = last.up - first.up + stood_still.unwrap_or(0.0);
        verdict.look(lasted >= window - FINE, || {
            let lines = case.lines_about(&hold.to_string());
            let what = format!("hold {hold} expired after {lasted:.2} s of {window} s");
            (what, json!({ "steps": steps, "history": lines }))
        });
        // Credits move the end; the last step of either kind says where it is.
        let credited = credits.get(&hold).into_iter().flatten().filter(|step| step.id < last.id);
        let open = steps.iter().filter(|step| step.state == "active");
        let Some(told) = open.chain(credited).max_by_key(|step| step.id) else { continue };
        // A hold may be credited when it was due already.
        let due = told.up + (told.expires_at - told.at).max(0.0) + grace;
        if was_whole(case, told.up, due + SWEPT_WITHIN) {
            verdict.look(last.up <= due + SWEPT_WITHIN, || {
                let late = last.up - due;
                (format!("hold {hold} expired {late:.1} s late"), json!([steps, told]))
            });
        }
    }
    verdict
}

/// Whether nothing was broken from here to there, or shortly before.
fn was_whole(case: &Case, from: f64, to: f64) -> bool {
    case.windows.iter().all(|window| {
        let ended = if window.to == u64::MAX { f64::MAX } else { case.up(window.to) };
        ended + SWEPT_WITHIN < from || case.up(window.from) > to
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::faults::Kind;
    use super::super::super::strike::Window;
    use super::super::sample::case;
    use super::*;

    #[test]
    fn a_hold_that_ends_too_soon_or_too_late_is_seen() {
        let mut soon = case();
        let end = soon.facts.trail.iter().position(|step| step.state == "expired").unwrap();
        soon.facts.trail[end].up -= 2.0;
        assert_eq!(windows_are_kept(&soon).violations, 1);
        let mut late = case();
        late.facts.trail[end].up += 60.0;
        assert_eq!(windows_are_kept(&late).violations, 1);
        // A credit moves the end.
        let mut credit = late.facts.trail[end].clone();
        (credit.of, credit.state) = (Of::Credit, "active".into());
        credit.id -= 1;
        credit.up -= 61.0;
        credit.at = credit.up;
        credit.expires_at = credit.at + 60.0;
        late.facts.trail.insert(end, credit);
        assert_eq!(windows_are_kept(&late).violations, 0);
        // And no further than it says.
        late.facts.trail[end].expires_at -= 30.0;
        assert_eq!(windows_are_kept(&late).violations, 1);
    }

    #[test]
    fn a_window_counts_from_the_time_that_postgres_read_for_the_batch() {
        let mut frozen = case();
        let end = frozen.facts.trail.iter().position(|step| step.state == "expired").unwrap();
        // The row was written 3.1 s after the clock was read, and swept at once.
        frozen.facts.trail[end - 1].expires_at -= 3.1;
        frozen.facts.trail[end].up = frozen.facts.trail[end - 1].up + 0.25;
        assert_eq!(windows_are_kept(&frozen).violations, 0);
        // A longer standstill is credited.
        frozen.facts.trail[end - 1].expires_at -= 3.0;
        assert_eq!(windows_are_kept(&frozen).violations, 1);
    }

    /// Postgres's clock jumped by 62 s right after a hold was made. The hold is credited, and set right in the same
    /// transaction since it was made during the outage: a change of its row by which the clock is ahead.
    #[test]
    fn a_hold_that_was_credited_for_a_jump_of_the_clock_is_not_late() {
        let mut case = case();
        let end = case.facts.trail.iter().position(|step| step.state == "expired").unwrap();
        let made = case.facts.trail[end - 1].clone();
        let mut set_right = made.clone();
        (set_right.up, set_right.at) = (made.up + 0.4, made.at + 62.4);
        set_right.expires_at = set_right.at + 3.0;
        case.facts.trail[end].up = set_right.up + 3.1;
        case.facts.trail.insert(end, set_right);
        let (from, to) = (3_000_000, 9_000_000);
        let kind = Kind::ClockJumped { by_seconds: 62 };
        case.windows.push(Window { name: kind.name(), kind, from, to, done: true });
        assert_eq!(windows_are_kept(&case).violations, 0);
        // As long as nothing was broken.
        case.windows.clear();
        case.facts.trail[end + 1].up += 60.0;
        assert_eq!(windows_are_kept(&case).violations, 1);
    }
}
