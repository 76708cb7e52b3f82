//! One random sequence of steps: the scripts and their model are asked the same, and told apart.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use ropeline::model::{Places, SaleId, Seq, Ticket};
use ropeline::redis::{
    Ack, Admitted, Change, Known, Live, LiveError, Loaded, Slot, Survey, Waiter,
};

use crate::line::scripts::{Stale, Step, TICKETS};
use crate::support::model::{Model, Pace};
use crate::support::redis_state::{Raw, key};

/// One sequence: a sale of its own, its model, and a mirror that follows it.
pub struct Run {
    live: Live,
    redis: MultiplexedConnection,
    sale: SaleId,
    tickets: Vec<Ticket>,
    model: Model,
    full: bool,
    attempts: u32,
    version: u64,
    mirror: Mirror,
    /// What the steps met, and how often.
    pub seen: HashMap<&'static str, u64>,
}

#[derive(Default)]
struct Mirror {
    places: Places,
    epoch: i32,
    counter: u64,
    since: String,
    /// A clear names everyone up to a number, the batch in flight among them, though it stays.
    cleared_in_flight: bool,
}

impl Mirror {
    fn follow(&mut self, counter: u64, changes: &[Change]) {
        self.places.add_range(self.epoch, self.counter, counter);
        for change in changes {
            match change {
                Change::Gone(seqs) => seqs.iter().for_each(|seq| self.places.remove(*seq)),
                Change::Back(seqs) => seqs.iter().for_each(|seq| self.places.add(*seq)),
                Change::Cleared(upto) => self.places.remove_upto(*upto),
            }
        }
        self.places.trim();
    }
}

pub type Checked = Result<(), String>;

impl Run {
    pub fn new(live: Live, redis: MultiplexedConnection) -> Self {
        let tickets = (0..TICKETS).map(|_| Ticket::new()).collect();
        Self {
            live,
            redis,
            sale: SaleId::new(),
            tickets,
            model: Model::default(),
            full: false,
            attempts: 0,
            version: 0,
            mirror: Mirror::default(),
            seen: HashMap::new(),
        }
    }

    pub async fn begin(&mut self) {
        self.set_full(false).await;
        assert!(self.live.swap(self.sale, 1, 0, 0, Loaded::default()).await.unwrap());
        self.model.swap(1, &[], &[]);
    }

    async fn set_full(&mut self, full: bool) {
        let bytes = if full { "1" } else { "0" };
        let set = redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).to_owned();
        set.exec_async(&mut self.redis).await.unwrap();
        self.full = full;
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn epoch(&self, stale: Stale) -> i32 {
        self.model.epoch - i32::from(stale)
    }

    /// Compares an answer with the model's, unless the step was to be refused: then nothing may have
    /// changed, and the model does not move.
    fn check<T: PartialEq + std::fmt::Debug>(
        &mut self,
        said: Result<T, LiveError>,
        stale: Stale,
        needs_memory: bool,
        model: impl FnOnce(&mut Model) -> T,
    ) -> Checked {
        if self.full && needs_memory {
            self.saw("full");
            return match said {
                Err(LiveError::Away(Some(error))) if error.code() == Some("OOM") => Ok(()),
                other => Err(format!("a full Redis said {other:?}")),
            };
        }
        if stale {
            self.saw("fenced");
            return match said {
                Err(LiveError::Fenced) => Ok(()),
                other => Err(format!("a stale epoch was told {other:?}")),
            };
        }
        let expected = model(&mut self.model);
        match said {
            Ok(said) if said == expected => Ok(()),
            said => Err(format!("said {said:?}, the model {expected:?}")),
        }
    }

    pub async fn step(&mut self, step: &Step) -> Checked {
        match step.clone() {
            Step::Join { tickets, max_waiting, stale } => {
                self.join(&tickets, max_waiting, stale).await
            }
            Step::Leave { ticket, stale } => {
                let ticket = self.tickets[ticket];
                let said = self.live.leave(self.sale, self.epoch(stale), ticket).await;
                self.check(said, stale, false, |model| model.leave(ticket))
            }
            Step::Restore { tickets, stale } => {
                let waiters = self.numbered(&tickets);
                let said = self.live.restore(self.sale, self.epoch(stale), &waiters).await;
                self.check(said, stale, true, |model| model.restore(&waiters))
            }
            Step::Admit { .. } => self.admit(step).await,
            Step::Free { units, stale } => {
                let said = self.live.free(self.sale, self.epoch(stale), &units).await;
                self.check(said, stale, false, |model| model.free(&units))
            }
            Step::Drop { units, stale } => {
                let units: Vec<i32> = units.into_iter().collect();
                let said = self.live.drop_tokens(self.sale, self.epoch(stale), &units).await;
                self.check(said, stale, false, |model| model.drop_tokens(&units))
            }
            Step::Clear { upto, stale } => {
                let upto = Seq::new(self.model.epoch, upto);
                self.mirror.cleared_in_flight |= self.model.slot.is_some();
                let said = self.live.clear(self.sale, self.epoch(stale), upto).await;
                self.check(said, stale, false, |model| model.clear(upto))
            }
            Step::Survey => self.survey().await,
            Step::Page => self.page().await,
            Step::Swap { by, tickets, units } => self.swap(by, &tickets, &units).await,
            Step::ScriptFlush => {
                let flush = redis::cmd("SCRIPT").arg("FLUSH").to_owned();
                flush.exec_async(&mut self.redis).await.map_err(|error| error.to_string())
            }
            Step::Full(full) => {
                self.set_full(full).await;
                Ok(())
            }
        }
    }

    /// Those of these tickets that ever had a number, with their last.
    fn numbered(&self, tickets: &BTreeSet<usize>) -> Vec<Waiter> {
        let tickets = tickets.iter().map(|at| self.tickets[*at]);
        tickets
            .filter_map(|ticket| Some(Waiter { ticket, seq: *self.model.numbers.get(&ticket)? }))
            .collect()
    }

    async fn join(&mut self, tickets: &[usize], max_waiting: usize, stale: Stale) -> Checked {
        let tickets: Vec<Ticket> = tickets.iter().map(|at| self.tickets[*at]).collect();
        let most = i32::try_from(max_waiting).unwrap();
        if self.model.in_flight().iter().any(|waiter| tickets.contains(&waiter.ticket)) {
            self.saw("joined in flight");
        }
        let said = self.live.join(self.sale, self.epoch(stale), most, &tickets).await;
        let said = said.map(|joined| (joined.waiting, joined.seqs));
        if said.as_ref().is_ok_and(|(_, seqs)| seqs.contains(&None)) {
            self.saw("line full");
        }
        self.check(said, stale, true, |model| model.join(max_waiting, &tickets))
    }

    async fn admit(&mut self, step: &Step) -> Checked {
        let Step::Admit { recorded, max, pace, ack, back, spare, stale } = *step else {
            return Err("not an admit".into());
        };
        let interval = if pace == Pace::Hour { 3_600_000 } else { 0 };
        let slot = self.model.slot.clone().unwrap_or(Slot { waiters: vec![], units: vec![] });
        let chosen = |bits: u16, at: usize| bits & (1 << at) != 0;
        let ack = match ack {
            None => Ack::default(),
            Some(by) => Ack {
                epoch: self.model.epoch,
                n: self.model.n + by,
                requeue: (slot.waiters.iter().enumerate())
                    .filter(|(at, _)| chosen(back, *at))
                    .map(|(_, waiter)| waiter.ticket)
                    .collect(),
                spare: (slot.units.iter().enumerate())
                    .filter(|(at, _)| chosen(spare, *at))
                    .map(|(_, unit)| *unit)
                    .collect(),
            },
        };
        let recorded_n = (self.model.n + recorded).max(0);
        let most = i32::try_from(max).unwrap();
        let said =
            self.live.admit(self.sale, self.epoch(stale), recorded_n, most, interval, &ack).await;
        let (n, had_slot) = (self.model.n, self.model.slot.is_some());
        let said = match said {
            Ok(Admitted::Pace(wait)) if wait.is_zero() || wait > Duration::from_secs(3_600) => {
                return Err(format!("paced for {wait:?}"));
            }
            Ok(Admitted::Pace(_)) => Ok(None),
            Ok(other) => Ok(Some(other)),
            Err(error) => Err(error),
        };
        if let (Ok(said), false, false) = (&said, stale, self.full) {
            self.saw(match said {
                None => "pace",
                Some(Admitted::Batch { n: of, .. }) if *of == n => "again",
                Some(Admitted::Batch { .. }) => "batch",
                Some(Admitted::Empty) => "empty",
                Some(Admitted::Ahead { .. }) => "ahead",
                Some(Admitted::Lost) => "lost",
                Some(Admitted::Pace(_)) => "pace",
            });
            if had_slot && ack.n != 0 {
                self.saw(if ack.n == n { "acknowledged" } else { "wrong ack" });
            }
        }
        self.check(said, stale, true, |model| model.admit(recorded_n, max, pace, &ack))
    }

    async fn swap(&mut self, by: i32, tickets: &BTreeSet<usize>, units: &BTreeSet<i32>) -> Checked {
        let epoch = self.model.epoch + by;
        let waiters = self.numbered(tickets);
        let units: Vec<i32> = units.iter().copied().collect();
        self.attempts += 1;
        let attempt = self.attempts;
        // Nothing of it is there yet, as if Redis had lost what was loaded.
        let whole = Loaded { waiters: waiters.len() + 1, units: units.len() };
        let torn = self.live.swap(self.sale, epoch, self.version, attempt, whole).await;
        if by > 0 {
            if !matches!(torn, Ok(false)) {
                return Err(format!("a torn rebuild was swapped in: {torn:?}"));
            }
            self.saw("torn");
        }
        let loads = [
            self.live.load_waiters(self.sale, attempt, &waiters).await,
            self.live.load_tokens(self.sale, attempt, &units).await,
        ];
        let empty = [waiters.is_empty(), units.is_empty()];
        for (load, empty) in loads.iter().zip(empty) {
            if load.is_ok() != (!self.full || empty) {
                return Err(format!("a rebuild was loaded: {loads:?}"));
            }
        }
        if loads.iter().any(Result::is_err) {
            self.saw("full");
            // What could not be loaded whole is thrown away, and never swapped in.
            return self
                .live
                .load_drop(self.sale, attempt)
                .await
                .map_err(|error| error.to_string());
        }
        let loaded = Loaded { waiters: waiters.len(), units: units.len() };
        let said = self.live.swap(self.sale, epoch, self.version, attempt, loaded).await;
        self.saw(if by > 0 { "swapped" } else { "overtaken" });
        self.check(said, false, false, |model| model.swap(epoch, &waiters, &units))
    }

    /// Follows the line as a gateway does, and tells every waiter's place from it.
    async fn survey(&mut self) -> Checked {
        let epoch = self.model.epoch;
        if self.mirror.epoch != epoch {
            self.mirror = Mirror { epoch, ..Mirror::default() };
        }
        let known = Known { since: &self.mirror.since, seen: self.version, ledger: self.version };
        self.survey_is_refused(epoch, known).await?;
        let said = self.live.survey(self.sale, epoch, known).await;
        let Ok(Survey::Seen {
            version,
            counter,
            n,
            waiting,
            in_flight,
            tokens,
            last,
            changes,
            ledger,
        }) = said
        else {
            return Err(format!("survey said {said:?}"));
        };
        if ledger != self.version {
            return Err(format!("the most that was seen of Postgres is not {ledger}"));
        }
        let model = &self.model;
        let in_line = (model.queue.len() + model.in_flight().len()) as u64;
        if in_flight != model.in_flight().len() as u64 {
            return Err(format!("{in_flight} are not in flight"));
        }
        let expected = (model.counter, model.n, in_line, model.tokens.len() as u64);
        let rises = if self.mirror.since.is_empty() {
            version == self.version // It only looked.
        } else {
            version > self.version
        };
        if (counter, n, waiting, tokens) != expected || !rises {
            return Err(format!("saw {:?}, not {expected:?}", (counter, n, waiting, tokens)));
        }
        self.version = version;
        let is_new = self.mirror.since.is_empty();
        if !is_new {
            self.mirror.follow(counter, &changes);
        }
        // A line that was cleared around a batch in flight is read anew; nothing else may need it.
        let differs = !is_new && self.mirror.places.waiting() != waiting;
        if differs && !self.mirror.cleared_in_flight {
            let counted = self.mirror.places.waiting();
            return Err(format!("the mirror counts {counted}, not {waiting}"));
        }
        if is_new || differs {
            self.mirror.places = Places::default();
            self.mirror.cleared_in_flight = false;
            let queued = self.model.queue.iter().map(|(seq, _)| *seq);
            let in_flight = self.model.in_flight().iter().map(|waiter| waiter.seq);
            queued.chain(in_flight).for_each(|seq| self.mirror.places.add(seq));
        } else {
            self.saw("mirrored");
        }
        (self.mirror.counter, self.mirror.since) = (counter, last);
        self.compare_places().await
    }

    /// Another epoch is refused, and so is a survey that Redis does not know of.
    async fn survey_is_refused(&self, epoch: i32, known: Known<'_>) -> Checked {
        let wrong =
            self.live.survey(self.sale, epoch + 1, known).await.map_err(|e| e.to_string())?;
        if wrong != Survey::OtherEpoch(epoch) {
            return Err(format!("another epoch was told {wrong:?}"));
        }
        let later = Known { seen: self.version + 1_000_000_000, ..known };
        let lost = self.live.survey(self.sale, epoch, later).await.map_err(|e| e.to_string())?;
        if lost != Survey::Lost {
            return Err(format!("a survey that Redis does not know of was told {lost:?}"));
        }
        Ok(())
    }

    async fn compare_places(&mut self) -> Checked {
        for (_, ticket) in self.model.queue.clone() {
            let (rank, score): (u64, f64) = redis::pipe()
                .cmd("ZRANK")
                .arg(key(self.sale, "queue"))
                .arg(ticket.to_string())
                .cmd("ZSCORE")
                .arg(key(self.sale, "queue"))
                .arg(ticket.to_string())
                .query_async(&mut self.redis)
                .await
                .map_err(|error| error.to_string())?;
            let seq = Seq(score as i64);
            let ahead = self.model.in_flight().iter().filter(|waiter| waiter.seq < seq).count();
            let (place, there) =
                (self.mirror.places.before(seq), self.mirror.places.is_waiting(seq));
            if place != rank + ahead as u64 || !there {
                return Err(format!("the mirror puts {seq} at {place}, redis at {rank} + {ahead}"));
            }
        }
        Ok(())
    }

    async fn page(&mut self) -> Checked {
        let epoch = self.model.epoch;
        let (line, in_flight) =
            self.live.page(self.sale, epoch, Seq(0)).await.map_err(|e| e.to_string())?;
        let expected: Vec<Waiter> = self
            .model
            .queue
            .iter()
            .map(|(seq, ticket)| Waiter { ticket: *ticket, seq: *seq })
            .collect();
        let (units, units_in_flight) =
            self.live.all_tokens(self.sale, epoch).await.map_err(|e| e.to_string())?;
        let slot = self.model.slot.clone().unwrap_or(Slot { waiters: vec![], units: vec![] });
        if (line, in_flight) != (expected, slot.waiters)
            || (&units, units_in_flight) != (&self.model.tokens, slot.units)
        {
            return Err("a page differs from the model".into());
        }
        for refused in [
            self.live.page(self.sale, epoch + 1, Seq(0)).await.map(drop),
            self.live.tokens(self.sale, epoch + 1, 0).await.map(drop),
        ] {
            if !matches!(refused, Err(LiveError::Fenced)) {
                return Err(format!("another epoch was told {refused:?}"));
            }
        }
        Ok(())
    }

    /// The whole of Redis is the model, and what must hold in any state holds.
    pub async fn compare(&mut self) -> Checked {
        let (raw, leftovers) = Raw::read(&mut self.redis, self.sale).await;
        let model = &self.model;
        let field = |name: &str| raw.ctl.get(name).map(String::as_str);
        let number = |name: &str| field(name).and_then(|text| text.parse::<i64>().ok());
        if leftovers > 0 {
            return Err("a rebuild left its keys behind".into());
        }
        let ctl = (number("epoch"), number("counter"), number("n"), raw.slot());
        let expected = (
            Some(i64::from(model.epoch)),
            Some(model.counter.cast_signed()),
            Some(model.n),
            model.slot.clone(),
        );
        if ctl != expected {
            return Err(format!("ctl is {ctl:?}, not {expected:?}"));
        }
        let queue: Vec<(Seq, Ticket)> = model.queue.iter().copied().collect();
        if raw.queue != queue {
            return Err(format!("the line is {:?}, not {queue:?}", raw.queue));
        }
        if raw.tokens != model.tokens {
            return Err(format!("the list is {:?}, not {:?}", raw.tokens, model.tokens));
        }
        if raw.feed != model.feed {
            return Err(format!("the feed is {:?}, not {:?}", raw.feed, model.feed));
        }
        raw.holds_together(&model.out)
    }
}
