# docker build -t trunkline .
# podman build --format docker -t trunkline .     (its own format has no health check)
FROM rust:1-bookworm AS builder
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq-dev pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY Cargo.toml Cargo.lock diesel.toml ./
COPY src src
COPY benches benches
COPY migrations migrations
COPY config config
RUN cargo build --release --locked --features postgres

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libpq5 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin trunkline \
 && install -d -o trunkline -g trunkline -m 0700 /data
COPY --from=builder /build/target/release/trunkline /usr/local/bin/trunkline
USER 10001
WORKDIR /data
# Inside a container 127.0.0.1 is reachable by nobody.
ENV TRUNKLINE__HTTP__LISTEN=0.0.0.0:8080 \
    TRUNKLINE__DATA_DIR=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["trunkline", "health"]
ENTRYPOINT ["trunkline"]
CMD ["serve"]
