//! Mistakes in the scripts of `lua/`: which words are changed into which.

use std::borrow::Cow;

use crate::faults::Mistake;

/// The script with this mistake in it.
pub(crate) fn with(mistake: Mistake, script: &str, text: &'static str) -> Cow<'static, str> {
    let changes: &[(&str, &str)] = match (mistake, script) {
        (Mistake::NoSlot, "admit") => {
            &[("if slot then\n  return { \"batch\", n, slot, 0 }\nend\n", "")]
        }
        (Mistake::NoLostCheck, "admit") => &[("if n < recorded_n then", "if false then")],
        (Mistake::SeqFromTime, "join") => &[(
            "string.format(\"%.0f\", base + counter + joined)",
            "string.format(\"%.0f\", base + redis.call(\"TIME\")[1] % 3600 * 1000000 \
             + redis.call(\"TIME\")[2] - joined)",
        )],
        (Mistake::NoEpochFence, "probe" | "survey" | "swap") => return text.into(),
        (Mistake::NoEpochFence, _) => {
            &[("if redis.call(\"HGET\", ctl, \"epoch\") ~= epoch then", "if false then")]
        }
        _ => return text.into(),
    };
    let mut changed = text.to_owned();
    for (from, to) in changes {
        assert!(changed.contains(from), "lua/{script}.lua has no words for {}", mistake.as_str());
        changed = changed.replace(from, to);
    }
    changed.into()
}
