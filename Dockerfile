# syntax=docker/dockerfile:1
# Two images of one build: `--target api` and `--target worker`. Each holds one binary, the
# certificates for servers that are reached through TLS, and no secret.

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY api api
COPY bench bench
COPY chaos chaos
COPY common common
COPY migrations migrations
COPY tests tests
COPY worker worker
COPY xtask xtask
# Function names stay for backtraces, line tables go.
ENV CARGO_PROFILE_RELEASE_STRIP=debuginfo
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package ordermill-api --package ordermill-worker \
    && install -D --target-directory=/out target/release/ordermill-api target/release/ordermill-worker

FROM debian:bookworm-slim AS runtime
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A new volume that is mounted here takes its owner over.
RUN install --directory --owner=10001 --group=10001 /var/lib/ordermill
WORKDIR /var/lib/ordermill
USER 10001:10001

FROM runtime AS worker
COPY --from=build /out/ordermill-worker /usr/local/bin/ordermill-worker
ENV ORDERMILL_PAYMENT_LEDGER=/var/lib/ordermill/payments.jsonl
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["ordermill-worker", "healthcheck"]
ENTRYPOINT ["ordermill-worker"]
CMD ["run"]

FROM runtime AS api
COPY --from=build /out/ordermill-api /usr/local/bin/ordermill-api
ENV ORDERMILL_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --start-interval=1s --retries=3 \
    CMD ["ordermill-api", "healthcheck"]
ENTRYPOINT ["ordermill-api"]
CMD ["serve"]
