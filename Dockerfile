# The server as an image: one process group, nothing written outside of /data and /tmp.
#   docker build --tag fluent-cart-api .
#   docker run -p 127.0.0.1:8000:8000 fluent-cart-api serve --demo
#   docker run -it -v shop:/data fluent-cart-api init
#   docker run -p 127.0.0.1:8000:8000 -v shop:/data fluent-cart-api
# Python is the version that the tests run on; give its digest (python:3.11-slim-trixie@sha256:...) where builds
# must be the same byte for byte. Debian's release is the one that has pg_dump of the compose file's PostgreSQL.
ARG PYTHON=3.11-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# Every file is checked against the lock before anything of it runs. The environment is then made of these files
# alone, by what the project and its extra `mysql` ask for, so that the lock's build tools stay in this stage.
COPY requirements.lock ./
RUN python -m pip download --require-hashes --only-binary :all: --dest locked --requirement requirements.lock \
    && python -m venv tools \
    && tools/bin/pip install --no-index --find-links locked hatchling editables
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY migrations migrations
COPY docs docs
RUN tools/bin/pip wheel --no-index --no-build-isolation --no-deps --wheel-dir wheel . \
    && python -m venv --without-pip /opt/fluent-cart \
    && python -m pip --python /opt/fluent-cart/bin/python install --no-index --find-links locked "$(echo wheel/*.whl)[mysql]"

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="FluentCart Customers API" \
      org.opencontainers.image.description="The documented FluentCart Customers REST API as a FastAPI server" \
      org.opencontainers.image.licenses="MIT"
# The programs with which backups of PostgreSQL are made and restored.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && groupadd --gid 10001 shop \
    && useradd --uid 10001 --gid shop --no-create-home --home-dir /data --shell /usr/sbin/nologin shop \
    && install --directory --owner 10001 --group 10001 --mode 700 /data /data/backups
COPY --from=build /opt/fluent-cart /opt/fluent-cart
# Byte code was made by the installation; the root may be read-only. The demo listens to the container's network,
# which nobody outside reaches without -p.
ENV PATH=/opt/fluent-cart/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLUENT_CART_PORT=8000 \
    FLUENT_CART_DEMO_HOST=0.0.0.0
# The shop's file, .env and backups.
WORKDIR /data
VOLUME /data
# By number, so that whoever runs the image can see that it is not root.
USER 10001:10001
EXPOSE 8000
# Past any proxy of the environment: the server is asked itself.
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"FLUENT_CART_PORT\"]}/readyz', timeout=3)"]
ENTRYPOINT ["fluent-cart"]
CMD ["serve", "--host", "0.0.0.0"]
