# Everything runs in .venv and needs only Python 3.11 or newer; no root, no running service.
PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help demo dev dist serve install install-dev test test-one test-quick test-stress test-mutation lint format bench bench-million bench-layers release lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: install  ## Serve the demo shop on http://127.0.0.1:8000 (PORT= to change)
	@$(BIN)/fluent-cart serve --demo --port $(PORT)

dev: export FLUENT_CART_DATABASE_URL = sqlite:///fluent-cart-dev-$(PORT).db
dev: install-dev  ## Serve the demo shop, and start again when the source changes
	@rm -f fluent-cart-dev-$(PORT).db*
	@$(BIN)/python -c 'from fluent_cart import demo, settings; demo.create(settings.Settings())'
	@$(BIN)/python -m uvicorn --factory --reload --reload-dir src --port $(PORT) fluent_cart.app:create_app

dist: install  ## Build the wheel, which has all that the server needs, into dist/
	@$(PIP_INSTALL:install=wheel) --no-build-isolation --no-deps --wheel-dir dist .

serve: install  ## Serve a shop of your own (./fluent-cart.db unless configured); it asks before it makes one
	@$(BIN)/fluent-cart serve --port $(PORT)

install: .venv/.installed  ## Install the server into .venv from the hashed lock file

install-dev: .venv/.installed-dev  ## Also install what the tests and linters need

test: install-dev  ## Run every test with branch coverage
	@$(BIN)/python tests/run.py

test-one: install-dev  ## Run one file or test, with pytest's options (T='tests/... --pdb')
	@$(BIN)/python -m pytest -n0 $(T)

test-quick: install-dev  ## Run the everyday tests: no coverage, no slow ones, no servers of their own
	@$(BIN)/python -m pytest -n auto --dist worksteal -q -m 'not server and not browser and not slow'

test-stress: install-dev  ## Kill, cut, flood and soak the server; write tests/stress/RESULTS.md (100 minutes; STRESS= for flags)
	@$(BIN)/python -m tests.stress $(STRESS)

test-mutation: install-dev  ## Break the server on purpose, and see its tests fail (MUTATION= for flags)
	@$(BIN)/python -m tests.stress.mutations $(MUTATION)

lint: install-dev  ## Check format, lint, words and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/codespell
	@$(BIN)/python -m tests.plain_words
	@$(BIN)/mypy

format: install-dev  ## Format the code and fix what the linter can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: .venv-bench/.installed  ## Measure this server beside others; write benchmarks/RESULTS.md (half an hour)
	@.venv-bench/bin/python -m benchmarks run $(BENCH)

bench-million: .venv-bench/.installed  ## Measure latencies in a shop of a million customers (BENCH= for flags)
	@.venv-bench/bin/python -m benchmarks million $(BENCH)

bench-layers: .venv-bench/.installed  ## Measure what each layer of a request costs, in process (seconds)
	@.venv-bench/bin/python -m benchmarks layers $(BENCH)

release: install-dev  ## Set the version, date the changelog, commit, build, check and tag (VERSION=0.2.0)
	@$(BIN)/python -m tests.release $(VERSION)

lock:  ## Write the lock files again (needs uv)
	uv pip compile pyproject.toml --extra mysql --group build --universal --python-version 3.11 \
	    --no-strip-extras --generate-hashes --no-emit-index-url --no-header --upgrade -o requirements.lock
	uv pip compile pyproject.toml --extra mysql --group build --group dev --universal --python-version 3.11 \
	    --no-strip-extras --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements-dev.lock
	uv pip compile pyproject.toml --extra mysql --group build --group bench --universal --python-version 3.11 \
	    --no-strip-extras --generate-hashes --no-emit-index-url --no-header -c requirements.lock -o requirements-bench.lock
	uv pip compile tests/e2e/clients/requirements.in --universal --python-version 3.11 \
	    --no-strip-extras --generate-hashes --no-emit-index-url --no-header --upgrade -o tests/e2e/clients/requirements.lock

clean:  ## Remove what the targets above made
	rm -rf .venv .venv-bench .bench .clients mutants .coverage* .mypy_cache .ruff_cache .pytest_cache fluent-cart-dev-*.db*

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@$(PYTHON) -m venv .venv

.venv/.installed: .venv/bin/python requirements.lock pyproject.toml
	@echo 'Installing into .venv, which takes up to a minute the first time ...'
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	@echo 'Installing the test tools into .venv ...'
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# The frameworks that the benchmark compares with stay out of the server's own environment.
.venv-bench/.installed: .venv/bin/python requirements-bench.lock pyproject.toml
	@echo 'Installing into .venv-bench ...'
	@.venv/bin/python -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@
