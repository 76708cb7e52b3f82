//! What a gateway's own process and its configuration tell: its name, and for the self-check open files and
//! who can reach what.

use std::net::SocketAddr;

use crate::engine::health::selfcheck::Finding;
use crate::gateway::config::Config;

/// Files that a gateway has open besides its shoppers' connections: both stores, listeners, the runtime.
const FILES_OF_ITS_OWN: u64 = 64;
/// Spare files, as a share of the connections in hundredths: closed sockets linger for a moment.
const SPARE: u64 = 20;

/// What this gateway is called among the others: its machine, where the system tells, and its address.
pub(crate) fn name(address: SocketAddr) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match machine.trim() {
        "" => address.to_string(),
        machine => format!("{machine} {address}"),
    }
}

/// Raises the limit of open files as far as the process may, and says what is wrong all the same.
pub(crate) fn findings(config: &Config) -> Vec<Finding> {
    // On a system without such limits nothing can be wrong with them.
    let files = rlimit::increase_nofile_limit(u64::MAX).ok();
    let most = config.max_connections as u64;
    let open_files = files.and_then(|files| files_finding(files, most));
    open_files.into_iter().chain(public_metrics(config.listen, config.ops_listen)).collect()
}

fn files_finding(files: u64, connections: u64) -> Option<Finding> {
    let needed = connections + connections * SPARE / 100 + FILES_OF_ITS_OWN;
    (files < needed).then(|| {
        let fit = files.saturating_sub(FILES_OF_ITS_OWN) * 100 / (100 + SPARE);
        Finding::warn(
            "process-files",
            format!(
                "this process may open {files} files and needs {needed} for {connections} connections, so that \
                 shoppers beyond some {fit} would be turned away without a word: raise the limit (ulimit -Hn, \
                 LimitNOFILE= in systemd, ulimits: nofile in compose), or set ROPELINE_MAX_CONNECTIONS={fit}"
            ),
        )
    })
}

fn public_metrics(listen: SocketAddr, ops_listen: Option<SocketAddr>) -> Option<Finding> {
    (ops_listen.is_none() && !listen.ip().is_loopback()).then(|| {
        Finding::warn(
            "process-metrics",
            format!(
                "/metrics is served to whoever reaches {listen}, shoppers included, and tells them stock and \
                 sales: set ROPELINE_OPS_LISTEN to an address that only your monitoring reaches, and keep /admin \
                 and /api/v1/admin from the internet at the load balancer"
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_connection_has_a_file_and_a_fifth_is_spare() {
        assert_eq!(files_finding(18_064, 15_000), None);
        let told = files_finding(18_063, 15_000).unwrap();
        assert!(told.text.contains("ROPELINE_MAX_CONNECTIONS=14999"), "{}", told.text);
        let fits = |files, connections| files_finding(files, connections).is_none();
        assert!(fits(1_264, 1_000) && !fits(1_024, 1_000) && !fits(10, 1));
    }

    #[test]
    fn metrics_are_public_where_shoppers_reach_the_only_listener() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let ops = Some(at("10.0.0.1:9090"));
        assert!(public_metrics(at("0.0.0.0:8080"), None).is_some());
        assert!(public_metrics(at("[::]:8080"), None).is_some());
        assert!(public_metrics(at("0.0.0.0:8080"), ops).is_none());
        assert!(public_metrics(at("127.0.0.1:8080"), None).is_none());
    }
}
