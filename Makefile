# Everything here works on a fresh Debian, Ubuntu or macOS with Rust; `make` alone lists it.
# Steps follow one another: they share the build directory, so side by side they would only wait.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help run test setup check prepare screenshots fuzz fuzz-api fmt clean needs-cargo

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
	cargo fmt --check
	@$(MAKE) --no-print-directory target/queries.ok
	cargo clippy --all-targets -- -D warnings
	cargo test
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps

setup: ## install what `make run` and `make test` need and this machine lacks
	scripts/setup --browser

check: needs-cargo ## formatting and lints, in seconds
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

prepare: needs-cargo ## refresh .sqlx after a query or a migration was changed
	@scripts/setup
	scripts/queries

screenshots: needs-cargo ## photograph every page; renews docs/images
	scripts/screenshots

fuzz: needs-cargo ## every parser with made-up input; options: SECONDS=30 for each
	scripts/fuzz $(or $(SECONDS),30)

fuzz-api: needs-cargo ## the API through its own /openapi.json; options: EXAMPLES=50 for each call
	@scripts/setup
	scripts/fuzz-api $(or $(EXAMPLES),50)

fmt: needs-cargo ## format the source
	cargo fmt

clean: ## remove the build and the data of `make run`
	rm -rf target .ropeline

# Asking Postgres about every query builds the source once more: only when something changed.
target/queries.ok: $(shell find src tests migrations .sqlx Cargo.toml Cargo.lock sqlx.toml -type f 2>/dev/null)
	scripts/queries --check
	@touch $@

needs-cargo:
	@command -v cargo >/dev/null || { \
		echo "cargo is missing. Get Rust from https://rustup.rs, then run make again." >&2; exit 1; }
