# syntax=docker/dockerfile:1
FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
ENV SQLX_OFFLINE=true
# The dependencies first, around an empty program: this layer lasts until Cargo.lock changes.
COPY Cargo.toml Cargo.lock ./
COPY tools/bench/Cargo.toml tools/bench/
COPY tools/drill/Cargo.toml tools/drill/
COPY tools/race/Cargo.toml tools/race/
RUN mkdir -p src/bin/stampede tools/bench/src tools/drill/src tools/race/src && echo 'fn main() {}' > src/main.rs \
    && cp src/main.rs src/bin/stampede/ && cp src/main.rs tools/bench/src/ \
    && touch src/lib.rs tools/drill/src/lib.rs tools/race/src/lib.rs \
    && cargo build --release --locked --bin ropeline
COPY . .
# What was copied is older than what was built; cargo goes by the time.
RUN touch src/main.rs src/lib.rs && cargo build --release --locked --bin ropeline

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin ropeline
COPY --from=build /build/target/release/ropeline /usr/local/bin/ropeline
COPY --chmod=755 deploy/healthcheck /usr/local/bin/healthcheck
USER ropeline
# Inside a container the loopback address would be out of everybody's reach.
ENV ROPELINE_LISTEN=0.0.0.0:8080 ROPELINE_LOG_FORMAT=json
EXPOSE 8080
# Alive is enough here: a gateway outlives its stores, and restarting it would not bring them back.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["healthcheck", "/healthz"]
ENTRYPOINT ["ropeline"]
CMD ["serve"]
