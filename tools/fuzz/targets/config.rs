//! Settings of the program. What is taken can be served with; what is not is told without a secret in it.
#![no_main]

use axum::http::{HeaderValue, Uri};
use clap::Parser;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ropeline::gateway::config::ServeArgs;
use ropeline::ledger::Ledger;
use ropeline::redis::Live;
use ropeline_fuzz::RUNTIME;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Arbitrary)]
struct Input {
    redis_url: Option<String>,
    database_url: Option<String>,
    secret: Option<String>,
    admin_key: Option<String>,
    listen: Option<String>,
    ops_listen: Option<String>,
    public_url: Option<String>,
    trusted_proxies: Option<String>,
    rate_limits: Option<String>,
    joins_at_once: Option<String>,
    max_connections: Option<String>,
    log_format: Option<String>,
    /// Secrets and addresses that are good as they are.
    good: bool,
}

fuzz_target!(|input: Input| {
    let mut args = Cli::parse_from(["ropeline"]).serve;
    let secret = "hunter2-hunter2-hunter2-hunter2-hunter2";
    args.stores.redis_url = Some("redis://:hunter2@127.0.0.1".into());
    args.stores.database_url = Some("postgres://me:hunter2@127.0.0.1/ropeline".into());
    args.secret = Some(secret.into());
    args.admin_key = Some(secret.into());
    if !input.good {
        args.stores.redis_url = input.redis_url.clone();
        args.stores.database_url = input.database_url.clone();
        args.secret = input.secret.clone();
        args.admin_key = input.admin_key.clone();
    }
    args.ops_listen = input.ops_listen;
    args.public_url = input.public_url;
    for (value, field) in [
        (input.listen, &mut args.listen),
        (input.trusted_proxies, &mut args.trusted_proxies),
        (input.rate_limits, &mut args.limits.rate_limits),
        (input.joins_at_once, &mut args.limits.joins_at_once),
        (input.max_connections, &mut args.max_connections),
        (input.log_format, &mut args.log_format),
    ] {
        if let Some(value) = value {
            *field = value;
        }
    }
    let config = match args.check() {
        Ok(config) => config,
        Err(faults) => {
            assert!(!faults.0.is_empty() && faults.0.iter().all(|fault| !fault.is_empty()));
            assert!(!input.good || !faults.to_string().contains("hunter2"), "{faults}");
            return;
        }
    };
    assert!(config.secret.len() >= 32 && config.http.admin_key.len() >= 16);
    assert!((1..=1_000_000).contains(&config.max_connections));
    assert_ne!(Some(config.listen), config.ops_listen);
    assert_eq!(config.http.serves_metrics, config.ops_listen.is_none());
    if let Some(url) = &config.http.public_url {
        // It is put into headers, and compared with what browsers call an origin.
        assert!(HeaderValue::from_str(url).is_ok());
        let uri: Uri = url.parse().expect("an address");
        assert!(!uri.host().unwrap_or_default().is_empty(), "{url}");
        assert!(uri.path() == "/" && uri.query().is_none(), "{url}");
        assert_eq!(uri.host().map(str::to_ascii_lowercase).as_deref(), uri.host());
        let end = uri.authority().map_or("", |authority| authority.as_str());
        let end = end.rsplit_once(']').map_or(end, |(_, end)| end);
        assert!(!end.contains(':') || uri.port_u16().is_some(), "{url}");
    }
    // The stores' own readers of the address: a refusal, never a panic.
    RUNTIME.block_on(async {
        drop(Live::new(&config.stores.redis_url));
        drop(Ledger::new(&config.stores.database_url));
        // What they began in the background ends here, and not at the end of the run.
        tokio::task::yield_now().await;
    });
});
