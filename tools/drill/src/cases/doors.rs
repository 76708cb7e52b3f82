//! The front doors of all gateways of a case: who gets no answer at one tries the next, as a browser
//! behind a load balancer does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::shop::{Answer, Shop};

/// Between two tries.
const RETRY: Duration = Duration::from_millis(50);

/// What is asked, the same at every door.
pub struct Call {
    pub method: Method,
    pub path: String,
    pub bearer: String,
    pub key: Option<String>,
    pub body: Option<Value>,
}

pub struct Doors {
    shop: Shop,
    bases: Mutex<Vec<String>>,
    /// Nobody waits for longer than this.
    deadline: Mutex<Instant>,
}

impl Doors {
    pub fn new(base: &str) -> Self {
        Self {
            shop: Shop::new(base),
            bases: Mutex::new(vec![base.to_owned()]),
            deadline: Mutex::new(Instant::now()),
        }
    }

    /// The gateways as they are now.
    pub fn lead_to(&self, bases: Vec<String>) {
        *self.bases.lock().unwrap_or_else(PoisonError::into_inner) = bases;
    }

    /// From now on everything must be done within so long.
    pub fn patience(&self, patience: Duration) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + patience;
    }

    /// Whether patience is over.
    pub fn is_late(&self) -> bool {
        Instant::now() > *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One gateway, by number.
    pub fn at(&self, number: usize) -> Shop {
        let bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        self.shop.at(&bases[number % bases.len()])
    }

    /// Asks the doors one after the other, `first` first, until one of them gives a definite answer.
    ///
    /// # Errors
    /// When patience is over.
    pub async fn ask(&self, first: usize, call: &Call) -> Result<Answer> {
        let mut number = first;
        loop {
            let shop = self.at(number);
            let (bearer, key, body) = (&call.bearer, call.key.as_deref(), call.body.as_ref());
            let said = shop.call(call.method.clone(), &call.path, bearer, key, body).await;
            let why = match said {
                Ok(Answer { status: 500.. | 429, body }) => body.to_string(),
                Ok(Answer { status: 409, body }) if body["code"] == "idempotency-in-progress" => {
                    body.to_string()
                }
                Ok(answer) => return Ok(answer),
                Err(error) => format!("{error:#}"),
            };
            if self.is_late() {
                bail!("no definite answer: {why}");
            }
            number += 1;
            sleep(RETRY).await;
        }
    }
}
