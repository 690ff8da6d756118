# The service in a container, for Linux on x86_64:
#   docker build -t sightglass .
#   docker run --rm -p 8080:8080 -v sightglass:/data --stop-timeout 40 sightglass
# (stopping puts work in progress away first, which may take half a minute; a folder of the host instead of the volume
# `sightglass` must belong to user 10001). It asks for a token: `docker logs` shows it, -e SIGHTGLASS_TOKEN=… sets it. With
# HTTPS by a proxy: deploy/compose.yaml.
# With CUDA (the host needs NVIDIA's driver and the NVIDIA Container Toolkit):
#   docker build -t sightglass:cuda --build-arg ONNXRUNTIME=onnxruntime-gpu .
#   docker run --rm -p 8080:8080 -v sightglass:/data --stop-timeout 40 --gpus all sightglass:cuda serve --provider cuda
# It does what `make build` does, by the same scripts and lists of packages.

FROM rust:1.92-slim-bookworm AS build
# Which of scripts/wheels/*.txt holds ONNX Runtime: onnxruntime (CPU, OpenVINO) or onnxruntime-gpu (CPU, CUDA, TensorRT).
ARG ONNXRUNTIME=onnxruntime
WORKDIR /build
# The scripts first: a change of the sources does not download packages and wheels again.
COPY scripts scripts
RUN scripts/apt.sh build fetch && scripts/wheels.sh "$ONNXRUNTIME"
COPY . .
RUN cargo build --release --locked --bin sightglass

FROM debian:bookworm-slim
WORKDIR /opt/sightglass
COPY scripts scripts
RUN scripts/apt.sh run image \
    && rm -rf /var/lib/apt/lists/* scripts \
    && useradd --system --uid 10001 --user-group --create-home sightglass \
    && install -d -o sightglass -g sightglass /data
# An ARG ends with its stage.
ARG ONNXRUNTIME=onnxruntime
COPY --from=build /build/deps/${ONNXRUNTIME} deps/${ONNXRUNTIME}
COPY --from=build /build/models models
COPY --from=build /build/target/release/sightglass ./
# Absolute paths: the image works in whatever folder it is started. The libraries of CUDA lie beside ONNX Runtime's; the
# image for the CPU has no such folder, and its OpenCV and OpenVINO must share Debian's TBB.
ENV SIGHTGLASS_LISTEN=0.0.0.0:8080 \
    SIGHTGLASS_DATA=/data \
    SIGHTGLASS_MODELS=/opt/sightglass/models \
    SIGHTGLASS_ONNXRUNTIME=/opt/sightglass/deps/${ONNXRUNTIME} \
    LD_LIBRARY_PATH=/opt/sightglass/deps/onnxruntime-gpu \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video
# By number, so that a cluster can see that it is not root.
USER 10001
VOLUME /data
EXPOSE 8080
# Loading measures the models for some seconds on the first start.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["curl", "--fail", "--silent", "--show-error", "--output", "/dev/null", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["/opt/sightglass/sightglass"]
CMD ["serve"]
