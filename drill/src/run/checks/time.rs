//! S8: no hold expires before its window is over, or long after.

use serde_json::json;

use super::{Case, FINE, Verdict};

/// After its grace a hold ends with the next sweep, at most a second later; the rest is a busy machine.
const SWEPT_WITHIN: f64 = 5.0;

/// S8. What was credited for an outage or a jump of the clock is in `expires_at`, and both bounds hold on
/// top of it: the first by a clock that never jumps, the second where nothing was broken meanwhile.
pub fn windows_are_kept(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("S8", "no hold expires before its window, nor long after");
    let window = f64::from(case.facts.sale.window_seconds);
    let grace = f64::from(case.facts.sale.grace_seconds);
    for (hold, steps) in case.steps_of_holds() {
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { continue };
        if last.state != "expired" {
            continue;
        }
        let lasted = last.up - first.up;
        verdict.look(lasted >= window - FINE, || {
            let lines = case.lines_about(&hold.to_string());
            let what = format!("hold {hold} expired after {lasted:.2} s of {window} s");
            (what, json!({ "steps": steps, "history": lines }))
        });
        // Credits move the end; the last one says where it is.
        let Some(told) = steps.iter().rev().find(|step| step.state == "active") else { continue };
        let due = told.up + (told.expires_at - told.at) + grace;
        if was_whole(case, told.up, due + SWEPT_WITHIN) {
            verdict.look(last.up <= due + SWEPT_WITHIN, || {
                let late = last.up - due;
                (format!("hold {hold} expired {late:.1} s late"), json!(steps))
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
        credit.state = "active".into();
        credit.up -= 61.0;
        credit.at = credit.up;
        credit.expires_at = credit.at + 60.0;
        late.facts.trail.insert(end, credit);
        assert_eq!(windows_are_kept(&late).violations, 0);
    }
}
