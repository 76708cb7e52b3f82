//! What a pace will do: when a sale is sold out, how long the last in line waits, what the shop has to
//! bear. Pure arithmetic on what is known; people are taken as a flow, not one by one: that is told while
//! somebody types, and comes within a tenth of shoppers that are played one by one, as the tests do.

/// What a forecast starts from: where the sale stands, how it is set, what was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outset {
    pub waiting: f64,
    pub available: f64,
    pub held: f64,
    /// Shoppers who still join, each second.
    pub joins_per_second: f64,
    pub batch_size: i32,
    pub admit_interval_ms: i32,
    pub max_in_checkout: Option<i32>,
    /// For how long a unit is held, grace included.
    pub hold_seconds: f64,
    /// What part of all holds is bought.
    pub conversion: f64,
    /// How long it takes who buys, and who gives the unit back.
    pub buys_after_seconds: f64,
    pub returns_after_seconds: f64,
}

/// What holds the line back most of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Pace,
    /// `max_in_checkout` is reached.
    Checkout,
    /// Every unit is held or sold.
    Stock,
}

/// What will happen; times are seconds from now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// When the last unit is sold; none when some are left over, or not within [`HORIZON_SECONDS`].
    pub sold_out_in: Option<f64>,
    /// When the last of those who wait now is let in; none when the sale is sold out before.
    pub last_waits: Option<f64>,
    /// Of those who wait now, how many are let in.
    pub let_in: f64,
    /// Units that nobody took by the time the line was empty; 0 while people keep joining.
    pub left_over: f64,
    /// The most shoppers who come to the checkout in one minute, and for how long at least half as many do.
    pub most_per_minute: f64,
    pub busy_seconds: f64,
    /// The most open holds at a time.
    pub most_in_checkout: f64,
    pub limit: Limit,
}

/// A forecast ends here: who waits a day waits for something else than the pace.
pub const HORIZON_SECONDS: f64 = 86_400.0;
/// Steps in which a forecast is made, and the shortest of them. Each costs a few nanoseconds.
const STEPS: f64 = 6_000.0;
const SHORTEST_STEP: f64 = 0.05;
/// Less than half a shopper, or half a unit, is none.
const NONE: f64 = 0.5;

impl Outset {
    /// The most that the pace lets in each second.
    pub fn pace(&self) -> f64 {
        f64::from(self.batch_size) * 1_000.0 / f64::from(self.admit_interval_ms.max(1))
    }

    /// A step that shows the whole course: about as long as everything takes, in thousands of steps.
    fn step(&self) -> f64 {
        let units = self.available + self.held;
        let cap = self.max_in_checkout.map_or(f64::MAX, f64::from).min(units).max(1.0);
        let stay = self.conversion * self.buys_after_seconds
            + (1.0 - self.conversion) * self.returns_after_seconds;
        let slowest = self.pace().min(cap / stay.max(1.0)).max(1e-6);
        let served = units / self.conversion.max(0.01);
        let whole = served.min(self.waiting.max(1.0)) / slowest + 4.0 * self.hold_seconds;
        (whole.min(HORIZON_SECONDS) / STEPS * 2.0).max(SHORTEST_STEP)
    }
}

/// Holds that end after a fixed time: what was admitted in each step comes out so many steps later.
struct Pipe {
    steps: usize,
    admitted: Vec<f64>,
    /// What was open at the start ends evenly over the time of one hold.
    at_start: f64,
}

impl Pipe {
    fn new(seconds: f64, step: f64, at_start: f64) -> Self {
        let steps = ((seconds / step).round() as usize).max(1);
        Self { steps, admitted: Vec::new(), at_start: at_start / steps as f64 }
    }

    fn out(&self, now: usize) -> f64 {
        let first = if now < self.steps { self.at_start } else { 0.0 };
        let later = now.checked_sub(self.steps).and_then(|then| self.admitted.get(then));
        first + later.copied().unwrap_or(0.0)
    }
}

/// What will happen from here on at this pace.
pub fn forecast(from: &Outset) -> Forecast {
    let step = from.step();
    let bought_part = from.conversion.clamp(0.0, 1.0);
    let mut bought = Pipe::new(from.buys_after_seconds, step, from.held * bought_part);
    let mut returned = Pipe::new(from.returns_after_seconds, step, from.held * (1.0 - bought_part));
    let cap = from.max_in_checkout.map_or(f64::INFINITY, f64::from);
    let (mut waiting, mut available, mut held) = (from.waiting, from.available, from.held);
    let (mut let_in, mut peak) = (0.0, held);
    let mut limited = [0.0; 3];
    let mut told = Forecast {
        sold_out_in: None,
        last_waits: (from.waiting < NONE).then_some(0.0),
        let_in: 0.0,
        left_over: 0.0,
        most_per_minute: 0.0,
        busy_seconds: 0.0,
        most_in_checkout: 0.0,
        limit: Limit::Pace,
    };
    let mut rates = Vec::new();
    let steps = (HORIZON_SECONDS / step) as usize;
    for now in 0..steps {
        let (sold, back) = (bought.out(now), returned.out(now));
        held -= sold + back;
        available += back;
        waiting += from.joins_per_second * step;
        let most = [from.pace() * step, (cap - held).max(0.0), available];
        let admitted = most.iter().copied().fold(waiting, f64::min);
        if waiting > admitted {
            let limit = (0..3).min_by(|a, b| most[*a].total_cmp(&most[*b])).unwrap_or(0);
            limited[limit] += step;
        }
        waiting -= admitted;
        available -= admitted;
        held += admitted;
        let_in += admitted;
        peak = f64::max(peak, held);
        bought.admitted.push(admitted * bought_part);
        returned.admitted.push(admitted * (1.0 - bought_part));
        rates.push(admitted);
        let at = (now + 1) as f64 * step;
        if told.last_waits.is_none() && let_in + NONE > from.waiting {
            told.last_waits = Some(at);
        }
        if available + held < NONE {
            told.sold_out_in = Some(at);
            break;
        }
        if waiting < NONE && held < NONE && from.joins_per_second <= 0.0 {
            told.left_over = available;
            break;
        }
    }
    told.let_in = let_in.min(from.waiting);
    told.most_in_checkout = peak;
    (told.most_per_minute, told.busy_seconds) = busiest(&rates, step);
    told.limit = match (0..3).max_by(|a, b| limited[*a].total_cmp(&limited[*b])) {
        Some(1) if limited[1] > 0.0 => Limit::Checkout,
        Some(2) if limited[2] > 0.0 => Limit::Stock,
        _ => Limit::Pace,
    };
    told
}

/// The most admissions in any one minute, and for how long there are at least half as many.
fn busiest(rates: &[f64], step: f64) -> (f64, f64) {
    let width = ((60.0 / step).round() as usize).max(1);
    let (mut sum, mut most) = (0.0, 0.0_f64);
    let mut minutes = Vec::with_capacity(rates.len());
    for (now, rate) in rates.iter().enumerate() {
        sum += rate;
        if now >= width {
            sum -= rates[now - width];
        }
        minutes.push(sum);
        most = most.max(sum);
    }
    // A step that is longer than a minute has several of them.
    let most = most * (60.0 / step).min(1.0);
    let half = rates.iter().filter(|rate| **rate * 60.0 / step >= most / 2.0 && **rate > 0.0);
    (most, half.count() as f64 * step)
}

#[cfg(test)]
mod tests;
