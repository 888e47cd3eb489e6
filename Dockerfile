# A Python with venv and pip for the builder; the final stage has the same base, so links in the venv stay valid.
ARG BASE=python:3.13-slim

FROM ${BASE} AS builder
# Seconds since 1970: the time that stands in what is built. A fixed day unless told, so that a build can be repeated.
ARG SOURCE_DATE_EPOCH=1580601600
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# What is in the image, for scanners. Its maker is installed apart, and stays here.
COPY constraints.txt .
RUN python3 -m venv --without-pip /opt/sbom \
 && python3 -m pip --python /opt/sbom/bin/python3 install -c constraints.txt cyclonedx-bom
COPY . .
# The venv never has a pip of its own. Wheels are compiled below, once, in a form that does not look at files' times.
# Of the services that botocore describes, those stay that the exporter, its simulator and the providers of credentials
# use: half of the venv.
RUN python3 -m venv --without-pip /opt/venv \
 && python3 -m pip wheel --no-deps --wheel-dir /wheel . \
 && python3 -m pip --python /opt/venv/bin/python3 install --no-compile -c constraints.txt /wheel/*.whl \
 && find /opt/venv/lib/python3*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
      ! -name connect ! -name connectparticipant ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} + \
 && /opt/venv/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib \
 && /opt/sbom/bin/cyclonedx-py environment --output-reproducible --short-PURLs --output-file /sbom.cdx.json /opt/venv


FROM ${BASE}
ARG BASE
ARG VERSION=unknown
ARG REVISION=
LABEL org.opencontainers.image.title="amazon-connect-exporter" \
      org.opencontainers.image.description="A Prometheus exporter for Amazon Connect" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"

# Nothing that installs software stays. No package manager of Python is needed once the venv is made.
RUN python3 -c "import glob, os, shutil, sys; \
[shutil.rmtree(found) for path in sys.path if path for name in ('pip', 'pip-*', 'ensurepip') for found in glob.glob(os.path.join(path, name))]" \
 && rm -f /usr/bin/pip* /usr/local/bin/pip*
COPY --from=builder /opt/venv /opt/venv
COPY --from=builder /sbom.cdx.json /usr/share/doc/amazon-connect-exporter/sbom.cdx.json
# Slim images ship the standard library without bytecode, and at run time nothing can be written:
# importing the program once compiles what it uses, and shows that it imports.
RUN ["/opt/venv/bin/python3", "-c", "import exporter.__main__, exporter.app, exporter.cli"]

# From here on no file is written by Python; output reaches the log at once.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/home/exporter \
    EXPORTER_REVISION="${REVISION}"
# AWS's files, where there are any, are mounted below it: /home/exporter/.aws
WORKDIR /home/exporter
# Numeric: Kubernetes' runAsNonRoot can not judge a name.
USER 65532:65532
EXPOSE 10042
ENTRYPOINT ["/opt/venv/bin/amazon-connect-exporter"]
