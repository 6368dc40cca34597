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
 && useradd --system --uid 10001 --home-dir /data trunkline \
 && install -d -o trunkline -g trunkline -m 0700 /data
COPY --from=builder /build/target/release/trunkline /usr/local/bin/trunkline
USER trunkline
WORKDIR /data
# Inside a container 127.0.0.1 is reachable by nobody.
ENV TRUNKLINE__HTTP__LISTEN=0.0.0.0:8080 \
    TRUNKLINE__DATA_DIR=/data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["trunkline"]
CMD ["serve"]
