use crate::redis::{Live, LiveError, check, keys, script, unknown};

/// What `lua/probe.lua` was refused, and what time it is in Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probed {
    /// None when the clock was not told.
    pub now_ms: Option<i64>,
    /// Commands that this user may not run, or that this Redis does not know, with Redis's words.
    pub denied: Vec<(String, String)>,
}

impl Live {
    /// Runs every command that a sale needs, on keys that nobody reads.
    pub async fn probe(&self) -> Result<Probed, LiveError> {
        let denied = self.refused_outside_scripts().await?;
        if !denied.is_empty() {
            return Ok(Probed { now_ms: None, denied });
        }
        let id = rand::random();
        let mut call = script!("probe").key(keys::scratch(id));
        let call = call.key(keys::spare(id));
        type Raw = (String, i64, Vec<(String, String)>);
        let (outcome, now_ms, denied): Raw = match self.call(call).await {
            Err(LiveError::Away(Some(error))) if check::is_refusal(&error) => {
                let words = error.detail().unwrap_or_default().to_owned();
                let denied = vec![("EVALSHA".to_owned(), words)];
                return Ok(Probed { now_ms: None, denied });
            }
            called => called?,
        };
        match outcome.as_str() {
            "probed" => Ok(Probed { now_ms: (now_ms > 0).then_some(now_ms), denied }),
            _ => unknown("probe", outcome),
        }
    }
}
