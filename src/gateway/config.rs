//! Every setting, by flag or by environment, with its default and its limits. Wrong configuration is told
//! in full: every fault at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;

use crate::model::settings::address::is_origin;
use crate::telemetry::LogFormat;
use crate::web::Settings;
use crate::web::server::limits::{Rate, Rates};

/// Fewest bytes of the secret that signs credentials: as many as its signature has.
const SHORTEST_SECRET: usize = 32;
/// Fewest bytes of an operator's API key.
const SHORTEST_KEY: usize = 16;

/// Most calls a second and at once that a limit may be set to.
const MOST_CALLS: u32 = 1_000_000;

/// Where the stores are.
#[derive(Debug, Clone, Args)]
pub struct StoreArgs {
    /// Redis, such as redis://127.0.0.1:6379 or unix:///run/redis.sock
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: Option<String>,

    /// Postgres, such as postgres://user:password@127.0.0.1/ropeline
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,

    /// A file that holds the Redis URL
    #[arg(long, env = "REDIS_URL_FILE", value_name = "FILE")]
    pub redis_url_file: Option<PathBuf>,

    /// A file that holds the Postgres URL
    #[arg(long, env = "DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,
}

/// How fast calls are taken.
#[derive(Debug, Clone, Args)]
pub struct LimitArgs {
    /// Limits of joins and calls: on, or off for load tests behind one address; log-ins and wrong API keys are always
    /// limited
    #[arg(long, env = "ROPELINE_RATE_LIMITS", value_name = "SWITCH", default_value = "on")]
    pub rate_limits: String,

    /// Joins a second that are taken from one address; an IPv6 address counts as its /64
    #[arg(
        long = "limit-joins-per-second",
        env = "ROPELINE_LIMIT_JOINS_PER_SECOND",
        value_name = "NUMBER",
        default_value = "20"
    )]
    pub joins_per_second: String,

    /// Joins that one address may send at once
    #[arg(
        long = "limit-joins-at-once",
        env = "ROPELINE_LIMIT_JOINS_AT_ONCE",
        value_name = "NUMBER",
        default_value = "500"
    )]
    pub joins_at_once: String,

    /// Calls a second that are taken from one address
    #[arg(
        long = "limit-calls-per-second",
        env = "ROPELINE_LIMIT_CALLS_PER_SECOND",
        value_name = "NUMBER",
        default_value = "200"
    )]
    pub calls_per_second: String,

    /// Calls that one address may send at once
    #[arg(
        long = "limit-calls-at-once",
        env = "ROPELINE_LIMIT_CALLS_AT_ONCE",
        value_name = "NUMBER",
        default_value = "2000"
    )]
    pub calls_at_once: String,

    /// Joins a second that are taken with one good API key
    #[arg(
        long = "limit-key-joins-per-second",
        env = "ROPELINE_LIMIT_KEY_JOINS_PER_SECOND",
        value_name = "NUMBER",
        default_value = "500"
    )]
    pub key_joins_per_second: String,

    /// Joins that may come at once with one good API key
    #[arg(
        long = "limit-key-joins-at-once",
        env = "ROPELINE_LIMIT_KEY_JOINS_AT_ONCE",
        value_name = "NUMBER",
        default_value = "10000"
    )]
    pub key_joins_at_once: String,

    /// Calls a second that are taken with one good API key; a confirm is never limited
    #[arg(
        long = "limit-key-calls-per-second",
        env = "ROPELINE_LIMIT_KEY_CALLS_PER_SECOND",
        value_name = "NUMBER",
        default_value = "2000"
    )]
    pub key_calls_per_second: String,

    /// Calls that may come at once with one good API key
    #[arg(
        long = "limit-key-calls-at-once",
        env = "ROPELINE_LIMIT_KEY_CALLS_AT_ONCE",
        value_name = "NUMBER",
        default_value = "20000"
    )]
    pub key_calls_at_once: String,
}

/// How one gateway serves. Everything is text here, so that all faults are told together.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub stores: StoreArgs,

    /// Where to listen
    #[arg(long, env = "ROPELINE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: String,

    /// Where shoppers reach the gateway, such as `https://queue.example.org`; with https its cookies are
    /// marked secure
    #[arg(long, env = "ROPELINE_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Signs credentials; at least 32 bytes, the same on all gateways
    #[arg(long, env = "ROPELINE_SECRET", value_name = "TEXT", hide_env_values = true)]
    pub secret: Option<String>,

    /// A file that holds the secret
    #[arg(long, env = "ROPELINE_SECRET_FILE", value_name = "FILE")]
    pub secret_file: Option<PathBuf>,

    /// The first operator's API key; at least 16 bytes
    #[arg(long, env = "ROPELINE_ADMIN_KEY", value_name = "TEXT", hide_env_values = true)]
    pub admin_key: Option<String>,

    /// A file that holds the API key
    #[arg(long, env = "ROPELINE_ADMIN_KEY_FILE", value_name = "FILE")]
    pub admin_key_file: Option<PathBuf>,

    /// Whose X-Forwarded-For or Forwarded is believed: addresses or CIDR blocks, separated by commas
    #[arg(long, env = "ROPELINE_TRUSTED_PROXIES", value_name = "LIST", default_value = "")]
    pub trusted_proxies: String,

    /// Where to serve /metrics, /healthz and /readyz apart from shoppers
    #[arg(long, env = "ROPELINE_OPS_LISTEN", value_name = "ADDRESS")]
    pub ops_listen: Option<String>,

    #[command(flatten)]
    pub limits: LimitArgs,

    /// Most connections at a time; mind the limit of open files
    #[arg(long, env = "ROPELINE_MAX_CONNECTIONS", value_name = "NUMBER", default_value = "15000")]
    pub max_connections: String,

    /// How log lines look: text or json
    #[arg(long, env = "ROPELINE_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: String,
}

/// The stores' addresses, checked.
#[derive(Clone)]
pub struct Stores {
    pub redis_url: String,
    pub database_url: String,
}

/// A whole configuration, checked.
pub struct Config {
    pub stores: Stores,
    pub listen: SocketAddr,
    pub ops_listen: Option<SocketAddr>,
    pub secret: String,
    pub max_connections: usize,
    pub log_format: LogFormat,
    pub http: Settings,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is wrong:\n{}", .0.iter().map(|fault| format!("  - {fault}")).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<String>);

/// Collects faults while values are read.
#[derive(Default)]
struct Reading {
    faults: Vec<String>,
}

impl Reading {
    /// A value that is given in clear or in a file, and must be given.
    fn secret(&mut self, name: &str, value: Option<&String>, file: Option<&PathBuf>) -> String {
        let found = match (value, file) {
            (Some(_), Some(_)) => Err(format!("{name} and {name}_FILE are both set; keep one")),
            (Some(value), None) => Ok(value.clone()),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map(|text| text.trim_end_matches(['\n', '\r']).to_owned())
                .map_err(|error| format!("{name}_FILE: {}: {error}", file.display())),
            (None, None) => Err(format!("{name} is not set")),
        };
        // Compose and its like set a variable to nothing where they have no value for it.
        let found = found.and_then(|value| match value.is_empty() {
            true => Err(format!("{name} is empty")),
            false => Ok(value),
        });
        found.unwrap_or_else(|fault| {
            self.faults.push(fault);
            String::new()
        })
    }

    fn demand(&mut self, ok: bool, fault: impl FnOnce() -> String) {
        if !ok {
            self.faults.push(fault());
        }
    }

    /// A value that is read from text, with what it must be.
    fn parse<T: FromStr>(&mut self, name: &str, text: &str, rule: &str) -> Option<T> {
        let parsed = text.trim().parse().ok();
        self.demand(parsed.is_some(), || format!("{name}: {text:?} must be {rule}"));
        parsed
    }

    /// One of two words.
    fn choice(&mut self, name: &str, text: &str, first: &str, second: &str) -> bool {
        self.demand(text == first || text == second, || {
            format!("{name}: {text:?} must be {first} or {second}")
        });
        text == first
    }

    /// A number of calls.
    fn count(&mut self, name: &str, text: &str) -> u32 {
        let rule = "a whole number from 1 to 1000000";
        let number: Option<u32> = self.parse(name, text, rule);
        self.demand(number.is_none_or(|n| (1..=MOST_CALLS).contains(&n)), || {
            format!("{name}: {text:?} must be {rule}")
        });
        number.unwrap_or(1).clamp(1, MOST_CALLS)
    }

    /// The limits of joins and calls; none when they are off.
    fn rates(&mut self, args: &LimitArgs) -> Option<Rates> {
        let is_on = self.choice("ROPELINE_RATE_LIMITS", &args.rate_limits, "on", "off");
        let mut rate = |of: &str, per_second: &str, at_once: &str| {
            let per_second = self.count(&format!("ROPELINE_LIMIT_{of}_PER_SECOND"), per_second);
            Rate::new(per_second, self.count(&format!("ROPELINE_LIMIT_{of}_AT_ONCE"), at_once))
        };
        let rates = Rates {
            joins: rate("JOINS", &args.joins_per_second, &args.joins_at_once),
            calls: rate("CALLS", &args.calls_per_second, &args.calls_at_once),
            key_joins: rate("KEY_JOINS", &args.key_joins_per_second, &args.key_joins_at_once),
            key_calls: rate("KEY_CALLS", &args.key_calls_per_second, &args.key_calls_at_once),
        };
        is_on.then_some(rates)
    }

    fn stores(&mut self, args: &StoreArgs) -> Stores {
        let redis_url =
            self.secret("REDIS_URL", args.redis_url.as_ref(), args.redis_url_file.as_ref());
        let database_url = self.secret(
            "DATABASE_URL",
            args.database_url.as_ref(),
            args.database_url_file.as_ref(),
        );
        self.scheme("REDIS_URL", &redis_url, &["redis://", "unix://", "redis+unix://"]);
        self.scheme("DATABASE_URL", &database_url, &["postgres://", "postgresql://"]);
        Stores { redis_url, database_url }
    }

    /// The value itself is a secret and is not repeated.
    fn scheme(&mut self, name: &str, url: &str, schemes: &[&str]) {
        let ok = url.is_empty() || schemes.iter().any(|scheme| url.starts_with(scheme));
        self.demand(ok, || format!("{name} must begin with {}", schemes.join(" or ")));
    }

    fn finish(self) -> Result<(), Faults> {
        if self.faults.is_empty() { Ok(()) } else { Err(Faults(self.faults)) }
    }
}

impl StoreArgs {
    /// # Errors
    /// Names every fault.
    pub fn check(&self) -> Result<Stores, Faults> {
        let mut reading = Reading::default();
        let stores = reading.stores(self);
        reading.finish().map(|()| stores)
    }
}

impl ServeArgs {
    /// # Errors
    /// Names every fault.
    pub fn check(&self) -> Result<Config, Faults> {
        let mut reading = Reading::default();
        let stores = reading.stores(&self.stores);
        let secret =
            reading.secret("ROPELINE_SECRET", self.secret.as_ref(), self.secret_file.as_ref());
        let admin_key = reading.secret(
            "ROPELINE_ADMIN_KEY",
            self.admin_key.as_ref(),
            self.admin_key_file.as_ref(),
        );
        for (name, value, least) in [
            ("ROPELINE_SECRET", &secret, SHORTEST_SECRET),
            ("ROPELINE_ADMIN_KEY", &admin_key, SHORTEST_KEY),
        ] {
            let long_enough = value.is_empty() || value.len() >= least;
            reading.demand(long_enough, || {
                format!(
                    "{name} must have at least {least} bytes; openssl rand -hex 32 makes a good one"
                )
            });
        }
        let mut trusted_proxies = Vec::new();
        for entry in self.trusted_proxies.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            match network(entry) {
                Some(network) => trusted_proxies.push(network),
                None => reading.faults.push(format!(
                    "ROPELINE_TRUSTED_PROXIES: {entry:?} is neither an address nor a CIDR block"
                )),
            }
        }
        if let Some(url) = &self.public_url {
            reading.demand(is_origin(url), || {
                format!("ROPELINE_PUBLIC_URL: {url:?} must be http:// or https:// with a host in lower case, and no path, user name or usual port, as browsers write it in Origin")
            });
        }
        let address = "an address with a port, such as 127.0.0.1:8080";
        let listen: Option<SocketAddr> = reading.parse("ROPELINE_LISTEN", &self.listen, address);
        let ops_listen: Option<SocketAddr> = self
            .ops_listen
            .as_ref()
            .and_then(|text| reading.parse("ROPELINE_OPS_LISTEN", text, address));
        reading.demand(ops_listen.is_none() || ops_listen != listen, || {
            "ROPELINE_OPS_LISTEN must not be the address of ROPELINE_LISTEN".into()
        });
        let number = "a whole number from 1 to 1000000";
        let most: Option<usize> =
            reading.parse("ROPELINE_MAX_CONNECTIONS", &self.max_connections, number);
        reading.demand(most.is_none_or(|most| (1..=1_000_000).contains(&most)), || {
            format!("ROPELINE_MAX_CONNECTIONS: must be {number}")
        });
        let rates = reading.rates(&self.limits);
        let is_text = reading.choice("ROPELINE_LOG_FORMAT", &self.log_format, "text", "json");
        reading.finish()?;
        Ok(Config {
            stores,
            listen: listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            ops_listen,
            secret,
            max_connections: most.unwrap_or(1),
            log_format: if is_text { LogFormat::Text } else { LogFormat::Json },
            http: Settings {
                admin_key,
                public_url: self.public_url.clone(),
                trusted_proxies,
                rates,
                serves_metrics: ops_listen.is_none(),
            },
        })
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        serve: ServeArgs,
    }

    const GOOD: &[&str] = &[
        "ropeline",
        "--redis-url=redis://127.0.0.1",
        "--database-url=postgres:///ropeline",
        "--secret=0123456789abcdef0123456789abcdef",
        "--admin-key=0123456789abcdef",
    ];

    fn check(more: &[&str]) -> Result<Config, Faults> {
        Cli::parse_from(GOOD.iter().chain(more)).serve.check()
    }

    #[test]
    fn every_fault_is_named_at_once_and_no_secret_is_repeated() {
        let bad = Cli::parse_from([
            "ropeline",
            "--redis-url=http://me:hunter2@host",
            "--database-url=mysql://me:hunter2@host",
            "--secret=short",
            "--admin-key=key",
            "--trusted-proxies=10.0.0.0/8, nobody",
            "--public-url=https://shop.example/queue",
            "--listen=here",
            "--ops-listen=there",
            "--rate-limits=maybe",
            "--limit-joins-per-second=0",
            "--limit-key-calls-at-once=many",
            "--max-connections=many",
            "--log-format=xml",
        ]);
        let Err(Faults(faults)) = bad.serve.check() else { panic!("it was taken") };
        let names = [
            "REDIS_URL must begin",
            "DATABASE_URL must begin",
            "ROPELINE_SECRET",
            "ROPELINE_ADMIN_KEY",
            "nobody",
            "ROPELINE_PUBLIC_URL",
            "ROPELINE_LISTEN",
            "ROPELINE_OPS_LISTEN",
            "ROPELINE_MAX_CONNECTIONS",
            "ROPELINE_RATE_LIMITS",
            "ROPELINE_LIMIT_JOINS_PER_SECOND",
            "ROPELINE_LIMIT_KEY_CALLS_AT_ONCE",
            "ROPELINE_LOG_FORMAT",
        ];
        assert_eq!(faults.len(), names.len(), "{faults:?}");
        for (fault, name) in faults.iter().zip(names) {
            assert!(fault.contains(name), "{fault}");
        }
        assert!(!faults.join(" ").contains("hunter2"));
    }

    #[test]
    fn what_is_set_to_nothing_is_not_set() {
        for name in ["--redis-url=", "--database-url=", "--secret=", "--admin-key="] {
            let args = GOOD.iter().filter(|good| !good.starts_with(name)).copied();
            let args = Cli::parse_from(args.chain([name]));
            let Err(Faults(faults)) = args.serve.check() else { panic!("{name} was taken") };
            assert!(faults.len() == 1 && faults[0].ends_with("is empty"), "{faults:?}");
        }
    }

    #[test]
    fn limits_are_what_is_set_and_otherwise_the_defaults_of_the_front_door() {
        assert_eq!(check(&[]).unwrap().http.rates, Some(Rates::default()));
        assert_eq!(check(&["--rate-limits=off"]).unwrap().http.rates, None);
        let set = check(&["--limit-joins-per-second=7", "--limit-joins-at-once=9"]).unwrap();
        let expected = Rates { joins: Rate::new(7, 9), ..Rates::default() };
        assert_eq!(set.http.rates, Some(expected));
    }

    #[test]
    fn proxies_are_addresses_or_blocks() {
        let config = check(&["--trusted-proxies=10.0.0.0/8,192.0.2.1, 2001:db8::/32"]).unwrap();
        assert_eq!(config.http.trusted_proxies.len(), 3);
        assert!(check(&[]).unwrap().http.trusted_proxies.is_empty());
    }

    #[test]
    fn a_secret_may_be_in_a_file_but_not_in_both() {
        let file = std::env::temp_dir().join(format!("ropeline-secret-{}", std::process::id()));
        std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
        let flag = format!("--secret-file={}", file.display());
        let mut args: Vec<&str> =
            GOOD.iter().copied().filter(|a| !a.starts_with("--secret")).collect();
        args.push(&flag);
        let config = Cli::parse_from(&args).serve.check().unwrap();
        assert_eq!(config.secret.len(), 32);
        assert!(check(&[&flag]).is_err());
        std::fs::remove_file(file).unwrap();
    }
}
