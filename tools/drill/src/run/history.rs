//! The history: every operation of every process, what it was, when it was asked and answered, and how it
//! ended. Kept in memory for the checks and written as JSON lines while the run goes on.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::shop::Answer;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    Join,
    /// A state that a poll, a socket or a stream told.
    Told,
    Leave,
    Confirm,
    Release,
    /// A confirm or a release of somebody else's hold.
    Steal,
    /// Something that no honest client sends.
    Rubbish,
    Seed,
    Withdraw,
    Pause,
    Resume,
    Notice,
    Stats,
    /// The drill broke or mended something.
    Fault,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// No, and nothing was done.
    Refused,
    /// It may have been done or not.
    Unknown,
}

/// One operation.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    pub process: String,
    pub op: Op,
    /// Microseconds since the run began, by a clock that never jumps.
    pub asked: u64,
    pub answered: u64,
    pub outcome: Outcome,
    /// The HTTP status; 0 without an answer, and where there was no call.
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was asked for, where the rest does not say it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub asks: Value,
    /// What was answered.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub said: Value,
}

impl Entry {
    /// An entry that tells of no call.
    pub fn plain(process: &str, op: Op, asked: u64, answered: u64) -> Self {
        Self {
            process: process.to_owned(),
            op,
            asked,
            answered,
            outcome: Outcome::Ok,
            status: 0,
            ticket: None,
            hold: None,
            key: None,
            asks: Value::Null,
            said: Value::Null,
        }
    }

    /// The outcome and what was said of an answer, or of none.
    pub fn answer(mut self, answer: &Result<Answer>) -> Self {
        self.outcome = outcome(answer);
        if let Ok(answer) = answer {
            self.status = answer.status;
            self.said = answer.body.clone();
        }
        self
    }

    pub fn ticket(mut self, ticket: &str) -> Self {
        self.ticket = Some(ticket.to_owned());
        self
    }

    pub fn hold(mut self, hold: &str) -> Self {
        self.hold = Some(hold.to_owned());
        self
    }

    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub fn code(&self) -> &str {
        self.said["code"].as_str().unwrap_or_default()
    }

    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}

/// What an answer means for who asked.
pub fn outcome(answer: &Result<Answer>) -> Outcome {
    match answer {
        Ok(Answer { status: 200..=299, .. }) => Outcome::Ok,
        Ok(Answer { status: 429 | 500.., .. }) | Err(_) => Outcome::Unknown,
        Ok(answer) if answer.body["code"] == "idempotency-in-progress" => Outcome::Unknown,
        Ok(_) => Outcome::Refused,
    }
}

/// The history of one run.
pub struct History {
    began: Instant,
    kept: Mutex<(Vec<Entry>, BufWriter<File>)>,
}

impl History {
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(file: &Path) -> Result<Self> {
        let lines = BufWriter::new(File::create(file)?);
        Ok(Self { began: Instant::now(), kept: Mutex::new((Vec::new(), lines)) })
    }

    /// Microseconds since the run began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub fn push(&self, entry: Entry) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk shows when the history is ended.
        if serde_json::to_writer(&mut kept.1, &entry).is_ok() {
            let _ = kept.1.write_all(b"\n");
        }
        kept.0.push(entry);
    }

    /// All entries; the file is complete.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn end(&self) -> Result<Vec<Entry>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.flush()?;
        Ok(std::mem::take(&mut kept.0))
    }
}
