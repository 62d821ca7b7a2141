# The command `dawn` in a container, as an ordinary user. For a CUDA build:
#   docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 -t dawn .
FROM python:3.11-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

# What OpenCV and MediaPipe load at run time; FFmpeg comes inside PyAV's wheel.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home dawn

WORKDIR /opt/dawn
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY manifests manifests
COPY dawn dawn
COPY eval eval
COPY pipeline pipeline
RUN pip install --no-cache-dir --index-url ${TORCH_INDEX} torch==2.13.0 \
    && pip install --no-cache-dir --constraint constraints.txt '.[cluster,hubert,s3]'

USER dawn
WORKDIR /data
ENTRYPOINT ["dawn"]
CMD ["--help"]
