# The server as a small image: one program, no shell, no package manager, not root.
#
#   docker build -t patron .
#   docker run --rm -p 127.0.0.1:50051:50051 -v patron-state:/var/lib/patron \
#     -v "$PWD/deploy/patron.toml:/etc/patron/patron.toml:ro" patron
#
# Both images are Debian 12, so that the C library of the build is that of the image.

FROM rust:1.95-slim-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin patron \
    && mkdir -p /state/data /state/models /state/files

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/release/patron /usr/local/bin/patron
COPY --from=build /source/LICENSE-APACHE /source/LICENSE-MIT /usr/share/doc/patron/
COPY --from=build --chown=65532:65532 /state /var/lib/patron
ENV PATRON_DATA_DIRECTORY=/var/lib/patron/data \
    PATRON_MODEL_DIRECTORY=/var/lib/patron/models
USER 65532:65532
WORKDIR /var/lib/patron
VOLUME /var/lib/patron
EXPOSE 50051 9464
# What is in flight is finished after SIGTERM; give it server.drain_seconds and more before SIGKILL.
STOPSIGNAL SIGTERM
# No HEALTHCHECK: there is no shell to run one, and orchestrators ask grpc.health.v1 or /readyz.
ENTRYPOINT ["/usr/local/bin/patron"]
CMD ["serve", "--config", "/etc/patron/patron.toml"]
