# The server as an image: one process group, no shell needed, nothing written below the root.
#   docker build -t fluent-cart-api .
# Python is the version that the tests run on; give its digest (python:3.11-slim-bookworm@sha256:...) where builds
# must be the same byte for byte.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# Every file is checked against the lock before anything of it runs. The environment is then made of these files
# alone, by what the project asks for, so that the lock's build tools stay behind in this stage.
COPY requirements.lock ./
RUN python -m pip download --require-hashes --only-binary :all: --dest locked --requirement requirements.lock \
    && python -m venv tools \
    && tools/bin/pip install --no-index --find-links locked hatchling editables
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY migrations migrations
RUN tools/bin/pip wheel --no-index --no-build-isolation --no-deps --wheel-dir wheel . \
    && python -m venv --without-pip /opt/fluent-cart \
    && python -m pip --python /opt/fluent-cart/bin/python install --no-index --find-links locked wheel/*.whl

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="FluentCart Customers API" \
      org.opencontainers.image.description="The documented FluentCart Customers REST API as a FastAPI server" \
      org.opencontainers.image.licenses="MIT"
RUN python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && groupadd --gid 10001 shop \
    && useradd --uid 10001 --gid shop --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin shop
COPY --from=build /opt/fluent-cart /opt/fluent-cart
# Byte code was made by the installation; the root may be read-only.
ENV PATH=/opt/fluent-cart/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FLUENT_CART_PORT=8000
WORKDIR /opt/fluent-cart
# By number, so that whoever runs the image can see that it is not root.
USER 10001:10001
EXPOSE 8000
# Past any proxy of the environment: the server is asked itself.
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f'http://127.0.0.1:{os.environ[\"FLUENT_CART_PORT\"]}/readyz', timeout=3)"]
ENTRYPOINT ["fluent-cart"]
CMD ["serve", "--host", "0.0.0.0"]
