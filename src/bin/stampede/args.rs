//! The flags, and the plan that follows from them once every one of them makes sense.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, Parser, ValueEnum};
use jiff::SignedDuration;

use super::plan::{Behaviour, Bounds, Crowd, Mix, Own, Plan, Spacing};

/// One process does not send more than this in a second; more are several processes.
const MOST_RATE: f64 = 100_000.0;
/// Shoppers of one run; each is remembered by its number until the report.
const MOST_SHOPPERS: u64 = 2_000_000;
/// The ports of 254 loopback addresses are more; the memory of two machines is not.
const MOST_SOCKETS: u64 = 500_000;
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// 127.0.0.1 to 127.0.0.254.
const MOST_ADDRESSES: u8 = 254;
const MOST_CONNECTIONS: usize = 20_000;
const MOST_THREADS: usize = 64;
const MOST_GATEWAYS: usize = 8;

/// Sends a crowd to a flash sale, and measures what the crowd lives through
///
/// Shoppers arrive when they are due, whatever the gateway does, and every latency is counted from
/// there (open loop). Without --target it starts stores and a gateway of its own. Only this
/// machine's loopback addresses are taken as a target, unless you name the host as yours.
#[derive(Parser)]
#[command(name = "stampede", version, max_term_width = 100, args_override_self = true)]
pub struct Cli {
    #[command(flatten)]
    where_to: WhereTo,
    #[command(flatten)]
    crowd: CrowdArgs,
    #[command(flatten)]
    shopper: ShopperArgs,
    #[command(flatten)]
    sale: SaleArgs,
    #[command(flatten)]
    bounds: BoundArgs,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Where to")]
struct WhereTo {
    /// A gateway, as http://127.0.0.1:8080; repeat it, and shoppers spread over all of them
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    target: Vec<String>,
    /// The sale to visit, by slug or id; without it a sale is made, which needs --key
    #[arg(long, value_name = "SALE")]
    sale: Option<String>,
    /// The operator's API key
    #[arg(long, env = "ROPELINE_ADMIN_KEY", hide_env_values = true, value_name = "TEXT")]
    key: Option<String>,
    /// Send load to this host although it is not this machine's loopback: it is yours, and it may break
    #[arg(long, value_name = "HOST")]
    i_own_this_host: Vec<String>,
    /// Without --target: the gateway's program; by default the `ropeline` next to this one
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    gateway: Option<PathBuf>,
    /// Without --target: how many gateways
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    gateways: usize,
}

#[derive(Args)]
#[command(next_help_heading = "The crowd")]
struct CrowdArgs {
    /// Shoppers who arrive in a second, for as long as --for says [default: 200 without --burst and --sockets]
    #[arg(long, value_name = "NUMBER")]
    rate: Option<f64>,
    /// Shoppers who all arrive in one instant, at the beginning
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    burst: u64,
    /// How long shoppers arrive at --rate, or how long to look on without it
    #[arg(long = "for", value_name = "TIME", default_value = "20s")]
    length: SignedDuration,
    /// How arrivals at --rate follow one another
    #[arg(long, value_enum, default_value_t = Spacing::Poisson)]
    spacing: Spacing,
    /// Shoppers who join and watch before the others come; a sale of our own opens when they are there
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    sockets: u64,
    /// How many of them come in a second
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000.0)]
    open_rate: f64,
    /// The same seed: the same arrivals and the same minds
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
#[command(next_help_heading = "What shoppers do")]
struct ShopperArgs {
    /// How they watch: websocket, sse, poll or none, or weights, as websocket=8,sse=1,poll=1
    #[arg(long, value_name = "MIX", default_value = "websocket")]
    watch: Mix,
    /// The share of the admitted who buy
    #[arg(long, value_name = "SHARE", default_value_t = 0.7)]
    buy: f64,
    /// The share of the admitted who give the unit back; the others say nothing, and it expires
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    release: f64,
    /// The mean time from being admitted to buying or giving back
    #[arg(long, value_name = "TIME", default_value = "1s")]
    think: SignedDuration,
    /// The share of shoppers who leave the line, each at some moment within --bored-after
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    walk_away: f64,
    /// When the last of those has left
    #[arg(long, value_name = "TIME", default_value = "20s")]
    bored_after: SignedDuration,
    /// The share of open sockets and streams that break in each second, and are opened again
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    reconnect: f64,
    /// Poll this often, and not when the gateway asks for it
    #[arg(long, value_name = "TIME")]
    poll_every: Option<SignedDuration>,
    /// Send an Idempotency-Key with each join; purchases always have one
    #[arg(long)]
    keyed_joins: bool,
}

#[derive(Args)]
#[command(next_help_heading = "A sale of our own")]
struct SaleArgs {
    /// How many units it has
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    units: u32,
    /// How many are admitted at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    batch_size: u32,
    /// The time between two batches
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    admit_interval_ms: u32,
    /// How long a unit is kept for a shopper
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    checkout_window_seconds: u32,
    /// Most holds at a time
    #[arg(long, value_name = "NUMBER")]
    max_in_checkout: Option<u32>,
}

#[derive(Args)]
#[command(next_help_heading = "The generator")]
struct BoundArgs {
    /// Connections kept for calls, for each gateway; a call that finds none free waits, which counts
    #[arg(long, value_name = "NUMBER", default_value_t = 256)]
    connections: usize,
    /// Connect from 127.0.0.1 to 127.0.0.N, each with ports and limits of its own
    #[arg(long, value_name = "N", default_value_t = if cfg!(target_os = "linux") { 16 } else { 1 })]
    addresses: u8,
    /// Threads
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    threads: usize,
    /// A call that takes longer has failed
    #[arg(long, value_name = "TIME", default_value = "10s")]
    patience: SignedDuration,
    /// How long to wait for the last shoppers after the last arrival
    #[arg(long, value_name = "TIME", default_value = "30s")]
    linger: SignedDuration,
    /// Measure the generator itself against a server that does nothing, for so many seconds, and end
    #[arg(long, value_name = "SECONDS")]
    calibrate: Option<u16>,
}

#[derive(Args)]
#[command(next_help_heading = "The report")]
struct ReportArgs {
    /// Write every figure there
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with plots there
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What to do besides sending a crowd.
pub struct Asked {
    pub plan: Plan,
    pub key: Option<String>,
    pub gateway: Option<PathBuf>,
    pub gateways: usize,
    pub calibrate: Option<u16>,
    pub json: Option<PathBuf>,
    pub html: Option<PathBuf>,
}

impl Cli {
    /// # Errors
    /// Names the flag that makes no sense.
    pub fn check(self) -> Result<Asked> {
        let Self { where_to, crowd, shopper, sale, bounds, report } = self;
        ensure!(
            (1..=MOST_GATEWAYS).contains(&where_to.gateways),
            "--gateways: must be 1 to {MOST_GATEWAYS}"
        );
        let key = where_to.key.filter(|key| !key.is_empty());
        ensure!(
            where_to.target.is_empty() || where_to.sale.is_some() || key.is_some(),
            "--key: needed to make a sale on --target; or name one that is there with --sale"
        );
        ensure!(
            !where_to.target.is_empty() || where_to.sale.is_none(),
            "--sale: needs --target; without it the sale and its gateway are made for the run"
        );
        let seconds = bounds.calibrate;
        ensure!(seconds.is_none_or(|s| (1..=600).contains(&s)), "--calibrate: must be 1 to 600");
        Ok(Asked {
            plan: Plan {
                targets: where_to.target,
                owned: where_to.i_own_this_host,
                sale: where_to.sale,
                crowd: crowd.check()?,
                shopper: shopper.check()?,
                own: sale.check()?,
                bounds: bounds.check()?,
            },
            key,
            gateway: where_to.gateway,
            gateways: where_to.gateways,
            calibrate: seconds,
            json: report.json,
            html: report.html,
        })
    }
}

impl CrowdArgs {
    fn check(self) -> Result<Crowd> {
        let length = time("--for", self.length, Duration::from_millis(100))?;
        let alone = self.burst == 0 && self.sockets == 0;
        let rate = self.rate.unwrap_or(if alone { 200.0 } else { 0.0 });
        ensure!(
            self.rate.is_none_or(|rate| rate > 0.0 && rate <= MOST_RATE),
            "--rate: must be above 0 and at most {MOST_RATE}"
        );
        ensure!(
            self.open_rate >= 1.0 && self.open_rate <= MOST_RATE,
            "--open-rate: must be 1 to {MOST_RATE}"
        );
        ensure!(self.sockets <= MOST_SOCKETS, "--sockets: must be at most {MOST_SOCKETS}");
        ensure!(self.burst <= MOST_SHOPPERS, "--burst: must be at most {MOST_SHOPPERS}");
        let all = rate * length.as_secs_f64() + (self.burst + self.sockets) as f64;
        ensure!(
            all <= MOST_SHOPPERS as f64,
            "--rate: with --for, --burst and --sockets these are {all:.0} shoppers; at most {MOST_SHOPPERS}"
        );
        Ok(Crowd {
            rate,
            burst: self.burst,
            length,
            spacing: self.spacing,
            sockets: self.sockets,
            open_rate: self.open_rate,
            seed: self.seed,
        })
    }
}

impl ShopperArgs {
    fn check(self) -> Result<Behaviour> {
        let shares = [
            ("--buy", self.buy),
            ("--release", self.release),
            ("--walk-away", self.walk_away),
            ("--reconnect", self.reconnect),
        ];
        for (flag, share) in shares {
            ensure!((0.0..=1.0).contains(&share), "{flag}: must be 0 to 1");
        }
        ensure!(self.buy + self.release <= 1.0, "--release: with --buy more than everybody");
        let poll_every = match self.poll_every {
            None => None,
            Some(every) => Some(time("--poll-every", every, Duration::from_millis(10))?),
        };
        Ok(Behaviour {
            watch: self.watch,
            buy: self.buy,
            release: self.release,
            think: time("--think", self.think, Duration::ZERO)?,
            walk_away: self.walk_away,
            bored_after: time("--bored-after", self.bored_after, Duration::ZERO)?,
            reconnect: self.reconnect,
            poll_every,
            keyed_joins: self.keyed_joins,
        })
    }
}

impl SaleArgs {
    fn check(self) -> Result<Own> {
        // The gateway refuses what it does not take; only what would be silly for both is refused here.
        ensure!(self.units > 0, "--units: must be 1 or more");
        Ok(Own {
            units: self.units,
            batch_size: self.batch_size,
            admit_interval_ms: self.admit_interval_ms,
            checkout_window_seconds: self.checkout_window_seconds,
            max_in_checkout: self.max_in_checkout,
        })
    }
}

impl BoundArgs {
    fn check(self) -> Result<Bounds> {
        ensure!(
            (1..=MOST_CONNECTIONS).contains(&self.connections),
            "--connections: must be 1 to {MOST_CONNECTIONS}"
        );
        ensure!(
            (1..=MOST_ADDRESSES).contains(&self.addresses),
            "--addresses: must be 1 to {MOST_ADDRESSES}"
        );
        ensure!(
            (1..=MOST_THREADS).contains(&self.threads),
            "--threads: must be 1 to {MOST_THREADS}"
        );
        Ok(Bounds {
            connections: self.connections,
            addresses: self.addresses,
            threads: self.threads,
            patience: time("--patience", self.patience, Duration::from_millis(10))?,
            linger: time("--linger", self.linger, Duration::ZERO)?,
        })
    }
}

fn time(flag: &str, given: SignedDuration, least: Duration) -> Result<Duration> {
    let time = Duration::try_from(given).ok();
    time.filter(|time| (least..=LONGEST).contains(time))
        .ok_or_else(|| anyhow::anyhow!("{flag}: must be from {least:?} to a day"))
}

impl ValueEnum for Spacing {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Poisson, Self::Even]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Self::Poisson => clap::builder::PossibleValue::new("poisson").help("as people do"),
            Self::Even => clap::builder::PossibleValue::new("even").help("as a clock does"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(flags: &str) -> String {
        let flags = ["stampede"].into_iter().chain(flags.split_whitespace());
        match Cli::try_parse_from(flags) {
            Ok(cli) => cli.check().err().expect("it is refused").to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_the_name_of_its_flag() {
        for (flags, named) in [
            ("--rate 0", "--rate"),
            ("--rate -3", "-3"),
            ("--rate NaN", "--rate"),
            ("--rate inf", "--rate"),
            ("--rate 99999 --for 1h", "--rate"),
            ("--burst 99999999999", "--burst"),
            ("--sockets 9999999", "--sockets"),
            ("--open-rate 0", "--open-rate"),
            ("--for 0s", "--for"),
            ("--for 20", "--for"),
            ("--for 20000h", "--for"),
            ("--buy 1.5", "--buy"),
            ("--buy 0.8 --release 0.3", "--release"),
            ("--reconnect NaN", "--reconnect"),
            ("--watch carrier-pigeon", "--watch"),
            ("--watch sse=0", "--watch"),
            ("--units 0", "--units"),
            ("--addresses 0", "--addresses"),
            ("--addresses 255", "--addresses"),
            ("--connections 0", "--connections"),
            ("--threads 0", "--threads"),
            ("--gateways 0", "--gateways"),
            ("--patience 0s", "--patience"),
            ("--calibrate 0", "--calibrate"),
            ("--target http://127.0.0.1:1 --key=", "--key"),
            ("--sale autumn", "--sale"),
        ] {
            let said = refused(flags);
            assert!(said.contains(named), "{flags}: {said}");
        }
    }

    #[test]
    fn without_a_word_200_come_in_a_second_and_with_sockets_nobody_else() {
        let plan = |flags: &[&str]| {
            let flags = ["stampede"].iter().chain(flags);
            Cli::try_parse_from(flags).unwrap().check().unwrap().plan
        };
        assert_eq!(plan(&[]).crowd.rate, 200.0);
        assert_eq!(plan(&["--sockets", "10"]).crowd.rate, 0.0);
        assert_eq!(plan(&["--burst", "10", "--rate", "2"]).crowd.rate, 2.0);
    }
}
