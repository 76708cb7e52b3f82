# Everything here works on a fresh Debian, Ubuntu or macOS with Rust; `make` alone lists it.
# Steps follow one another: they share the build directory, so side by side they would only wait.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help run test drill cases mistakes hostile websocket deny fuzz fuzz-api recovery race bench counts setup check prepare openapi clients screenshots stampede fmt clean needs-cargo

# Where rustup puts cargo, also before a new login has found it.
export PATH := $(PATH):$(HOME)/.cargo/bin
# Queries are checked against .sqlx, so that a build needs no database.
export SQLX_OFFLINE := true

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: needs-cargo ## a gateway with its own Redis and Postgres and a demo crowd; options: ARGS="…"
	@scripts/setup
	@cargo run -- dev $(ARGS)

test: needs-cargo ## everything that the CI checks, from formatting to tests in a browser
	scripts/setup --browser
	cargo fmt --all --check
	scripts/deny
	@$(MAKE) --no-print-directory target/queries.ok
	@# With the load generator: one build for it, for the gateway and for the tests of both.
	cargo clippy --all-targets --features stampede -- -D warnings
	cargo test --features stampede
	cargo clippy -p ropeline-drill --all-targets -- -D warnings
	cargo test -p ropeline-drill
	cargo clippy -p ropeline-race --all-targets -- -D warnings
	cargo test -p ropeline-race
	cargo clippy -p ropeline-bench --all-targets -- -D warnings
	cargo test -p ropeline-bench
	scripts/fuzz --check
	cargo run -q -p ropeline-drill -- mistakes
	@# Every point and action, with the aftermath that takes the most; make cases plays them all.
	cargo run -q -p ropeline-drill -- cases --after redis-empty
	@# Always the same seeds, so that a red run can be repeated.
	cargo run -q -p ropeline-drill -- run --seed 10 --seed 14 --seed 21 --seconds 60
	scripts/clients
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps

drill: needs-cargo ## break everything while a crowd shops, and check; options: ARGS="--seed 7 --seconds 600"
	@scripts/setup --drill
	@cargo run -p ropeline-drill -- run $(ARGS)

setup: ## install what `make run` and `make test` need and this machine lacks
	scripts/setup --browser

check: needs-cargo ## formatting, dependencies and lints, in seconds
	cargo fmt --all --check
	scripts/deny
	cargo clippy --all-targets --features stampede -- -D warnings
	cargo clippy -p ropeline-drill --all-targets -- -D warnings
	cargo clippy -p ropeline-race --all-targets -- -D warnings
	cargo clippy -p ropeline-bench --all-targets -- -D warnings

prepare: needs-cargo ## refresh .sqlx after a query or a migration was changed
	@scripts/setup
	scripts/queries

openapi: needs-cargo ## refresh openapi.json after a call or a schema was changed
	cargo run -q -- openapi > target/openapi.json
	mv target/openapi.json openapi.json

clients: needs-cargo ## generate a TypeScript and a Python client from openapi.json, and let each run a sale
	scripts/clients

screenshots: needs-cargo ## photograph every page; renews docs/images
	scripts/screenshots

cases: needs-cargo ## every crash point, and every reply lost, in about 20 minutes; options: ARGS="--point …"
	@scripts/setup
	@cargo run -p ropeline-drill -- cases $(ARGS)

mistakes: needs-cargo ## make every known mistake, and see each; options: ARGS="--only …"
	@scripts/setup
	@cargo run -p ropeline-drill -- mistakes $(ARGS)

hostile: needs-cargo ## honest shoppers next to hostile clients, in about 20 minutes; options: ARGS="…"
	@scripts/setup
	cargo build --release --bin ropeline
	cargo build --release -p ropeline-drill
	target/release/drill hostile $(ARGS)

websocket: needs-cargo ## Autobahn's WebSocket cases, in about a minute; needs python3
	@scripts/setup
	scripts/websocket

deny: needs-cargo ## licences, banned crates and sources of dependencies; options: ARGS=--advisories, which needs github.com
	scripts/deny $(ARGS)

fuzz: needs-cargo ## every parser with made-up input; options: SECONDS=30 for each
	scripts/fuzz $(or $(SECONDS),30)

fuzz-api: needs-cargo ## the API through its own /openapi.json; options: EXAMPLES=50 for each call
	@scripts/setup
	scripts/fuzz-api $(or $(EXAMPLES),50)

recovery: needs-cargo ## measure how long a line of 1,000, 100,000 and 1,000,000 takes to be back; minutes
	@scripts/setup
	cargo run --release -p ropeline-drill -- recovery $(ARGS)

bench: needs-cargo ## what ropeline does beside what the machine gives, in about ten minutes; options: ARGS="joins --rounds 9", ARGS=history
	@scripts/setup --bench
	cargo build --release --features stampede --bins
	cargo build --release -p ropeline-bench
	target/release/bench $(ARGS)

race: needs-cargo ## the last units sold in every known way, side by side, in minutes; options: ARGS="--only …"
	@scripts/setup
	cargo build --release -p ropeline-race
	target/release/race $(ARGS)

stampede: needs-cargo ## a crowd against a gateway of its own, measured; options: ARGS="--rate 500 …"
	@scripts/setup
	cargo build --release --features stampede --bins
	target/release/stampede --json target/stampede.json --html target/stampede.html $(ARGS)
	@echo "The page: target/stampede.html"

counts: needs-cargo ## count what a join, a frame and a confirm cost, against the record; options: ARGS="--record"
	@scripts/setup
	cargo build --release -p ropeline-bench --bin counts
	target/release/counts $(ARGS)

fmt: needs-cargo ## format the source
	cargo fmt --all

clean: ## remove the build and the data of `make run`
	rm -rf target .ropeline

# Asking Postgres about every query builds the source once more: only when something changed.
target/queries.ok: $(shell find src tests migrations .sqlx Cargo.toml Cargo.lock sqlx.toml -type f 2>/dev/null)
	scripts/queries --check
	@touch $@

needs-cargo:
	@command -v cargo >/dev/null || { \
		echo "cargo is missing. Get Rust from https://rustup.rs, then run make again." >&2; exit 1; }
