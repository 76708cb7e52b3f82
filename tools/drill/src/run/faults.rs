//! The menu of faults, and the schedule that a seed draws from it. Faults of different things overlap; two
//! of the same thing do not.

use rand::RngExt;
use rand::rngs::StdRng;
use serde::Serialize;

use super::plan::random;
use crate::proxy::Wire;

/// Gateways that run.
pub const GATEWAYS: usize = 3;
/// The first fault comes when the sale is under way.
const FIRST_MS: u64 = 1_500;
/// Between the beginnings of two faults.
const GAP_MS: std::ops::Range<u64> = 150..2_200;
/// Between two copies of Redis's data.
const COPY_EVERY_MS: u64 = 4_000;
/// Draws for one place in the schedule, until something is found that is not broken already.
const DRAWS: u32 = 40;

/// Which way a wire is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    ToStore,
    ToGateway,
    Both,
}

/// What is broken, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    GatewayKilled {
        gateway: usize,
    },
    GatewayFrozen {
        gateway: usize,
    },
    /// Killed, and back with what it wrote to disk.
    RedisKilled,
    /// Killed, and back with an older copy of its data.
    RedisOlder,
    /// Killed, and back with nothing.
    RedisEmptied,
    /// `FLUSHALL` on the running one.
    RedisFlushed,
    RedisFrozen,
    /// A replica that lags takes over, and the old one is killed; later the data moves back.
    RedisFailover,
    PostgresKilled,
    PostgresFrozen,
    /// `pg_terminate_backend` of one gateway's session.
    BackendTerminated,
    /// SIGKILL of one session: Postgres ends all of them and recovers.
    BackendKilled,
    WireCut {
        gateway: usize,
        wire: Wire,
    },
    WireRefused {
        gateway: usize,
        wire: Wire,
    },
    WireHeld {
        gateway: usize,
        wire: Wire,
        way: Way,
    },
    WireDelayed {
        gateway: usize,
        wire: Wire,
        way: Way,
        by_ms: u64,
    },
    /// The store does the `call`-th call from now, and its reply never comes.
    ReplySwallowed {
        gateway: usize,
        wire: Wire,
        call: u64,
    },
    ClockJumped {
        by_seconds: i64,
    },
    /// Stopped for a copy of its data. Nothing is lost.
    PostgresCopied,
    /// Put back to that copy: what was committed since is lost. Drawn for its own variant alone.
    PostgresRestored,
}

/// One fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub at_ms: u64,
    pub lasts_ms: u64,
    pub kind: Kind,
}

/// What two faults must not have in common at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Gateway(usize),
    Redis,
    Postgres,
    Clock,
    Wire(usize, Wire),
}

impl Kind {
    /// Its name in the report, the same for all gateways and wires.
    pub fn name(&self) -> &'static str {
        match self {
            Self::GatewayKilled { .. } => "gateway killed",
            Self::GatewayFrozen { .. } => "gateway frozen",
            Self::RedisKilled => "redis killed",
            Self::RedisOlder => "redis back with an older copy",
            Self::RedisEmptied => "redis back empty",
            Self::RedisFlushed => "redis flushed",
            Self::RedisFrozen => "redis frozen",
            Self::RedisFailover => "redis failover to a lagging replica",
            Self::PostgresKilled => "postgres killed",
            Self::PostgresFrozen => "postgres frozen",
            Self::BackendTerminated => "postgres session terminated",
            Self::BackendKilled => "postgres session killed",
            Self::WireCut { .. } => "wire cut",
            Self::WireRefused { .. } => "wire refused",
            Self::WireHeld { way: Way::Both, .. } => "wire held",
            Self::WireHeld { way: Way::ToStore | Way::ToGateway, .. } => "wire held one way",
            Self::WireDelayed { .. } => "wire delayed",
            Self::ReplySwallowed { .. } => "reply swallowed",
            Self::ClockJumped { .. } => "postgres's clock jumped",
            Self::PostgresCopied => "postgres stopped for a copy",
            Self::PostgresRestored => "postgres put back to a copy",
        }
    }

    /// Whether Redis may forget something that it had answered.
    pub fn loses_redis_data(&self) -> bool {
        matches!(
            self,
            Self::RedisKilled
                | Self::RedisOlder
                | Self::RedisEmptied
                | Self::RedisFlushed
                | Self::RedisFailover
        )
    }

    fn target(&self) -> Target {
        match *self {
            Self::GatewayKilled { gateway } | Self::GatewayFrozen { gateway } => {
                Target::Gateway(gateway)
            }
            Self::RedisKilled
            | Self::RedisOlder
            | Self::RedisEmptied
            | Self::RedisFlushed
            | Self::RedisFrozen
            | Self::RedisFailover => Target::Redis,
            Self::PostgresKilled
            | Self::PostgresFrozen
            | Self::BackendTerminated
            | Self::BackendKilled
            | Self::PostgresCopied
            | Self::PostgresRestored => Target::Postgres,
            Self::WireCut { gateway, wire }
            | Self::WireRefused { gateway, wire }
            | Self::WireHeld { gateway, wire, .. }
            | Self::WireDelayed { gateway, wire, .. }
            | Self::ReplySwallowed { gateway, wire, .. } => Target::Wire(gateway, wire),
            Self::ClockJumped { .. } => Target::Clock,
        }
    }
}

/// What may be drawn.
#[derive(Debug, Clone, Copy)]
pub struct Menu {
    /// Whether Postgres runs under a clock that can be made to jump.
    pub clock: bool,
}

/// The faults of a run, in order. The last one ends with the run.
pub fn schedule(seed: u64, seconds: u64, menu: Menu) -> Vec<Fault> {
    let (mut random, end) = (random(seed, "faults"), seconds * 1_000);
    let mut faults: Vec<Fault> = Vec::new();
    let mut at_ms = FIRST_MS;
    while at_ms < end {
        for _ in 0..DRAWS {
            let (kind, lasts_ms) = draw(&mut random);
            let is_free = faults.iter().all(|other| {
                other.kind.target() != kind.target() || other.at_ms + other.lasts_ms < at_ms
            });
            let is_known = menu.clock || !matches!(kind, Kind::ClockJumped { .. });
            if is_free && is_known && at_ms + lasts_ms <= end {
                faults.push(Fault { at_ms, lasts_ms, kind });
                break;
            }
        }
        at_ms += random.random_range(GAP_MS);
    }
    faults
}

/// The faults of the variant in which Postgres is put back to an older copy of itself.
pub fn restoring(seconds: u64) -> Vec<Fault> {
    let part = |tenths: u64| seconds * 100 * tenths;
    vec![
        Fault { at_ms: part(4), lasts_ms: 300, kind: Kind::PostgresCopied },
        Fault { at_ms: part(8), lasts_ms: 300, kind: Kind::PostgresRestored },
    ]
}

/// When Redis's data is copied: often enough that a copy is a few seconds old.
pub fn copies(seconds: u64) -> impl Iterator<Item = u64> {
    (1..).map(|n| n * COPY_EVERY_MS).take_while(move |at| *at < seconds * 1_000)
}

fn draw(random: &mut StdRng) -> (Kind, u64) {
    let gateway = random.random_range(0..GATEWAYS);
    let wire = if random.random_bool(0.5) { Wire::Redis } else { Wire::Postgres };
    let way = [Way::ToStore, Way::ToGateway, Way::Both][random.random_range(0..3)];
    let short = random.random_range(100..1_500);
    let long = random.random_range(500..8_000);
    match random.random_range(0..100) {
        0..12 => (Kind::GatewayKilled { gateway }, short),
        12..22 => (Kind::GatewayFrozen { gateway }, long),
        22..26 => (Kind::RedisKilled, short),
        26..31 => (Kind::RedisOlder, short),
        31..34 => (Kind::RedisEmptied, short),
        34..37 => (Kind::RedisFlushed, 100),
        37..41 => (Kind::RedisFrozen, long),
        41..45 => (Kind::RedisFailover, 9_000),
        45..49 => (Kind::PostgresKilled, short),
        49..53 => (Kind::PostgresFrozen, long),
        53..56 => (Kind::BackendTerminated, 100),
        56..59 => (Kind::BackendKilled, 1_500),
        59..64 => (Kind::WireCut { gateway, wire }, 100),
        64..69 => (Kind::WireRefused { gateway, wire }, long),
        69..78 => (Kind::WireHeld { gateway, wire, way }, long),
        78..85 => {
            let by_ms = random.random_range(50..2_000);
            (Kind::WireDelayed { gateway, wire, way, by_ms }, long)
        }
        85..96 => {
            let call = random.random_range(1..40);
            (Kind::ReplySwallowed { gateway, wire, call }, 2_000)
        }
        _ => (Kind::ClockJumped { by_seconds: jump(random) }, 6_000),
    }
}

/// Forwards by more than an outage that is credited; backwards by less, for open holds last that much
/// longer.
fn jump(random: &mut StdRng) -> i64 {
    if random.random_bool(0.6) { random.random_range(7..900) } else { -random.random_range(3..8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults_and_another_seed_others() {
        let menu = Menu { clock: true };
        assert_eq!(schedule(7, 60, menu), schedule(7, 60, menu));
        assert_ne!(schedule(7, 60, menu), schedule(8, 60, menu));
    }

    #[test]
    fn faults_of_one_thing_never_overlap_and_all_end_in_time() {
        for seed in 0..50 {
            let faults = schedule(seed, 60, Menu { clock: true });
            assert!(faults.len() > 20, "seed {seed}: {}", faults.len());
            for (index, fault) in faults.iter().enumerate() {
                assert!(fault.at_ms + fault.lasts_ms <= 60_000);
                for other in &faults[..index] {
                    assert!(
                        other.kind.target() != fault.kind.target()
                            || other.at_ms + other.lasts_ms < fault.at_ms
                    );
                }
            }
        }
    }

    #[test]
    fn a_hundred_seeds_draw_everything_on_the_menu() {
        let mut names: Vec<&str> = (0..100)
            .flat_map(|seed| schedule(seed, 60, Menu { clock: true }))
            .map(|fault| fault.kind.name())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 19, "{names:?}");
        let still = schedule(1, 600, Menu { clock: false });
        assert!(!still.iter().any(|fault| matches!(fault.kind, Kind::ClockJumped { .. })));
    }
}
