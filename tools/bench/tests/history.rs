//! `bench history` with a small filling: every part of it still runs against a gateway of now.

use std::path::Path;
use std::process::Command;

const PARTS: [&str; 16] = [
    "processor time of a gateway each second",
    "processor time of Postgres each second",
    "page of a closed sale",
    "facts of a closed sale",
    "one second of an open console page",
    "/stats",
    "/plan",
    "/reconciliation",
    "an admission step with max_in_checkout",
    "confirms, 16 callers",
    "joins, 64 connections",
    "a withdrawal of ten units of",
    "all are credited after",
    "holds expire again after",
    "confirms until then: p99",
    "confirms until then: refused",
];

#[test]
fn a_small_history_is_measured_to_its_end_and_every_part_has_its_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The gateway is another package's program, and stands beside the bench.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--bin", "ropeline"])
        .current_dir(&root)
        .env("SQLX_OFFLINE", "true")
        .status()
        .unwrap();
    assert!(built.success(), "the gateway is not built");
    std::fs::create_dir_all(root.join("target/bench")).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["history", "--scale", "0.0002", "--rounds", "1"])
        .current_dir(&root)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    let complained = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}\n{complained}");
    for part in PARTS {
        let row = said.lines().find(|line| line.starts_with("| ") && line.contains(part));
        let row = row.unwrap_or_else(|| panic!("no row for {part:?}:\n{said}\n{complained}"));
        assert!(!row.contains("| never"), "it was refused, or did not end: {row}\n{complained}");
    }
}
